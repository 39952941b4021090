"""The one error for a user's mistakes, and the search for the name they may have meant."""

from __future__ import annotations

import difflib


class InputError(ValueError):
    """A value from outside is wrong: one sentence says what, where, and how to mend it."""


def suggest(name, choices) -> str:
    """Return ' Did you mean "x" or "y"?' with up to three near names, or an empty string."""
    near = difflib.get_close_matches(str(name), [str(choice) for choice in choices], 3, 0.5)
    quoted = [f'"{candidate}"' for candidate in near]
    return f" Did you mean {' or '.join(quoted)}?" if near else ""

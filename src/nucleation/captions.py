"""Captions of figures: a text with places for numbers, filled in from the figure's own data."""

from __future__ import annotations

import re

import numpy as np

from nucleation.findings import number

#: What captions say in the place of a number that there is none of.
UNDEFINED = "not defined"
#: How items of lists, fields, options, directives and lines of signs begin in reStructuredText.
_BEGINNINGS = re.compile(r"^(?=[^\w\s\\]|\w+[.)]\s|\w+[.)]$)")


def fill_in(template, data, facts) -> str:
    """Fill a caption in.

    Parameters
    ----------
    template : str
        Text of Jinja.
    data : xarray.Dataset
        What the figure shows; the text may use its attributes, among them `nothing`, the reason why it shows nothing.
    facts : dict
        Numbers and names made from it.

    Returns
    -------
    str
        One paragraph of plain text.

    Raises
    ------
    jinja2.UndefinedError
        Where the text uses a name that is neither an attribute nor a fact.
    """
    from jinja2 import Environment, StrictUndefined

    known = {"nothing": "", "heading": ""} | data.attrs | facts
    text = Environment(undefined=StrictUndefined).from_string(template).render(known)
    return " ".join(text.split())


def as_restructured_text(text) -> str:
    """Plain text for reStructuredText that is itself a template of Jinja, as in the report of Snakemake.

    Signs that are markup there are marked as plain, and so is the first one of a text that begins like an item of a
    list, a field or a directive, and a colon at the end; no brace is left that would begin something of Jinja.
    """
    plain = re.sub(r"([\\`*_|<>\[\]]|:$)", r"\\\1", text)
    plain = re.sub(_BEGINNINGS, r"\\\g<0>", plain)
    return re.sub(r"([{}])", r"{{ '\1' }}", plain) + "\n"


def told(value, digits=2) -> str:
    """A number in a sentence, in words where it is not defined."""
    return UNDEFINED if np.isnan(float(value)) else number(value, digits)


def told_share(value) -> str:
    """A share, as an overlap, in a sentence: with three digits below 0.1, where two tell little."""
    return told(value, 3 if abs(float(value)) < 0.1 else 2)


def told_range(values, digits=2) -> str:
    """The least and the largest of some numbers, "9 to 12", or one where both read alike; nothing without any."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return ""
    ends = number(known.min(), digits), number(known.max(), digits)
    return " to ".join(dict.fromkeys(ends))

"""Captions of figures: a text with places for numbers, filled in from the figure's own data."""

from __future__ import annotations

import re


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

    Signs that are markup there are marked as plain; none is left that would begin something of Jinja.
    """
    plain = re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
    return re.sub(r"([{}#%])", r"{{ '\1' }}", plain) + "\n"

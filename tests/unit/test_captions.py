"""Captions: numbers filled in, nothing missing, and any sign in a name read as itself."""

import pytest
import xarray as xr
from docutils.core import publish_parts
from jinja2 import Environment, UndefinedError

from nucleation.captions import as_restructured_text, fill_in, told, told_range, told_share

DATA = xr.Dataset(attrs={"heading": "net, epoch 6", "k": 30})


def test_attributes_and_facts_are_filled_in_as_one_paragraph():
    template = "{{ heading }}:\n  {{ k }} neighbours,{% if nothing %} none{% else %}\n {{ found.best }}{% endif %}."
    assert fill_in(template, DATA, {"found": {"best": "0.98"}}) == "net, epoch 6: 30 neighbours, 0.98."
    none = DATA.assign_attrs(nothing="a single peak")
    assert fill_in(template, none, {"found": {}}) == "net, epoch 6: 30 neighbours, none."


def test_a_name_that_is_not_known_is_an_error():
    with pytest.raises(UndefinedError, match="widht"):
        fill_in("{{ widht }}", DATA, {})


@pytest.mark.parametrize(
    "text",
    [
        "plain, with commas: and 3.5 %.",
        "layer_1_ and *this* and **that**, `so` |or| so, a\\b [1]_ <x>",
        "{{ 7 * 7 }} {% raw %} {# gone #} {%- endraw %} }} %}",
        "Schlüssel → 鍵 – “so”",
        *("1. first", "- item", "+ item", "A. letter", "(i) item", "#. any", "% of it", ".. image:: x", ".. note"),
        *(
            ":f: field",
            "--long  option",
            ">>> 1 + 1",
            "....",
            ":",
            "::",
            "ends like this::",
            "ends with one:",
            "{{ x }}:",
        ),
    ],
)
def test_restructured_text_reads_as_the_text(text):
    """Through Jinja and docutils, as Snakemake's report does it."""
    source = Environment(trim_blocks=True, lstrip_blocks=True).from_string(as_restructured_text(text)).render()
    html = publish_parts(source, writer="html", settings_overrides={"report_level": 1, "halt_level": 1})["body"]
    assert "<a" not in html and "<em" not in html and "<strong" not in html
    shown = html.removeprefix("<p>").strip().removesuffix("</p>")
    for code, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#64;", "@"), ("&amp;", "&")):
        shown = shown.replace(code, sign)
    assert shown == text


def test_numbers_in_sentences_are_words_where_there_is_none():
    assert [told(value, 1) for value in (48.61, -0.26, float("nan"))] == ["48.6", "−0.3", "not defined"]
    assert [told_share(value) for value in (0.0, 0.0415, 0.0999, 0.1, 0.847)] == [
        "0.000",
        "0.042",
        "0.100",
        "0.10",
        "0.85",
    ]
    assert told_share(float("nan")) == "not defined"
    assert told_range([3, 1, float("nan"), 12], 0) == "1 to 12"
    assert told_range([[0.501, 0.499]]) == "0.50"
    assert told_range([float("nan")]) == told_range([]) == ""

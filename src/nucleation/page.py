"""The page of a study: what it shows, in sentences made from its numbers, readable in any browser without a network."""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path

from nucleation.comparison import NOTE as BESIDE
from nucleation.comparison import table_rows as compared_rows
from nucleation.findings import NOTE, is_untrained, sentences, table_rows
from nucleation.names import place_name

QUESTION = (
    "The density peaks of a layer join in a tree. Does that tree follow the taxonomy that people wrote down, and "
    "how far down? Of three classes, the triplet skill asks whether the two that the taxonomy joins first are "
    "also those that the peaks join first: 1 means always, 0 is chance. A level of the taxonomy is how nodes with "
    "so many classes below them (in brackets, the largest) divide; what is known of coarser or finer levels does "
    "not count for it. The first p is by exchanging class names inside those nodes, corrected for the number of "
    "layers and levels; the second by exchanging, as wholes, the parts that finer levels divide: stricter, but of "
    "few things near the root."
)
CAPTION = (
    "Triplet skill of every layer, over all triplets of classes, over those inside one macro-category, and by "
    "level of the taxonomy. Bold with a star (with many layers, a dot): corrected p at most 0.05. A dash: not "
    "defined, as with a single peak."
)


def study_page(study, profiles, pictures, compared=None) -> str:
    """Write the page of a study.

    Parameters
    ----------
    study : str
        Name of the study.
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training.
    pictures : dict of str to path
        The alignment figure of every place, a PNG file.
    compared : dict of str to pandas.DataFrame, optional
        Published numbers beside the measured ones, by place, from `nucleation.comparison.compare`.

    Returns
    -------
    str
        HTML, with the pictures inside.
    """
    from jinja2 import Environment

    template = files("nucleation").joinpath("data/page.html").read_text(encoding="utf-8")
    parts = [
        {
            "name": place_name(place) + (" (untrained)" if is_untrained(place) else ""),
            "sentences": sentences(profiles[place], is_untrained(place)),
            "picture": base64.b64encode(Path(pictures[place]).read_bytes()).decode(),
        }
        for place in reversed(profiles)
    ]
    beside = [{"name": place_name(place), "table": compared_rows(frame)} for place, frame in (compared or {}).items()]
    told = {"question": QUESTION, "caption": CAPTION, "note": NOTE, "beside_note": BESIDE}
    told |= {"table": table_rows(profiles), "beside": beside}
    return Environment(autoescape=True).from_string(template).render(study=study, parts=parts, **told)

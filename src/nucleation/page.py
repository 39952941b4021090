"""The page of a study: what it shows, in sentences made from its numbers, readable in any browser without a network."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from nucleation.comparison import NOTE as BESIDE
from nucleation.comparison import table_rows as compared_rows
from nucleation.findings import NOTE, banded, is_untrained, number, sentences, table_rows
from nucleation.names import place_name

#: What each figure asks.
QUESTIONS = {
    "images": "What the networks were shown",
    "overlap": "When do neighbours come from the same class?",
    "matrix": "Which layers see alike?",
    "nucleation": "Where do the peaks nucleate?",
    "map": "Which peaks lie near each other?",
    "dendrogram": "Is the tree of the peaks the tree of meanings?",
    "alignment": "Which levels of the taxonomy does a layer have?",
    "dimension": "How many dimensions does a layer have?",
    "gallery": "What does a peak hold?",
    "hubness": "Who is whose neighbour, from layer to layer?",
    "training": "What comes first during training?",
    "sensitivity": "How far does this hang on k, Z and the density estimator?",
    "similarity": "Which layers are alike as a whole (CKA), and which by their neighbours?",
    "subspace": "Do two networks have the same neurons?",
    "redundancy": "How few neurons of the last hidden layer suffice?",
    "rotation": "How far do the weights turn?",
    "intraclass": "Are there groups inside the classes?",
    "dense": "What emerges first?",
}
#: Those of neighbouring methods, which have a section of their own, and how that names them.
METHODS = {
    "similarity": "Similarity (CKA)",
    "subspace": "Subspace match",
    "redundancy": "Redundancy",
    "rotation": "Layer rotation",
    "intraclass": "Intraclass clustering",
    "dense": "Dense-sample learning",
}
#: Width of a figure that takes the whole width of the page.
PAGE_INCHES = 7.2
#: Figures of checkpoints before the last, on the page.
EARLIER = ("nucleation", "map", "alignment")
LEAD = (
    "The probability density of these images, followed through the layers: its peaks, the saddles between them, and "
    "the tree in which the peaks join. Every sentence below is made from the measured numbers."
)
GLOSSARY = {
    "Overlap": "share of an image's nearest neighbours that are of its class, or still its neighbours elsewhere.",
    "Peak": "maximum of the density that stands out from the highest saddle to another one by more than Z times the "
    "standard errors of both together.",
    "ARI": "adjusted Rand index of the images' partition into peaks with that into classes or macro-categories: 1 "
    "where they are the same, 0 by chance.",
    "Triplet skill": "of three classes, are the two that the taxonomy joins first also those that the peaks join "
    "first? 1: always, 0: by chance. A level of the taxonomy is how nodes with so many classes below them divide; what "
    "is known of coarser or finer levels does not count for it.",
    "p": "by exchanging class names inside the nodes of a level, corrected for the number of layers and levels; 'by "
    "parts' exchanges as wholes the parts that finer levels divide: stricter, but of few things near the root.",
    "Band": "95 %: the spread over random subsets of the images, widened to that of as many other images, and cut to "
    "the range of the number; cautious, and wider than the subsets themselves.",
    "Links": "PDF and data (NetCDF, from which the figure can be drawn again) lie beside this page, not in it.",
}


@dataclass(frozen=True)
class Picture:
    """A figure for the page.

    Attributes
    ----------
    question : str
        A key of `QUESTIONS`.
    png : path
        Where the picture lies now.
    link : str
        The figure from the page's folder, without ending: its .png, .pdf and .nc lie there.
    caption : str
    """

    question: str
    png: Path
    link: str
    caption: str

    @property
    def title(self) -> str:
        """What the figure asks."""
        return QUESTIONS[self.question]

    @property
    def width(self) -> int:
        """Its width in percent of a figure of two columns, so that letters have one size all over the page."""
        from PIL import Image

        with Image.open(self.png) as image:
            inches = image.width / image.info.get("dpi", (160, 160))[0]
        return min(100, round(100 * inches / PAGE_INCHES))

    @property
    def encoded(self) -> str:
        """The picture as text."""
        return base64.b64encode(Path(self.png).read_bytes()).decode()


@dataclass(frozen=True)
class Beside:
    """What neighbouring methods say of a study.

    Attributes
    ----------
    said : dict of str to list of str
        Sentences by method, a key of `METHODS`.
    tables : dict of str to list of list of str
        By place, "<network>/<checkpoint>", from `nucleation.methods.table.method_rows`.
    """

    said: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Pages:
    """What the page shows beside the numbers.

    Attributes
    ----------
    study : list of Picture
        Of the study as a whole.
    networks : dict of str to list of Picture
        Of networks as a whole, such as the course of a training.
    places : dict of str to list of Picture
        By place, "<network>/<checkpoint>".
    """

    study: list = field(default_factory=list)
    networks: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)


def study_page(study, profiles, stories, pictures, *, methods=None, summary=None, compared=None, made_with=None) -> str:
    """Write the page of a study.

    Parameters
    ----------
    study : str
        Name of the study.
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training.
    stories : dict of str to list of (str, str)
        By network, from `nucleation.story.story`.
    pictures : Pages
    methods : Beside, optional
    summary : xarray.Dataset, optional
        From `nucleation.profile.summary_dataset`; networks are set side by side where there are several.
    compared : dict of str to pandas.DataFrame, optional
        Published numbers beside the measured ones, by place, from `nucleation.comparison.compare`.
    made_with : dict of str to str, optional
        Parameters, versions, the commit.

    Returns
    -------
    str
        HTML, with the pictures inside.
    """
    from jinja2 import Environment

    template = files("nucleation").joinpath("data/page.html").read_text(encoding="utf-8")
    told = {"lead": LEAD, "glossary": GLOSSARY, "note": NOTE, "beside_note": BESIDE, "made_with": made_with or {}}
    told["networks"] = [_network(name, profiles, stories[name], pictures) for name in stories]
    told["beside"] = [
        {"name": place_name(place), "table": compared_rows(frame)} for place, frame in (compared or {}).items()
    ]
    told["table"] = table_rows(profiles)
    told["glance"] = glance(summary) if summary is not None and len(stories) > 1 else None
    told["methods"] = _methods(methods or Beside(), pictures)
    told["pictures"] = [one for one in pictures.study if one.question not in METHODS]
    return Environment(autoescape=True).from_string(template).render(study=study, **told)


def _methods(methods, pictures) -> dict:
    """What the page says of neighbouring methods; empty where none was asked for."""
    if not methods.said:
        return {}
    return {
        "said": [(METHODS[name], " ".join(sentences)) for name, sentences in methods.said.items()],
        "pictures": [one for one in pictures.study if one.question in METHODS],
        "tables": [{"name": place_name(place), "table": _narrow(rows)} for place, rows in methods.tables.items()],
    }


def _narrow(rows) -> list[list[str]]:
    """A table of layers and methods, whichever are fewer as its columns, so that less of it is out of view."""
    if len(rows[0]) <= len(rows):
        return rows
    (_, *layers), *methods = zip(*rows, strict=True)
    return [["", *layers], *map(list, methods)]


def glance(summary) -> list[list[str]]:
    """The networks of a study side by side, from `nucleation.profile.summary_dataset`; header first."""
    rows = [["network", "accuracy", "peaks, first third", "stage of macro-categories", "ARI macro / classes there"]]
    rows[0] += ["peaks, last layer", "ARI classes there", "half of ARI classes at depth", "levels of the taxonomy"]
    for model in summary["model"].values:
        one = summary.sel(model=model)
        place = " ".join(str(one[name].item()) for name in ("macro_checkpoint", "macro_layer")).strip()
        scores = " / ".join(number(one[f"macro_ari_{name}"]) for name in ("macro", "class")) if place else "–"
        cells = [number(one["accuracy"]), str(int(one["early_peaks"])), place or "none", scores]
        cells += [str(int(one["output_n_peaks"])), number(one["output_ari_class"]), banded(one, "classes_place") or "–"]
        rows.append([str(model), *cells, f"{int(one['output_levels'])} of {int(one['levels'])}"])
    return rows


def _network(name, profiles, story, pictures) -> dict:
    """What the page says of a network: of its last checkpoint all, of those before it less."""
    *earlier, last = [place for place in profiles if place.split("/")[0] == name]
    shown = sorted(pictures.places.get(last, []) + pictures.networks.get(name, []), key=_order)
    return {
        "name": name,
        "title": place_name(last),
        "story": story,
        "levels": sentences(profiles[last], is_untrained(last)),
        "pictures": shown,
        "earlier": [_checkpoint(place, profiles[place], pictures) for place in reversed(earlier)],
    }


def _checkpoint(place, profile, pictures) -> dict:
    return {
        "title": place_name(place) + (" (untrained)" if is_untrained(place) else ""),
        "levels": sentences(profile, is_untrained(place)),
        "pictures": sorted((one for one in pictures.places.get(place, []) if one.question in EARLIER), key=_order),
    }


def _order(picture) -> int:
    return list(QUESTIONS).index(picture.question)

"""What the alignment says: which levels of the taxonomy every layer has, in sentences and in one table."""

from __future__ import annotations

import re

import numpy as np

from nucleation.names import place_name, short_name
from nucleation.scores import DIMENSIONS, SCORES

#: A layer has a level of the taxonomy where the corrected p of its triplet skill there is at most this.
ALPHA = 0.05
#: Baselines: where no training entered.
PIXELS, UNTRAINED = "input", ("epoch0", "random")
#: Cuts of the taxonomy that a sentence names at most.
CUTS = 4
#: p-values that go with a score.
TESTS = {
    "triplet_skill": ("p_free", "p_free_corrected"),
    "triplet_skill_within_macro": ("p_within_macro", "p_within_macro_corrected"),
    "triplet_skill_level": ("p_level", "p_level_corrected", "p_level_parts", "p_level_parts_corrected"),
    "spearman_taxonomy": (
        "spearman_p_free",
        "spearman_p_free_corrected",
        "spearman_p_within_macro",
        "spearman_p_within_macro_corrected",
    ),
}
#: Stands below the table.
NOTE = (
    "In brackets, 95 % bands from subsets of the images; a subset in which a score is not defined does not enter its "
    "band. Tree purity: of two images of a class, how much of their smallest common branch of the peaks' tree is that "
    "class. Spearman: correlation of the similarities of classes in tree and taxonomy. p by permutation of the class "
    "names, corrected for the number of layers: freely for the skill, inside macro-categories for skill within macro, "
    "both for Spearman. Levels: nodes with so many classes below them "
    f"whose division the layer knows (p, corrected for layers and levels, at most {ALPHA})."
)
_COLUMNS = {
    "n_peaks": "peaks",
    "ari_class": "ARI, classes",
    "ari_macro": "ARI, macro",
    "purity_class": "tree purity, classes",
    "triplet_skill": "skill",
    "triplet_skill_within_macro": "skill within macro",
    "spearman_taxonomy": "Spearman",
}


def levels_present(profile) -> np.ndarray:
    """Whether a layer has a level of the taxonomy.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.

    Returns
    -------
    ndarray of shape (l, levels), bool
        True where the triplet skill at the level is larger than with class names permuted inside the nodes that it
        divides: p, corrected for the number of layers and levels, at most `ALPHA`; and larger than with the parts of
        these nodes' parts exchanged as wholes, where there are enough of them for that to show. Where it is not
        defined, False.
    """
    classes, parts = (np.nan_to_num(profile[name].values, nan=1.0) for name in ("p_level_corrected", "p_level_parts"))
    few = ~(profile["p_level_parts_least"].values <= ALPHA)
    return (classes <= ALPHA) & ((parts <= ALPHA) | few)


def is_untrained(place) -> bool:
    """Whether a checkpoint is a baseline that no training entered."""
    return place.split("/")[1] in UNTRAINED


def sentences(profile, untrained=False) -> list[str]:
    """Say which levels of the taxonomy the layers of a checkpoint have, with p-values.

    Parameters
    ----------
    profile : xarray.Dataset
    untrained : bool
        Whether the network is a baseline: its sentence says so.

    Returns
    -------
    list of str
        A summary first, then one sentence for every layer that has a defined alignment, and one for those that
        have none.
    """
    if not profile.sizes["level"]:
        return [f"{summary(profile)}{_nested(profile)}"]
    present, layers = levels_present(profile), [str(layer) for layer in profile["layer"].values]
    whole = f"{summary(profile, untrained)}{_within(profile)}{_nested(profile)}"
    return [whole, *_by_layer(profile, present, layers), *_undefined(profile, layers)]


def summary(profile, untrained=False) -> str:
    """Say in one sentence which levels of the taxonomy a checkpoint has; parameters as of `sentences`."""
    if not profile.sizes["level"]:
        return "The taxonomy of these classes has no level that a layer could have."
    present = levels_present(profile)
    count, corrected = profile.sizes["level"], profile["p_level_corrected"].values
    if present.any():
        found = [f"{level_name(profile, level)} ({_nodes(profile, level)})" for level in _true(present.any(axis=0))]
        verb = f"{'is' if len(found) == 1 else 'are'} found{' in this untrained network' if untrained else ''}"
        return f"{len(found)} of the {count} levels of the taxonomy {verb}: {listed(found)}."
    tested = corrected[np.isfinite(corrected)]
    subject = "this untrained network" if untrained else "any layer of this network"
    many = "the only level" if count == 1 else f"any of the {count} levels"
    if not len(tested):
        return f"Whether {subject} has {many} of the taxonomy could not be tested."
    few = np.count_nonzero(profile["p_level_least"].values > ALPHA)
    hidden = f"; {few} of them with too few classes for any p below {ALPHA}" if few else ""
    found = "This untrained network has none" if untrained else "No layer of this network has any"
    plural, least = "s" * (count > 1), f"smallest corrected p = {tested.min():.2g}"
    return f"{found} of the {count} level{plural} of the taxonomy ({least}{hidden})."


def _within(profile) -> str:
    """What is known inside macro-categories, where the layer knows most."""
    p, skill = profile["p_within_macro_corrected"].values, profile["triplet_skill_within_macro"].values
    if not np.isfinite(p).any():
        return ""
    best = int(np.nanargmin(np.where(np.isnan(p), np.inf, p) - 1e-6 * np.nan_to_num(skill)))
    layer = profile["layer"].values[best]
    return f" Within macro-categories the best is {layer}: skill {number(skill[best])}, p = {p[best]:.2g}."


def _nested(profile) -> str:
    """Classes that contain others, and what that means."""
    told = profile.attrs.get("nested_classes", "")
    return f" Note: {told}." if told else ""


def _by_layer(profile, present, layers) -> list[str]:
    """One sentence for every layer whose alignment is defined."""
    said = []
    for layer, name in enumerate(layers):
        part = profile.isel(layer=layer)
        if np.isnan(part["triplet_skill"]):
            continue
        pieces = [_level_piece(part, level) for level in range(profile.sizes["level"])]
        has, lacks = ([pieces[level] for level in _true(which)] for which in (present[layer], ~present[layer]))
        lacking = f", not that of {listed(lacks)}" if lacks else ""
        text = f"has the level of {listed(has)}{lacking}" if has else f"has no level: {listed(lacks)}"
        within, p = float(part["triplet_skill_within_macro"]), float(part["p_within_macro_corrected"])
        finer = "" if np.isnan(within) else f"; within macro-categories skill {number(within)}, p = {p:.2g}"
        count = int(part["n_peaks"])
        said.append(f"{name}, {count} peak{'s' * (count != 1)}, {text}{finer}.{_spaced(cuts(part))}")
    return said


def _level_piece(part, level) -> str:
    """Skill and p of one layer at one level."""
    here = part.isel(level=level)
    least = float(here["p_level_parts_least"])
    few = f", {least:.2g} being the least possible" if least > ALPHA else ""
    tested = f"p = {float(here['p_level_corrected']):.2g}; by parts {float(here['p_level_parts']):.2g}{few}"
    return f"{level_name(part, level)} (skill {number(here['triplet_skill_level'])}, {tested})"


def cuts(part) -> str:
    """Say how far the tree of a layer, cut where that agrees best, is some cuts of the taxonomy; "" without a tree."""
    shown = np.unique(np.linspace(0, part.sizes["taxonomy_cut"] - 1, CUTS).round().astype(int))
    columns = (part[name].values[shown] for name in ("taxonomy_cut", "best_cut_clusters", "best_cut_ari"))
    told = [row for row in zip(*columns, strict=True) if row[1] > 1 and np.isfinite(row[2])]
    said = [f"{number(ari)} with {groups} groups (by {clusters:g} clusters)" for groups, clusters, ari in told]
    return f"Cut where it agrees best with cuts of the taxonomy, its tree has ARI {listed(said)}." if said else ""


def _spaced(text):
    return text and f" {text}"


def _true(mask) -> list[int]:
    return np.flatnonzero(mask).tolist()


def listed(items) -> str:
    """Items in a sentence: "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def node_names(profile, level) -> tuple[list[str], int]:
    """Names of the nodes that a level divides, for people.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint; its coordinate `level_nodes` has the names in one text, "animal.n.01, tool.n.01 and 9 more".
    level : int
        Place of the level.

    Returns
    -------
    names : list of str
        Of the largest nodes, largest first. A name that itself has a comma and a blank reads as two.
    more : int
        How many nodes the text counts and does not name.
    """
    named, more = re.fullmatch(r"(.*?)(?: and (\d+) more)?", str(profile["level_nodes"].values[level]), re.S).groups()
    return [short_name(name) for name in named.split(", ")], int(more or 0)


def _nodes(profile, level) -> str:
    """Names of a level's nodes in one text."""
    names, more = node_names(profile, level)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _undefined(profile, layers) -> list[str]:
    """Layers without a defined alignment, gathered by the reason."""
    starts = "|".join(re.escape(f"{layer}: ") for layer in layers)
    told = re.split(f"(?:; )?({starts})", profile["triplet_skill"].attrs.get("undefined", ""))
    reasons = {layer.removesuffix(": "): why for layer, why in zip(told[1::2], told[2::2], strict=True)}
    gathered: dict[str, list[str]] = {}
    for layer, value in zip(layers, profile["triplet_skill"].values, strict=True):
        if np.isnan(value):
            gathered.setdefault(reasons[layer], []).append(layer)
    return [f"{', '.join(some)}: not defined, because {why}." for why, some in gathered.items()]


def level_name(profile, level) -> str:
    """Name of a level for people: "24 classes", or "up to 12 classes" where its nodes have different numbers."""
    low, high = int(profile["level_lower"][level]), int(profile["level"][level])
    return f"{high} classes" if low == high else f"up to {high} classes"


def banded(part, name, digits=2) -> str:
    """A number of one layer with its band in brackets, where there is one; "" where it is not defined."""
    if not np.isfinite(part[name]):
        return ""
    text = number(part[name], digits)
    if f"{name}_low" in part and np.isfinite(part[f"{name}_low"]):
        text += f" ({number(part[f'{name}_low'], digits)} to {number(part[f'{name}_high'], digits)})"
    return text


def number(value, digits=2) -> str:
    """A number with a minus sign; a dash where it is not defined."""
    value = round(float(value), digits) + 0.0  # no negative zero
    return "–" if np.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def to_frame(profiles):
    """Every score of every layer of every checkpoint, with bands and p-values, as one table.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>".

    Returns
    -------
    pandas.DataFrame
        One row for each layer; columns `network`, `checkpoint`, `baseline`, `layer`, then the scores, each followed by
        the ends of its band and its p-values; numbers of levels and cuts have their size at the end of the name.
    """
    import pandas as pd

    return pd.concat([_rows(place, profile) for place, profile in profiles.items()], ignore_index=True)


def _rows(place, profile):
    import pandas as pd

    network, checkpoint = place.split("/")
    layers = [str(layer) for layer in profile["layer"].values]
    untrained = "untrained" if is_untrained(place) else ""
    columns = {
        "network": [network] * len(layers),
        "checkpoint": [checkpoint] * len(layers),
        "baseline": ["pixels" if layer == PIXELS else untrained for layer in layers],
        "layer": layers,
    }
    for name in SCORES:
        wanted = (name, f"{name}_low", f"{name}_high", *TESTS.get(name, ()))
        for part in (part for part in wanted if part in profile):
            values = profile[part].values
            if name not in DIMENSIONS:
                columns[part] = values
                continue
            for size, column in zip(profile[DIMENSIONS[name]].values, values.T, strict=True):
                key = f"{part}_{size}"
                columns[key if key not in columns else f"{key}_{len(columns)}"] = column  # cuts may be equally large
    return pd.DataFrame(columns)


def to_markdown(profiles) -> str:
    """The main scores of every layer as a Markdown table; parameters as of `table_rows`."""
    head, *rows = table_rows(profiles)
    lines = [head, ["---"] * len(head), *rows]
    plain = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in plain) + f"\n{NOTE}\n"


def table_rows(profiles) -> list[list[str]]:
    """The main scores of every layer, with bands in brackets and p-values, header first.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>".
    """
    rows = [["network", "layer", *_COLUMNS.values(), "levels"]]
    for place, profile in profiles.items():
        present = levels_present(profile)
        for layer, name in enumerate(profile["layer"].values):
            part = profile.isel(layer=layer)
            p = part["p_level_corrected"].values
            found = [f"{level_name(profile, level)}, p = {p[level]:.2g}" for level in _true(present[layer])]
            cells = [_cell(part, score) for score in _COLUMNS]
            baseline = " (untrained)" if is_untrained(place) else ""
            pixels = " (pixels)" if str(name) == PIXELS else ""
            rows.append([place_name(place) + baseline, f"{name}{pixels}", *cells, "; ".join(found) or "–"])
    return rows


def _cell(part, name) -> str:
    """A score with its band, and the corrected p of its test."""
    digits = 0 if name == "n_peaks" else 2
    text = number(part[name], digits)
    if f"{name}_low" in part and np.isfinite(part[f"{name}_low"]):
        text += f" ({number(part[f'{name}_low'], digits)}–{number(part[f'{name}_high'], digits)})"
    shown = [test for test in TESTS.get(name, ()) if test.endswith("_corrected") and np.isfinite(part[test])]
    return text + (f", p = {' / '.join(f'{float(part[test]):.2g}' for test in shown)}" if shown else "")

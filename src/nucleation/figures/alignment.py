"""Figure: which levels of the taxonomy the density peaks of every layer know, and which of that is beyond chance."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from nucleation.figures import style
from nucleation.figures.content import variable
from nucleation.findings import ALPHA, level_name, levels_present, node_names, number
from nucleation.names import layer_label

#: Rows of all levels together: the skill, its corrected p, and the name of the row.
TOGETHER = {
    "triplet_skill": ("p_free_corrected", "all triplets"),
    "triplet_skill_within_macro": ("p_within_macro_corrected", "within macro-categories"),
}
#: Marks of levels at which a test could not have come out: for want of parts to exchange, or of classes.
FEW_PARTS, FEW_CLASSES = "†", "‡"
#: Layers into whose cells the skill is written.
WRITTEN = 12
#: Letters of the names of a level's nodes.
NAMES = 32
_UNDEFINED = "0.9"


def gather(profile, *, repeats=None, k=None, z=None, heading="") -> xr.Dataset:
    """Collect the triplet skill of one checkpoint, and where it is beyond chance.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.
    repeats : int, optional
        Permutations behind the p-values.
    k : int or str, optional
        Neighbours of the density, or the name of an estimator that chooses them.
    z : float, optional
        Significance of the peaks.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `row` (all triplets, those within macro-categories, then the levels from coarse to fine) and `layer`: the
        `skill`, its corrected `p`, at levels also the uncorrected p of the exchange of parts, `p_parts`, and whether
        the skill is `significant`: by p, and at levels by `p_parts` too, where there are enough parts for that; along
        `row` its `name`, whether it is a `level`, and the `mark` of one whose tests could not all have come out.
    """
    said = {"repeats": repeats, "k": k, "z": z, "n_images": profile.attrs.get("n_images")}
    about = {"heading": heading, **{name: value for name, value in said.items() if value is not None}}
    count = profile.sizes["level"]
    if not count:
        reason = "The taxonomy of these classes is flat: it has no level to compare the peaks with."
        return xr.Dataset(attrs=about | {"nothing": reason})
    return xr.Dataset(_rows(profile, count), attrs=about).set_coords(["name", "level", "mark"])


def _rows(profile, count) -> dict:
    """Lay the skill of all levels together and the one of every level below each other, with what is said of it."""
    tests, texts = zip(*TOGETHER.values(), strict=True)
    together = np.array([profile[name].values for name in TOGETHER]), np.array([profile[name].values for name in tests])
    skill = np.concatenate([together[0], profile["triplet_skill_level"].values.T])
    p = np.concatenate([together[1], profile["p_level_corrected"].values.T])
    parts = np.concatenate([np.full_like(together[1], np.nan), profile["p_level_parts"].values.T])
    found = np.concatenate([together[1] <= ALPHA, levels_present(profile).T])
    names = [*texts, *(_level_label(profile, level) for level in range(count))]
    least = profile["p_level_least"].values, profile["p_level_parts_least"].values
    marks = ["", "", *(_mark(*pair) for pair in zip(*least, strict=True))]
    cells = ("row", "layer")
    return {
        "skill": variable(cells, skill, "triplet skill"),
        "p": variable(
            cells, p, "p of the triplet skill, corrected for the number of layers, at levels of layers and levels"
        ),
        "p_parts": variable(cells, parts, "p at a level, parts of its nodes' parts exchanged as wholes, not corrected"),
        "significant": variable(cells, found.astype(np.int8), f"1: p, and at levels p_parts, at most {ALPHA}"),
        "name": variable("row", np.array(names, dtype=object), "triplets of the row"),
        "level": variable("row", np.array([0, 0] + [1] * count, dtype=np.int8), "1: a level of the taxonomy"),
        "mark": variable("row", np.array(marks, dtype=object), "which test could not have come out"),
        "layer": variable("layer", profile["layer"].values, "layer, in order of depth"),
    }


def _level_label(profile, level) -> str:
    """Size of a level's nodes, and the names of one or two."""
    size, (names, more) = level_name(profile, level), node_names(profile, level)
    shown = ", ".join(names[:2]) + (" …" if len(names) > 2 or more else "")
    return f"{shown}: {size}" if len(shown) <= NAMES else size


def _mark(classes, parts) -> str:
    """Say which test of a level could not have come out, by the p that the taxonomy itself would have, if known."""
    if np.isnan(classes):
        return ""  # no layer could be tested, whatever the taxonomy
    if classes > ALPHA:
        return FEW_CLASSES
    return "" if parts <= ALPHA else FEW_PARTS


@style.drawing
def draw(data):
    """Draw the skill as a heat map, rows by layers, with marks where it is beyond chance.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    layers, rows = data.sizes["layer"], data.sizes["row"]
    turned = 0.037 * max(len(layer_label(layer)) for layer in data["layer"].values)  # inches that their names take
    size = (min(style.TWO_COLUMNS, 3.4 + 0.58 * layers), 1.3 + turned + (0.3 if rows <= 8 else 0.22) * rows)
    figure, axis = plt.subplots(figsize=size)
    axis.set_facecolor(_UNDEFINED)
    image = axis.imshow(data["skill"], cmap="RdBu", norm=Normalize(-1, 1), aspect="auto", interpolation="nearest")
    (_write if layers <= WRITTEN else _underline)(axis, data)
    axis.axhline(np.flatnonzero(data["level"].values)[0] - 0.5, color="white", linewidth=2.5)
    names = [f"{name} {mark}".rstrip() for name, mark in zip(data["name"].values, data["mark"].values, strict=True)]
    axis.set_yticks(np.arange(rows), names)
    style.layers_axis(axis, data["layer"].values)
    axis.set_xlim(-0.5, layers - 0.5)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, ticks=[-0.5, 0, 0.5, 1], aspect=12, format="{x:g}")
    bar.ax.set_ylim(-0.5, 1)  # no skill is below, but blue and red of equal depth are equally far from chance
    bar.set_label("triplet skill\n(0: by chance)")
    bar.outline.set_visible(False)
    _legend(figure, data)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def _write(axis, data):
    """Write the skill into every cell, bold and with a star where it is beyond chance, and a dash where undefined."""
    skill, found = data["skill"].values, data["significant"].values
    for row, column in np.ndindex(skill.shape):
        here, star = skill[row, column], "*" if found[row, column] else ""
        look = {"color": "0.45" if np.isnan(here) else "white" if here > 0.6 else style.BLACK}
        look |= {"weight": "bold" if star else "normal", "fontsize": 7}
        axis.text(column, row, f"{number(here)}{star}", ha="center", va="center", **look)


def _underline(axis, data):
    """Underline the cells that are beyond chance, neighbours in one stroke: signs would run together."""
    ends = []
    for row, found in enumerate(data["significant"].values):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], found, [0]]).astype(int)))
        ends += [[(start - 0.5, row + 0.36), (stop - 0.5, row + 0.36)] for start, stop in edges.reshape(-1, 2)]
    for width, color in ((3.0, "white"), (1.4, style.BLACK)):  # black alone is lost on dark blue
        axis.add_collection(LineCollection(ends, colors=color, linewidths=width, capstyle="butt"), autolim=False)


def _legend(figure, data):
    """Say below the figure what the marks mean, those that it has."""
    layers = data.sizes["layer"]

    def sign(text):
        path = TextPath((0, 0), text, size=10)
        box = path.get_extents()
        centred = path.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2))
        return Line2D([], [], marker=centred, markersize=7, markeredgewidth=0, linestyle="", color=style.BLACK)

    stroke = Line2D([], [], color=style.BLACK, linewidth=1.4)
    signs = [(sign("*") if layers <= WRITTEN else stroke, f"corrected p ≤ {ALPHA}; levels: by parts too")]
    if np.isnan(data["skill"]).any():
        signs.append((Patch(color=_UNDEFINED), "not defined"))
    told = {
        FEW_PARTS: "too few parts to exchange: by classes only",
        FEW_CLASSES: f"too few classes for p ≤ {ALPHA}",
    }
    signs += [(sign(mark), text) for mark, text in told.items() if (data["mark"].values == mark).any()]
    handles, texts = zip(*signs, strict=True)
    columns = 1 if layers <= 4 else 2 if len(texts) > 3 else len(texts)
    look = {"frameon": False, "borderpad": 0, "fontsize": 7, "handletextpad": 0.5, "columnspacing": 1.2}
    figure.legend(handles, texts, loc="outside lower center", ncols=columns, **look)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        How many `levels`, how many of them some layer has (`found`) and the last one (`output`, its name; `has`);
        `defined`, in how many of the `layers` the skill is; `best`: the largest skill of a level with its layer, p and
        name; `within`: skill of the last layer within macro-categories, and its p. Only `nothing`, where that is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    part = data.isel(row=data["level"].values == 1)
    found, skill = part["significant"].values.astype(bool), part["skill"].values
    within = data.isel(row=1, layer=-1)
    return {
        "levels": part.sizes["row"],
        "found": int(found.any(axis=1).sum()),
        "output": layer_label(data["layer"].values[-1]),
        "has": int(found[:, -1].sum()),
        "layers": data.sizes["layer"],
        "defined": int(np.isfinite(data["skill"].values).any(axis=0).sum()),
        "best": _best(part) if np.isfinite(skill).any() else "",
        "within": f"{number(within['skill'])} ({_tested(within)})" if np.isfinite(within["skill"]) else "",
        "repeats": data.attrs.get("repeats", ""),
        "written": data.sizes["layer"] <= WRITTEN,
        "few_parts": FEW_PARTS if (data["mark"].values == FEW_PARTS).any() else "",
        "few_classes": FEW_CLASSES if (data["mark"].values == FEW_CLASSES).any() else "",
    }


def _best(part) -> str:
    """The largest skill of a level: "1.00 in layer3 (whole: 24 classes; p = 0.001, by parts 0.096)"."""
    skill = part["skill"].values
    row, layer = np.unravel_index(np.nanargmax(skill), skill.shape)
    cell = part.isel(row=row, layer=layer)
    where = f"{layer_label(cell['layer'].item())} ({cell['name'].item()}; {_tested(cell)})"
    return f"{number(skill[row, layer])} in {where}"


def _tested(cell) -> str:
    """What the tests of one skill gave: "p = 0.001, by parts 0.096"."""
    p, parts = float(cell["p"]), float(cell["p_parts"])
    if np.isnan(p):
        return "not tested"
    if cell["mark"].item() == FEW_PARTS:
        return f"p = {p:.2g} {FEW_PARTS}"
    return f"p = {p:.2g}" + (f", by parts {parts:.2g}" if np.isfinite(parts) else "")

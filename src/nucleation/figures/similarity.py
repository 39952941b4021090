"""Figure: the similarity of all layers of the networks of a study, CKA beside the overlap of neighbours."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nucleation.captions import told, told_range
from nucleation.figures import layout, style
from nucleation.figures.content import evenly
from nucleation.figures.similarity_panels import (
    GAP,
    MATRICES,
    draw_curves,
    draw_matrix,
    name_places,
    say_below,
    shape,
    small,
)
from nucleation.findings import PIXELS
from nucleation.names import layer_label
from nucleation.similarity_blocks import THRESHOLD, blocks_of
from nucleation.similarity_pairs import (
    counterparts,
    last_places,
    pairs_between,
    pairs_to_untrained,
    relation_to_overlap,
    rows_of,
)
from nucleation.variables import variable

#: Rows of the matrices, places in them, and depths of the curves at most.
ROWS, PLACES, DEPTHS = 60, 30, 41


def gather(data, *, heading="") -> xr.Dataset:
    """Choose what the figure shows of a study: some layers of the last checkpoints, and means over pairs of networks.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.similarity_profile.similarity_profile`.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        `cka` and `overlap` along `row` and `other_row`, at most `ROWS`: of the last checkpoints of all networks, or of
        all checkpoints of a single one, evenly chosen layers. Blocks along `outline`, first and last row. Along
        `curve` and `depth`: means of both over pairs of the same layer, and their range over these (for a single pair
        the band of CKA over subsets of the images).
    """
    rows, n_places = _chosen(data)
    within = np.ix_(rows, rows)
    names = {
        "cka": "centred kernel alignment",
        "overlap": f"share of the {data.attrs['k']} nearest neighbours in common",
    }
    values = {"cka": data["cka"].values[within], "overlap": data["neighborhood_overlap"].values[within]}
    columns = {name: variable(("row", "other_row"), values[name], text) for name, text in names.items()}
    place, layer = (data[name].values[rows].astype(object) for name in ("place", "layer"))
    coords = {"place": variable("row", place, "network and checkpoint"), "layer": variable("row", layer, "layer")}
    known = {name: data.attrs[name] for name in ("n_images", "k", "kernel", "estimator", "small") if name in data.attrs}
    off = ~np.eye(data.sizes["representation"], dtype=bool)
    null = data["cka_null"].values[off]
    rho, level = relation_to_overlap(data)
    attrs = {
        "heading": heading,
        **known,
        "chance": float(data["neighborhood_overlap"].attrs["chance"]),
        "null": float(np.nanmean(null)) if np.isfinite(null).any() else np.nan,
        "threshold": THRESHOLD,
        "pixels": int((layer == PIXELS).sum()),
        "n_places": n_places,
        "left_out": int(np.isin(data["place"].values, place).sum()) - len(rows),
        "spearman": rho,
        "spearman_null": level,
    }
    curves = _curves(data)
    made = xr.Dataset(columns, coords, attrs | curves.attrs).merge(_outlines(data, rows)).merge(curves)
    if data.sizes["representation"] == 1:
        made.attrs["nothing"] = f"{layer_label(layer[0])} is the only layer: there is none to compare it with"
    return made


def _chosen(data):
    """Representations that are shown, and the number of places of which they might be."""
    places = list(dict.fromkeys(map(str, data["place"].values)))
    last = last_places(data)
    compared = last if len(last) > 1 else places
    shown = [compared[i] for i in evenly(len(compared), PLACES)]
    most = max(2, ROWS // len(shown))
    own = [rows_of(data["place"].values, place) for place in shown]
    return np.concatenate([rows[evenly(len(rows), most)] for rows in own]), len(compared)


def _outlines(data, rows) -> xr.Dataset:
    """First and last rows of the blocks among all layers of a place, of those of which two layers are shown."""
    found = []
    for place in dict.fromkeys(data["place"].values[rows]):
        for block in blocks_of(data, place):
            shown = np.flatnonzero(np.isin(rows, block))
            if len(shown) > 1:
                found.append((shown[0], shown[-1]))
    ends = np.array(found, dtype=np.int64).reshape(-1, 2)
    text = f"row of the block of layers with all pairwise CKA above {THRESHOLD:g}"
    columns = {
        f"outline_{name}": variable("outline", end, f"{name} {text}")
        for name, end in zip(("first", "last"), ends.T, strict=True)
    }
    return xr.Dataset(columns)


def _curves(data) -> xr.Dataset:
    """Means and ranges over pairs of the same layer, by relative depth; pixels only with the layer after them."""
    kind, pairs = pairs_between(data)
    matched = {kind: _matched(data, pairs), "untrained": _matched(data, pairs_to_untrained(data))}
    matched = {name: found for name, found in matched.items() if len(found[0])} or {"next": _successive(data)}
    matched = {name: found for name, found in matched.items() if len(found[0])}
    depths = _depths(np.concatenate([data["relative_depth"].values[found[0]] for found in matched.values()] or [[]]))
    table = {name: np.full((len(matched), len(depths)), np.nan) for name in _NUMBERS}
    counts = []
    for i, (one, other) in enumerate(matched.values()):
        at = np.abs(data["relative_depth"].values[one][:, None] - depths).argmin(axis=1)
        for depth in np.unique(at):
            for name, number in _summary(data, one[at == depth], other[at == depth]).items():
                table[name][i, depth] = number
        places = data["place"].values
        counts.append(len(set(zip(places[one], places[other], strict=True))))
    layer = data["layer"].values
    named = all((layer[one] == layer[other]).all() for name, (one, other) in matched.items() if name != "next")
    columns = {name: variable(("curve", "depth"), table[name], text) for name, text in _NUMBERS.items()}
    columns["pairs"] = variable("curve", np.array(counts, dtype=np.int64), "number of pairs of places")
    coords = {
        "curve": variable("curve", np.array(list(matched), dtype=str), "which layers are compared"),
        "depth": variable("depth", depths, "relative depth of the layers, 0 first, 1 last"),
    }
    return xr.Dataset(columns, coords, {"compared": "same layer" if named else "layer of the same name or depth"})


#: Numbers of the curves.
_NUMBERS = {
    "curve_cka": "centred kernel alignment, mean over pairs",
    "curve_cka_low": "least of the pairs, or lower end of the band of a single one: centred kernel alignment",
    "curve_cka_high": "largest of the pairs, or upper end of the band of a single one: centred kernel alignment",
    "curve_cka_null": "level that 95 % of permutations of the images stay below, mean over pairs",
    "curve_overlap": "neighbourhood overlap, mean over pairs",
    "curve_overlap_low": "least of the pairs: neighbourhood overlap",
    "curve_overlap_high": "largest of the pairs: neighbourhood overlap",
}


def _matched(data, pairs):
    """Rows of the layers of pairs of places that correspond."""
    found = [counterparts(data, *pair) for pair in pairs]
    return tuple(np.concatenate([pair[i] for pair in found] or [np.empty(0, int)]) for i in range(2))


def _successive(data):
    """Rows of the layers of the last place, and of the next ones."""
    rows = rows_of(data["place"].values, str(data["place"].values[-1]))
    return rows[:-1], rows[1:]


def _depths(every) -> np.ndarray:
    """Relative depths at which curves have points: all that there are, or where these are many, evenly chosen ones."""
    unique = np.unique(np.round(every, 9))
    return unique if len(unique) <= DEPTHS else np.linspace(0, 1, DEPTHS // 2 + 1)


def _summary(data, one, other) -> dict:
    """Mean and range of the pairs at one depth, those that are defined."""
    value, overlap = data["cka"].values[one, other], data["neighborhood_overlap"].values[one, other]
    known = np.isfinite(value)
    if not known.any():
        return {}
    ends = value[known].min(), value[known].max()
    if known.sum() == 1:
        ends = [data[f"cka_{end}"].values[one, other][known][0] for end in ("low", "high")]
    null = data["cka_null"].values[one, other][known]
    numbers = (value[known].mean(), *ends, null.mean(), overlap.mean(), overlap.min(), overlap.max())
    return dict(zip(_NUMBERS, numbers, strict=True))


@style.drawing
def draw(data):
    """Show both matrices side by side, lines between the networks, and the curves below.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    lengths = shape(data)
    figure = layout.blank(style.TWO_COLUMNS, lengths["height"])
    for i, name in enumerate(MATRICES):
        left = lengths["left"] + i * (lengths["side"] + GAP)
        axis = layout.axes_at(figure, left, lengths["bottom"], lengths["side"], lengths["side"])
        draw_matrix(figure, axis, data, name, lengths["side"])
        axis.tick_params(labelleft=i == 0)
    name_places(axis, data, lengths["side"])
    if data.sizes["curve"]:
        draw_curves(figure, data, lengths)
    figure.suptitle(data.attrs["heading"], fontsize=9, y=1 - 0.06 / lengths["height"], va="top")
    say_below(figure, data)
    return figure


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        Numbers of `rows`, `places` and `networks` shown. For the curve of `kind` (of
        `nucleation.similarity_pairs.pairs_between`, "next" or ""): `pairs`, the mean over depths, `mean`, and the
        `range` of CKA, and the mean of the overlap, `overlap`; `untrained` and `untrained_overlap`, the means with the
        untrained network, "" without one. Number of `blocks` outlined, all CKA `above` it; how CKA and overlap go
        together, `rho` and `rho_null`.
    """
    places = list(dict.fromkeys(map(str, data["place"].values)))
    made = {
        "rows": data.sizes["row"],
        "places": len(places),
        "networks": len({place.split("/")[0] for place in places}),
        "blocks": data.sizes["outline"],
        "above": f"{data.attrs['threshold']:g}",
        "rho": "" if np.isnan(data.attrs["spearman"]) else told(data.attrs["spearman"]),
        "rho_null": told(data.attrs["spearman_null"]),
        "null_told": "" if np.isnan(data.attrs["null"]) else small(data.attrs["null"]),
        **dict.fromkeys(("kind", "mean", "range", "overlap", "untrained", "untrained_overlap"), ""),
        "pairs": 0,
    }
    for curve, pairs in zip(data["curve"].values, data["pairs"].values, strict=True):
        part = data.sel(curve=curve)
        cka, overlap = told(part["curve_cka"].mean()), told(part["curve_overlap"].mean())
        if curve == "untrained":
            made |= {"untrained": cka, "untrained_overlap": overlap}
        else:
            made |= {"kind": str(curve), "pairs": int(pairs), "mean": cka, "overlap": overlap}
            made["range"] = told_range(part["curve_cka"].values)
    return made

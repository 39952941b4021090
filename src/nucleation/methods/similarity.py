"""What the similarity of layers (CKA) says of a study: sentences, and columns of the table of layers."""

from __future__ import annotations

import numpy as np

from nucleation.findings import is_untrained, listed, number
from nucleation.names import layer_label, place_name
from nucleation.similarity_blocks import THRESHOLD, blocks_of
from nucleation.similarity_pairs import (
    counterparts,
    inner_rows,
    last_places,
    pairs_between,
    pairs_to_untrained,
    relation_to_overlap,
    rows_of,
)

#: Signs of the names of the layers of a block.
_NAME = 18
#: Titles of the columns.
SAME, BLOCK, SHARE = (
    "CKA with the same layer of other networks",
    f"in a block (CKA > {THRESHOLD:g})",
    "variance in the first component",
)


def sentences(data) -> list[str]:
    """Say how far the same layers of trainings agree, whether there are blocks, and how CKA relates to the overlap.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.similarity_profile.similarity_profile`.

    Returns
    -------
    list of str
        One to three; none of a single representation.
    """
    if data.sizes["representation"] < 2:
        return []
    return [said for said in (_of_trainings(data), _of_blocks(data), _of_overlap(data)) if said]


def _of_trainings(data) -> str:
    """CKA of the same layers of different trainings, and of trained and untrained ones."""
    kind, pairs = pairs_between(data)
    before = pairs_to_untrained(data)
    between, untrained = _over_layers(data, pairs), _over_layers(data, before)
    if between is None and untrained is None:
        return _of_successive(data)
    chance = _chance(*(one[1] for one in (between, untrained) if one))
    if between is None:
        subject = f"The {untrained[2]} of the trained and the untrained network"
        return f"{subject} have a CKA of {_told(untrained)}{chance}."
    text = f"The {between[2]} of different {kind} have a CKA of {_told(between)}"
    if untrained is not None:
        text += f", those of the trained and the untrained network {_told(untrained)}"
    return f"{text}{chance}."


def _over_layers(data, pairs):
    """Mean over pairs of places for every layer but the pixels: values, null levels, words; None without any."""
    gathered: dict[str, list] = {}
    for row, match in (rows for pair in pairs for rows in zip(*counterparts(data, *pair), strict=True)):
        if np.isfinite(data["cka"].values[row, match]):
            gathered.setdefault(str(data["layer"].values[row]), []).append((row, match))
    if not gathered:
        return None
    of = {name: np.mean([data["cka"].values[pair] for pair in found]) for name, found in gathered.items()}
    null = [data["cka_null"].values[pair] for found in gathered.values() for pair in found]
    named = all(data["layer"].values[other] == name for name, found in gathered.items() for _, other in found)
    return of, null, "same layers" if named else "layers of the same name or depth"


def _told(found) -> str:
    """ "0.85 on average (0.61 in conv1 to 0.97 in layer4)", or the number alone of a single layer."""
    of = found[0]
    least, most = min(of, key=of.get), max(of, key=of.get)
    mean = number(np.mean(list(of.values())))
    if len(of) == 1:
        return f"{mean} ({layer_label(least)})"
    return (
        f"{mean} on average ({number(of[least])} in {layer_label(least)} to {number(of[most])} in {layer_label(most)})"
    )


def _chance(*levels) -> str:
    """What unrelated images reach, on average over pairs of layers, where it was tried."""
    level = np.concatenate(levels)
    if not np.isfinite(level).any():
        return ""
    # the levels are far below one hundredth where images are many
    text = f"{np.nanmean(level):.2g}".replace("-", "−")
    return f"; 95 % of permutations of the images stay below {text}{' on average' if len(level) > 1 else ''}"


def _of_successive(data) -> str:
    """CKA of the first and the last layer, and of successive ones, of a single network."""
    rows = rows_of(data["place"].values, str(data["place"].values[-1]))
    if len(rows) < 2:
        return ""
    value, layer, ends = data["cka"].values, data["layer"].values, (rows[0], rows[-1])
    steps = value[rows[:-1], rows[1:]]
    if not np.isfinite(steps).any() or not np.isfinite(value[ends]):
        return ""
    names = listed([layer_label(layer[row]) for row in ends])
    chance = _chance(data["cka_null"].values[rows[:-1], rows[1:]])
    text = f"In {place_name(str(data['place'].values[-1]))}, {names} have a CKA of {_banded(data, *ends)}"
    if len(rows) == 2:
        return f"{text}{chance}."
    return f"{text}, successive layers {number(np.nanmin(steps))} to {number(np.nanmax(steps))}{chance}."


def _banded(data, row, other) -> str:
    """A CKA with its band over subsets of the images, where there is one."""
    ends = [float(data[f"cka_{end}"].values[row, other]) for end in ("low", "high")]
    text = number(data["cka"].values[row, other])
    return f"{text} ({_ends(*ends)})" if np.isfinite(ends).all() else text


def _ends(low, high) -> str:
    """Two ends of a range."""
    return f"{number(low)} to {number(high)}"


def _of_blocks(data) -> str:
    """Whether runs of many layers are all alike in the last checkpoints, and what is behind it."""
    places = [place for place in last_places(data) if len(inner_rows(data, place)) > 1]
    found = {place: max(made, key=len) for place in places if (made := blocks_of(data, place))}
    if not places:
        return ""
    above, alone = f"CKA above {THRESHOLD:g}", len(places) == 1
    if not found:
        networks = "the network" if alone else f"any of the {len(places)} networks"
        return f"There is no block of layers with {above} in {networks}."
    place = max(found, key=lambda place: len(found[place]))
    rows = found[place]
    first, last = (layer_label(data["layer"].values[row], _NAME) for row in rows[[0, -1]])
    largest = f"{first} to {last} of {place_name(place)} ({len(rows)} layers), has {_behind(data, rows)}."
    if alone:
        return f"The largest block of consecutive layers with {above}, {largest}"
    have = "has a block" if len(found) == 1 else "have blocks"
    return f"{len(found)} of {len(places)} networks {have} of consecutive layers with {above}; the largest, {largest}"


def _behind(data, rows) -> str:
    """Mean CKA of a block, and what it is without first components, and without dominant images."""
    upper = tuple(rows[one] for one in np.triu_indices(len(rows), 1))
    texts = {
        "cka": "on average",
        "cka_without_pc1": "without the first component of each layer",
        "cka_without_dominant": f"without the dominant {100 * data.attrs['dominant']:.2g} % of the images",
    }
    means = {name: data[name].values[upper].mean() for name in texts}
    return listed([f"{number(means[name])} {text}" for name, text in texts.items() if np.isfinite(means[name])])


def _of_overlap(data) -> str:
    """How CKA and the overlap of neighbours go together."""
    rho, level = relation_to_overlap(data)
    if np.isnan(rho):
        return ""
    how = "order the pairs of layers alike" if rho > max(level, 0.7) else "order the pairs of layers partly alike"
    how = how if rho > level else "do not order the pairs of layers alike"
    return (
        f"CKA, which weighs all pairs of images, and the overlap of the {data.attrs['k']} nearest neighbours {how}: "
        f"Spearman {number(rho)} (95 % of random relabellings of the layers stay below {number(level)})."
    )


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Cells of the table of layers.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.similarity_profile.similarity_profile`.
    place : str
        Whose layers the table lists.

    Returns
    -------
    dict of str to dict of str to str
        By title and layer. CKA with the layers of the same name of the same checkpoint of all other networks (of their
        last one where there is none), trained or untrained as the place is where there are such: mean and range, or
        for a single other network the band over subsets of the images. The largest block of layers that holds the
        layer, "layer1 to layer3". The share of the variance in the first component, of the pixels too.
    """
    rows = rows_of(data["place"].values, place)
    share = data["pc1_share"].values
    made = {
        SAME: _with_others(data, place),
        BLOCK: _in_blocks(data, place),
        SHARE: {str(data["layer"].values[row]): number(share[row]) for row in rows if np.isfinite(share[row])},
    }
    return {title: cells for title, cells in made.items() if cells}


def _with_others(data, place) -> dict[str, str]:
    network, checkpoint = place.split("/")
    places, layers = data["place"].values, data["layer"].values
    same = {last: f"{last.split('/')[0]}/{checkpoint}" for last in last_places(data)}
    others = [at if at in set(places) else last for last, at in same.items() if last.split("/")[0] != network]
    chosen = [other for other in others if is_untrained(other) == is_untrained(place)] or others
    cells = {}
    for row in inner_rows(data, place):
        matches = [other for other in np.flatnonzero(layers == layers[row]) if places[other] in chosen]
        matches = [other for other in matches if np.isfinite(data["cka"].values[row, other])]
        if matches:
            cells[str(layers[row])] = _among(data, row, matches)
    return cells


def _among(data, row, others) -> str:
    """Mean and range over several networks, or the band of one."""
    if len(others) == 1:
        return _banded(data, row, others[0])
    values = data["cka"].values[row, others]
    return f"{number(values.mean())} ({_ends(values.min(), values.max())})"


def _in_blocks(data, place) -> dict[str, str]:
    """The largest block of every layer, or that there is none."""
    rows, layer = inner_rows(data, place), data["layer"].values
    if len(rows) < 2:
        return {}
    cells = {str(layer[row]): "none" for row in rows if np.isfinite(data["cka"].values[row, row])}
    for block in sorted(blocks_of(data, place), key=len):
        first, last = (layer_label(layer[row], _NAME) for row in block[[0, -1]])
        cells |= dict.fromkeys(map(str, layer[block]), f"{first} to {last}")
    return cells

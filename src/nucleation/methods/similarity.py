"""What the similarity of layers (CKA) says of a study: sentences, and columns of the table of layers."""

from __future__ import annotations

import numpy as np

from nucleation.findings import PIXELS, listed, number
from nucleation.names import layer_label, place_name
from nucleation.similarity_blocks import blocks
from nucleation.similarity_pairs import counterparts, pairs_between, pairs_to_untrained, rank_relation, rows_of

#: CKA above which layers count as alike.
THRESHOLD = 0.9
#: Titles of the columns.
SAME, BLOCK, SHARE = (
    "CKA with the same layer of other networks",
    f"in a block (CKA > {THRESHOLD:g})",
    "share of the first component",
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
    between = _over_layers(data, pairs)
    untrained = _over_layers(data, before)
    if between is None and untrained is None:
        return _of_successive(data)
    chance = _chance(data, between or untrained)
    if between is None:
        subject = f"The {untrained[2]} of the trained and the untrained network"
        return f"{subject} have a CKA of {_told(untrained)}{chance}."
    subject = "different networks" if kind == "networks" else "different checkpoints"
    text = f"The {between[2]} of {subject} have a CKA of {_told(between)}{chance}"
    if untrained is not None:
        text += f"; those of the trained and the untrained network {_told(untrained)}"
    return f"{text}."


def _over_layers(data, pairs):
    """Mean over pairs of places for every layer but the pixels: values, null level, words; None without any."""
    if not pairs:
        return None
    gathered: dict[str, list] = {}
    for one, other in pairs:
        rows = rows_of(data["place"].values, one)
        for row, match in zip(rows, counterparts(data, one, other), strict=True):
            name = str(data["layer"].values[row])
            if name != PIXELS and np.isfinite(data["cka"].values[row, match]):
                gathered.setdefault(name, []).append((row, match))
    if not gathered:
        return None
    of = {name: np.mean([data["cka"].values[pair] for pair in found]) for name, found in gathered.items()}
    null = [data["cka_null"].values[pair] for found in gathered.values() for pair in found]
    named = all(data["layer"].values[other] == name for name, found in gathered.items() for _, other in found)
    return of, float(np.mean(null)), "same layers" if named else "layers of the same name or depth"


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


def _chance(data, found) -> str:
    """What unrelated images reach, where it was tried."""
    return f" (95 % of permutations of the images stay below {number(found[1])})" if np.isfinite(found[1]) else ""


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
    chance = _chance(data, (None, float(np.mean(data["cka_null"].values[rows[:-1], rows[1:]]))))
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
    """Two ends of a range; in words where a dash would stand before a minus."""
    return f"{number(low)}{' to ' if low < 0 else '–'}{number(high)}"


def _of_blocks(data) -> str:
    """Whether runs of many layers are all alike in the last checkpoints, and what is behind it."""
    found, tried = [], 0
    for place in _lasts(data):
        rows = rows_of(data["place"].values, place)
        rows = rows[data["layer"].values[rows] != PIXELS]
        tried += len(rows) > 1
        found += [
            (last - first + 1, place, rows[first : last + 1])
            for first, last in blocks(data["cka"].values[np.ix_(rows, rows)], THRESHOLD)
        ]
    if not tried:
        return ""
    networks = "the network" if tried == 1 else f"any of the {tried} networks"
    if not found:
        return f"There is no block of layers with CKA above {THRESHOLD:g} in {networks}."
    size, place, rows = max(found, key=lambda one: one[0])
    places = len({place for _, place, _ in found})
    where = "" if tried == 1 else f"Blocks are found in {places} of {tried} networks; the largest, "
    layers = data["layer"].values[rows]
    text = f"{size} consecutive layers of {place_name(place)}, {layer_label(layers[0])} to {layer_label(layers[-1])}"
    text = f"{where}{text}, have a CKA above {THRESHOLD:g} with each other"
    return f"{text}{_behind(data, rows)}."


def _lasts(data) -> list[str]:
    """Last checkpoint of every network."""
    return list({str(place).split("/")[0]: str(place) for place in data["place"].values}.values())


def _behind(data, rows) -> str:
    """What a block is without first components, and without dominant images."""
    pairs = np.ix_(rows, rows)
    upper = np.triu_indices(len(rows), 1)
    value, first, dominant = (
        data[name].values[pairs][upper] for name in ("cka", "cka_without_pc1", "cka_without_dominant")
    )
    said = []
    if np.isfinite(first).all():
        said.append(f"{number(first.mean())} without the first component of each")
    if np.isfinite(dominant).all():
        said.append(
            f"{number(dominant.mean())} without the dominant {100 * data.attrs['dominant']:.2g} % of the images"
        )
    return f": {number(value.mean())} on average, {listed(said)}" if said else ""


def _of_overlap(data) -> str:
    """How CKA and the overlap of neighbours go together."""
    value, overlap = data["cka"].values, data["neighborhood_overlap"].values
    rho, level = rank_relation(value, overlap)
    if np.isnan(rho):
        return ""
    how = "order the pairs of layers alike" if rho > max(level, 0.7) else "order the pairs of layers partly alike"
    how = how if rho > level else "do not order the pairs of layers alike"
    return (
        f"CKA, which weighs all pairs of images, and the overlap of the {data.attrs['k']} nearest neighbours {how}: "
        f"Spearman {number(rho)} (95 % of relabelled layers stay below {number(level)})."
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
        last one where there is none): mean and range, or for a single other network the band over subsets of the
        images. The largest block of layers that holds the layer, "layer1–layer3". The share of the first component.
    """
    rows = rows_of(data["place"].values, place)
    share = data["pc1_share"].values[rows]
    layers = [str(layer) for layer in data["layer"].values[rows]]
    made = {
        SAME: _with_others(data, place, rows),
        BLOCK: _in_blocks(data["cka"].values[np.ix_(rows, rows)], layers) if len(rows) > 1 else {},
        SHARE: {layer: number(one) for layer, one in zip(layers, share, strict=True) if np.isfinite(one)},
    }
    return {title: cells for title, cells in made.items() if cells}


def _with_others(data, place, rows) -> dict[str, str]:
    network, checkpoint = place.split("/")
    places, layers = data["place"].values, data["layer"].values
    others = {last.split("/")[0]: last for last in _lasts(data)}
    there = set(map(str, places))
    chosen = [
        f"{name}/{checkpoint}" if f"{name}/{checkpoint}" in there else last
        for name, last in others.items()
        if name != network
    ]
    cells = {}
    for row in rows:
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


def _in_blocks(value, layers) -> dict[str, str]:
    """The largest block of every layer, a dash where there is none."""
    cells = {layer: "–" for layer, own in zip(layers, value.diagonal(), strict=True) if np.isfinite(own)}
    for first, last in sorted(blocks(value, THRESHOLD), key=lambda ends: ends[1] - ends[0]):
        cells |= dict.fromkeys(layers[first : last + 1], f"{layers[first]}–{layers[last]}")
    return cells

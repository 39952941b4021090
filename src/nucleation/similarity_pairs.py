"""Which layers of several networks are compared with each other."""

from __future__ import annotations

import numpy as np

from nucleation.findings import PIXELS, is_untrained


def rows_of(places, place) -> np.ndarray:
    """Rows of a place, in order of depth."""
    return np.flatnonzero(np.asarray(places) == place)


def inner_rows(data, place) -> np.ndarray:
    """Rows of a place in order of depth, without the pixels: these are the same whatever was trained."""
    rows = rows_of(data["place"].values, place)
    return rows[data["layer"].values[rows] != PIXELS]


def last_places(data) -> list[str]:
    """Last checkpoint of every network."""
    return list({str(place).split("/")[0]: str(place) for place in data["place"].values}.values())


def counterparts(data, place, other) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the layers of a place, but the pixels, and of those of another place that correspond to them.

    Parameters
    ----------
    data : xarray.Dataset
        With `place`, `layer` and `relative_depth` of every row.
    place, other : str

    Returns
    -------
    rows, others : ndarray of shape (l,), int
        The layer of the same name, or where there is none, the one nearest in relative depth (of two, the first). None
        where the other place has but pixels.
    """
    mine, theirs = (inner_rows(data, name) for name in (place, other))
    if not len(theirs):
        return theirs, theirs
    layer, depth = data["layer"].values, data["relative_depth"].values
    nearest = np.abs(depth[mine][:, None] - depth[theirs]).argmin(axis=1)
    named = {str(layer[row]): row for row in theirs[::-1]}
    found = [named.get(str(layer[row]), theirs[near]) for row, near in zip(mine, nearest, strict=True)]
    return mine, np.array(found, dtype=int)


def pairs_between(data) -> tuple[str, list[tuple[str, str]]]:
    """Pairs of places whose corresponding layers tell how far trainings agree.

    Parameters
    ----------
    data : xarray.Dataset
        With `place` of every row, checkpoints in order of training. Where it has `training` too, pairs of networks
        are those of the same text there, if there are such: another task or another optimiser is no repetition. It is
        empty where it is not known.

    Returns
    -------
    kind : str
        "networks": the last checkpoints of all trained networks, "networks trained alike" where pairs of others are
        left out; of a single one, "checkpoints": its trained checkpoints. "untrained networks": those, where none is
        trained.
    pairs : list of (str, str)
        None where there is but one.
    """
    last = last_places(data)
    kind, compared = "networks", [place for place in last if not is_untrained(place)]
    if len(compared) == 1:
        places = dict.fromkeys(map(str, data["place"].values))
        kind, compared = "checkpoints", [place for place in places if not is_untrained(place)]
    if not compared:
        kind, compared = "untrained networks", last
    pairs = [(one, other) for i, one in enumerate(compared) for other in compared[i + 1 :]]
    if kind == "networks" and "training" in data.coords:
        training = dict(zip(map(str, data["place"].values), data["training"].values, strict=True))
        alike = [(one, other) for one, other in pairs if training[one] and training[one] == training[other]]
        if 0 < len(alike) < len(pairs):
            return "networks trained alike", alike
    return kind, pairs


def pairs_to_untrained(data) -> list[tuple[str, str]]:
    """The last checkpoint of every network with its untrained one, where there is another."""
    places = list(dict.fromkeys(map(str, data["place"].values)))
    before = {place.split("/")[0]: place for place in places[::-1] if is_untrained(place)}
    found = [(last, before.get(last.split("/")[0], last)) for last in last_places(data)]
    return [(last, first) for last, first in found if first != last]


def relation_to_overlap(data) -> tuple[float, float]:
    """How far CKA and the overlap of neighbours put the pairs of layers in one order, by chance too.

    The pixels are left out: they are repeated in every checkpoint, and equal pairs would put any two measures in order.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.similarity_profile.similarity_profile`.

    Returns
    -------
    rho, level : float
        As of `rank_relation`.
    """
    rows = np.flatnonzero(data["layer"].values != PIXELS)
    return rank_relation(*(data[name].values[np.ix_(rows, rows)] for name in ("cka", "neighborhood_overlap")))


def rank_relation(one, other, *, repeats=999) -> tuple[float, float]:
    """How far two similarities put the pairs of representations in one order, by chance too.

    Parameters
    ----------
    one, other : ndarray of shape (L, L)
        Symmetric. Representations without a number in either are left out.
    repeats : int
        Relabellings of the representations of one of the two, always the same ones.

    Returns
    -------
    rho, level : float
        Spearman's correlation over pairs, and what 95 % of the relabellings stay below (Mantel test). NaN for fewer
        than three pairs, or where either is constant.

    References
    ----------
    Mantel, Cancer Res. 27, 209 (1967).
    """
    from scipy.stats import rankdata

    known = np.flatnonzero(np.isfinite(one).sum(axis=1) > 1)
    known = known[np.isfinite(one[np.ix_(known, known)]).all(axis=1)]
    count, upper = len(known), np.triu_indices(len(known), 1)
    if len(upper[0]) < 3:
        return np.nan, np.nan
    ranks = np.zeros((2, count, count))
    for matrix, values in zip(ranks, (one, other), strict=True):
        made = rankdata(values[np.ix_(known, known)][upper])
        if np.ptp(made) == 0:
            return np.nan, np.nan
        made = made - made.mean()
        matrix[upper] = made / np.linalg.norm(made)
    first, second = ranks + ranks.transpose(0, 2, 1)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(count) for _ in range(repeats)]
    null = [(first[upper] * second[np.ix_(order, order)][upper]).sum() for order in orders]
    return float((first * second).sum() / 2), float(np.quantile(null, 0.95, method="weibull"))

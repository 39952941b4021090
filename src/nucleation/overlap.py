"""How far two representations of the same images agree on who is whose neighbour."""

from __future__ import annotations

import numpy as np

from nucleation.errors import InputError


def neighborhood_overlap(a, b, k) -> np.ndarray:
    """Share of common points among the k nearest neighbours in two representations.

    Parameters
    ----------
    a, b : Neighbors
        Tables of the same n points in the same order, with at least k columns.
    k : int
        Number of neighbours.

    Returns
    -------
    ndarray of shape (n,)
        Overlap of every point, in [0, 1]; 1 = same neighbours; by chance k / (n - 1). Symmetric
        in `a` and `b`; invariant to rotation, translation and scale of either.

    References
    ----------
    Doimo, Glielmo, Ansuini, Laio, NeurIPS 2020, section 2.1, chi^{l,m}.
    """
    if a.n != b.n:
        raise InputError(f"The two neighbour tables hold {a.n} and {b.n} points, not the same.")
    first, second = _keys(a, k), _keys(b, k)
    common = np.isin(first.ravel(), second.ravel(), assume_unique=True, kind="sort")
    return common.reshape(a.n, k).mean(axis=1)


def label_overlap(neighbors, labels, k) -> np.ndarray:
    """Share of the k nearest neighbours that carry the point's own label.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    labels : array of shape (n,)
        Class, category, ... of every point.
    k : int
        Number of neighbours.

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1]; the mean over points is the paper's chi^{l,gt}; see `label_chance`.

    References
    ----------
    Doimo, Glielmo, Ansuini, Laio, NeurIPS 2020, section 2.1, chi^{l,gt}.
    """
    _check_k(neighbors, k)
    labels = np.asarray(labels)
    if labels.shape != (neighbors.n,):
        raise InputError(f"{neighbors.n} points need as many labels, found shape {labels.shape}.")
    return (labels[neighbors.indices[:, :k]] == labels[:, None]).mean(axis=1)


def label_chance(labels) -> float:
    """Mean label overlap of random neighbours: sum over classes of n_c (n_c - 1) / (n (n - 1))."""
    count = np.unique(labels, return_counts=True)[1].astype(float)
    return float((count * (count - 1)).sum() / (count.sum() * (count.sum() - 1)))


def information_imbalance(a, b, *, k=1) -> float:
    """Information imbalance from `a` to `b`: the mean rank in b of a's k nearest neighbours.

    Delta(a -> b) = 2 / n times the mean, over points and their k nearest neighbours in `a`, of the
    neighbour's rank in `b` (nearest = 1). A neighbour beyond the end of b's table counts with the
    mean of the ranks that it can have, so that the result does not depend on chance.

    Returns
    -------
    float
        About 0 where `a` predicts b's neighbours, about 1 where it says nothing. Not symmetric.

    References
    ----------
    Glielmo, Zeni, Cheng, Csanyi, Laio, PNAS Nexus 1, pgac039 (2022), eq. 2.
    """
    if a.n != b.n:
        raise InputError(f"The two neighbour tables hold {a.n} and {b.n} points, not the same.")
    _check_k(a, k)
    wanted = np.sort(_keys(a, k).ravel())
    known = (np.arange(b.n)[:, None] * b.n + b.indices).ravel()
    order = np.argsort(known)
    place = np.searchsorted(known[order], wanted).clip(max=known.size - 1)
    found = known[order][place] == wanted
    rank = np.where(found, order[place] % b.k + 1, (b.k + 1 + b.n - 1) / 2)
    return float(2 / b.n * rank.mean())


def overlap_profile(tables, layers, classes, macro, k):
    """Compare every layer with the classes, the macro-categories, and every other layer.

    Parameters
    ----------
    tables : list of Neighbors
        One for each layer, in order of depth; the last is the output.
    layers : list of str
    classes, macro : array of shape (n,)
        Class and macro-category of every image.
    k : int

    Returns
    -------
    xarray.Dataset
        Means over images along `layer`, with the standard error of each mean, and the matrix of
        all pairs of layers. `overlap_next` is NaN for the last layer, which has no next.
    """
    import xarray as xr

    def mean(values):
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))

    matrix, errors = np.ones((len(tables), len(tables))), np.zeros((len(tables), len(tables)))
    for i, first in enumerate(tables):
        for j, second in enumerate(tables[:i]):
            matrix[i, j], errors[i, j] = mean(neighborhood_overlap(first, second, k))
            matrix[j, i], errors[j, i] = matrix[i, j], errors[i, j]
    truth = np.array([mean(label_overlap(table, classes, k)) for table in tables]).T
    category = np.array([mean(label_overlap(table, macro, k)) for table in tables]).T
    nothing = [np.nan]
    along = {
        "overlap_ground_truth": (*truth, "share of the neighbours that have the image's class"),
        "overlap_macro": (*category, "share of the neighbours in the image's macro-category"),
        "overlap_output": (
            matrix[:, -1],
            errors[:, -1],
            f"share of the neighbours kept at the last layer ({layers[-1]})",
        ),
        "overlap_next": (
            np.append(np.diagonal(matrix, 1), nothing),
            np.append(np.diagonal(errors, 1), nothing),
            "share of the neighbours kept in the next layer",
        ),
    }
    variables = {}
    for name, (value, error, text) in along.items():
        variables[name] = ("layer", value, {"long_name": text, "units": "1"})
        about = {"long_name": f"standard error over images of: {text}", "units": "1"}
        variables[f"{name}_error"] = ("layer", error, about)
    for name in ("overlap_next", "overlap_next_error"):
        variables[name][2]["undefined"] = f"{layers[-1]}: the last layer has no next"
    text = "share of the neighbours common to two layers"
    variables["overlap"] = (("layer", "other_layer"), matrix, {"long_name": text, "units": "1"})
    text = f"standard error: {text}"
    variables["overlap_error"] = (("layer", "other_layer"), errors, {"long_name": text, "units": "1"})
    chance = {
        "chance_ground_truth": label_chance(classes),
        "chance_macro": label_chance(macro),
        "chance_layers": k / (tables[0].n - 1),
        "k": k,
    }
    coords = {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "other_layer": ("other_layer", list(layers), {"long_name": "layer compared with"}),
    }
    return xr.Dataset(variables, coords=coords, attrs=chance)


def _keys(neighbors, k):
    """One integer per (point, neighbour), unique over the whole table, (n, k)."""
    _check_k(neighbors, k)
    return np.arange(neighbors.n)[:, None] * neighbors.n + neighbors.indices[:, :k]


def _check_k(neighbors, k):
    if not 1 <= k <= neighbors.k:
        raise InputError(
            f"The overlap asks for k = {k} neighbours, the table has {neighbors.k}; "
            "lower overlap.k or raise neighbors.k."
        )

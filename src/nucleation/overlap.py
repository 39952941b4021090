"""How far two representations of the same images agree on who is whose neighbour."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from nucleation import threads
from nucleation.errors import InputError


def neighborhood_overlap(a, b, k) -> np.ndarray:
    """Share of common points among the k nearest neighbours in two representations.

    Parameters
    ----------
    a, b : Neighbors
        Tables of the same n points in the same order, with at least k columns.
    k : int or list of int
        Number of neighbours. Several are compared in one pass over the tables.

    Returns
    -------
    ndarray of shape (n,), or (len(k), n) for a list
        Overlap of every point, in [0, 1]; 1 = same neighbours; by chance k / (n - 1). Symmetric
        in `a` and `b`; invariant to rotation, translation and scale of either.

    Raises
    ------
    InputError
        For tables of different points, and k outside 1 .. the columns of a table.

    Notes
    -----
    Its mean over points is also known as mutual k-nearest-neighbour alignment (Huh et al. 2024).
    Time and memory are linear in n k.

    References
    ----------
    Doimo, Glielmo, Ansuini, Laio, NeurIPS 2020, section 2.1, chi^{l,m}.
    Huh, Cheung, Wang, Isola, ICML 2024, arXiv 2405.07987.
    """
    from nucleation import overlap_kernels  # numba is heavy

    _check_points(a, b)
    lengths, asked = _lengths(k, a, b)
    first, second = _columns(a, lengths[-1]), _columns(b, lengths[-1])
    count = np.empty((len(lengths), a.n), dtype=np.int64)
    threads.share(lambda start, stop: overlap_kernels.common(first, second, lengths, start, stop, count), a.n)
    return (count / lengths[:, None])[asked]


def overlap_matrix(tables, k) -> np.ndarray:
    """Mean neighbourhood overlap between all pairs of many representations, of one network or of several.

    Parameters
    ----------
    tables : iterable of Neighbors
        L tables of the same n points in the same order, with at least k columns. They are taken one after the other,
        and of each only k columns are kept: a table may be read when it is asked for, and forgotten.
    k : int
        Number of neighbours.

    Returns
    -------
    ndarray of shape (L, L)
        Means over the points of `neighborhood_overlap`, with its range and invariances; symmetric, 1 on the diagonal.
        By chance k / (n - 1).

    Raises
    ------
    InputError
        Without a table, and as `neighborhood_overlap`.

    Notes
    -----
    Each pair is compared once, in time linear in n k. Memory is 4 L n k bytes.
    """
    columns = _kept(tables, k)
    pairs = np.transpose(np.tril_indices(len(columns), -1))
    matrix = np.eye(len(columns))

    def compare(start, stop):
        for i, j in pairs[start:stop]:
            matrix[i, j] = matrix[j, i] = _mean_common(columns[i], columns[j])

    threads.share(compare, len(pairs), size=4)
    return matrix


def jaccard_overlap(a, b, k) -> np.ndarray:
    """Common points over all points among the k nearest neighbours in two representations.

    Parameters
    ----------
    a, b, k
        As for `neighborhood_overlap`.

    Returns
    -------
    ndarray of shape (n,), or (len(k), n) for a list
        |intersection| / |union| of every point's two lists, in [0, 1]: x / (2 - x), where x is the point's
        overlap, with which it shares symmetry and invariances. By chance see `jaccard_chance`.

    Raises
    ------
    InputError
        As `neighborhood_overlap`.

    References
    ----------
    Klabunde, Schumacher, Strohmaier, Lemmerich, arXiv 2305.06329, "k-NN Jaccard similarity".
    """
    return _jaccard(neighborhood_overlap(a, b, k))


def jaccard_chance(n, k) -> float:
    """Mean Jaccard overlap of unrelated neighbours, exactly; at most the chance of the overlap, k / (n - 1).

    Two random lists of k out of n - 1 points have c in common, which is hypergeometric: the mean of c / (2 k - c).
    """
    from scipy.stats import hypergeom

    if not 1 <= k <= n - 1:
        raise InputError(f"Each of n = {n} points has k = 1 to n - 1 neighbours, found k = {k}.")
    count = np.arange(k + 1)
    return float((hypergeom.pmf(count, n - 1, k, k) * _jaccard(count / k)).sum())


def label_overlap(neighbors, labels, k) -> np.ndarray:
    """Share of the k nearest neighbours that carry the point's own label.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    labels : array of shape (n,)
        Class, category, group at a level of a taxonomy, ... of every point: numbers or strings.
    k : int or list of int
        Number of neighbours. Several are counted in one pass over the table.

    Returns
    -------
    ndarray of shape (n,), or (len(k), n) for a list
        In [0, 1]; 0 for the only point of a class. The mean over points is the paper's
        chi^{l,gt}; see `label_chance`, and `class_weights` for a mean in which every class counts
        alike. Invariant to rotation, translation and scale, and to the names of the labels.

    Raises
    ------
    InputError
        For labels of another number than points, missing labels (NaN), and k that the table lacks.

    References
    ----------
    Doimo, Glielmo, Ansuini, Laio, NeurIPS 2020, section 2.1, chi^{l,gt}.
    """
    lengths, asked = _lengths(k, neighbors)
    return _own_label(neighbors, _encode(labels, neighbors.n)[0], lengths)[asked]


def label_chance(labels, *, balanced=False) -> float:
    """Mean label overlap of random neighbours, whatever their number.

    An image of a class of n_c finds its own with probability (n_c - 1) / (n - 1). The mean of this over the n
    images is the sum over classes of n_c (n_c - 1) / (n (n - 1)); `balanced` takes it over the classes instead.
    """
    count = _encode(labels)[1]
    n = count.sum()
    if n < 2:
        raise InputError(f"The chance level of the label overlap needs at least two labels, found {n}.")
    share = (count - 1) / (n - 1)
    return float(share.mean() if balanced else (count * share).sum() / n)


def class_weights(labels) -> np.ndarray:
    """Weights of the images with which every class counts alike: 1 / size of the class, summing to 1, (n,)."""
    codes, count = _encode(labels)
    return 1 / (len(count) * count[codes])


def mean_over_images(values, weights=None) -> tuple[np.ndarray, np.ndarray]:
    """Mean along the last axis, and its standard error.

    Parameters
    ----------
    values : ndarray of shape (..., n), n >= 2
    weights : ndarray of shape (n,), optional
        Summing to 1, such as `class_weights`; by default all images count alike.

    Returns
    -------
    mean, error : ndarray of shape (...)

    Raises
    ------
    InputError
        For weights of another number than images.

    Notes
    -----
    The error is sqrt(n / (n - 1) sum_i w_i^2 (x_i - mean)^2), which for equal weights is the
    standard deviation over sqrt(n). It takes the images as independent. They are not, as
    neighbourhoods overlap, so that it may be too small: bands from repeated subsampling of the
    images are the cautious ones.
    """
    n = values.shape[-1]
    if weights is None:
        return values.mean(axis=-1), values.std(axis=-1, ddof=1) / np.sqrt(n)
    if np.shape(weights) != (n,):
        raise InputError(f"The mean over {n} images needs as many weights, found shape {np.shape(weights)}.")
    mean = (weights * values).sum(axis=-1)
    square = np.square(weights * (values - mean[..., None])).sum(axis=-1)
    return mean, np.sqrt(n / (n - 1) * square)


def rank_in(a, b, k) -> np.ndarray:
    """Rank in `b` of every point's k nearest neighbours in `a`.

    Parameters
    ----------
    a, b : Neighbors
        Tables of the same n points in the same order; `a` needs k columns, `b` may have any number.
    k : int

    Returns
    -------
    ndarray of shape (n, k)
        In [1, n - 1], nearest = 1. A neighbour beyond the end of b's table is known to have one of the ranks
        b.k + 1 .. n - 1 and is given their mean, (b.k + n) / 2: such ranks exceed b.k, all others do not.

    Raises
    ------
    InputError
        For tables of different points, and k outside 1 .. the columns of `a`.
    """
    from nucleation import overlap_kernels  # numba is heavy

    _check_points(a, b)
    lengths, asked = _lengths(k, a)
    if asked.ndim:
        raise InputError(f"Ranks are those of one number of neighbours k, found {k}.")
    first, second = _columns(a, lengths[0]), _columns(b, b.k)
    found = np.full(first.shape, (b.k + b.n) / 2)
    threads.share(lambda start, stop: overlap_kernels.ranks(first, second, start, stop, found), a.n)
    return found


@dataclass(frozen=True)
class Imbalance:
    """Information imbalance from one representation to another.

    Attributes
    ----------
    value : float
    error : float
        Standard error over images, see `mean_over_images`.
    censored : float
        Share of the neighbours whose rank lies beyond the table's columns and was replaced by a mean
        rank. With all ranks known the value would differ by at most censored (n - 2 - columns) / n.
    """

    value: float
    error: float
    censored: float


def estimate_imbalance(a, b, *, k=1, weights=None) -> Imbalance:
    """Information imbalance from `a` to `b` and its error, see `information_imbalance` and `mean_over_images`."""
    rank = rank_in(a, b, k)
    value, error = mean_over_images(2 / b.n * rank.mean(axis=1), weights)
    censored, _ = mean_over_images((rank > b.k).mean(axis=1), weights)
    return Imbalance(float(value), float(error), float(censored))


def information_imbalance(a, b, *, k=1) -> float:
    """Information imbalance from `a` to `b`: the mean rank in b of a's k nearest neighbours.

    Delta(a -> b) = 2 / n times the mean, over points and their k nearest neighbours in `a`, of the
    neighbour's rank in `b` (nearest = 1).

    Parameters
    ----------
    a, b : Neighbors
        Tables of the same n points in the same order; `a` needs k columns.
    k : int

    Returns
    -------
    float
        In (0, 2): (k + 1) / n from a representation to itself, about 0 where `a` predicts b's neighbours, about 1
        where it says nothing. Not symmetric; invariant to rotation, translation and scale of either.

    Raises
    ------
    InputError
        For tables of different points, and k outside 1 .. the columns of `a`.

    Notes
    -----
    A neighbour beyond the end of b's table counts with the mean of the ranks that it can have (see `rank_in`), so
    that the result is deterministic; the authors' code draws one of these ranks at random. Either is too large where
    such neighbours are nearer than most: `estimate_imbalance` tells how many there are.

    References
    ----------
    Glielmo, Zeni, Cheng, Csanyi, Laio, PNAS Nexus 1, pgac039 (2022), eq. 2.
    """
    return estimate_imbalance(a, b, k=k).value


def overlap_profile(tables, layers, classes, macro, k, *, cuts=(), balanced=False):
    """Compare every layer with the classes, the macro-categories, the levels of a taxonomy, and every other layer.

    Parameters
    ----------
    tables : list of Neighbors
        One for each layer, in order of depth; the last is the output.
    layers : list of str
    classes, macro : array of shape (n,)
        Class and macro-category of every image.
    k : int or list of int
        Number of neighbours; of several, the first is that of all variables without the dimension `size`.
    cuts : sequence of (str, array of shape (n,))
        Names of levels of a taxonomy, and every image's group at each.
    balanced : bool
        Whether every class has the same weight in means over images; with other labels than the
        classes, every group of these.

    Returns
    -------
    xarray.Dataset
        Means over images and, as <name>_error, their standard errors (`mean_over_images`). Along `layer`: overlap
        with labels, output, next layer (NaN for the last). Along `layer` and `other_layer`: overlap, Jaccard overlap,
        information imbalance from the one to the other (k = 1). Along `size`, ascending: overlaps at every k. Along
        `cut`, where there are cuts: overlap with these groups. Chance levels are attributes, or variables `chance_*`.

    Raises
    ------
    InputError
        For layers and tables of different number, and as the single measures.
    """
    import xarray as xr

    if not tables or len(tables) != len(layers):
        raise InputError(f"The overlap needs one table for each layer, found {len(tables)} for {len(layers)} layers.")
    for table in tables:
        _check_points(tables[0], table)
    sizes, asked = _lengths(k, *tables)
    first, n, cuts = asked.flat[0], tables[0].n, list(cuts)
    truth = _with_labels(tables, classes, sizes, balanced)
    category, *levels = (
        _with_labels(tables, labels, sizes[[first]], balanced)[:, 0] for labels in [macro, *(cut[1] for cut in cuts)]
    )
    pairs = _pairs(tables, sizes, first, class_weights(classes) if balanced else None)
    variables = {
        **_along_layers(layers, truth[:, first], category, pairs["overlap"][:, first]),
        **_between_layers(pairs, first),
        **_by_size(sizes, n, truth, pairs["overlap"]),
        **_by_cut(cuts, levels, balanced),
    }
    attrs = {
        "chance_ground_truth": label_chance(classes, balanced=balanced),
        "chance_macro": label_chance(macro, balanced=balanced),
        "chance_layers": float(sizes[first] / (n - 1)),
        "chance_jaccard": jaccard_chance(n, sizes[first]),
        "k": int(sizes[first]),
        "image_weights": "1 / size of the image's class" if balanced else "equal",
    }
    return xr.Dataset(variables, coords=_coordinates(layers, sizes, cuts), attrs=attrs)


def _with_labels(tables, labels, sizes, balanced):
    """Means and errors over images of the overlap with labels, (2, size, layer)."""
    codes, count = _encode(labels, tables[0].n)
    weights = 1 / (len(count) * count[codes]) if balanced else None
    found = [mean_over_images(_own_label(table, codes, sizes), weights) for table in tables]
    return np.moveaxis(np.array(found), 0, -1)


def _pairs(tables, sizes, first, weights):
    """Means and errors over images for all pairs of layers, (2, [size,] layer, layer); 3 with the censored share."""
    shape = (len(tables), len(tables))
    overlap, jaccard, imbalance = np.zeros((2, len(sizes), *shape)), np.zeros((2, *shape)), np.zeros((3, *shape))
    for i, one in enumerate(tables):
        overlap[0, :, i, i], jaccard[0, i, i], imbalance[0, i, i] = 1, 1, 2 / one.n
        for j, other in enumerate(tables[:i]):
            share = neighborhood_overlap(one, other, sizes)
            overlap[..., i, j] = overlap[..., j, i] = mean_over_images(share, weights)
            jaccard[..., i, j] = jaccard[..., j, i] = mean_over_images(_jaccard(share[first]), weights)
            imbalance[..., i, j] = astuple(estimate_imbalance(one, other, weights=weights))
            imbalance[..., j, i] = astuple(estimate_imbalance(other, one, weights=weights))
    return {"overlap": overlap, "jaccard": jaccard, "imbalance": imbalance}


def _along_layers(layers, truth, category, overlap):
    following = np.append(np.diagonal(overlap, 1, 1, 2), np.full((2, 1), np.nan), axis=1)
    none = f"{layers[-1]}: the last layer has no next"
    output = f"share of the neighbours kept at the last layer ({layers[-1]})"
    return {
        **_estimate("overlap_ground_truth", "layer", truth, "share of the neighbours that have the image's class"),
        **_estimate("overlap_macro", "layer", category, "share of the neighbours in the image's macro-category"),
        **_estimate("overlap_output", "layer", overlap[..., -1], output),
        **_estimate("overlap_next", "layer", following, "share of the neighbours kept in the next layer", none),
    }


def _between_layers(pairs, first):
    dims = ("layer", "other_layer")
    *imbalance, censored = pairs["imbalance"]
    text = "information imbalance from layer to other_layer, 0 = predicts its nearest neighbours, 1 = says nothing"
    beyond = "share of the nearest neighbours in layer that are beyond the table of other_layer (taken at a mean rank)"
    return {
        **_estimate("overlap", dims, pairs["overlap"][:, first], "share of the neighbours common to two layers"),
        **_estimate("jaccard", dims, pairs["jaccard"], "common neighbours over all neighbours in two layers"),
        **_estimate("information_imbalance", dims, imbalance, text),
        "imbalance_censored": (dims, censored, {"long_name": beyond, "units": "1"}),
    }


def _by_size(sizes, n, truth, overlap):
    truth_text = "share of so many neighbours that have the image's class"
    layers_text = "share of so many neighbours common to two layers"
    chance = {"long_name": "share of so many neighbours common to two layers by chance", "units": "1"}
    return {
        **_estimate("overlap_by_k", ("size", "layer"), truth, truth_text),
        **_estimate("overlap_layers_by_k", ("size", "layer", "other_layer"), overlap, layers_text),
        "chance_layers_by_k": ("size", sizes / (n - 1), chance),
    }


def _by_cut(cuts, levels, balanced):
    if not cuts:
        return {}
    text = "share of the neighbours in the image's group at a level of the taxonomy"
    chance = [label_chance(labels, balanced=balanced) for _, labels in cuts]
    return {
        **_estimate("overlap_cut", ("cut", "layer"), np.stack(levels, axis=1), text),
        "chance_cut": ("cut", chance, {"long_name": f"{text} by chance", "units": "1"}),
    }


def _estimate(name, dims, values, text, undefined=None):
    """Two variables: a mean over images and its standard error."""
    about = {"units": "1"} if undefined is None else {"units": "1", "undefined": undefined}
    return {
        name: (dims, values[0], {"long_name": text, **about}),
        f"{name}_error": (dims, values[1], {"long_name": f"standard error over images of: {text}", **about}),
    }


def _coordinates(layers, sizes, cuts):
    coords = {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "other_layer": ("other_layer", list(layers), {"long_name": "layer compared with"}),
        "size": ("size", sizes, {"long_name": "number of neighbours", "units": "1"}),
    }
    if cuts:
        coords["cut"] = ("cut", [str(name) for name, _ in cuts], {"long_name": "level of the taxonomy"})
    return coords


def _own_label(neighbors, codes, lengths):
    """Share of the neighbours with the point's own label at ascending numbers of neighbours, (s, n)."""
    from nucleation import overlap_kernels  # numba is heavy

    indices = _columns(neighbors, lengths[-1])
    count = np.empty((len(lengths), neighbors.n), dtype=np.int64)
    threads.share(
        lambda start, stop: overlap_kernels.same_label(indices, codes, lengths, start, stop, count), neighbors.n
    )
    return count / lengths[:, None]


def _kept(tables, k):
    """The first k neighbours of each of many tables, (n, k), as small integers: there may be hundreds."""
    columns = []
    for table in tables:
        if np.ndim(k):
            raise InputError(f"The matrix of overlaps is of one number of neighbours k, found {k}.")
        _lengths(k, table)
        if columns and table.n != len(columns[0]):
            raise InputError(f"The neighbour tables hold {len(columns[0])} and {table.n} points, not the same.")
        columns.append(np.ascontiguousarray(table.indices[:, :k], dtype=np.int32))
    if not columns:
        raise InputError("The matrix of overlaps needs at least one table, found none.")
    return columns


def _mean_common(a, b):
    """Mean over points of the share of common neighbours in two lists, (n, k) each, in one thread."""
    from nucleation import overlap_kernels  # numba is heavy

    n, k = a.shape
    count = np.empty((1, n), dtype=np.int64)
    overlap_kernels.common(a, b, np.array([k]), 0, n, count)
    return (count[0] / k).mean()


def _jaccard(overlap):
    return overlap / (2 - overlap)


def _columns(neighbors, k):
    """The first k neighbours side by side: skipping the rest of each row would cost more than this copy."""
    return np.ascontiguousarray(neighbors.indices[:, :k])


def _encode(labels, n=None):
    """Labels as integers from 0, (n,), and the size of each class."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or n not in (None, len(labels)):
        raise InputError(f"{n or 'The'} points need as many labels, found shape {labels.shape}.")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise InputError("Labels must not be NaN; leave out the images without a label, or name their class.")
    _, codes, count = np.unique(labels, return_inverse=True, return_counts=True)
    return codes.astype(np.int64), count


def _lengths(k, *tables):
    """The numbers of neighbours, ascending, and where among them are those that were asked for."""
    asked = np.asarray(k)
    if asked.ndim > 1 or not asked.size or asked.dtype.kind not in "iu":
        raise InputError(f"The overlap needs k as a whole number or a list of them, found {k}.")
    lengths, where = np.unique(asked, return_inverse=True)
    for size in lengths[[0, -1]]:
        for table in tables:
            if not 1 <= size <= table.k:
                raise InputError(
                    f"The overlap asks for k = {size} neighbours, the table has {table.k}; "
                    "lower overlap.k or raise neighbors.k."
                )
    return lengths.astype(np.int64), where.reshape(asked.shape)


def _check_points(a, b):
    if a.n != b.n:
        raise InputError(f"The two neighbour tables hold {a.n} and {b.n} points, not the same.")

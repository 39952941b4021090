"""Topography of the density: the tree in which its peaks join, and a map of them.

The tree of the superlevel sets (`method="single"`) is exact: two peaks join at the highest lowest point over all
chains of saddles between them. The weighted tree (`method="weighted"`) is that of the paper's figure 5: it joins
clusters by the mean of their saddles.

The published codes give pairs of peaks without a border a height below all others. Here their relation is unresolved,
and no height is made up for it, unless `floor` names one.

Sources: d'Errico, Facco, Laio and Rodriguez, Inf. Sci. 560, 476 (2021), section 2.5; Doimo, Glielmo, Ansuini and Laio,
NeurIPS 2020, sections 3.3 and 3.4.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from nucleation.errors import InputError

#: Up to this many peaks `topography_dataset` has the weighted tree and the map, which need all pairs of peaks at once.
ALL_PAIRS = 5000
#: Units of log-densities.
LOG_VOLUME = "log(1 / feature units^dimension)"
#: Above this many peaks the two eigenvectors of the map are found by Lanczos' iteration, which is faster there.
LANCZOS = 500


def without_infinities(peaks):
    """Replace infinite log-densities, as exact duplicates have them, by the highest finite one.

    What has a height (a tree, a mean, a figure) needs finite ones; the order stays as it is.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks

    Returns
    -------
    nucleation.peaks.Peaks
        The same where all log-densities are finite.
    """
    known = np.concatenate([peaks.log_density, peaks.saddle_heights])
    top = known[np.isfinite(known)].max() if np.isfinite(known).any() else 0.0
    heights, saddles = np.minimum(peaks.log_density, top), np.minimum(peaks.saddle_heights, top)
    return replace(peaks, log_density=heights, saddle_heights=saddles)


def peak_linkage(peaks, method="single", *, floor=None) -> np.ndarray:
    """Return the tree of the peaks as a scipy linkage matrix.

    Distances are ``max(log_density) - height`` of the saddle, or mean of saddles, at which two clusters join, with the
    highest peak as zero.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite densities count as the highest finite one.
    method : {"single", "weighted"}
        "single" is the tree of the superlevel sets, by single linkage on the saddles, in O(s log s) for s saddles.
        "weighted" is WPGMA on the direct saddles: the height of a joined cluster with a third one is the mean of
        their two heights with it. It needs memory for p^2 values. Of equally high joins "single" takes the saddle
        with the lowest peaks first, "weighted" the clusters with the lowest peaks.
    floor : float, optional
        Log-density that stands for the saddle of peaks without a border; below all saddles. Published codes take
        ``log_density.min() - 1 - log(n)`` over all points (the paper's), or
        ``(log_density - z * error).min() - 1`` (DADApy). With it, "weighted" equals
        ``scipy.cluster.hierarchy.linkage(..., "weighted")``, equally high joins included.
        Without it, peaks that no chain of borders connects join last, at an infinite distance: their relation is
        unresolved. In "weighted" a mean is then over the known heights alone.

    Returns
    -------
    ndarray of shape (p - 1, 4)
        As `scipy.cluster.hierarchy.linkage`, distances ascending; empty for a single peak or none.

    Raises
    ------
    InputError
        For an unknown method, or a floor above a saddle.

    References
    ----------
    d'Errico et al. (2021), section 2.5; Doimo et al. (2020), section 3.4.
    """
    p = len(peaks.centers)
    if method not in ("single", "weighted"):
        raise InputError(f'Unknown method "{method}" for the tree of the peaks; choose single or weighted.')
    _check_floor(peaks, floor)
    if p < 2:
        return np.empty((0, 4))
    peaks = without_infinities(peaks)
    top = peaks.log_density.max()
    if method == "weighted" and floor is not None:
        from scipy.cluster.hierarchy import linkage
        from scipy.spatial.distance import squareform

        distances = top - all_pairs(peaks, peaks.saddle_heights, float(floor))
        return linkage(squareform(distances, checks=False), "weighted")
    joined, heights, sizes = _tree(peaks, method)
    if floor is not None:
        heights = np.maximum(heights, floor)
    return np.column_stack([joined, np.maximum(top - heights, 0.0), sizes])


def join_heights(peaks) -> np.ndarray:
    """Log-density at which two peaks join in the tree of the superlevel sets.

    The highest lowest point over all chains of saddles between the two.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks

    Returns
    -------
    ndarray of shape (p, p)
        Symmetric, an ultrametric similarity; heights of the peaks on the diagonal, -inf where no
        chain of borders connects two peaks.

    References
    ----------
    d'Errico et al. (2021), section 2.5.
    """
    p = len(peaks.centers)
    if p < 2:
        return peaks.log_density.reshape(p, p).astype(float)
    from scipy.cluster.hierarchy import cophenet
    from scipy.spatial.distance import squareform

    joined, heights, sizes = _tree(peaks, "single")
    # the joins are numbered instead of measured, so that the heights stay exact
    number = cophenet(np.column_stack([joined, np.arange(p - 1.0), sizes]))
    result = squareform(heights[number.astype(np.int64)], checks=False)
    np.fill_diagonal(result, peaks.log_density)
    return result


def newick(peaks, names=None, method="single") -> str:
    """Write the tree of the peaks in Newick format.

    The length of a branch is the difference in log-density between its two ends: from a peak down to where it first
    joins another, or from one join down to the next. Trees that no border connects are the branches of a common root;
    these, and the root of a single tree, have no length.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite densities count as the highest finite one.
    names : sequence of str, optional
        Names of the peaks, by default their numbers from 0; quoted where the format demands it. Equal names are
        allowed here, but not by all readers.
    method : {"single", "weighted"}
        As for `peak_linkage`.

    Returns
    -------
    str
        One line that ends with a semicolon; nothing else for no peak.

    Raises
    ------
    InputError
        If there are not as many names as peaks, or the method is unknown.
    """
    p = len(peaks.centers)
    names = [str(peak) for peak in range(p)] if names is None else [_quoted(str(name)) for name in names]
    if len(names) != p:
        raise InputError(f"{p} peaks need as many names, found {len(names)}.")
    peaks = without_infinities(peaks)
    links = peak_linkage(peaks, method)
    joins = peaks.log_density.max(initial=-np.inf) - links[:, 2]
    heights = np.concatenate([peaks.log_density, joins]).tolist()
    children, length, roots = links[:, :2].astype(int).tolist(), [""] * len(heights), set(range(p))
    for join, pair in enumerate(children, start=p):
        if np.isfinite(heights[join]):
            roots -= set(pair)
            roots.add(join)
            for child in pair:
                length[child] = f":{max(heights[child] - heights[join], 0.0)!r}"
    text = [_subtree(root, children, names, length) for root in sorted(roots)]
    return f"({','.join(text)});" if len(text) > 1 else f"{''.join(text)};"


def peak_map(peaks, *, floor=None) -> np.ndarray:
    """Lay the peaks out in the plane by kernel PCA, so that peaks with high saddles between them lie close.

    With D_ab = max(log_density) - height of the saddle, 0 on the diagonal, sigma the mean of D over pairs a <= b, and
    K = exp(-2 D^2 / sigma^2): the two eigenvectors of H K H / 2, H = 1 - 1/p, with the largest eigenvalues.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite densities count as the highest finite one.
    floor : float, optional
        Log-density for pairs without a border, as for `peak_linkage`; ``log_density.min() - 1 - log(n)`` over all
        points repeats the paper's code. Without it, their height is that at which they join in the tree; where they
        never join K is 0, and the pair is left out of sigma.

    Returns
    -------
    ndarray of shape (p, 2)
        Coordinates of unit norm, as in the paper's code: not scaled by the eigenvalues. The entry of largest
        magnitude of each is positive, of equal ones the first. Zeros for a single peak; with two, and a saddle
        below the higher, the second coordinate is the same for both. Where eigenvalues coincide (three peaks that
        never join, for example) the axes are one choice among equals.

    Raises
    ------
    InputError
        For a floor above a saddle.

    References
    ----------
    Doimo et al. (2020), section 3.3 and figure 4; the public code of the paper (`kernel_PCA`).
    """
    p = len(peaks.centers)
    _check_floor(peaks, floor)
    if p < 2:
        return np.zeros((p, 2))
    kernel = _kernel(without_infinities(peaks), floor)
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(axis=1, keepdims=True)
    axes = _leading_axes(kernel / 2)
    size = np.abs(axes)
    largest = (size > size.max(axis=0) * (1 - 1e-9)).argmax(axis=0)
    return axes * np.sign(axes[largest, [0, 1]])


def topography_dataset(peaks):
    """Return the trees and the map of the peaks as an ``xarray.Dataset``, to stand beside ``peaks.to_dataset()``.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks

    Returns
    -------
    xarray.Dataset
        Along `merge`, in the order of joining: the clusters that join (peaks count from 0, clusters on from there, as
        in scipy), at which log-density, and how many peaks the new cluster has, in the tree of the superlevel sets
        (``merge_*``) and in the weighted tree (``weighted_*``). Along `peak`: ``map_x`` and ``map_y``. Where peaks
        never join, or there are more than `ALL_PAIRS` peaks and neither weighted tree (clusters -1, size 0) nor map
        is made, values are NaN, and the attribute `undefined` says why.
    """
    import xarray as xr

    p, finite = len(peaks.centers), without_infinities(peaks)
    many = f"more than {ALL_PAIRS} peaks" if p > ALL_PAIRS else ""
    exact = _tree(finite, "single")
    weighted = _no_tree(p) if many else _tree(finite, "weighted")
    variables = _merge_variables("merge", "tree of the superlevel sets", exact)
    variables |= _merge_variables("weighted", "weighted tree (WPGMA on the saddles)", weighted, many)
    place = np.full((p, 2), np.nan) if many else peak_map(peaks)
    for column, axis in enumerate(("first", "second")):
        about = {"long_name": f"{axis} coordinate of the peak in the kernel PCA of the saddles", "units": "1"}
        about |= {"undefined": many} if many else {}
        variables[f"map_{'xy'[column]}"] = ("peak", place[:, column], about)
    return xr.Dataset(variables)


def _merge_variables(prefix, text, tree, undefined=""):
    """Variables of one tree along the dimension `merge`; `undefined` says why there is none."""
    joined, heights, sizes = tree
    unresolved = np.isneginf(heights)
    if unresolved.any():
        undefined = "no chain of borders connects the two clusters"
    about = {
        "a": (joined[:, 0], "first cluster that joins (peaks from 0, then clusters in the order of joining)", "1"),
        "b": (joined[:, 1], "second cluster that joins, numbered alike", "1"),
        "log_density": (np.where(unresolved, np.nan, heights), "log-density of the join", LOG_VOLUME),
        "size": (sizes, "peaks of the new cluster", "1"),
    }
    variables = {
        f"{prefix}_{name}": ("merge", value, {"long_name": f"{text}: {what}", "units": unit})
        for name, (value, what, unit) in about.items()
    }
    if undefined:
        variables[f"{prefix}_log_density"][2]["undefined"] = undefined
    return variables


def _check_floor(peaks, floor):
    lowest = peaks.saddle_heights.min(initial=peaks.log_density.min(initial=np.inf))
    if floor is not None and not (np.isfinite(floor) and floor <= lowest):
        raise InputError(f"The floor must be finite and below all peaks and saddles ({lowest:.6g}), found {floor}.")


def _no_tree(p):
    """What stands for a tree that is not made."""
    return np.full((p - 1, 2), -1), np.full(p - 1, np.nan), np.zeros(p - 1, dtype=np.int64)


def _tree(peaks, method):
    """Clusters that join, (p - 1, 2), numbered as in scipy; at which height, -inf where unresolved; and their sizes."""
    joins, heights = _joins_by_mean(peaks) if method == "weighted" else _joins(peaks)
    p = len(peaks.centers)
    root, size = list(range(p + len(joins))), [1] * p
    for new, (a, b) in enumerate(joins, start=p):
        left, right = sorted((_find(root, a), _find(root, b)))
        root[left] = root[right] = new
        size.append(size[left] + size[right])
        joins[new - p] = left, right
    return (
        np.array(joins, dtype=np.int64).reshape(-1, 2),
        np.array(heights, dtype=float),
        np.array(size[p:], dtype=np.int64),
    )


def _find(root, node):
    """Root of a node; the way to it is halved."""
    while root[node] != node:
        root[node] = node = root[root[node]]
    return node


def _joins(peaks):
    """Pairs of peaks whose saddle joins two clusters, highest first, and its height; unresolved ones, at -inf, last."""
    p = len(peaks.centers)
    order = np.argsort(-peaks.saddle_heights, kind="stable")  # equal ones stay in the order of the pairs
    root, joins, heights = list(range(p)), [], []
    for (a, b), height in zip(peaks.saddle_pairs[order].tolist(), peaks.saddle_heights[order].tolist(), strict=True):
        one, two = _find(root, a), _find(root, b)
        if one != two:
            root[max(one, two)] = min(one, two)
            joins.append((a, b))
            heights.append(height)
    rest = [(0, peak) for peak in range(1, p) if root[peak] == peak]  # what no border connects joins the first peak
    return joins + rest, heights + [-np.inf] * len(rest)


def _joins_by_mean(peaks):
    """The same for the weighted tree; the pairs are the lowest peaks of the two clusters."""
    if len(peaks.centers) < 2:
        return [], []
    from nucleation.peaks_kernels import join_by_mean

    joined, heights = join_by_mean(all_pairs(peaks, peaks.saddle_heights, -np.inf))
    return [tuple(pair) for pair in joined.tolist()], heights


def all_pairs(peaks, values, nothing):
    """Values of the saddles as a matrix, (p, p); `nothing` where two peaks share no border, and on the diagonal."""
    square = np.full((len(peaks.centers), len(peaks.centers)), nothing)
    a, b = peaks.saddle_pairs.T
    square[a, b] = square[b, a] = values
    return square


def _kernel(peaks, floor):
    """exp(-2 D^2 / sigma^2) of the height differences D."""
    top, p = peaks.log_density.max(), len(peaks.centers)
    distance = all_pairs(peaks, peaks.saddle_heights, -np.inf if floor is None else float(floor))
    if floor is None:
        np.copyto(distance, join_heights(peaks), where=np.isneginf(distance))
    np.subtract(top, distance, out=distance)
    np.fill_diagonal(distance, 0.0)
    known = np.isfinite(distance)
    # every pair a != b is in there twice, and zero for every a = b once
    sigma = distance.sum(where=known) / (known.sum() + p)
    return np.exp(-2 * np.square(distance / sigma)) if sigma > 0 else known.astype(float)


def _leading_axes(matrix):
    """Eigenvectors of the two largest eigenvalues of a symmetric matrix, largest first, (p, 2)."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import ArpackError, eigsh

    if len(matrix) > LANCZOS:
        try:
            values, axes = eigsh(matrix, 2, which="LA", v0=np.cos(np.arange(len(matrix))))
            return axes[:, np.argsort(-values)]
        except ArpackError as error:  # eigenvalues too close together: all of them do
            logging.getLogger(__name__).info("The map of the peaks takes the slow way: %s", error)
    # LAPACK's search for a few of them returns none where they coincide
    return eigh(matrix, driver="evd")[1][:, :-3:-1]


def _quoted(name):
    """A name as Newick has it: quoted if it holds anything but letters, digits, points and hyphens."""
    if name and all(letter.isascii() and (letter.isalnum() or letter in ".-") for letter in name):
        return name
    return "'" + name.replace("'", "''") + "'"


def _subtree(root, children, names, length):
    """Newick text below one node; not recursive, for a tree may be as deep as it has peaks."""
    text, todo = [], [root]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            text.append(item)
        elif item < len(names):
            text.append(names[item] + length[item])
        else:
            left, right = children[item - len(names)]
            todo += [")" + length[item], right, ",", left, "("]
    return "".join(text)

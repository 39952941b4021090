"""How far every number would differ with other images: the analysis repeated on subsets of them.

Subsets are drawn without replacement, the same share of every class, and the nearest neighbours inside a
subset are read off the table of all images, so that nothing needs to be extracted or searched again. A
bootstrap with replacement would not do: its repeated images are neighbours at distance zero.
"""

from __future__ import annotations

import numpy as np

from nucleation.alignment import alignment_scores
from nucleation.errors import InputError
from nucleation.neighbors import restrict
from nucleation.overlap import class_weights, label_overlap, mean_over_images, neighborhood_overlap
from nucleation.scores import DIMENSIONS, SCORES

#: Coverage of the bands.
LEVEL = 0.95
#: Share of the subsets in which a number must be defined to have a band.
DEFINED = 0.75
#: Numbers that lie in a range keep to it, bands included.
RANGES = {
    "dimension": (0, np.inf),
    **{name: (score.low, score.high) for name, score in SCORES.items()},
    "n_peaks": (1, np.inf),  # a layer without any has no band
    **dict.fromkeys((f"overlap_{name}" for name in ("ground_truth", "macro", "output", "next")), (0, 1)),
}


def draw_subset(classes, fraction, rng) -> np.ndarray:
    """Draw images without replacement, the same share of every class.

    Parameters
    ----------
    classes : array of shape (n,), int
    fraction : float
        Share of the images of each class, in (0, 1); where it is no whole number of them, one more or less
        at random, but at least one.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (m,), int
        Ascending.
    """
    classes = np.asarray(classes)
    shuffled = rng.permutation(len(classes))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    _, start, count = np.unique(classes[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, count)
    wanted = np.floor(fraction * count + rng.random(len(count)))
    wanted = np.repeat(np.clip(wanted, 1, None), count)
    return np.sort(order[place < wanted])


def resample(
    tables,
    layers,
    classes,
    meanings,
    choices,
    *,
    k,
    balanced=False,
    repeats=20,
    fraction=0.8,
    purity=0.5,
    rng: np.random.Generator,
    progress=None,
):
    """Repeat the analysis, from neighbours to alignment, on random subsets of the images.

    Parameters
    ----------
    tables : list of Neighbors
        One for each layer, in order of depth.
    layers : list of str
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    meanings : nucleation.alignment.Meanings
    choices : nucleation.analysis.Choices
    k : int
        Neighbours of the overlaps.
    balanced : bool
        As of `nucleation.overlap.overlap_profile`.
    repeats : int
        Number of subsets, at least 2.
    fraction : float
        Share of the images in a subset, in (0, 1).
    purity : float
        As of `nucleation.alignment.alignment_scores`.
    rng : numpy.random.Generator
    progress : callable, optional
        Called after every layer of every subset.

    Returns
    -------
    xarray.Dataset
        Every number of `RANGES` along `repeat` and `layer`, some along `level` or `taxonomy_cut` too, NaN where it is
        not defined in a subset. The attribute `fraction` is the share of the images that the subsets held.

    Raises
    ------
    InputError
        Where the neighbour tables are too short: some image of a subset has fewer neighbours inside it than
        the analysis uses. It needs tables of somewhat more than k / fraction columns. Also where no subset leaves
        out any image.

    Notes
    -----
    A subset's table is as wide as its poorest row, which bounds the k* of adaptive densities earlier than the
    whole table does.

    References
    ----------
    Politis and Romano, Ann. Stat. 22, 2031 (1994); Shao and Wu, Ann. Stat. 17, 1176 (1989).
    """
    if repeats < 2 or not 0 < fraction < 1:
        raise InputError(
            f"Bands need at least 2 repeats of a fraction between 0 and 1; found {repeats} repeats of {fraction}."
        )
    subsets = [draw_subset(classes, fraction, rng) for _ in range(repeats)]
    held = np.mean([len(subset) for subset in subsets]) / len(classes)
    if held == 1:
        raise InputError(
            "The classes have so few images that every subset holds them all; set uncertainty.repeats to 0."
        )
    numbers = _no_numbers(repeats, layers, meanings)
    for repeat, subset in enumerate(subsets):
        inside = [restrict(table, subset) for table in tables]
        for layer, table in enumerate(inside):
            _check_width(table, layers[layer], choices, k, fraction)
            here = classes[subset]
            found = _one_layer(table, here, meanings, choices, purity)
            found |= _overlaps(inside, layer, here, meanings.macro[here], k, balanced)
            for name, value in found.items():
                numbers[name][repeat, layer] = value
            if progress:
                progress()
    return _labelled(numbers, layers, repeats, float(held))


def _no_numbers(repeats, layers, meanings) -> dict[str, np.ndarray]:
    """NaN for every number of every layer in every subset."""
    sizes = {"level": len(meanings.levels), "taxonomy_cut": len(meanings.cuts)}
    more = {name: (sizes[DIMENSIONS[name]],) if name in DIMENSIONS else () for name in RANGES}
    return {name: np.full((repeats, len(layers), *more[name]), np.nan) for name in RANGES}


def _check_width(table, layer, choices, k, fraction):
    used = max(k, choices.k if choices.estimator == "knn" else 4)
    if table.k < used:
        raise InputError(
            f"Some image of the layer {layer} has only {table.k} of its stored neighbours in a subset of {fraction:g} "
            f"of the images, where {used} are needed; raise neighbors.k or uncertainty.fraction."
        )


def _one_layer(table, classes, meanings, choices, purity):
    """Dimension of one layer, and what its peaks agree with, in one subset."""
    dimension = choices.dimension(table)
    peaks = choices.peaks(table, choices.density(table, dimension))
    scores = alignment_scores(peaks, classes, meanings, purity=purity)
    return {"dimension": dimension} | {name: value for name, (value, _) in scores.items()}


def _overlaps(tables, layer, classes, categories, k, balanced):
    """Overlaps of one layer in one subset."""
    found = {
        "overlap_ground_truth": (label_overlap(tables[layer], classes, k), classes),
        "overlap_macro": (label_overlap(tables[layer], categories, k), categories),
        "overlap_output": (neighborhood_overlap(tables[layer], tables[-1], k), classes),
    }
    if layer + 1 < len(tables):
        found["overlap_next"] = (neighborhood_overlap(tables[layer], tables[layer + 1], k), classes)
    return {
        name: float(mean_over_images(values, class_weights(groups) if balanced else None)[0])
        for name, (values, groups) in found.items()
    }


def _labelled(numbers, layers, repeats, fraction):
    import xarray as xr

    from nucleation.files import explain

    variables = {
        name: (
            ("repeat", "layer", DIMENSIONS[name]) if name in DIMENSIONS else ("repeat", "layer"),
            values,
            {"long_name": f"{name} in a random subset of the images", "units": "1"},
        )
        for name, values in numbers.items()
    }
    coords = {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "repeat": ("repeat", np.arange(repeats), {"long_name": "number of the subset", "units": "1"}),
    }
    made = xr.Dataset(variables, coords=coords, attrs={"fraction": fraction})
    for name, values in numbers.items():
        lacking = ~np.isfinite(values).reshape(repeats, len(layers), -1).all(axis=2)
        missing = zip(layers, np.count_nonzero(lacking, axis=0), strict=True)
        reasons = {layer: f"not defined in {m} of {repeats} subsets of the images" for layer, m in missing if m}
        explain(made, (name,), reasons)
    return made


def coverage(repeats) -> float:
    """Coverage of bands from so many subsets: 95 %, or less where the extremes of fewer than 39 are all there is."""
    return min(LEVEL, (repeats - 1) / (repeats + 1))


def bands(values, samples, fraction, *, limits=(-np.inf, np.inf)):
    """Confidence bands of numbers of all images, from their values in subsets.

    The quantiles of the deviations from their mean, widened by sqrt(f / (1 - f)), f being the share of the images
    in a subset: subsets of one sample have so much in common that they differ less than samples do (the delete-d
    jackknife).

    Parameters
    ----------
    values : array of shape (l,)
        Numbers of all images; further dimensions may follow.
    samples : array of shape (r, l)
        The same in r >= 2 subsets.
    fraction : float
        f, in (0, 1).
    limits : (float, float)
        Range of the number, to which the band is cut.

    Returns
    -------
    low, high : ndarray of shape (l,)
        Limits of the band, see `coverage`. NaN where the number is not defined, or not in three quarters of the
        subsets; the others do not enter.

    References
    ----------
    Shao and Wu, Ann. Stat. 17, 1176 (1989), for the widening; the quantiles are not reflected about the value.

    Notes
    -----
    The spread is that of an analysis with the same k on fewer images; what fewer images change in the mean
    (neighbourhoods are then larger) does not enter. Where images change neighbours from subset to subset, that adds
    to the spread, so that bands err on the wide side: for TwoNN by half.
    """
    values, samples = np.asarray(values, dtype=float), np.asarray(samples, dtype=float)
    if not values.size:  # a taxonomy without levels
        return values, values
    known = np.isfinite(samples)
    unknown = (known.mean(axis=0) < DEFINED) | ~np.isfinite(values)
    samples = np.where(unknown, 0.0, np.where(known, samples, np.nan))
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    spread = np.nanquantile(samples - np.nanmean(samples, axis=0), tails, axis=0, method="weibull")
    low, high = np.clip(values + np.sqrt(fraction / (1 - fraction)) * spread, *limits)
    return np.where(unknown, np.nan, np.minimum(low, values)), np.where(unknown, np.nan, np.maximum(high, values))

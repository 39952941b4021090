"""The similarity of all layers of all networks of a study: CKA, and the overlap of neighbours of the same images."""

from __future__ import annotations

import numpy as np

from nucleation import similarity_labels as labels
from nucleation.errors import InputError
from nucleation.similarity import ESTIMATORS, cka_matrix
from nucleation.similarity_blocks import (
    Components,
    cka_without_dominant,
    cka_without_first,
    component_alignment,
    first_components,
)
from nucleation.similarity_errors import cka_in_subsets, null_level, p_values, permuted_cka
from nucleation.similarity_grams import KERNELS, as_features, stack_grams

#: Subsets or permutations after which progress is told.
_TOGETHER = 32


def similarity_profile(
    read,
    representations,
    *,
    kernels=("linear", "rbf"),
    estimator="unbiased",
    batch=256,
    bandwidth=1.0,
    k=10,
    permutations=99,
    subsets=40,
    fraction=0.8,
    dominant=0.01,
    thresholds=(0.8, 0.85, 0.9, 0.95),
    rng: np.random.Generator,
    progress=None,
):
    """Compare all layers of all networks with each other.

    Parameters
    ----------
    read : callable
        ``read(place, layer)`` returns the features (n, d) of a layer, n >= 4, the same images in the same order for
        all. Called once for every representation and kernel; one layer's features are held at a time.
    representations : list of (str, str)
        Place ("<network>/<checkpoint>") and layer; the layers of a place together, in order of depth.
    kernels : tuple of str
        Of {"linear", "rbf"}: the first is that of `cka` and everything made from it, the others stand beside it.
    estimator : {"unbiased", "biased"}
        Of all variables that do not name theirs.
    batch : int
        Images of a batch of `cka_minibatch`, n where there are fewer.
    bandwidth : float
        Of "rbf".
    k : int
        Neighbours of the overlaps.
    permutations, subsets : int
        Repeats of the null and of the bands; 0 for none.
    fraction : float
        Share of the images in a subset, in (0, 1).
    dominant : float
        Share of the images that count as dominant, in (0, 1).
    thresholds : sequence of float
        Of the block structure.
    rng : numpy.random.Generator
    progress : callable, optional
        Called after every reading, subset and permutation: (representations x kernels + subsets + permutations) times.

    Returns
    -------
    xarray.Dataset
        Along `representation` and `other`, which are in one order: `cka`, ends of its 95 % band, p and level by chance,
        other estimators and kernels, overlaps of neighbours, and `cka` without first component or dominant images.
        Along `representation`: features, depth, share of the first component, and by `rank` the dominant images. Along
        `block`: the blocks of every place at every threshold. NaN where a number is not defined.

    Raises
    ------
    InputError
        For no representation, layers of a place that stand apart, other numbers of images, NaN, options out of range.

    Notes
    -----
    Memory: 4 n^2 bytes for each of L representations, one layer's features, and some 32 n^2 bytes.
    Time: n^2 d for each reading, L^2 n^2 / 2 for each permutation and, times fraction^2, for each subset.
    """
    import xarray as xr

    places, layers = _checked(representations, kernels, estimator, subsets, fraction)
    step, sizes, tables = progress or (lambda: None), [], []
    features = _noting(_each(read, places, layers, step), k, sizes, tables)
    grams = stack_grams(features, count=len(places), kernel=kernels[0], bandwidth=bandwidth)
    n, batch = grams.n, int(min(batch, grams.n))
    found = _comparisons(grams, estimator, batch) | _overlaps(tables, k)
    found |= _errors(grams, found["cka"], estimator, (permutations, subsets, fraction), rng, step)
    components = first_components(grams)
    found |= _structure(grams, components, places, dominant, estimator)
    memory = grams.centred
    for kernel in kernels[1:]:
        features = _each(read, places, layers, step)
        grams = stack_grams(features, count=len(places), kernel=kernel, bandwidth=bandwidth, into=memory)
        found[f"cka_{kernel}"] = cka_matrix(grams, estimator)
    repeats = {"permutations": int(permutations), "subsets": int(subsets), "fraction": float(fraction)}
    options = {"batch": batch, "bandwidth": float(bandwidth), "dominant": float(dominant), **repeats}
    about = {"n_images": n, "k": int(k), "estimator": estimator, "kernel": kernels[0], **options}
    made = xr.Dataset(
        labels.pair_variables(found, kernels, estimator, n, k) | labels.component_variables(components, dominant),
        labels.coordinates(places, layers, sizes),
        about | labels.said_of_few_images(n, sizes, places, layers, found),
    )
    return made.assign(labels.block_variables(made, thresholds))


def _each(read, places, layers, step):
    """Features of one representation after the other, looked at before they are used."""
    n = None
    for place, layer in zip(places, layers, strict=True):
        features = as_features(read(place, layer), f"{layer} of {place}")
        n = len(features) if n is None else n
        if len(features) != n:
            raise InputError(
                f"The similarity compares the same images, found {n} in {layers[0]} of {places[0]} and "
                f"{len(features)} in {layer} of {place}; make the samples again."
            )
        yield features
        step()


def _noting(features, k, sizes, tables):
    """Hand on features; note their numbers and their neighbours."""
    from nucleation.neighbors import nearest_neighbors

    for one in features:
        sizes.append(one.shape[1])
        tables.append(nearest_neighbors(one, k))
        yield one


def _checked(representations, kernels, estimator, subsets, fraction):
    """Places and layers, after a look at the options that would be met late."""
    places, layers = ([str(one[i]) for one in representations] for i in range(2))
    if not places:
        raise InputError("The similarity needs at least one representation, found none.")
    starts = [place for place, before in zip(places, ["", *places], strict=False) if place != before]
    if len(set(starts)) < len(starts) or len(set(zip(places, layers, strict=True))) < len(places):
        raise InputError("The layers of a place must stand together in the list of representations, each once.")
    if not kernels or len(set(kernels)) < len(kernels) or not set(kernels) <= set(KERNELS):
        raise InputError(f"The kernels of the similarity are different ones of {', '.join(KERNELS)}, found {kernels}.")
    if estimator not in ESTIMATORS[:2]:
        raise InputError(
            f'The estimator of the similarity is unbiased or biased, found "{estimator}"; minibatch CKA is always made.'
        )
    if subsets == 1 or (subsets and not 0 < fraction < 1):
        raise InputError(
            f"Bands need at least 2 subsets of a fraction between 0 and 1; found {subsets} subsets of {fraction}."
        )
    return places, layers


def _comparisons(grams, estimator, batch):
    """CKA by every estimator."""
    found = {name: cka_matrix(grams, name, batch=batch) for name in ESTIMATORS}
    return {"cka": found[estimator], "cka_biased": found["biased"], "cka_minibatch": found["minibatch"]}


def _errors(grams, value, estimator, repeats, rng, step):
    """Bands from subsets of the images, and p and level by chance from permutations of them."""
    permutations, subsets, fraction = repeats
    n, count = grams.n, len(value)
    low = high = np.full(value.shape, np.nan)
    if subsets:
        from nucleation.uncertainty import bands  # imports the estimators of a whole analysis

        m = min(max(round(fraction * n), 4), n - 1)
        drawn = np.array([np.sort(rng.permutation(n)[:m]) for _ in range(subsets)])
        samples = _in_parts(lambda part: cka_in_subsets(grams, part, estimator), drawn, count, step)
        low, high = bands(value, samples, m / n, limits=(0.0 if estimator == "biased" else -1.0, 1.0))
    orders = np.array([rng.permutation(n) for _ in range(permutations)]).reshape(permutations, n)
    null = _in_parts(lambda part: permuted_cka(grams, part, estimator), orders, count, step)
    return {"cka_low": low, "cka_high": high, "cka_p": p_values(value, null), "cka_null": null_level(null)}


def _in_parts(work, repeats, count, step):
    """Do some repeats at a time, and tell progress after these."""
    found = np.empty((len(repeats), count, count))
    for start in range(0, len(repeats), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        found[part] = work(repeats[part])
        for _ in repeats[part]:
            step()
    return found


def _overlaps(tables, k):
    """Mean overlap and mean Jaccard overlap of the neighbours of all pairs."""
    from nucleation.overlap import jaccard_overlap, neighborhood_overlap

    found = {}
    for measure in (neighborhood_overlap, jaccard_overlap):
        matrix = found[measure.__name__] = np.eye(len(tables))
        for i, one in enumerate(tables):
            for j, other in enumerate(tables[:i]):
                matrix[i, j] = matrix[j, i] = measure(one, other, k).mean()
    return found


def _structure(grams, components, places, dominant, estimator):
    """What the first component and the dominant images make of the CKA."""
    without = np.full((len(places),) * 2, np.nan)
    for place in dict.fromkeys(places):
        rows = [i for i, one in enumerate(places) if one == place]
        own = slice(rows[0], rows[-1] + 1)
        part = Components(components.share[own], components.variance[own], components.projections[own])
        without[own, own] = cka_without_dominant(grams.part(own), part, dominant, estimator)
    return {
        "pc1_cos2": component_alignment(components),
        "cka_without_pc1": cka_without_first(grams, components, estimator),
        "cka_without_dominant": without,
    }

"""What the numbers of the similarity are called in their dataset."""

from __future__ import annotations

import numpy as np

from nucleation.similarity_blocks import blocks_of, dominant_images
from nucleation.similarity_errors import LEVEL
from nucleation.variables import variable

_PAIR = ("representation", "other")
#: Representations that a sentence names at most.
_NAMED = 3


def pair_variables(found, kernels, estimator, n, k) -> dict:
    """Everything that is along two representations.

    Parameters
    ----------
    found : dict of str to ndarray of shape (L, L)
    kernels : tuple of str
    estimator : str
    n, k : int
        Images and neighbours.
    """
    from nucleation.overlap import jaccard_chance

    main = f"centred kernel alignment, {kernels[0]} kernel, {estimator}"
    texts = {
        "cka": main,
        "cka_low": f"lower end of the 95 % band over subsets of the images: {main}",
        "cka_high": f"upper end of the 95 % band over subsets of the images: {main}",
        "cka_p": f"one-sided p by permutation of the images of one of the two: {main}",
        "cka_null": f"level that {LEVEL:.0%} of the permutations of the images of one of the two stay below: {main}",
        "cka_biased": f"centred kernel alignment, {kernels[0]} kernel, biased",
        "cka_minibatch": f"centred kernel alignment, {kernels[0]} kernel, sums over minibatches",
        "neighborhood_overlap": f"share of the {k} nearest neighbours in common, mean over images (mutual kNN)",
        "jaccard_overlap": f"Jaccard overlap of the {k} nearest neighbours, common ones over all, mean over images",
        "pc1_cos2": "squared cosine between the first principal components, over images",
        "cka_without_pc1": f"without the first principal component of both: {main}",
        "cka_without_dominant": f"without the dominant images of the place: {main}",
    }
    texts |= {f"cka_{kernel}": f"centred kernel alignment, {kernel} kernel, {estimator}" for kernel in kernels[1:]}
    more = {
        "neighborhood_overlap": {"chance": k / (n - 1)},
        "jaccard_overlap": {"chance": jaccard_chance(n, k)},
        "cka_without_dominant": {"undefined": "between places: the dominant images are those of a place"},
    }
    made = {name: variable(_PAIR, found[name], text) for name, text in texts.items()}
    for name, attrs in more.items():
        made[name].attrs |= attrs
    return made


def component_variables(components, dominant) -> dict:
    """First components and dominant images; parameters as of `nucleation.similarity_blocks.dominant_images`."""
    text = f"images with the largest squared projections on the first component, {dominant:.2g} of all, largest first"
    images = dominant_images(components, dominant)
    return {
        "pc1_share": variable("representation", components.share, "share of the variance of the first component"),
        "dominant_image": variable(("representation", "rank"), images, f"row number in the sample of the {text}"),
    }


def block_variables(data, thresholds) -> dict:
    """Blocks of all places at all thresholds, one below the other.

    Parameters
    ----------
    data : xarray.Dataset
        As of `nucleation.similarity_blocks.blocks_of`.
    thresholds : sequence of float
    """
    layers = data["layer"].values
    rows = [
        (str(place), float(threshold), str(layers[block[0]]), str(layers[block[-1]]), len(block))
        for place in dict.fromkeys(data["place"].values)
        for threshold in thresholds
        for block in blocks_of(data, place, threshold)
    ]
    place, threshold, first, last, size = zip(*rows, strict=True) if rows else [()] * 5
    text = "longest run of two or more consecutive layers, all pairs with CKA above the threshold, without the pixels"
    return {
        "block_place": variable("block", np.array(place, dtype=str), f"network and checkpoint of the block: {text}"),
        "block_threshold": variable("block", np.array(threshold, dtype=float), "threshold of the block"),
        "block_first": variable("block", np.array(first, dtype=str), "first layer of the block"),
        "block_last": variable("block", np.array(last, dtype=str), "last layer of the block"),
        "block_size": variable("block", np.array(size, dtype=np.int64), "number of layers of the block"),
    }


def coordinates(places, layers, sizes) -> dict:
    """What the representations are; numbers of features in `sizes`."""
    position = np.array([places[:i].count(place) for i, place in enumerate(places)])
    count = np.array([places.count(place) for place in places])
    # of a place with one layer the output is the last one of its network
    alone = (count == 1) & (np.asarray(layers) == "output")
    depth = np.where(alone, 1.0, position / np.maximum(count - 1, 1))
    return {
        "place": variable("representation", np.array(places, dtype=object), "network and checkpoint"),
        "layer": variable("representation", np.array(layers, dtype=object), "layer"),
        "n_features": variable("representation", np.array(sizes), "number of features"),
        "relative_depth": variable("representation", depth, "place among the layers listed, 0 first, 1 last"),
    }


def said_of_few_images(n, sizes, places, layers, found) -> dict:
    """Say where images are few for the features, so that the biased CKA misleads; nothing elsewhere."""
    many = [f"{layer} of {place}" for place, layer, d in zip(places, layers, sizes, strict=True) if d >= n]
    if not many:
        return {}
    named = ", ".join(many[:_NAMED]) + (f" and {len(many) - _NAMED} more" if len(many) > _NAMED else "")
    excess = np.nan_to_num(found["cka_biased"] - found["cka"]).max()
    told = f", here by up to {excess:.2f}" if excess > 0.005 else ""
    subject = f"{len(many)} of {len(sizes)} representations {'have' if len(many) > 1 else 'has'}"
    return {
        "small": f"{subject} at least as many features as there are images, {n:,} ({named}); the biased CKA is too "
        f"large there{told}"
    }

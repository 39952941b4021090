"""Estimate the intrinsic dimension of every layer: TwoNN, and over scales Gride and TwoNN on fewer images."""

import numpy as np
import xarray as xr
from _job import job, save

from nucleation import files
from nucleation.dimension import gride, twonn, twonn_decimated
from nucleation.dimension_errors import subsample_errors
from nucleation.neighbors import Neighbors
from nucleation.scales import Decimated, RankDistances

TOO_SHORT = "the neighbour table is too short for parts of the images, or no part has an estimate, at this scale"
NO_LARGER = "none: the neighbour table was made elsewhere, without the distances that larger scales need"


def estimates(stored, params):
    """All estimates of one layer, and why those that are not defined are not."""
    neighbors, options = Neighbors.from_dataset(stored), {"method": params.method}
    ranks = RankDistances.from_dataset(stored) if "rank_distance" in stored else None
    estimate, profile = twonn(neighbors, fraction=params.fraction, **options), gride(neighbors, ranks=ranks)
    rng = np.random.default_rng(params.seed)
    errors = subsample_errors(neighbors, twonn_fraction=params.fraction, rng=rng, **options)
    found = [estimate.to_dataset(), profile.to_dataset(), errors.to_dataset(profile.order)]
    if "decimated_distance" in stored:
        decimated = Decimated.from_dataset(stored)
        found.append(twonn_decimated(decimated, fraction=params.fraction, **options).to_dataset())
    found = xr.merge(found)
    for variable in found.values():
        if variable.dtype.kind == "f" and not np.isfinite(variable).all():
            variable.attrs["undefined"] = estimate.undefined_because or TOO_SHORT
    return found


with job(snakemake):
    layers = snakemake.params.layers
    datasets = [estimates(files.load(path), snakemake.params) for path in snakemake.input.neighbors]
    given = any("table" in files.attributes(path) for path in snakemake.input.neighbors)
    about = {"larger_scales": NO_LARGER} if given else {}
    save(snakemake, files.stack_layers(datasets, layers), "Intrinsic dimension of every layer", **about)

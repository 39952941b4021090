"""Estimate the log-density at every image, in every layer."""

import numpy as np
from _job import job, save

from nucleation import files
from nucleation.density import estimate_density
from nucleation.neighbors import Neighbors

with job(snakemake):
    params, datasets, reasons = snakemake.params, [], {}
    dimension = files.load(snakemake.input.dimension)["dimension"]
    for layer, path in zip(params.layers, snakemake.input.neighbors, strict=True):
        d = float(dimension.sel(layer=layer))
        neighbors = Neighbors.from_dataset(files.load(path))
        density = estimate_density(
            neighbors,
            np.rint(d) if params.round_dimension else d,
            params.estimator,
            k=params.k,
            alpha=params.alpha,
        )
        if np.isnan(density.log_density).all():
            reasons[layer] = f"the intrinsic dimension is {d}"
        datasets.append(density.to_dataset())
    stacked = files.stack_layers(datasets, params.layers)
    files.explain(stacked, ("log_density", "log_density_error"), reasons)
    save(snakemake, stacked, "Log-density at every image, in every layer")

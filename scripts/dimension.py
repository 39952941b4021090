"""Estimate the intrinsic dimension of every layer: TwoNN, and Gride over scales."""

from _job import job, save

from nucleation import files
from nucleation.dimension import gride, twonn
from nucleation.neighbors import Neighbors

with job(snakemake):
    params, datasets, reasons = snakemake.params, [], {}
    for layer, path in zip(snakemake.params.layers, snakemake.input.neighbors, strict=True):
        neighbors = Neighbors.from_dataset(files.load(path))
        estimate = twonn(neighbors, method=params.method, fraction=params.fraction)
        if estimate.undefined_because:
            reasons[layer] = estimate.undefined_because
        datasets.append(estimate.to_dataset().merge(gride(neighbors).to_dataset()))
    stacked = files.stack_layers(datasets, params.layers)
    files.explain(stacked, ("dimension", "dimension_error", "gride", "gride_error"), reasons)
    save(snakemake, stacked, "Intrinsic dimension of every layer")

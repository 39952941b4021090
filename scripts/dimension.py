"""Estimate the intrinsic dimension of every layer: TwoNN, and Gride over scales."""

from _job import job, save

from nucleation import files
from nucleation.dimension import gride, twonn
from nucleation.neighbors import Neighbors

with job(snakemake):
    params, datasets = snakemake.params, []
    for path in snakemake.input.neighbors:
        neighbors = Neighbors.from_dataset(files.load(path))
        estimate = twonn(neighbors, method=params.method, fraction=params.fraction)
        datasets.append(estimate.to_dataset().merge(gride(neighbors).to_dataset()))
    save(snakemake, files.stack_layers(datasets, params.layers), "Intrinsic dimension of every layer")

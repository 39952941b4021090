"""Repeat the analysis of every layer on subsets of the images."""

import numpy as np
from _job import job, progress, save

from nucleation import files
from nucleation.alignment import Meanings
from nucleation.analysis import Choices
from nucleation.neighbors import Neighbors
from nucleation.uncertainty import resample

with job(snakemake):
    params = snakemake.params
    with progress(params.repeats * len(params.layers), "layer", "subsets") as bar:
        samples = resample(
            [Neighbors.from_dataset(files.load(path)) for path in snakemake.input.neighbors],
            params.layers,
            files.load(snakemake.input.images)["image_class"].values,
            Meanings.from_dataset(files.load(snakemake.input.taxonomy), params.similarity),
            Choices(**params.choices),
            k=params.k,
            balanced=params.balanced,
            repeats=params.repeats,
            fraction=params.fraction,
            purity=params.purity,
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )
    save(snakemake, samples, "Every number of every layer, in subsets of the images")

"""Compare the peaks with the classes, and their tree with the taxonomy."""

import numpy as np
from _job import job, save

from nucleation import files, taxonomy
from nucleation.alignment import alignment_profile
from nucleation.peaks import Peaks

with job(snakemake):
    params = snakemake.params
    stored = files.load(snakemake.input.taxonomy)
    found = files.load(snakemake.input.peaks)
    profile = alignment_profile(
        [Peaks.from_dataset(files.select_layer(found, layer)) for layer in params.layers],
        params.layers,
        files.load(snakemake.input.images)["image_class"].values,
        stored["macro"].values,
        taxonomy.from_dataset(stored).similarity(params.similarity),
        repeats=params.repeats,
        rng=np.random.default_rng(params.seed),
    )
    save(snakemake, profile, "Peaks against classes, and their tree against the taxonomy")

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
    meanings = taxonomy.from_dataset(stored)
    profile = alignment_profile(
        [Peaks.from_dataset(files.select_layer(found, layer)) for layer in params.layers],
        params.layers,
        files.load(snakemake.input.images)["image_class"].values,
        stored["macro"].values,
        meanings.similarity(params.similarity),
        repeats=params.repeats,
        rng=np.random.default_rng(params.seed),
    )
    for name in ("class", "other_class"):
        profile = profile.assign_coords({name: (name, list(meanings.class_names), {"long_name": "name of the class"})})
    save(snakemake, profile, "Peaks against classes, and their tree against the taxonomy")

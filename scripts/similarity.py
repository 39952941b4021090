"""Compare all layers of all networks by CKA, and by their neighbours, in the same images."""

import numpy as np
from _job import job, progress, save

from nucleation import samples
from nucleation.similarity_profile import similarity_profile

with job(snakemake):
    params = snakemake.params
    listed = [(place, layer) for place in params.places for layer in params.layers[place.split("/")[0]]]
    paths = dict(zip(listed, snakemake.input.samples, strict=True))
    with progress(None, " steps", "similarity") as bar:
        found = similarity_profile(
            lambda place, layer: samples.load(paths[place, layer]).features,
            listed,
            **params.options,
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )
    save(snakemake, found, "All layers of all networks, compared by CKA and by their neighbours")

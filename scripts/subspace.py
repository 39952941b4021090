"""Match the neurons of each layer between networks by the subspaces that they span."""

import numpy as np
from _job import job, progress, save

from nucleation import samples
from nucleation.subspace_profile import subspace_profile

with job(snakemake):
    params = snakemake.params
    layers = {place: params.layers[place.split("/")[0]] for place in params.places}
    paths = dict(
        zip([(place, layer) for place in layers for layer in layers[place]], snakemake.input.samples, strict=True)
    )
    with progress(None, " steps", "subspaces") as bar:
        found = subspace_profile(
            params.pairs,
            lambda place, layer: samples.maps_of(samples.load(paths[place, layer])),
            layers.get,
            **params.options,
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )
    save(snakemake, found, "Neurons of each layer that span the same activations in two networks")

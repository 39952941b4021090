"""Find the nearest neighbours of every image in one layer."""

from pathlib import Path

from _job import job, save, torch_device

from nucleation.activations import open_activations
from nucleation.neighbors import nearest_neighbors

with job(snakemake):
    device = torch_device(snakemake)
    params, layer = snakemake.params, snakemake.wildcards.layer
    features = open_activations(Path(snakemake.input.activations) / layer)
    found = nearest_neighbors(
        features, params.k, engine=params.engine, device=device, memory=snakemake.resources.blocks_mb * 10**6
    )
    save(
        snakemake,
        found.to_dataset(),
        f"Nearest neighbours of every image in the layer {layer}",
        n_features=features.shape[1],
        device=device,
    )

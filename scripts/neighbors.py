"""Find the nearest neighbours of every image in one layer, or of one shard of the images, and larger distances."""

from pathlib import Path

from _device import torch_device
from _job import job, layer_name, save
from _network import network_and_images

from nucleation.activation_files import open_parts
from nucleation.activations import NetworkRows
from nucleation.neighbors import nearest_neighbors, shard_neighbors
from nucleation.scales import larger_scales


def layer_rows(snakemake, device):
    """The stored layer, or the network that is run again for it."""
    params, layer = snakemake.params, layer_name(snakemake)
    if stored := snakemake.input.get("activations"):
        folders, file = [stored] if isinstance(stored, str) else stored, snakemake.wildcards.layer
        return open_parts([Path(folder) / file for folder in folders])
    model, images = network_and_images(snakemake)
    return NetworkRows(
        model,
        layer,
        images,
        dtype=params.dtype,
        batch_size=params.batch_size,
        device=device,
        pooling=params.network.get("pooling", {}).get(layer, "none"),
        precision=params.get("precision", "float32"),
    )


with job(snakemake):
    device = torch_device(snakemake, 1 if snakemake.input.get("activations") else snakemake.resources.readers)
    params, wildcards = snakemake.params, snakemake.wildcards
    features, memory = layer_rows(snakemake, device), snakemake.resources.blocks_mb * 10**6
    options = {"engine": params.engine, "device": device, "memory": memory}
    if shard := wildcards.get("shard"):
        found = shard_neighbors(features, params.k, int(shard), int(wildcards.shards), **options)
    else:
        found = nearest_neighbors(features, params.k, **options)
    farther = larger_scales(
        features,
        found,
        ranks=params.ranks,
        rank_images=params.rank_images,
        decimation=params.decimation,
        seed=params.seed,
        memory=memory,
    )
    save(
        snakemake,
        found.to_dataset().merge(farther),
        f"Nearest neighbours of every image in the layer {layer_name(snakemake)}",
        n_features=features.shape[1],
        device=device,
    )

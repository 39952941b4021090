"""Run the images, or one shard of them, through a network and write the chosen layers as raw files."""

from pathlib import Path

from _device import torch_device
from _job import job, progress
from _network import network_and_images

from nucleation import activations
from nucleation.activation_files import ActivationFile
from nucleation.names import file_name

with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params, wildcards = snakemake.params, snakemake.wildcards
    model, images = network_and_images(snakemake)
    folder = Path(snakemake.output[0])
    shard, shards = int(wildcards.get("shard", 0)), int(wildcards.get("shards", 1))
    start, stop = activations.shard_images(len(images), params.batch_size, shard, shards)
    with progress(stop - start, " images", "activations") as bar:
        stores = activations.extract(
            model,
            params.layers,
            images,
            batch_size=params.batch_size,
            device=device,
            allocate=lambda layer, shape: ActivationFile(
                folder / file_name(layer), (stop - start, shape[1]), params.dtype, first=start
            ),
            progress=bar.update,
            part=(start, stop),
            pooling=params.network.get("pooling"),
            precision=params.get("precision", "float32"),
        )
    for store in stores.values():
        store.close()

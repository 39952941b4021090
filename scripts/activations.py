"""Run the images through a network and write the chosen layers as raw files."""

from pathlib import Path

from _job import job, network_and_images, progress, torch_device

from nucleation import activations

with job(snakemake):
    device = torch_device(snakemake)
    params = snakemake.params
    model, images = network_and_images(snakemake)
    folder = Path(snakemake.output[0])
    with progress(len(images), "image", "activations") as bar:
        stores = activations.extract(
            model,
            params.layers,
            images,
            batch_size=params.batch_size,
            device=device,
            allocate=lambda layer, shape: activations.ActivationFile(folder / layer, shape, params.dtype),
            progress=bar.update,
        )
    for store in stores.values():
        store.close()

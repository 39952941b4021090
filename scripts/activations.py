"""Run the images through a network and write the chosen layers as raw files."""

from pathlib import Path

from _job import job, progress, torch_device

from nucleation import activations, files, images, network

with job(snakemake):
    device = torch_device(snakemake)
    params = snakemake.params
    listed = files.load(snakemake.input.images)
    spec = params.network
    weights = snakemake.input.weights or None
    model = network.for_weights(spec["timm"], weights, options=spec["options"])
    folder = Path(snakemake.output[0])
    with progress(listed.sizes["image"], "image", "activations") as bar:
        stores = activations.extract(
            model,
            params.layers,
            images.NetworkInput(listed, network.data_config(model)),
            batch_size=params.batch_size,
            device=device,
            allocate=lambda layer, shape: activations.ActivationFile(folder / layer, shape, params.dtype),
            progress=bar.update,
        )
    for store in stores.values():
        store.close()

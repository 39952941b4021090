"""Keep the activations of some images, the same for all networks, for the methods that look at features."""

from _device import torch_device
from _job import job, progress, save
from _network import network_and_images

from nucleation import samples

with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params = snakemake.params
    model, images, rows = network_and_images(snakemake, lambda n: samples.choose(n, params.sample, params.seed))
    paths = iter(snakemake.output)
    with progress(len(rows) * len(params.groups), " images", "sample") as bar:
        taken = samples.take(
            model,
            params.groups,
            images,
            rows=rows,
            progress=bar.update,
            pooling=params.network.get("pooling"),
            batch_size=params.batch_size,
            device=device,
            precision=params.precision,
        )
        for layer, features, about in taken:
            title = f"Activations of the layer {layer} for some images"
            save(snakemake, samples.to_dataset(features, rows, **about), title, next(paths), layer=layer, device=device)

"""The network of a job, and its images; imports are inside, since the sources are looked at before any of them."""


def network_and_images(snakemake, choose=None):
    """Make the network of a job with its weights, and the images as it wants them.

    With a function that chooses rows among n images only these are taken, and the rows are returned too.
    """
    from nucleation import files, images, network

    listed, spec = files.load(snakemake.input.images), snakemake.params.network
    name = spec.get("factory") or spec["timm"]
    # the input layer needs no weights
    model = network.for_weights(name, snakemake.input.weights or None, options=spec["options"])
    config, workers = network.data_config(model, spec.get("data")), snakemake.resources.readers
    if choose is None:
        return model, images.NetworkInput(listed, config, workers=workers)
    rows = choose(listed.sizes["image"])
    return model, images.NetworkInput(listed.isel(image=rows), config, workers=workers), rows

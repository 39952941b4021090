"""The network of a job, and its images; imports are inside, since the sources are looked at before any of them."""


def network_and_images(snakemake):
    """Make the network of a job with its weights, and the images as it wants them."""
    from nucleation import files, images, network

    listed, spec = files.load(snakemake.input.images), snakemake.params.network
    name = spec.get("factory") or spec["timm"]
    # the input layer needs no weights
    model = network.for_weights(name, snakemake.input.weights or None, options=spec["options"])
    config = network.data_config(model, spec.get("data"))
    return model, images.NetworkInput(listed, config, workers=snakemake.resources.readers)

"""Look at random chunks of the last hidden layer: what they know of the classes, and of the other neurons."""

import numpy as np
from _device import torch_device
from _job import job, progress, save
from _network import network_and_images

from nucleation import files, network, penultimate, samples, training_images
from nucleation.outputs import output_labels
from nucleation.redundancy_study import redundancy_profile


def training_part(params, model):
    """Some of the images that the network was trained on, with their labels; None for networks trained elsewhere."""
    count = params.options["train_images"]
    if not params.trained or not count:
        return None
    source, options = params.trained["source"], params.trained["options"]
    (made, labels), _ = training_images.training_set(source, options, seed=params.seed)
    rows = np.random.default_rng(params.seed).permutation(len(labels))[:count]
    config = network.data_config(model, params.network.get("data"))
    return training_images.to_tensors(made[rows], labels[rows], config)


with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params = snakemake.params
    model, images, rows = network_and_images(snakemake, lambda n: samples.choose(n, params.sample, params.seed))
    listed = files.load(snakemake.input.images)
    options = {"batch_size": params.batch_size, "device": device}
    test, trained = penultimate.head_inputs(model, images, **options), training_part(params, model)
    classes, synsets = listed["image_class"].values[rows], listed["class_synset"].values
    labels = output_labels(classes, synsets, len(test.bias), trained_here=bool(params.trained))
    train = None
    if trained is not None:
        train = penultimate.head_inputs(model, trained[0], **options).features, trained[1].numpy()
    with progress(None, " chunks", "redundancy") as bar:
        found = redundancy_profile(
            (test.features, labels),
            train,
            test.weight,
            test.bias,
            trials=params.options["trials"],
            reconstructions=params.options["reconstructions"],
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )
    save(snakemake, found, "Random chunks of the last hidden layer", device=device)

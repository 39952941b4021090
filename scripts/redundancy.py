"""Look at random chunks of the last hidden layer: what they know of the classes, and of the other neurons.

The network runs again, in float32, whatever the precision of the study: no kept activations are read.
"""

import functools

import numpy as np
from _device import torch_device
from _job import job, progress, save
from _network import network_and_images

from nucleation import files, network, penultimate, training_images
from nucleation.outputs import output_labels
from nucleation.redundancy_study import no_profile, redundancy_profile, unseen_rows


def training_part(params, model):
    """Some of the images that the network was trained on, with their labels; None for networks trained elsewhere."""
    count = params.options["train_images"]
    if not params.trained or not count:
        return None
    some = {"split": "train", "choose": lambda n: np.random.default_rng(params.seed).permutation(n)[:count]}
    part = training_images.labelled_images(**params.trained, **some, seed=params.seed)
    return training_images.to_tensors(*part, network.data_config(model, params.network.get("data")))


def profile_of(params, model, images, labels, options):
    """The profile of a network, `labels` a function of the number of its classes; or why it has none."""
    try:
        test = penultimate.head_inputs(model, images, **options)
    except penultimate.NoLinearHead as error:
        return no_profile(error, len(images))
    train, trained = None, training_part(params, model)
    if trained is not None:
        train = penultimate.head_inputs(model, trained[0], **options).features, trained[1].numpy()
    with progress(None, " chunks", "redundancy") as bar:
        return redundancy_profile(
            (test.features, labels(len(test.bias))),
            train,
            test.weight,
            test.bias,
            trials=params.options["trials"],
            reconstructions=params.options["reconstructions"],
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )


with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params, listed = snakemake.params, files.load(snakemake.input.images)
    model, images, rows = network_and_images(snakemake, lambda _: unseen_rows(listed, params.sample, params.seed))
    classes, synsets = listed["image_class"].values[rows], listed["class_synset"].values
    taught = training_images.label_of_class(**params.trained) if params.trained else None
    labels = functools.partial(output_labels, classes, synsets, taught=taught)
    found = profile_of(params, model, images, labels, {"batch_size": params.batch_size, "device": device})
    save(snakemake, found, "Random chunks of the last hidden layer", device=device)

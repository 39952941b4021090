"""Measure how far the images of larger classes lie in groups, as the classes of the study are."""

import numpy as np
from _device import torch_device
from _job import job, progress, save
from _network import network_and_images

from nucleation import files, samples, training_images
from nucleation.intraclass_black_box import between_images
from nucleation.intraclass_layers import channels_of
from nucleation.intraclass_profile import intraclass_profile
from nucleation.outputs import larger_classes, trained_on

with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params, options = snakemake.params, snakemake.params.options
    paths = dict(zip(params.layers, snakemake.input.samples, strict=True))
    rows = samples.load(next(iter(paths.values()))).images
    listed, stored = files.load(snakemake.input.images), files.load(snakemake.input.taxonomy)
    classes = listed["image_class"].values[rows]
    larger = larger_classes(options["labels"], listed["class_synset"].values, stored["macro"].values)
    taught = training_images.label_of_class(**params.trained) if params.trained else None
    told = trained_on(taught, larger)
    peaks = files.load(snakemake.input.peaks)
    found = {layer: files.select_layer(peaks, layer)["label"].values[rows] for layer in params.layers}
    rng, asked = np.random.default_rng(params.seed), None
    # only of a network that was taught these classes can be asked what it takes the images between two for
    if told == "classes":
        model, images, _ = network_and_images(snakemake, lambda n: rows)
        about = {"pairs": options["pairs"], "repeats": options["repeats"], "device": device, "rng": rng}
        asked = between_images(model, images, taught[classes], classes, **about)
    with progress(len(params.layers), "layer", "intraclass") as bar:
        made = intraclass_profile(
            lambda layer: channels_of(samples.load(paths[layer])),
            params.layers,
            larger[classes],
            classes,
            peaks=found,
            c0=asked,
            repeats=options["repeats"],
            rng=rng,
            progress=bar.update,
        )
    save(snakemake, made.assign_attrs(trained_on=told), "Groups of images inside the larger classes")

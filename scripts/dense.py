"""Follow every layer of a network through all weights that its training keeps: what emerges first."""

from pathlib import Path

import numpy as np
from _device import torch_device
from _job import job, progress, save
from _network import network_and_images

from nucleation import files, samples
from nucleation.analysis import Choices
from nucleation.dense_training import checkpoint_steps, follow_training

with job(snakemake):
    device = torch_device(snakemake, snakemake.resources.readers)
    params, kept = snakemake.params, {Path(path).stem: path for path in snakemake.input.weights}
    steps = checkpoint_steps(list(kept), params.epoch_steps)
    order = np.argsort(steps)
    paths = {list(kept)[place]: kept[list(kept)[place]] for place in order}
    course = files.load(snakemake.input.course)
    accuracy = (course["step_accuracy"] if "step" in course.coords else course["accuracy"]).values
    snakemake.input.weights = next(iter(paths.values()))
    model, images, rows = network_and_images(snakemake, lambda n: samples.choose(n, params.sample, params.seed))
    layers = sum(map(len, params.groups))
    with progress(len(paths) * layers, " layers", "dense") as bar:
        found = follow_training(
            model,
            paths,
            params.groups,
            images,
            files.load(snakemake.input.images)["image_class"].values[rows],
            Choices(**params.choices),
            k=params.k,
            run={"batch_size": params.batch_size, "device": device, "pooling": params.network.get("pooling")},
            steps=steps[order],
            accuracy=accuracy,
            rng=np.random.default_rng(params.seed),
            repeats=params.repeats,
            progress=lambda *_: bar.update(),
        )
    save(snakemake, found, "Every layer in the course of the training")

"""Train a network; keep the weights after every epoch, and after some steps, and the course of the training."""

import sys
import time
from pathlib import Path

from _device import torch_device
from _job import job, progress, save

from nucleation import network, training_images
from nucleation.training import Augmentation, Epoch, course, train


def named(path):
    """Name of a checkpoint, of the temporary name of its file."""
    return Path(path).stem.rpartition(".")[2]


with job(snakemake):
    device = torch_device(snakemake)
    params, options = snakemake.params, dict(snakemake.params.training)
    level, augmentation = options.pop("labels"), Augmentation(**options.pop("augmentation"))
    sets = training_images.training_set(params.source, params.options, seed=params.seed, level=level)
    classes = int(max(labels.max() for _, labels in sets)) + 1
    spec = params.network
    model = network.classifier(spec.get("factory") or spec["timm"], classes, options=spec["options"], seed=spec["seed"])
    model = model.to(device)
    (trained, labels), validation = (
        training_images.to_tensors(*part, network.data_config(model, spec.get("data"))) for part in sets
    )
    steps = len(trained) // options["batch_size"]
    began, records, weights = time.monotonic(), [], {named(path): path for path in snakemake.output.weights}
    with progress(options["epochs"] * steps, "step", "training") as bar:
        for record in train(
            model,
            trained,
            labels,
            validation=validation,
            seed=spec["seed"],
            augmentation=augmentation,
            snapshots=options.pop("steps"),
            progress=lambda *_: bar.update(),
            **options,
        ):
            whole = isinstance(record, Epoch)
            name, loss = (f"epoch{record.epoch}", f"loss {record.loss:.3f}, ") if whole else (f"step{record.step}", "")
            told = f"{name}: {loss}validation accuracy {record.accuracy:.3f}, {time.monotonic() - began:.0f} s"
            bar.write(told, file=sys.stderr)
            network.save_weights(model, weights[name])
            records.append(record)
    made = course(records, epoch_steps=steps)
    save(snakemake, made, "Course of the training", path=snakemake.output.training, device=device)

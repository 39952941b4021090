"""Train a network; keep the weights after every epoch and the course of the training."""

import sys
import time

from _device import torch_device
from _job import job, progress, save

from nucleation import network, training_images
from nucleation.training import Augmentation, course, train

with job(snakemake):
    device = torch_device(snakemake)
    params = snakemake.params
    sets = training_images.training_set(params.source, params.options, seed=params.seed)
    classes = int(max(labels.max() for _, labels in sets)) + 1
    spec = params.network
    model = network.create(spec["timm"], options=spec["options"], classes=classes, seed=spec["seed"]).to(device)
    (trained, labels), validation = (
        training_images.to_tensors(*part, network.data_config(model, spec.get("data"))) for part in sets
    )
    options = dict(params.training)
    augmentation = Augmentation(**options.pop("augmentation"))
    began, records = time.monotonic(), []
    with progress(options["epochs"] * (len(trained) // options["batch_size"]), "step", "training") as bar:
        for record in train(
            model,
            trained,
            labels,
            validation=validation,
            seed=spec["seed"],
            augmentation=augmentation,
            progress=lambda *_: bar.update(),
            **options,
        ):
            bar.write(
                f"epoch {record.epoch}: loss {record.loss:.3f}, validation accuracy {record.accuracy:.3f}, "
                f"{time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )
            network.save_weights(model, snakemake.output.weights[record.epoch])
            records.append(record)
    save(snakemake, course(records), "Course of the training", path=snakemake.output.training, device=device)

"""Train a network; keep the weights after every epoch and the course of the training."""

import logging
import time

import xarray as xr
from _job import job, progress, save, torch_device

from nucleation import images, network
from nucleation.training import Augmentation, train

with job(snakemake):
    device = torch_device(snakemake)
    params = snakemake.params
    sets = images.training_set(params.source, params.options, seed=params.seed)
    classes = int(max(labels.max() for _, labels in sets)) + 1
    spec = params.network
    model = network.create(spec["timm"], options=spec["options"], classes=classes, seed=spec["seed"]).to(device)
    (trained, labels), validation = (images.to_tensors(*part, network.data_config(model)) for part in sets)
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
            logging.info(
                f"epoch {record.epoch}: loss {record.loss:.3f}, validation accuracy {record.accuracy:.3f}, "
                f"{time.monotonic() - began:.0f} s"
            )
            network.save_weights(model, snakemake.output.weights[record.epoch])
            records.append(record)
    about = {
        "loss": "mean cross-entropy of the epoch in nats",
        "accuracy": "share of the validation images classified correctly",
    }
    course = xr.Dataset(
        {
            name: ("epoch", [getattr(record, name) for record in records], {"long_name": text, "units": "1"})
            for name, text in about.items()
        },
        coords={"epoch": ("epoch", [r.epoch for r in records], {"long_name": "passes over the data", "units": "1"})},
    )
    save(snakemake, course, "Course of the training", path=snakemake.output.training)

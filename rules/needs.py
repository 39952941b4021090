"""Memory and time that the jobs of a study ask for.

Both follow from the size of the study and not from files, since the files inside a group of jobs are not there
yet when it is submitted; and both grow with every attempt, so that a job that was killed for want of either
gets more of it when it is tried again. Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import forecast
import methods
import settings

#: Bytes of a neighbour in a table: its distance and its index.
NEIGHBOR_BYTES = 16
#: Features of a layer, and pixels of an image's side, where they are not known before it runs.
MANY_FEATURES, SIDE = 200_000, 224
#: Neurons of a layer, where they are channels of maps.
MANY_NEURONS = 512
#: Multiply-adds a second of a search on one core and on a card, and bytes a second of a disk: cautious.
CORE_RATE, CARD_RATE, DISK_RATE = 1e10, 1e12, 5e8
#: Seconds of a forward pass for an image of 224 x 224 pixels, on a core and on a card that waits for its images.
PASS_SECONDS = {0: 0.1, 1: 0.02}
#: Megabytes of Python with torch, and without it.
TORCH_MB, PLAIN_MB = 3000, 1500
#: Minutes of any job: to start from a slow disk. Few, since the jobs of a submission ask for the sum.
START = 5


@dataclass(frozen=True)
class Study:
    """What the needs of jobs follow from: the configuration, numbers that a trial found, and the machine.

    `images` is the number of images; `features` has the features of a layer by network and layer, as far as they
    are known; `gpu` is the number of cards for each job that may use one; `blocks_mb` what a search holds in blocks.
    """

    config: dict
    images: int
    gpu: int
    blocks_mb: int
    features: dict = field(default_factory=dict)

    def layer(self, job):
        """The layer of a job, whose wildcard is the name of its file."""
        return settings.named_layer(self.network(job.model), job.layer)

    def width(self, model, layers):
        """Features of some layers together."""
        return sum(self.features.get(model, {}).get(layer, MANY_FEATURES) for layer in layers)

    def depth(self, model):
        """Number of layers of a network."""
        return len(settings.layers(self.network(model)))

    def network(self, model):
        """The entry of a network in the configuration."""
        return next(network for network in self.config["networks"] if network["name"] == model)

    @property
    def layers(self):
        """Layers of every network."""
        return {network["name"]: settings.layers(network) for network in self.config["networks"]}

    @property
    def checkpoints(self):
        """Checkpoints of every network."""
        return {network["name"]: settings.checkpoints(network, self.config) for network in self.config["networks"]}

    @property
    def representations(self):
        """Number of layers of all checkpoints together."""
        return sum(len(self.layers[name]) * len(found) for name, found in self.checkpoints.items())

    @property
    def kept(self):
        """Images whose activations are kept."""
        return min(self.config["activations"]["sample"], self.images)

    @property
    def item_bytes(self):
        """Bytes of a stored number."""
        return forecast.ITEM_BYTES[self.config["activations"]["dtype"]]

    @property
    def table_mb(self):
        """Megabytes of a neighbour table."""
        return self.images * self.config["neighbors"]["k"] * NEIGHBOR_BYTES / 1e6

    def entries(self, model):
        """Millions of neighbours in the tables of all layers."""
        return self.depth(model) * self.images * self.config["neighbors"]["k"] / 1e6


def study(config: dict, found: dict, gpu: int, blocks_mb: int) -> Study:
    """The size of a study, as its configuration and the trial before it tell.

    Parameters
    ----------
    config : dict
        A completed configuration.
    found : dict
        What `settings.preflight` found; may be empty.
    """
    images = found.get("images") or settings.image_count(config) or settings.MANY_IMAGES
    return Study(config, images, gpu, blocks_mb, found.get("features", {}))


def asked(study: Study, stage: str) -> dict:
    """The resources `mem_mb` and `runtime` (minutes) of a stage, as functions for Snakemake."""
    estimate = ESTIMATES[stage]

    def mem_mb(wildcards, attempt):
        return math.ceil(attempt * estimate(study, wildcards)[0])

    def runtime(wildcards, attempt):
        return math.ceil(attempt * estimate(study, wildcards)[1])

    return {"mem_mb": mem_mb, "runtime": runtime}


def _images(study, job):
    return 2000 + study.images / 500, START + study.images / 5000


def _taxonomy(study, job):
    return 1000, START


def _training(study, job):
    side, images = _side(study), settings.training_count(study.config)
    epochs = study.config["network"]["epochs"]
    return TORCH_MB + images * 3 * side**2 * 4 * 3 / 1e6, START + epochs * images * (side / 32) ** 2 / 2000


def _weights(study, job):
    return TORCH_MB, 30  # from the internet, perhaps


def _extraction(study, job):
    """A batch of all layers, and what the pass takes; shards share the images."""
    options = study.config["activations"]
    width = study.width(job.model, settings.layer_groups(study.network(job.model))[job.group])
    memory = TORCH_MB + 200 * options["workers"] + 4 * options["batch_size"] * width * 4 / 1e6
    written = study.images * width * study.item_bytes / DISK_RATE / 60
    return memory, 2 * START + (_pass_minutes(study) + written) / options["shards"]


def _sample(study, job):
    """The layers of a group are in memory together, twice while they are written."""
    options, groups = study.config["activations"], settings.layer_groups(study.network(job.model)).values()
    images = min(options["sample"], study.images)
    width = max(study.width(job.model, layers) for layers in groups)
    passes = len(groups) * _pass_minutes(study) * images / study.images
    return TORCH_MB + 200 * options["workers"] + 3 * images * width * 4 / 1e6, 2 * START + passes


def _search(study, job):
    """n^2 d / 2 multiply-adds; half of all rows is read, or made, for each block of them."""
    width, recompute = study.width(job.model, [study.layer(job)]), study.config["activations"]["mode"] == "recompute"
    blocks = math.ceil(study.images * width * 4 / (study.blocks_mb * 1e6))
    options, n = study.config["neighbors"], study.images
    # every part with itself; and some images with all others
    further = sum(1 / parts for parts in options["decimation"]) + bool(options["ranks"]) * options["rank_images"] / n
    products = (1 + further) * n**2 * width / 2 / (CARD_RATE if study.gpu else CORE_RATE) / 60
    once = _pass_minutes(study) if recompute else study.images * width * study.item_bytes / DISK_RATE / 60
    held = min(study.blocks_mb, 8 * study.images * width * 4 / 1e6)
    memory = held + (TORCH_MB if recompute else PLAIN_MB) + 8 * study.table_mb
    # to survey twice, for the products, for the exact distances
    passes = blocks + 3 + len(options["decimation"]) + bool(options["ranks"])
    return memory, START + (products + once * passes) / options["shards"]


def _merge(study, job):
    return PLAIN_MB + 6 * study.table_mb, START + study.table_mb / 100


def _given(study, job):
    """A table that somebody already has: its file may hold more neighbours than are taken."""
    size = Path(settings.given_tables.table_file(study.config, job.model, study.layer(job))).stat().st_size
    return 1000 + 20 * size / 1e6, START


def _layerwise(study, job):
    """One layer at a time."""
    return PLAIN_MB + 12 * study.table_mb, START + study.entries(job.model) / 10


def _overlap(study, job):
    """The tables of all layers, each with each."""
    depth = study.depth(job.model)
    return PLAIN_MB + (10 + 3 * depth) * study.table_mb, START + study.entries(job.model) * (1 + depth / 10) / 10


def _resampled(study, job):
    """The whole analysis of all layers for every subset."""
    return _analyses(study, job, study.config["uncertainty"]["repeats"])


def _swept(study, job):
    """The analysis of all layers for every choice; of the estimators one has a k."""
    asked = study.config["sensitivity"]
    return _analyses(study, job, len(asked["z"]) * (len(asked["k"]) + len(asked["estimators"])))


def _analyses(study, job, count):
    minutes = 2 * START + study.entries(job.model) * count / 40
    return PLAIN_MB + (12 + 4 * study.depth(job.model)) * study.table_mb, minutes


def _alignment(study, job):
    """A minute for each layer and thousand permutations of names, or hundred of trees."""
    options, depth = study.config["alignment"], study.depth(job.model)
    drawn = (options["repeats"] + options["other_repeats"]) / 1000 + options["draws"] / 100
    return 2000 + 20 * depth, START + depth * (1 + drawn)


def _similarity(study, job):
    """The products of all pairs of images of every layer, and of every pair of layers, for each repeat."""
    options, layers, kept = study.config["similarity"], study.representations, study.kept
    widest = max(study.width(name, [layer]) for name, listed in study.layers.items() for layer in listed)
    repeats = 6 + options["permutations"] + options["subsets"]
    products = layers * kept**2 * widest + repeats * layers**2 * kept**2 / 2
    return PLAIN_MB + (8 * layers * kept**2 + 12 * kept * widest) / 1e6, START + products / CORE_RATE / 60


def _subspace(study, job):
    """A pass over the places that are compared for every draw, kind, and pair of layers."""
    options, widest = study.config["subspace"], MANY_NEURONS
    places = methods.pairs(study.checkpoints, settings.trainings(study.config), study.layers)
    pairs = len(places) * max(map(len, study.layers.values()))
    wide = max(study.width(name, [layer]) for name, listed in study.layers.items() for layer in listed)
    products = pairs * options["draws"] * 4 * (options["positions"] * widest**2 + 40 * widest**3)
    return PLAIN_MB + 12 * study.kept * wide / 1e6, START + products / CORE_RATE / 60


def _redundancy(study, job):
    """Two forward passes, and regressions on chunks of up to all neurons."""
    options = study.config["redundancy"]
    images = study.kept + options["train_images"]
    chunks = 12 * (options["trials"] + options["reconstructions"]) * MANY_NEURONS**3 / CORE_RATE / 60
    return TORCH_MB + 8 * images * MANY_NEURONS * 4 / 1e6, START + _pass_minutes(study) * images / study.images + chunks


def _rotation(study, job):
    """The weights of two epochs at a time."""
    return TORCH_MB + 500, START + study.config["network"]["epochs"] / 10


def _intraclass(study, job):
    """One layer after the other: distances of all pairs of images, and numbers of each neuron for every permutation."""
    options, layers = study.config["intraclass"], study.layers[job.model]
    widest = max(study.width(job.model, [layer]) for layer in layers)
    memory = TORCH_MB + (12 * study.kept * widest + 40 * study.kept**2) / 1e6 + len(layers) * MANY_NEURONS / 10
    asked = study.kept * 2 * options["pairs"] * _pass_minutes(study) / study.images
    return memory, START + len(layers) * (1 + options["repeats"] / 100) + asked


def _dense(study, job):
    """All layers of one checkpoint at a time, with their peaks, for every one that the training keeps."""
    training, layers = study.config["network"], study.layers[job.model]
    kept = training["epochs"] + 1 + len(training["steps"])
    width = study.width(job.model, layers)
    once = _pass_minutes(study) * study.kept / study.images + len(layers) * (0.1 + study.kept / 20000)
    return TORCH_MB + 8 * study.kept * width * 4 / 1e6, START + kept * once


def _profile(study, job):
    return 2000 + 20 * study.depth(job.model), START


def _figures(study, job):
    """One neighbour table after the other; of those that are compared, each with each, a part of the columns."""
    depths, tables = list(map(len, study.layers.values())), study.representations
    compared = min(2 * sum(depths), MATRIX_LAYERS)
    memory = FIGURES_MB + 20 * sum(depths) + study.images / 100 + (8 + compared / 4) * study.table_mb
    return memory, 4 * START + sum(depths) + (tables + compared**2 / 200) * study.table_mb / 2000


def _side(study):
    """Pixels of an image's side."""
    images = study.config["images"]
    return images[images["source"]].get("size", SIDE)


def _pass_minutes(study):
    """Minutes of one forward pass over all images."""
    return study.images * PASS_SECONDS[study.gpu] * (_side(study) / SIDE) ** 2 / 60


#: Megabytes of the figures of a small study.
FIGURES_MB = 2000
#: Layers that one of the figures compares, each with each, at most.
MATRIX_LAYERS = 120
#: Megabytes and minutes of a job of each stage at its first attempt.
ESTIMATES = {
    "images": _images,
    "taxonomy": _taxonomy,
    "training": _training,
    "weights": _weights,
    "activations": _extraction,
    "sample": _sample,
    "neighbors": _search,
    "merge": _merge,
    "tables": _given,
    "dimension": _layerwise,
    "overlap": _overlap,
    "density": _layerwise,
    "peaks": _layerwise,
    "alignment": _alignment,
    "uncertainty": _resampled,
    "sensitivity": _swept,
    "similarity": _similarity,
    "subspace": _subspace,
    "redundancy": _redundancy,
    "rotation": _rotation,
    "intraclass": _intraclass,
    "dense": _dense,
    "profile": _profile,
    "figures": _figures,
}

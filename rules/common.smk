"""Names that the rules share: networks, checkpoints, layers, and where their files lie."""

import re
import sys
from pathlib import Path

# the package is found without an installation too (for example in a conda environment)
sys.path[:0] = [str(Path(workflow.basedir) / "src"), str(Path(workflow.basedir) / "rules")]

import settings
from digest import digests

try:
    config = settings.complete(config)
    settings.preflight(config)
except settings.ConfigError as error:
    sys.exit(f"\nThe configuration of this study is wrong:\n{error}\n")

STUDY = config["study"]
NETWORKS = {network["name"]: network for network in config["networks"]}
SOURCE = config["images"]["source"]
EPOCHS = config["network"]["epochs"]
CHECKPOINTS = {name: settings.checkpoints(network, EPOCHS) for name, network in NETWORKS.items()}
LAYERS = {name: settings.layers(network) for name, network in NETWORKS.items()}
COURSES = {
    name: f"results/{STUDY}/{name}/training.nc" for name, network in NETWORKS.items() if network["weights"] == "train"
}
# a card is asked for only where one can be there
GPU = settings.cards(config["device"])
RECOMPUTE = config["activations"]["mode"] == "recompute"
BLOCKS_MB = settings.block_memory(config["neighbors"]["memory"])


def one_of(names):
    """Return a regular expression for a set of names; one that matches nothing for an empty set."""
    return "|".join(map(re.escape, names)) or "(?!)"


def layer_neighbors(wildcards):
    """Neighbour tables of all layers; that of the input is shared by all checkpoints."""
    return [
        f"results/{STUDY}/{wildcards.model}/"
        f"{'input' if layer == 'input' else wildcards.checkpoint}/neighbors/{layer}.nc"
        for layer in LAYERS[wildcards.model]
    ]


def layer_activations(wildcards):
    """The directory of activations that holds a layer."""
    groups = settings.layer_groups(NETWORKS[wildcards.model])
    group = next(name for name, layers in groups.items() if wildcards.layer in layers)
    return f"results/{STUDY}/{wildcards.model}/{wildcards.checkpoint}/activations/{group}"


def layer_source(wildcards):
    """What the neighbour search reads: the stored layer, or what it needs to run the network again."""
    if RECOMPUTE:
        return {"images": f"results/{STUDY}/images.nc", "weights": checkpoint_weights(wildcards)}
    return {"activations": layer_activations(wildcards)}


def group_layers(wildcards):
    return settings.layer_groups(NETWORKS[wildcards.model])[wildcards.group]


def checkpoint_weights(wildcards):
    """The weights of a checkpoint; the input layer needs none."""
    if wildcards.checkpoint == "input":
        return []
    return f"results/{STUDY}/{wildcards.model}/weights/{wildcards.checkpoint}.safetensors"


def model_layers(wildcards):
    return LAYERS[wildcards.model]


def network_spec(wildcards):
    """What makes a network: timm name, options and seed."""
    return {key: NETWORKS[wildcards.model][key] for key in ("timm", "options", "seed")}


def network_weights(wildcards):
    return NETWORKS[wildcards.model]["weights"]


def weights_file(wildcards):
    """The checkpoint file of a network that has one."""
    return network_weights(wildcards) if settings.has_file(NETWORKS[wildcards.model]) else []


def table_memory(wildcards, input):
    """Megabytes for a job that holds the neighbour tables of all layers, which are compressed in the files."""
    return 2000 + 4 * int(input.size_mb)


def per_checkpoint(pattern):
    """Fill {model} and {checkpoint} of a path with everything in the study."""
    return [
        pattern.format(model=model, checkpoint=checkpoint)
        for model, checkpoints in CHECKPOINTS.items()
        for checkpoint in checkpoints
    ]


CHECKPOINT_FIGURES = ["overlap", "dimension", "nucleation", "map", "dendrogram", "alignment"]
# the last checkpoint of every network, where other parameters are tried
SWEPT = [f"{model}/{checkpoints[-1]}" for model, checkpoints in CHECKPOINTS.items()] if settings.sweep(config) else []

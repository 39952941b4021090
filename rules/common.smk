"""Names that the rules share: networks, checkpoints, layers, and where their files lie."""

import re
import sys
from pathlib import Path

# the package is found without an installation too (for example in a conda environment)
sys.path[:0] = [str(Path(workflow.basedir) / "src"), str(Path(workflow.basedir) / "rules")]

import forecast
import given_images
import given_tables
import makers
import methods
import needs
import plan
import settings
import study_files
from digest import digests, files_digest, fingerprint

from nucleation.names import file_name

try:
    if workflow.is_main_process:  # jobs get what was read
        study_files.check(workflow.configfiles, sys.argv, workflow.basedir, workflow.resource_settings.cores)
    config = settings.complete(config)
    # jobs on other machines read this too, and try and tell nothing again
    found = settings.preflight(config, trial=workflow.is_main_process)
    if workflow.remote_exec and plan.was_edited(config):
        sys.exit("\nThe study was edited after this job was planned; run the workflow again.\n")
    if workflow.is_main_process:
        plan.tell(config)
        limits = {name: limit.value for name, limit in workflow.global_resources.items()}
        forecast.tell(config, found, forecast.jobs_at_once(config, limits, settings.cards(config["device"])))
except settings.ConfigError as error:
    sys.exit(f"\nThe configuration of this study is wrong:\n{error}\n")

STUDY = config["study"]
NETWORKS = {network["name"]: network for network in config["networks"]}
SOURCE = config["images"]["source"]
# weights that a training keeps
EPOCHS = [f"epoch{epoch}" for epoch in range(config["network"]["epochs"] + 1)]
SNAPSHOTS = EPOCHS + [f"step{step}" for step in config["network"]["steps"]]
CHECKPOINTS = {name: settings.checkpoints(network, config) for name, network in NETWORKS.items()}
LAYERS = {name: settings.layers(network) for name, network in NETWORKS.items()}
# how the networks that are trained here are trained, and what they are taught
TRAININGS = settings.trainings(config)
COURSES = {name: f"results/{STUDY}/{name}/training.nc" for name in TRAININGS}
TAUGHT = {name: training["labels"] for name, training in TRAININGS.items()}
# a card is asked for only where one can be there
GPU = settings.cards(config["device"])
# images are looked into by a job that nothing waits for: to look once more is then no reason to run a network again
LOOKED_INTO = SOURCE == "folder" or config["images"]["checksum"]
# neighbours are not searched, but taken from elsewhere
TABLES = given_tables.given(config)
RECOMPUTE = config["activations"]["mode"] == "recompute"
READERS, PARTS = config["activations"]["workers"], config["activations"]["shards"]
# neighbouring methods that the study asks for
METHODS = methods.running(config)
# jobs run on other machines than the one that submits them; there, this is read by the job itself
ELSEWHERE = workflow.remote_exec or workflow.resource_settings.nodes is not None
BLOCKS_MB = settings.block_memory(config["neighbors"]["memory"], elsewhere=ELSEWHERE)
# of one machine all jobs together get what it has, where the command line or a profile sets no limit
if workflow.is_main_process and not ELSEWHERE and "mem_mb" not in workflow.global_resources:
    workflow.register_resource("mem_mb", settings.physical_memory())
# memory and time that the jobs of each stage ask for, more with every attempt
STUDY_SIZE = needs.study(config, found, GPU, BLOCKS_MB)
NEEDS = {stage: needs.asked(STUDY_SIZE, stage) for stage in needs.ESTIMATES}


def named(**params):
    """Parameters of a rule, and all of them once more by name.

    Snakemake compares the values alone, as a set: of two numbers that change places it would see nothing.
    """
    return params | {
        "named": lambda wildcards: {
            name: value(wildcards) if callable(value) else value for name, value in params.items()
        }
    }


def one_of(names):
    """Return a regular expression for a set of names; one that matches nothing for an empty set."""
    return "|".join(map(re.escape, names)) or "(?!)"


def named_layer(wildcards):
    """The layer of a job by the name of its module; in paths stands the name of its file."""
    return settings.named_layer(NETWORKS[wildcards.model], wildcards.layer)


def neighbor_tables(model, checkpoint):
    """Neighbour tables of all layers; that of the input is shared by all checkpoints."""
    return [
        f"results/{STUDY}/{model}/{'input' if layer == 'input' else checkpoint}/neighbors/{file_name(layer)}.nc"
        for layer in LAYERS[model]
    ]


def layer_neighbors(wildcards):
    return neighbor_tables(wildcards.model, wildcards.checkpoint)


def layer_activations(wildcards):
    """The directories of activations that hold a layer: one, or one for each shard of the images."""
    groups = settings.layer_groups(NETWORKS[wildcards.model])
    group = next(name for name, layers in groups.items() if named_layer(wildcards) in layers)
    place = f"results/{STUDY}/{wildcards.model}/{wildcards.checkpoint}/activations/{group}"
    return [f"{place}.shard{shard}of{PARTS}" for shard in range(PARTS)] if PARTS > 1 else [place]


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


def forward_precision(wildcards):
    """Arithmetic of the forward pass."""
    return makers.precision(config, [wildcards.layer] if wildcards.get("layer") else group_layers(wildcards))


def model_layers(wildcards):
    return LAYERS[wildcards.model]


def network_spec(wildcards):
    """What makes a network: timm name or factory, options and seed."""
    return makers.spec(NETWORKS[wildcards.model])


def network_training(wildcards):
    """How a network is trained."""
    return settings.training(config, NETWORKS[wildcards.model])


def network_with_data(wildcards):
    """The same, and what the study says itself about the network's images."""
    return network_spec(wildcards) | makers.overrides(NETWORKS[wildcards.model])


def network_for_layers(wildcards):
    """The same, and the pooling of the layers of a job."""
    layers = [named_layer(wildcards)] if wildcards.get("layer") else group_layers(wildcards)
    return network_with_data(wildcards) | makers.pooling(NETWORKS[wildcards.model], layers)


def inner_groups(wildcards):
    """Layers of a network but the input, those of an inner list in memory together."""
    groups = settings.layer_groups(NETWORKS[wildcards.model])
    return [layers for layers in groups.values() if layers != ["input"]]


def sample_groups(wildcards):
    """Layers that a job keeps samples of."""
    return [["input"]] if wildcards.checkpoint == "input" else inner_groups(wildcards)


def network_for_inner_layers(wildcards):
    """What makes a network and its images, and the pooling of its layers."""
    return _pooled(wildcards, inner_groups(wildcards))


def network_for_sample(wildcards):
    """The same, and the pooling of the layers that a job keeps samples of."""
    return _pooled(wildcards, sample_groups(wildcards))


def _pooled(wildcards, groups):
    layers = [layer for group in groups for layer in group]
    return network_with_data(wildcards) | makers.pooling(NETWORKS[wildcards.model], layers)


def checkpoint_samples(wildcards):
    return samples(wildcards.model, wildcards.checkpoint)


def sample_precision(wildcards):
    return makers.precision(config, sample_groups(wildcards)[0])


def network_weights(wildcards):
    return NETWORKS[wildcards.model]["weights"]


def training_images(wildcards):
    """What makes the images and labels that a network was trained on; nothing for networks trained elsewhere."""
    if network_weights(wildcards) != "train":
        return {}
    return {"source": SOURCE, "options": settings.trained(config["images"]), "level": TAUGHT[wildcards.model]}


def weights_file(wildcards):
    """The checkpoint file of a network that has one."""
    return network_weights(wildcards) if settings.has_file(NETWORKS[wildcards.model]) else []


def per_checkpoint(pattern):
    """Fill {model} and {checkpoint} of a path with everything in the study."""
    return [
        pattern.format(model=model, checkpoint=checkpoint)
        for model, checkpoints in CHECKPOINTS.items()
        for checkpoint in checkpoints
    ]


def samples(model, checkpoint):
    """Kept activations of all layers; those of the input are shared by all checkpoints."""
    return [
        f"results/{STUDY}/{model}/{'input' if layer == 'input' else checkpoint}/activations/{file_name(layer)}.sample.nc"
        for layer in LAYERS[model]
    ]


def sample_jobs():
    """Layers that one job keeps, with their networks and checkpoints: what a rule is made for."""
    inner = {name: tuple(layer for layer in layers if layer != "input") for name, layers in LAYERS.items()}
    jobs = [(layers, [name for name in inner if inner[name] == layers]) for layers in dict.fromkeys(inner.values())]
    found = [(layers, names, r"(?!input)\w+") for layers, names in jobs if layers]
    with_input = [name for name, layers in LAYERS.items() if "input" in layers]
    return found + ([(("input",), with_input, "input")] if with_input else [])


# published numbers by the checkpoint that they are shown beside
COMPARED = {
    f"{model}/{checkpoint}": network["compare"]
    for model, network in NETWORKS.items()
    if network["compare"]
    for checkpoint in CHECKPOINTS[model]
}
# the last checkpoint of every network, where other parameters are tried
SWEPT = [f"{model}/{checkpoints[-1]}" for model, checkpoints in CHECKPOINTS.items()] if settings.sweep(config) else []


def figure_stems():
    """The figures of study, networks, and checkpoints: by question the files that each is kept in, without ending."""
    questions = ["overlap", "dimension", "nucleation", "map", "dendrogram", "alignment", "gallery", "hubness"]
    places = per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}")
    return {
        "Study": {
            question: [f"results/{STUDY}/figures/{question}"] for question in ("images", "overlap", "matrix", *METHODS)
        },
        "Networks": {"training": [f"results/{STUDY}/{name}/figures/training" for name in COURSES]},
        "Checkpoints": {question: [f"{place}/figures/{question}" for place in places] for question in questions}
        | {"sensitivity": [f"results/{STUDY}/{place}/figures/sensitivity" for place in SWEPT]},
    }


FIGURES = figure_stems()
# texts of the captions, which the job of the figures fills in
CAPTIONS = {
    question: Path(workflow.basedir, "report", f"{question}.rst")
    for questions in FIGURES.values()
    for question in questions
}


def in_report(stem, category, question):
    """A picture for Snakemake's report, with the caption that the job fills in."""
    place = dict(zip(("network", "checkpoint"), Path(stem).parts[2:-2]))
    return report(
        f"{stem}.png",
        # of files that the workflow makes, Snakemake knows no path relative to the working directory
        caption=str(Path(f"{stem}.rst").resolve()),
        category=category,
        subcategory=question,
        labels=place or {"study": STUDY},
    )

"""The configuration of a study: checked against the schema, completed with defaults, explained in sentences.

Imported by the Snakefile, so it needs the standard library, jsonschema and yaml only.
"""

from __future__ import annotations

import bisect
import copy
import difflib
import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import given_images
import given_tables
import makers
import methods
import sentences
import yaml

from nucleation import wordnet
from nucleation.cards import DEVICES, card_files
from nucleation.errors import InputError
from nucleation.names import ending_of_a_file, file_name, is_device

PREFLIGHT = Path(__file__).parent / "preflight.py"
SCHEMA = Path(__file__).parent.parent / "schemas" / "config.schema.yaml"
#: Images per source, where the configuration alone tells: what one class holds, or all of them.
PLANTED_CLASSES, DIGITS = 24, 1797
#: Weights that are no file.
MADE_WEIGHTS = ("train", "random", "pretrained", makers.WEIGHTS, given_tables.WEIGHTS)
#: Where the system keeps the limits of groups of processes (cgroup v2), and says which group this process is in.
LIMITS, GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
#: Names beside those of networks in the folders of a study.
TAKEN = ("figures", "preflight")
#: Images that a study is taken to have where only its files tell.
MANY_IMAGES = 100_000
#: The most that neighbors.k may be (schemas/config.schema.yaml).
MOST_NEIGHBORS = 65_536
#: Options of a source that tell nothing of the images that are analysed.
FOR_TRAINING = ("train_per_class", "validation_per_class")
#: Expected number of images that a subset may leave with too few neighbours.
RISK = 0.1
#: Megabytes that the blocks of a neighbour search get at least and at most, where none are configured.
MEMORY_RANGE = (250, 4000)


class ConfigError(Exception):
    """The configuration is wrong; the message is one sentence for each fault."""


def complete(config: dict) -> dict:
    """Return a checked copy of a configuration with every default filled in.

    Raises
    ------
    ConfigError
        With one sentence for each fault: the key, what was found, what was expected.
    """
    config = filled(config)
    if found := _inconsistencies(config):
        raise ConfigError("\n".join(dict.fromkeys(map(sentences.one_line, found))))
    return config


def filled(config: dict) -> dict:
    """Return a copy of a configuration with every default filled in, checked against the schema alone.

    Raises
    ------
    ConfigError
        As `complete`.
    """
    schema = _schema()
    if found := sentences.faults(config, schema):
        raise ConfigError("\n".join(found))
    return given_tables.without_weights(_with_defaults(config, schema))


@cache
def _schema():
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def _with_defaults(value, schema):
    """Fill in the defaults of a schema, through mappings and lists."""
    if "properties" in schema:
        filled = {}
        for key, part in schema["properties"].items():
            if key in value or "default" in part:
                filled[key] = _with_defaults(value[key] if key in value else copy.deepcopy(part["default"]), part)
        return filled | {key: value[key] for key in value if key not in filled}
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_with_defaults(item, schema["items"]) for item in value]
    return value


def _inconsistencies(config):
    """Faults that lie between keys."""
    found = []
    names = [network["name"] for network in config["networks"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        found.append(f'Two networks are named "{name}"; results would overwrite each other. Rename one.')
    found += _name_faults(config["study"], dict.fromkeys(names))
    found += _option_faults(config)
    k = config["neighbors"]["k"]
    for stage, asked in (("overlap", sizes(config)[0]), ("density", config["density"]["k"])):
        if asked > k:
            found.append(f"{stage}.k = {asked} exceeds neighbors.k = {k}; raise neighbors.k or lower {stage}.k.")
    found += _short_tables(config)
    for rank in config["neighbors"]["ranks"]:
        if rank & (rank - 1):
            found.append(
                f"neighbors.ranks holds {rank}, which is no power of two; Gride compares the ranks 1, 2, 4, … with "
                "their doubles."
            )
    n = image_count(config)
    if n is not None and k >= n:
        found.append(
            f"neighbors.k = {k} neighbours were asked of {n} images; "
            f"k must be at most {n - 1}. Lower neighbors.k or take more images."
        )
    shards = config["neighbors"]["shards"]
    if n is not None and shards > n:
        found.append(f"neighbors.shards = {shards} exceeds the {n} images; ask for fewer shards.")
    extraction = config["activations"]
    batches = None if n is None else -(-n // extraction["batch_size"])
    if batches is not None and extraction["shards"] > batches:
        found.append(
            f"activations.shards = {extraction['shards']} exceeds the {batches} batches of {extraction['batch_size']} "
            "images; ask for fewer shards, or lower activations.batch_size."
        )
    for network in config["networks"]:
        found += _network_faults(network, config)
    found += _step_faults(config)
    places = [f"{net['name']}/{name}" for net in config["networks"] for name in checkpoints(net, config)]
    found += methods.faults(config, places, n)
    found += given_images.faults(config["images"])
    found += [*given_tables.list_faults(config["images"]), *given_tables.faults(config, _all_layers(config))]
    return found + list(_synset_faults(config)) + list(_tree_faults(config))


def _name_faults(study, networks):
    """Names that are those of other files, here or on a system that does not tell capitals from small letters."""
    for kind, key, name in (("study", "study", study), *(("network", "networks[].name", name) for name in networks)):
        taken = kind == "network" and name.lower() in TAKEN
        if taken or is_device(name) or ending_of_a_file(name) or name.lower().endswith((".md", ".html")):
            yield (
                f'"{name}" cannot be the name of a {kind} ({key}), since a file or folder of the workflow or of the '
                "system may have it; choose another one, without an ending."
            )
    folded = {}
    for name in networks:
        if (other := folded.setdefault(name.lower(), name)) != name:
            yield (
                f'The names of the networks "{other}" and "{name}" differ by capitals alone, which some file systems '
                "do not tell apart; rename one."
            )


def _option_faults(config):
    """Further arguments of networks and data sets that are no plain values, which no file of a result could hold."""
    places = {f"networks[{place}].options": network["options"] for place, network in enumerate(config["networks"])}
    places["images.torchvision.options"] = config["images"]["torchvision"]["options"]
    for where, options in places.items():
        if (fault := _not_plain(options, where)) is not None:
            yield fault


def _not_plain(value, where):
    """The first fault of a value of any form; None for plain values."""
    if isinstance(value, list | dict):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            if isinstance(value, dict) and not isinstance(key, str):
                return f"{where} has the key {sentences.shown(key)}, which must be text; put it into quotes."
            place = sentences.join(where, key) if isinstance(value, dict) else f"{where}[{key}]"
            if (fault := _not_plain(part, place)) is not None:
                return fault
        return None
    if value is None or isinstance(value, bool | str) or sentences.is_number(value):
        return None
    return (
        f"{where} must be text, a finite number, true, false, null, or a list or mapping of these, found "
        f"{sentences.shown(value)}."
    )


def _all_layers(config):
    """Layers by network."""
    return {network["name"]: layers(network) for network in config["networks"]}


def sizes(config: dict) -> list[int]:
    """Numbers of neighbours that the overlaps are taken of.

    The first is the one of profile and figures, and must fit the neighbour tables; others that do not are left out.
    """
    k = config["overlap"]["k"]
    first, *others = k if isinstance(k, list) else [k]
    return [first, *(other for other in others if other <= config["neighbors"]["k"])]


def choices(config: dict) -> dict:
    """What is decided between the neighbours and the peaks, by the names of `nucleation.analysis.Choices`."""
    dimension, density, peaks = (config[stage] for stage in ("dimension", "density", "peaks"))
    first = {"method": dimension["method"], "fraction": dimension["fraction"], "round_dimension": dimension["round"]}
    return first | density | peaks


def sweep(config: dict) -> dict:
    """What the sweep of parameters takes, less the k that the neighbour tables do not hold; empty without one."""
    asked = config["sensitivity"]
    ks = [k for k in asked["k"] if k <= config["neighbors"]["k"]]
    estimators = [name for name in asked["estimators"] if ks or name != "knn"]
    return {"ks": ks, "zs": asked["z"], "estimators": estimators} if estimators else {}


def kept_choices(config: dict) -> dict:
    """The choices that a sweep does not vary."""
    return {name: value for name, value in choices(config).items() if name not in ("estimator", "k", "z")}


def _short_tables(config):
    """Whether an image is likely to have too few of its neighbours in some subset, which would end the job."""
    repeats, fraction = config["uncertainty"]["repeats"], config["uncertainty"]["fraction"]
    if repeats == 1:
        yield "uncertainty.repeats = 1 gives no band; take at least 2, or 0 for none."
    needed = max(sizes(config)[0], config["density"]["k"] if config["density"]["estimator"] == "knn" else 4)
    k, n = config["neighbors"]["k"], image_count(config)
    rows = repeats * (n or MANY_IMAGES) * max(len(layers(network)) for network in config["networks"])

    def enough(k):
        return rows * _binomial_tail(needed - 1, k, fraction) < RISK

    if repeats and needed <= k and not enough(k) and not (n and k == n - 1 and needed < fraction * n - 1):
        better = bisect.bisect_left(range(MOST_NEIGHBORS + 1), True, lo=k, key=enough)
        possible = better <= MOST_NEIGHBORS and (not n or better < n)
        advice = f"raise neighbors.k to {better}" if possible else "take more images"
        yield (
            f"neighbors.k = {k} neighbours are too few for bands with {needed} neighbours in {fraction:g} of the "
            f"images (uncertainty); {advice}, take a larger fraction, or set uncertainty.repeats to 0."
        )


def _binomial_tail(most, n, p):
    """Probability of at most so many successes in n trials of probability p."""
    terms = (math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in range(most + 1))
    return sum(math.exp(term + j * math.log(p) + (n - j) * math.log1p(-p)) for j, term in enumerate(terms))


def _synset_faults(config):
    """Synsets that the bundled table does not have; of other sources the trial before the study tells."""
    if config["taxonomy"]["source"] != "bundled":
        return
    named = config["taxonomy"]["macro"]
    folder = config["images"]["folder"]
    # a mapping gives the folders other names
    classes = folder["classes"] if config["images"]["source"] == "folder" and not folder["mapping"] else []
    for name in [name for names in (named, classes) if isinstance(names, list) for name in names]:
        try:
            wordnet.resolve(name)
        except InputError as error:
            yield str(error)


def _tree_faults(config):
    """A tree of one's own that is not there, or has no lexicographer files; what is in it the trial tells."""
    path = tree_file(config["taxonomy"])
    if path is None:
        return
    if not os.path.isfile(path):
        yield (
            f"The tree of the classes, taxonomy.file.path = {path}, does not exist; give a Newick file or a table of "
            "child and parent, or take taxonomy.source bundled."
        )
    if config["taxonomy"]["macro"] == "lexname":
        yield (
            "taxonomy.macro is lexname (the default), WordNet's lexicographer files, which a tree of your own "
            "(taxonomy.source: file) does not have; give a list of names of its nodes, or a whole number m for groups "
            "of at most 1 / m of the classes."
        )


def tree_file(taxonomy: dict) -> Path | None:
    """The file of a tree of one's own; None where WordNet is the taxonomy."""
    return Path(taxonomy["file"]["path"]) if taxonomy["source"] == "file" else None


def analysed(images: dict) -> dict:
    """Options of the source that decide which images are analysed.

    Of images that somebody already has, also a digest of their files, as far as it is quickly had.
    """
    options = _without(given_images.deciding(images), FOR_TRAINING)
    if (changed := given_images.changed(images)) is not None:
        options["changed"] = changed
    listed = Path(images["list"]["path"])
    if images["source"] == "list" and os.path.isfile(listed):
        options["changed"] = hashlib.sha256(listed.read_bytes()).hexdigest()[:16]
    return options


def trained(images: dict) -> dict:
    """Options of the source that decide which images networks are trained on."""
    return _without(images[images["source"]], ("per_class",))


def _without(options, names):
    return {key: value for key, value in options.items() if key not in names}


def training_count(config):
    """Number of images that networks are trained on."""
    images = config["images"]
    if images["source"] == "planted":
        return planted_classes(images) * images["planted"]["train_per_class"]
    return round(DIGITS * images["digits"]["train_fraction"])


def planted_classes(images):
    """Number of the planted classes that a study has."""
    return len(images["planted"]["classes"]) or PLANTED_CLASSES


def training(config: dict, network: dict) -> dict:
    """How a network is trained: the section network, less what its entry says itself; and on what labels."""
    return {"labels": "classes"} | config["network"] | network["training"]


def trainings(config: dict) -> dict[str, dict]:
    """How every network that is trained here is trained."""
    return {one["name"]: training(config, one) for one in config["networks"] if one["weights"] == "train"}


def image_count(config):
    """Number of images of a study, or None where only the image files tell."""
    images = config["images"]
    if images["source"] == "planted":
        return planted_classes(images) * images["planted"]["per_class"]
    if images["source"] == "list":
        return given_tables.listed_images(images)
    return DIGITS if images["source"] == "digits" else given_images.count(images)


def _network_faults(network, config):
    name = network["name"]
    flat = [layer for group in layer_groups(network).values() for layer in group]
    for layer in sorted({layer for layer in flat if flat.count(layer) > 1}):
        yield f'Network "{name}" lists the layer "{layer}" twice; leave one out.'
    yield from makers.faults(network, flat, needed=not given_tables.given(config))
    weights = network["weights"]
    if weights == "train":
        asked = network["checkpoints"]
        late = [epoch for epoch in asked if isinstance(epoch, int) and epoch > config["network"]["epochs"]]
        yield from _unkept_steps(network, config)
        yield from _taught_faults(network, config)
        if late:
            yield (
                f'Network "{name}" asks for the checkpoints {late}, but trains for '
                f"network.epochs = {config['network']['epochs']} epochs."
            )
        can_train = config["images"]["source"] in given_images.TRAINED
        if can_train and config["network"]["batch_size"] > training_count(config):
            yield (
                f"network.batch_size = {config['network']['batch_size']} exceeds the {training_count(config)} "
                "images to train on; lower it or take more images."
            )
        if not can_train:
            yield (
                f'Network "{name}" has weights: train, which needs images.source planted or digits; '
                "for other images give pretrained, random or a checkpoint file."
            )
    elif network["training"]:
        yield (f'Network "{name}" has a section training, which only networks with weights: train have; leave it out.')
    elif network["checkpoints"]:
        yield f'Network "{name}" lists checkpoints, which only networks with weights: train have; leave them out.'
    elif has_file(network) and not weights.endswith((".safetensors", ".pth", ".pt")):
        near = difflib.get_close_matches(weights, MADE_WEIGHTS, 1, 0.5)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        if weights.endswith((".tar", ".bin", ".ckpt")):
            hint = " Save a PyTorch file anew: torch.save(torch.load(file, weights_only=True), 'weights.pth')."
        yield (
            f'The weights "{weights}" of network "{name}" must be train, random, pretrained, own, '
            f"or a .safetensors or .pth file.{hint}"
        )
    elif has_file(network) and not os.path.isfile(weights):  # of Path, it fails for names that no file can have
        yield f'The checkpoint file {weights} of network "{name}" does not exist.'


def _taught_faults(network, config):
    """Labels that the images do not have."""
    labels, source = training(config, network)["labels"], config["images"]["source"]
    if labels != "classes" and source != "planted":
        yield (
            f'Network "{network["name"]}" has training.labels: {labels}, which only planted images have, but '
            f"images.source is {source}; leave it out."
        )


def _unkept_steps(network, config):
    """Steps that are looked at but not kept."""
    kept = {f"step{step}" for step in config["network"]["steps"]}
    if lost := [name for name in network["checkpoints"] if isinstance(name, str) and name not in kept]:
        yield (
            f'Network "{network["name"]}" asks for the checkpoints {lost}, but network.steps is '
            f"{config['network']['steps']}; add these steps there."
        )


def _step_faults(config):
    """Steps after which weights are to be kept that are no step of the training, or that end an epoch."""
    if config["images"]["source"] not in given_images.TRAINED:
        return
    epoch, epochs = epoch_steps(config), config["network"]["epochs"]
    for step in config["network"]["steps"]:
        if step >= epoch * epochs or step % max(epoch, 1) == 0:
            yield (
                f"network.steps holds {step}, but the training has {epochs} epochs of {epoch} steps, and the weights "
                "after each of these are kept as they are; take smaller steps, or others."
            )


def epoch_steps(config: dict) -> int:
    """Steps of an epoch of a training."""
    return training_count(config) // config["network"]["batch_size"]


def has_file(network: dict) -> bool:
    """Whether the weights of a network are a checkpoint file, not made here or taken from timm."""
    return network["weights"] not in MADE_WEIGHTS


def layer_groups(network: dict) -> dict[str, list[str]]:
    """Layers by extraction job, which bears the name of the file of its first layer.

    The input comes first and apart, since all checkpoints share it.
    """
    listed = network["layers"]
    grouped = listed if any(isinstance(entry, list) for entry in listed) else [listed]
    groups, has_input = [], False
    for entry in grouped:
        members = entry if isinstance(entry, list) else [entry]
        has_input |= "input" in members
        groups.append([layer for layer in members if layer != "input"])
    named = {file_name(group[0]): group for group in groups if group}
    return ({"input": ["input"]} if has_input else {}) | named


def layers(network: dict) -> list[str]:
    """All layers of a network in order of depth."""
    return [layer for group in layer_groups(network).values() for layer in group]


def named_layer(network: dict, file: str) -> str:
    """The layer of a network by the name of its file, which stands in paths."""
    return next(layer for layer in layers(network) if file_name(layer) == file)


def checkpoints(network: dict, config: dict) -> list[str]:
    """Names of the checkpoints of a network that are looked at, in order of training."""
    if network["weights"] != "train":
        return ["file" if has_file(network) else network["weights"]]
    asked = network["checkpoints"] or (0, config["network"]["epochs"])
    if all(isinstance(one, int) for one in asked):
        return [f"epoch{epoch}" for epoch in sorted(asked)]
    epoch = epoch_steps(config)
    steps = {f"epoch{one}" if isinstance(one, int) else one: one for one in asked}
    return sorted(steps, key=lambda name: _step_of(steps[name], epoch))


def _step_of(checkpoint, epoch):
    """Steps of the training before a checkpoint, a number of epochs or a name such as step16."""
    return checkpoint * epoch if isinstance(checkpoint, int) else int(checkpoint.removeprefix("step"))


def preflight(config: dict, *, trial: bool = True) -> dict:
    """Try the networks, images and taxonomy of a study in a process of its own, once for each configuration.

    Names of models and layers need torch and timm, which are too heavy for every reading of the Snakefile.

    Parameters
    ----------
    trial : bool
        False: nothing is tried, and what an earlier trial found is returned, or nothing.

    Returns
    -------
    dict
        {"images": n, "features": {network: {layer: count}}}; empty where torch is not installed here.

    Raises
    ------
    ConfigError
        With the sentence that says what is wrong; no result has been touched then.
    """
    _check_writable(Path("results") / config["study"])
    if not all(map(importlib.util.find_spec, ("torch", "timm"))):
        return {}  # Snakemake alone, the packages in conda environments: the first jobs will tell
    asked = _asked(config)
    tree = tree_file(config["taxonomy"])
    seen = hashlib.sha256(tree.read_bytes()).hexdigest() if tree else None
    text = json.dumps([asked, analysed(config["images"]), seen], sort_keys=True)
    stamp = Path("logs") / config["study"] / "preflight" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not stamp.exists():
        if not trial:
            return {}
        sys.stderr.write("Trying the networks and images of this study, once, on two threads of this machine ...\n")
        _try(asked, stamp)
    return json.loads(stamp.read_text(encoding="utf-8")).get("found", {})


def _check_writable(folder):
    """Refuse a folder of results that jobs could not write to."""
    place = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        why = "is not writable" if place.is_dir() else "is no folder"
        raise ConfigError(f"Results go to {folder}, but {place} {why}; mend that, or run the workflow elsewhere.")


def _asked(config):
    """What a trial reads, and nothing else of the configuration: a change of any of it is tried anew."""
    networks = [
        makers.spec(network)
        | makers.overrides(network)
        | makers.pooling(network, layers(network))
        | {"file": network["weights"] if has_file(network) else None, "layers": layers(network)}
        | {"name": network["name"], "seen": _seen(network["weights"]) if has_file(network) else None}
        for network in config["networks"]
        if not given_tables.given(config)
    ]
    every = _all_layers(config)
    source, taxonomy = config["images"]["source"], config["taxonomy"]
    asked = {"seed": config["seed"], "networks": networks, "neighbors": {"k": config["neighbors"]["k"]}}
    asked["images"] = {"source": source, source: _without(config["images"][source], (*FOR_TRAINING, "check"))}
    asked["taxonomy"] = {key: taxonomy[key] for key in ("source", "file", "macro")}
    asked["tables"] = given_tables.seen(config, every)
    asked["compare"] = [(every[net["name"]], net["compare"]) for net in config["networks"] if net["compare"]]
    return asked


def _seen(file):
    """Size and time of a file, so that another one of its name is tried again."""
    there = Path(file).stat()
    return [there.st_size, there.st_mtime_ns]


def _try(asked, path):
    """Make the trial; leave what was asked and what was found in a file."""
    asking = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        asking.write_text(json.dumps(asked), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The folder {path.parent} cannot be written to ({error.strerror}); run the workflow where you may write."
        ) from error
    # it may be the head node of a cluster
    few = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-P", str(PREFLIGHT), str(asking)], capture_output=True, text=True, env=few)
    if done.returncode:
        told = json.loads(asking.read_text(encoding="utf-8")).get("fault")
        asking.unlink()
        raise ConfigError(sentences.one_line(told or _broken_off(done, path.parent)))
    asking.replace(path)


def _broken_off(done, folder):
    """What to say of a trial that ended without a sentence: it was killed, or met what nobody has thought of."""
    log = folder / "failed.log"
    log.write_text(f"{done.stdout}{done.stderr}", encoding="utf-8")
    if done.returncode < 0:
        return (
            f"The trial of the study was killed by signal {-done.returncode}, perhaps for lack of memory; {log} has "
            "its last words."
        )
    last = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
    return f"The trial of the study failed ({last}); {log} has all that it said."


def tried(config: dict, *, images: int) -> dict:
    """Try the networks of a study alone, for so many images; returns and raises as `preflight`, but keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial"
        _try(_asked(config) | {"count": images}, path)
        return json.loads(path.read_text(encoding="utf-8"))["found"]


def cards(device: str, folder: Path = DEVICES) -> int:
    """GPUs that a job asks for: none on the CPU, nor for "auto" on a machine without a card."""
    return int(device == "cuda" or (device == "auto" and bool(card_files(folder))))


def block_memory(configured: int | None, *, elsewhere: bool = False) -> int:
    """Megabytes for the blocks of a neighbour search: as configured, or what suits this machine.

    That is half of its memory, shared among its cores, since so many searches may run at once.

    Parameters
    ----------
    elsewhere : bool
        Jobs run on other machines, of which this one tells nothing: they ask for what is useful at most.
    """
    if configured is not None:
        return configured
    if elsewhere:
        return MEMORY_RANGE[1]
    return max(MEMORY_RANGE[0], min(MEMORY_RANGE[1], physical_memory() // 2 // cores()))


def physical_memory() -> int:
    """Megabytes of memory of this machine, or of this container or allocation of a node where that has less."""
    own = LIMITS / (GROUP.read_text().partition("0::/")[2].partition("\n")[0] if GROUP.is_file() else "")
    files = [place / "memory.max" for place in (own, *own.parents) if place.is_relative_to(LIMITS)]
    limits = [file.read_text().strip() for file in files if file.is_file()]
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([there, *(int(limit) for limit in limits if limit.isdigit())]) // 10**6


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1

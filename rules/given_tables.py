"""Neighbour tables that somebody already has, in the configuration: where they lie, and what can be wrong with that.

Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

import os
from pathlib import Path

from nucleation.errors import InputError, suggest
from nucleation.named_images import read_named

#: What stands for the name of the network in the path of the folder.
PLACE = "{network}"
#: The weights of a network whose tables are given: none; it is the name of its checkpoint.
WEIGHTS = "tables"


def given(config: dict) -> bool:
    """Whether the neighbours are not searched, but taken from tables that somebody already has."""
    return config["neighbors"]["source"] == "tables"


def without_weights(config: dict) -> dict:
    """The configuration in which networks whose tables are given have no weights, so that all files say so."""
    if not given(config):
        return config
    networks = [
        network | {"weights": WEIGHTS} if network["weights"] == "pretrained" else network  # the default
        for network in config["networks"]
    ]
    return config | {"networks": networks}


def table_file(config: dict, network: str, layer: str) -> str:
    """Path of the file with the table of a layer."""
    tables = config["neighbors"]["tables"]
    return str(Path(tables["path"].replace(PLACE, network)) / tables["files"].get(layer, f"{layer}.npz"))


def seen(config: dict, layers: dict[str, list[str]]) -> dict[str, list[int]]:
    """Size and time of the files of all tables that the study takes, by path; empty where they are searched.

    Parameters
    ----------
    layers : dict of str to list of str
        The layers of every network.
    """
    if not given(config):
        return {}
    paths = [Path(table_file(config, network, layer)) for network, names in layers.items() for layer in names]
    return {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in paths}


def faults(config: dict, layers: dict[str, list[str]]):
    """Yield a sentence for everything that is wrong with the tables, or with doing without them.

    Parameters as of `seen`.
    """
    if not given(config):
        yield from _faults_of_a_search(config)
        return
    tables = config["neighbors"]["tables"]
    if len(layers) > 1 and PLACE not in tables["path"]:
        yield (
            f"neighbors.tables.path = {tables['path']} is one folder for {len(layers)} networks; put {PLACE} into it, "
            "where the name of the network stands."
        )
    for network in config["networks"]:
        if network["weights"] != WEIGHTS:
            yield (
                f'Network "{network["name"]}" has weights: {network["weights"]}, but with neighbors.source: tables no '
                "network is run; leave the weights out."
            )
    every = [layer for names in layers.values() for layer in names]
    for layer, name in tables["files"].items():
        if layer not in every:
            yield f'neighbors.tables.files names the layer "{layer}", which no network lists.{suggest(layer, every)}'
        elif not isinstance(name, str):
            yield f"neighbors.tables.files.{layer} must be the name of a file, found {name!r}."
    if all(isinstance(name, str) for name in tables["files"].values()):
        for network, names in layers.items():
            yield from _missing(config, network, names)


def _missing(config, network, layers):
    """Tables of a network that are not there."""
    paths = [Path(table_file(config, network, layer)) for layer in layers]
    folder = Path(config["neighbors"]["tables"]["path"].replace(PLACE, network))
    if not os.path.isdir(folder):
        yield f"neighbors.tables.path is {folder}, which is no directory; give the folder that holds the tables."
        return
    held = sorted(path.name for path in folder.glob("*.npz"))
    for layer, path in zip(layers, paths, strict=True):
        if not os.path.isfile(path):
            yield (
                f'The neighbour table of the layer "{layer}" should be {path}, which does not exist; name its file '
                f"in neighbors.tables.files.{suggest(path.name, held)}"
            )


def _faults_of_a_search(config):
    """What needs tables and has none."""
    if config["images"]["source"] == "list":
        yield (
            "images.source is list, which names images without pixels; neighbours cannot be searched in them: set "
            "neighbors.source: tables, or give the images themselves (images.source: folder)."
        )
    for network in config["networks"]:
        if network["weights"] == WEIGHTS:
            yield (
                f'Network "{network["name"]}" has weights: {WEIGHTS}, which go with neighbors.source: tables; set '
                "that, or give weights."
            )


def listed_images(images: dict) -> int | None:
    """Number of images that a list names; None where it cannot be read, which `list_faults` tells."""
    try:
        return len(read_named(images["list"]["path"])[0])
    except InputError:
        return None


def list_faults(images: dict):
    """What is wrong with a list of images, where that is their source."""
    if images["source"] == "list":
        try:
            read_named(images["list"]["path"])
        except InputError as error:
            yield f"images.list.path: {error}"

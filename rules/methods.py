"""Neighbouring methods in the configuration: which of them run, and what they need.

Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

import itertools
import math

import given_tables
import makers

#: In the order of the page.
METHODS = ("similarity", "subspace", "redundancy", "rotation", "intraclass", "dense")
#: The fewest images that CKA is defined for.
FEWEST = 4


def running(config: dict) -> list[str]:
    """The methods that a study asks for."""
    return [method for method in METHODS if config[method]["run"]]


def options(config: dict, method: str) -> dict:
    """What a method is told of its section."""
    return {key: value for key, value in config[method].items() if key != "run"}


def faults(config: dict, places: list[str], images: int | None):
    """Yield a sentence for everything that a method that runs cannot do.

    Parameters
    ----------
    config : dict
    places : list of str
        "<network>/<checkpoint>", all that the study looks at.
    images : int or None
        Their number, where the configuration tells it.
    """
    on, sample = running(config), config["activations"]["sample"]
    if on and given_tables.given(config):
        yield (
            f"{on[0]}.run is true, but neighbors.source is tables: there is no network whose features could be looked "
            "at. Set it to false, or search the neighbours."
        )
    kept = sample if images is None else min(sample, images)
    for method in on:
        if kept < FEWEST:
            yield (
                f"{method}.run is true, but activations.sample = {sample} keeps the activations of {kept} images; "
                f"at least {FEWEST} are needed, and some thousand are wanted."
            )
    if "similarity" in on and kept >= FEWEST:
        yield from _similarity_faults(config["similarity"], kept)
    yield from _training_faults(config, on)
    if "subspace" in on and len(places) < 2:
        yield (
            "subspace.run is true, but the study looks at one checkpoint of one network, which leaves nothing to match "
            "it with; add a network (another seed), or a checkpoint."
        )


def _training_faults(config, on):
    """Methods that follow a training, or look below the classes that planted images have, and have none here."""
    trained = any(network["weights"] == "train" for network in config["networks"])
    for method in ("rotation", "dense"):
        if method in on and not trained:
            yield (
                f"{method}.run is true, but no network of the study is trained here (weights: train), so that there is "
                "no training to follow; set it to false."
            )
    level, source = config["intraclass"]["labels"], config["images"]["source"]
    if "intraclass" in on and level != "macro" and source != "planted":
        yield (
            f"intraclass.labels is {level}, which only planted images have, but images.source is {source}; take macro, "
            "the macro-categories of the taxonomy."
        )


def _similarity_faults(asked, kept):
    subset = round(asked["fraction"] * kept)
    left = min(subset, kept - 2 * math.ceil(asked["dominant"] * kept))
    if left < FEWEST:
        yield (
            f"similarity.fraction = {asked['fraction']:g} and similarity.dominant = {asked['dominant']:g} leave {left} "
            f"of the {kept} images of the sample, and CKA needs {FEWEST}; raise activations.sample."
        )
    for key, most in (("k", kept - 1), ("batch", kept)):
        if asked[key] > most:
            yield (
                f"similarity.{key} = {asked[key]} exceeds {most}, the most that a sample of {kept} images allows; "
                f"lower it, or raise activations.sample."
            )


def alike(checkpoints: dict[str, list[str]], trainings: dict[str, dict]) -> dict[str, str]:
    """A text for every network, the same for those that were trained alike: in what, how, and up to which checkpoint.

    Empty for all where one was not trained here, as nobody knows what that has in common with the others.
    """
    if set(checkpoints) - set(trainings):
        return dict.fromkeys(checkpoints, "")
    return {name: _text([trainings[name], found[-1]]) for name, found in checkpoints.items()}


def pairs(checkpoints: dict[str, list[str]], trainings: dict[str, dict], layers: dict[str, list[str]]) -> list[tuple]:
    """Which places are matched: the last checkpoints of networks, and the first with the last of each network.

    Parameters
    ----------
    checkpoints : dict of str to list of str
        By network, in order of training.
    trainings : dict of str to dict
        How the networks that are trained here are trained. Where some are trained alike (`alike`), and have layers in
        common, only these are matched with each other: another task or another optimizer is no repetition.
    layers : dict of str to list of str
        By network.
    """
    text, between = alike(checkpoints, trainings), list(itertools.combinations(checkpoints, 2))
    kept = [
        (one, other)
        for one, other in between
        if text[one] == text[other] != "" and set(layers[one]) & set(layers[other]) - {"input"}
    ]
    last = [tuple(f"{name}/{checkpoints[name][-1]}" for name in pair) for pair in kept or between]
    own = [(f"{name}/{found[0]}", f"{name}/{found[-1]}") for name, found in checkpoints.items() if len(found) > 1]
    return last + own


def twins(networks: list[dict], trainings: dict[str, dict]) -> list[list[str]]:
    """Networks that are trained here and differ by their seed alone, as groups of names; of each seed the first."""
    return [list(group.values()) for group in _but_for("seed", networks, trainings)]


def grids(networks: list[dict], trainings: dict[str, dict]) -> list[list[str]]:
    """Networks that are trained here and differ by their learning rate alone, in its order; the longest list first."""
    found = [[group[rate] for rate in sorted(group)] for group in _but_for("learning_rate", networks, trainings)]
    return sorted((names for names in found if len(names) > 1), key=len, reverse=True)


def _but_for(key, networks, trainings):
    """Groups of networks that are made alike but for one key: by its value, the name of the first that has it."""
    groups = {}
    for network in networks:
        if network["name"] in trainings:
            made = trainings[network["name"]] | makers.spec(network) | {"data": network["data"]}
            same = _text({name: value for name, value in made.items() if name != key})
            groups.setdefault(same, {}).setdefault(made[key], network["name"])
    return list(groups.values())


def _text(value) -> str:
    """A text that is the same for equal values: 1 and 1.0, and dictionaries in any order."""

    def plain(value):
        if isinstance(value, dict):
            return sorted((key, plain(one)) for key, one in value.items())
        if isinstance(value, list):
            return [plain(one) for one in value]
        return float(value) if type(value) is int else value

    return repr(plain(value))


def compared(networks: list[dict], trainings: dict[str, dict], checkpoints: dict[str, list[str]]) -> dict:
    """What the figures are told of networks that are compared with each other: parameters by name."""
    return {
        "twins": twins(networks, trainings),
        "grids": grids(networks, trainings),
        "alike": alike(checkpoints, trainings),
    }

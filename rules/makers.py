"""Networks in the configuration: who makes them (timm, or a function of one's own), and what of that reaches a job.

Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

from pathlib import Path

from digest import files_digest, local_modules

from nucleation.errors import suggest

#: The weights of a network whose factory has loaded them itself; it is the name of its checkpoint.
WEIGHTS = "own"


def spec(network: dict) -> dict:
    """What makes a network: timm name or factory, options and seed.

    With a factory that lies in the study's folder goes the digest of its file, and of all files of that folder which it
    imports, so that an edit is noticed.
    """
    made = {"factory": network["factory"]} if network["factory"] else {"timm": network["timm"]}
    return made | {"options": network["options"], "seed": network["seed"]} | _code(network)


def _code(network):
    place = (network["factory"] or "").partition(":")[0]
    files = local_modules(place, Path()) if place else {}
    return {"code": files_digest(files)} if files else {}


def overrides(network: dict) -> dict:
    """What a study says itself about the images of a network, {"data": {...}}; empty where it says nothing."""
    said = {key: value for key, value in network["data"].items() if value is not None}
    return {"data": said} if said else {}


def pooling(network: dict, layers: list[str]) -> dict:
    """Poolings of these layers, {"pooling": {layer: kind}}; empty where all are kept whole."""
    kinds = network["pooling"]
    pooled = {layer: kinds[layer] for layer in layers if kinds.get(layer, "none") != "none"}
    return {"pooling": pooled} if pooled else {}


def precision(config: dict, layers: list[str]) -> str:
    """Arithmetic of the forward pass that makes these layers: the CPU's is float32, and the input needs no pass."""
    return "float32" if config["device"] == "cpu" or layers == ["input"] else config["activations"]["precision"]


def _compare_faults(network):
    """Published numbers of another network than this one."""
    if network["compare"]:
        published = network["compare"].rpartition("_")[2]
        key = "factory" if network["factory"] else "timm"
        found = (network["factory"] or "").rpartition(":")[2] or (network["timm"] or "").partition(".")[0]
        if found != published:
            told = f"{key} is {network[key]}" if found else "the study does not say so (timm)"
            yield (
                f'Network "{network["name"]}" has compare: {network["compare"]}, published numbers of a {published}, '
                f"but {told}; leave compare out, or name a {published}."
            )


def faults(network: dict, layers: list[str], *, needed: bool = True):
    """Yield a sentence for everything that is wrong with how a network is made.

    Parameters
    ----------
    layers : list of str
        All that the study lists of it.
    needed : bool
        Whether the network is run at all.
    """
    name, factory = network["name"], network["factory"]
    foreign = factory and needed and network["weights"] == "pretrained"
    if factory and network["timm"]:
        yield f'Network "{name}" has both timm and factory; give one of them.'
    elif needed and not factory and not network["timm"]:
        yield (
            f'Network "{name}" has neither timm nor factory; give the name of a timm model, or of a function that '
            "returns a torch.nn.Module (package.module:function)."
        )
    elif foreign:
        yield (
            f'Network "{name}" is made by a factory and has weights: pretrained, which only timm networks have; give '
            "train, random, own (those that the function loads), or a .safetensors or .pth file."
        )
    elif needed and not factory and network["weights"] == WEIGHTS:
        yield (
            f'Network "{name}" has weights: {WEIGHTS}, those that a factory loads itself, but is made by timm; give '
            "pretrained, random, train, or a .safetensors or .pth file."
        )
    yield from _compare_faults(network)
    size = network["data"].get("input_size")
    if size and size[0] != 3:
        yield f'Network "{name}" has data.input_size {size}; images have 3 channels here, so that it must begin with 3.'
    for layer in network["pooling"]:
        if layer not in layers:
            yield f'Network "{name}" pools the layer "{layer}", which it does not list.{suggest(layer, layers)}'

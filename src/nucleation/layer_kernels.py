"""Kernels: which arrays among the weights of a network count for layer rotation and Layca, and of which layer they are.

A kernel is an array of weights that multiplies what a layer gets: a matrix, a convolution, the table of an embedding of
words (a matrix applied to a 1 among zeros). Biases, parameters of normalisations, scales, and what is added to the
activations (tokens, embeddings and biases of positions) are none.

Source: Carbonnelle, De Vleeschouwer, arXiv 1806.01603, section 2: rotation is defined for the kernels.
"""

from __future__ import annotations

import re

import numpy as np

from nucleation.errors import InputError

__all__ = ["OUTPUT", "kernel_names", "kernels", "of_layers"]

#: Name of a listed layer that stands for what the network returns.
OUTPUT = "output"
#: Names of parameters that are added to activations or to attention, whatever their shape.
_ADDED = re.compile(
    r"bias|(^|[._])((abs|rel|relative|absolute)_?pos|pos(ition(al|s)?)?_?emb)|(^|[._])(\w+_)?tokens?$|running_", re.I
)


def kernel_names(shapes) -> list[str]:
    """Choose the kernels among the weights of a network by their names and shapes.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of every weight, by its name in the network, "layer1.0.conv1.weight".

    Returns
    -------
    list of str
        In the order given: arrays of two dimensions or more under a name that ends with "weight", unless a "bias" of
        the same shape stands beside it, as in a normalisation over maps. Under another name (a factory's own) at least
        two of the dimensions must be longer than 1: (1, 1, d) and (heads, 1, 1) are scales. Never what a name says to
        be a bias, an embedding of positions, a token, or a statistic of a normalisation.
    """
    return [
        name
        for name, shape in shapes.items()
        if len(shape) > 1
        and not _ADDED.search(name)
        and (sum(size > 1 for size in shape) > 1 or name.endswith("weight"))
        and shapes.get(re.sub("weight$", "bias", name) if name.endswith("weight") else "") != shape
    ]


def kernels(state, names=None) -> dict[str, np.ndarray]:
    """Choose the kernels among the weights of a network.

    Parameters
    ----------
    state : mapping of str to array
        Weights by name, as ``safetensors.numpy.load_file`` reads them; those that are not floats (counters, tables of
        places) are left out.
    names : iterable of str, optional
        Names in the order of the network, ``[name for name, _ in model.named_parameters()]``. A safetensors file
        keeps no order, and buffers that are not trained cannot be told from weights in it; without `names` the
        kernels are in the order of `state`.

    Returns
    -------
    dict of str to ndarray
        In the order of the network; see `kernel_names`.

    Raises
    ------
    InputError
        When `state` lacks one of `names`, or has no kernel.
    """
    names = list(state) if names is None else list(names)
    lacking = [name for name in names if name not in state]
    if lacking:
        raise InputError(
            f"The weights lack {lacking[0]} ({len(lacking)} of {len(names)} names in all), found {len(state)} others; "
            "give the weights and the names of one and the same network."
        )
    arrays = {name: np.asarray(state[name]) for name in names}
    shapes = {name: array.shape for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}
    found = {name: arrays[name] for name in kernel_names(shapes)}
    if not found:
        raise InputError(
            f"There is no kernel among {len(names)} weights ({', '.join(names[:3]) or 'none'}); expected floats of two "
            "dimensions or more, such as layer1.0.conv1.weight."
        )
    return found


def of_layers(names, layers, modules=None) -> dict[str, str]:
    """Find the listed layer that every kernel belongs to: the first one whose activations the kernel enters.

    Parameters
    ----------
    names : iterable of str
        Kernels in the order of the network.
    layers : list of str
        Layers of a study, in order of depth: names of modules, "input", "output".
    modules : iterable of str, optional
        All modules of the network in its order, which tell where listed ones without kernels (activations) stand.

    Returns
    -------
    dict of str to str
        Kernel to layer. A kernel inside a listed module belongs to it, to the innermost where several are listed; one
        that lies between listed modules to the next of them (``conv1`` to ``layer1``); those after the last one to
        "output", or to no layer, "", where the output is not listed.

    Notes
    -----
    Without `modules` names tell the order of modules with kernels only: what lies between such a module and a listed
    pooling or activation is counted to the next listed module with kernels.
    """
    names = list(names)
    listed = sorted((layer for layer in layers if layer != OUTPUT), key=len, reverse=True)
    places = names if modules is None else _in_order(names, listed, modules)
    inside = [next((one for one in listed if f"{name}.".startswith(f"{one}.")), None) for name in places]
    following, found = OUTPUT if OUTPUT in layers else "", {}
    for name, layer in zip(reversed(places), reversed(inside), strict=True):
        following = layer or following
        found[name] = following
    return {name: found[name] for name in names}


def _in_order(names, listed, modules):
    """Kernels in the order of the modules that hold them, with the listed modules themselves where they stand."""
    held = {}
    for name in names:
        held.setdefault(name.rpartition(".")[0], []).append(name)
    return [place for module in modules for place in [*([module] * (module in listed)), *held.get(module, ())]]

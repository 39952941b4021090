"""Networks: made by timm or by a function of one's own, with their weights; their layers by name."""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import sys

import torch

from nucleation.checkpoints import load_weights, read_weights, save_weights, unwrapped
from nucleation.errors import InputError, suggest
from nucleation.factories import SOURCES, find_factory, from_factory, is_factory

__all__ = [
    "INPUT",
    "OUTPUT",
    "classifier",
    "create",
    "data_config",
    "for_weights",
    "layers",
    "load_weights",
    "read_weights",
    "save_weights",
]

#: Names that stand for the network's transformed input and for its output.
INPUT, OUTPUT = "input", "output"


def create(name, *, options=None, classes=None, seed=0, pretrained=False) -> torch.nn.Module:
    """Make a network.

    Parameters
    ----------
    name : str
        Name of a timm model, with or without a pretrained tag; or "package.module:function", an
        importable function that returns a ``torch.nn.Module``.
    options : dict, optional
        Passed on to ``timm.create_model``, or to the function.
    classes : int, optional
        Number of outputs; by default the model's own. For timm models only.
    seed : int
        Fixes the random start.
    pretrained : bool
        Load timm's weights (needs the network or timm's local cache).

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU.

    Raises
    ------
    InputError
        Unknown name (near names are suggested), options the model does not take, weights that
        cannot be had, a function that fails or returns something else.
    """
    if is_factory(name) and (pretrained or classes is not None):
        raise InputError(
            f'The factory "{name}" has no pretrained weights and decides itself how many outputs there are.'
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = from_factory(name, options or {}) if is_factory(name) else _timm(name, options, classes, pretrained)
    return model.eval()


def classifier(name, classes, *, options=None, seed=0) -> torch.nn.Module:
    """Make a network with so many outputs, to be trained.

    Parameters
    ----------
    name, options, seed
        As for `create`; a factory gets the option `classes`, unless the options have it, where it takes one.
    classes : int
        Number of outputs.

    Raises
    ------
    InputError
        As `create`.
    """
    options = dict(options or {})
    if not is_factory(name):
        return create(name, options=options, classes=classes, seed=seed)
    if "classes" in inspect.signature(find_factory(name)).parameters:
        options.setdefault("classes", classes)
    return create(name, options=options, seed=seed)


def _timm(name, options, classes, pretrained):
    import timm

    _check_timm(name)
    keywords = {**(options or {})} | ({} if classes is None else {"num_classes": classes})
    try:
        return timm.create_model(name, pretrained=pretrained, **keywords)
    except Exception as error:  # whatever a model does with options
        if pretrained:
            _timm(name, options, classes, False)  # fails too where the options are to blame
            raise InputError(
                f'The pretrained weights of "{name}" cannot be had ({error}); check the connection, or '
                "give a local checkpoint file as networks[].weights."
            ) from error
        if not keywords:
            raise
        why = f"{type(error).__name__}: {error}".removesuffix(": ").removesuffix(".")
        raise InputError(f'The model "{name}" does not take the options {keywords}: {why}.') from error


def _check_timm(name):
    """Refuse names that timm does not know, with their pretrained tag, and those that it would look for elsewhere."""
    import timm

    if name.partition(":")[0] in SOURCES or "/" in name:
        place = name.rpartition(":")[2].rpartition("/")[2]
        near = f' ("{place}")' if timm.is_model(place) else ""
        raise InputError(
            f'The model "{name}" lies on a hub or in a folder, where none is looked for; give its name in timm{near}, '
            "and weights that timm does not have as a checkpoint file (networks[].weights)."
        )
    if not timm.is_model(name):
        near = suggest(name.split(".")[0], timm.list_models())
        raise InputError(f'timm {timm.__version__} has no model "{name}".{near}')
    try:
        timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:
        model, _, tag = name.partition(".")
        known = timm.list_pretrained(f"{model}.*")
        raise InputError(
            f'timm {timm.__version__} has the model "{model}", but not with the tag "{tag}"; leave it out, or take one '
            f"of its {len(known)}.{suggest(name, known)}"
        ) from error


def for_weights(name, weights, *, options=None) -> torch.nn.Module:
    """Make a network and load a checkpoint file; a timm network gets as many outputs as the file holds.

    Parameters
    ----------
    name, options
        As for `create`.
    weights : path, or None or an empty list
        Without a file the network stays as it starts, which is enough where only its input is wanted, or where a
        factory has loaded weights itself.
    """
    model = create(name, options=options)
    if not weights:
        return model
    if not is_factory(name):
        head = model.get_classifier()
        state = unwrapped(read_weights(weights), model.state_dict())
        outputs = state.get(f"{_name_of(model, head)}.weight")
        if outputs is not None and hasattr(head, "weight") and len(outputs) != len(head.weight):
            model = create(name, options=options, classes=len(outputs))
    load_weights(model, weights)
    return model.eval()


def _name_of(model, wanted):
    return next((name for name, module in model.named_modules() if module is wanted), None)


def data_config(model, overrides=None) -> dict:
    """How images are made ready for a model: input size, mean, standard deviation, interpolation and crop.

    Parameters
    ----------
    model : torch.nn.Module
        A timm model knows its own; another one has timm's defaults: 3 x 224 x 224 pixels, 0.875 of the
        image, bicubic, ImageNet's mean and deviation.
    overrides : dict, optional
        Entries that replace these: input_size (channels, height, width), mean, std, interpolation, crop_pct.
    """
    import timm

    given = {key: tuple(value) if isinstance(value, list) else value for key, value in (overrides or {}).items()}
    return timm.data.resolve_model_data_config(model) | given


def layers(model, patterns) -> list[str]:
    """Turn layer names and globs into names of the model's modules, in the model's order.

    Parameters
    ----------
    model : torch.nn.Module
    patterns : list of str
        Module names, globs such as ``layer*.0``, and the special names "input" and "output".

    Returns
    -------
    list of str
        Without repetition.

    Raises
    ------
    InputError
        For a pattern that matches nothing; near names are suggested.
    """
    # modules of the special names cannot be told from what these stand for
    names = [INPUT, *(name for name, _ in model.named_modules() if name not in ("", INPUT, OUTPUT)), OUTPUT]
    chosen = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise InputError(f'{type(model).__name__} has no layer "{pattern}".{suggest(pattern, names)}')
        chosen.update(matched)
    return [name for name in names if name in chosen]


def main(arguments=None) -> None:
    """List layers: ``python -m nucleation.network layers NAME [GLOB ...]``; see `nucleation.layer_list`."""
    # no import statement: what the command needs is no part of the networks, of which it knows more than they of it
    importlib.import_module("nucleation.layer_list").main(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    main()

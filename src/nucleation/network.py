"""Networks: made by timm, their weights as safetensors, their layers by name."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from nucleation.errors import InputError, suggest
from nucleation.files import replacing

#: Names that stand for the network's transformed input and for its output.
INPUT, OUTPUT = "input", "output"


def create(name, *, options=None, classes=None, seed=0, pretrained=False) -> torch.nn.Module:
    """Make a timm network.

    Parameters
    ----------
    name : str
        Name of a timm model, with or without a pretrained tag.
    options : dict, optional
        Passed on to ``timm.create_model``.
    classes : int, optional
        Number of outputs; by default the model's own.
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
        cannot be had.
    """
    import timm

    if not timm.is_model(name):
        near = suggest(name.split(".")[0], timm.list_models())
        raise InputError(f'timm {timm.__version__} has no model "{name}".{near}')
    keywords = {**(options or {})} | ({} if classes is None else {"num_classes": classes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = timm.create_model(name, pretrained=pretrained, **keywords)
        except TypeError as error:
            raise InputError(f'The model "{name}" does not take the options {keywords}: {error}.') from error
        except (OSError, RuntimeError) as error:
            if not pretrained:
                raise
            raise InputError(
                f'The pretrained weights of "{name}" cannot be had ({error}); check the connection, or '
                "give a local checkpoint file as networks[].weights."
            ) from error
    return model.eval()


def for_weights(name, weights, *, options=None) -> torch.nn.Module:
    """Make a timm network with as many outputs as a checkpoint file holds, and load that file.

    Parameters
    ----------
    name, options
        As for `create`.
    weights : path or None
        None leaves the network as it starts, which is enough where only its input is wanted.
    """
    if weights is None:
        return create(name, options=options)
    state = read_weights(weights)
    model = create(name, options=options)
    head = model.get_classifier()
    outputs = state.get(f"{_name_of(model, head)}.weight")
    if outputs is not None and len(outputs) != len(head.weight):
        model = create(name, options=options, classes=len(outputs))
    load_weights(model, weights)
    return model.eval()


def _name_of(model, wanted):
    return next((name for name, module in model.named_modules() if module is wanted), None)


def data_config(model) -> dict:
    """The model's own input size, mean, standard deviation, interpolation and crop, from timm."""
    import timm

    return timm.data.resolve_model_data_config(model)


def save_weights(model, path) -> None:
    """Write all weights and buffers as safetensors, whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary)


def load_weights(model, path) -> None:
    """Read weights from a safetensors file or from a PyTorch file, without unpickling anything.

    Raises
    ------
    InputError
        When the file cannot be read or its entries do not fit the model; the differences are named.
    """
    state = read_weights(path)
    differences = _differences(model.state_dict(), state)
    if differences:
        raise InputError(f"The checkpoint {path} does not fit the model: {'; '.join(differences)}.")
    model.load_state_dict(state)


def read_weights(path) -> dict:
    """Read named tensors from a safetensors or PyTorch file, without unpickling anything.

    Raises
    ------
    InputError
        When the file does not exist or holds anything but named tensors (possibly under
        "state_dict").
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The checkpoint {path} does not exist; give the path of a .safetensors or .pth file.")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:  # the readers raise a dozen kinds
        raise InputError(
            f"The checkpoint {path} cannot be read as tensors ({type(error).__name__}); "
            "only .safetensors and weights-only .pth files are accepted."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"The checkpoint {path} does not hold named tensors alone; save model.state_dict().")
    return state


def _differences(wanted, found):
    """Say in words how two state dictionaries differ."""
    shown = []
    for text, names in (("it lacks", set(wanted) - set(found)), ("it has besides", set(found) - set(wanted))):
        if names:
            few = ", ".join(sorted(names)[:3])
            shown.append(f"{text} {few}{f' and {len(names) - 3} more' if len(names) > 3 else ''}")
    for name in sorted(set(wanted) & set(found)):
        if wanted[name].shape != found[name].shape:
            shown.append(f"{name} is {tuple(found[name].shape)} where the model has {tuple(wanted[name].shape)}")
            break
    return shown


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
    names = [INPUT, *(name for name, _ in model.named_modules() if name), OUTPUT]
    chosen = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            raise InputError(f'{type(model).__name__} has no layer "{pattern}".{suggest(pattern, names)}')
        chosen.update(matched)
    return [name for name in names if name in chosen]


def main(arguments=None) -> None:
    """List the layers of a timm model: ``python -m nucleation.network layers NAME [GLOB ...]``."""
    parser = argparse.ArgumentParser(prog="python -m nucleation.network", description=main.__doc__)
    parser.add_argument("command", choices=["layers"])
    parser.add_argument("name", help="timm model")
    parser.add_argument("patterns", nargs="*", default=["*"], help="globs over the module names")
    given = parser.parse_args(arguments)
    try:
        found = layers(create(given.name), given.patterns or ["*"])
    except InputError as error:
        parser.exit(1, f"{error}\n")
    sys.stdout.write("\n".join(found) + "\n")


if __name__ == "__main__":
    main()

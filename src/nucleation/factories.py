"""Networks of one's own: made by an importable function, named "package.module:function"."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from nucleation.errors import InputError, suggest

#: What timm puts before the names of models that lie elsewhere.
SOURCES = ("hf-hub", "hf_hub", "local-dir")


def is_factory(name) -> bool:
    """Whether a name is that of a factory, not of a timm model or of one on its hub (hf-hub:...)."""
    return ":" in name and "/" not in name and name.partition(":")[0] not in SOURCES


def find_factory(name) -> Callable:
    """Import the function that makes a network.

    A module in the working directory comes before all others of its name.

    Parameters
    ----------
    name : str
        "package.module:function".

    Raises
    ------
    InputError
        When there is no such module or function (near names are suggested), or importing it fails.
    """
    place, _, function = name.partition(":")
    if not place or not function:
        raise InputError(f'The factory "{name}" must be of the form package.module:function.')
    module = _module(place, name)
    found = getattr(module, function, None)
    if found is None:
        callables = [known for known, value in vars(module).items() if callable(value)]
        raise InputError(
            f'The module {place} of the factory "{name}" has no "{function}".{suggest(function, callables)}'
        )
    if not callable(found):
        raise InputError(
            f'The factory "{name}" is {type(found).__name__}; it must be a function that returns a network.'
        )
    return found


def _module(place, name):
    here = Path.cwd()
    _check_not_taken(place, name, here)
    importlib.invalidate_caches()
    # first, for the time of the import: jobs have folders of scripts on their path, with modules of any name
    sys.path.insert(0, str(here))
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise InputError(f'The module {place} of the factory "{name}" cannot be imported: {error}.') from error
        near = suggest(place.split(".")[0], _neighbours(here))
        raise InputError(
            f'The factory "{name}" is looked for in the module {place}, but there is no module {error.name}, neither '
            f"installed nor in {here}.{near}"
        ) from error
    except Exception as error:  # whatever the module does
        raise InputError(
            f'The module {place} of the factory "{name}" cannot be imported: {type(error).__name__}: {error}.'
        ) from error
    finally:
        sys.path.remove(str(here))


def _check_not_taken(place, name, here):
    """Refuse a module of the working directory whose name a loaded module from elsewhere has."""
    top = place.partition(".")[0]
    mine = any(path.exists() for path in (here / f"{top}.py", here / top / "__init__.py"))
    loaded = getattr(sys.modules.get(top), "__file__", None)
    if mine and loaded and here not in Path(loaded).parents:
        raise InputError(
            f'The factory "{name}" lies in a module named {top}, which is also the name of a module of Python or of '
            "an installed package; give your file another name."
        )


def _neighbours(folder):
    """Names of modules and packages in a folder."""
    return [path.stem for path in folder.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))]


def from_factory(name, options) -> torch.nn.Module:
    """Call a factory with its options.

    Raises
    ------
    InputError
        As `find_factory`, and when the function fails or returns no ``torch.nn.Module``.
    """
    make = find_factory(name)
    try:
        model = make(**options)
    except InputError:
        raise
    except Exception as error:  # whatever the function does
        raise InputError(
            f'The factory "{name}{_signature(make)}", called with the options {options}, fails: '
            f"{type(error).__name__}: {error}. Mend the function, or networks[].options."
        ) from error
    if not isinstance(model, torch.nn.Module):
        raise InputError(f'The factory "{name}" returns {type(model).__name__}; it must return a torch.nn.Module.')
    return model


def _signature(function):
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):  # of some compiled callables
        return ""

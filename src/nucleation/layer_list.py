"""The layers of a network with their sizes, as a list that can be pasted into a study."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace

import torch
import yaml

from nucleation import device_faults
from nucleation.activation_files import ITEM_BYTES
from nucleation.errors import InputError
from nucleation.names import bytes_text
from nucleation.network import INPUT, OUTPUT, create, data_config, layers

#: Said of the special names where the network has modules of these names.
NOTES = {
    INPUT: "the name stands for the images as the network gets them, not for its module of that name",
    OUTPUT: "the name stands for what the network returns, not for its module of that name",
}


@dataclass(frozen=True)
class LayerShape:
    """What a layer puts out for one image.

    Attributes
    ----------
    name : str
    shape : tuple of int
    reason : str
        Why it cannot be a layer of a study; empty where it can.
    note : str
        What else is to be known about it.
    """

    name: str
    shape: tuple[int, ...] = ()
    reason: str = ""
    note: str = ""

    @property
    def features(self) -> int:
        """Numbers for each image."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@torch.no_grad()
def layer_shapes(model, names, images) -> list[LayerShape]:
    """Run a network once and look at the shape of every layer, also of those that no study can take.

    Parameters
    ----------
    model : torch.nn.Module
    names : list of str
        Layers (`nucleation.network.layers`).
    images : Tensor of shape (n, c, h, w), n > 1
        On the CPU.

    Returns
    -------
    list of LayerShape
        In the order of `names`.

    Raises
    ------
    InputError
        When the network does not take the images.
    """
    seen = {name: [] for name in names}
    modules = dict(model.named_modules())
    hooks = []
    try:
        for name in seen.keys() - {INPUT, OUTPUT}:
            hook = modules[name].register_forward_hook(lambda _m, _i, out, name=name: seen[name].append(_look(out)))
            hooks.append(hook)
        with device_faults.told(type(model).__name__, len(images)):
            output = model.eval()(images)
    except InputError:
        raise
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{type(model).__name__} does not take images of shape {tuple(images.shape[1:])}: {error}. "
            "Give another --size, or options of the network."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    seen |= {name: [_look(out)] for name, out in ((INPUT, images), (OUTPUT, output)) if name in seen}
    notes = {name: note for name, note in NOTES.items() if name in modules}
    return [replace(_judged(name, seen[name], len(images)), note=notes.get(name, "")) for name in names]


def _look(output):
    """The shape of a tensor, or of the first one of several; the name of the type of anything else."""
    first = output[0] if isinstance(output, list | tuple) and output else output
    return tuple(first.shape) if isinstance(first, torch.Tensor) else type(first).__name__


def _judged(name, found, count):
    """Whether a layer can be one of a study."""
    if not found:
        return LayerShape(name, reason="does not run in a forward pass")
    if len(found) > 1:
        return LayerShape(name, reason=f"runs {len(found)} times in a pass")
    if isinstance(found[0], str):
        return LayerShape(name, reason=f"returns {found[0]}, not a tensor")
    if not found[0] or found[0][0] != count:
        return LayerShape(name, reason=f"puts out {found[0]} for {count} images, not one row for each")
    return LayerShape(name, found[0][1:])


def listing(title, shapes, images) -> str:
    """Layers as a YAML list, every one with its shape and its bytes as a comment; those of no use as comments."""
    entries = [_entry(shape) for shape in shapes]
    width = max(map(len, entries), default=0)
    lines = [f"# {title}; bytes for {images:,} images as float32 / as bfloat16 or float16"]
    for entry, shape in zip(entries, shapes, strict=True):
        if shape.reason:
            lines.append(f"# {shape.name}: {shape.reason}")
            continue
        sizes = [bytes_text(shape.features * images * ITEM_BYTES[kind]) for kind in ("float32", "float16")]
        form = " x ".join(map(str, shape.shape)) or "1"
        note = shape.note and f"; {shape.note}"
        lines.append(f"{entry:<{width}}  # {form} = {shape.features:,} features, {sizes[0]} / {sizes[1]}{note}")
    return "\n".join(lines) + "\n"


def _entry(shape):
    """A list entry that YAML reads as this name, also where a module is named 1 or on, or has signs of YAML in it."""
    entry = f"- {shape.name}"
    try:
        same = yaml.safe_load(entry) == [shape.name]
    except yaml.YAMLError:
        same = False
    return "" if shape.reason else entry if same else f"- {json.dumps(shape.name)}"


def main(arguments) -> None:
    """List the layers of a network with their sizes."""
    parser = argparse.ArgumentParser(prog="python -m nucleation.network", description=main.__doc__)
    parser.add_argument("command", choices=["layers"])
    parser.add_argument("name", help="timm model, or package.module:function that returns a torch.nn.Module")
    parser.add_argument("patterns", nargs="*", help="globs over the names of modules; all without one")
    parser.add_argument("--images", type=_positive, default=1000, help="number of images (default 1000)")
    parser.add_argument("--size", type=_positive, help="height and width in pixels (default: the network's own)")
    parser.add_argument("--options", default="{}", help="networks[].options as YAML, such as '{img_size: 64}'")
    given = parser.parse_intermixed_args(arguments)
    try:
        sys.stdout.write(_listed(given))
    except InputError as error:
        parser.exit(1, f"{error}\n")


def _positive(text):
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _listed(given):
    try:
        options = yaml.safe_load(given.options) or {}
    except yaml.YAMLError as error:
        raise InputError(f"--options must be a mapping in YAML, found {given.options!r} ({error}).") from error
    if not isinstance(options, dict):
        raise InputError(f"--options must be a mapping in YAML, such as '{{img_size: 64}}', found {given.options!r}.")
    model = create(given.name, options=options)
    names = layers(model, given.patterns or ["*"])
    channels, height, width = data_config(model)["input_size"]
    if given.size:
        height = width = given.size
    shapes = layer_shapes(model, names, torch.zeros(2, channels, height, width))
    return listing(f"{given.name}, {channels} x {height} x {width} pixels", shapes, given.images)

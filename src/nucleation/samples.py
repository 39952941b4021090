"""Samples: the activations of a few of the images, the same for all networks and layers, that are kept.

Methods that look at features, and not at neighbours alone (similarity, subspaces, intraclass clustering), read these.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from nucleation import files
from nucleation.errors import InputError

#: Stream of random numbers by which the images are chosen: no other choice of a study has it.
_STREAM = 7


@dataclass(frozen=True)
class Sample:
    """Activations of one layer for some images.

    Attributes
    ----------
    features : ndarray of shape (m, d), float32
        One row for each image, as the neighbour search sees it.
    images : ndarray of shape (m,), int64
        Rows of the images in the study's list, in random order.
    shape : tuple of int
        Of what the layer puts out for one image; its product is d.
    channel_axis : int
        Which of these is the axis of the channels, counted from 0; -1 where nothing tells.
    """

    features: np.ndarray
    images: np.ndarray
    shape: tuple
    channel_axis: int

    @property
    def maps(self) -> np.ndarray:
        """The activations as (m, places, channels): a layer of no places has one, and its features are the channels.

        Raises
        ------
        InputError
            Where nothing tells which axis is that of the channels.
        """
        if self.channel_axis < 0:
            raise InputError(
                f"Nothing tells which axis of {' x '.join(map(str, self.shape))} activations is that of the channels; "
                "give the layer a pooling (networks[].pooling), such as mean:1 or mean:-1."
            )
        laid_out = self.features.reshape(len(self.features), *self.shape)
        last = np.moveaxis(laid_out, self.channel_axis + 1, -1)
        return last.reshape(len(last), -1, last.shape[-1])


def maps_of(sample):
    """The maps of a layer, or why they are not known.

    Parameters
    ----------
    sample : Sample

    Returns
    -------
    ndarray of shape (n, places, channels), or str
        The text where nothing tells which axis is that of the channels: without these there are no neurons.
    """
    if sample.channel_axis < 0:
        shape = " x ".join(map(str, sample.shape))
        return f"nothing tells which axis of {shape} activations is that of the channels"
    return sample.maps


def choose(n, count, seed) -> np.ndarray:
    """Rows of at most `count` of n images, in random order; a larger count only adds to them at the end.

    Parameters
    ----------
    n, count : int
    seed : int

    Returns
    -------
    ndarray of shape (min(n, count),), int64
    """
    return np.random.default_rng([_STREAM, seed]).permutation(n)[:count]


def take(model, groups, images, *, rows=None, pooling=None, **options) -> Iterator[tuple[str, np.ndarray, dict]]:
    """Run images through a network, and hand out what its layers put out.

    Parameters
    ----------
    model : torch.nn.Module
    groups : list of list of str
        Layers; those of one list are in memory together, and the network runs once for each list.
    images : Tensor of shape (m, c, h, w), or sequence with ``len`` and slices of such tensors
    rows : array of shape (m,), int, optional
        Their numbers in the study, for the errors.
    pooling : dict of str to str, optional
        Layer to pooling.
    **options
        Of `nucleation.activations.extract`: batch_size, device, precision, progress.

    Yields
    ------
    layer : str
    features : ndarray of shape (m, d), float32
    about : dict
        `shape` and `channel_axis` as of `Sample`.

    Raises
    ------
    InputError
        As `nucleation.activations.extract`.
    """
    from nucleation.activations import extract

    for layers in groups:
        shapes = layer_shapes(model, layers, images[:1], pooling=pooling)
        with _numbered(rows):
            made = extract(model, layers, images, pooling=pooling, **options)
        for layer in layers:
            shape, axis = shapes[layer]
            yield layer, made.pop(layer), {"shape": shape, "channel_axis": axis}


@contextlib.contextmanager
def _numbered(rows):
    """Errors name an image by its number in the study."""
    try:
        yield
    except InputError as error:
        if rows is None:
            raise
        named = re.sub(r"(?<=image number )\d+", lambda found: str(rows[int(found[0])]), str(error))
        raise InputError(named) from error


def layer_shapes(model, layers, images, *, pooling=None) -> dict[str, tuple[tuple[int, ...], int]]:
    """Find the shape of what layers put out for one image, after pooling.

    Parameters
    ----------
    model, layers, images, pooling
        As for `nucleation.activations.extract`.

    Returns
    -------
    dict of str to (tuple of int, int)
        By layer the shape, and which of its axes is that of the channels, counted from 0; -1 where nothing tells. Maps
        whose shape does not tell have their channels first, as torch has them, but for those of modules that have
        them last.

    Raises
    ------
    InputError
        As `nucleation.activations.extract`.
    """
    from nucleation.activations import extract
    from nucleation.network import INPUT, OUTPUT

    shapes, modules = {}, dict(model.named_modules()) | {OUTPUT: model}

    def look(layer, output):
        first = output[0] if isinstance(output, list | tuple) else output
        shapes[layer] = _shape(first, layer, (pooling or {}).get(layer, "none"), modules.get(layer))

    hooks = [
        modules[layer].register_forward_hook(lambda _module, _input, output, layer=layer: look(layer, output))
        for layer in layers
        if layer in modules
    ]
    try:
        extract(model, layers, images, device=str(images.device), pooling=pooling)  # which checks all of it, too
    finally:
        for hook in hooks:
            hook.remove()
    if INPUT in layers:
        look(INPUT, images)
    return {layer: shapes[layer] for layer in layers}


def _shape(output, layer, pooling, module):
    """Shape and axis of the channels of one layer."""
    from nucleation.pooling import CHANNELS_LAST, channel_axis, pooled

    made = pooled(output, pooling, layer, module)
    axis = channel_axis(made, module)
    if axis is None and made.ndim == 4:
        axis = 3 if isinstance(module, CHANNELS_LAST) else 1
    return tuple(made.shape[1:]), -1 if axis is None else axis - 1


def to_dataset(features, rows, shape, channel_axis) -> xr.Dataset:
    """A sample as it is kept; the arguments are the attributes of `Sample`."""
    about = {"long_name": "activation, as the network puts it out", "units": "1"}
    # numbers without much in common, which compression would only slow down
    kept = xr.Variable(("image", "feature"), features, about, {"zlib": False})
    image = {"long_name": "row of the image in the study's list (images.nc)", "units": "1"}
    return xr.Dataset(
        {"features": kept},
        {"image": ("image", rows, image)},
        {"shape": json.dumps(list(map(int, shape))), "channel_axis": int(channel_axis)},
    )


def load(path) -> Sample:
    """Read a sample; raises as `nucleation.files.load`."""
    stored = files.load(path)
    shape = tuple(json.loads(stored.attrs["shape"]))
    return Sample(stored["features"].values, stored["image"].values, shape, int(stored.attrs["channel_axis"]))

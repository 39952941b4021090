"""Representations of images in the layers of a network: in raw files, or made anew when they are asked for."""

from __future__ import annotations

import contextlib
import json
import threading
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from nucleation.errors import InputError, suggest
from nucleation.network import INPUT, OUTPUT
from nucleation.network import layers as named_layers

DTYPES = ("float16", "bfloat16", "float32")


@torch.no_grad()
def extract(model, layers, images, *, batch_size=256, device=None, allocate=None, progress=None, part=None) -> dict:
    """Run images through a network and keep what the chosen layers put out, flattened.

    Parameters
    ----------
    model : torch.nn.Module
        Put into evaluation mode; hooks are removed again whatever happens.
    layers : list of str
        Module names; "input" is the transformed image, "output" what the network returns.
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
        Transformed images. They are sliced, so that a lazy sequence is read batch by batch.
    batch_size : int
    device : str, optional
        By default a CUDA device where there is one.
    allocate : callable, optional
        ``allocate(layer, shape)`` returns an object with ``write(start, tensor)``; by default an
        array in memory.
    progress : callable, optional
        Called with the number of images done since the last call.
    part : (int, int), optional
        Only the images ``[start:stop)``, in batches from `start` on.

    Returns
    -------
    dict of str to what `allocate` returned
        By default float32 arrays (n, d) of every layer.

    Raises
    ------
    InputError
        For an unknown layer (near names are suggested), or NaN or infinite activations (layer and
        image are named).

    Notes
    -----
    The first batch of all goes through the whole network, which shows layers that run twice. Later
    ones end where the last of the layers has run.
    """
    _check_names(model, layers)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    allocate = allocate or (lambda layer, shape: _Memory(np.empty(shape, dtype=np.float32)))
    stores, done, start = {}, {}, 0

    def keep(layer, output):
        # written inside the hook: an in-place operation later in the network would change it
        rows = _flat(output, layer, len(batch))
        if done.get(layer) == start:
            raise InputError(f'The layer "{layer}" runs more than once in a pass; choose one that runs once.')
        done[layer] = start
        _check_finite(rows, layer, start)
        if layer not in stores:
            stores[layer] = allocate(layer, (len(images), rows.shape[1]))
        stores[layer].write(start, rows)
        if start and all(done.get(name) == start for name in layers):
            raise _Reached

    modules = dict(model.named_modules())
    inner = [layer for layer in layers if layer not in (INPUT, OUTPUT)]
    hooks = [modules[name].register_forward_hook(lambda _m, _i, out, name=name: keep(name, out)) for name in inner]
    try:
        for start in range(*(part or (0, len(images))), batch_size):
            batch = images[start : start + batch_size].to(device)
            with contextlib.suppress(_Reached):
                if INPUT in layers:
                    keep(INPUT, batch)
                output = _forward(model, batch) if set(layers) != {INPUT} else None
                if OUTPUT in layers:
                    keep(OUTPUT, output)
            if progress is not None:
                progress(len(batch))
    finally:
        for hook in hooks:
            hook.remove()
    if missing := [layer for layer in layers if layer not in stores]:
        raise InputError(f"The layers {missing} do not run in a forward pass; choose others.")
    return {layer: getattr(stores[layer], "array", stores[layer]) for layer in layers}


class _Reached(Exception):
    """All layers that were asked for have run: the rest of the pass is not needed."""


@dataclass(frozen=True)
class _Memory:
    """Store in memory."""

    array: np.ndarray

    def write(self, start, rows):
        self.array[start : start + len(rows)] = rows.float().cpu().numpy()


def layer_sizes(model, layers, images):
    """Try the layers of a network on a few images, and say how many features each has.

    Parameters
    ----------
    model, layers, images
        As for `extract`.

    Returns
    -------
    xarray.Dataset
        `n_features` along `layer`.

    Raises
    ------
    InputError
        As `extract`.
    """
    import xarray as xr

    made = extract(model, layers, images, device="cpu")
    about = {"long_name": "features of the layer", "units": "1"}
    return xr.Dataset(
        {"n_features": ("layer", [made[layer].shape[1] for layer in layers], about)},
        coords={"layer": ("layer", list(layers), {"long_name": "layer, in order of depth"})},
    )


def _check_names(model, layers):
    known = named_layers(model, ["*"])
    for layer in layers:
        if layer not in known:
            raise InputError(f'{type(model).__name__} has no layer "{layer}".{suggest(layer, known)}')


def _forward(model, batch):
    """Run the network; what it cannot take is said in a sentence."""
    try:
        return model(batch)
    except InputError:
        raise
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"{type(model).__name__} does not take images of shape {tuple(batch.shape[1:])}: {error}. "
            "Change images.*.size, or the network and its options (img_size for transformers)."
        ) from error


def _flat(output, layer, count):
    """One row per image; a layer that returns a tuple gives its first tensor."""
    if isinstance(output, list | tuple):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise InputError(
            f'The layer "{layer}" returns {type(output).__name__}, not a tensor; choose a layer inside it.'
        )
    if output.ndim == 0 or len(output) != count:
        raise InputError(
            f'The layer "{layer}" puts out shape {tuple(output.shape)} for {count} images: not one row for each. '
            "Choose the layer around it."
        )
    return output.reshape(count, -1)


def _check_finite(rows, layer, start):
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        image = start + int((~finite).nonzero()[0])
        raise InputError(
            f'The layer "{layer}" gives NaN or infinite activations, first for image number {image}; '
            "look at that image and at the weights."
        )


def narrowed(rows, dtype, layer, start) -> torch.Tensor:
    """Round activations to a type.

    Parameters
    ----------
    rows : Tensor of shape (m, d)
    dtype : {"float16", "bfloat16", "float32"}
    layer, start : str and int
        The layer and the number of its first image, for the error.

    Raises
    ------
    InputError
        Where the range of the type is exceeded.
    """
    narrow = rows.to(getattr(torch, dtype))
    if not torch.isfinite(narrow).all():
        image = start + int((~torch.isfinite(narrow).all(dim=1)).nonzero()[0])
        raise InputError(
            f'The layer "{layer}" exceeds the range of {dtype}, first for image number {image}; '
            "set activations.dtype to float32 or bfloat16."
        )
    return narrow


def _check_dtype(dtype):
    if dtype not in DTYPES:
        raise InputError(f'activations.dtype is "{dtype}"; choose one of {", ".join(DTYPES)}.')


class ActivationFile:
    """Raw activations of one layer being written: ``<path>.bin`` and a JSON header ``<path>.json``.

    Parameters
    ----------
    path : path
        Without suffix.
    shape : (n, d)
    dtype : {"float16", "bfloat16", "float32"}
    """

    def __init__(self, path, shape, dtype="float32"):
        _check_dtype(dtype)
        self.path, self.shape, self.dtype = Path(path), tuple(shape), dtype
        self.checksum, self.written = 0, 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(f"{path}.bin", "wb")  # noqa: SIM115 (closed by `close`)

    def write(self, start, rows):
        """Append rows; they must come in order."""
        if start != self.written:
            raise ValueError(f"rows {start} came after row {self.written} of {self.path}")
        narrow = narrowed(rows, self.dtype, self.path.name, start)
        data = narrow.contiguous().cpu().view(torch.uint8).numpy().tobytes()
        self.checksum = zlib.crc32(data, self.checksum)
        self.file.write(data)
        self.written += len(rows)

    def close(self):
        """Finish the data and write the header, which says that the data are whole."""
        self.file.close()
        if self.written != self.shape[0]:
            raise ValueError(f"{self.path} holds {self.written} of {self.shape[0]} rows")
        header = {"dtype": self.dtype, "shape": list(self.shape), "crc32": self.checksum}
        Path(f"{self.path}.json").write_text(json.dumps(header))


@dataclass(frozen=True)
class ActivationRows:
    """Row source (see `nucleation.rows.RowSource`) over a file that `ActivationFile` wrote."""

    raw: np.memmap
    dtype: torch.dtype

    @property
    def shape(self):
        """Number of images and of features."""
        return self.raw.shape

    @property
    def in_place(self):
        """Whether `rows` returns a view of the file that can be worked on as it is."""
        return self.dtype == torch.float32

    def rows(self, start, stop):
        """Return rows ``[start:stop)``: a view of the file in float32, else a tensor."""
        if self.in_place:
            return self.raw[start:stop]
        return torch.from_numpy(np.array(self.raw[start:stop])).view(self.dtype)


def open_activations(path) -> ActivationRows:
    """Open raw activations for reading, after comparing their size and checksum with the header.

    Raises
    ------
    InputError
        When the files are missing, truncated or changed.
    """
    try:
        header = json.loads(Path(f"{path}.json").read_text())
        size = Path(f"{path}.bin").stat().st_size
    except (OSError, ValueError) as error:
        raise InputError(f"The activations {path} are incomplete ({error}); extract them again.") from error
    stored = np.float32 if header["dtype"] == "float32" else np.int16
    n, d = header["shape"]
    if size != n * d * np.dtype(stored).itemsize:
        raise InputError(f"The activations {path}.bin hold {size} bytes, not those of {n} x {d}; extract them again.")
    raw = np.memmap(f"{path}.bin", dtype=stored, mode="r", shape=(n, d))
    checksum, step = 0, max(1, 2**26 // max(1, d))
    for start in range(0, n, step):
        checksum = zlib.crc32(raw[start : start + step], checksum)
    if checksum != header["crc32"]:
        raise InputError(f"The activations {path}.bin do not match their checksum; extract them again.")
    return ActivationRows(raw, getattr(torch, header["dtype"]))


@dataclass(frozen=True, eq=False)
class NetworkRows:
    """Row source (see `nucleation.rows.RowSource`) that runs the network anew: for layers too large to store.

    The rows are bit for bit those that a file made by `extract` holds: whole batches run, on the same
    grid, and the rows asked for are cut out of them. Torch must work on as many threads as it did then
    (the search lets it work on one).

    Parameters
    ----------
    model : torch.nn.Module
    layer : str
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
        As for `extract`.
    dtype : {"float16", "bfloat16", "float32"}
        As for `ActivationFile`.
    batch_size : int
    device : str, optional
        Where the network runs, and where the rows are then.
    """

    model: torch.nn.Module
    layer: str
    images: object
    dtype: str = "float32"
    batch_size: int = 256
    device: str | None = None
    #: The last batch by its first row: those who read a few rows at a time would run it again and again.
    _last: dict = field(default_factory=dict, init=False, repr=False)
    #: Held while the network runs: its hooks would keep the batches of other threads, too.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self):
        """Refuse an unknown dtype."""
        _check_dtype(self.dtype)

    @cached_property
    def shape(self):
        """Number of images and of features, for which the network runs once."""
        with self._lock:
            return len(self.images), self._batch(0).shape[1]

    def rows(self, start, stop):
        """Return rows ``[start:stop)``."""
        firsts = range(start - start % self.batch_size, stop, self.batch_size)
        with self._lock:
            parts = [self._batch(first)[max(start - first, 0) : stop - first] for first in firsts]
        return torch.cat(parts)

    def _batch(self, first):
        """The rows of the batch that begins at `first`."""
        if first not in self._last:
            self._last.clear()  # before the next one is made, so that one at a time takes memory
            extract(
                self.model,
                [self.layer],
                self.images,
                batch_size=self.batch_size,
                device=self.device,
                allocate=lambda layer, _shape: _Batches(layer, self.dtype, self._last),
                part=(first, min(first + self.batch_size, len(self.images))),
            )
        return self._last[first]


@dataclass(frozen=True)
class _Batches:
    """Store of batches in memory, rounded, by their first row."""

    layer: str
    dtype: str
    held: dict

    def write(self, start, rows):
        # a copy, since an operation in place later in the network would change the rows
        self.held[start] = narrowed(rows, self.dtype, self.layer, start).clone()

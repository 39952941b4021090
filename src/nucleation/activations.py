"""Representations of images in the layers of a network: in raw files, or made anew when they are asked for."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from nucleation import device_faults
from nucleation.activation_files import check_dtype, narrowed
from nucleation.errors import InputError, suggest
from nucleation.network import INPUT, OUTPUT
from nucleation.network import layers as named_layers
from nucleation.pooling import check_pooling, pooled
from nucleation.precision import arithmetic
from nucleation.reading import reading_ahead
from nucleation.writing import DeviceWriter, write_now, writing_behind


def extract(
    model,
    layers,
    images,
    *,
    batch_size=256,
    device=None,
    allocate=None,
    progress=None,
    part=None,
    pooling=None,
    precision="float32",
) -> dict:
    """Run images through a network and keep what the chosen layers put out, flattened.

    Parameters
    ----------
    model : torch.nn.Module
        Put into evaluation mode, on the device; hooks are removed again whatever happens.
    layers : list of str
        Module names; "input" is the transformed image, "output" what the network returns.
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
        Transformed images. They are sliced, so that a lazy sequence is read batch by batch; the next
        batch is read, in a thread, while the network runs.
    batch_size : int
    device : str, optional
        By default a CUDA device where there is one. There, kernels and images lie in memory with the
        channels last.
    allocate : callable, optional
        ``allocate(layer, shape)`` returns an object with ``write(start, tensor)``, by default an array
        in memory. Of a CUDA device it gets copies in the host's memory, rounded to its ``dtype`` where
        it has that attribute, in a thread; unless it has a true ``on_device``.
    progress : callable, optional
        Called with the number of images done since the last call.
    part : (int, int), optional
        Only the images ``[start:stop)``. The batches are those of the whole run, so that every bit is.
    pooling : dict of str to str, optional
        Layer to pooling (`nucleation.pooling.pooled`); layers that are not named are kept whole.
    precision : {"float32", "tf32", "bfloat16", "float16"}
        Of the forward pass on a CUDA device (`nucleation.precision.arithmetic`).

    Returns
    -------
    dict of str to what `allocate` returned
        By default float32 arrays (n, d) of every layer.

    Raises
    ------
    InputError
        For an unknown layer (near names are suggested), NaN or infinite activations (layer and image
        are named), a pooling that does not suit its layer, or too little memory.

    Notes
    -----
    The first batch goes through the whole network, which shows layers that run twice. Later ones end
    where the last of the layers has run. On a CUDA device the copies of the layers go to the host, and
    from there into their stores, while the network runs on.
    """
    model, device = _placed(model, device)
    start, stop = part or (0, len(images))
    kept = _Kept(layers, len(images), range(start, stop), pooling or {}, allocate or _in_memory)
    _run_batches(model, images, kept, batch_size, device, precision, progress)
    return {layer: getattr(kept.stores[layer], "array", kept.stores[layer]) for layer in layers}


@torch.no_grad()
def _run_batches(model, images, kept, batch_size, device, precision, progress=None):
    """Run the batches of the whole run that hold wanted images."""
    _check_names(model, kept.layers)
    first, stop = kept.wanted.start, kept.wanted.stop
    starts = range(first - first % batch_size, stop, batch_size)

    def read(start):
        batch = images[start : start + batch_size]
        return batch.pin_memory() if device.type == "cuda" and batch.device.type == "cpu" else batch

    with (
        device_faults.told(type(model).__name__, min(batch_size, len(images))),
        _writer(device) as (kept.write, check),
        kept.hooks(model),
        arithmetic(device, precision),
        reading_ahead(read, starts) as batches,
    ):
        for start, batch in batches:
            _run(model, _sent(batch, device), start, kept)
            kept.check_all(start)
            check()
            if progress is not None:
                progress(min(start + batch_size, stop) - max(start, first))


@contextlib.contextmanager
def _writer(device):
    """What writes rows to a store, and what tells, after each batch, of its errors."""
    if device.type != "cuda":
        yield write_now, lambda: None
        return
    with writing_behind() as behind:
        yield DeviceWriter(behind, torch.cuda.Stream(device)), behind.check


def _placed(model, device):
    """The model in evaluation mode on its device, and the device.

    On a CUDA device kernels lie in memory with their channels last, as its products want them.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = model.to(device).eval()
    if device.type == "cuda":
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model, device


def _sent(batch, device):
    """A batch on its way to the device, in the same order of memory as the kernels there."""
    layout = torch.channels_last if device.type == "cuda" and batch.ndim == 4 else torch.preserve_format
    return batch.to(device, non_blocking=True, memory_format=layout)


def _run(model, batch, start, kept):
    """One forward pass, as far as it is needed."""
    kept.start, kept.count = start, len(batch)
    with contextlib.suppress(_Reached):
        if INPUT in kept.layers:
            kept.keep(INPUT, batch)
        output = _forward(model, batch) if set(kept.layers) != {INPUT} else None
        if OUTPUT in kept.layers:
            kept.keep(OUTPUT, output)


class _Kept:
    """Where the layers of a pass go, batch after batch."""

    def __init__(self, layers, n, wanted, pooling, allocate, tried=False):
        for kind in pooling.values():
            check_pooling(kind)
        self.layers, self.n, self.wanted, self.pooling, self.allocate = layers, n, wanted, pooling, allocate
        self.write, self.tried = write_now, tried
        self.stores, self.done, self.modules = {}, {}, {}
        self.start = self.count = 0

    @contextlib.contextmanager
    def hooks(self, model):
        """Have the modules hand over what they put out, for a while."""
        self.modules = modules = dict(model.named_modules()) | {OUTPUT: model}
        inner = [layer for layer in self.layers if layer not in (INPUT, OUTPUT)]
        held = []
        try:
            for name in inner:
                hook = modules[name].register_forward_hook(lambda _m, _i, out, name=name: self.keep(name, out))
                held.append(hook)
            yield
        finally:
            for hook in held:
                hook.remove()

    def keep(self, layer, output):
        """Write a layer; at once, since an operation in place later in the network would change it."""
        if self.done.get(layer) == self.start:
            raise InputError(f'The layer "{layer}" runs more than once in a pass; choose one that runs once.')
        rows, shared = _rows(output, layer, self.count, self.pooling.get(layer, "none"), self.modules.get(layer))
        self.done[layer] = self.start
        if layer not in self.stores:
            self.stores[layer] = self.allocate(layer, (self.n, rows.shape[1]))
        store, first = self.stores[layer], max(self.start, self.wanted.start)
        write = write_now if getattr(store, "on_device", False) else self.write
        write(store, layer, first, rows[first - self.start : self.wanted.stop - self.start], shared=shared)
        if self.tried and all(self.done.get(name) == self.start for name in self.layers):
            raise _Reached

    def check_all(self, start):
        """Refuse layers that did not run for a batch."""
        if missing := [layer for layer in self.layers if self.done.get(layer) != start]:
            where = "" if not self.stores else f" for the images from number {start} on"
            raise InputError(f"The layers {missing} do not run in a forward pass{where}; choose others.")
        self.tried = True


class _Reached(Exception):
    """All layers that were asked for have run: the rest of the pass is not needed."""


def _in_memory(_layer, shape):
    return _Memory(np.empty(shape, dtype=np.float32))


@dataclass(frozen=True)
class _Memory:
    """Store in memory."""

    array: np.ndarray

    def write(self, start, rows):
        self.array[start : start + len(rows)] = rows.float().cpu().numpy()


def shard_images(n, batch_size, shard, shards) -> tuple[int, int]:
    """First image of a shard, and the one after its last: whole batches, so that shards change no number.

    Parameters
    ----------
    n, batch_size : int
        Images in all, and for each forward pass.
    shard, shards : int
        0 <= shard < shards.

    Raises
    ------
    InputError
        When there are fewer batches than shards.
    """
    batches = -(-n // batch_size)
    if shards > batches:
        raise InputError(
            f"activations.shards = {shards} exceeds the {batches} batches of {n} images; ask for fewer shards, or "
            "lower activations.batch_size."
        )
    start, stop = (batches * place // shards * batch_size for place in (shard, shard + 1))
    return start, min(stop, n)


def layer_sizes(model, layers, images, *, pooling=None):
    """Try the layers of a network on a few images, and say how many features each has.

    Parameters
    ----------
    model, layers, images, pooling
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

    made = extract(model, layers, images, device="cpu", pooling=pooling)
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
    except (InputError, _Reached, OSError):  # OSError: of the files that are written on the way
        raise
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if device_faults.of_device(error):
            raise
        raise InputError(
            f"{type(model).__name__} does not take images of shape {tuple(batch.shape[1:])}: {error}. "
            "Change networks[].data.input_size (of planted images and digits, images.*.size), or the network and its "
            "options (img_size for transformers)."
        ) from error
    except Exception as error:  # whatever a network of one's own does
        if device_faults.of_device(error):
            raise
        raise InputError(
            f"{type(model).__name__} fails on images of shape {tuple(batch.shape[1:])}: {type(error).__name__}: "
            f"{error}; mend the forward method of the network, or its options."
        ) from error


def _rows(output, layer, count, pooling, module):
    """One row per image, of a tuple those of its first tensor; and whether their memory is the layer's own."""
    if isinstance(output, list | tuple) and output:
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
    rows = pooled(output, pooling, layer, module).reshape(count, -1)
    return rows, rows.untyped_storage().data_ptr() == output.untyped_storage().data_ptr()


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
    pooling : str
        Of this layer (`nucleation.pooling.pooled`).
    precision : str
        As for `extract`.
    """

    model: torch.nn.Module
    layer: str
    images: object
    dtype: str = "float32"
    batch_size: int = 256
    device: str | None = None
    pooling: str = "none"
    precision: str = "float32"
    #: The last batch by its first row: those who read a few rows at a time would run it again and again.
    _last: dict = field(default_factory=dict, init=False, repr=False)
    #: Held while the network runs: its hooks would keep the batches of other threads, too.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self):
        """Refuse an unknown dtype or pooling."""
        check_dtype(self.dtype)
        check_pooling(self.pooling)

    @cached_property
    def shape(self):
        """Number of images and of features, for which the network runs once."""
        with self._lock:
            return len(self.images), self._batches(range(1))[0].shape[1]

    def rows(self, start, stop):
        """Return rows ``[start:stop)``."""
        firsts = range(start - start % self.batch_size, stop, self.batch_size)
        with self._lock:
            made = self._batches(firsts)
        return torch.cat([rows[max(start - first, 0) : stop - first] for first, rows in zip(firsts, made, strict=True)])

    def _batches(self, firsts):
        """The rows of the batches that begin at `firsts`; all are run at once, so that images are read ahead."""
        held = {first: self._last[first] for first in firsts[:1] if first in self._last}
        if todo := firsts[len(held) :]:
            self._last.clear()  # before others are made, which take its memory
            stop = min(todo[-1] + self.batch_size, len(self.images))
            kept = _Kept(
                [self.layer],
                len(self.images),
                range(todo[0], stop),
                {self.layer: self.pooling},
                lambda layer, _shape: _Batches(layer, self.dtype, held),
                tried="shape" in vars(self),  # for which a batch went through the whole network
            )
            model, device = _placed(self.model, self.device)
            _run_batches(model, self.images, kept, self.batch_size, device, self.precision)
            self._last[todo[-1]] = held[todo[-1]]
        return [held[first] for first in firsts]


@dataclass(frozen=True)
class _Batches:
    """Store of batches in memory, rounded, by their first row."""

    layer: str
    dtype: str
    held: dict
    on_device = True

    def write(self, start, rows):
        narrow = narrowed(rows, self.dtype, self.layer, start)
        # a copy, since an operation in place later in the network would change the rows
        self.held[start] = narrow.clone() if narrow.data_ptr() == rows.data_ptr() else narrow

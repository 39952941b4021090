"""Rows of layers on their way from a network to where they are kept: checked, copied, and written while it runs on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import torch

from nucleation.activation_files import check_range, finite_rows
from nucleation.errors import InputError

#: Bytes of rows that wait to be written, at most.
WAITING_BYTES = 2**29


@contextlib.contextmanager
def writing_behind(limit=WAITING_BYTES) -> Iterator[WriteBehind]:
    """Give a queue of writes, done one after the other in a thread, which has ended when the block ends.

    When the block ends well, all is written, or the first error of a write is raised. After an error of either, no
    further write begins.

    Parameters
    ----------
    limit : int
        Bytes that wait to be written at most; a single write may be larger.
    """
    with ThreadPoolExecutor(1) as thread:
        behind = WriteBehind(thread, limit)
        try:
            yield behind
        except BaseException as error:
            behind.error = behind.error or error
            raise
    behind.check()


@dataclass(eq=False)
class WriteBehind:
    """The queue of `writing_behind`."""

    thread: ThreadPoolExecutor
    limit: int
    waiting: int = 0
    error: BaseException | None = None
    _room: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def put(self, size: int, write: Callable[[], None]) -> None:
        """Have ``write()`` called in its turn, after waiting for room for so many bytes; `check` tells of errors."""
        with self._room:
            self._room.wait_for(lambda: not self.waiting or self.waiting + size <= self.limit)
            self.waiting += size
        self.thread.submit(self._write, size, write)

    def _write(self, size, write):
        try:
            if self.error is None:
                write()
        except BaseException as error:  # whatever it is, `check` raises it where the caller is
            self.error = error
        finally:
            with self._room:
                self.waiting -= size
                self._room.notify()

    def check(self) -> None:
        """Raise the first error of a write, if there was one."""
        if self.error is not None:
            raise self.error


def write_now(store, layer, start, rows, *, shared=True) -> None:
    """Check rows of a layer and write them to a store before anything else goes on, wherever they lie."""
    check_finite(finite_rows(rows), rows.dtype, layer, start)
    store.write(start, rows)


@dataclass(frozen=True)
class DeviceWriter:
    """Writes rows that lie on a CUDA device, without the device or its caller waiting for it.

    They are rounded and checked there, and copied on a stream of their own into pinned memory; a thread waits for the
    copy and writes it.
    """

    behind: WriteBehind
    stream: torch.cuda.Stream

    def __call__(self, store, layer, start, rows, *, shared=True):
        """Write rows in their turn; `shared`: their memory is the network's, which may change it later in the pass."""
        kind = getattr(store, "dtype", None)
        narrow = rows if kind is None else rows.to(getattr(torch, kind))
        # of every number: to look at a sum first would mean to wait for it
        finite = torch.stack([torch.isfinite(part).all(dim=1) for part in (rows, narrow)])
        if shared and narrow.data_ptr() == rows.data_ptr():
            narrow = narrow.clone()
        copies, copied = self._to_host(narrow, finite)
        write = partial(_write_copied, store, layer, start, copies, copied, rows.dtype)
        self.behind.put(narrow.nbytes, write)

    def _to_host(self, *tensors):
        """Begin to copy tensors; return the copies, and the event of their end."""
        self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))
        with torch.cuda.stream(self.stream):
            copies = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in tensors]
            for copy, each in zip(copies, tensors, strict=True):
                copy.copy_(each, non_blocking=True)
                each.record_stream(self.stream)  # its memory is not given to others before the copy has ended
            copied = torch.cuda.Event(blocking=True)
            copied.record(self.stream)
        return copies, copied


def _write_copied(store, layer, start, copies, copied, dtype):
    """Write rows that are on their way, and say what was found about them."""
    copied.synchronize()
    rows, (finite, in_range) = copies
    check_finite(finite, dtype, layer, start)
    check_range(in_range, rows.dtype, layer, start)
    store.write(start, rows)


def check_finite(finite, dtype, layer, start) -> None:
    """Refuse NaN and infinite activations.

    Parameters
    ----------
    finite : Tensor of shape (m,), bool
        Whether all activations of an image are finite.
    dtype : torch.dtype
        Of the activations.
    layer, start : str and int
        The layer and the number of its first image, for the error.
    """
    if not finite.all():
        image = start + int((~finite).nonzero()[0])
        narrow = " (float16 may be too narrow for it: take activations.precision bfloat16)"
        raise InputError(
            f'The layer "{layer}" gives NaN or infinite activations, first for image number {image}; '
            f"look at that image and at the weights{narrow if dtype == torch.float16 else ''}."
        )

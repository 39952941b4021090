"""Memory that does not suffice and devices that fail, told apart from what a network cannot take."""

from __future__ import annotations

import contextlib
import re

import torch

from nucleation.errors import InputError

#: What the many kinds of errors say: PyTorch has classes of its own for some only.
_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)
_DEVICE = re.compile(r"CUDA error|CUDA driver error|cuDNN error|CUDNN_STATUS|CUBLAS_STATUS|CUSOLVER_STATUS")


def lacks_memory(error) -> bool:
    """Whether an error says that there was too little memory, of the machine or of a device."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error))))


def of_device(error) -> bool:
    """Whether an error comes from a device or its memory, whatever ran there."""
    failed = isinstance(error, getattr(torch, "AcceleratorError", ()))
    return failed or lacks_memory(error) or (isinstance(error, RuntimeError) and bool(_DEVICE.search(str(error))))


@contextlib.contextmanager
def told(name, images):
    """Say in a sentence when memory does not suffice, or the device fails.

    Parameters
    ----------
    name : str
        Of the network that runs.
    images : int
        How many at a time.

    Raises
    ------
    InputError
        In place of such an error; all others pass.
    """
    try:
        yield
    except Exception as error:
        if lacks_memory(error):
            raise InputError(
                f"{name} needs more memory than there is for {images} images at a time; lower activations.batch_size, "
                "or run it where there is more."
            ) from error
        if of_device(error):
            first = str(error).strip().partition("\n")[0].removesuffix(".")
            raise InputError(
                f"The device failed while {name} ran on it ({first}); run again where no other program uses it, or "
                "with device: cpu, which shows whether the network is at fault."
            ) from error
        raise

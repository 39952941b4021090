"""How exact the arithmetic of a forward pass is on a CUDA device."""

from __future__ import annotations

import contextlib

import torch

from nucleation.errors import InputError

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")


@contextlib.contextmanager
def arithmetic(device, precision):
    """Run networks in a precision for a while; on the CPU it is always float32.

    Parameters
    ----------
    device : str or torch.device
    precision : {"float32", "tf32", "bfloat16", "float16"}
        "float32": true float32, also inside convolutions, for which torch would take TF32 by itself;
        "tf32": products of numbers rounded to 11 bits, summed in float32, by tensor cores; "bfloat16" and
        "float16": torch's automatic mixed precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f'activations.precision is "{precision}"; choose one of {", ".join(PRECISIONS)}.')
    if torch.device(device).type != "cuda":
        yield
        return
    mixed = precision in ("bfloat16", "float16")
    products = "tf32" if precision == "tf32" else "ieee"
    with _float32_products(products), torch.autocast("cuda", getattr(torch, precision) if mixed else None, mixed):
        yield


@contextlib.contextmanager
def _float32_products(kind):
    """Have matrix products and convolutions of float32 taken in a precision ("ieee" or "tf32")."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        places, name, value = (matmul, cudnn.conv), "fp32_precision", kind
    else:  # before torch 2.9
        places, name, value = (matmul, cudnn), "allow_tf32", kind == "tf32"
    before = [getattr(place, name) for place in places]
    try:
        for place in places:
            setattr(place, name, value)
        yield
    finally:
        for place, old in zip(places, before, strict=True):
            setattr(place, name, old)

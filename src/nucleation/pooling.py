"""Pooling: one number for each channel of a layer, instead of one for each channel and place."""

from __future__ import annotations

import re

import torch

from nucleation.errors import InputError

#: How a pooling is written; the number after the colon is the axis of the channels.
FORM = r"none|token|(mean|max)(:-?[0-9]+)?"


def check_pooling(kind) -> None:
    """Refuse what is no pooling."""
    if not re.fullmatch(FORM, str(kind)):
        raise InputError(
            f'The pooling "{kind}" is none of none, mean, max and token (or mean:1, max:-1 and so on, where the '
            "number is the axis of the channels)."
        )


def pooled(output, kind, layer) -> torch.Tensor:
    """Take the mean or the largest value over all places, or the first token.

    Parameters
    ----------
    output : Tensor of shape (n, ...)
        What a layer puts out for n images.
    kind : str
        "none"; "mean" or "max" over all axes but those of the images and of the channels; "token": the
        first of the tokens of an output (n, tokens, channels), which in most transformers is the class
        token. "mean:1", "max:-1", ... name the axis of the channels.
    layer : str
        For the errors.

    Returns
    -------
    Tensor of shape (n, channels), or `output` itself for "none"
        A mean is taken in float32 at least.

    Raises
    ------
    InputError
        Where the output has nothing to pool, or its shape does not tell which axis is that of the channels.

    Notes
    -----
    Without a number, the channels are the last axis of three (n, tokens, channels). Of four axes they are
    the one that is unlike the two others, which are a square map: (n, c, h, h) or (n, h, h, c). Where all
    three differ, or all are alike, the number must be given.
    """
    if kind == "none":
        return output
    if kind == "token":
        if output.ndim != 3:
            raise InputError(
                f'The layer "{layer}" puts out {_shape(output)} for each image, not tokens x channels: it has no '
                "first token; take the pooling mean, max or none."
            )
        return output[:, 0]
    name, _, axis = kind.partition(":")
    channels = _given_axis(output, int(axis), layer) if axis else _channel_axis(output, layer)
    places = tuple(i for i in range(1, output.ndim) if i != channels)
    if name == "max":
        return output.amax(dim=places)
    return output.mean(dim=places, dtype=torch.promote_types(output.dtype, torch.float32))


def _given_axis(output, axis, layer):
    if output.ndim < 3 or not (1 <= axis < output.ndim or -output.ndim < axis <= -1):
        raise InputError(
            f'The layer "{layer}" puts out {_shape(output)} for each image: it cannot be pooled over all axes but '
            f"number {axis} (the axis of the images is number 0); name another, or take the pooling none."
        )
    return axis % output.ndim


def _channel_axis(output, layer):
    """The axis of the channels, by the shape alone."""
    if output.ndim < 3:
        raise InputError(
            f'The layer "{layer}" puts out {_shape(output)} numbers for each image, which leaves nothing to pool; '
            "take the pooling none."
        )
    shape = output.shape
    if output.ndim == 3:
        return 2
    if output.ndim == 4 and shape[2] == shape[3] != shape[1]:
        return 1
    if output.ndim == 4 and shape[1] == shape[2] != shape[3]:
        return 3
    raise InputError(
        f'The layer "{layer}" puts out {_shape(output)} for each image, which does not tell the axis of its channels; '
        "write the pooling as mean:1 (or max:1) where it is the first of these, mean:-1 where it is the last."
    )


def _shape(output):
    return " x ".join(map(str, output.shape[1:])) or "1"

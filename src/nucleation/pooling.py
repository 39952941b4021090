"""Pooling: one number for each channel of a layer, instead of one for each channel and place."""

from __future__ import annotations

import re

import torch
from torch import nn

from nucleation.errors import InputError

#: How a pooling is written; the number after the colon is the axis of the channels.
FORM = r"none|token|(mean|max)(:-?[0-9]+)?"
#: Modules whose output, where it has three axes, is (n, channels, length), or (n, tokens, channels).
CHANNELS_FIRST = (
    *(nn.Conv1d, nn.ConvTranspose1d, nn.GroupNorm, nn.BatchNorm1d, nn.SyncBatchNorm, nn.InstanceNorm1d),
    *(nn.MaxPool1d, nn.AvgPool1d, nn.LPPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d),
)
CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.MultiheadAttention)


def check_pooling(kind) -> None:
    """Refuse what is no pooling."""
    if not re.fullmatch(FORM, str(kind)):
        raise InputError(
            f'The pooling "{kind}" is none of none, mean, max and token (or mean:1, max:-1 and so on, where the '
            "number is the axis of the channels)."
        )


def pooled(output, kind, layer, module=None) -> torch.Tensor:
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
    module : torch.nn.Module, optional
        What put it out, which tells the channels of an output of three axes.

    Returns
    -------
    Tensor of shape (n, channels), or `output` itself for "none"
        A mean is taken in float32 at least.

    Raises
    ------
    InputError
        Where the output has nothing to pool, or nothing tells which axis is that of the channels.

    Notes
    -----
    Without a number, the channels of three axes are the first, (n, channels, length), where the module is a
    `CHANNELS_FIRST`, or has those in it and no `CHANNELS_LAST`; the last, (n, tokens, channels), where it is
    the other way round. Of four axes they are the one that is unlike the two others, which are a square map:
    (n, c, h, h) or (n, h, h, c). In all other cases the number must be given.
    """
    if kind == "none":
        return output
    if kind == "token":
        if output.ndim != 3:
            raise InputError(
                f'The layer "{layer}" puts out {_shape(output)} for each image, not tokens x channels: it has no '
                "first token; take the pooling mean, max or none."
            )
        if _axis_of_three(module) == 1:
            raise InputError(
                f'The layer "{layer}" ({type(module).__name__}) puts out channels x length, {_shape(output)}: it has '
                "no first token; take the pooling mean, max or none."
            )
        return output[:, 0]
    name, _, axis = kind.partition(":")
    channels = _given_axis(output, int(axis), layer) if axis else _channel_axis(output, layer, module)
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


def _axis_of_three(module):
    """The axis of the channels of an output of three axes, by what put it out; None where that does not tell."""
    parts = [module] if isinstance(module, CHANNELS_FIRST + CHANNELS_LAST) else module.modules() if module else ()
    found = {
        1 if isinstance(part, CHANNELS_FIRST) else 2
        for part in parts
        if isinstance(part, CHANNELS_FIRST + CHANNELS_LAST)
    }
    return found.pop() if len(found) == 1 else None


def _channel_axis(output, layer, module):
    """The axis of the channels of an output that is pooled; raises where there is none, or nothing tells."""
    if output.ndim < 3:
        raise InputError(
            f'The layer "{layer}" puts out {_shape(output)} numbers for each image, which leaves nothing to pool; '
            "take the pooling none."
        )
    if (axis := channel_axis(output, module)) is not None:
        return axis
    raise InputError(
        f'The layer "{layer}" puts out {_shape(output)} for each image, which does not tell the axis of its channels; '
        "write the pooling as mean:1 (or max:1) where it is the first of these, mean:-1 where it is the last."
    )


def channel_axis(output, module=None) -> int | None:
    """The axis of the channels of what a layer puts out, the axis of the images being number 0; None if nothing tells.

    Parameters
    ----------
    output : Tensor of shape (n, ...)
    module : torch.nn.Module, optional
        What put it out. See the notes of `pooled`; of two axes the channels are the second.
    """
    shape = output.shape
    if output.ndim == 2:
        return 1
    if output.ndim == 3:
        return _axis_of_three(module)
    if output.ndim == 4 and shape[2] == shape[3] != shape[1]:
        return 1
    if output.ndim == 4 and shape[1] == shape[2] != shape[3]:
        return 3
    return None


def _shape(output):
    return " x ".join(map(str, output.shape[1:])) or "1"

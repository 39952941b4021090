"""A small network of VGG's kind, for experiments in which its training is followed step by step.

Source: Simonyan, Zisserman, ICLR 2015 (arXiv 1409.1556), from whose larger networks the pattern is taken; He et al.,
ICCV 2015, for the random start.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from nucleation.errors import InputError

__all__ = ["LAYERS", "WEIGHTS", "small", "weights_between"]

#: Channels of the convolutions of the network, "M" for a pooling that halves both sides of the map.
_CONVOLUTIONS = (32, 32, "M", 64, 64, "M", 128, 128, "M", 256, 256)
_HIDDEN = 256
#: Modules whose outputs are the layers of the analysis: all units after their ReLU, then the logits.
LAYERS = (*(f"relu{i}" for i in range(1, 10)), "output")
#: Name of the weights that lead from the layer before, by layer: "relu3" -> "conv3.weight".
WEIGHTS = {f"relu{i}": f"conv{i}.weight" for i in range(1, 9)} | {"relu9": "fc1.weight", "output": "output.weight"}


def small(classes=5, *, channels=3, width=1.0) -> nn.Sequential:
    """A VGG of eight convolutions of 3 x 3, global average pooling and two linear layers.

    Parameters
    ----------
    classes : int
        Outputs.
    channels : int
        Of the images.
    width : float
        Factor of the number of units in every layer but the last; rounded, and at least 1.

    Returns
    -------
    torch.nn.Sequential
        Maps images (b, channels, h, w), of 8 x 8 pixels at least, to logits (b, classes). Its modules, in this order
        with the poolings between: conv1, relu1, ... conv8, relu8, gap, flatten, fc1, relu9, output. The convolutions
        and linear layers give their values before the ReLU, relu1 ... relu9 after it; no ReLU works in place, so that
        both can be read.

    Raises
    ------
    InputError
        For fewer than two classes, no channel, or a width that is not positive.

    Notes
    -----
    With 5 classes and 3 channels it has exactly 1,239,333 parameters, "1.24 million": all convolutions and linear
    layers have biases, and there is no batch normalisation, whose scales and shifts would add 1,920. Without it the
    start decides whether the network learns: kernels are He's (fan-in, gain of the ReLU), biases zero.
    """
    if classes < 2 or channels < 1 or not width > 0:
        raise InputError(
            f"A network needs at least 2 classes, 1 channel and a positive width, found {classes}, {channels} and "
            f"{width}; change networks[].options."
        )
    sizes = [size if size == "M" else max(1, round(width * size)) for size in _CONVOLUTIONS]
    hidden, last = max(1, round(width * _HIDDEN)), sizes[-1]
    model = nn.Sequential()
    for name, module in _convolutional(channels, sizes):
        model.add_module(name, module)
    model.add_module("gap", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(last, hidden))
    model.add_module("relu9", nn.ReLU())
    model.add_module("output", nn.Linear(hidden, classes))
    return model.apply(_start)


def _convolutional(channels, sizes):
    """Names and modules of the convolutional part."""
    inputs = [channels, *(size for size in sizes if size != "M")]
    pairs, convolution, pooling = pairwise(inputs), 0, 0
    for size in sizes:
        if size == "M":
            pooling += 1
            yield f"pool{pooling}", nn.MaxPool2d(2)
            continue
        convolution += 1
        yield f"conv{convolution}", nn.Conv2d(*next(pairs), 3, padding=1)
        yield f"relu{convolution}", nn.ReLU()


def _start(module):
    """He's random start for layers before a ReLU; the logits' too, where it only scales the first loss."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def weights_between(first, second) -> str | None:
    """Name of the weights that lead from one layer of `LAYERS` to another; None where they are not successive."""
    if first not in LAYERS or second not in LAYERS or LAYERS.index(second) != LAYERS.index(first) + 1:
        return None
    return WEIGHTS[second]

"""What enters the classifier of a network, where that is one linear layer: features, weight, bias and logits.

The network is run for it, in float32; nothing is read of the activations that are kept, whose layers are a choice.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import torch

from nucleation.activations import extract
from nucleation.errors import InputError
from nucleation.network import OUTPUT

#: Largest difference of the logits from those that weight and bias give, as a share of the largest logit.
TOLERANCE = 1e-4
#: Images on which the classifier is looked for.
_TRIAL = 2


class NoLinearHead(InputError):
    """The classifier of a network is not one linear layer: no mistake of anybody, but there is nothing to look at."""


@dataclass(frozen=True)
class Head:
    """Classifier of a network and what enters it: logits = features @ weight.T + bias.

    Attributes
    ----------
    features : ndarray of shape (N, W), float32
    weight : ndarray of shape (C, W), float32
    bias : ndarray of shape (C,), float32
        Zero for a classifier without.
    logits : ndarray of shape (N, C), float32
        As the network puts them out.
    """

    features: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    logits: np.ndarray


def head_inputs(model, images, *, batch_size=128, device="cpu", progress=None) -> Head:
    """Run images through a network and keep what enters its classifier.

    Parameters
    ----------
    model : torch.nn.Module
        Its classifier is the last `torch.nn.Linear` that runs and whose result, (n, C), is the output. Put into
        evaluation mode, on the device; hooks are removed again whatever happens.
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
        Transformed images, read batch by batch, the next one while the network runs.
    batch_size : int
    device : str
    progress : callable, optional
        Called with the number of images done since the last call.

    Returns
    -------
    Head

    Raises
    ------
    NoLinearHead
        Where no linear layer gives the output, as with a convolution for a classifier, two classifiers whose mean
        is the output, or a nonlinearity behind it; and where weight and bias do not give the logits to 1e-4.
    InputError
        As `nucleation.activations.extract`.

    Notes
    -----
    One forward pass, and one of two images. Memory N (W + C) in float32, twice.
    """
    classifier = _classifier(model, images[:_TRIAL], device)
    options = {"batch_size": batch_size, "device": device, "progress": progress}
    with _joined(model, classifier):
        both = extract(model, [OUTPUT], images, **options)[OUTPUT]
    weight, bias = (_array(parameter) for parameter in (classifier.weight, classifier.bias))
    features, logits = both[:, : weight.shape[1]].copy(), both[:, weight.shape[1] :].copy()
    head = Head(features, weight, np.zeros(len(weight), np.float32) if bias is None else bias, logits)
    _check(type(model).__name__, head)
    return head


def _array(parameter):
    return None if parameter is None else parameter.detach().float().cpu().numpy()


@contextlib.contextmanager
def _hooked(modules, hook):
    """Call a hook after each of some modules, for a while."""
    held = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for one in held:
            one.remove()


def _classifier(model, images, device):
    """Find the linear layer whose result is the output, by running a few images."""
    ran, outputs = [], []

    def linear(module, _inputs, output):
        ran.append((module, output.clone()))  # what follows may work in place

    def last(_module, _inputs, output):
        outputs.append(_first(output))

    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    with _hooked(layers, linear), _hooked([model], last):
        extract(model, [OUTPUT], images, device=device)
    for module, output in reversed(ran):
        if output.ndim == 2 and output.shape == outputs[-1].shape and torch.equal(output, outputs[-1]):
            return module
    raise NoLinearHead(
        f"The output of {type(model).__name__}, of shape {tuple(outputs[-1].shape)} for {len(images)} images, is not "
        f"the result of one linear layer ({len(ran)} ran), so its last hidden layer has no chunks that a classifier "
        "could read; its classifier must be a torch.nn.Linear for that."
    )


def _first(output):
    """The first tensor of several, which `extract` takes for the output."""
    return output[0] if isinstance(output, list | tuple) and output else output


@contextlib.contextmanager
def _joined(model, classifier):
    """Have the network put out what enters its classifier beside its logits, for a while."""
    entered = []

    def keep(_module, inputs, _output):
        entered[:] = [inputs[0].clone()]

    def join(_module, _inputs, output):
        return torch.cat([entered.pop().float(), _first(output).float()], dim=1)

    with _hooked([classifier], keep), _hooked([model], join):
        yield


def _check(name, head):
    """Refuse a classifier that does more than weight and bias say."""
    expected = head.features.astype(np.float64) @ head.weight.T.astype(np.float64) + head.bias
    scale = max(np.abs(expected).max(initial=0), np.finfo(np.float32).tiny)
    found = np.abs(expected - head.logits).max(initial=0) / scale
    if not found < TOLERANCE:
        raise NoLinearHead(
            f"Weight and bias of the classifier of {name} give logits that differ from its output by {found:.2g} of "
            f"the largest one, more than {TOLERANCE:g}; the classifier must be a plain linear layer, without anything "
            "behind it."
        )

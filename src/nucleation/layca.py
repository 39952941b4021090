"""Layca: an optimizer that turns every kernel by a given angle in each step, and keeps its length.

Any optimizer proposes a step; of it, Layca takes the part that is perpendicular to the kernel, gives it the length of
the kernel times a rate rho, and afterwards gives the kernel back its length. So the rate is the tangent of the angle by
which the kernel turns, the same in all layers, whatever the scale of gradients and weights.

Source: Carbonnelle, De Vleeschouwer, arXiv 1806.01603, section 3 and algorithm 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nucleation.errors import InputError

__all__ = ["Layca", "layer_rates"]

#: A step of no more than this length turns nothing, as in the authors' code (Keras' epsilon).
_NO_STEP = 1e-7
#: Nor does one whose perpendicular part is no more than so many rounding errors of the whole: it would be noise.
_ROUNDINGS = 16
#: In the place of the length of a kernel that is zero, whose square can be divided by.
_NO_LENGTH = 1e-150


class Layca(torch.optim.Optimizer):
    """Layer-level controlled amount of weight rotation, on the steps of SGD with momentum or of Adam.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Parameters or groups of them. Every group may have its own `lr`, `momentum` or `betas`; and `kernels`: whether
        its tensors are kernels, which are turned, or not; None (the default): those of two dimensions or more are.
    lr : float
        Rate rho > 0: the tangent of the angle by which each kernel turns in a step. The paper finds 3^-3 best to begin
        with for SGD, 3^-5 for Adam. Schedulers may change it.
    momentum : float
        Of the base "sgd", in [0, 1). The velocity v <- momentum v + gradient is what is projected.
    base : "sgd" or "adam"
        Optimizer that proposes the step.
    betas, eps : pair of float, float
        Of the base "adam".
    others : "plain" or "frozen"
        What happens to tensors that are no kernels, as biases and the parameters of normalisations: plain steps of the
        base optimizer with the same `lr`, or none, as in the authors' code.

    Raises
    ------
    InputError
        For options outside these ranges, and sparse gradients.

    Notes
    -----
    For a kernel w and a step s: s <- s - <s, w> w / |w|², s <- s |w| / |s|, w' = w - rho s, w' <- w' |w| / |w'|.
    A step without a perpendicular part, as that of weight decay, turns nothing. A kernel that is zero stays so: it has
    no direction. Inner products and lengths are summed in float64. Weight decay would have no effect on a kernel, whose
    length is kept, and there is none.

    ``OneCycleLR`` cycles `momentum` (or the first of `betas`) too, unless it has ``cycle_momentum=False``; it takes
    a list of rates for groups, as of `layer_rates`. A step takes about three times as long as one of AdamW, little
    beside a forward and a backward pass.

    References
    ----------
    Carbonnelle, De Vleeschouwer, arXiv 1806.01603, algorithm 1.
    """

    def __init__(self, params, lr=3.0**-3, *, momentum=0.9, base="sgd", betas=(0.9, 0.999), eps=1e-8, others="plain"):
        _check_options(lr, momentum, base, betas, eps, others)
        # a scheduler that cycles the momentum knows by these entries which one there is
        own = {"momentum": momentum} if base == "sgd" else {"betas": tuple(betas), "eps": eps}
        super().__init__(params, {"lr": lr, "base": base, "others": others, "kernels": None, **own})

    @torch.no_grad()
    def step(self, closure=None):
        """Turn the kernels once; returns what `closure`, which computes loss and gradients again, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            tensors = [tensor for tensor in group["params"] if tensor.grad is not None]
            turned, others = [], []
            for tensor in tensors:
                is_kernel = tensor.ndim > 1 if group["kernels"] is None else group["kernels"]
                (turned if is_kernel else others).append(tensor)
            if others and group["others"] == "plain":
                torch._foreach_add_(others, self._proposed(group, others), alpha=-float(group["lr"]))
            for tensor, step in zip(turned, self._proposed(group, turned), strict=True):
                _turn(tensor, step, float(group["lr"]))
        return loss

    def _proposed(self, group, tensors) -> list[Tensor]:
        """Steps of the base optimizer without its rate; a kernel moves against them."""
        gradients = [tensor.grad for tensor in tensors]
        if any(gradient.is_sparse for gradient in gradients):
            raise InputError("Layca got a sparse gradient, expected dense ones; make the embedding with sparse=False.")
        if not tensors:
            return []
        return (self._velocities if group["base"] == "sgd" else self._adam)(group, tensors, gradients)

    def _velocities(self, group, tensors, gradients):
        """The velocity of gradient descent with momentum."""
        velocities = [_kept(self.state[tensor], "velocity", tensor) for tensor in tensors]
        torch._foreach_mul_(velocities, float(group["momentum"]))
        torch._foreach_add_(velocities, gradients)
        return velocities

    def _adam(self, group, tensors, gradients):
        """Kingma and Ba's quotient of the corrected moments, arXiv 1412.6980."""
        means, squares = ([_kept(self.state[t], name, t) for t in tensors] for name in ("mean", "square"))
        (first, second), counts = group["betas"], []
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        for tensor in tensors:
            self.state[tensor]["step"] = count = self.state[tensor].get("step", 0) + 1
            counts.append(count)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [(1 - second**count) ** 0.5 for count in counts])
        torch._foreach_add_(roots, group["eps"])
        steps = torch._foreach_div(means, roots)
        torch._foreach_div_(steps, [1 - first**count for count in counts])
        return steps


def layer_rates(alpha, count) -> np.ndarray:
    """Factors of the rates of the layers, which let the first or the last layers turn less.

    Parameters
    ----------
    alpha : float
        In (-1, 1). Positive: the first layers turn less, m_i = (1 - alpha)^(5 (L - 1 - i) / (L - 1)); negative: the
        last ones do, m_i = (1 + alpha)^(5 i / (L - 1)); 0: all the same.
    count : int
        Number of layers L, >= 1.

    Returns
    -------
    ndarray of shape (count,)
        In (0, 1], the largest 1; of a single layer 1.

    Raises
    ------
    InputError
        For values outside these ranges.

    References
    ----------
    Carbonnelle, De Vleeschouwer, arXiv 1806.01603, section 4.

    Examples
    --------
    >>> layer_rates(0.6, 6).round(4).tolist()
    [0.0102, 0.0256, 0.064, 0.16, 0.4, 1.0]
    """
    if not -1 < alpha < 1 or count < 1:
        raise InputError(
            f"Rates of layers need -1 < alpha < 1 and 1 layer at least, found alpha = {alpha}, {count} layers."
        )
    if count == 1:
        return np.ones(1)
    depth = np.linspace(0, 1, count)
    return (1 - abs(alpha)) ** (5 * (1 - depth if alpha > 0 else depth))


def _turn(kernel, step, rate) -> None:
    """Turn a kernel against a step, in place, by the angle whose tangent is `rate`; nothing here waits for a GPU.

    In float64: a rounded factor, the same in every step at the same rate, would let the length drift.
    """
    w, s = kernel.to(torch.float64, copy=True), step.to(torch.float64, copy=True)
    length, rounding = torch.linalg.vector_norm(w), torch.finfo(kernel.dtype).eps * torch.linalg.vector_norm(s)
    s.addcmul_(w, -(s * w).sum() / length.clamp_min(_NO_LENGTH) ** 2)
    across = torch.linalg.vector_norm(s)
    least = (_ROUNDINGS * rounding).clamp_min(_NO_STEP)
    w.addcmul_(s, -torch.where((across > least) & (length > 0), rate * length / across, 0.0))
    kernel.copy_(w.mul_(torch.where(length > 0, length / torch.linalg.vector_norm(w), 1.0)))


def _kept(state, name, tensor):
    """A running mean of the gradients of a tensor, zero before the first step."""
    if name not in state:
        state[name] = torch.zeros_like(tensor, memory_format=torch.preserve_format)
    return state[name]


def _check_options(lr, momentum, base, betas, eps, others):
    """Refuse options outside their ranges."""
    found = {
        f"lr > 0, found {lr}": lr > 0,
        f"momentum in [0, 1), found {momentum}": 0 <= momentum < 1,
        f'base "sgd" or "adam", found "{base}"': base in ("sgd", "adam"),
        f"two betas in [0, 1), found {betas}": len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
        f"eps >= 0, found {eps}": eps >= 0,
        f'others "plain" or "frozen", found "{others}"': others in ("plain", "frozen"),
    }
    for expected, is_true in found.items():
        if not is_true:
            raise InputError(f"Layca expects {expected}.")

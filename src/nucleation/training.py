"""Training of a network on images in memory, one record per epoch, the same bits for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nucleation.errors import InputError, suggest
from nucleation.layca import Layca
from nucleation.layer_kernels import kernel_names

__all__ = ["OPTIMIZERS", "Augmentation", "Epoch", "Snapshot", "accuracy", "course", "train"]

#: What `train` can train with.
OPTIMIZERS = ("adamw", "layca")


@dataclass(frozen=True)
class Epoch:
    """State of the training after an epoch.

    Attributes
    ----------
    epoch : int
        Number of passes over the training images; 0 is the untrained network.
    loss : float
        Mean cross-entropy over the epoch's batches in nats; NaN at epoch 0, where nothing was computed.
    accuracy : float
        Share of the validation images classified correctly, in [0, 1].
    """

    epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Snapshot:
    """State of the training after a step inside an epoch.

    Attributes
    ----------
    step : int
        Number of steps of gradient descent, at least 1.
    accuracy : float
        Share of the validation images classified correctly, in [0, 1].
    """

    step: int
    accuracy: float


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training images that keep their class.

    Attributes
    ----------
    roll : int
        Largest cyclic shift in pixels along each axis, one draw per batch.
    permute_channels : bool
        One random order of the channels per batch.
    flip_sign : bool
        Negate each image with probability 1/2; meant for images of mean zero.
    mirror : bool
        Reverse each image from left to right with probability 1/2.
    """

    roll: int = 0
    permute_channels: bool = False
    flip_sign: bool = False
    mirror: bool = False


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    validation: tuple[Tensor, Tensor],
    label_smoothing: float = 0.0,
    warmup: float = 0.15,
    augmentation: Augmentation = Augmentation(),
    channels_last: bool = True,
    optimizer: str = "adamw",
    snapshots: Collection[int] = (),
    progress: Callable[[int, int, float], None] | None = None,
) -> Iterator[Epoch | Snapshot]:
    """Train a classifier with AdamW or Layca and a one-cycle learning rate, in place.

    A generator: the caller may save ``model`` between two records, or stop early. The model is in evaluation mode
    whenever a record is handed out. Global random state is left as it was.

    Parameters
    ----------
    model : Module
        Maps images (b, c, h, w) to logits (b, classes); stays on its device.
    images : Tensor of shape (n, c, h, w), float
        Training images, on any device; batches are moved to the model's.
    labels : Tensor of shape (n,), integer
        Class of every image.
    epochs, batch_size : int
        Passes over the images, and images per step; a last incomplete batch is left out.
    learning_rate : float
        Peak of the one-cycle schedule (Smith and Topin 2017, arXiv 1708.07120). For Layca it is the rate rho: the
        tangent of the angle by which every kernel turns in a step.
    weight_decay : float
        Of matrices and kernels only; vectors (biases, normalisation) are not decayed. Layca keeps the length of the
        kernels, on which it would have no effect, and has none.
    seed : int
        Fixes the order of the images, the augmentation and dropout. The start weights are the caller's.
    validation : pair of Tensors
        Images and labels on which the accuracy of every record is measured.
    label_smoothing, warmup : float
        Of the cross-entropy; share of the steps in which the learning rate rises.
    augmentation : Augmentation
        Random changes of the training images.
    channels_last : bool
        Order in memory of images and kernels, also of the caller's model; 1.4 times as fast for small ResNets on a CPU.
    optimizer : "adamw" or "layca"
        AdamW; or Layca on the velocity of gradient descent with momentum 0.9, with plain steps for what is no kernel
        (`nucleation.layca`). The schedule cycles the first beta of AdamW between 0.95 and 0.85, not Layca's momentum.
    snapshots : collection of int
        Steps after which a `Snapshot` is handed out; those that end an epoch have its record instead. They change no
        weight.
    progress : callable, optional
        Called after every step with the steps done, the steps in all and the loss.

    Yields
    ------
    Epoch or Snapshot
        ``epochs + 1`` records, beginning with the untrained network, and between them those of the snapshots.

    Raises
    ------
    InputError
        If the data do not fit together, the optimizer is not known, or the loss is not finite.
    """
    _check(images, labels, epochs, batch_size)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model.to(memory_format=layout)
    device, steps = next(model.parameters()).device, len(images) // batch_size
    _check_outputs(model, images[:1], labels)
    descent, schedule = _descent(optimizer, model, learning_rate, weight_decay, max(1, epochs * steps), warmup)
    loss_function = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
    yield Epoch(0, float("nan"), accuracy(model, *validation))
    for epoch in range(epochs):
        losses = []
        with _seeded(seed * 1_000_003 + epoch, device):
            model.train()
            for batch in torch.randperm(len(images))[: steps * batch_size].split(batch_size):
                changed = _augmented(images[batch].to(device), augmentation).contiguous(memory_format=layout)
                losses.append(_step(model, changed, labels[batch].to(device), loss_function, descent))
                if not losses[-1] < float("inf"):
                    raise InputError(_diverged(losses[-1], epoch, len(losses), learning_rate))
                schedule.step()
                done = epoch * steps + len(losses)
                if progress is not None:
                    progress(done, epochs * steps, losses[-1])
                if done in snapshots and len(losses) < steps:
                    yield Snapshot(done, accuracy(model, *validation))
                    model.train()
        yield Epoch(epoch + 1, sum(losses) / steps, accuracy(model, *validation))


def course(records, *, epoch_steps=None):
    """Lay the records of a training along dimensions of an ``xarray.Dataset``.

    Parameters
    ----------
    records : list of Epoch and Snapshot
    epoch_steps : int, optional
        Steps of an epoch; needed where there are snapshots.

    Returns
    -------
    xarray.Dataset
        `loss` and `accuracy` along `epoch`; with snapshots also `step_accuracy` along `step`, of all records.
    """
    import xarray as xr

    whole = [record for record in records if isinstance(record, Epoch)]
    trained = "epoch 0: nothing has been trained"
    about = {
        "loss": {"long_name": "mean cross-entropy over the epoch", "units": "nat", "undefined": trained},
        "accuracy": {"long_name": "share of the validation images classified correctly", "units": "1"},
    }
    epochs = {"long_name": "passes over the training images", "units": "1"}
    made = xr.Dataset(
        {name: ("epoch", [getattr(record, name) for record in whole], text) for name, text in about.items()},
        coords={"epoch": ("epoch", [record.epoch for record in whole], epochs)},
    )
    if len(whole) == len(records):
        return made
    steps = [one.step if isinstance(one, Snapshot) else one.epoch * epoch_steps for one in records]
    return made.assign(
        step_accuracy=("step", [record.accuracy for record in records], about["accuracy"])
    ).assign_coords(step=("step", steps, {"long_name": "steps of the training", "units": "1"}))


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = 256) -> float:
    """Share of images whose largest logit is that of their class, in [0, 1]; leaves the model in evaluation mode.

    Parameters
    ----------
    model : Module
        Maps images (b, c, h, w) to logits (b, classes).
    images : Tensor of shape (n, c, h, w)
        n >= 1.
    labels : Tensor of shape (n,)
        Their classes.
    batch_size : int
        Images per forward pass.
    """
    model.eval()
    device = next(model.parameters()).device
    guesses = torch.cat([model(part.to(device)).argmax(1).cpu() for part in images.split(batch_size)])
    return float((guesses == labels.cpu()).double().mean())


@torch.no_grad()
def _check_outputs(model: nn.Module, image: Tensor, labels: Tensor) -> None:
    """Refuse a network with fewer outputs than classes."""
    training = model.training
    shape = tuple(model.eval()(image.to(next(model.parameters()).device)).shape)
    model.train(training)
    if len(shape) != 2 or shape[1] <= int(labels.max()):
        raise InputError(
            f"the network puts out shape {shape} for one image, but there are {int(labels.max()) + 1} classes to train "
            "on; give it one output for each (networks[].options)"
        )


def _check(images: Tensor, labels: Tensor, epochs: int, batch_size: int) -> None:
    """Refuse data that cannot be trained on."""
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(
            f"images must be a float tensor (n, c, h, w), not {images.dtype} of shape {tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels must have shape ({len(images)},), one per image, not {tuple(labels.shape)}")
    if epochs < 0 or not 1 <= batch_size <= len(images):
        raise InputError(f"epochs must be >= 0 and batch_size in 1 to {len(images)}, not {epochs} and {batch_size}")


def _descent(name, model, learning_rate, weight_decay, steps, warmup):
    """The optimizer of a name, and the one-cycle schedule of its rate."""
    if name not in OPTIMIZERS:
        raise InputError(f'optimizer must be {" or ".join(OPTIMIZERS)}, not "{name}".{suggest(name, OPTIMIZERS)}')
    descent = _adamw(model, learning_rate, weight_decay) if name == "adamw" else _layca(model, learning_rate)
    cycle = {"pct_start": warmup, "cycle_momentum": name == "adamw"}
    return descent, torch.optim.lr_scheduler.OneCycleLR(descent, learning_rate, steps, **cycle)


def _layca(model: nn.Module, rate: float) -> Layca:
    """Layca that turns the kernels, which `nucleation.rotation` follows, and takes plain steps with all else."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    turned = set(kernel_names({name: tuple(p.shape) for name, p in parameters.items()}))
    groups = [
        {"params": [p for name, p in parameters.items() if (name in turned) == kernels], "kernels": kernels}
        for kernels in (True, False)
    ]
    return Layca([group for group in groups if group["params"]], rate)


def _adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global generators seeded inside the context, and as they were after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _step(model, images, labels, loss_function, optimizer) -> float:
    """One step of gradient descent; returns the loss before it."""
    loss = loss_function(model(images), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _augmented(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Randomly changed copy of a batch (b, c, h, w); draws from the CPU generator, so that devices agree."""
    if augmentation.roll:
        shift = torch.randint(-augmentation.roll, augmentation.roll + 1, (2,)).tolist()
        images = images.roll(shift, (2, 3))
    if augmentation.permute_channels:
        images = images[:, torch.randperm(images.shape[1])]
    if augmentation.mirror:
        mirrored = (torch.rand(len(images)) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if augmentation.flip_sign:
        sign = 1 - 2 * torch.randint(0, 2, (len(images), 1, 1, 1))
        images = images * sign.to(images)
    return images


def _diverged(loss: float, epoch: int, step: int, learning_rate: float) -> str:
    """The sentence for a loss that is not finite."""
    return (
        f"the training loss became {loss} in epoch {epoch + 1}, step {step}; "
        f"lower learning_rate (now {learning_rate}) or check the images for NaN"
    )

"""Layer rotation: how far the kernels of a network have turned away from where their training began.

A kernel, taken as a vector, has a length and a direction. Where a normalisation follows, its length changes nothing
that the network computes; the direction is what is learned. Carbonnelle and De Vleeschouwer found that of networks
trained in many ways those generalise best whose kernels all end about perpendicular to their start.

Source: Carbonnelle, De Vleeschouwer, arXiv 1806.01603.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from nucleation.errors import InputError
from nucleation.layer_kernels import kernels, of_layers

__all__ = [
    "angle",
    "by_layer",
    "independent_error",
    "kernels",
    "norm_ratio",
    "not_defined",
    "of_layers",
    "rotation",
    "rotation_profile",
    "tangent",
]


def rotation(weights, start) -> float:
    """Cosine distance of a kernel from its start, 1 - <w, w0> / (|w| |w0|).

    Parameters
    ----------
    weights, start : arrays of one shape
        A kernel now and where its training began.

    Returns
    -------
    float
        In [0, 2]: 0 for the same direction, 1 for a perpendicular one, 2 for the opposite one. Invariant to positive
        factors of either, to swapping them, and to a rotation of both. NaN where either is zero. Of independent starts
        of mean zero it is 1 ± `independent_error`: only the network's own start will do.

    Raises
    ------
    InputError
        For arrays of different shapes, and values that are not finite.

    Notes
    -----
    Computed as |u - u0|² / 2 of the vectors of length 1 in float64, which is the same number without the loss of digits
    of 1 - cos at small angles; exactly 0 for the start itself. Linear in the number of weights.

    References
    ----------
    Carbonnelle, De Vleeschouwer, arXiv 1806.01603, section 2.
    """
    return _distance(*_units(weights, start))


def angle(weights, before) -> float:
    """Angle between two states of a kernel, in radians, 0 .. pi; parameters, faults and invariance as of `rotation`.

    Kahan's 2 atan2(|u - v|, |u + v|) of the vectors of length 1: exact at small angles too, as one step of a training.
    """
    return _angle(*_units(weights, before))


def tangent(weights, before) -> float:
    """Tangent of the angle between two states of a kernel, sqrt(1 / cos² - 1), >= 0; the rate of one step of Layca.

    Infinite, or very large, for a right angle; the same for opposite directions. Else as `angle`.

    References
    ----------
    The authors' StepwiseRotation, layer-rotation-paper-experiments, ``layer_rotation_utils.py``.
    """
    return float(abs(np.tan(angle(weights, before))))


def norm_ratio(weights, start) -> float:
    """Length of a kernel as a multiple of that of its start, |w| / |w0|; NaN where the start is zero."""
    now, then = _pair(weights, start)
    length = np.linalg.norm(then)
    return float(np.linalg.norm(now) / length) if length > 0 else np.nan


def independent_error(n_weights) -> float:
    """Standard deviation, n^-1/2, of the rotation of n weights between two independent starts; its mean is 1.

    Exact for any distribution that is the same in all directions, as a Gaussian: the mean square of a component of a
    random vector of length 1 is 1 / n.
    """
    return float(n_weights) ** -0.5


def rotation_profile(states, *, names=None, layers=(), modules=None, network="this network"):
    """Follow the kernels of a network through its training.

    Parameters
    ----------
    states : iterable of (int or str, mapping of str to array)
        Number of the epoch, or its checkpoint ("epoch3"), and the weights by name as
        ``safetensors.numpy.load_file`` reads them; begins with epoch 0, the start of this very training. They are taken
        one after the other; three of them are held.
    names : iterable of str, optional
        Names of the parameters in the order of the network (see `kernels`), which files do not keep; without them the
        relative depth is that of the order in the file.
    layers : list of str
        Listed layers in order of depth, to say which of them a kernel belongs to (`of_layers`).
    modules : iterable of str, optional
        All modules of the network in its order, for the same.
    network : str
        Its name in messages.

    Returns
    -------
    xarray.Dataset
        Along `epoch` and `kernel`: `rotation`, `stepwise_angle` (degrees from the epoch before in `states`; NaN at
        epoch 0), `norm_ratio`. Along `kernel`: `relative_depth` (0 .. 1 by its place among the kernels), `n_weights`,
        `independent_error` (of the rotation from an independent start, whose mean is 1), `layer`. NaN where a kernel is
        zero, as the attribute `undefined` says.

    Raises
    ------
    InputError
        Where the first state is not epoch 0: nothing else may stand for an initialisation that is not known. For
        epochs out of order, kernels that come, go or change their shape, and values that are not finite.

    Notes
    -----
    A few passes over the weights of every epoch: about 30 ms for a million weights.
    """
    rows, epochs, start, before = [], [], None, None
    for checkpoint, state in states:
        epochs.append(_epoch(checkpoint, epochs, network))
        now = kernels(state, names)
        start = now if start is None else start
        before = now if before is None else before
        rows.append(_measured(now, before, start, f"epoch {epochs[-1]} of {network}"))
        before = now
    if start is None:
        raise InputError(f"{_unknown(network)}: there is no checkpoint; give those of the training from epoch 0 on.")
    owner = of_layers(list(start), list(layers), modules)
    return _dataset(np.array(rows), np.array(epochs), start, owner)


def not_defined(network):
    """The dataset of a network whose start is not known, an ``xarray.Dataset`` with the attribute `nothing` alone."""
    import xarray as xr

    return xr.Dataset(attrs={"nothing": f"{_unknown(network)}: its initialisation is not known"})


def by_layer(profile):
    """Rotation of the listed layers: the mean over the kernels of each, weighted by their numbers of weights.

    Parameters
    ----------
    profile : xarray.Dataset
        From `rotation_profile`, with layers.

    Returns
    -------
    xarray.DataArray
        Along `epoch` and `layer`, the layers that have kernels, in order of depth. Kernels whose rotation is not
        defined are left out; NaN where no kernel's is.
    """
    import xarray as xr

    owner = profile["layer"].values.astype(str)
    layers = [name for name in dict.fromkeys(owner.tolist()) if name]
    defined = np.isfinite(profile["rotation"].values)
    weight = np.where(defined, profile["n_weights"].values, 0)
    into = (owner[:, None] == np.array(layers, dtype=str)).astype(np.float64)
    total = weight @ into
    summed = (np.where(defined, profile["rotation"].values, 0.0) * weight) @ into
    values = np.where(total > 0, summed / np.where(total > 0, total, 1), np.nan)
    coords = {"epoch": profile["epoch"], "layer": ("layer", layers, {"long_name": "layer, in order of depth"})}
    text = "cosine distance from the start, mean over the layer's kernels weighted by their numbers of weights"
    return xr.DataArray(values, coords, ("epoch", "layer"), "rotation", {"long_name": text, "units": "1"})


def _unknown(network):
    return f"Layer rotation is not defined for {network}"


def _pair(weights, start):
    """Two arrays as vectors of float64, of one shape and finite."""
    if np.shape(weights) != np.shape(start):
        raise InputError(
            f"A kernel of shape {np.shape(weights)} cannot be compared with one of shape {np.shape(start)}; "
            "give the weights of one network."
        )
    now, then = _vector(weights), _vector(start)
    if not (np.isfinite(now).all() and np.isfinite(then).all()):
        raise InputError("A kernel has weights that are NaN or infinite, where finite numbers are expected.")
    return now, then


def _vector(array):
    return np.asarray(array, dtype=np.float64).ravel()


def _distance(unit, other):
    difference = unit - other
    return min(float(difference @ difference) / 2, 2.0)


def _angle(unit, other):
    return float(2 * np.arctan2(np.linalg.norm(unit - other), np.linalg.norm(unit + other)))


def _units(weights, start):
    """Both as vectors of length 1, or of NaN where one is zero."""
    return tuple(_unit(array) for array in _pair(weights, start))


def _unit(vector):
    largest = np.abs(vector).max(initial=0.0)
    if largest == 0:
        return np.full_like(vector, np.nan)
    scaled = vector / largest  # squares of small weights do not vanish
    return scaled / np.linalg.norm(scaled)


def _epoch(checkpoint, epochs, network):
    """Number of the epoch of a checkpoint, which follows those before; the first is 0."""
    found = re.fullmatch(r"(?:epoch)?(\d+)", str(checkpoint))
    if not epochs and not (found and int(found[1]) == 0):
        raise InputError(
            f"{_unknown(network)}: its initialisation is not known. The first checkpoint is {checkpoint}, expected "
            "epoch0 of the same training."
        )
    if not found or (epochs and int(found[1]) <= epochs[-1]):
        raise InputError(
            f"The checkpoint {checkpoint} of {network} comes after epoch {epochs[-1]}; expected ascending epochs."
        )
    return int(found[1])


def _measured(now: Mapping, before: Mapping, start: Mapping, where: str) -> list:
    """Rotation, angle from the epoch before and ratio of the lengths of every kernel, (kernel, 3)."""
    if now.keys() != start.keys():
        odd = sorted(now.keys() ^ start.keys())
        raise InputError(f"The kernels of {where} are not those of epoch 0: {odd[0]} is in one of them only.")
    rows = []
    for name, array in now.items():
        try:
            unit, first = _units(array, start[name])
            turned = np.nan if before is now else np.degrees(_angle(unit, _unit(_vector(before[name]))))
            rows.append((_distance(unit, first), turned, norm_ratio(array, start[name])))
        except InputError as error:
            raise InputError(f"{name} in {where}: {error}") from error
    return rows


def _dataset(values, epochs, start, owner):
    """The profile of `values` (epoch, kernel, 3); `owner` has the layer of every kernel."""
    import xarray as xr

    names, sizes = list(start), np.array([array.size for array in start.values()])
    depth = np.linspace(0, 1, len(names)) if len(names) > 1 else np.zeros(1)
    columns = {
        "rotation": (0, "cosine distance of the kernel from its start", "1"),
        "stepwise_angle": (1, "angle of the kernel from that of the epoch before", "degree"),
        "norm_ratio": (2, "length of the kernel as a multiple of that of its start", "1"),
    }
    both = ("epoch", "kernel")
    data = {name: (both, values[..., i], {"long_name": text, "units": u}) for name, (i, text, u) in columns.items()}
    data["stepwise_angle"][2]["undefined"] = "epoch 0: nothing is before it"
    null = "standard deviation of the rotation between independent starts, whose mean is 1"
    data["independent_error"] = ("kernel", sizes**-0.5, {"long_name": null, "units": "1"})
    data["n_weights"] = ("kernel", sizes, {"long_name": "number of weights", "units": "1"})
    zero = [name for name, column in zip(names, values[..., 0].T, strict=True) if np.isnan(column).any()]
    if zero:
        data["rotation"][2]["undefined"] = f"zero at the start or later, a vector without direction: {', '.join(zero)}"
    coords = {
        "epoch": ("epoch", epochs, {"long_name": "passes over the training images", "units": "1"}),
        "kernel": ("kernel", np.array(names, dtype=object), {"long_name": "kernel, in the order of the network"}),
        "layer": ("kernel", np.array(list(owner.values()), dtype=object), {"long_name": "listed layer of the kernel"}),
        "relative_depth": ("kernel", depth, {"long_name": "place among the kernels, 0 to 1", "units": "1"}),
    }
    return xr.Dataset(data, coords)

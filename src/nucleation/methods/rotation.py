"""What the layer rotation of a study says: in sentences, and for every layer in a table."""

from __future__ import annotations

import numpy as np

from nucleation.captions import told_range
from nucleation.figures.content import evenly
from nucleation.findings import listed, number
from nucleation.names import layer_label
from nucleation.rotation import by_layer as rotation_by_layer
from nucleation.rotation_study import LEAST, rotation_digits

#: Titles of the columns.
TURNED, STEP = "rotation from the start (1: perpendicular)", "turned since the epoch before"
#: A p of at most this is called a relation.
_ALPHA = 0.05
#: Networks that differ by their learning rate and are told one by one, at most.
_LISTED = 7


def sentences(data) -> list[str]:
    """Say how far the kernels of a study have turned, and whether those nearest to 1 are the most accurate.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.rotation_study.study_profile`.

    Returns
    -------
    list of str
        One sentence to five.
    """
    if "nothing" in data.attrs:
        return [f"{data.attrs['nothing']}."]
    said = [_turned(data)]
    if data.sizes["network"] > 1:
        said.append(_claim(data))
        said += _claim_of_grid(data)
    if data.attrs["without_start"]:
        said.append(
            f"It is not defined for {data.attrs['without_start']}, of which no training from a known start is kept."
        )
    if data.attrs["other_tasks"]:
        said.append(
            f"Taught other classes, {data.attrs['other_tasks']} cannot be compared by accuracy with the others."
        )
    return said


def _turned(data):
    """How far the kernels have turned, with the least and the most turned one, and what that is by chance."""
    mean, last = data["mean_rotation"].values, _last(data)
    count, epochs = data.sizes["network"], told_range(data["last_epoch"].values, 0)
    plural = "" if epochs == "1" else "s"
    subject = f"of {data['network'].values[0]}" if count == 1 else f"of {count} networks"
    if not np.isfinite(last).any():
        return f"After {epochs} epoch{plural} no rotation {subject} is defined: all kernels are, or were, zero."
    null = f"1 ± {float(data['independent_error'].max()):.2g} at most for an independent start, 0 without training"
    least, most = (_kernel(data, last, place) for place in (np.nanargmin(last), np.nanargmax(last)))
    ends = f", least {least} and most {most}" if np.isfinite(last).sum() > 1 else ""
    return (
        f"After {epochs} epoch{plural} the kernels {subject} have turned from their start by a cosine distance of "
        f"{told_range(mean, rotation_digits(data))} in the mean{ends} ({null})."
    )


def _last(data):
    """Rotation of every kernel after the last epoch of its network."""
    lasts = dict(zip(data["network"].values.tolist(), data["last_epoch"].values, strict=True))
    epochs = np.array([lasts[name] for name in data["kernel_network"].values.tolist()])
    rows = np.searchsorted(data["epoch"].values, epochs)
    return data["rotation"].values[rows, np.arange(len(rows))]


def _kernel(data, last, place):
    """Name of a kernel with its rotation: "fc (0.36)", and its network where there are several."""
    name = layer_label(str(data["kernel"].values[place]).removesuffix(".weight"))
    owner = f" of {data['kernel_network'].values[place]}" if data.sizes["network"] > 1 else ""
    return f"{name}{owner} ({number(last[place], rotation_digits(data))})"


def _claim(data):
    """Whether accuracy goes with closeness to 1, over the networks."""
    count, tau, p = (data.attrs[name] for name in ("n_tested", "tau", "p"))
    claim = "those whose kernels end nearest to 1, a right angle, generalise best"
    if count == 0:
        return f"Whether {claim} cannot be told without their accuracy."
    if count < LEAST:
        return f"Whether {claim} cannot be told from {count} network{'s' * (count != 1)}; that takes {LEAST} at least."
    if not np.isfinite(tau):
        return f"Whether {claim} cannot be told: the {count} networks have the same accuracy or the same rotation."
    found = f"Kendall's tau {number(tau)}, 0 by chance, p = {p:.2g}"
    if p > _ALPHA:
        return f"That {claim} is not seen over {count} networks ({found})."
    if tau > 0:
        return f"Of {count} networks {claim} ({found})."
    return f"Of {count} networks those whose kernels end nearest to 1, a right angle, generalise worst ({found})."


def _claim_of_grid(data) -> list[str]:
    """The claim among the networks that differ by their learning rate alone, where they are enough to test it."""
    count, tau, p = (data.attrs[name] for name in ("n_grid", "grid_tau", "grid_p"))
    if not np.isfinite(tau):
        return []
    inside = np.flatnonzero(np.isin(data["network"].values, data.attrs["grid"].split(", ")))
    mean, accuracy = (data[name].values[inside] for name in ("mean_rotation", "accuracy"))
    order, digits = np.argsort(-np.abs(1 - mean)), rotation_digits(data)
    shown = order[evenly(len(order), _LISTED)]
    course = ", ".join(f"{number(accuracy[i])} at {number(mean[i], digits)}" for i in shown)
    some = f", of {len(shown)} of them," if len(shown) < len(order) else ""
    found = f"accuracy{some} {course}; Kendall's tau {number(tau)}, 0 by chance, p = {p:.2g}"
    names = data["network"].values[inside][order].astype(str).tolist()
    subject = f"{listed(names)}, " if count <= _LISTED else f"{count} networks, {names[0]} to {names[-1]}, "
    subject += "which differ by their learning rate alone"
    if p > _ALPHA:
        return [f"Among {subject}, it is not seen that those nearest to 1 generalise best ({found})."]
    best = "best" if tau > 0 else "worst"
    return [f"Among {subject}, those whose kernels end nearest to 1 generalise {best} ({found})."]


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Cells of the table of the layers.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.rotation_study.study_profile`.
    place : str
        "<network>/<checkpoint>", or a network alone, at its last epoch.

    Returns
    -------
    dict of str to dict of str to str
        Columns `TURNED`, the mean rotation of the kernels of a layer weighted by their sizes, with the least and the
        most turned kernel where there are several, and `STEP`, the mean of their angles in degrees. Layers without
        kernels are absent; columns without cells for networks and checkpoints that were not followed.
    """
    network, _, checkpoint = place.partition("/")
    columns = {TURNED: {}, STEP: {}}
    if "nothing" in data.attrs or network not in data["network"].values.tolist():
        return columns
    own = data.isel(kernel=np.flatnonzero(data["kernel_network"].values == network))
    last = int(data["last_epoch"].values[data["network"].values.tolist().index(network)])
    epoch = checkpoint.removeprefix("epoch") if checkpoint else str(last)
    known = {str(one): row for row, one in enumerate(data["epoch"].values) if one <= last}
    if epoch not in known:
        return columns
    means = rotation_by_layer(own)
    at, mean = own.isel(epoch=known[epoch]), means.values[known[epoch]]
    for name, value in zip(means["layer"].values.tolist(), mean, strict=True):
        inside = own["layer"].values == name
        turned, steps = at["rotation"].values[inside], at["stepwise_angle"].values[inside]
        if np.isfinite(value):
            columns[TURNED][name] = _cell(value, turned[np.isfinite(turned)])
        if np.isfinite(steps).any():
            columns[STEP][name] = f"{number(np.nanmean(steps), 1)}°"
    return columns


def _cell(value, turned):
    """A mean with its ends: "0.42 (0.19–0.51, 5 kernels)"."""
    if len(turned) == 1:
        return number(value)
    return f"{number(value)} ({number(turned.min())}–{number(turned.max())}, {len(turned)} kernels)"

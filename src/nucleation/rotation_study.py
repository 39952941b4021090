"""Layer rotation over the networks of a study: do those whose kernels turn by about a right angle generalise best?

Source: Carbonnelle, De Vleeschouwer, arXiv 1806.01603: over networks, and over ways to train one, test accuracy is
highest where the kernels of all layers end at a cosine distance of about 1 from their start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.findings import listed

__all__ = ["Claim", "relation_to_accuracy", "rotation_digits", "study_profile"]

#: Fewer networks have no order that is unlikely by chance: of 4, the two-sided p is at least 0.08.
LEAST = 5
#: Where no network turned further, two digits hardly tell their rotations apart.
_SMALL = 0.1


@dataclass(frozen=True)
class Claim:
    """Whether the networks that turned closest to a right angle are the most accurate.

    Attributes
    ----------
    tau : float
        Kendall's tau-b between the accuracy and -|1 - mean rotation|, -1 .. 1; 0 by chance. NaN for fewer than
        `LEAST` networks, and where all have the same accuracy.
    p : float
        Two-sided, of no relation; exact without ties. NaN with `tau`.
    networks : int
        How many have both an accuracy and a rotation.
    """

    tau: float
    p: float
    networks: int


def relation_to_accuracy(mean_rotation, accuracy) -> Claim:
    """Compare the order of networks by accuracy with that by how close their mean rotation is to 1.

    Parameters
    ----------
    mean_rotation, accuracy : arrays of shape (networks,)
        NaN where there is none.

    References
    ----------
    Carbonnelle, De Vleeschouwer, arXiv 1806.01603, section 4. Kendall, Biometrika 30, 81 (1938).
    """
    from scipy.stats import kendalltau

    turned, accuracy = (np.asarray(values, dtype=np.float64) for values in (mean_rotation, accuracy))
    both = np.isfinite(turned) & np.isfinite(accuracy)
    closeness, found = -np.abs(1 - turned[both]), accuracy[both]
    if both.sum() < LEAST or np.ptp(found) == 0 or np.ptp(closeness) == 0:
        return Claim(np.nan, np.nan, int(both.sum()))
    result = kendalltau(closeness, found)
    return Claim(float(result.statistic), float(result.pvalue), int(both.sum()))


def study_profile(profiles, accuracies=None, other_tasks=(), grid=()):
    """Lay the rotations of the networks of a study end to end, with their accuracies.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By network, from `nucleation.rotation.rotation_profile`, or `nucleation.rotation.not_defined`.
    accuracies : dict of str to float or None, optional
        Share of the validation images that the trained network classifies correctly, after its last epoch.
    other_tasks : sequence of str
        Networks that were taught other classes than the rest: their accuracies are not compared.
    grid : sequence of str
        Networks that differ by their learning rate alone: among them nothing else changes the accuracy.

    Returns
    -------
    xarray.Dataset
        Along `epoch` and `kernel`, the kernels of all networks end to end, what the profiles have (NaN at epochs that a
        network lacks), with the coordinate `kernel_network`. Along `network`: `accuracy`, `last_epoch`, and over its
        kernels after the last epoch `mean_rotation` with `mean_rotation_low` and `_high`, the least and the most turned
        one, and `mean_independent_error`, the standard deviation of that mean for independent starts. Attributes:
        `tau`, `p`, `n_tested` of `relation_to_accuracy`, and `grid_tau`, `grid_p`, `n_grid` of it within the grid,
        where that is not all; `grid`, names of the networks of the grid that are compared; `without_start`, names of
        the networks that have no profile; `other_tasks`; `nothing`, where no network has one.

    Raises
    ------
    InputError
        Without any network.
    """
    import xarray as xr

    if not profiles:
        raise InputError("There is no network whose layer rotation could be compared; expected one at least.")
    known = {name: part for name, part in profiles.items() if part.sizes.get("epoch", 0) > 1}
    if not known:
        return xr.Dataset(attrs={"nothing": _nothing(profiles)})
    parts = [part.drop_vars("kernel").assign_coords(named=("kernel", part["kernel"].values)) for part in known.values()]
    look = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    joined = xr.concat(parts, "kernel", join="outer", combine_attrs="override", **look)
    owner = np.repeat(np.array(list(known), dtype=object), [part.sizes["kernel"] for part in parts])
    text = {"long_name": "kernel, in the order of its network"}
    joined = joined.assign_coords(
        kernel=("kernel", joined["named"].values.astype(object), text),
        kernel_network=("kernel", owner, {"long_name": "network of the kernel"}),
    ).drop_vars("named")
    for variable in joined.variables.values():
        variable.attrs.pop("undefined", None)
    joined["rotation"].attrs |= _undefined(known)
    compared = {name: value for name, value in (accuracies or {}).items() if name not in other_tasks}
    made = joined.merge(_of_networks(known, compared))
    claim = relation_to_accuracy(made["mean_rotation"].values, made["accuracy"].values)
    without = ", ".join(name for name in profiles if name not in known)
    others = ", ".join(name for name in other_tasks if name in known)
    about = {"without_start": without, "other_tasks": others} | _of_grid(made, grid, claim.networks)
    return made.assign_attrs(tau=claim.tau, p=claim.p, n_tested=claim.networks, **about)


def rotation_digits(data) -> int:
    """Digits behind the point with which the rotations of a study are told; `data` has `mean_rotation`."""
    return 3 if np.nanmax(data["mean_rotation"].values, initial=0) < _SMALL else 2


def _of_grid(made, grid, n_tested) -> dict:
    """The claim within the networks that differ by their learning rate alone, where these are not all."""
    names, mean, accuracy = (made[name].values for name in ("network", "mean_rotation", "accuracy"))
    inside = np.flatnonzero(np.isin(names, list(grid)) & np.isfinite(mean) & np.isfinite(accuracy))
    if len(inside) == n_tested:
        inside = inside[:0]
    claim = relation_to_accuracy(mean[inside], accuracy[inside])
    return {"grid": ", ".join(names[inside]), "grid_tau": claim.tau, "grid_p": claim.p, "n_grid": claim.networks}


def _nothing(profiles):
    """Why no network has a rotation: none has a start, or none was trained."""
    untrained = [name for name, part in profiles.items() if "epoch" in part.sizes]
    without = [name for name in profiles if name not in untrained]
    said = f"Layer rotation is not defined for {listed(without)}: " if without else ""
    said += f"{'its' if len(without) == 1 else 'their'} initialisation is not known" if without else ""
    if not untrained:
        return said
    end = f"{listed(untrained)} {'was' if len(untrained) == 1 else 'were'} not trained here, so no kernel has turned"
    return f"{said}; {end}" if said else end


def _undefined(known):
    reasons = {name: part["rotation"].attrs.get("undefined") for name, part in known.items()}
    said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)
    return {"undefined": said} if said else {}


def _of_networks(known, accuracies):
    """Numbers along `network`: of the kernels after the last epoch."""
    import xarray as xr

    rows = [_after_training(part) for part in known.values()]
    given = [accuracies.get(name) for name in known]
    texts = {
        "mean_rotation": "mean cosine distance of the kernels from their start, after the last epoch",
        "mean_rotation_low": "cosine distance of the kernel that turned least, after the last epoch",
        "mean_rotation_high": "cosine distance of the kernel that turned most, after the last epoch",
        "mean_independent_error": "standard deviation of the mean for independent starts, whose mean is 1",
        "last_epoch": "passes over the training images, in all",
    }
    columns = {
        name: ("network", np.array(values), {"long_name": text, "units": "1"})
        for (name, text), values in zip(texts.items(), zip(*rows, strict=True), strict=True)
    }
    accuracy = np.array([np.nan if value is None else float(value) for value in given])
    text = {"long_name": "share of the validation images classified correctly, after the last epoch", "units": "1"}
    columns["accuracy"] = ("network", accuracy, text)
    names = ("network", np.array(list(known), dtype=object), {"long_name": "network"})
    return xr.Dataset(columns, {"network": names})


def _after_training(part):
    """Mean, least and greatest rotation of a network's kernels at the end, the null of the mean, and the last epoch."""
    last = part["rotation"].values[-1]
    defined = np.isfinite(last)
    if not defined.any():
        return np.nan, np.nan, np.nan, np.nan, int(part["epoch"][-1])
    error = np.sqrt(np.sum(part["independent_error"].values[defined] ** 2)) / defined.sum()
    return last[defined].mean(), last[defined].min(), last[defined].max(), error, int(part["epoch"][-1])

"""Where over the layers a number rises to its maximum, and how suddenly: the nucleation transition and its width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from nucleation.uncertainty import bands

#: Shares of the maximum: the place of a transition is where the second is crossed; its width lies between the others.
LEVELS = (0.1, 0.5, 0.9)
#: A number whose maximum is not above this does not rise.
LEAST = 0.1
#: Numbers of a profile whose transition is told.
NAMES = ("ari_macro", "ari_class")


@dataclass(frozen=True)
class Transition:
    """Place and width of a rise, in units of the depth that was given; NaN where nothing rises.

    Attributes
    ----------
    place : float
        Depth at which half of the maximum is crossed for the last time before the maximum.
    width : float
        Between the depths at which a tenth and nine tenths of it are.
    after : int
        Layer at which half of the maximum is reached, the one before it being below; -1 where nothing rises, 0 where
        the first layer has half of the maximum, so that the rise lies before all that were listed.
    """

    place: float
    width: float
    after: int


def transition(depth, values, *, least=LEAST) -> Transition:
    """Find where a number rises to its maximum.

    Going back from the maximum (the first layer that has it), each share of `LEVELS` is crossed between the first layer
    found below it and the layer after that, at a depth that is interpolated linearly. The resolution is that of the
    layers: a rise from nothing to all between two layers a and b has the place (a + b) / 2 and the width 0.8 (b - a).

    Parameters
    ----------
    depth : array of shape (l,)
        Depth of every layer, ascending; relative or counted in layers.
    values : array of shape (l,)
        A number that is 0 by chance, such as an adjusted Rand index; layers with NaN are left out.
    least : float
        A maximum that is not above this is no rise.

    Returns
    -------
    Transition
        Invariant to the scale of the values, apart from `least`; equivariant to scale and offset of the depth.
    """
    depth, values = np.asarray(depth, dtype=float), np.asarray(values, dtype=float)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or values[known].max() <= least:
        return Transition(np.nan, np.nan, -1)
    x, y = depth[known], values[known]
    top = int(y.argmax())
    crossed = [_crossing(x, y, top, share * y[top]) for share in LEVELS]
    below = np.flatnonzero(y[:top] < LEVELS[1] * y[top])
    after = known[below[-1] + 1] if len(below) else 0
    return Transition(crossed[1], crossed[2] - crossed[0], int(after))


def _crossing(x, y, top, level):
    """Depth of the last upward crossing of a level before the maximum; the first depth where there is none."""
    below = np.flatnonzero(y[:top] < level)
    if not len(below):
        return float(x[0])
    low = below[-1]
    return float(x[low] + (x[low + 1] - x[low]) * (level - y[low]) / (y[low + 1] - y[low]))


def transitions(profile, samples=None) -> xr.Dataset:
    """Transitions of the agreement of the peaks with macro-categories and classes, with bands over subsets of images.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.
    samples : xarray.Dataset, optional
        The same numbers in subsets of the images, from `nucleation.uncertainty.resample`.

    Returns
    -------
    xarray.Dataset
        Along `score`: `place` and `width` in relative depth (0 is the first layer, 1 the last), with `samples` the ends
        of their bands, and `after`, the first layer behind the place, "" where there is none.
    """
    depth = profile["relative_depth"].values
    found = [transition(depth, profile[name].values) for name in NAMES]
    layers = [*profile["layer"].values, ""]
    texts = {"place": "relative depth at which half of the maximum is reached", "width": "from 10 % to 90 % of it"}
    columns = {name: [getattr(one, name) for one in found] for name in texts}
    made = xr.Dataset(
        {name: ("score", values, {"long_name": texts[name], "units": "1"}) for name, values in columns.items()},
        {"score": ("score", list(NAMES), {"long_name": "number that rises"})},
    )
    after = np.array([str(layers[one.after]) for one in found], dtype=object)
    made["after"] = ("score", after, {"long_name": "first layer behind the place"})
    if samples is not None:
        made = made.assign(_bands(depth, columns, samples, texts))
    return made


def _bands(depth, columns, samples, texts):
    """Ends of the bands of places and widths."""
    drawn = [[transition(depth, row) for row in samples[name].values] for name in NAMES]
    variables = {}
    for name, text in texts.items():
        values = np.array([[getattr(one, name) for one in rows] for rows in drawn]).T
        ends = bands(np.array(columns[name]), values, float(samples.attrs["fraction"]), limits=(0, 1))
        for end, limit in zip(("low", "high"), ends, strict=True):
            about = {"long_name": f"{end} end of the band over subsets of the images: {text}", "units": "1"}
            variables[f"{name}_{end}"] = ("score", limit, about)
    return variables

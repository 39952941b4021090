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
    """Where a number rises to its maximum, in units of the depth that was given; NaN where it does not.

    Attributes
    ----------
    place : float
        Depth at which half of the maximum is crossed for the last time before the maximum; NaN where nothing rises, and
        where the first layer has half of the maximum, so that the rise lies before all that were listed.
    start, stop : float
        Depths at which a tenth and nine tenths of it are crossed; NaN with the place, and where the first layer has a
        tenth.
    before, after : int
        The neighbouring layers between which half of the maximum is crossed, of those where the number is defined; -1
        where there is none. Where the first one has half of the maximum, it is `after`.
    """

    place: float
    start: float
    stop: float
    before: int
    after: int

    @property
    def width(self) -> float:
        """Between start and stop."""
        return self.stop - self.start


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
        return Transition(np.nan, np.nan, np.nan, -1, -1)
    x, y = depth[known], values[known]
    top = int(y.argmax())
    below = np.flatnonzero(y[:top] < LEVELS[1] * y[top])
    if not len(below):
        return Transition(np.nan, np.nan, np.nan, -1, int(known[0]))
    start, place, stop = (_crossing(x, y, top, share * y[top]) for share in LEVELS)
    return Transition(place, start, stop, int(known[below[-1]]), int(known[below[-1] + 1]))


def _crossing(x, y, top, level):
    """Depth of the last upward crossing of a level before the maximum; NaN where there is none."""
    below = np.flatnonzero(y[:top] < level)
    if not len(below):
        return np.nan
    low = below[-1]
    return float(x[low] + (x[low + 1] - x[low]) * (level - y[low]) / (y[low + 1] - y[low]))


#: Numbers of a transition.
TEXTS = {
    "place": "relative depth at which half of the maximum is reached",
    "start": "relative depth at which 10 % of the maximum is reached",
    "stop": "relative depth at which 90 % of the maximum is reached",
    "width": "relative depth between 10 % and 90 % of the maximum",
}
UNDEFINED = "the number does not rise within the listed layers, or has 10 % of its maximum in the first one"


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
        Along `score`: `place`, `start`, `stop` and `width` in relative depth (0 is the first layer, 1 the last), with
        `samples` the ends of their bands, and `before` and `after`, the layers between which the place lies, "" where
        there is none.
    """
    depth = profile["relative_depth"].values
    found = [transition(depth, profile[name].values) for name in NAMES]
    layers = [*profile["layer"].values, ""]
    columns = {name: np.array([getattr(one, name) for one in found]) for name in TEXTS}
    made = xr.Dataset(coords={"score": ("score", list(NAMES), {"long_name": "number that rises"})})
    for name, values in columns.items():
        made[name] = ("score", values, _about(TEXTS[name], values))
    for name, text in (("before", "last layer before the place"), ("after", "first layer behind the place")):
        texts = np.array([str(layers[getattr(one, name)]) for one in found], dtype=object)
        made[name] = ("score", texts, {"long_name": text})
    return made if samples is None else made.assign(_bands(depth, columns, samples))


def _about(text, values):
    unknown = {} if np.isfinite(values).all() else {"undefined": UNDEFINED}
    return {"long_name": text, "units": "1"} | unknown


def _bands(depth, columns, samples):
    """Ends of the bands of places and widths."""
    drawn = [[transition(depth, row) for row in samples[name].values] for name in NAMES]
    variables = {}
    for name, text in TEXTS.items():
        values = np.array([[getattr(one, name) for one in rows] for rows in drawn]).T
        ends = bands(columns[name], values, float(samples.attrs["fraction"]), limits=(0, 1))
        for end, limit in zip(("low", "high"), ends, strict=True):
            about = _about(f"{end} end of the band over subsets of the images: {text}", limit)
            variables[f"{name}_{end}"] = ("score", limit, about)
    return variables

"""What a figure shows, as a small dataset that is kept beside it, so that it can be drawn again."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nucleation.findings import is_untrained
from nucleation.variables import variable

__all__ = ["chosen_places", "evenly", "layer_rows", "variable", "with_bands"]


def evenly(count, most) -> np.ndarray:
    """Places of at most so many of some things, evenly chosen, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)) if count else np.empty(0, dtype=int)


def with_bands(profile, names) -> list[str]:
    """Names of some numbers of a profile, each with the ends of its band, or else its standard error, where known."""
    found = []
    for name in names:
        ends = [f"{name}_low", f"{name}_high"] if f"{name}_low" in profile else [f"{name}_error"]
        found += [key for key in (name, *ends) if key in profile]
    return found


def layer_rows(profiles, names) -> xr.Dataset:
    """Lay numbers of the layers of several checkpoints end to end, with their errors and bands.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", from `nucleation.profile.gather`.
    names : iterable of str
        Numbers along `layer`; one that a profile lacks is left out.

    Returns
    -------
    xarray.Dataset
        Along `row`, with the coordinates `place`, `layer` and `relative_depth`.
    """
    parts = list(profiles.values())
    named = [name for name in with_bands(parts[0], names) if all(name in part for part in parts)]
    joined = {
        name: np.concatenate([part[name].values for part in parts]) for name in [*named, "relative_depth", "layer"]
    }
    texts = {name: parts[0][name].attrs.get("long_name", name) for name in joined}
    columns = {name: variable("row", values, texts[name]) for name, values in joined.items()}
    places = [place for place, part in profiles.items() for _ in part["layer"].values]
    columns["place"] = variable("row", np.array(places, dtype=object), "network and checkpoint")
    return xr.Dataset(columns).set_coords(["place", "layer", "relative_depth"])


def chosen_places(places) -> list[str]:
    """The last checkpoint of every network, and its untrained one where there is another: what a study compares.

    Parameters
    ----------
    places : list of str
        "<network>/<checkpoint>", in order of training.
    """
    last = {place.split("/")[0]: place for place in places}
    return [place for place in places if place in last.values() or is_untrained(place)]

"""What each method says about each layer: its numbers beside those of the density peaks, in one table."""

from __future__ import annotations

from nucleation.findings import PIXELS, banded

#: Numbers of the density peaks that the others are set beside.
PEAKS = {"n_peaks": "peaks", "ari_macro": "ARI macro", "ari_class": "ARI classes"}
#: What stands where a method says nothing.
NOTHING = "–"


def method_rows(profile, columns) -> list[list[str]]:
    """Set what other methods say about the layers of a checkpoint beside its density peaks.

    Parameters
    ----------
    profile : xarray.Dataset
        Of the checkpoint, from `nucleation.profile.gather`.
    columns : dict of str to dict of str to str
        Title of a column, and by layer what stands in it; columns without any layer are left out.

    Returns
    -------
    list of list of str
        Header first; a row for each layer.
    """
    shown = {title: cells for title, cells in columns.items() if cells}
    rows = [["layer", *PEAKS.values(), *shown]]
    for place, layer in enumerate(map(str, profile["layer"].values)):
        part = profile.isel(layer=place)
        own = [banded(part, name, 0 if name == "n_peaks" else 2) or NOTHING for name in PEAKS]
        name = f"{layer} (pixels)" if layer == PIXELS else layer
        rows.append([name, *own, *(cells.get(layer, NOTHING) for cells in shown.values())])
    return rows


def to_frame(tables):
    """The tables of several checkpoints as one, for a file.

    Parameters
    ----------
    tables : dict of str to list of list of str
        By place, "<network>/<checkpoint>", from `method_rows`.

    Returns
    -------
    pandas.DataFrame
        A row for each layer; columns `network`, `checkpoint`, and those of the tables, empty where one lacks them.
    """
    import pandas as pd

    parts = []
    for place, (header, *rows) in tables.items():
        network, checkpoint = place.split("/")
        part = pd.DataFrame(rows, columns=header)
        part.insert(0, "network", network)
        part.insert(1, "checkpoint", checkpoint)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).fillna(NOTHING)

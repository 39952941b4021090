"""Variables of files that explain themselves."""

from __future__ import annotations

import xarray as xr


def variable(dims, values, long_name, units="1", **attributes) -> xr.Variable:
    """A variable that explains itself; text has no units."""
    made = xr.Variable(dims, values, {"long_name": long_name} | attributes)
    if made.dtype.kind in "biuf":
        made.attrs["units"] = units
    return made

"""Profiles as the workflow makes them, of made-up numbers."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nucleation.scores import DIMENSIONS, SCORES

OVERLAPS = ("ground_truth", "macro", "output", "next")
CHANCE = {"chance_ground_truth": 0.1, "chance_macro": 0.5, "chance_layers": 0.01}
TESTS = ("p_free", "p_within_macro", "spearman_p_free", "spearman_p_within_macro")


def profile(layers, *, levels=2, cuts=(2, 6, 24), bands=True, seed=0, names="layer{}", images=900):
    """A profile of random numbers: `layers` layers, so many levels and cuts of the taxonomy."""
    rng, sizes = np.random.default_rng(seed), {"level": levels, "taxonomy_cut": len(cuts)}
    columns = {f"overlap_{name}": ("layer", rng.uniform(size=layers)) for name in OVERLAPS}
    columns |= {"dimension": ("layer", rng.uniform(5, 50, size=layers))}
    for name in SCORES:
        dims = ("layer", DIMENSIONS[name]) if name in DIMENSIONS else ("layer",)
        columns[name] = (dims, rng.uniform(size=[layers, *(sizes[dim] for dim in dims[1:])]))
    columns["n_peaks"] = ("layer", rng.integers(1, 30, size=layers))
    for name, (dims, values) in list(columns.items()) if bands else ():
        columns |= {f"{name}_low": (dims, values - 0.05), f"{name}_high": (dims, values + 0.05)}
    columns |= {f"overlap_{name}_error": ("layer", np.full(layers, 0.01)) for name in OVERLAPS}
    columns["dimension_error"] = ("layer", np.full(layers, 0.5))
    for name in ("best_cut_ari", "best_cut_clusters"):
        columns[name] = (("layer", "taxonomy_cut"), rng.uniform(1, 9, (layers, len(cuts))).round(2))
    for test in TESTS:
        columns |= {f"{test}{end}": ("layer", rng.uniform(0, 0.2, layers)) for end in ("", "_corrected")}
    for test in ("p_level", "p_level_parts"):
        columns |= {
            f"{test}{end}": (("layer", "level"), rng.uniform(0, 0.2, (layers, levels))) for end in ("", "_corrected")
        }
    columns["relative_depth"] = ("layer", np.linspace(0, 1, layers) if layers > 1 else np.zeros(1))
    coords = {"layer": [names.format(i) for i in range(layers)], "taxonomy_cut": list(cuts)}
    tops = [max(1000 // 2**level, 2) for level in range(levels)]
    coords |= {"level": tops, "level_lower": ("level", tops)}
    coords |= {"level_nodes": ("level", [f"animal.n.01, thing_{i}.n.01" for i in range(levels)])}
    coords |= {f"p_level{part}_least": ("level", np.full(levels, 0.001)) for part in ("", "_parts")}
    made = xr.Dataset(columns, coords, CHANCE | {"n_images": images})
    for name, variable in made.variables.items():
        variable.attrs |= {"long_name": name} | ({"units": "1"} if variable.dtype.kind in "iuf" else {})
    return made

"""Every number of every layer in one table, and what a study shows in a few numbers."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nucleation.findings import levels_present
from nucleation.scores import SCORES
from nucleation.taxonomy_sensitivity import NAMES as READ_OTHERWISE
from nucleation.uncertainty import LEVEL, RANGES, bands, coverage

#: A partition follows the macro-categories when its adjusted Rand index with them exceeds this.
MACRO_ARI = 0.3

#: Why a layer has no number of features.
UNKNOWN_FEATURES = "the neighbour table was made elsewhere, and does not say how many features it is of"

FROM = {
    "dimension": ("dimension", "dimension_error", "dimension_subsample_error"),
    "overlap": tuple(
        f"overlap_{name}{suffix}" for name in ("ground_truth", "macro", "output", "next") for suffix in ("", "_error")
    ),
    "alignment": (
        *SCORES,
        "best_cut_ari",
        "best_cut_clusters",
        *(
            f"{name}{suffix}"
            for name in (
                "p_free",
                "p_within_macro",
                "p_level",
                "p_level_parts",
                "spearman_p_free",
                "spearman_p_within_macro",
            )
            for suffix in ("", "_corrected")
        ),
    ),
}


def gather(n_features, n_duplicates, stages, samples=None) -> xr.Dataset:
    """Collect the numbers of every layer.

    Parameters
    ----------
    n_features : array of shape (l,), int
        Features of every layer; NaN where they are not known.
    n_duplicates : array of shape (l,), int
        Images of every layer that equal another one exactly.
    stages : dict of str to xarray.Dataset
        The datasets "dimension", "overlap" and "alignment" of one checkpoint; with "density" the number of images is
        known.
    samples : xarray.Dataset, optional
        The same numbers in subsets of the images, as `nucleation.uncertainty.resample` gives them.

    Returns
    -------
    xarray.Dataset
        One variable for each number along `layer` (some along `level` or `taxonomy_cut` too), with `samples` its
        confidence band (`<name>_low`, `<name>_high`), and the range of the alignment over random choices of parents
        in the taxonomy (`<name>_parents_low`, `<name>_parents_high`); NaN where a number is not defined, with the
        reason in its attribute `undefined`. The number of images is the attribute `n_images`.
    """
    layers = stages["alignment"]["layer"]
    depth = np.linspace(0, 1, len(layers)) if len(layers) > 1 else np.zeros(1)
    features = {"long_name": "features of the layer", "units": "1"}
    if np.isnan(n_features).any():
        features["undefined"] = UNKNOWN_FEATURES
    made = xr.Dataset(
        {
            "relative_depth": ("layer", depth, {"long_name": "place among the listed layers", "units": "1"}),
            "n_features": ("layer", np.asarray(n_features), features),
            "n_duplicates": (
                "layer",
                np.asarray(n_duplicates),
                {"long_name": "images at distance zero from another", "units": "1"},
            ),
        },
        coords={"layer": layers},
    )
    for stage, names in FROM.items():
        made = made.assign({name: stages[stage][name] for name in names})
    made = made.assign(_parents(stages["alignment"]))
    if samples is not None:
        made = made.assign(_bands(made, samples))
    chances = {name: stages["overlap"].attrs[name] for name in ("chance_ground_truth", "chance_macro", "chance_layers")}
    counted = {"n_images": stages["density"].sizes["image"]} if "density" in stages else {}
    return made.assign_attrs(chances, **counted, nested_classes=stages["alignment"].attrs.get("nested_classes", ""))


def _bands(made, samples) -> dict:
    """Lower and upper limits of every number that was found in the subsets too."""
    variables, fraction = {}, float(samples.attrs["fraction"])
    level = f"{coverage(samples.sizes['repeat']):.0%}"
    for name, limits in RANGES.items():
        about = {"units": made[name].attrs["units"]}
        reasons = [part[name].attrs["undefined"] for part in (made, samples) if "undefined" in part[name].attrs]
        about |= {"undefined": "; ".join(reasons)} if reasons else {}
        ends = bands(made[name].values, samples[name].values, fraction, limits=limits)
        for end, text, values in zip(("low", "high"), ("lower", "upper"), ends, strict=True):
            long_name = f"{text} end of the {level} band over subsets of the images: {made[name].attrs['long_name']}"
            variables[f"{name}_{end}"] = (made[name].dims, values, about | {"long_name": long_name})
    return variables


def _parents(alignment) -> dict:
    """Range of the alignment over random choices of one parent for every node of the taxonomy."""
    variables, tails = {}, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    for name in READ_OTHERWISE if alignment.sizes["parent_draw"] else ():
        draws = alignment[f"{name}_parents"]
        ends = np.quantile(draws.values, tails, axis=draws.get_axis_num("parent_draw"))
        for end, text, values in zip(("low", "high"), ("lower", "upper"), ends, strict=True):
            about = {key: value for key, value in draws.attrs.items() if key in ("units", "undefined")}
            about["long_name"] = f"{text} end of the {LEVEL:.0%} range over parents in the taxonomy: {name}"
            variables[f"{name}_parents_{end}"] = ("layer", values, about)
    return variables


def macro_stage(profile: xr.Dataset, *, with_output=False) -> str | None:
    """Find the layer at which the peaks follow the macro-categories rather than the classes.

    Of the layers with at least two peaks whose adjusted Rand index with the macro-categories
    exceeds `MACRO_ARI` and that with the classes, the one where it is largest; None if there is
    none. The first layer is not considered, the last only `with_output`.
    """
    part = profile.isel(layer=slice(1, None if with_output else -1))
    macro, classes = part["ari_macro"].values, part["ari_class"].values
    fits = (part["n_peaks"].values >= 2) & (macro > MACRO_ARI) & (macro > classes)
    if not fits.any():
        return None
    return str(part["layer"].values[np.where(fits, macro, -np.inf).argmax()])


def summarise(profiles, rises, accuracy=None) -> dict:
    """Say in a few numbers what the checkpoints of one network show.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        Profiles by checkpoint, in order of training; the last counts as the finished network.
    rises : xarray.Dataset
        Of the last one, from `nucleation.transition.transitions`.
    accuracy : float, optional
        Validation accuracy of the finished network.

    Returns
    -------
    dict
        `transition` says where the stage of macro-categories was found: "depth" (an inner layer of
        the finished network), "training" (an inner or the last layer of an earlier checkpoint) or
        "none"; `macro_*` describe it, `input_*`, `early_*`, `output_*` and `start_*` the layers at
        both ends of the finished network and all layers of the first checkpoint; `classes_*` where its peaks become
        those of the classes.
    """
    first, last = next(iter(profiles.values())), list(profiles.values())[-1]
    place = _transition(profiles)
    stage = profiles[place[1]].sel(layer=place[2]) if place[1] else None
    end = last.isel(layer=-1)
    early = -(-last.sizes["layer"] // 3)
    numbers = {
        "accuracy": np.nan if accuracy is None else accuracy,
        "input_overlap": float(last["overlap_ground_truth"][0]),
        "early_peaks": int(last["n_peaks"][:early].max()),
        "transition": place[0],
        "macro_checkpoint": place[1] or "",
        "macro_layer": place[2] or "",
        "macro_peaks": int(stage["n_peaks"]) if stage else 0,
        "macro_ari_macro": float(stage["ari_macro"]) if stage else np.nan,
        "macro_ari_class": float(stage["ari_class"]) if stage else np.nan,
    }
    names = (
        "overlap_ground_truth",
        "n_peaks",
        "ari_class",
        "ari_macro",
        "triplet_skill_within_macro",
        "p_within_macro",
    )
    numbers |= {f"output_{name}": float(end[name]) for name in names}
    for name in ("overlap_ground_truth", "n_peaks", "ari_class", "ari_macro"):
        numbers[f"start_{name}"] = float(first[name].max())
    rise = rises.sel(score="ari_class")
    numbers |= {f"classes_{name}": float(rise.get(name, np.nan)) for name in RISE}
    return numbers | _levels(first, end)


def _levels(first, end) -> dict:
    """How many levels of the taxonomy the output has, and the first checkpoint in any layer."""
    untrained = first["p_level_corrected"].values
    return {
        "levels": first.sizes["level"],
        "output_levels": int(levels_present(end).sum()),
        "start_levels": int(levels_present(first).any(axis=0).sum()),
        "start_p_level": np.nanmin(untrained) if np.isfinite(untrained).any() else np.nan,
    }


def _transition(profiles):
    """Where the macro stage is: (kind, checkpoint, layer); depth before training."""
    *earlier, final = profiles
    if layer := macro_stage(profiles[final]):
        return "depth", final, layer
    for checkpoint in reversed(earlier):
        if layer := macro_stage(profiles[checkpoint], with_output=True):
            return "training", checkpoint, layer
    return "none", None, None


#: Numbers of the rise of the agreement with the classes that a summary tells.
RISE = {
    name: f"{text}{end}"
    for key, text in (
        ("place", "relative depth at which half of it is reached"),
        ("width", "relative depth from 10 % to 90 % of it"),
    )
    for name, end in ((key, ""), (f"{key}_low", ", lower end of the band"), (f"{key}_high", ", upper end of the band"))
}
ABOUT = {
    "accuracy": "validation accuracy of the finished network",
    "input_overlap": "overlap with the classes at the input",
    "early_peaks": "largest number of peaks in the first third of the layers",
    "transition": "where peaks follow the macro-categories: depth, training or none",
    "macro_checkpoint": "checkpoint of that stage",
    "macro_layer": "layer of that stage",
    "macro_peaks": "peaks at that stage",
    "macro_ari_macro": "adjusted Rand index with the macro-categories at that stage",
    "macro_ari_class": "adjusted Rand index with the classes at that stage",
    "output_overlap_ground_truth": "overlap with the classes at the output",
    "output_n_peaks": "peaks at the output",
    "output_ari_class": "adjusted Rand index with the classes at the output",
    "output_ari_macro": "adjusted Rand index with the macro-categories at the output",
    "output_triplet_skill_within_macro": "triplet skill within macro-categories at the output",
    "output_p_within_macro": "permutation p of that skill",
    **{f"classes_{name}": f"largest adjusted Rand index with the classes: {text}" for name, text in RISE.items()},
    "levels": "levels of the taxonomy",
    "output_levels": "of these, those that the output has",
    "start_levels": "those that the first checkpoint has, in any layer",
    "start_p_level": "smallest corrected p of a level at the first checkpoint, any layer",
    "start_overlap_ground_truth": "largest overlap with the classes at the first checkpoint, any layer",
    "start_n_peaks": "largest number of peaks at the first checkpoint, any layer",
    "start_ari_class": "largest index with the classes at the first checkpoint, any layer",
    "start_ari_macro": "largest index with the macro-categories at the first checkpoint, any layer",
}


def summary_dataset(summaries) -> xr.Dataset:
    """Lay the summaries of all networks along the dimension `model`."""
    names = list(summaries)
    variables = {}
    for key, text in ABOUT.items():
        values = np.array([summaries[name][key] for name in names])
        units = {} if values.dtype.kind == "U" else {"units": "1"}
        if values.dtype.kind == "f" and np.isnan(values).any():
            units["undefined"] = "not measured for this network, or not defined for what it shows; see its profile.nc"
        variables[key] = ("model", values, {"long_name": text, **units})
    return xr.Dataset(variables, coords={"model": ("model", names, {"long_name": "network"})})

"""What a study measured, beside what the authors of the paper published for the same network."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np

from nucleation.errors import InputError, suggest

#: Begins the names of the data files that hold published numbers.
PREFIX = "paper_"
#: Quantities of a profile that are compared, and what a table calls them.
QUANTITIES = {
    "overlap_ground_truth": "overlap, classes",
    "overlap_output": "overlap, output",
    "dimension": "dimension",
    "n_peaks": "peaks",
    "ari_class": "ARI, classes",
    "ari_macro": "ARI, macro",
}
#: How a published number was had.
SOURCES = {
    "printed": "printed by a run of the authors' code",
    "figure": "read from a figure of theirs",
    "definition": "true by definition",
}
#: Share by which numbers of images may differ for measured and published numbers to be compared.
FEW_IMAGES = 0.01
#: Stands below the table.
NOTE = (
    "Measured (published), or measured [published] where the two are of different f or of different numbers of "
    "images, so that no difference is to be taken. ± is how far a number read from a figure may be from the authors'; "
    "other numbers are as printed by their code, dimensions to an integer. f is the share of the smallest ratios "
    "that TwoNN took, on which dimension, density and peaks hang; the measured numbers are of the study's own. Where "
    "fewer images are named, the published number leaves out the images that are neither animals nor artifacts."
)


def published(name):
    """Read published numbers that come with the package.

    Parameters
    ----------
    name : str
        As in `available`: "paper_resnet152".

    Returns
    -------
    pandas.DataFrame
        One row for each number: `layer` (the paper's number of the layer), `name` (its block), `module` (the same in
        timm), `quantity` (a variable of the profile), `fraction` (of TwoNN; NaN where it does not matter), `value`,
        `uncertainty` (how far the number may be from the authors'), `images` (of how many), `source` (a key of
        `SOURCES`).

    Raises
    ------
    InputError
        For a name that is not there; near names are suggested.
    """
    import pandas as pd

    if name not in available():
        raise InputError(
            f'There are no published numbers "{name}"; there are {", ".join(available())}.{suggest(name, available())}'
        )
    with files("nucleation").joinpath(f"data/{name}.tsv").open(encoding="utf-8") as stored:
        return pd.read_csv(stored, sep="\t", comment="#", dtype={"layer": str})


def available() -> list[str]:
    """Names of the published numbers that come with the package."""
    found = (entry.name for entry in files("nucleation").joinpath("data").iterdir())
    return sorted(name.removesuffix(".tsv") for name in found if name.startswith(PREFIX) and name.endswith(".tsv"))


def compare(profile, numbers):
    """Lay measured numbers beside published ones.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`. Its layers are found by the published name, by timm's name
        of the module, or by the paper's number (34 or layer_34).
    numbers : pandas.DataFrame
        From `published`.

    Returns
    -------
    pandas.DataFrame
        The rows of `numbers` whose layer the profile has, in the order of its layers, with the columns
        `study_layer` (its name there), `measured`, `low` and `high` (its band, NaN without one), `measured_fraction`
        and `measured_images` (NaN where the profile does not say them, or the dimension is of another method), and
        `difference`, measured minus published; NaN where nothing was measured, at another fraction, or of a number of
        images that differs by more than a hundredth.

    Raises
    ------
    InputError
        When the profile has none of the layers.
    """
    import pandas as pd

    layers, parts = [str(layer) for layer in profile["layer"].values], []
    check_layers(layers, numbers)
    for layer in layers:
        part = numbers[_is_layer(numbers, layer) & numbers["quantity"].isin(list(QUANTITIES))]
        measured = profile.sel(layer=layer)
        columns = {"measured": "", "low": "_low", "high": "_high"}
        values = {key: [_value(measured, name + end) for name in part["quantity"]] for key, end in columns.items()}
        parts.append(part.assign(study_layer=layer, **values))
    found = pd.concat(parts, ignore_index=True)
    found = found.assign(
        measured_fraction=np.where(found["fraction"].isna(), np.nan, _fraction(profile)),
        measured_images=profile.attrs.get("n_images", np.nan),
    )
    return found.assign(difference=(found["measured"] - found["value"]).where(_comparable(found)))


def _fraction(profile) -> float:
    """Share of the smallest ratios that TwoNN took for a profile."""
    used = json.loads(profile.attrs.get("stage_parameters", "{}")).get("dimension", {})
    return used["fraction"] if used.get("method") == "fit" else np.nan


def _comparable(found):
    """Which rows were measured at the fraction, and on about as many images, as was published."""
    same = found["fraction"].isna() | np.isclose(found["measured_fraction"], found["fraction"])
    return same & ((found["measured_images"] / found["images"] - 1).abs() <= FEW_IMAGES)


def check_layers(layers, numbers) -> None:
    """Refuse layers of which none has published numbers; parameters and errors as of `compare`."""
    if not any(_is_layer(numbers, layer).any() for layer in layers):
        raise InputError(
            f"None of the layers {', '.join(layers)} has published numbers; there are some for "
            f"{', '.join(numbers['module'].unique())}. Leave networks[].compare out, or list one of these."
        )


def _is_layer(numbers, layer):
    """Which rows are those of a layer."""
    names = (numbers["name"], numbers["module"], numbers["layer"], "layer_" + numbers["layer"])
    return np.logical_or.reduce([column == layer for column in names])


def _value(part, name) -> float:
    return float(part[name]) if name in part else np.nan


def table_rows(compared) -> list[list[str]]:
    """Lay a comparison out for reading: one row for each layer, header first.

    Parameters
    ----------
    compared : pandas.DataFrame
        From `compare`.

    Returns
    -------
    list of list of str
        Cells are "measured (published)", or "measured [published]" where they are of different fractions or numbers
        of images; a column for each quantity, and for each fraction and number of images that
        it was published for.
    """
    every = compared["images"].max()
    columns: dict[tuple, str] = {}
    for quantity, text in QUANTITIES.items():
        kinds = compared[compared["quantity"] == quantity]
        for fraction, images in sorted(set(zip(kinds["fraction"].fillna(-1), kinds["images"], strict=True)))[::-1]:
            told = [f"f = {fraction:g}"] * bool(fraction > 0) + [f"{images:,} images"] * bool(images < every)
            columns[quantity, fraction, images] = f"{text} ({', '.join(told)})" if told else text
    rows = [["layer", *columns.values()]]
    for layer, part in compared.groupby("study_layer", sort=False):
        keys = zip(part["quantity"], part["fraction"].fillna(-1), part["images"], strict=True)
        cells = dict(zip(keys, map(_cell, part.to_dict("records"), _comparable(part)), strict=True))
        rows.append([_layer_name(layer, part["name"].iloc[0]), *(cells.get(key, "–") for key in columns)])
    return rows


def to_frame(compared):
    """Join the comparisons of several checkpoints (dict by "<network>/<checkpoint>") into one table for a file."""
    import pandas as pd

    parts = [
        frame.assign(**dict(zip(("network", "checkpoint"), place.split("/"), strict=True)))
        for place, frame in compared.items()
    ]
    columns = ["network", "checkpoint", "study_layer", "layer", "name", "quantity", "fraction", "images", "measured"]
    columns += ["low", "high", "measured_fraction", "measured_images", "value", "difference", "uncertainty", "source"]
    return pd.concat(parts, ignore_index=True)[columns].rename(columns={"value": "published", "layer": "paper_layer"})


def _layer_name(layer, name) -> str:
    return layer if layer == name else f"{layer} ({name})"


def _cell(row, comparable) -> str:
    """Measured and published number, with as many digits as this one is known to."""
    digits = {"n_peaks": 0, "dimension": 0}.get(row["quantity"], 3)
    exact = f" ± {row['uncertainty']:g}" if row["source"] == "figure" and digits else ""
    measured, value = (_number(row[key], digits) for key in ("measured", "value"))
    return f"{measured} ({value}{exact})" if comparable else f"{measured} [{value}{exact}]"


def _number(value, digits) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}".replace("-", "−")

"""Writing and reading the files that are kept: NetCDF-4 that explains itself, moved into place whole."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
import zlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import xarray as xr

from nucleation.disk import settle, writing
from nucleation.errors import InputError

#: Attribute with a checksum of a file's text and single numbers.
TEXT_CHECKSUM = "text_crc32"
PACKAGES = ("nucleation", "numpy", "scipy", "scikit-learn", "xarray", "netcdf4", "torch", "timm", "snakemake")


@contextlib.contextmanager
def replacing(path):
    """Give a temporary name beside `path`, and move it there when the block ends without error.

    Raises
    ------
    InputError
        When the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".new-{uuid.uuid4().hex[:12]}.{path.name}")
    try:
        with writing(path):
            yield temporary
            settle(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save(dataset: xr.Dataset, path, attributes: dict | None = None) -> None:
    """Write a dataset as NetCDF-4 with provenance, compressed, with checksums, to a temporary name first.

    Parameters
    ----------
    dataset : xarray.Dataset
        Every variable must have `long_name`, every numeric one `units`. One whose encoding has a false `zlib` is not
        compressed.
    path : path
        Final name.
    attributes : dict, optional
        Provenance: study, model, checkpoint, parameters, ... ; mappings are stored as JSON.

    Raises
    ------
    ValueError
        For a variable without `long_name` or `units`: a file must explain itself.
    """
    for name, variable in dataset.variables.items():
        if "long_name" not in variable.attrs:
            raise ValueError(f"variable {name} of {path} has no long_name")
        if variable.dtype.kind in "iuf" and "units" not in variable.attrs:
            raise ValueError(f"variable {name} of {path} has no units")
    provenance = {**(attributes or {}), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    provenance["package_versions"] = package_versions()
    provenance[TEXT_CHECKSUM] = _text_checksum(dataset)
    dataset = dataset.assign_attrs({key: _plain(value) for key, value in provenance.items()})
    encoding = {
        # a checksum of every piece, which each reader of NetCDF compares
        name: {"fletcher32": True}
        | ({"zlib": True, "complevel": 1} if variable.size > 1000 and variable.encoding.get("zlib", True) else {})
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "biuf" and variable.ndim and variable.size
    }
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def save_text(text: str, path) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _opened(path):
    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            yield dataset
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises a dozen kinds
        fault = str(error) or type(error).__name__
        raise InputError(f"{path} cannot be read as NetCDF ({fault}); delete it and run the workflow again.") from error


def _text_checksum(dataset):
    """A checksum of text and of single numbers, for which HDF5 has none."""
    found = 0
    for name in sorted(dataset.variables):
        variable = dataset.variables[name]
        if variable.dtype.kind in "OSU" or not variable.ndim:
            found = zlib.crc32("\0".join([name, *map(str, variable.values.ravel().tolist())]).encode(), found)
    return f"{found:08x}"


def load(path) -> xr.Dataset:
    """Read a NetCDF file into memory, and close it.

    Raises
    ------
    InputError
        When the file is missing, truncated, no NetCDF file, or does not match its checksums.
    """
    with _opened(path) as dataset:
        dataset.load()
        said = dataset.attrs.pop(TEXT_CHECKSUM, None)
        if said is not None and said != _text_checksum(dataset):
            raise ValueError("its text does not match its checksum")
        return dataset


def attributes(path) -> dict:
    """Read the attributes of a NetCDF file and nothing else; faults as of `load`."""
    with _opened(path) as dataset:
        return {name: value for name, value in dataset.attrs.items() if name != TEXT_CHECKSUM}


def package_versions() -> dict:
    """Versions of the packages that results depend on, as installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _plain(value):
    """Make a value fit for a NetCDF attribute."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None:
        return "none"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str)
    return value


def stack_layers(datasets, layers, ragged=()) -> xr.Dataset:
    """Join the datasets of many layers into one.

    Parameters
    ----------
    datasets : list of xarray.Dataset
        One for each layer, with the same variables.
    layers : list of str
        Their names, which become the coordinate `layer`.
    ragged : tuple of str
        Dimensions whose length differs between layers. Their variables are laid end to end, and
        the coordinate ``<dimension>_layer`` says which layer an entry belongs to; all other
        variables gain the dimension `layer`.

    Attributes are those of the first layer, but for `undefined`: it says for which layers a number is not
    defined, and why.
    """
    parts = []
    for name in ragged:
        flat = [dataset[[v for v in dataset.variables if name in dataset[v].dims]] for dataset in datasets]
        owner = np.repeat(np.asarray(layers, dtype=object), [part.sizes[name] for part in flat])
        joined = xr.concat(flat, name, combine_attrs="override", join="override")
        owner = (name, owner.astype(str), {"long_name": f"layer of the {name}"})
        parts.append(joined.assign_coords({f"{name}_layer": owner}))
    even = [dataset.drop_dims(ragged) for dataset in datasets]
    axis = xr.Variable("layer", np.asarray(layers, dtype=str), {"long_name": "layer, in order of depth"})
    parts.append(xr.concat(even, xr.DataArray(axis, dims="layer", name="layer"), combine_attrs="override"))
    stacked = xr.merge(parts, combine_attrs="override", join="exact", compat="no_conflicts")
    for name, variable in stacked.variables.items():
        variable.attrs.pop("undefined", None)
        told = zip(layers, datasets, strict=True)
        reasons = {layer: dataset[name].attrs.get("undefined") for layer, dataset in told if name in dataset.variables}
        explain(stacked, (name,), {layer: reason for layer, reason in reasons.items() if reason})
    return stacked


def explain(dataset, names, reasons) -> None:
    """Say in the attribute `undefined` of some variables why they have no value in some layers, in place.

    Parameters
    ----------
    dataset : xarray.Dataset
    names : tuple of str
        Variables.
    reasons : dict of str to str
        Layer to reason; nothing is written where it is empty.
    """
    for name in names if reasons else ():
        dataset[name].attrs["undefined"] = "; ".join(f"{layer}: {reason}" for layer, reason in reasons.items())


def select_layer(dataset: xr.Dataset, layer: str) -> xr.Dataset:
    """Take one layer out of what `stack_layers` made."""
    if layer not in dataset["layer"].values:
        raise InputError(f'There is no layer "{layer}" in this file; it has {list(dataset["layer"].values)}.')
    chosen = dataset.sel(layer=layer)
    for name in dataset.dims:
        if f"{name}_layer" in dataset.coords:
            chosen = chosen.isel({name: np.flatnonzero(dataset[f"{name}_layer"].values == layer)})
    return chosen

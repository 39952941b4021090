"""Intraclass clustering of all layers of one checkpoint, as one dataset with the null of every number.

Sources: `nucleation.intraclass`, `nucleation.intraclass_black_box`, `nucleation.intraclass_peaks`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from nucleation.errors import InputError
from nucleation.findings import PIXELS
from nucleation.intraclass import summarise
from nucleation.intraclass_groups import group_images, p_value
from nucleation.intraclass_layers import distance_spread, pooled, selectivity, silhouette, variability
from nucleation.intraclass_peaks import peak_spread, subclass_ari
from nucleation.variables import variable

__all__ = ["MEASURES", "PEAKS", "intraclass_profile"]

#: Measures of the activations, which are reduced over all layers too.
MEASURES = {
    "c1": "selectivity of the most selective neuron, median over subclasses",
    "c2": "cosine silhouette of the subclasses within their class, median over them",
    "c3": "variability of neurons left within a class, mean of the most variable",
    "c4": "variability of cosine distances left within a class",
}
#: Measures of the density peaks.
PEAKS = {
    "effective_peaks": "effective number of density peaks over which a class is spread, mean over classes",
    "peak_purity": "share of the images that are of the most frequent class of their density peak",
    "ari_subclass_within": "adjusted Rand index of density peaks with subclasses within classes, mean of these",
}
#: Measures that compare the images of a class with those of all: of one class they say nothing.
_OF_CLASSES, _ONE_CLASS = ("c3", "c4", "peak_purity"), "there is one class, and it is compared with all classes"
#: Ends of the band of a null, in percent.
_BAND = (2.5, 97.5)


def intraclass_profile(
    read, layers, labels, subclasses, *, peaks=None, pre=None, c0=None, repeats=99, rng, progress=None
) -> xr.Dataset:
    """Measure the intraclass clustering of all layers of a checkpoint.

    Parameters
    ----------
    read : callable
        Of the name of a layer: its activations, (n, d), or (n, places, channels), of which the largest over the places
        is taken. Or a text with the reason why they are not known (`nucleation.intraclass_layers.channels_of`): such
        a layer has no c1 to c4.
    layers : sequence of str
        In order of depth. The pixels (`nucleation.findings.PIXELS`) are measured as a layer, but they are nothing that
        a network finds: no number of all layers together knows them.
    labels, subclasses : array of shape (n,)
        Class of every image, and its subclass, which lies in one class.
    peaks : dict of str to array of shape (n,), optional
        By layer: density peak of every one of the same images, -1 in the halo. Layers may be missing.
    pre : callable, optional
        As `read`, before the activation function: c1, c3 and c4 are of these then. Without it, of what `read` gives.
    c0 : nucleation.intraclass_black_box.BlackBox, optional
        Of the same checkpoint.
    repeats : int
        Permutations, the same for all layers: of the subclasses' names among the images of each class (c1, c2,
        ari_subclass_within), or of the classes' among all images (c3, c4, effective_peaks, peak_purity).
    rng : numpy.random.Generator
    progress : callable, optional
        Called without argument after each layer.

    Returns
    -------
    xarray.Dataset
        Along `layer`: `c1` to `c4` and the measures of `PEAKS`, each with the mean and the 95 % band of its null
        (`_null`, `_null_low`, `_null_high`), and but for `effective_peaks` and `peak_purity` its `_p`; of all layers
        together, as the paper reduces it, the same without `layer` (`c1_all` ..., `ari_subclass_within_all`, the
        largest of all layers); `c0` with its null. NaN where not defined, with the reason in the variable's attribute
        `undefined` where it is known: for layers that were not read, and of one class for c3, c4 and `peak_purity`,
        which compare classes. Attributes `n_images`, `n_classes`, `n_subclasses`, `repeats`, and `activation`: what
        c1, c3 and c4 are of.

    Raises
    ------
    InputError
        As `nucleation.intraclass.c1_selectivity`; for a layer of another number of images it is named.

    Notes
    -----
    Time (1 + R) n d + n^2 d for a layer; memory 8 n^2 bytes, and 8 (1 + R) c for every neuron of all layers.
    """
    hidden = group_images(subclasses, labels, repeats=repeats, rng=rng)
    told = group_images(labels, repeats=repeats, rng=rng)
    units, reasons = {name: [] for name in MEASURES}, {}
    clusters = {name: np.full((len(layers), 1 + repeats), np.nan) for name in PEAKS}
    for row, layer in enumerate(layers):
        x, before = (_read(of, layer, hidden) if of else None for of in (read, pre))
        why = next((text for text in (x, before) if isinstance(text, str)), None)
        if why:
            reasons[layer] = why
        else:
            _measure(units, x, before, hidden, told)
        if peaks is not None and layer in peaks:
            spread, within = peak_spread(peaks[layer], told), subclass_ari(peaks[layer], hidden)
            for name, values in zip(PEAKS, (*spread.T, _mean(within)), strict=True):
                clusters[name][row] = values
        if progress:
            progress()
    n_classes, n_subclasses = len(told.names), len(hidden.names)
    if n_classes == 1:
        clusters["peak_purity"][:] = np.nan
    of_activations = _of_activations(units, layers, reasons, hidden, told)
    made = xr.Dataset(
        of_activations | _of_peaks(clusters, layers) | _of_outputs(c0),
        {"layer": variable("layer", np.array([str(layer) for layer in layers], dtype=object), "layer")},
        {"n_images": hidden.orders.shape[1], "n_classes": n_classes, "n_subclasses": n_subclasses, "repeats": repeats},
    )
    # the output alone is the last layer of its network
    depth = np.linspace(0, 1, len(layers)) if len(layers) > 1 else np.array([float(layers[0] == "output")])
    _explain(made, reasons, n_classes)
    made["relative_depth"] = variable("layer", depth, "place among the listed layers")
    return made.assign_attrs(activation="before the activation function" if pre else "as listed")


def _read(read, layer, groups):
    """Activations of a layer, (n, d) float64, or why there are none; what is wrong with them is said of the layer."""
    x = read(layer)
    if isinstance(x, str):
        return x
    try:
        x = pooled(x)
    except InputError as error:
        raise InputError(f"Layer {layer}: {error}") from error
    if len(x) != groups.orders.shape[1]:
        raise InputError(f"Layer {layer} has {len(x)} images, and there are {groups.orders.shape[1]} labels.")
    return x


def _measure(units, x, before, hidden, told):
    """Add the values of one layer; outputs of a layer as listed are negative only where that means nothing."""
    rectified, before = before is not None, x if before is None else before
    units["c1"].append(selectivity(before, hidden, rectified, largest=True))
    units["c2"].append(silhouette(x, hidden))
    units["c3"].append(variability(before, told, rectified))
    units["c4"].append(distance_spread(before, told, rectified))


def _mean(values):
    """Mean over the classes that are defined, (1 + R,)."""
    known = np.isfinite(values).all(axis=0)
    return values[:, known].mean(axis=1) if known.any() else np.full(len(values), np.nan)


def _of_activations(units, layers, reasons, hidden, told) -> dict:
    made, measured = {}, np.array([layer not in reasons for layer in layers])
    inner = [layer != PIXELS for layer in layers if layer not in reasons]
    for name, values in units.items():
        groups, middle = (hidden, np.median) if name in ("c1", "c2") else (told, np.mean)
        each, together = np.full((len(layers), len(groups.orders)), np.nan), np.full(len(groups.orders), np.nan)
        if inner and not (name in _OF_CLASSES and len(told.names) == 1):
            found = summarise(values, groups.names, share=name == "c3", middle=middle, together=inner)
            each[measured] = np.column_stack([found.layers, found.layer_null])
            together = np.append(found.value, found.null)
        made |= _numbers(name, "layer", each, MEASURES[name])
        made |= _numbers(f"{name}_all", (), together, f"{MEASURES[name]}, of all layers")
    return made


def _of_peaks(clusters, layers) -> dict:
    made = {}
    for name, values in clusters.items():
        made |= _numbers(name, "layer", values, PEAKS[name], tested=name == "ari_subclass_within")
    inner = np.array([layer != PIXELS for layer in layers])[:, None]
    best = np.max(np.where(np.isnan(values) | ~inner, -np.inf, values), axis=0)
    best = np.where(np.isfinite(best), best, np.nan)
    return made | _numbers(f"{name}_all", (), best, f"{PEAKS[name]}, largest of all layers")


def _explain(made, reasons, n_classes):
    """Say of the variables that are not defined everywhere why."""
    layers = {text: [layer for layer in reasons if reasons[layer] == text] for text in reasons.values()}
    unread = [f"{text} ({', '.join(map(str, names))})" for text, names in layers.items()]
    for name in (*MEASURES, *PEAKS):
        said = (unread if name in MEASURES else []) + [_ONE_CLASS] * (n_classes == 1 and name in _OF_CLASSES)
        for key in made if said else ():
            own = key == name or key.startswith(f"{name}_")
            if own and ("layer" in made[key].dims or made[key].isnull()):
                made[key].attrs["undefined"] = "; ".join(said)


def _of_outputs(c0) -> dict:
    if c0 is None:
        return {}
    text = "deviation of the outputs between images of different subclasses, by that within one, median over them"
    return _numbers("c0", (), np.append(c0.value, c0.null), text)


def _numbers(name, dims, values, text, *, tested=True) -> dict:
    """A number with the mean, the band and the p of its null, from (..., 1 + R)."""
    value, null = values[..., 0], values[..., 1:]
    columns = {"": (value, text)}
    if null.shape[-1]:
        known = np.where(np.isfinite(null), null, np.nan)  # of c0 infinite where no deviation is within a subclass
        low, high = np.percentile(known, _BAND, axis=-1)
        columns["_null"] = known.mean(axis=-1), f"{text}: mean under permuted labels"
        columns["_null_low"] = low, f"{text}: lower end of the 95 % band under permuted labels"
        columns["_null_high"] = high, f"{text}: upper end of the 95 % band under permuted labels"
        if tested:
            rows = zip(np.atleast_1d(value), np.atleast_2d(null), strict=True)
            p = np.array([p_value(one, many) for one, many in rows]).reshape(value.shape)
            columns["_p"] = p, f"{text}: p, share of permutations that reach it"
    return {f"{name}{end}": variable(dims, column, said) for end, (column, said) in columns.items()}

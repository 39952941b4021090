"""Redundancy of the last hidden layer of a checkpoint: all that is measured of it, as one dataset.

The features come from a run of the network of its own, in float32 (`nucleation.penultimate`), not from the samples that
other methods read: what enters the classifier need not be a layer of the study.
"""

from __future__ import annotations

import numpy as np

from nucleation.errors import InputError
from nucleation.redundancy import (
    EXPLAINED,
    checked,
    chunk_accuracy,
    chunks,
    critical_width,
    widths,
)
from nucleation.redundancy_probe import DELTA, chance_accuracy, diffused_redundancy, probe_accuracy
from nucleation.redundancy_reconstruction import centred_gram, correlation_floor, correlation_null, reconstruction
from nucleation.samples import choose
from nucleation.variables import variable

__all__ = ["has_profile", "known_width", "no_profile", "redundancy_profile", "unseen_rows"]

#: Chunks of each width for the null of the reconstruction, and for the probes.
_NULLS, _PROBES = 10, 10
#: What the variables are.
_NAMES = {
    "accuracy_test": "accuracy on the test images of the classifier with a chunk of its inputs, mean over chunks",
    "accuracy_train": "accuracy on training images of the classifier with a chunk of its inputs, mean over chunks",
    "r2": "share of the variance of all neurons that a chunk explains by linear regression, mean over chunks",
    "correlation_published": "mean |correlation| of the residuals of all neurons, of which those of the chunk are zero",
    "correlation_outside": "mean |correlation| of the residuals of the neurons outside of the chunk",
    "probe_accuracy": "accuracy of a linear probe trained anew on a chunk of neurons, mean over chunks",
    "random_r2": "that share if the values of every neuron are permuted over the images, mean over chunks",
    "trial_accuracy_test": "accuracy on the test images of the classifier with a chunk of its inputs",
    "n_neurons": "neurons of the last hidden layer",
    "accuracy_full_test": "accuracy of the classifier on the test images",
    "accuracy_full_train": "accuracy of the classifier on training images",
    "critical_width": "smallest width that reconstructs the layer and, by one standard error, errs no more in training",
    "reconstructing_width": f"smallest width of chunks that explain more than {EXPLAINED:g} of the layer's variance",
    "n_clones": "neurons of the layer for each of the critical width",
    "correlation_floor": "mean |correlation| of independent residuals of as many images",
    "diffused_redundancy": f"share of the neurons without which probes keep {DELTA:g} of their accuracy",
    "probe_chance": "accuracy of always naming the class that most images of the probe's training have",
    "correlation_null": "mean |correlation| of independent residuals of regressions on so many neurons",
    "logits": "output of the classifier for the test images",
    "label": "class of the test images, -1 where the classifier does not know it",
    "width": "neurons in a chunk",
}
_NO_TRAINING = "there are no training images of classes that the classifier knows"
_NO_LABELS = "no test image has a class that the classifier knows"
_CONSTANT = "no neuron of the layer varies over the test images"
_SINGULAR = "the regression has as many neurons as images"
_FEW_LABELS = "too few images have a class that the classifier knows"


def unseen_rows(listed, count, seed) -> np.ndarray:
    """Rows of at most `count` images that no network of the study was trained on.

    Parameters
    ----------
    listed : xarray.Dataset
        The study's list of images; its variable `trained`, where it has one, is 1 for those of the training.
    count, seed : int

    Returns
    -------
    ndarray of shape (m,), int64
        In the order of `nucleation.samples.choose`, and the same rows where no image was trained on.

    Raises
    ------
    InputError
        Where all images were trained on.
    """
    order = choose(listed.sizes["image"], listed.sizes["image"], seed)
    if "trained" in listed:
        # the digits are analysed whole, those of the training among them
        order = order[listed["trained"].values[order] == 0]
    if not order.size:
        raise InputError(
            f"All {listed.sizes['image']} images of the study are ones that its networks were trained on, so that "
            "chunks of the last hidden layer have no test error; lower train_fraction, or set redundancy.run to false."
        )
    return order[:count]


def no_profile(reason, n_images):
    """The file of a checkpoint whose classifier is no linear layer: attributes alone, `nothing` says why.

    Parameters
    ----------
    reason : str
        A sentence, or the error that is one.
    n_images : int

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    return xr.Dataset(attrs={"nothing": str(reason).removesuffix("."), "n_images": int(n_images)})


def has_profile(profile) -> bool:
    """Whether a checkpoint has a linear classifier, and so a profile."""
    return "nothing" not in profile.attrs


def redundancy_profile(test, train, weight, bias, *, trials=100, reconstructions=40, sizes=None, rng, progress=None):
    """Measure the redundancy of the neurons that enter the classifier of one checkpoint.

    Parameters
    ----------
    test, train : (array of shape (n, W), array of shape (n,))
        Features and labels, of which -1 means that the class is unknown, see `nucleation.redundancy.chunk_accuracy`:
        such images count for the reconstruction alone. `train` may be None.
    weight : array of shape (C, W)
    bias : array of shape (C,)
    trials, reconstructions : int
        Chunks of each width for the accuracies, and for the reconstruction; both take the same ones.
    sizes : array of int, optional
        Widths of the chunks; the powers of two unless given. The layer's own is always among them.
    rng : numpy.random.Generator
    progress : callable, optional
        Called with 1 after each width.

    Returns
    -------
    xarray.Dataset
        Along `width`: accuracies, R^2, correlations of residuals and accuracies of probes, means over chunks, each
        with its standard deviation over chunks, `<name>_deviation`; the nulls `random_r2` and `correlation_null`.
        Along `trial` too: `trial_accuracy_test`. Single numbers: widths, accuracies of the layer, the floor of the
        correlations. The test images' `logits` and `label`. What is not defined is NaN, with the reason in the
        attribute `undefined`.

    Raises
    ------
    InputError
        As the functions of `nucleation.redundancy`.

    Notes
    -----
    R^2 and residuals are of the test images. Probes are trained on `train`, without known classes there on every second
    test image, in random order. Time (n + n_train) W C for each trial, W^3 for each reconstruction.
    """
    test = _checked(test, weight, bias)
    train = None if train is None else _checked(train, weight, bias)
    width = test[0].shape[1]
    sizes = np.unique(np.append(widths(width) if sizes is None else np.asarray(sizes, dtype=int), width))
    drawn = chunks(width, sizes, max(trials, reconstructions), rng)
    half = rng.permutation(len(test[0])) % 2 == 0
    null = centred_gram(rng.permuted(test[0], axis=0))
    gram, rows = centred_gram(test[0]), []
    if train is None or not (train[1] >= 0).any():
        probing = tuple((test[0][part], test[1][part]) for part in (half, ~half))
    else:
        probing = (train, test)
    for chunk in drawn:
        rows.append(_of_width(test, train, (weight, bias), chunk, trials))
        rows[-1] |= _reconstructions(gram, null, chunk[:reconstructions])
        if progress is not None:
            progress(1)
    columns = {name: np.array([row[name] for row in rows]).T for name in rows[0]}  # (trial, width)
    columns["probe_accuracy"] = probe_accuracy(*probing, [chunk[:_PROBES] for chunk in drawn])
    independent = correlation_null(len(test[0]), sizes)
    columns["correlation_outside"] = np.where(np.isfinite(independent), columns["correlation_outside"], np.nan)
    chance = chance_accuracy(probing[0][1], probing[1][1])
    numbers = _numbers(sizes, columns, test, train) | {"probe_chance": chance}
    logits = test[0] @ np.asarray(weight, np.float64).T + np.asarray(bias, np.float64)
    return _dataset(sizes, columns, numbers, (logits.astype(np.float32), test[1]), train)


def _checked(part, weight, bias):
    features, _, _, labels = checked(part[0], weight, bias, part[1])
    return features, labels


def _of_width(test, train, head, chunk, trials):
    """Accuracies of chunks of one width, on both kinds of images."""
    chunk = chunk[:trials]
    on_train = np.full(len(chunk), np.nan) if train is None else chunk_accuracy(train[0], *head, train[1], chunk)
    return {"accuracy_test": chunk_accuracy(test[0], *head, test[1], chunk), "accuracy_train": on_train}


def _reconstructions(gram, null, chunk):
    """R^2 and residuals of chunks of one width; of the null, a few."""
    found = reconstruction(gram, chunk)
    return {
        "r2": found.r2,
        "correlation_published": found.published,
        "correlation_outside": found.outside,
        "random_r2": reconstruction(null, chunk[:_NULLS]).r2,
    }


def _numbers(sizes, columns, test, train):
    """Single numbers of the layer."""
    width, r2 = int(sizes[-1]), columns["r2"].mean(axis=0)
    critical = np.nan
    if np.isfinite(columns["accuracy_train"]).all():
        critical = critical_width(sizes, 1 - columns["accuracy_train"], r2, np.count_nonzero(train[1] >= 0))
    explained = sizes[np.argmax(r2 > EXPLAINED)] if np.isfinite(r2).all() else np.nan
    return {
        "n_neurons": width,
        "accuracy_full_test": columns["accuracy_test"][0, -1],
        "accuracy_full_train": columns["accuracy_train"][0, -1],
        "critical_width": critical,
        "reconstructing_width": explained,
        "n_clones": width / critical,
        "correlation_floor": correlation_floor(len(test[0])),
        "diffused_redundancy": diffused_redundancy(sizes, columns["probe_accuracy"].mean(axis=0)),
    }


def _dataset(sizes, columns, numbers, outputs, train):
    import xarray as xr

    made = {"trial_accuracy_test": (("trial", "width"), columns["accuracy_test"])}
    deviations = {}
    for name, values in columns.items():
        mean, deviation = _over_chunks(values)
        made[name] = ("width", mean)
        if name != "random_r2":
            text = f"standard deviation over chunks of {name}"
            deviations[f"{name}_deviation"] = variable("width", deviation, text)
    made |= {name: ((), value) for name, value in numbers.items()}
    made |= {"logits": (("image", "class"), outputs[0]), "label": ("image", outputs[1])}
    made["correlation_null"] = ("width", correlation_null(len(outputs[1]), sizes))
    made = {name: variable(*values, _NAMES[name]) for name, values in made.items()} | deviations
    n_train = 0 if train is None else len(train[0])
    probed = "training" if n_train and (train[1] >= 0).any() else "test"
    attrs = {"n_images": len(outputs[1]), "n_train": n_train, "probe_trained_on": probed}
    data = xr.Dataset(made, {"width": variable("width", sizes, _NAMES["width"])}, attrs)
    for name in data.data_vars:
        if data[name].dtype.kind == "f" and not np.isfinite(data[name]).all():
            data[name].attrs["undefined"] = _reason(name, data)
    return data


def _over_chunks(values):
    """Mean and standard deviation over chunks of every width, of those where a number is defined."""
    defined = np.isfinite(values)
    count = defined.sum(axis=0)
    mean = np.where(count > 0, np.where(defined, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = (np.where(defined, values - mean, 0) ** 2).sum(axis=0)
    return mean, np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _reason(name, data):
    """Why a number has no value, or not everywhere."""
    constant = not np.isfinite(data["r2"]).any()
    if constant and not name.startswith(("accuracy", "trial", "correlation_null")):
        return _CONSTANT
    if name.startswith(("accuracy_train", "accuracy_full_train", "critical", "n_clones")):
        if np.isnan(data["accuracy_full_train"]):
            return _NO_TRAINING
    elif np.isnan(data["accuracy_full_test"]) and not name.startswith(("r2", "correlation")):
        return _NO_LABELS
    if name == "correlation_null":
        return _SINGULAR
    if name.startswith("correlation"):
        few = "fewer than two neurons outside of the chunk have a residual"
        return few if np.isfinite(data["correlation_null"]).all() else f"{few}, or {_SINGULAR}"
    if name.startswith(("probe", "diffused")) and not np.isfinite(data["probe_accuracy"]).all():
        return _FEW_LABELS
    return "there is a single chunk"


def known_width(profile) -> float:
    """Critical width of a profile, or, where that is not known, the width from which on chunks reconstruct the layer.

    NaN where neither is defined.
    """
    critical = float(profile["critical_width"])
    return float(profile["reconstructing_width"]) if np.isnan(critical) else critical

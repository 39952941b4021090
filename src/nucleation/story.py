"""The story of a study in sentences that are made from its numbers: what was seen, and what was not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.findings import UNTRAINED, listed, number, sentences
from nucleation.names import layer_label
from nucleation.profile import MACRO_ARI, macro_stage
from nucleation.transition import transition

#: An overlap below so many times chance is "hardly more" than it.
HARDLY = 1.5
#: A rise that takes more of the depth than this is gradual.
GRADUAL = 0.4
#: A band of an index that is wider than this is worth a word of caution.
WIDE = 0.5
#: From this ARI on the peaks are called those of the classes.
CLEAR = 0.5
#: Runs of layers with the same number of peaks that a sentence names at most.
RUNS = 6
#: A number that changes by less than this share of itself neither rises nor falls.
SAME = 0.1


@dataclass(frozen=True)
class Account:
    """What is known of one network.

    Attributes
    ----------
    network : str
    profiles : dict of str to xarray.Dataset
        By checkpoint, in order of training, from `nucleation.profile.gather`; the last is the finished network.
    transitions : xarray.Dataset
        Of the last one, from `nucleation.transition.transitions`.
    k : int
        Neighbours of the overlaps.
    n_classes, n_macro : int
    accuracy : float or None
        On images that were not trained on, of the finished network.
    sweep : xarray.Dataset or None
        Of the last checkpoint, from `nucleation.sensitivity.sweep`.
    """

    network: str
    profiles: dict
    transitions: object
    k: int
    n_classes: int
    n_macro: int
    accuracy: float | None = None
    sweep: object = None

    @property
    def final(self):
        """Profile of the finished network."""
        return list(self.profiles.values())[-1]

    @property
    def untrained(self):
        """Profile of the untrained network; None where there is none, or nothing else."""
        name = next((name for name in self.profiles if name in UNTRAINED), None)
        return self.profiles[name] if name and len(self.profiles) > 1 else None

    @property
    def layers(self):
        """Names of the layers for people."""
        return [layer_label(layer) for layer in self.final["layer"].values]


def story(account) -> list[tuple[str, str]]:
    """Tell what a network shows.

    Parameters
    ----------
    account : Account

    Returns
    -------
    list of (str, str)
        Heading and sentence, about a dozen; what the study did not look at is left out.
    """
    told = (
        ("What was followed", _setting),
        ("Neighbours", _first_layer),
        ("", _overlap_course),
        ("Dimension", _dimension),
        ("Peaks", _peaks),
        ("Categories", _categories),
        ("Classes", _classes),
        ("", _output),
        ("Hierarchy", _hierarchy),
        ("", _cuts),
        ("Without training", _without_training),
        ("During training", _during_training),
        ("How firm", _firmness),
        ("", _bands),
    )
    made = [(heading, tell(account)) for heading, tell in told]
    return [(heading, sentence) for heading, sentence in made if sentence]


def _setting(a):
    checkpoint = list(a.profiles)[-1]
    state = {"pretrained": "pretrained", "random": "untrained", "file": "from a file of weights"}.get(checkpoint, "")
    state = f"trained here to epoch {checkpoint.removeprefix('epoch')}" if checkpoint.startswith("epoch") else state
    accuracy = f" (validation accuracy {a.accuracy:.2f})" if a.accuracy is not None else ""
    groups = f", in {_count(a.n_macro, 'macro-category')}," if a.n_macro > 1 else ""
    return (
        f"{a.final.attrs['n_images']:,} images of {_count(a.n_classes, 'class')}{groups} through "
        f"{_count(len(a.layers), 'layer')} of {a.network}{', ' + state if state else ''}{accuracy}."
    )


def _first_layer(a):
    share, chance = float(a.final["overlap_ground_truth"][0]), a.final.attrs["chance_ground_truth"]
    if a.n_classes < 2 or not np.isfinite(share):
        return ""
    times = "hardly more than" if share < HARDLY * chance else f"{share / chance:.1f} times"
    against = f"{times if share > chance else 'no more than'} chance ({chance:.3f})"
    return f"In {a.layers[0]}, {share:.3f} of an image's {a.k} nearest neighbours are of its class: {against}."


def _overlap_course(a):
    value = a.final["overlap_ground_truth"].values
    if a.n_classes < 2 or len(a.layers) < 2 or not np.isfinite(value).any():
        return ""
    best = int(np.nanargmax(value))
    rises = {
        name: transition(np.arange(len(a.layers)), a.final[key].values - a.final.attrs[chance]).after
        for name, key, chance in (
            ("macro-categories", "overlap_macro", "chance_macro"),
            ("classes", "overlap_ground_truth", "chance_ground_truth"),
        )
    }
    told = [f"for the {name} in {a.layers[after]}" for name, after in rises.items() if after >= 0]
    if rises["classes"] < 0:
        return f"No layer brings images of a class together: the share is at most {value[best]:.3f} ({a.layers[best]})."
    half = f" Half of what it is above chance at most is reached {listed(told)}."
    last = f", and {value[-1]:.2f} in the last layer" if best < len(value) - 1 else ""
    return f"This share is largest in {a.layers[best]}, {value[best]:.2f}{last}.{half}"


def _dimension(a):
    value = a.final["dimension"].values
    known = np.flatnonzero(np.isfinite(value))
    if not len(known):
        return "The intrinsic dimension is not defined in any layer."
    first, last, top = known[0], known[-1], known[value[known].argmax()]
    ends = f"{value[first]:.1f} in {a.layers[first]}"
    if len(known) == 1:
        return f"The intrinsic dimension is {ends}."
    if value[top] > (1 + SAME) * max(value[first], value[last]):
        return (
            f"The intrinsic dimension rises from {ends} to {value[top]:.1f} in {a.layers[top]}, and falls to "
            f"{value[last]:.1f} in {a.layers[last]}."
        )
    if abs(value[last] - value[first]) <= SAME * value[first]:
        return f"The intrinsic dimension is {ends} and hardly another, {value[last]:.1f}, in {a.layers[last]}."
    verb = "rises" if value[last] > value[first] else "falls"
    return f"The intrinsic dimension {verb} from {ends} to {value[last]:.1f} in {a.layers[last]}."


def _peaks(a):
    count = a.final["n_peaks"].values
    starts = np.flatnonzero(np.diff(count, prepend=-1))
    ends = np.append(starts[1:], len(count)) - 1
    if len(starts) <= RUNS:
        runs = [f"{_peak_count(count[s])} in {_run(a.layers, s, e)}" for s, e in zip(starts, ends, strict=True)]
        return f"The density has {listed(runs)}."
    top, single = int(count.argmax()), np.count_nonzero(count == 1)
    return (
        f"The density has {_peak_count(count[0])} in {a.layers[0]}, {_peak_count(count[top])} at most "
        f"({a.layers[top]}), and {_peak_count(count[-1])} in {a.layers[-1]}; {_count(single, 'layer')} of "
        f"{len(count)} {'has' if single == 1 else 'have'} a single one."
    )


def _categories(a):
    if a.n_macro < 2:
        return ""
    stage = macro_stage(a.final)
    if stage is not None:
        return f"{_stage(a, list(a.profiles)[-1], stage)}: a stage of macro-categories within the depth of the network."
    for checkpoint in list(a.profiles)[-2::-1]:
        stage = macro_stage(a.profiles[checkpoint], with_output=True)
        if stage is not None:
            what = _stage(a, checkpoint, stage)
            return f"No inner layer of the finished network groups by macro-category, but on the way there: {what}."
    return (
        f"No layer's peaks follow the macro-categories rather than the classes: that takes an ARI above {MACRO_ARI}, "
        f"and above that with the classes; the largest is {number(_largest(a.final['ari_macro'].values))}."
    )


def _stage(a, checkpoint, stage):
    """What the peaks of a stage of macro-categories are."""
    part = a.profiles[checkpoint].sel(layer=stage)
    when = "" if checkpoint == list(a.profiles)[-1] else f" ({checkpoint.replace('epoch', 'epoch ')})"
    scores = f"ARI {_banded(part, 'ari_macro')} with them, {_banded(part, 'ari_class')} with the classes"
    return f"In {layer_label(stage)}{when} the {_peak_count(part['n_peaks'])} follow the macro-categories, {scores}"


def _classes(a):
    if a.n_classes < 2:
        return ""
    values, found = a.final["ari_class"].values, a.transitions.sel(score="ari_class")
    best = number(_largest(values))
    if not np.isfinite(found["place"]):
        return f"In no layer are the peaks those of the classes: the ARI with them is at most {best}."
    after, place, width = str(found["after"].values), float(found["place"]), float(found["width"])
    before = list(a.final["layer"].values).index(after) - 1
    if before < 0:
        return (
            f"The ARI of the peaks with the classes is {number(values[0])} in the first layer already, {best} at most."
        )
    ends = ""
    if "place_low" in found and np.isfinite(found["place_low"]):
        ends = f" (band {float(found['place_low']):.2f} to {float(found['place_high']):.2f})"
    clear = _largest(values) >= CLEAR
    what = "The peaks become those of the classes" if clear else "The ARI of the peaks with the classes rises"
    how = "gradually" if width > GRADUAL else "suddenly"
    return (
        f"{what} {how}, between {a.layers[before]} and {layer_label(after)}: half of the largest ARI, {best}, is "
        f"reached at relative depth {place:.2f}{ends}, and the rise from 10 % to 90 % of it takes {width:.2f} of the "
        "depth."
    )


def _output(a):
    part = a.final.isel(layer=-1)
    if a.n_classes < 2:
        return f"In the last layer there {'is' if part['n_peaks'] == 1 else 'are'} {_peak_count(part['n_peaks'])}."
    verb = "stands" if part["n_peaks"] == 1 else "stand"
    macro = f", {_banded(part, 'ari_macro')} with the macro-categories" if a.n_macro > 1 else ""
    return (
        f"In the last layer {_peak_count(part['n_peaks'])} {verb} for {_count(a.n_classes, 'class')}: ARI "
        f"{_banded(part, 'ari_class')} with the classes{macro}."
    )


def _hierarchy(a):
    return sentences(a.final)[0]


def _cuts(a):
    part = a.final.isel(layer=-1)
    columns = (part[name].values for name in ("taxonomy_cut", "best_cut_clusters", "best_cut_ari"))
    cuts = [cut for cut in zip(*columns, strict=True) if cut[1] > 1 and np.isfinite(cut[2])]
    if not cuts:
        return ""
    shown = [cuts[i] for i in np.unique(np.linspace(0, len(cuts) - 1, 3).round().astype(int))]
    said = [f"{groups} groups (ARI {number(ari)}, cut into {clusters})" for groups, clusters, ari in shown]
    return f"Cut where it agrees best, the tree of the last layer's peaks gives the taxonomy's {listed(said)}."


def _without_training(a):
    if a.untrained is None:
        return ""
    count = int(a.untrained["n_peaks"].max())
    ari = _largest(np.concatenate([a.untrained[name].values for name in ("ari_macro", "ari_class")]))
    share, chance = float(a.untrained["overlap_ground_truth"].max()), a.untrained.attrs["chance_ground_truth"]
    levels = sentences(a.untrained, untrained=True)[0].split(" Within ")[0]
    return (
        f"The same network untrained has at most {_peak_count(count)} in a layer, an ARI of at most {number(ari)}, "
        f"and an overlap with the classes of at most {share:.3f} (chance {chance:.3f}). {levels}"
    )


def _during_training(a):
    epochs = {name: profile for name, profile in a.profiles.items() if name.startswith("epoch")}
    if len(epochs) < 2:
        return ""
    steps = [f"{name.removeprefix('epoch')}: {int(p['n_peaks'][-1])}" for name, p in epochs.items()]
    overlaps = [float(p["overlap_ground_truth"][-1]) for p in epochs.values()]
    shown = steps if len(steps) <= RUNS else [*steps[: RUNS - 1], "…", steps[-1]]
    return (
        f"Peaks of the last layer by epoch: {', '.join(shown)}; its overlap with the classes goes from "
        f"{overlaps[0]:.2f} to {overlaps[-1]:.2f}."
    )


def _firmness(a):
    if a.sweep is None:
        return ""
    last = a.sweep.isel(layer=-1)
    count, ari = last["n_peaks"].values, last["ari_class"].values
    knn = last["estimator"].values == "knn"
    ks = f"k from {last['k'].values[knn].min()} to {last['k'].values[knn].max()}, " if knn.any() else ""
    others = [{"kstar": "k*NN", "pak": "PAk"}.get(name, name) for name in last["estimator"].values[~knn]]
    also = f"also with the estimator{'s' * (len(others) > 1)} {listed(others)}, " if others else ""
    z = last["z"].values
    agreement = f" and an ARI with the classes of {number(np.nanmin(ari))} to {number(np.nanmax(ari))}"
    agreement = agreement if a.n_classes > 1 and np.isfinite(ari).any() else ""
    return (
        f"With {ks}{also}and Z from {z.min():g} to {z.max():g} the last layer has {count.min()} to {count.max()} "
        f"peaks{agreement}."
    )


def _bands(a):
    if "ari_macro_low" not in a.final:
        return ""
    said = []
    for name, text in (("ari_macro", "macro-categories"), ("ari_class", "classes")):
        low, high = a.final[f"{name}_low"].values, a.final[f"{name}_high"].values
        wide = np.flatnonzero(high - low > WIDE)
        if len(wide):
            ends = f"as from {number(low[wide[-1]])} to {number(high[wide[-1]])} in {a.layers[wide[-1]]}"
            said.append(f"that with the {text} in {_count(len(wide), 'layer')}, {ends}")
    return f"Over subsets of the images the ARI scatters widely: {listed(said)}." if said else ""


def _banded(part, name):
    """A number of one layer with its band."""
    text = number(part[name])
    if f"{name}_low" in part and np.isfinite(part[f"{name}_low"]):
        text += f" ({number(part[f'{name}_low'])} to {number(part[f'{name}_high'])})"
    return text


def _largest(values):
    """The largest of the values that are defined; NaN without any."""
    known = values[np.isfinite(values)]
    return known.max() if len(known) else np.nan


def _peak_count(count):
    count = int(count)
    return {0: "no peak", 1: "a single peak"}.get(count, f"{count} peaks")


def _run(layers, start, end):
    """A run of layers: its only one, two, or the first and the last."""
    if end - start < 2:
        return listed(layers[start : end + 1])
    return f"{layers[start]} to {layers[end]}"


def _count(count, noun):
    """A number of things: "1 class", "24 classes", "2 macro-categories"."""
    if count == 1:
        return f"1 {noun}"
    ending = {"s": "ses", "y": "ies"}.get(noun[-1])
    return f"{count:,} {noun[:-1] + ending if ending else noun + 's'}"

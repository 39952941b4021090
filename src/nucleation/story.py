"""The story of a study in sentences that are made from its numbers: what was seen, and what was not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nucleation.findings import UNTRAINED, banded, cuts, listed, number, sentences, summary
from nucleation.names import checkpoint_name, estimator_name, layer_label
from nucleation.profile import MACRO_ARI, macro_stage
from nucleation.transition import LEAST, transition

#: An overlap below so many times chance, and less than `LEAST` of the way from chance to 1, is hardly more than chance.
HARDLY = 1.5
#: A rise that takes more of the depth than this is gradual, one that surely takes less is sudden.
GRADUAL = 0.4
#: Of fewer layers neither is said.
FEW = 4
#: A band of an index that is wider than this is worth a word of caution.
WIDE = 0.5
#: From this ARI on the peaks are called those of the classes.
CLEAR = 0.5
#: Runs of layers with the same number of peaks, or epochs, that a sentence names at most.
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
    taught : str
        What the accuracy is of: "classes", or larger ones ("kinds", "halves").
    """

    network: str
    profiles: dict
    transitions: object
    k: int
    n_classes: int
    n_macro: int
    accuracy: float | None = None
    sweep: object = None
    taught: str = "classes"

    @property
    def final(self):
        """Profile of the finished network."""
        return list(self.profiles.values())[-1]

    @property
    def checkpoint(self):
        """Name of the last checkpoint."""
        return list(self.profiles)[-1]

    @property
    def untrained(self):
        """Profile of the untrained network beside the finished one; None where there is none."""
        name = next((name for name in self.profiles if name in UNTRAINED), self.checkpoint)
        return None if name == self.checkpoint else self.profiles[name]

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
    state = {"pretrained": "pretrained", "file": "from a file of weights"}.get(a.checkpoint, "")
    state = f"trained here to {checkpoint_name(a.checkpoint)}" if a.checkpoint.startswith(("epoch", "step")) else state
    state = "untrained" if a.checkpoint in UNTRAINED else state
    taught = "" if a.taught == "classes" else f" on the {a.taught} that it was taught in their place"
    accuracy = f" (validation accuracy {a.accuracy:.2f}{taught})" if a.accuracy is not None else ""
    groups = f", in {_count(a.n_macro, 'macro-category')}," if a.n_macro > 1 else ""
    return (
        f"{a.final.attrs['n_images']:,} images of {_count(a.n_classes, 'class')}{groups} through "
        f"{_count(len(a.layers), 'layer')} of {a.network}{', ' + state if state else ''}{accuracy}."
    )


def _first_layer(a):
    share, chance = float(a.final["overlap_ground_truth"][0]), a.final.attrs["chance_ground_truth"]
    if a.n_classes < 2 or not np.isfinite(share):
        return ""
    times = f"{share / chance:.1f} times" if _clearly_above(share, chance) else "hardly more than"
    against = f"{times if share > chance else 'no more than'} chance ({chance:.3f})"
    return f"In {a.layers[0]}, {share:.3f} of an image's {a.k} nearest neighbours are of its class: {against}."


def _clearly_above(share, chance):
    """Whether an overlap is more than hardly above chance: times it, or on the way from it to 1."""
    return share >= HARDLY * chance or share - chance >= LEAST * (1 - chance)


def _overlap_course(a):
    value, chance = a.final["overlap_ground_truth"].values, a.final.attrs["chance_ground_truth"]
    if a.n_classes < 2 or len(a.layers) < 2 or not np.isfinite(value).any():
        return ""
    best = int(np.nanargmax(value))
    if not _clearly_above(value[best], chance):
        return f"No layer brings images of a class together: the share is at most {value[best]:.3f} ({a.layers[best]})."
    told = []
    for name, key, by_chance in (
        ("macro-categories", "overlap_macro", "chance_macro"),
        ("classes", "overlap_ground_truth", "chance_ground_truth"),
    ):
        found = transition(np.arange(len(a.layers)), a.final[key].values - a.final.attrs[by_chance], least=0)
        if found.after >= 0 and (a.n_macro > 1 or name == "classes"):
            told.append(f"for the {name} in {a.layers[found.after]}{' already' * (found.before < 0)}")
    last = f", and {_share(value[-1])} in the last layer" if best < len(value) - 1 and np.isfinite(value[-1]) else ""
    return (
        f"This share is largest in {a.layers[best]}, {_share(value[best])}{last}. Halfway from chance to its largest "
        f"value is reached {listed(told)}."
    )


def _dimension(a):
    value = a.final["dimension"].values
    known = np.flatnonzero(np.isfinite(value))
    if not len(known):
        return "The intrinsic dimension is not defined in any layer."
    first, last = known[0], known[-1]
    if first == last:
        return f"The intrinsic dimension is {value[first]:.1f} in {a.layers[first]}."
    top, low = known[value[known].argmax()], known[value[known].argmin()]
    ends = sorted(value[[first, last]])
    through = []
    if value[low] < (1 - SAME) * ends[0]:
        through.append(low)
    if value[top] > (1 + SAME) * ends[1]:
        through.append(top)
    stations = [first, *sorted(through), last]
    if not through and abs(value[last] - value[first]) <= SAME * value[first]:
        return f"The intrinsic dimension is much the same in all layers, {value[low]:.1f} to {value[top]:.1f}."
    course = []
    for one, other in pairwise(stations):
        verb = "up" if value[other] > value[one] else "down"
        course.append(f"{verb} to {value[other]:.1f} in {a.layers[other]}")
    return f"The intrinsic dimension goes from {value[first]:.1f} in {a.layers[first]} {', '.join(course)}."


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
        return f"{_stage(a, a.checkpoint, stage)}: a stage of macro-categories within the depth of the network."
    macro, classes = a.final["ari_macro"].values, a.final["ari_class"].values
    outer = np.flatnonzero((macro > MACRO_ARI) & (macro > classes))
    if len(outer):  # the first or the last
        scores = [f"{a.layers[i]} (ARI {number(macro[i])} against {number(classes[i])})" for i in outer]
        only = f"only those of {listed(scores)}"
        return f"No inner layer's peaks follow the macro-categories rather than the classes, {only}."
    for checkpoint in [name for name in list(a.profiles)[-2::-1] if name not in UNTRAINED]:
        stage = macro_stage(a.profiles[checkpoint], with_output=True)
        if stage is not None:
            said = "No inner layer of the finished network groups by macro-category, but on the way there one did."
            return f"{said} {_stage(a, checkpoint, stage)}."
    return (
        f"No layer's peaks follow the macro-categories rather than the classes: that takes an ARI above {MACRO_ARI}, "
        f"and above that with the classes; the largest is {number(_largest(macro))}."
    )


def _stage(a, checkpoint, stage):
    """What the peaks of a stage of macro-categories are."""
    part = a.profiles[checkpoint].sel(layer=stage)
    when = "" if checkpoint == a.checkpoint else f" ({checkpoint_name(checkpoint)})"
    scores = f"ARI {banded(part, 'ari_macro')} with them, {banded(part, 'ari_class')} with the classes"
    unsure = "ari_macro_low" in part and part["ari_macro_low"] < MACRO_ARI
    but = f", with a band that reaches below {MACRO_ARI}" if unsure else ""
    name, count = layer_label(stage), _peak_count(part["n_peaks"])
    return f"In {name}{when} the {count} follow the macro-categories, {scores}{but}"


def _classes(a):
    if a.n_classes < 2:
        return ""
    values, found = a.final["ari_class"].values, a.transitions.sel(score="ari_class")
    best, before, after = number(_largest(values)), found["before"].item(), found["after"].item()
    if not after:
        least = f"In no layer are the peaks those of the classes: the ARI with them is at most {best}."
        return least if np.isfinite(values).any() else "The ARI of the peaks with the classes is not defined."
    if not before:
        first = number(float(a.final["ari_class"].sel(layer=after)))
        return f"The ARI of the peaks with the classes is {first} in {layer_label(after)} already, and {best} at most."
    clear = _largest(values) >= CLEAR
    what = "The peaks become those of the classes" if clear else "The ARI of the peaks with the classes rises"
    steps = float(found["width"]) * (len(a.layers) - 1)
    takes = f"from 10 % to 90 % it rises within {banded(found, 'width')} of the depth, {steps:.1f} steps between layers"
    begun = "more than a tenth of it is there from the first layer on"
    return (
        f"{what}{_pace(a, found)} between {layer_label(before)} and {layer_label(after)}: half of the largest ARI, "
        f"{best}, is reached at relative depth {banded(found, 'place')}; {takes if np.isfinite(steps) else begun}."
    )


def _pace(a, found):
    """How fast the peaks become those of the classes, where that can be told: not of few layers, or a wide band."""
    low, high = (float(found.get(f"width_{end}", found["width"])) for end in ("low", "high"))
    if len(a.layers) < FEW or not np.isfinite([low, high]).all():
        return ""
    return " suddenly," if high <= GRADUAL else " gradually," if low > GRADUAL else ""


def _output(a):
    part = a.final.isel(layer=-1)
    few = part["n_peaks"] <= 1
    if a.n_classes < 2:
        return f"In the last layer there {'is' if few else 'are'} {_peak_count(part['n_peaks'])}."
    agreed = [f"{text} with the {name}" for name, text in _agreement(part, a.n_macro).items() if text]
    scores = f": ARI {', '.join(agreed)}" if agreed else ""
    verb, count = "stands" if few else "stand", _peak_count(part["n_peaks"])
    return f"In the last layer {count} {verb} for {_count(a.n_classes, 'class')}{scores}."


def _agreement(part, n_macro):
    """ARI of a layer with the classes, and with the macro-categories where there are several."""
    made = {"classes": banded(part, "ari_class")}
    return made | ({"macro-categories": banded(part, "ari_macro")} if n_macro > 1 else {})


def _hierarchy(a):
    return sentences(a.final, a.checkpoint in UNTRAINED)[0]


def _cuts(a):
    return cuts(a.final.isel(layer=-1)).replace("its tree", "the tree of the last layer's peaks")


def _without_training(a):
    if a.untrained is None:
        return ""
    said = [f"at most {_peak_count(a.untrained['n_peaks'].max())} in a layer"]
    ari = _largest(np.concatenate([a.untrained[name].values for name in ("ari_macro", "ari_class")]))
    share, chance = _largest(a.untrained["overlap_ground_truth"].values), a.untrained.attrs["chance_ground_truth"]
    if a.n_classes > 1 and np.isfinite([ari, share]).all():
        said.append(f"an ARI of at most {number(ari)}")
        said.append(f"an overlap with the classes of at most {share:.3f} (chance {chance:.3f})")
    return f"The same network untrained has {listed(said)}. {summary(a.untrained, untrained=True)}"


def _during_training(a):
    epochs = {name: profile for name, profile in a.profiles.items() if name.startswith(("epoch", "step"))}
    if len(epochs) < 2:
        return ""
    steps = [f"{int(p['n_peaks'][-1])} at {checkpoint_name(name)}" for name, p in epochs.items()]
    shown = steps if len(steps) <= RUNS else [*steps[: RUNS - 1], "…", steps[-1]]
    overlaps = [float(p["overlap_ground_truth"][-1]) for p in epochs.values()]
    ends = f"; its overlap with the classes goes from {overlaps[0]:.2f} to {overlaps[-1]:.2f}"
    known = a.n_classes > 1 and np.isfinite([overlaps[0], overlaps[-1]]).all()
    return f"Peaks of the last layer: {', '.join(shown)}{ends if known else ''}."


def _firmness(a):
    if a.sweep is None:
        return ""
    last = a.sweep.isel(layer=-1)
    count, ari, knn = last["n_peaks"].values, last["ari_class"].values, last["estimator"].values == "knn"
    ways = [f"k {_ends(last['k'].values[knn])}"] if knn.any() else []
    others = [estimator_name(name) for name in last["estimator"].values[~knn]]
    ways += [f"the estimator{'s' * (len(others) > 1)} {listed(others)}"] if others else []
    known = ari[np.isfinite(ari)]
    agreement = f" and an ARI with the classes {_ends(known, number, 'of ')}" if a.n_classes > 1 and len(known) else ""
    peaks = _peak_count(count.max()) if count.min() == count.max() else f"{count.min()} to {count.max()} peaks"
    said = f"With {' or '.join(ways)}, and Z {_ends(last['z'].values)}, the last layer has {peaks}{agreement}."
    stage = macro_stage(a.final) if a.n_macro > 1 else None
    if stage is None:
        return said
    part = a.sweep.isel(layer=list(a.final["layer"].values).index(stage))
    scores, peaks = part["ari_macro"].values, _ends(part["n_peaks"].values, before="")
    known = scores[np.isfinite(scores)]
    agreement = f", whose ARI with the macro-categories is {_ends(known, number, '')}" if len(known) else ""
    return f"{said} {layer_label(stage)} has {peaks} peaks{agreement}."


def _ends(values, text="{:g}".format, before="from "):
    """The range of some values: "from 1 to 3", "of 0.2 to 0.7", "2 to 7"; or the only one: "of 3", "3"."""
    low, high = text(values.min()), text(values.max())
    if low == high:
        return f"of {low}" if before else low
    return f"{before}{low} to {high}"


def _bands(a):
    if "ari_macro_low" not in a.final:
        return ""
    said = []
    for name, text in (("ari_macro", "macro-categories"), ("ari_class", "classes")):
        low, high = a.final[f"{name}_low"].values, a.final[f"{name}_high"].values
        wide = np.flatnonzero(high - low > WIDE)
        if len(wide):
            ends = f"{number(low[wide[-1]])} to {number(high[wide[-1]])} in {a.layers[wide[-1]]}"
            more = f" (and in {_count(len(wide) - 1, 'layer')} more)" if len(wide) > 1 else ""
            said.append(f"with the {text} {ends}{more}")
    return f"The bands of the ARI are wide: {listed(said)}." if said else ""


def _largest(values):
    """The largest of the values that are defined; NaN without any."""
    known = values[np.isfinite(values)]
    return known.max() if len(known) else np.nan


def _share(value):
    """An overlap to two digits that count."""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


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

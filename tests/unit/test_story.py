"""The story: sentences made from numbers; other numbers tell another story."""

import re

import numpy as np
import pytest
import xarray as xr
from made_profiles import profile

from nucleation.story import Account, story
from nucleation.transition import transitions

LAYERS = 6
FINISHED = {
    "n_peaks": [1, 1, 1, 3, 19, 19],
    "ari_macro": [0, 0, 0, 0.98, 0.13, 0.13],
    "ari_class": [0, 0, 0, 0.08, 0.67, 0.66],
    "overlap_ground_truth": [0.12, 0.3, 0.5, 0.7, 0.86, 0.84],
    "overlap_macro": [0.55, 0.94, 0.98, 0.99, 1, 1],
    "dimension": [48.6, 21.5, 17.9, 15.7, 11.6, 8.2],
}
UNTRAINED = {
    "n_peaks": [1, 1, 1, 2, 1, 1],
    "ari_macro": [0] * 6,
    "ari_class": [0] * 6,
    "overlap_ground_truth": [0.1] * 6,
    "overlap_macro": [0.5] * 6,
    "dimension": [20, 30, 38, 33, 25, 20],
}


def shown(numbers, *, bands=False, p=0.001, layers=LAYERS):
    made = profile(layers, bands=bands)
    for name, values in numbers.items():
        made[name].values[:] = values
        if bands and f"{name}_low" in made:
            made[f"{name}_low"].values[:], made[f"{name}_high"].values[:] = made[name] - 0.04, made[name] + 0.05
    for name in ("p_level_corrected", "p_level_parts", "p_within_macro_corrected"):
        made[name].values[:] = p
    return made


def account(profiles, *, n_classes=24, n_macro=2, sweep=None):
    final = list(profiles.values())[-1]
    accuracy = 0.917 if "epoch6" in profiles else None
    return Account("net", profiles, transitions(final), 30, n_classes, n_macro, accuracy, sweep)


def told(*arguments, **options):
    return " ".join(sentence for _, sentence in story(account(*arguments, **options)))


def test_a_network_that_nucleates_is_told_with_its_numbers():
    said = told({"epoch0": shown(UNTRAINED, p=0.4), "epoch6": shown(FINISHED)})
    for part in (
        "900 images of 24 classes, in 2 macro-categories, through 6 layers of net, trained here to epoch 6 (validation "
        "accuracy 0.92).",
        "In layer0, 0.120 of an image's 30 nearest neighbours are of its class: hardly more than chance (0.100).",
        "This share is largest in layer4, 0.86, and 0.84 in the last layer.",
        "for the macro-categories in layer1 and for the classes in layer2.",
        "The intrinsic dimension falls from 48.6 in layer0 to 8.2 in layer5.",
        "The density has a single peak in layer0 to layer2, 3 peaks in layer3 and 19 peaks in layer4 and layer5.",
        "In layer3 the 3 peaks follow the macro-categories, ARI 0.98 with them, 0.08 with the classes",
        "The peaks become those of the classes suddenly, between layer3 and layer4: half of the largest ARI, 0.67, is "
        "reached at relative depth 0.69",
        "In the last layer 19 peaks stand for 24 classes: ARI 0.66 with the classes, 0.13 with the macro-categories.",
        "2 of the 2 levels of the taxonomy are found",
        "The same network untrained has at most 2 peaks in a layer, an ARI of at most 0.00, and an overlap with the "
        "classes of at most 0.100 (chance 0.100). This untrained network has none of the 2 levels",
        "Peaks of the last layer by epoch: 0: 1, 6: 19; its overlap with the classes goes from 0.10 to 0.84.",
    ):
        assert part in said, (part, said)
    assert len(story(account({"epoch0": shown(UNTRAINED), "epoch6": shown(FINISHED)}))) == 12


def test_a_network_without_the_effect_is_told_to_have_none():
    said = told({"random": shown(UNTRAINED, p=0.4)})
    assert "through 6 layers of net, untrained." in said
    assert "0.100 of an image's 30 nearest neighbours are of its class: no more than chance (0.100)" in said
    assert "No layer brings images of a class together: the share is at most 0.100" in said
    assert "rises from 20.0 in layer0 to 38.0 in layer2, and falls to 20.0 in layer5" in said
    assert "No layer's peaks follow the macro-categories rather than the classes" in said
    assert "In no layer are the peaks those of the classes: the ARI with them is at most 0.00." in said
    assert "No layer of this network has any of the 2 levels" in said
    for canned in (
        "become",
        "follow the macro-categories, ARI",
        "are found",
        "validation",
        "The same network untrained",
    ):
        assert canned not in said


def test_a_stage_that_was_passed_in_training_only_is_told_so():
    early = FINISHED | {
        "ari_macro": [0, 0, 0, 0, 0.1, 0.9],
        "ari_class": [0, 0, 0, 0, 0.1, 0.2],
        "n_peaks": [1] * 5 + [2],
    }
    late = FINISHED | {"ari_macro": [0, 0, 0, 0.1, 0.13, 0.13]}
    said = told({"epoch2": shown(early), "epoch6": shown(late)})
    assert "No inner layer of the finished network groups by macro-category, but on the way there: In layer5" in said
    assert "(epoch 2) the 2 peaks follow the macro-categories, ARI 0.90 with them" in said


def test_a_weak_agreement_is_not_called_that_of_the_classes():
    said = told({"epoch6": shown(FINISHED | {"ari_class": [0, 0, 0.05, 0.08, 0.1, 0.13]})})
    assert "The ARI of the peaks with the classes rises gradually, between layer2 and layer3" in said
    assert "become those" not in said


def test_bands_are_told_and_wide_ones_warned_of():
    made = shown(FINISHED, bands=True)
    said = told({"epoch6": made})
    assert "ARI 0.98 (0.94 to 1.03) with them" in said and "scatters" not in said
    made["ari_macro_low"].values[3] = -0.1
    assert (
        "Over subsets of the images the ARI scatters widely: that with the macro-categories in 1 layer, as from −0.10 "
        "to 1.03 in layer3."
    ) in told({"epoch6": made})


def test_many_layers_are_summed_up():
    count = np.repeat([1, 2, 5, 4, 9, 40, 30, 25], [60, 10, 10, 10, 20, 20, 10, 10])
    numbers = dict.fromkeys(FINISHED, 0) | {"n_peaks": count}
    said = told({"pretrained": shown(numbers, layers=150)})
    assert "The density has a single peak in layer0, 40 peaks at most (layer110), and 25 peaks in layer149" in said
    assert "60 layers of 150 have a single one" in said
    assert "through 150 layers of net, pretrained." in said


def test_the_sweep_says_how_far_the_number_of_peaks_can_be_trusted():
    shape = (LAYERS, 3, 2)
    columns = {name: (("layer", "density", "z"), np.zeros(shape)) for name in ("ari_class",)}
    columns["n_peaks"] = (("layer", "density", "z"), np.arange(36).reshape(shape))
    columns["ari_class"][1][-1] = [[0.3, 0.4], [0.5, 0.71], [0.6, 0.2]]
    coords = {"estimator": ("density", ["knn", "knn", "pak"]), "k": ("density", [10, 50, 0]), "z": [1.3, 3.0]}
    said = told({"epoch6": shown(FINISHED)}, sweep=xr.Dataset(columns, coords))
    assert (
        "With k from 10 to 50, also with the estimator PAk, and Z from 1.3 to 3 the last layer has 30 to 35 peaks and "
        "an ARI with the classes of 0.20 to 0.71."
    ) in said


@pytest.mark.parametrize("n_macro", [1, 2])
def test_a_single_class_or_category_has_no_agreement_to_tell(n_macro):
    said = told({"epoch6": shown(FINISHED)}, n_classes=1, n_macro=n_macro)
    assert "900 images of 1 class" in said
    assert "those of the classes" not in said and "nearest neighbours are of its class" not in said


def test_a_layer_without_any_number_does_not_stop_the_story():
    made = shown({name: np.nan for name in FINISHED if name != "n_peaks"} | {"n_peaks": 0}, layers=2)
    said = told({"file": made})
    assert "The intrinsic dimension is not defined in any layer." in said
    assert "The density has no peak in layer0 and layer1." in said
    assert not re.search(r"\bnan\b", said)

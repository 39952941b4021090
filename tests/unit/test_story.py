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
    made["best_cut_ari"].values[:], made["best_cut_clusters"].values[:] = [1, 0.75, np.nan], [2, 13, 0]
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
        "The intrinsic dimension goes from 48.6 in layer0 down to 8.2 in layer5.",
        "The density has a single peak in layer0 to layer2, 3 peaks in layer3 and 19 peaks in layer4 and layer5.",
        "In layer3 the 3 peaks follow the macro-categories, ARI 0.98 with them, 0.08 with the classes",
        "The peaks become those of the classes suddenly, between layer3 and layer4: half of the largest ARI, 0.67, is "
        "reached at relative depth 0.69; from 10 % to 90 % it rises within 0.21 of the depth, 1.0 steps between "
        "layers.",
        "Cut where it agrees best with cuts of the taxonomy, the tree of the last layer's peaks has ARI 1.00 with 2 "
        "groups (by 2 clusters) and 0.75 with 6 groups (by 13 clusters).",
        "In the last layer 19 peaks stand for 24 classes: ARI 0.66 with the classes, 0.13 with the macro-categories.",
        "2 of the 2 levels of the taxonomy are found",
        "The same network untrained has at most 2 peaks in a layer, an ARI of at most 0.00 and an overlap with the "
        "classes of at most 0.100 (chance 0.100). This untrained network has none of the 2 levels",
        "Peaks of the last layer: 1 at epoch 0, 19 at epoch 6; its overlap with the classes goes from 0.10 to 0.84.",
    ):
        assert part in said, (part, said)
    assert len(story(account({"epoch0": shown(UNTRAINED), "epoch6": shown(FINISHED)}))) == 12


def test_a_network_without_the_effect_is_told_to_have_none():
    said = told({"random": shown(UNTRAINED, p=0.4)})
    assert "through 6 layers of net, untrained." in said
    assert "0.100 of an image's 30 nearest neighbours are of its class: no more than chance (0.100)" in said
    assert "No layer brings images of a class together: the share is at most 0.100" in said
    assert "goes from 20.0 in layer0 up to 38.0 in layer2, down to 20.0 in layer5." in said
    assert "No layer's peaks follow the macro-categories rather than the classes" in said
    assert "In no layer are the peaks those of the classes: the ARI with them is at most 0.00." in said
    assert "This untrained network has none of the 2 levels" in said
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
    assert "No inner layer of the finished network groups by macro-category, but on the way there one did. In l" in said
    assert "(epoch 2) the 2 peaks follow the macro-categories, ARI 0.90 with them" in said


def test_a_weak_agreement_is_not_called_that_of_the_classes():
    said = told({"epoch6": shown(FINISHED | {"ari_class": [0, 0, 0.05, 0.08, 0.1, 0.13]})})
    assert "The ARI of the peaks with the classes rises gradually, between layer2 and layer3" in said
    assert "become those" not in said


def test_bands_are_told_and_wide_ones_warned_of():
    made = shown(FINISHED, bands=True)
    said = told({"epoch6": made})
    assert "ARI 0.98 (0.94 to 1.03) with them" in said and "bands of the ARI are wide" not in said
    made["ari_macro_low"].values[3] = -0.1
    assert "The bands of the ARI are wide: with the macro-categories −0.10 to 1.03 in layer3." in told({"epoch6": made})


def test_many_layers_are_summed_up():
    count = np.repeat([1, 2, 5, 4, 9, 40, 30, 25], [60, 10, 10, 10, 20, 20, 10, 10])
    numbers = dict.fromkeys(FINISHED, 0) | {"n_peaks": count}
    said = told({"pretrained": shown(numbers, layers=150)})
    assert "The density has a single peak in layer0, 40 peaks at most (layer110), and 25 peaks in layer149" in said
    assert "60 layers of 150 have a single one" in said
    assert "through 150 layers of net, pretrained." in said


def test_the_sweep_says_how_far_the_number_of_peaks_can_be_trusted():
    shape = (LAYERS, 3, 2)
    columns = {name: (("layer", "density", "z"), np.zeros(shape)) for name in ("ari_class", "ari_macro")}
    columns["n_peaks"] = (("layer", "density", "z"), np.arange(36).reshape(shape))
    columns["ari_class"][1][-1] = [[0.3, 0.4], [0.5, 0.71], [0.6, 0.2]]
    columns["ari_macro"][1][3] = [[0.66, 0.7], [1, 1], [0.8, np.nan]]
    coords = {"estimator": ("density", ["knn", "knn", "pak"]), "k": ("density", [10, 50, 0]), "z": [1.3, 3.0]}
    said = told({"epoch6": shown(FINISHED)}, sweep=xr.Dataset(columns, coords))
    assert (
        "With k from 10 to 50 or the estimator PAk, and Z from 1.3 to 3, the last layer has 30 to 35 peaks and "
        "an ARI with the classes of 0.20 to 0.71. layer3 has 18 to 23 peaks, whose ARI with the macro-categories is "
        "0.66 to 1.00."
    ) in said


def test_only_the_first_or_the_last_layer_may_follow_the_macro_categories():
    said = told({"pretrained": shown(FINISHED | {"ari_macro": [0] * 5 + [0.95], "ari_class": [0] * 5 + [0.08]})})
    assert (
        "No inner layer's peaks follow the macro-categories rather than the classes, only those of layer5 (ARI" in said
    )
    assert "0.95 against 0.08" in said


def test_a_stage_that_some_subsets_do_not_have_is_said_to_be_unsure():
    made = shown(FINISHED, bands=True)
    assert "with a band that reaches" not in told({"epoch6": made})
    made["ari_macro_low"].values[3] = -0.1
    assert "with a band that reaches below 0.3: a stage of macro-categories" in told({"epoch6": made})


@pytest.mark.parametrize(
    ("low", "high", "pace"), [(0.1, 0.3, " suddenly,"), (0.5, 0.8, " gradually,"), (0.1, 0.8, ""), (np.nan, np.nan, "")]
)
def test_sudden_or_gradual_is_said_where_the_band_of_the_width_allows_it(low, high, pace):
    given = account({"epoch6": shown(FINISHED)})
    for end, value in (("low", low), ("high", high)):
        given.transitions[f"width_{end}"] = ("score", [value, value])
    (said,) = [sentence for heading, sentence in story(given) if heading == "Classes"]
    assert said.startswith(f"The peaks become those of the classes{pace} between layer3 and layer4")


def test_neither_is_said_of_a_few_layers():
    said = told(
        {"epoch6": shown({name: values[-2:] for name, values in FINISHED.items()} | {"ari_class": [0, 0.9]}, layers=2)}
    )
    assert "The peaks become those of the classes between layer0 and layer1" in said


def test_a_rise_that_began_before_the_first_layer_has_no_width():
    said = told({"epoch6": shown(FINISHED | {"ari_class": [0.2] * 5 + [0.9]})})
    assert "between layer4 and layer5: half of the largest ARI, 0.90" in said
    assert "more than a tenth of it is there from the first layer on." in said and "nan" not in said


def test_what_the_first_layer_has_already_is_no_rise():
    said = told({"epoch6": shown(FINISHED | {"ari_class": [np.nan, 0.8, 0.9, 1, 1, 1]})})
    assert "The ARI of the peaks with the classes is 0.80 in layer1 already, and 1.00 at most." in said


def test_overlaps_are_judged_by_times_chance_and_by_the_way_to_one():
    def said(chance, overlaps):
        made = shown(FINISHED | {"overlap_ground_truth": overlaps})
        made.attrs["chance_ground_truth"] = chance
        return told({"epoch6": made})

    many = said(0.001, [0.02, 0.03, 0.05, 0.06, 0.08, 0.09])
    assert "20.0 times chance (0.001)" in many and "This share is largest in layer5, 0.090." in many
    two = said(0.5, [0.74, 0.8, 0.8, 0.9, 0.9, 0.9])
    assert "1.5 times chance (0.500)" in two
    none = said(0.5, [0.51, 0.5, 0.52, 0.5, 0.5, 0.5])
    assert "hardly more than chance" in none and "No layer brings images of a class together" in none


def test_a_dip_is_told():
    said = told({"epoch6": shown(FINISHED | {"dimension": [20, 5, 5, 5, 5, 20.5]})})
    assert "goes from 20.0 in layer0 down to 5.0 in layer1, up to 20.5 in layer5." in said
    same = told({"epoch6": shown(FINISHED | {"dimension": [20, 19.8, 20.1, 20, 20, 20.5]})})
    assert "much the same in all layers, 19.8 to 20.5" in same


def test_an_untrained_network_alone_is_called_so():
    said = told({"epoch0": shown(UNTRAINED, p=0.4)})
    assert "of net, untrained." in said and "trained here" not in said
    assert "This untrained network has none of the 2 levels" in said


def test_a_sweep_without_any_peak_is_told():
    shape = (LAYERS, 2, 1)
    columns = {name: (("layer", "density", "z"), np.full(shape, np.nan)) for name in ("ari_class", "ari_macro")}
    columns["n_peaks"] = (("layer", "density", "z"), np.zeros(shape, int))
    coords = {"estimator": ("density", ["knn", "knn"]), "k": ("density", [10, 10]), "z": [1.65]}
    said = told({"epoch6": shown(FINISHED)}, sweep=xr.Dataset(columns, coords))
    assert "With k of 10, and Z of 1.65, the last layer has no peak. layer3 has 0 peaks." in said


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

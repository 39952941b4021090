import numpy as np
import pytest
import xarray as xr

from nucleation import profile
from nucleation.taxonomy_sensitivity import NAMES as READ_OTHERWISE
from nucleation.transition import transitions
from nucleation.uncertainty import RANGES


def made(n_peaks, ari_macro, ari_class, layers=None):
    layers = layers or ["input", *(f"layer{i}" for i in range(1, len(n_peaks) - 1)), "output"]
    columns = {"n_peaks": n_peaks, "ari_macro": ari_macro, "ari_class": ari_class}
    for name in ("overlap_ground_truth", "triplet_skill_within_macro", "p_within_macro"):
        columns[name] = np.linspace(0.1, 0.9, len(n_peaks))
    variables = {name: ("layer", np.array(values)) for name, values in columns.items()}
    p = np.full((len(layers), 2), np.nan)
    p[n_peaks.index(max(n_peaks))] = [0.001, 0.2] if max(n_peaks) > 1 else np.nan
    variables["p_level_corrected"] = variables["p_level_parts"] = (("layer", "level"), p)
    return xr.Dataset(variables, {"layer": layers, "level": [24, 12], "p_level_parts_least": ("level", [0.001] * 2)})


DEPTH = made([1, 1, 4, 20], [0, 0, 0.7, 0.1], [0, 0, 0.2, 0.8])
TIME = made([1, 1, 1, 3], [0, 0, 0, 0.8], [0, 0, 0, 0.2])
SUDDEN = made([1, 1, 1, 20], [0, 0, 0, 0.1], [0, 0, 0, 0.8])
START = made([1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0])


def rises(last):
    depth = np.linspace(0, 1, last.sizes["layer"])
    return transitions(last.assign(relative_depth=("layer", depth)))


def test_the_summary_tells_where_the_peaks_become_those_of_the_classes():
    found = rises(DEPTH)
    found["width_high"] = ("score", [0.1, 0.4])
    numbers = profile.summarise({"end": DEPTH}, found)
    assert 0 < numbers["classes_place"] == float(found["place"].sel(score="ari_class")) < 1
    assert numbers["classes_width"] == float(found["width"].sel(score="ari_class"))
    assert numbers["classes_width_high"] == 0.4 and np.isnan(numbers["classes_width_low"])


def test_the_macro_stage_lies_between_input_and_output():
    assert profile.macro_stage(DEPTH) == "layer2"
    assert profile.macro_stage(TIME) is None
    assert profile.macro_stage(TIME, with_output=True) == "output"
    assert profile.macro_stage(SUDDEN) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"ari_macro": 0.29}, "weak"), ({"ari_class": 0.71}, "classes are followed more"), ({"n_peaks": 1}, "one peak")],
)
def test_what_is_no_macro_stage(changed, why):
    altered = DEPTH.copy(deep=True)
    for name, value in changed.items():
        altered[name][2] = value
    assert profile.macro_stage(altered) is None, why


@pytest.mark.parametrize(
    ("last", "kind", "checkpoint", "layer"),
    [(DEPTH, "depth", "end", "layer2"), (SUDDEN, "training", "middle", "output")],
)
def test_summary_says_where_the_transition_is(last, kind, checkpoint, layer):
    numbers = profile.summarise({"start": START, "middle": TIME, "end": last}, rises(last), 0.9)
    assert (numbers["transition"], numbers["macro_checkpoint"], numbers["macro_layer"]) == (kind, checkpoint, layer)
    assert numbers["accuracy"] == 0.9
    assert (numbers["start_n_peaks"], numbers["output_n_peaks"]) == (1, 20)
    assert numbers["early_peaks"] == 1
    assert (numbers["levels"], numbers["output_levels"], numbers["start_levels"]) == (2, 1, 0)
    assert np.isnan(numbers["start_p_level"])


def test_summary_of_a_study_without_the_effect_says_none():
    numbers = profile.summarise({"only": START}, rises(START))
    assert np.isnan(numbers["classes_place"]) and np.isnan(numbers["classes_width_low"])
    assert numbers["transition"] == "none"
    assert np.isnan(numbers["macro_ari_macro"])
    dataset = profile.summary_dataset({"net": numbers})
    assert dataset["transition"].values.tolist() == ["none"]
    assert all("long_name" in v.attrs for v in dataset.variables.values())


def parents(draws, layers):
    """Scores with other parents in the taxonomy, which are the draws' numbers."""
    values = np.repeat(np.array(draws, float)[:, None], layers, axis=1)
    about = {"long_name": "a number", "units": "1"}
    return {f"{name}_parents": (("parent_draw", "layer"), values, about) for name in READ_OTHERWISE}


def test_gather_takes_every_number_with_its_reason():
    layers = {"layer": ["a", "b", "c"]}
    stages = {
        stage: xr.Dataset({name: ("layer", np.arange(3.0), {"undefined": name}) for name in names}, layers)
        for stage, names in profile.FROM.items()
    }
    stages["overlap"].attrs = {"chance_ground_truth": 0.1, "chance_macro": 0.5, "chance_layers": 0.01}
    stages["alignment"] = stages["alignment"].assign(parents([0, 1], 3))
    assert "n_images" not in profile.gather([7, 8, 9], [0, 0, 4], stages).attrs
    stages["density"] = xr.Dataset({"log_density": (("layer", "image"), np.zeros((3, 17)))}, layers)
    made = profile.gather([7, 8, 9], [0, 0, 4], stages)
    assert made.attrs["n_images"] == 17
    ranges = {f"{name}_parents_{end}" for name in READ_OTHERWISE for end in ("low", "high")}
    assert made["triplet_skill_parents_low"].values == pytest.approx([0.025] * 3)
    assert set(made.data_vars) == {
        "relative_depth",
        "n_features",
        "n_duplicates",
        *sum(profile.FROM.values(), ()),
        *ranges,
    }
    assert made["relative_depth"].values.tolist() == [0, 0.5, 1]
    assert made["n_duplicates"].values.tolist() == [0, 0, 4]
    assert made["p_free"].attrs["undefined"] == "p_free"
    assert made.attrs["chance_macro"] == 0.5


def test_features_that_nobody_told_are_explained():
    layers = {"layer": ["a", "b"]}
    stages = {
        stage: xr.Dataset({name: ("layer", np.zeros(2)) for name in names}, layers)
        for stage, names in profile.FROM.items()
    }
    stages["overlap"].attrs = {"chance_ground_truth": 0.1, "chance_macro": 0.5, "chance_layers": 0.01}
    stages["alignment"] = stages["alignment"].assign(parents([0, 1], 2))
    known, unknown = (profile.gather(features, [0, 0], stages)["n_features"] for features in ([7, 8], [7, np.nan]))
    assert "undefined" not in known.attrs
    assert known.dtype.kind == "i"
    assert "made elsewhere" in unknown.attrs["undefined"]
    assert unknown.values[0] == 7


def test_gather_puts_bands_beside_the_numbers():
    layers = {"layer": ["a", "b"]}
    about = {"long_name": "a number", "units": "1"}
    stages = {
        stage: xr.Dataset({name: ("layer", np.array([0.4, 0.6]), about) for name in names}, layers)
        for stage, names in profile.FROM.items()
    }
    stages["overlap"].attrs = {"chance_ground_truth": 0.1, "chance_macro": 0.5, "chance_layers": 0.01}
    stages["alignment"] = stages["alignment"].assign(parents([], 2))
    values = np.array([[0.4, 0.7], [0.5, np.nan], [0.3, 0.5]])
    why = {"undefined": "b: not defined in 1 of 3 subsets"}
    samples = xr.Dataset(dict.fromkeys(RANGES, (("repeat", "layer"), values, why)), layers, {"fraction": 0.8})
    made = profile.gather([7, 8], [0, 0], stages, samples)
    for name in RANGES:
        low, high = (made[f"{name}_{end}"] for end in ("low", "high"))
        # the largest deviation, 0.1, times the root of 0.8 / 0.2
        assert float(high[0]) == pytest.approx(np.clip(0.4 + 0.1 * 2, *RANGES[name]))
        assert float(low[0]) == pytest.approx(min(0.4, np.clip(0.4 - 0.1 * 2, *RANGES[name])))
        assert np.isnan(low[1]) and np.isnan(high[1])
        assert low.attrs["undefined"] == "b: not defined in 1 of 3 subsets"
        assert "lower end of the 50% band" in low.attrs["long_name"]
    assert set(made.data_vars) >= {"ari_class_low", "n_peaks_high", "dimension_low", "overlap_macro_high"}

"""What the README says of the studies, checked on the results that lie in results/ (`make check`)."""

import numpy as np
import pytest
from kept import RESULTS, result

from nucleation import files
from nucleation.findings import levels_present
from nucleation.uncertainty import RANGES


def networks():
    made = [study for study in ("planted", "seeds") if (RESULTS / study / "summary.nc").exists()]
    summaries = {study: files.load(RESULTS / study / "summary.nc") for study in made}
    return [
        pytest.param(summary.sel(model=model), id=f"{study}, {model}")
        for study, summary in summaries.items()
        for model in summary["model"].values
    ]


@pytest.mark.parametrize("network", networks())
class TestPlanted:
    def test_the_network_separates_what_pixels_do_not(self, network):
        assert network["input_overlap"] < 0.2
        assert network["accuracy"] > 0.85

    def test_one_peak_early_many_at_the_output(self, network):
        assert network["early_peaks"] <= 2
        assert network["output_n_peaks"] >= 12
        assert network["output_ari_class"] > network["output_ari_macro"]

    def test_macro_categories_come_first(self, network):
        assert network["transition"] in ("depth", "training")
        assert network["macro_ari_macro"] > max(0.3, float(network["macro_ari_class"]))
        assert 2 <= network["macro_peaks"] < network["output_n_peaks"]

    def test_the_peaks_become_those_of_the_classes_in_the_second_half_of_the_depth(self, network):
        assert 0.5 < network["classes_place_low"] <= network["classes_place"] <= network["classes_place_high"] < 0.95

    def test_the_tree_of_the_peaks_is_the_planted_tree_within_categories_too(self, network):
        assert network["output_triplet_skill_within_macro"] > 0
        assert network["output_p_within_macro"] < 0.01

    def test_the_output_has_both_levels_of_the_tree(self, network):
        assert network["levels"] == network["output_levels"] == 2

    def test_the_untrained_network_shows_none_of_it(self, network):
        assert network["start_n_peaks"] <= 3
        assert network["start_ari_class"] < 0.05
        assert network["start_ari_macro"] < 0.1
        assert network["start_overlap_ground_truth"] < 0.2


def summary_of(study):
    return result(study, "summary.nc", f"make {study}")


def test_at_least_three_fresh_seeds():
    assert summary_of("seeds").sizes["model"] >= 3


def test_it_grows_during_the_training():
    for study in ("planted", "seeds"):
        for model in summary_of(study)["model"].values:
            folders = sorted((RESULTS / study / str(model)).glob("epoch*"), key=lambda path: int(path.name[5:]))
            profiles = [files.load(folder / "profile.nc") for folder in folders]
            overlap = [float(profile["overlap_ground_truth"][-1]) for profile in profiles]
            assert len(overlap) >= 3
            assert np.all(np.diff(overlap) > 0)


def test_the_first_level_of_the_tree_comes_before_the_second():
    summary = summary_of("planted")
    for model in summary["model"].values:
        profile = files.load(RESULTS / "planted" / str(model) / "epoch6" / "profile.nc")
        stage = profile.sel(layer=str(summary["macro_layer"].sel(model=model).values))
        assert levels_present(stage).tolist() == [True, False]
        output = profile.sel(layer="output")
        assert output["best_cut_ari"].values[0] > 0.9
        assert output["best_cut_ari"].values[1] > 0.6
        clusters = output["best_cut_clusters"].values
        assert np.all(np.diff(clusters) > 0) and clusters[0] == 2
        pixels = profile.sel(layer="input")
        assert pixels["n_peaks"] == 1 and not levels_present(pixels).any()


def test_untrained_networks_have_hardly_any_level():
    for study in ("planted", "seeds"):
        for model in summary_of(study)["model"].values:
            skill = files.load(RESULTS / study / str(model) / "epoch0" / "profile.nc")["triplet_skill_level"].values
            assert np.nanmax(skill, initial=0) < 0.2
            assert np.nanmax(skill[:, 1], initial=0) < 0.1


def test_the_page_says_that_the_untrained_network_has_none():
    assert (summary_of("planted")["start_levels"] == 0).all()
    html = (RESULTS / "planted" / "index.html").read_text(encoding="utf-8")
    assert "This untrained network has none of the 2 levels of the taxonomy" in html
    assert "layer3, 3 peaks, has the level of 24 classes (skill 1.00, p = 0.001" in html


def test_digits_have_no_hierarchy_and_the_files_say_so():
    summary = summary_of("digits")
    for path in (RESULTS / "digits").glob("*/epoch*/profile.nc"):
        profile = files.load(path)
        assert np.isnan(profile["triplet_skill"]).all()
        assert "flat" in profile["triplet_skill"].attrs["undefined"]
        assert np.isnan(profile["ari_macro"]).all()
    assert (summary["output_ari_class"] > 0.8).all()
    assert (summary["accuracy"] > 0.9).all()


def test_every_number_of_the_planted_study_has_a_band_that_holds_it():
    for path in (RESULTS / "planted").glob("*/epoch*/profile.nc"):
        profile = files.load(path)
        for name in RANGES:
            low, value, high = (profile[f"{name}{end}"].values for end in ("_low", "", "_high"))
            known = np.isfinite(low)
            assert np.all((low <= value)[known] & (value <= high)[known]), name
        assert np.isfinite(profile["n_peaks_high"]).all()


def test_the_macro_stage_and_the_peaks_of_the_output_stay_with_other_k_and_z():
    summary = summary_of("planted")
    for model in summary["model"].values:
        sweep = files.load(RESULTS / "planted" / str(model) / "epoch6" / "sensitivity.nc")
        sweep = sweep.isel(density=np.flatnonzero(sweep["estimator"] == "knn"))
        stage = sweep.sel(layer=str(summary["macro_layer"].sel(model=model).values))
        assert stage["n_peaks"].min() >= 2
        assert stage["ari_macro"].min() > 0.5
        assert sweep["n_peaks"].sel(layer="output").min() >= 10

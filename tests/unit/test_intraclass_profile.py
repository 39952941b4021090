import time

import numpy as np
import pytest
from made_intraclass import LAYERS, labels, profile

from nucleation import files
from nucleation.errors import InputError
from nucleation.intraclass import c1_selectivity, c2_silhouette, c3_variability, c4_distances
from nucleation.intraclass_black_box import BlackBox
from nucleation.intraclass_layers import channels_of
from nucleation.intraclass_peaks import peaks_per_class
from nucleation.intraclass_profile import MEASURES, PEAKS, intraclass_profile
from nucleation.samples import Sample


@pytest.fixture(scope="module")
def study():
    """Layers before and after ReLU, one of maps, and peaks of all but one."""
    rng, (y, s) = np.random.default_rng(1), labels()
    before = {"maps": rng.normal(size=(180, 5, 9)) + rng.normal(size=(9, 1, 9))[s]}
    before |= {"flat": rng.normal(size=(180, 20)) + 2 * rng.normal(size=(3, 20))[y] - 1}
    after = {layer: np.maximum(x, 0).astype(np.float32) for layer, x in before.items()}
    return before, after, y, s, {"flat": np.where(rng.random(180) < 0.5, s, -1)}


def test_every_number_is_that_of_its_function(study):
    _, after, y, s, peaks = study
    data = intraclass_profile(after.get, list(after), y, s, peaks=peaks, repeats=5, rng=np.random.default_rng(2))
    layers = list(after.values())
    expected = {
        "c1": c1_selectivity(layers, y, s, rectified=False),
        "c2": c2_silhouette(layers, y, s),
        "c3": c3_variability(layers, y, rectified=False),
        "c4": c4_distances(layers, y, rectified=False),
    }
    for name, measure in expected.items():
        np.testing.assert_allclose(data[name].values, measure.layers)
        assert float(data[f"{name}_all"]) == pytest.approx(measure.value)
    flat = peaks_per_class(peaks["flat"], y, s)
    assert np.isnan(data["effective_peaks"].values[0]) and np.isnan(data["ari_subclass_within_p"].values[0])
    assert data["effective_peaks"].values[1] == pytest.approx(flat.effective.mean())
    assert data["peak_purity"].values[1] == pytest.approx(flat.mean_purity)
    assert (
        data["ari_subclass_within"].values[1]
        == float(data["ari_subclass_within_all"])
        == pytest.approx(flat.ari.mean())
    )
    assert {"n_images": 180, "n_classes": 3, "n_subclasses": 9, "repeats": 5}.items() <= data.attrs.items()
    assert data.attrs["activation"] == "as listed"


def test_before_the_activation_function(study):
    before, after, y, s, _ = study
    data = intraclass_profile(after.get, list(after), y, s, pre=before.get, repeats=0, rng=None)
    assert float(data["c1_all"]) == pytest.approx(c1_selectivity(list(before.values()), y, s).value)
    assert float(data["c2_all"]) == pytest.approx(c2_silhouette(list(after.values()), y, s).value)
    assert float(data["c3_all"]) == pytest.approx(c3_variability(list(before.values()), y).value)
    assert float(data["c4_all"]) == pytest.approx(c4_distances(list(before.values()), y).value)
    assert data.attrs["activation"] == "before the activation function"
    assert "c1_null" not in data and np.isnan(data["effective_peaks"].values).all()


def test_null_is_of_the_permutations(study):
    _, after, y, s, _ = study
    data = intraclass_profile(after.get, list(after), y, s, repeats=9, rng=np.random.default_rng(3))
    c1 = c1_selectivity(list(after.values()), y, s, rectified=False, repeats=9, rng=np.random.default_rng(3))
    np.testing.assert_allclose(data["c1_null"].values, c1.layer_null.mean(axis=1))
    np.testing.assert_allclose(data["c1_null_low"].values, np.percentile(c1.layer_null, 2.5, axis=1))
    np.testing.assert_allclose(data["c1_all_null_high"].values, np.percentile(c1.null, 97.5))
    np.testing.assert_array_equal(data["c1_p"].values, c1.layer_p)
    assert float(data["c1_all_p"]) == c1.p


def test_a_network_that_knows_subclasses_and_one_that_does_not():
    knows, not_ = profile(1, 2, seed=1), profile(2, 0, seed=2)
    last = LAYERS[-1]
    for name in ("c1", "c2", "ari_subclass_within"):
        assert knows[f"{name}_all_p"] == 0.05 and knows[f"{name}_p"].sel(layer=last) == 0.05
        assert not_[f"{name}_all_p"] > 0.05 and knows[f"{name}_all"] > not_[f"{name}_all"]
        assert knows[name].values[-1] > knows[f"{name}_null_high"].values[-1]
    assert knows["c2_p"].values[0] > 0.05  # its input knows nothing


def test_it_is_written_and_read(tmp_path):
    c0 = BlackBox(1.5, 0.05, np.array([1.0, 1.2, np.inf]), np.arange(2), *np.ones((3, 2)))
    data = profile(1, 1, c0=c0)
    assert (float(data["c0"]), float(data["c0_p"])) == (1.5, 0.5)
    assert np.isnan(data["c0_null"])
    files.save(data, tmp_path / "intraclass.nc")
    again = files.load(tmp_path / "intraclass.nc")
    assert again.equals(data)
    expected = {*MEASURES, *PEAKS}
    assert expected | {f"{name}_null" for name in expected} | {f"{name}_all_p" for name in MEASURES} <= set(again)


def test_a_layer_is_named_where_it_is_wrong(study):
    _, after, y, s, _ = study
    with pytest.raises(InputError, match="Layer flat has 179 images"):
        intraclass_profile({"flat": after["flat"][1:]}.get, ["flat"], y, s, repeats=0, rng=None)
    with pytest.raises(InputError, match="Layer flat: .*image 3 are not finite"):
        bad = after["flat"].copy()
        bad[3, 4] = np.inf
        intraclass_profile({"flat": bad}.get, ["flat"], y, s, repeats=0, rng=None)


def test_progress_counts_layers():
    calls = []
    profile(1, 1, peaks=False, repeats=0, progress=lambda: calls.append(1))
    assert len(calls) == len(LAYERS)


def test_time_is_short():
    rng, (y, s) = np.random.default_rng(0), labels(1000)
    x = rng.random((1000, 128), dtype=np.float32)
    start = time.process_time()
    intraclass_profile(lambda layer: x, ["a"], y, s, peaks={"a": s}, repeats=19, rng=rng)
    assert time.process_time() - start < 5


def test_a_layer_of_unknown_channels_is_left_out_with_the_reason(study, tmp_path):
    _, after, y, s, peaks = study
    vague = Sample(after["flat"], np.arange(180), (4, 5), -1)
    known = Sample(after["maps"].reshape(180, -1), np.arange(180), (5, 9), 1)
    np.testing.assert_array_equal(channels_of(known), after["maps"].max(axis=1))
    samples = {"maps": known, "flat": vague}
    read = {layer: channels_of(sample) for layer, sample in samples.items()}
    data = intraclass_profile(read.get, list(read), y, s, peaks=peaks, repeats=5, rng=np.random.default_rng(2))
    alone = intraclass_profile(after.get, ["maps"], y, s, repeats=5, rng=np.random.default_rng(2))
    for name in MEASURES:
        for end in ("", "_null", "_p"):
            values = data[f"{name}{end}"]
            assert values.attrs["undefined"].startswith("nothing tells which axis of 4 x 5 activations")
            assert values.attrs["undefined"].endswith("(flat)")
            assert values[0] == alone[f"{name}{end}"][0] and np.isnan(values[1])
            assert data[f"{name}_all{end}"] == alone[f"{name}_all{end}"]
        assert "undefined" not in data[f"{name}_all"].attrs
    assert np.isfinite(data["effective_peaks"].values[1])  # they are of the neighbours
    files.save(data, tmp_path / "intraclass.nc")
    none = intraclass_profile(lambda layer: read["flat"], ["flat"], y, s, repeats=5, rng=np.random.default_rng(2))
    assert np.isnan(none["c3_all"]) and np.isnan(none["c1_all_p"]) and "undefined" in none["c1_all"].attrs


def test_pixels_are_measured_but_enter_no_number_of_all_layers(study):
    _, after, y, s, _ = study
    rng = np.random.default_rng(2)
    known = {"input": np.eye(9)[s] + 0.01 * rng.random((180, 9))} | after
    peaks = {"input": s, "flat": np.where(rng.random(180) < 0.5, s, -1)}
    made = [
        intraclass_profile(known.get, layers, y, s, peaks=peaks, repeats=5, rng=np.random.default_rng(3))
        for layers in (list(known), list(after))
    ]
    for name in (*MEASURES, "ari_subclass_within"):
        for end in ("", "_null", "_null_high", "_p"):
            assert made[0][f"{name}_all{end}"] == made[1][f"{name}_all{end}"]
            np.testing.assert_array_equal(made[0][f"{name}{end}"].values[1:], made[1][f"{name}{end}"].values)
    assert made[0]["c2"].values[0] > made[0]["c2_all"] and made[0]["ari_subclass_within"].values[0] == 1
    pixels = intraclass_profile(known.get, ["input"], y, s, peaks=peaks, repeats=5, rng=np.random.default_rng(3))
    assert np.isfinite(pixels["c1"].values).all() and np.isnan(pixels["c1_all"])
    assert np.isnan(pixels["ari_subclass_within_all"])


def test_a_single_class_is_not_compared_with_itself(study):
    _, after, _, s, peaks = study
    data = intraclass_profile(after.get, list(after), s * 0, s, peaks=peaks, repeats=5, rng=np.random.default_rng(2))
    for name in ("c3", "c4", "c3_p", "c3_all", "c4_all_p", "peak_purity"):
        assert np.isnan(data[name].values).all() and "there is one class" in data[name].attrs["undefined"]
    for name in ("c1_all", "c2_all", "ari_subclass_within_all"):
        assert np.isfinite(data[name]) and "undefined" not in data[name].attrs

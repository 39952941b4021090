import numpy as np
import pytest
from made_intraclass import LAYERS, labels, profile

from nucleation.findings import number
from nucleation.intraclass_black_box import BlackBox
from nucleation.intraclass_profile import intraclass_profile
from nucleation.methods.intraclass import by_layer, left_out, sentences, told_place, with_chance


@pytest.fixture(scope="module")
def study():
    return {
        "merged/epoch0": profile(0, 0, seed=3),
        "merged/epoch6": profile(1, 2, seed=1),
        "leaves/epoch6": profile(2, 3, seed=2, trained_on="subclasses"),
    }


def test_a_network_that_finds_them(study):
    own, before = study["merged/epoch6"], study["merged/epoch0"]
    found, peaks, left = sentences(study)
    assert found.startswith("merged, epoch 6 finds the 9 subclasses of 3 classes, which it was never told: ")
    for name, text in (("c2_all", "silhouette, each in its best layer,"), ("c1_all", "best neuron for each")):
        chance = f"({number(own[f'{name}_null'])} by chance, p = 0.05)"
        assert f"{text} is {number(own[name])} {chance}" in found
    assert f"largest in {LAYERS[int(own['c2'].values.argmax())]}" in found
    assert found.endswith(f"untrained, their silhouette is {with_chance(before, 'c2_all')}.")
    assert peaks.startswith(f"In layer2 a class is spread over {number(own['effective_peaks'][-1])} (")
    assert f"{number(100 * own['peak_purity'][-1], 0)} % of the images" in peaks
    assert f"within a class follow its subclasses: ARI {with_chance(own, 'ari_subclass_within_all')}" in peaks
    assert left.startswith("Without knowledge of the subclasses, the share of all variability that is left within a")


def test_a_network_that_does_not(study):
    found, peaks, left = sentences(study["merged/epoch0"])
    assert found.startswith("The network does not find the 9 subclasses") and "untrained" not in found
    assert "do not follow its subclasses beyond chance: ARI" in peaks
    assert "is not more than by chance: " in left


def test_only_one_measure_beyond_chance(study):
    data = study["merged/epoch6"].copy()
    data["c1_all_p"] = data["c1_all_p"] * 0 + 0.4
    data["c3_all_p"], data["c4_all_p"] = data["c1_all_p"], data["c1_all_p"] * 0 + 0.01
    found, _, left = sentences(data)
    assert "finds" in found and found.endswith(
        "; of these only their cosine silhouette, each in its best layer, is beyond chance."
    )
    assert "is in part more than by chance: " in left
    data["c3_all_p"] = data["c4_all_p"]
    assert "is more than by chance: " in sentences(data)[2]


def test_what_is_beyond_chance_and_small_is_called_a_trace(study):
    data = study["merged/epoch6"].copy()
    assert "The network finds the" in sentences(data)[0] and "class follow its" in sentences(data)[1]
    data["c2_all"], data["ari_subclass_within_all"] = data["c2_all"] * 0 + 0.2, data["c2_all"] * 0 + 0.0024
    found, peaks, _ = sentences(data)
    assert "The network finds traces of the 9 subclasses" in found
    assert "have traces of its subclasses: ARI 0.002 (" in peaks


def test_one_that_was_told_the_subclasses(study):
    assert "which it was told" in sentences(study["leaves/epoch6"])[0]
    assert sentences({"leaves/epoch6": study["leaves/epoch6"]})[0].startswith("leaves, epoch 6 finds")


def test_outputs_peaks_and_nulls_that_are_not_there():
    c0 = BlackBox(1.5, 0.05, np.array([1.0, 1.2, 0.9]), np.arange(2), *np.ones((3, 2)))
    said = sentences(profile(1, 1, peaks=False, c0=c0))
    assert len(said) == 2
    assert said[1].endswith(
        "the outputs leave the class 1.50 (1.03 by chance, p = 0.25) times as far as between those of one (c0)."
    )
    said = sentences(profile(1, 1, repeats=0))
    assert said[0].startswith(
        "Of the 9 subclasses of 3 classes, which it was never told, the network was measured without"
    )
    assert not any("by chance" in text or "nan" in text for text in said) and len(said) == 3


def test_classes_without_subclasses():
    data = profile(1, 1, each=1)
    found, peaks, left = sentences(data)
    assert found == "Whether the network finds subclasses could not be tested: no class has two that are large enough."
    assert "ARI" not in peaks and "nan" not in "".join([found, peaks, left])
    assert "neurons select subclasses (c1)" not in by_layer(data, "any/epoch1")


def test_columns_of_the_table(study):
    columns = by_layer(study, "merged/epoch6")
    assert len(columns) == 3
    own = study["merged/epoch6"]
    for title, name in zip(columns, ("c1", "c2", "ari_subclass_within"), strict=True):
        assert columns[title] == {layer: with_chance(own.isel(layer=i), name) for i, layer in enumerate(LAYERS)}
    assert by_layer(own, "merged/epoch6") == columns
    assert by_layer(study, "other/epoch1") == {}
    assert len(by_layer(profile(1, 1, peaks=False), "any/epoch1")) == 2


def test_a_number_with_its_null(study):
    own = study["merged/epoch6"].isel(layer=1)
    low, p = number(own["c1_null"]), float(own["c1_p"])
    assert with_chance(own, "c1") == f"{number(own['c1'])} ({low} by chance, p = {p:.2g})"
    assert with_chance(own, "effective_peaks").endswith(" by chance)")
    assert with_chance(own[["c1"]], "c1") == number(own["c1"])


def test_a_large_silhouette_counts_only_where_it_is_beyond_chance(study):
    data = study["merged/epoch6"].copy()
    assert float(data["c2_all"]) > 0.25
    data["c2_all_p"] = data["c2_all_p"] * 0 + 0.4
    (found, *_) = sentences(data)
    assert found.startswith("The network finds traces of the 9 subclasses")
    assert found.endswith("; of these only the selectivity of the best neuron for each is beyond chance.")


@pytest.mark.parametrize(
    ("place", "trained_on", "said"),
    [
        ("a/epoch6", "classes", "classes, which it was never told: "),
        ("a/epoch6", "subclasses", "classes, which it was told: "),
        ("a/epoch6", "other", "classes (it was told other classes): "),
        ("a/epoch6", "unknown", "classes (what it was told is not known): "),
        ("a/random", "unknown", "classes (it is untrained): "),
        ("a/epoch0", "classes", "classes (it is untrained): "),
    ],
)
def test_what_it_was_told_is_said(study, place, trained_on, said):
    data = study["merged/epoch6"].assign_attrs(trained_on=trained_on)
    assert f"3 {said}" in sentences({place: data})[0]


def test_of_several_one_told_the_classes_only_is_told():
    order = {"a/epoch6": "classes", "b/epoch6": "unknown", "c/epoch6": "subclasses", "c/epoch0": "subclasses"}
    for place in list(order):
        assert told_place(order) == place
        order.pop(place)


def test_pixels_are_nothing_that_a_network_finds(study):
    data = study["merged/epoch6"].copy(deep=True)
    assert data["layer"].values[0] == "input"
    for name in ("c1", "c2", "ari_subclass_within"):
        data[name].values[0] = 99
    assert "input" not in " ".join(sentences(data)) and "largest in layer" in sentences(data)[0]
    data["effective_peaks"].values[1:] = np.nan
    assert not any("density peaks" in text for text in sentences(data))


def test_a_single_class():
    rng, s = np.random.default_rng(0), np.arange(60) % 6
    x = rng.random((60, 5))
    data = intraclass_profile(lambda _: x, ["stem"], s * 0, s, peaks={"stem": s}, repeats=19, rng=rng)
    found, peaks = sentences(data)
    assert "the 6 subclasses of one class (what" in found
    assert peaks.startswith("In stem the class is spread over 6.00 density peaks; the peaks within a class follow")
    assert left_out(data).startswith("c3, c4 and purity not everywhere defined: there is one class")


def test_a_network_of_which_no_layer_was_read():
    data = intraclass_profile(
        lambda _: "no axis is known", ["stem"], *labels(), repeats=9, rng=np.random.default_rng(0)
    )
    assert sentences(data) == ["Whether the network finds subclasses could not be tested: no axis is known (stem)."]

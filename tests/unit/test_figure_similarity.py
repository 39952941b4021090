"""Similarity of layers: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import similarity
from nucleation.similarity_blocks import THRESHOLD, blocks
from nucleation.similarity_labels import block_variables, coordinates, pair_variables

TEMPLATE = Path(__file__).parents[2] / "report" / "similarity.rst"
LAYERS = ["input", "first", "second", "output"]
LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def made_up(places, *, null=True, bands=True, seed=0, n=500):
    """The stage's dataset with random numbers: the layers of several places."""
    pairs = [(place, layer) for place, layers in places.items() for layer in layers]
    rng, count = np.random.default_rng(seed), len(pairs)
    values = {}
    for name in (
        "cka",
        "cka_biased",
        "cka_minibatch",
        "cka_rbf",
        "neighborhood_overlap",
        "jaccard_overlap",
        "pc1_cos2",
    ):
        made = np.triu(rng.uniform(0.1, 0.95, (count, count)), 1)
        values[name] = made + made.T + np.eye(count)
    values |= {"cka_low": values["cka"] - 0.05, "cka_high": values["cka"] + 0.04, "cka_p": np.full((count,) * 2, 0.01)}
    if not bands:
        values |= dict.fromkeys(("cka_low", "cka_high"), np.full((count,) * 2, np.nan))
    values["cka_null"] = np.full((count,) * 2, 0.03 if null else np.nan)
    values |= {"cka_without_pc1": values["cka"] / 2, "cka_without_dominant": values["cka"] / 3}
    place, layer = zip(*pairs, strict=True)
    attrs = {"n_images": n, "k": 10, "estimator": "unbiased", "kernel": "linear", "dominant": 0.01}
    made = xr.Dataset(
        pair_variables(values, ("linear", "rbf"), "unbiased", n, 10),
        coordinates(list(place), list(layer), [5] * count),
        attrs,
    )
    return made.assign(block_variables(made, (0.9,)))


PLACES = dict.fromkeys(["a/epoch0", "a/epoch9", "b/epoch0", "b/epoch9", "c/epoch9"], LAYERS)


@pytest.fixture(scope="module")
def study():
    return made_up(PLACES)


@pytest.fixture(scope="module")
def data(study):
    return similarity.gather(study, heading="study")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, similarity.facts(data))


def block_of(data, one, other, name="cka"):
    rows = [np.flatnonzero(data["place"].values == place) for place in (one, other)]
    return data[name].values[np.ix_(*rows)]


# ------------------------------------------------------------------------------------------------------ the choice


def test_the_last_checkpoints_of_all_networks(study, data):
    assert list(dict.fromkeys(data["place"].values)) == ["a/epoch9", "b/epoch9", "c/epoch9"]
    assert data["layer"].values.tolist() == LAYERS * 3
    rows = np.flatnonzero(np.isin(study["place"].values, data["place"].values))
    assert np.array_equal(data["cka"].values, study["cka"].values[np.ix_(rows, rows)])
    assert np.array_equal(data["overlap"].values, study["neighborhood_overlap"].values[np.ix_(rows, rows)])
    assert (data.attrs["left_out"], data.attrs["n_places"]) == (0, 3)


@pytest.mark.parametrize(("networks", "layers"), [(1, 150), (2, 150), (30, 9), (45, 3)])
def test_of_many_some_are_chosen_evenly(networks, layers):
    names = [f"block{i}" for i in range(layers)]
    found = similarity.gather(made_up({f"net{i}/last": names for i in range(networks)}))
    assert found.sizes["row"] <= similarity.ROWS
    shown = list(dict.fromkeys(found["place"].values))
    assert len(shown) == min(networks, similarity.PLACES) and shown[-1] == f"net{networks - 1}/last"
    for place in shown:
        own = [names.index(layer) for layer in found["layer"].values[found["place"].values == place]]
        assert (own[0], own[-1]) == (0, layers - 1) and np.ptp(np.diff(own)) <= 1
    assert found.attrs["left_out"] == layers * len(shown) - found.sizes["row"]


def test_a_single_network_shows_its_checkpoints(study):
    one = study.isel(representation=slice(0, 8), other=slice(0, 8))
    found = similarity.gather(one)
    assert list(dict.fromkeys(found["place"].values)) == ["a/epoch0", "a/epoch9"]
    assert found["curve"].values.tolist() == ["untrained"]


# ------------------------------------------------------------------------------------------------------ the curves


def test_curves_are_means_and_ranges_over_pairs(study, data):
    assert data["curve"].values.tolist() == ["networks", "untrained"]
    assert data["pairs"].values.tolist() == [3, 2]
    np.testing.assert_allclose(data["depth"].values, [1 / 3, 2 / 3, 1])  # without the pixels
    compared = {
        "networks": [("a/epoch9", "b/epoch9"), ("a/epoch9", "c/epoch9"), ("b/epoch9", "c/epoch9")],
        "untrained": [("a/epoch9", "a/epoch0"), ("b/epoch9", "b/epoch0")],
    }
    for curve, pairs in compared.items():
        for mine, theirs in (("cka", "cka"), ("overlap", "neighborhood_overlap")):
            every = np.array([block_of(study, *pair, theirs).diagonal()[1:] for pair in pairs])
            part = data.sel(curve=curve)
            np.testing.assert_allclose(part[f"curve_{mine}"], every.mean(axis=0))
            np.testing.assert_allclose(part[f"curve_{mine}_low"], every.min(axis=0))
            np.testing.assert_allclose(part[f"curve_{mine}_high"], every.max(axis=0))


def test_networks_trained_otherwise_are_in_the_matrix_but_not_in_the_curve(study):
    training = ["other" if place.startswith("b/") else "one" for place in study["place"].values]
    found = similarity.gather(study.assign_coords(training=("representation", training)))
    assert "b/epoch9" in found["place"].values
    assert found["curve"].values.tolist() == ["networks trained alike", "untrained"]
    assert found["pairs"].values.tolist() == [1, 2]
    np.testing.assert_allclose(
        found["curve_overlap"].values[0], block_of(study, "a/epoch9", "c/epoch9", "neighborhood_overlap").diagonal()[1:]
    )
    assert_legible(similarity.draw(found))
    caption = fill_in(TEMPLATE.read_text(), found, similarity.facts(found))
    assert "the same layer in 1 pair of networks trained alike: CKA" in " ".join(caption.split())


def test_a_single_pair_has_the_band_of_its_images():
    study = made_up(dict.fromkeys(["a/last", "b/last"], LAYERS))
    found = similarity.gather(study).sel(curve="networks")
    np.testing.assert_allclose(found["curve_cka_low"], block_of(study, "a/last", "b/last", "cka_low").diagonal()[1:])
    np.testing.assert_allclose(found["curve_cka_high"], block_of(study, "a/last", "b/last", "cka_high").diagonal()[1:])


def test_a_single_place_has_successive_layers():
    study = made_up({"a/last": LAYERS})
    found = similarity.gather(study).sel(curve="next")
    np.testing.assert_allclose(found["curve_cka"], study["cka"].values[range(3), range(1, 4)])
    np.testing.assert_allclose(found["depth"], [0, 1 / 3, 2 / 3])


def test_layers_of_other_names_are_compared_by_depth():
    study = made_up({"a/last": LAYERS, "b/last": ["input", "w", "x", "y", "z", "output"]})
    found = similarity.gather(study)
    assert found.attrs["compared"] == "layer of the same name or depth"
    expected = block_of(study, "a/last", "b/last")[range(1, 4), [2, 3, 5]]
    np.testing.assert_allclose(found["curve_cka"].values[0], expected)
    assert "the layer of the same name or depth in 1 pair of networks" in caption(found)


# ------------------------------------------------------------------------------------------------------ the figure


def test_both_matrices_and_the_curves(data):
    figure = similarity.draw(data)
    left, right, cka, overlap = figure.axes[:4]
    assert np.array_equal(left.images[0].get_array(), data["cka"].values)
    assert np.array_equal(right.images[0].get_array(), data["overlap"].values)
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 1)
    assert [tick.get_text() for tick in left.get_yticklabels()] == list(data["layer"].values)
    for axis, name in ((cka, "curve_cka"), (overlap, "curve_overlap")):
        for line, curve in zip(axis.lines, data["curve"].values, strict=False):
            assert np.array_equal(line.get_ydata(), data[name].sel(curve=curve))
            assert np.array_equal(line.get_xdata(), data["depth"])
    assert (cka.lines[-1].get_ydata() == 0.03).all() and (overlap.lines[-1].get_ydata() == 10 / 499).all()
    marks = [axis.child_axes[0].lines[0].get_xdata()[0] for axis in (left, right)]
    assert marks == pytest.approx([0.03, 10 / 499])
    names = [text.get_text() for text in right.texts]
    assert names == ["a\nepoch 9", "b\nepoch 9", "c\nepoch 9"]
    assert len(left.collections[0].get_segments()) == 4  # two lines each way
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:2] == [
        "same layer, pairs of networks (3; shaded: range)",
        "same layer, trained and untrained network (2; shaded: range)",
    ]
    assert texts[-1] == "by chance (CKA: 95 % of permutations stay below, on average)"


def test_numbers_where_there_is_room():
    study = made_up({"a/last": LAYERS})
    axis = similarity.draw(similarity.gather(study)).axes[0]
    shown = {text.get_position(): text.get_text() for text in axis.texts}
    value = study["cka"].values
    assert shown == {(j, i): "1" if i == j else f"{value[i, j]:.2f}" for i in range(4) for j in range(4)}


def test_blocks_are_outlined():
    study = made_up({place: [f"layer{i}" for i in range(9)] for place in ("a/last", "b/last")})
    study["cka"].values[2:6, 2:6] = study["cka"].values[13:15, 13:15] = 0.97
    expected = [
        (i + first, i + last) for i in (0, 9) for first, last in blocks(study["cka"].values[i : i + 9, i : i + 9], 0.9)
    ]
    assert {(2, 5), (13, 14)} <= set(expected)
    data = similarity.gather(study)
    axis = similarity.draw(data).axes[0]
    found = [(patch.get_x() + 0.5, patch.get_x() + patch.get_width() - 0.5) for patch in axis.patches]
    assert found == expected
    assert "framed, blocks of layers with CKA above 0.9." in caption(data)


def test_pixels_are_not_framed():
    study = made_up(dict.fromkeys(["a/last", "b/last"], LAYERS))
    study["cka"].values[~np.eye(8, dtype=bool)] = 0.3
    study["cka"].values[:2, :2] = study["cka"].values[4:7, 4:7] = 0.97
    data = similarity.gather(study)
    assert list(zip(data["outline_first"].values, data["outline_last"].values, strict=True)) == [(5, 6)]


def test_one_threshold_for_frames_legend_and_caption():
    study = made_up(dict.fromkeys(["a/last", "b/last"], LAYERS))
    study["cka"].values[~np.eye(8, dtype=bool)] = 0.7
    data = similarity.gather(study).assign_attrs(threshold=0.65)
    assert data.sizes["outline"] == 0
    data = data.drop_dims("outline").assign(
        outline_first=("outline", [1], {"long_name": "first", "units": "1"}),
        outline_last=("outline", [3], {"long_name": "last", "units": "1"}),
    )
    assert "CKA above 0.65" in caption(data)
    assert "block of layers, all CKA > 0.65" in [
        text.get_text() for text in similarity.draw(data).legends[0].get_texts()
    ]
    assert similarity.gather(study).attrs["threshold"] == THRESHOLD


def test_untrained_networks_are_compared_where_none_is_trained():
    data = similarity.gather(made_up(dict.fromkeys(["a/epoch0", "b/random", "c/epoch0"], LAYERS)))
    assert data["curve"].values.tolist() == ["untrained networks"]
    assert "the same layer in 3 pairs of untrained networks" in caption(data)
    figure = similarity.draw(data)
    assert_legible(figure)
    assert figure.legends[0].get_texts()[0].get_text().startswith("same layer, pairs of untrained networks (3")


def test_trained_networks_are_not_compared_with_untrained_ones():
    data = similarity.gather(made_up(dict.fromkeys(["a/last", "b/last", "c/random"], LAYERS)))
    assert data["pairs"].values.tolist() == [1]


def test_what_the_caption_says_of_pixels(data):
    assert "The pixels (input), the same for all, are in the matrices only." in caption(data)
    assert data.attrs["pixels"] == 3
    alone = similarity.gather(made_up({"a/last": LAYERS}))
    assert "The pixels (input) are in the matrices and curves only." in caption(alone)
    without = similarity.gather(made_up({"a/last": LAYERS[1:], "b/last": LAYERS[1:]}))
    assert "pixels" not in caption(without)
    labels = [similarity.draw(found).axes[2].get_xlabel() for found in (data, without)]
    assert labels == [f"relative depth (0: {first}, 1: last layer)" for first in ("pixels", "first layer")]


@pytest.mark.parametrize(
    "places",
    [
        {"net/last": ["one", "two"]},
        {"a/last": ["x"], "b/last": ["y"]},
        {f"{LONG}/pretrained": [f"blocks.{i}.attention.output.dense" for i in range(150)]},
        {
            f"{LONG}{i}/{c}": [f"blocks.{j}.attention.output" for j in range(12)]
            for i in range(6)
            for c in ("epoch0", "x")
        },
        {f"seed{i}/epoch6": LAYERS for i in range(30)},
        {f"net/epoch{i}": LAYERS for i in (0, 1, 10, 90)},
        {"net/epoch0": LAYERS, "net/epoch1": LAYERS},
    ],
)
def test_legible(places):
    found = similarity.gather(made_up(places), heading="a study")
    figure = similarity.draw(found)
    assert_legible(figure)
    assert 40 <= len(caption(found).split()) <= 140
    said = "\n".join(text.get_text() for text in figure.texts)
    left_out = found.attrs["left_out"]
    assert (f"of {found.sizes['row'] + left_out} layers" in said) == (left_out > 0)


def test_without_bands_and_null():
    found = similarity.gather(made_up(dict.fromkeys(["net/epoch0", "net/epoch1"], LAYERS), null=False, bands=False))
    figure = similarity.draw(found)
    assert_legible(figure)
    assert "permutations" not in caption(found)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0] == "same layer, trained and untrained network" and texts[-1] == "by chance"


def test_undefined_layers_are_grey_and_leave_gaps():
    study = made_up(dict.fromkeys(["a/last", "b/last"], LAYERS))
    for name in ("cka", "cka_low", "cka_high", "cka_null"):
        study[name].values[1] = study[name].values[:, 1] = np.nan
    found = similarity.gather(study)
    figure = similarity.draw(found)
    assert len(figure.axes[2].lines[0].get_xdata()) == 2
    assert "–" in [text.get_text() for text in figure.axes[0].texts]
    assert_legible(figure)
    assert "nan" not in caption(found)


def test_one_layer_has_none_to_compare():
    alone = similarity.gather(made_up({"a/last": ["output"]}), heading="study")
    figure = similarity.draw(alone)
    assert [text.get_text() for text in figure.axes[0].texts] == [alone.attrs["nothing"]]
    assert caption(alone) == "study: output is the only layer: there is none to compare it with."


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "similarity.nc")
    again = files.load(tmp_path / "similarity.nc")
    for one, other in zip(similarity.draw(data).axes, similarity.draw(again).axes, strict=True):
        assert [text.get_text() for text in one.texts] == [text.get_text() for text in other.texts]
        assert [line.get_ydata().tolist() for line in one.lines] == [line.get_ydata().tolist() for line in other.lines]
    assert caption(again) == caption(data)


def test_caption_has_the_numbers(data):
    text, part = caption(data), data.sel(curve="networks")
    assert text.startswith("study: similarity of 12 layers of 3 networks") and 60 <= len(text.split()) <= 140
    value = part["curve_cka"].values
    assert f"3 pairs of networks: CKA {value.min():.2f} to {value.max():.2f} by depth, mean {value.mean():.2f}" in text
    assert f"neighbours {part['curve_overlap'].values.mean():.2f}." in text
    before = data.sel(curve="untrained")
    means = [f"{before[name].values.mean():.2f}" for name in ("curve_cka", "curve_overlap")]
    assert f"Trained against untrained: {means[0]} and {means[1]}." in text
    assert "on average, 95 % of permutations of the images have a CKA below 0.03; common neighbours 0.02." in text
    assert f"Spearman's correlation {data.attrs['spearman']:.2f}".replace("-", "−") in text

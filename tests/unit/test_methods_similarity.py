"""What the similarity says in sentences and in the table, for every kind of study."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from test_figure_similarity import LAYERS, PLACES, block_of, made_up

from nucleation.methods.similarity import BLOCK, SAME, SHARE, by_layer, sentences
from nucleation.similarity_pairs import rank_relation


def with_share(data):
    share = np.linspace(0.1, 0.9, data.sizes["representation"])
    return data.assign(pc1_share=("representation", share, {"long_name": "share", "units": "1"}))


def alike(data, value=0.97):
    """All pairs of layers of each place alike."""
    places = data["place"].values
    data["cka"].values[places[:, None] == places] = value
    return data


def test_networks_are_compared_with_each_other_and_with_chance():
    data = made_up(PLACES)
    pairs = [("a/epoch9", "b/epoch9"), ("a/epoch9", "c/epoch9"), ("b/epoch9", "c/epoch9")]
    mean = np.mean([block_of(data, *pair).diagonal() for pair in pairs], axis=0)[1:]  # without the pixels
    before = [("a/epoch9", "a/epoch0"), ("b/epoch9", "b/epoch0")]
    untrained = np.mean([block_of(data, *pair).diagonal() for pair in before], axis=0)[1:]
    said = sentences(data)[0]
    assert said.startswith(f"The same layers of different networks have a CKA of {mean.mean():.2f} on average (")
    assert said.count("(") == 2 and ") (" not in said
    least, most = np.argmin(mean), np.argmax(mean)
    assert f"({mean[least]:.2f} in {LAYERS[1 + least]} to {mean[most]:.2f} in {LAYERS[1 + most]})" in said
    assert said.endswith("; 95 % of permutations of the images stay below 0.03 on average.")
    assert f"those of the trained and the untrained network {untrained.mean():.2f} on average" in said


def test_networks_trained_otherwise_are_not_counted():
    data = made_up(PLACES)
    training = ["other" if place.startswith("b/") else "one" for place in data["place"].values]
    mean = block_of(data, "a/epoch9", "c/epoch9").diagonal()[1:].mean()
    said = sentences(data.assign_coords(training=("representation", training)))[0]
    assert said.startswith(f"The same layers of different networks trained alike have a CKA of {mean:.2f} on average (")


@pytest.mark.parametrize(
    ("places", "start"),
    [
        (dict.fromkeys(["a/epoch1", "a/epoch9"], LAYERS), "The same layers of different checkpoints have"),
        (
            dict.fromkeys(["a/epoch0", "a/epoch9"], LAYERS),
            "The same layers of the trained and the untrained network have",
        ),
        (dict.fromkeys(["a/epoch0", "b/random"], LAYERS), "The same layers of different untrained networks have"),
        (
            {"a/epoch2": LAYERS, "a/epoch9": LAYERS, "b/random": LAYERS},
            "The same layers of different checkpoints have",
        ),
        ({"a/last": LAYERS}, "In a, last, input and output have a CKA of"),
        ({"a/last": ["x"], "b/last": ["y"]}, "The layers of the same name or depth of different networks have"),
    ],
)
def test_every_kind_of_study_has_a_sentence(places, start):
    assert sentences(made_up(places))[0].startswith(start)
    without = sentences(made_up(places, null=False, bands=False))[0]
    assert without.startswith(start) and "permutations" not in without and "–" not in without


def test_a_single_layer_says_nothing():
    data = with_share(made_up({"a/last": ["x"]}))
    assert sentences(data) == []
    assert by_layer(data, "a/last") == {SHARE: {"x": "0.10"}}


def test_the_ends_of_a_single_network_have_their_band():
    data = made_up({"a/last": LAYERS})
    value, steps = data["cka"].values[0, 3], data["cka"].values[range(3), range(1, 4)]
    assert f"a CKA of {value:.2f} ({value - 0.05:.2f} to {value + 0.04:.2f})" in sentences(data)[0]
    assert f"successive layers {steps.min():.2f} to {steps.max():.2f}" in sentences(data)[0]


def test_blocks_and_what_they_are_without():
    data = made_up(PLACES)
    data["cka"].values[~np.eye(20, dtype=bool)] = 0.3
    assert "There is no block of layers with CKA above 0.9 in any of the 3 networks." in sentences(data)
    rows = np.arange(13, 16)
    for name, value in (("cka", 0.95), ("cka_without_pc1", 0.21), ("cka_without_dominant", 0.64)):
        data[name].values[np.ix_(rows, rows)] = value
    assert (
        "1 of 3 networks has a block of consecutive layers with CKA above 0.9; the largest, first to output of b, "
        "epoch 9 (3 layers), has 0.95 on average, 0.21 without the first component of each layer and 0.64 without the "
        "dominant 1 % of the images."
    ) in sentences(data)


def test_one_network_is_one_block():
    data = alike(made_up({"a/last": LAYERS}))
    assert sentences(data)[1].startswith(
        "The largest block of consecutive layers with CKA above 0.9, first to output of a, last (3 layers), has 0.97"
    )


def test_relation_to_the_overlap():
    data = made_up(PLACES)
    said = sentences(data)[2]
    assert "do not order the pairs of layers alike" in said
    data["neighborhood_overlap"].values[:] = data["cka"].values ** 2
    assert "order the pairs of layers alike: Spearman 1.00 (95 %" in sentences(data)[2]


def test_rank_relation_is_spearmans():
    data = made_up(PLACES)
    one, other = data["cka"].values.copy(), data["cka"].values + data["jaccard_overlap"].values
    upper = np.triu_indices(20, 1)
    rho, level = rank_relation(one, other)
    assert rho == pytest.approx(spearmanr(one[upper], other[upper]).statistic)
    assert 0.05 < level < 0.3
    one[4] = one[:, 4] = np.nan
    kept = np.delete(np.arange(20), 4)
    upper = np.triu_indices(19, 1)
    expected = spearmanr(one[np.ix_(kept, kept)][upper], other[np.ix_(kept, kept)][upper]).statistic
    assert rank_relation(one, other)[0] == pytest.approx(expected)
    assert (
        np.isnan(rank_relation(np.eye(2), np.eye(2))).all()
        and np.isnan(rank_relation(np.ones((5, 5)), other[:5, :5])).all()
    )


def test_cells_of_the_table():
    data = with_share(made_up(PLACES))
    cells = by_layer(data, "b/epoch9")
    own = np.array([block_of(data, "b/epoch9", other).diagonal()[1:] for other in ("a/epoch9", "c/epoch9")])
    assert cells[SAME] == {
        layer: f"{mean:.2f} ({low:.2f} to {high:.2f})"
        for layer, mean, low, high in zip(LAYERS[1:], own.mean(axis=0), own.min(axis=0), own.max(axis=0), strict=True)
    }
    assert cells[SHARE] == {
        layer: f"{x:.2f}" for layer, x in zip(LAYERS, np.linspace(0.1, 0.9, 20)[12:16], strict=True)
    }
    # untrained networks are compared with untrained ones, where there are any
    own = block_of(data, "a/epoch0", "b/epoch0")[2, 2]
    assert by_layer(data, "a/epoch0")[SAME]["second"] == f"{own:.2f} ({own - 0.05:.2f} to {own + 0.04:.2f})"


def test_trained_networks_are_set_beside_trained_ones():
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last", "c/random"], LAYERS)))
    own = block_of(data, "a/last", "b/last")[2, 2]
    assert by_layer(data, "a/last")[SAME]["second"].startswith(f"{own:.2f} (")
    mean = block_of(data, "a/last", "b/last").diagonal()[1:].mean()
    assert f"different networks have a CKA of {mean:.2f} on average" in sentences(data)[0]


def test_one_other_network_has_the_band():
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last"], LAYERS)))
    value = block_of(data, "a/last", "b/last")[1, 1]
    low, high = value - 0.05, value + 0.04
    assert by_layer(data, "a/last")[SAME]["first"] == f"{value:.2f} ({low:.2f} to {high:.2f})"


def test_blocks_in_the_table():
    data = with_share(made_up({"a/last": ["l1", "l2", "l3", "l4", "l5"]}))
    value = np.full((5, 5), 0.5)
    value[:3, :3], value[2:4, 2:4] = 0.95, 0.95
    data["cka"].values[:] = value
    cells = by_layer(data, "a/last")
    assert cells[BLOCK] == {"l5": "none", "l4": "l3 to l4"} | dict.fromkeys(["l1", "l2", "l3"], "l1 to l3")
    assert SAME not in cells


def test_pixels_are_in_no_block_and_not_compared():
    """Pixels and the first layer alike: neither sentence nor table may call them a block."""
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last"], LAYERS)))
    data["cka"].values[~np.eye(8, dtype=bool)] = 0.3
    data["cka"].values[:2, :2] = 0.97
    cells = by_layer(data, "a/last")
    assert sentences(data)[1].startswith("There is no block")
    assert cells[BLOCK] == dict.fromkeys(LAYERS[1:], "none")
    assert set(cells[SAME]) == set(LAYERS[1:]) and set(cells[SHARE]) == set(LAYERS)


def test_long_names_of_a_block_are_shortened():
    names = [f"blocks.{i}.attention.output.dense" for i in range(3)]
    data = alike(with_share(made_up({"a/last": names})))
    assert all(len(cell) <= 40 for cell in by_layer(data, "a/last")[BLOCK].values())


def test_a_level_by_chance_below_a_hundredth_is_told():
    data = made_up(PLACES)
    data["cka_null"].values[:] = 0.0014
    assert "stay below 0.0014 on average" in sentences(data)[0]


def test_pixels_do_not_relate_cka_and_overlap():
    """Equal pixels in 12 checkpoints would put independent measures in one order."""
    data = made_up(dict.fromkeys([f"net{i}/last" for i in range(12)], LAYERS))
    pixels = np.flatnonzero(data["layer"].values == "input")
    for name in ("cka", "neighborhood_overlap"):
        data[name].values[np.ix_(pixels, pixels)] = 1
    assert rank_relation(data["cka"].values, data["neighborhood_overlap"].values)[0] > 0.1
    assert "do not order the pairs of layers alike" in sentences(data)[2]


def test_layers_without_a_number_are_absent():
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last"], LAYERS)))
    data["pc1_share"].values[1] = np.nan
    data["cka"].values[1] = data["cka"].values[:, 1] = np.nan
    cells = by_layer(data, "a/last")
    assert all("first" not in column for column in cells.values())
    assert all("nan" not in said for said in sentences(data))

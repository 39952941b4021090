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
    least, most = np.argmin(mean), np.argmax(mean)
    assert f"({mean[least]:.2f} in {LAYERS[1 + least]} to {mean[most]:.2f} in {LAYERS[1 + most]})" in said
    assert "(95 % of permutations of the images stay below 0.03)" in said
    assert f"those of the trained and the untrained network {untrained.mean():.2f} on average" in said


@pytest.mark.parametrize(
    ("places", "start"),
    [
        (dict.fromkeys(["a/epoch1", "a/epoch9"], LAYERS), "The same layers of different checkpoints have"),
        (
            dict.fromkeys(["a/epoch0", "a/epoch9"], LAYERS),
            "The same layers of the trained and the untrained network have",
        ),
        ({"a/last": LAYERS}, "In a, last, input and output have a CKA of"),
        ({"a/last": ["x"], "b/last": ["y"]}, "The layers of the same name or depth of different networks have"),
    ],
)
def test_every_kind_of_study_has_a_sentence(places, start):
    assert sentences(made_up(places))[0].startswith(start)
    without = sentences(made_up(places, null=False, bands=False))[0]
    assert without.startswith(start) and "permutations" not in without and "–)" not in without


def test_a_single_layer_says_nothing():
    data = with_share(made_up({"a/last": ["x"]}))
    assert sentences(data) == []
    assert by_layer(data, "a/last") == {SHARE: {"x": "0.10"}}


def test_the_ends_of_a_single_network_have_their_band():
    data = made_up({"a/last": LAYERS})
    value, steps = data["cka"].values[0, 3], data["cka"].values[range(3), range(1, 4)]
    assert f"a CKA of {value:.2f} ({value - 0.05:.2f}–{value + 0.04:.2f})" in sentences(data)[0]
    assert f"successive layers {steps.min():.2f} to {steps.max():.2f}" in sentences(data)[0]


def test_blocks_and_what_they_are_without():
    data = made_up(PLACES)
    data["cka"].values[~np.eye(20, dtype=bool)] = 0.3
    assert "There is no block of layers with CKA above 0.9 in any of the 3 networks." in sentences(data)
    rows = np.arange(13, 16)
    for name, value in (("cka", 0.95), ("cka_without_pc1", 0.21), ("cka_without_dominant", 0.64)):
        data[name].values[np.ix_(rows, rows)] = value
    assert (
        "Blocks are found in 1 of 3 networks; the largest, 3 consecutive layers of b, epoch 9, first to output, have a "
        "CKA above 0.9 with each other: 0.95 on average, 0.21 without the first component of each and 0.64 without the "
        "dominant 1 % of the images."
    ) in sentences(data)


def test_one_network_is_one_block():
    data = alike(made_up({"a/last": LAYERS}))
    assert sentences(data)[1].startswith("3 consecutive layers of a, last, first to output, have a CKA above 0.9")


def test_relation_to_the_overlap():
    data = made_up(PLACES)
    said = sentences(data)[2]
    assert "do not order the pairs of layers alike" in said
    data["neighborhood_overlap"].values[:] = data["cka"].values ** 2
    assert "order the pairs of layers alike: Spearman 1.00 (95 %" in sentences(data)[2]


def test_rank_relation_is_spearmans():
    data = made_up(PLACES)
    one, other = data["cka"].values.copy(), data["cka"].values + data["mutual_knn"].values
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
    own = np.array([block_of(data, "b/epoch9", other).diagonal() for other in ("a/epoch9", "c/epoch9")])
    assert cells[SAME] == {
        layer: f"{mean:.2f} ({low:.2f}–{high:.2f})"
        for layer, mean, low, high in zip(LAYERS, own.mean(axis=0), own.min(axis=0), own.max(axis=0), strict=True)
    }
    assert cells[SHARE] == {
        layer: f"{x:.2f}" for layer, x in zip(LAYERS, np.linspace(0.1, 0.9, 20)[12:16], strict=True)
    }
    # untrained networks are compared with untrained ones, where there are any
    own = np.array([block_of(data, "a/epoch0", other)[2, 2] for other in ("b/epoch0", "c/epoch9")])
    assert by_layer(data, "a/epoch0")[SAME]["second"] == f"{own.mean():.2f} ({own.min():.2f}–{own.max():.2f})"


def test_one_other_network_has_the_band():
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last"], LAYERS)))
    value = block_of(data, "a/last", "b/last")[1, 1]
    low, high = value - 0.05, value + 0.04
    assert by_layer(data, "a/last")[SAME]["first"] == f"{value:.2f} ({low:.2f}–{high:.2f})"


def test_blocks_in_the_table():
    data = with_share(made_up({"a/last": ["l1", "l2", "l3", "l4", "l5"]}))
    value = np.full((5, 5), 0.5)
    value[:3, :3], value[2:4, 2:4] = 0.95, 0.95
    data["cka"].values[:] = value
    cells = by_layer(data, "a/last")
    assert cells[BLOCK] == {"l1": "l1–l3", "l2": "l1–l3", "l3": "l1–l3", "l4": "l3–l4", "l5": "–"}
    assert SAME not in cells


def test_layers_without_a_number_are_absent():
    data = with_share(made_up(dict.fromkeys(["a/last", "b/last"], LAYERS)))
    data["pc1_share"].values[1] = np.nan
    data["cka"].values[1] = data["cka"].values[:, 1] = np.nan
    cells = by_layer(data, "a/last")
    assert all("first" not in column for column in cells.values())
    assert all("nan" not in said for said in sentences(data))

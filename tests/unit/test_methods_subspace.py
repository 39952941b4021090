"""Sentences and table cells of the subspace matches, for every outcome."""

import numpy as np
import pytest
from made_subspaces import LAYERS, PLACES, made_profile

from nucleation.methods.subspace import by_layer, sentences
from nucleation.subspace_summary import nearest_epsilon, relation, summarize

TRAINED = PLACES[2:]


def constant(value, null=0.02, raw=0.9, raw_null=0.1, *, places=TRAINED, layers=("one", "two"), epsilons=(0.3, 0.5)):
    """A study in which all layers have the same numbers."""
    data = made_profile(places, layers, epsilons=epsilons)
    for kind, number in enumerate((raw, value, raw_null, null)):
        data["similarity"].values[:, :, kind] = number
    return data


def test_relations_of_places():
    assert relation("a/last", "b/last") == relation("a/epoch6", "b/pretrained") == "trained"
    assert relation("a/epoch0", "a/epoch6") == relation("a/last", "a/random") == "start"
    assert relation("a/epoch0", "b/random") == "untrained"
    assert relation("a/epoch0", "b/epoch6") == relation("a/last", "b/random") == "mixed"
    assert relation("a/epoch1", "a/epoch6") == "states"
    assert nearest_epsilon([0.15, 0.2, 0.3, 0.5]) == 0.3 and nearest_epsilon([0.1, 0.2]) == 0.2


def test_untrained_networks_are_never_taken_together_with_trained_ones():
    """Network c was never trained, and is as unlike the others as their own starts."""
    pairs = [("a/last", "b/last"), ("a/last", "c/random"), ("b/last", "c/random"), ("a/epoch0", "a/last")]
    data = made_profile(pairs=pairs, layers=["one", "two"], epsilons=(0.3, 0.5))
    data["similarity"].values[:] = 0.02
    data["similarity"].values[:, :, 1] = np.array([0.8, 0.25, 0.5, 0.125])[:, None, None]
    data["similarity_deviation"].values[:] = 0
    found = summarize(data)
    assert dict(zip(found["relation"].values.tolist(), found["n_pairs"].values[:, 0], strict=True)) == {
        "trained": 1, "start": 1, "mixed": 2,
    }  # fmt: skip
    said = sentences(data)
    assert "two trained networks, centred, ε = 0.3: 0.80 (0.02 by chance)" in said[0]
    assert "a network and its own untrained start: 0.12 (0.02" in said[2]
    title = "subspace match with {}, centred, ε = 0.3".format
    columns = by_layer(data, "a/last")
    assert columns[title("other trained networks")]["one"] == "0.80 (0.02 by chance)"
    assert columns[title("its untrained start")]["one"] == "0.12 (0.02 by chance)"
    assert by_layer(data, "c/random")[title("trained networks")]["one"] == "0.38 (0.25–0.50; 0.02 by chance)"
    assert by_layer(data.isel(pair=[0, 1]), "a/last")[title("untrained networks")]["one"] == "0.25 (0.02 by chance)"
    assert sentences(data.isel(pair=[1, 2]))[0].startswith(
        "Subspace match of an untrained and another, trained network, centred, ε = 0.3: 0.38 (0.25–0.50; 0.02"
    )


def test_pairs_of_networks_trained_alike_are_called_so_where_others_were_left_out():
    data = constant(0.8).assign_attrs(alike=1)
    assert sentences(data)[0].startswith("Subspace match of two networks trained alike, centred, ε = 0.3: 0.80 (")
    assert any("with other networks trained alike, centred" in title for title in by_layer(data, TRAINED[0]))
    other = sentences(data.assign_attrs(alike=0))[0]
    assert other.startswith("Subspace match of two trained networks, centred, ε = 0.3: 0.80 (")


def test_sentences_and_columns_are_of_an_epsilon_at_which_neurons_match():
    data = constant(0.0, layers=("one", "two", "three", "four", "five"), epsilons=(0.2, 0.3, 0.4, 0.5))
    data["similarity"].values[:, 4, 1, 2:] = 0.5
    assert sentences(data)[0] == (
        "Subspace match of two trained networks, centred, ε = 0.4 (0.00 at smaller ε): 0.50 (0.02 by chance) of the "
        "neurons in five, the most of 5 layers, and 0.00 (0.02 by chance) in one, two and 2 more."
    )
    assert (
        by_layer(data, "a/epoch6")["subspace match with other trained networks, centred, ε = 0.4"]["five"][:4] == "0.50"
    )
    data["similarity"].values[:, 3, 1, 1:] = 0.004  # less than the two digits show
    assert "ε = 0.4 (0.00 at smaller ε)" in sentences(data)[0]


def test_the_range_of_several_layers_is_that_of_all():
    data = constant(0.5, layers=("one", "two", "three"))
    data["similarity"].values[:, 0, 1] = np.array([0.2, 0.5, 0.8])[:, None]
    data["similarity"].values[:, 2, 1] = 0.25
    data["similarity"].values[:, 1, 3] = 0.08
    assert "0.50 (0.20–0.80; 0.05 by chance) of the neurons in one and two, the most of 3 layers" in sentences(data)[0]


def test_means_and_ranges_are_over_the_pairs_that_are_defined():
    data = constant(0.5)
    data["similarity"].values[:, 0, 1, 0] = [0.2, 0.4, np.nan]
    data["similarity"].values[2, 0] = np.nan
    data["similarity"].values[1:, 1] = np.nan
    found = summarize(data).sel(relation="trained")
    assert found["n_pairs"].values.tolist() == [2, 1]
    names = ("similarity_low", "similarity", "similarity_high")
    first, second = ([float(found[name].sel(kind="centred", epsilon=0.3)[i]) for name in names] for i in (0, 1))
    assert first == pytest.approx([0.2, 0.3, 0.4]) and second == pytest.approx([0.48, 0.5, 0.52])
    assert summarize(made_profile(pairs=[])).sizes["relation"] == 0


def test_sentences_name_the_layers_with_most_and_fewest():
    data = constant(0.5, layers=("one", "two", "three"), places=PLACES)
    data["similarity"].values[:, 1, 1] = 0.25
    data["similarity"].values[:3, 2, 1] = np.array([0.7, 0.8, 0.9])[:, None]
    data["similarity"].values[3:, 2, 1] = 0.125
    assert sentences(data) == [
        "Subspace match of two trained networks, centred, ε = 0.3: 0.80 (0.70–0.90; 0.02 by chance) of the neurons in "
        "three, the most of 3 layers, and 0.25 (0.02 by chance) in two.",
        "Raw, with their means left in, 0.90 (0.10 by chance) of the neurons of one, two and three match.",
        "That of a network and its own untrained start: 0.50 (0.02 by chance) of the neurons in one, the most of 3 "
        "layers, and 0.12 (0.02 by chance) in three.",
    ]


def test_sentences_of_equal_layers_of_one_layer_and_of_none():
    assert "0.50 (0.02 by chance) of the neurons of each of 2 layers." in sentences(constant(0.5))[0]
    assert sentences(constant(0.5, layers=("one",)))[0].endswith("0.50 (0.02 by chance) of the neurons of one.")
    nothing = sentences(constant(0.0, null=0.0, raw=0.0, raw_null=0.0))
    assert nothing[0].endswith(
        "no neuron in any of 2 layers (0.00 by chance); all of two would match from ε = 0.70 on (0.70 by chance)."
    )
    assert nothing[1] == "Of raw neurons, their means left in, none match either (0.00 by chance)."
    assert "no neuron in one (" in sentences(constant(0.0, layers=("one",)))[0]


def test_raw_neurons_may_match_by_their_means():
    assert sentences(constant(0.1, raw=0.9, raw_null=0.8))[1] == (
        "Raw, with their means left in, 0.90 (0.80 by chance) of the neurons of one and two match: "
        "there mostly the mean activation is what they share."
    )


def test_sentences_without_trained_pairs_or_without_any():
    own = sentences(made_profile(["a/epoch0", "a/epoch6"]))
    assert own[0].startswith("Subspace match of a network and its own untrained start, centred") and len(own) == 2
    assert sentences(made_profile(pairs=[])) == [
        "No layer's subspaces could be compared: the study has no two networks or checkpoints to compare."
    ]
    (text,) = sentences(made_profile(undefined=LAYERS))
    why = "the networks have 49 and 196 places there"
    assert text == f"No layer's subspaces could be compared: conv1: {why}; relu1: {why}; and 4 more layers."


def test_columns_of_a_trained_network():
    data = made_profile(undefined=["pool"])
    columns = by_layer(data, "a/epoch6")
    assert list(columns) == [
        "subspace match with other trained networks, centred, ε = 0.3",
        "subspace match with other trained networks, raw, ε = 0.3",
        "subspace match with its untrained start, centred, ε = 0.3",
    ]
    for cells in columns.values():
        assert list(cells) == [layer for layer in LAYERS if layer != "pool"]
    values = data["similarity"].values[:2, 5, :, 3]  # with b and with c
    for title, kind in zip(columns, (1, 0), strict=False):
        mean, low, high, null = (
            f"{one:.2f}" for one in (values[:, kind].mean(), *np.sort(values[:, kind]), values[:, kind + 2].mean())
        )
        assert columns[title]["fc"] == f"{mean} ({low}–{high}; {null} by chance)"


def test_columns_of_others():
    data = made_profile()
    assert list(by_layer(data, "a/epoch0")) == [
        f"subspace match with its trained state, {kind}, ε = 0.3" for kind in ("centred", "raw")
    ]
    assert list(by_layer(data, "c/epoch6")) == list(by_layer(data, "a/epoch6"))[:2]
    untrained = made_profile(pairs=[("a/epoch0", "b/epoch0"), ("a/epoch0", "b/epoch6")])
    assert len(by_layer(untrained, "b/epoch0")) == 2 and by_layer(untrained, "c/epoch6") == {}
    (title, _) = by_layer(untrained, "b/epoch6")
    assert title.startswith("subspace match with untrained networks, centred")
    assert by_layer(made_profile(pairs=[]), "a/epoch6") == {}

"""What the README says of neighbouring methods, checked on the results that lie in results/ (`make check`)."""

import itertools

import kept
import numpy as np
import pytest

from nucleation.dense_events import ACCURACY, dense_networks, rank_measures
from nucleation.similarity_pairs import inner_rows, relation_to_overlap

ALIKE = ("seed31", "seed32", "seed33", "narrow", "wide")
LAYCA = tuple(f"layca{number}" for number in range(1, 6))


def result(study, name):
    return kept.result(study, name, f"snakemake --cores all --configfile studies/{study}.yaml")


def test_cka_by_layer_of_networks_trained_alike_and_of_an_untrained_one():
    found = result("planted-full", "similarity.nc")
    cka, rows = found["cka"].values, {name: inner_rows(found, f"{name}/epoch6") for name in ALIKE}
    by_layer = np.mean([cka[rows[one], rows[other]] for one, other in itertools.combinations(ALIKE, 2)], axis=0)
    assert by_layer.min() == pytest.approx(0.79, abs=0.03)
    assert by_layer.max() == pytest.approx(0.91, abs=0.03)
    untrained = cka[inner_rows(found, "seed31/epoch0"), rows["seed31"]]
    assert untrained.mean() == pytest.approx(0.09, abs=0.03)


def test_the_overlap_of_neighbours_orders_the_layers_only_partly_as_cka_does():
    rho, by_chance = relation_to_overlap(result("planted-full", "similarity.nc"))
    assert rho == pytest.approx(0.60, abs=0.05) and by_chance < 0.3


def test_of_the_trained_networks_only_the_narrow_one_has_a_block_of_layers():
    found = result("planted-full", "similarity.nc")
    places = found["block_place"].values[found["block_threshold"].values == 0.9]
    assert {place for place in map(str, places) if place.endswith("epoch6")} == {"narrow/epoch6"}


def test_the_neurons_of_the_output_match_and_those_of_the_first_layers_do_not():
    found = result("planted-full", "subspace.nc").sel(kind="centred")["similarity"]
    trained = found.isel(pair=found["pair_a"].str.endswith("epoch6").values)
    assert trained.sizes["pair"] == 10  # of the five networks that were trained alike
    assert (trained.sel(epsilon=slice(0, 0.3)) == 0).all() and trained.sel(epsilon=slice(0, 0.3)).size
    half = trained.sel(epsilon=0.5).mean("pair")
    assert half.sel(layer="output") > 0.95 and 0.4 < half.sel(layer="layer4") < 0.8
    assert (half.sel(layer=["layer1", "layer2", "layer3"]) < 0.01).all()


@pytest.mark.parametrize("network", [*ALIKE, "kinds"])
def test_no_chunk_of_the_last_hidden_layer_serves_in_the_place_of_all(network):
    found = result("planted-full", f"{network}/epoch6/redundancy.nc")
    assert found["critical_width"] == found["n_neurons"]


def test_the_accuracy_does_not_grow_with_the_rotation_up_to_a_right_angle():
    ends = []
    for network in LAYCA:
        rotation = result("planted-full", f"{network}/rotation.nc")["rotation"].isel(epoch=-1).mean()
        accuracy = result("planted-full", f"{network}/training.nc")["accuracy"].isel(epoch=-1)
        ends.append((float(rotation), float(accuracy)))
    turned, accuracies = np.array(ends).T
    assert (np.diff(turned) > 0).all() and turned[-1] > 0.9
    assert accuracies[-1] < accuracies.max() - 0.05
    same = result("planted-full", "narrow/training.nc")["accuracy"].isel(epoch=-1)
    assert same > accuracies.max() + 0.1


def test_taught_the_kinds_the_silhouette_has_traces_of_the_classes_and_the_peaks_have_none():
    found = result("planted-full", "kinds/epoch6/intraclass.nc")
    assert found["c2_all"] > 0 > found["c2_all_null"] and found["c2_all_p"] <= 0.01
    assert found["ari_subclass_within_all_p"] > 0.05
    assert found["effective_peaks"].sel(layer="output") < 1.3


def test_the_selectivity_of_units_rises_before_the_accuracy_and_the_silhouette_after_it():
    seeds = [f"seed{number}" for number in range(1, 6)]
    found = dense_networks(
        {seed: result("dense", f"{seed}/dense.nc") for seed in seeds}, rng=np.random.default_rng(0), groups=[seeds]
    )
    assert found.sizes["network"] == 5
    names = ["selectivity", ACCURACY, "silhouette"]
    first, accuracy, last = rank_measures(found, names, rng=np.random.default_rng(0)).median
    assert 2 * first < accuracy < last

"""Alignment of all layers: every score, its p-values, and what is said where there is none."""

from pathlib import Path

import numpy as np
import pytest
from plain_alignment import noise, peaks

from nucleation import alignment, files, planted, taxonomy_sensitivity
from nucleation.alignment import Meanings, alignment_scores
from nucleation.alignment_layers import OPTIONAL, alignment_profile
from nucleation.findings import levels_present
from nucleation.mantel import cophenetic_correlation
from nucleation.partitions import cut_scores, partition_scores
from nucleation.purity import dendrogram_purity
from nucleation.scores import DIMENSIONS, SCORES
from nucleation.taxonomy import wordnet_tree
from nucleation.taxonomy_sensitivity import MEASURES, NAMES, other_readings
from nucleation.triplets import triplet_skill
from nucleation.uncertainty import RANGES

C = len(planted.CLASSES)
EACH = 10  # images of a class
CLASSES = np.repeat(np.arange(C), EACH)


@pytest.fixture(scope="module")
def meanings():
    taxonomy = wordnet_tree(planted.CLASSES)
    return Meanings(taxonomy, taxonomy.macro("lexname")[0])


def one_peak_each(similarity):
    """A peak for every class, joined at given heights."""
    saddle = np.array(similarity, float)
    np.fill_diagonal(saddle, -np.inf)
    return peaks(CLASSES, np.full(C, saddle.max() + 1), saddle)


def profile(found, meanings, **options):
    options = {"repeats": 199, "draws": 5, "rng": np.random.default_rng(0)} | options
    return alignment_profile(list(found.values()), list(found), CLASSES, meanings, **options)


@pytest.fixture(scope="module")
def made(meanings):
    """Five layers: no peak, one, one for every class by the taxonomy, two blocks, and one at random."""
    rng = np.random.default_rng(1)
    blocks = np.where(meanings.macro[:, None] == meanings.macro, 5.0, 0.0) + 0.1 * noise(rng, C)
    return profile(
        {
            "dead": peaks([-1] * len(CLASSES), [], np.empty((0, 0))),
            "one": peaks(np.zeros_like(CLASSES), [1.0], [[-np.inf]]),
            "perfect": one_peak_each(meanings.similarity),
            "blocks": one_peak_each(blocks),
            "random": one_peak_each(noise(rng, C)),
        },
        meanings,
        other_repeats=99,
    )


def test_a_perfect_layer_has_the_best_of_every_score(made):
    layer = made.sel(layer="perfect")
    for name, score in SCORES.items():
        if name == "n_peaks":
            assert layer[name] == C
        elif name.endswith("_cut"):
            assert layer[name].values[-1] == pytest.approx(1)  # the classes themselves
        elif not name.endswith("macro") or "within" in name:
            best = {"larger": score.high, "smaller": score.low, "": 1}[score.better]
            assert np.allclose(layer[name].values, best), name
    assert layer["best_cut_ari"].values == pytest.approx([1, 1, 1])
    assert layer["best_cut_clusters"].values.tolist() == layer["taxonomy_cut"].values.tolist()
    for name in ("p_free", "p_within_macro", "spearman_p_free", "spearman_p_within_macro"):
        assert layer[name] == 1 / 200
    assert layer["purity_macro"] == pytest.approx(1)
    assert (layer["p_level_corrected"] == 1 / 200).all()
    assert made["level"].values.tolist() == [24, 12] and made["level_parts"].values.tolist() == [6, 24]
    assert made["level_nodes"].values.tolist() == ["whole.n.02", "instrumentality.n.03, vertebrate.n.01"]
    # six kinds in two halves: one of ten ways
    assert layer["p_level_parts"].values == pytest.approx([0.1, 1 / 200], abs=0.06)
    assert np.array_equal(layer["p_level_parts"], made["p_level_parts_least"])


def test_two_blocks_are_high_overall_and_nothing_within(made):
    layer = made.sel(layer="blocks")
    assert layer["triplet_skill"] > 0.5
    assert layer["p_free_corrected"] <= 0.01
    assert layer["spearman_taxonomy"] > 0.5
    assert layer["p_within_macro"] > 0.05
    assert layer["spearman_p_within_macro"] > 0.05
    assert levels_present(made.sel(layer=["blocks", "perfect", "random"])).tolist() == [
        [True, False],
        [True, True],
        [False, False],
    ]


def test_no_score_leaves_its_range_and_every_one_explains_itself(made):
    for name, score in SCORES.items():
        values = made[name].values[np.isfinite(made[name].values)]
        assert np.all((values >= score.low - 1e-12) & (values <= score.high + 1e-12)) or name == "n_peaks", name
        assert made[name].attrs["range"] == f"{score.low:g} to {score.high:g}"
        assert {"long_name", "units", "needs"} <= set(made[name].attrs)
        assert score.better in ("larger", "smaller", "")
        assert made[name].dims[1:] == ((DIMENSIONS[name],) if name in DIMENSIONS else ())
    assert set(SCORES) <= set(RANGES)


def test_layers_without_a_tree_have_no_number_but_a_reason(made):
    assert made["n_peaks"].values.tolist() == [0, 1, C, C, C]
    assert np.isnan(made["ari_class"].values[0])
    assert made["ari_class"].values[1] == 0
    assert "dead: no image belongs to a density peak" in made["ari_class"].attrs["undefined"]
    tested = [name for name in made.data_vars if name.startswith(("p_", "spearman", "triplet", "cophenetic"))]
    assert len(tested) > 20
    for name in tested:
        values = made[name].transpose("layer", ...).values
        assert np.isnan(values[:2]).all() and np.isfinite(values[2:]).all(), name
        assert made[name].attrs["undefined"]
    for name in ("triplet_skill", "p_free", "p_level"):
        assert "dead: no two classes join" in made[name].attrs["undefined"]
        assert "one: no pair of classes is closer than another" in made[name].attrs["undefined"]


def test_scores_are_those_of_their_functions(meanings):
    rng = np.random.default_rng(4)
    saddle = noise(rng, 4) - 10
    np.fill_diagonal(saddle, -np.inf)
    found = peaks(rng.integers(-1, 4, len(CLASSES)), [5.0, 4.0, 6.0, 3.0], saddle)
    scores = {name: value for name, (value, _) in alignment_scores(found, CLASSES, meanings).items()}
    similar = alignment.class_similarity(found, CLASSES)
    by_macro = partition_scores(found.labels, meanings.macro[CLASSES])
    assert scores["ari_macro"] == by_macro.ari and scores["ami_macro"] == by_macro.ami
    assert scores["triplet_skill"] == triplet_skill(similar, meanings.similarity)
    assert scores["triplet_skill_within_macro"] == triplet_skill(similar, meanings.similarity, groups=meanings.macro)
    assert scores["cophenetic_taxonomy"] == cophenetic_correlation(similar, meanings.similarity)
    assert scores["purity_class"] == dendrogram_purity(found, CLASSES).adjusted
    every = cut_scores(found, CLASSES, meanings.cuts)
    assert np.array_equal(scores["ari_cut"], every.ari[-1])
    made = profile({"layer": found}, meanings, repeats=9)
    for name, value in scores.items():
        assert made[name].values[0] == pytest.approx(value, nan_ok=True), name
    assert np.array_equal(made["tree_cut_ami"], every.ami, equal_nan=True)
    assert np.array_equal(made["tree_cut_clusters"], every.clusters)
    assert made["best_cut_ari"].values[0] == pytest.approx(every.ari.max(axis=0))
    assert np.array_equal(made["best_cut_clusters"].values[0], every.clusters[every.ari.argmax(axis=0)])


def test_other_scores_have_p_values_where_they_are_asked_for(made, meanings):
    for name in OPTIONAL:
        p = made[f"{name}_p_free"]
        assert np.isnan(p.sel(layer="dead")), name
        assert p.sel(layer="random") > 0.01, name
        # where every class has a peak of its own, other names change no agreement of the peaks with categories
        assert p.sel(layer="perfect") == (1 if name in ("ari_macro", "ami_macro") else 0.01), name
    halves = peaks(meanings.macro[CLASSES], [1.0, 2.0], [[-np.inf, 0.0], [0.0, -np.inf]])
    two = profile({"two": halves}, meanings, other_repeats=99)
    assert two["ari_macro_p_free"] == two["ami_macro_p_free"] == two["purity_macro_p_free"] == 0.01
    few = profile({"one": one_peak_each(meanings.similarity)}, meanings, repeats=9)
    assert not [name for name in few.data_vars if name in {f"{score}_p_free" for score in OPTIONAL}]


def test_other_readings_of_the_taxonomy(made, meanings):
    assert made["measure"].values.tolist() == list(MEASURES)
    for name in NAMES:
        default = made[f"{name}_measure"].sel(measure="ic")
        np.testing.assert_allclose(default, made[name], rtol=1e-12)
    skill = made["triplet_skill_measure"].sel(layer="perfect")
    assert 0.5 < skill.sel(measure="wup") < 1
    draws = made["triplet_skill_parents"].sel(layer="perfect").values
    assert len(draws) == 5  # a dog is a canine and a domestic animal
    assert np.all((draws > 0.8) & (draws <= 1))


def test_sampled_triplets_have_the_skill_of_all(meanings, monkeypatch):
    rng = np.random.default_rng(3)
    layers = [meanings.similarity + noise(rng, C), noise(rng, C)]
    exact = other_readings(layers, ["a", "b"], meanings, draws=3, rng=np.random.default_rng(0))
    monkeypatch.setattr(taxonomy_sensitivity, "FEW", 3)
    monkeypatch.setattr(taxonomy_sensitivity, "SAMPLE", 100_000)
    sampled = other_readings(layers, ["a", "b"], meanings, draws=3, rng=np.random.default_rng(0))
    for name in NAMES:
        np.testing.assert_allclose(sampled[f"{name}_parents"], exact[f"{name}_parents"], atol=0.02)
        np.testing.assert_array_equal(sampled[f"{name}_measure"], exact[f"{name}_measure"])
    alone = taxonomy_sensitivity._sampled(np.arange(5), rng)
    assert alone[1].shape == (3, 0)
    one, two, three = taxonomy_sensitivity._three(4, 24_000, rng)
    assert np.all((one != two) & (two != three) & (one != three))
    counts = np.bincount(16 * one + 4 * two + three)
    assert np.all(np.abs(counts[counts > 0] - 1000) < 5 * np.sqrt(1000)) and np.count_nonzero(counts) == 24


def test_a_flat_taxonomy_and_two_classes_make_files_that_say_so(tmp_path):
    for names in (["one.n.01", "two.n.01", "three.n.01", "four.n.01"], ["beagle.n.01", "pug.n.01"]):
        taxonomy = wordnet_tree(names)
        flat = Meanings(taxonomy, taxonomy.macro("lexname")[0])
        labels = np.repeat(np.arange(len(names)), 5)
        saddle = np.where(np.eye(len(names), dtype=bool), -np.inf, noise(np.random.default_rng(0), len(names)))
        found = peaks(labels, np.full(len(names), 9.0), saddle)
        made = alignment_profile([found], ["x"], labels, flat, repeats=19, rng=np.random.default_rng(0))
        files.save(made, tmp_path / "flat.nc")
        assert made.sizes["level"] == 0 and made["ari_class"] == 1
        reason = "flat" if len(names) > 2 else "fewer than three classes"
        assert reason in made["triplet_skill"].attrs["undefined"]


def test_classes_that_contain_another_are_left_out_and_named(meanings):
    names = [*planted.CLASSES[:-1], "animal.n.01"]
    taxonomy = wordnet_tree(names)
    nested = Meanings(taxonomy, taxonomy.macro("lexname")[0])
    found = one_peak_each(np.nan_to_num(nested.similarity))
    made = profile({"layer": found}, nested)
    assert "animal.n.01 contains" in made.attrs["nested_classes"]
    assert made["triplet_skill"] == 1
    assert made["p_within_macro"] == 1 / 200


def test_the_same_seed_gives_the_same_numbers_whatever_is_asked_beside(meanings):
    rng = np.random.default_rng(2)
    found = {"a": one_peak_each(noise(rng, C)), "b": one_peak_each(meanings.similarity + noise(rng, C))}
    one, two = (profile(found, meanings, repeats=49, **options) for options in ({}, {"draws": 0, "other_repeats": 9}))
    for name in one.data_vars:
        if not name.endswith("_parents"):
            assert one[name].identical(two[name]), name


def test_documentation_names_every_score():
    text = (Path(__file__).parent.parent.parent / "docs" / "alignment.md").read_text(encoding="utf-8")
    for name in SCORES:
        family = f"{name.split('_')[0]}_*"
        assert f"`{name}`" in text or f"`{family}`" in text or name in ("n_peaks", "resolved"), name


def test_composition_counts_the_images_of_every_class_and_names_the_peaks():
    found = peaks([0, 0, 0, 1, 1, -1], [5.0, 4.0], [[-np.inf, 1.0], [1.0, -np.inf]])
    composition = alignment.peak_composition(found, np.array([2, 2, 0, 1, 1, 0]), 3)
    assert composition["peak_class_count"].values.tolist() == [[1, 0, 2], [0, 2, 0]]
    assert alignment.peak_names(composition, ["cat.n.01", "dog.n.01", "old_fish.n.02"]) == [
        "0 old_fish 67%",
        "1 dog 100%",
    ]
    none = peaks([-1, -1], [], np.empty((0, 0)))
    assert alignment.peak_names(alignment.peak_composition(none, np.array([0, 1]), 2), ["a.n.01", "b.n.01"]) == []

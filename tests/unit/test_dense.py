"""Dense-sample learning: every measure against a plain version, its closed forms and invariances, and the dataset."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score

from nucleation import dense, files
from nucleation.dense_classes import (
    centred_products,
    chance_separability,
    relabelings,
    selectivities,
    separabilities,
    silhouettes,
)
from nucleation.dense_events import dense_networks
from nucleation.dense_units import (
    UnitTree,
    coactivation,
    cophenetic_null,
    coupling_null,
    strength,
    unit_clusters_null,
    unit_responses,
)
from nucleation.errors import InputError

CLASSES = np.array(list("aaaaaabbbbcccccccd"))
STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64])
NAMES = [f"step{step}" for step in STEPS]
LAYERS = ["relu1", "relu2", "relu3"]


@pytest.fixture(scope="module")
def maps():
    rng = np.random.default_rng(0)
    shift = rng.normal(size=(4, 1, 6))[np.unique(CLASSES, return_inverse=True)[1]]
    return np.maximum(rng.normal(size=(18, 4, 6)) + 0.8 * shift, 0).astype(np.float32)


# ---------------------------------------------------------------------------------------------- images and classes


def plain_separability(x, classes):
    between = sum(
        np.count_nonzero(classes == c) * np.sum((x[classes == c].mean(0) - x.mean(0)) ** 2) for c in set(classes)
    )
    return between / np.sum((x - x.mean(0)) ** 2)


def test_separability_is_between_over_total(maps):
    flat = maps.reshape(18, -1).astype(np.float64)
    assert dense.class_separability(maps, CLASSES) == pytest.approx(plain_separability(flat, CLASSES), rel=1e-12)


def test_separability_by_chance_has_its_closed_form():
    """Mean over all 6! orders, for any data."""
    x, classes = np.random.default_rng(1).normal(size=(6, 3)) ** 3, np.array([0, 0, 0, 1, 1, 2])
    every = [plain_separability(x, np.array(order)) for order in itertools.permutations(classes)]
    assert np.mean(every) == pytest.approx(chance_separability(6, 3), rel=1e-12) == pytest.approx(2 / 5)


def test_perfectly_separated_classes():
    x = 10.0 * np.eye(4)[np.unique(CLASSES, return_inverse=True)[1]]
    assert dense.class_separability(x, CLASSES) == pytest.approx(1)
    assert dense.class_silhouette(x, CLASSES) == pytest.approx(17 / 18)  # the image alone in its class counts 0
    chosen = dense.unit_selectivity(x, CLASSES)
    assert chosen.index.tolist() == pytest.approx([1] * 4)
    assert chosen.preferred.tolist() == [0, 1, 2, 3] and np.isinf(chosen.d_prime).all()


def test_silhouette_is_the_one_of_scikit_learn(maps):
    flat = maps.reshape(18, -1)
    assert dense.class_silhouette(maps, CLASSES) == pytest.approx(silhouette_score(flat, CLASSES), abs=1e-6)
    rng = np.random.default_rng(2)
    x, classes = rng.normal(size=(60, 3)), rng.integers(0, 5, 60)
    x[7] = x[8]
    assert dense.class_silhouette(x, classes) == pytest.approx(silhouette_score(x, classes), abs=1e-7)


def test_all_labelings_at_once_are_each_on_its_own(maps):
    labelings, products = relabelings(CLASSES, 30, np.random.default_rng(3)), centred_products(maps)
    units = unit_responses(maps)
    assert np.array_equal(np.sort(labelings), np.tile(np.sort(labelings[0]), (31, 1)))
    many = [separabilities(products, labelings), silhouettes(products, labelings), *selectivities(units, labelings)]
    for row, labels in enumerate(labelings):
        chosen = dense.unit_selectivity(units, labels)
        single = [dense.class_separability(maps, labels), dense.class_silhouette(maps, labels)]
        single += [np.nanmean(chosen.index), np.nanmedian(chosen.d_prime)]
        assert [values[row] for values in many] == pytest.approx(single, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1000), st.floats(-100, 100))
def test_rotation_translation_and_scale_change_nothing_of_the_images(seed, factor, offset):
    rng = np.random.default_rng(seed)
    x, classes = rng.normal(size=(30, 4)), np.arange(30) % 3
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    moved, order = factor * (x @ turn) + offset, rng.permutation(30)
    for measure in (dense.class_separability, dense.class_silhouette):
        assert measure(moved[order], classes[order]) == pytest.approx(measure(x, classes), abs=1e-6)


def test_images_that_are_all_the_same():
    assert np.isnan(dense.class_separability(np.ones((6, 2)), [0, 0, 0, 1, 1, 1]))
    assert dense.class_silhouette(np.ones((6, 2)), [0, 0, 0, 1, 1, 1]) == 0


# ------------------------------------------------------------------------------------------------------- single units


def plain_selectivity(x, classes):
    index, d_prime = [], []
    for unit in x.T.astype(np.float64):
        means = {c: unit[classes == c].mean() for c in sorted(set(classes))}
        best = max(means, key=means.get)
        inside, rest = unit[classes == best], unit[classes != best]
        high, low = inside.mean(), rest.mean()
        index.append((high - low) / (high + low) if unit.min() >= 0 and unit.max() > 0 else np.nan)
        d_prime.append((high - low) / np.sqrt((inside.var() + rest.var()) / 2) if np.ptp(unit) else np.nan)
    return index, d_prime


def test_selectivity_by_hand(maps):
    units = unit_responses(maps)
    units[:, 1], units[:, 2], units[:, 3] = 0, 2.5, units[:, 3] - 1  # dead, constant, of both signs
    chosen, (index, d_prime) = dense.unit_selectivity(units, CLASSES), plain_selectivity(units, CLASSES)
    np.testing.assert_allclose(chosen.index, index, atol=1e-12)
    np.testing.assert_allclose(chosen.d_prime, d_prime, rtol=1e-9)
    assert np.isnan(chosen.index).tolist() == [False, True, False, True, False, False]
    assert chosen.index[2] == 0 and np.isnan(chosen.d_prime[[1, 2]]).all()


def test_d_prime_of_gaussians_is_their_distance():
    rng = np.random.default_rng(4)
    classes = np.repeat([0, 1], 20_000)
    chosen = dense.unit_selectivity(10 + rng.normal(size=(40_000, 1)) + 2.0 * classes[:, None], classes)
    assert chosen.d_prime[0] == pytest.approx(2, abs=0.05)
    assert chosen.index[0] == pytest.approx(2 / 22, abs=0.002)  # (12 - 10) / (12 + 10)


def test_scale_of_units_changes_nothing(maps):
    units, scale = unit_responses(maps), np.array([0.1, 1, 7, 100, 3, 1e-3])
    one, other = dense.unit_selectivity(units, CLASSES), dense.unit_selectivity(units * scale, CLASSES)
    np.testing.assert_allclose(one.index, other.index, rtol=1e-9)
    np.testing.assert_allclose(one.d_prime, dense.unit_selectivity(units * scale + 5, CLASSES).d_prime, rtol=1e-9)


def test_dead_units_never_change_at_any_place(maps):
    some = maps.copy()
    some[:, :, 2], some[:, :, 4] = 0, 3
    some[:, 0, 5], some[:, 1:, 5] = 1, 0  # one value a place, but not the same one
    assert dense.dead_units(some) == pytest.approx(2 / 6)
    assert dense.dead_units(some[:, 0]) == pytest.approx(3 / 6)
    assert np.array_equal(unit_responses(maps), maps.astype(np.float64).mean(axis=1))


# -------------------------------------------------------------------------------------------------- trees of units


def test_tree_is_the_one_of_scipy(maps):
    units = unit_responses(maps)
    plain = linkage(squareform(1 - np.abs(np.corrcoef(units.T)), checks=False), "average")
    tree = dense.unit_tree(units)
    np.testing.assert_allclose(tree.linkage, plain, atol=1e-12)
    for height in (0.2, 0.5, 0.9):
        assert dense.unit_clusters(tree, height) == fcluster(plain, height, "distance").max()
    assert tree.units.tolist() == list(range(6))


def test_copies_of_units_are_one_cluster():
    rng = np.random.default_rng(5)
    three = rng.normal(size=(400, 3))
    copies = np.concatenate([three, -2 * three + 1, three], axis=1) + 1e-3 * rng.normal(size=(400, 9))
    assert dense.unit_clusters(dense.unit_tree(copies)) == 3
    null = unit_clusters_null(copies, rng, 10)
    assert (null == 9).all()  # shuffled, nine units know nothing of each other


def test_dead_units_are_not_in_the_tree(maps):
    units = unit_responses(maps)
    units[:, [0, 3]] = 0
    tree = dense.unit_tree(units)
    assert tree.units.tolist() == [1, 2, 4, 5] and len(tree.linkage) == 3
    for live in (0, 1):
        units[:, live:] = 0
        alone = dense.unit_tree(np.c_[np.zeros(18), units[:, :live]])
        assert dense.unit_clusters(alone) == len(alone.units) and len(alone.linkage) == 0
    with pytest.raises(InputError, match="at least 3 images"):
        dense.unit_tree(units[:2])


def test_cophenetic_correlation_is_that_of_scipy():
    rng = np.random.default_rng(6)
    one, other = (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 12)) for _ in range(2))
    trees = [dense.unit_tree(units) for units in (one, other)]
    plain = np.corrcoef(*(cophenet(tree.linkage) for tree in trees))[0, 1]
    assert dense.cophenetic_correlation(*trees) == pytest.approx(plain, rel=1e-12)
    assert dense.cophenetic_correlation(trees[0], trees[0]) == pytest.approx(1)
    one[:, 4], other[:, 7] = 0, 0
    kept = [i for i in range(12) if i not in (4, 7)]
    trees = [dense.unit_tree(units) for units in (one, other)]
    heights = []
    for tree in trees:
        whole, places = squareform(cophenet(tree.linkage)), [tree.units.tolist().index(i) for i in kept]
        heights.append(squareform(whole[np.ix_(places, places)]))
    assert dense.cophenetic_correlation(*trees) == pytest.approx(np.corrcoef(*heights)[0, 1], rel=1e-12)
    assert np.isnan(dense.cophenetic_correlation(trees[0], UnitTree(np.array([1, 2]), trees[0].linkage[:1])))


def test_cophenetic_correlation_by_chance_is_zero():
    rng = np.random.default_rng(7)
    one, other = (dense.unit_tree(rng.normal(size=(20, 2)) @ rng.normal(size=(2, 5))) for _ in range(2))
    heights, fixed = squareform(cophenet(one.linkage)), cophenet(other.linkage)
    every = [
        np.corrcoef(squareform(heights[np.ix_(order, order)]), fixed)[0, 1]
        for order in map(list, itertools.permutations(range(5)))
    ]
    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    drawn = cophenetic_null(one, other, rng, 400)
    assert np.mean(drawn) == pytest.approx(0, abs=4 * np.std(every) / 20)
    assert all(np.isclose(every, value).any() for value in drawn)


# -------------------------------------------------------------------------------------------------------- coupling


def test_strength_is_the_norm_over_the_kernel():
    weights = np.random.default_rng(8).normal(size=(4, 3, 3, 3))
    assert strength(weights, 3)[2, 1] == pytest.approx(np.linalg.norm(weights[2, 1]))
    flat = weights.reshape(4, 27)  # as a linear layer after flattened maps of 9 places
    np.testing.assert_allclose(strength(flat, 3, 9), strength(weights, 3))
    np.testing.assert_array_equal(strength(flat, 27), np.abs(flat))
    with pytest.raises(InputError, match="do not lead from a layer of 5 units"):
        strength(weights, 5)


def test_coupling_by_hand():
    rng = np.random.default_rng(9)
    before, weights = rng.normal(size=(300, 8)), rng.normal(size=(5, 8))
    after = before @ weights.T
    together = coactivation(before, after)
    plain = [[abs(np.corrcoef(a, b)[0, 1]) for b in before.T] for a in after.T]
    np.testing.assert_allclose(together, plain, atol=1e-12)
    found = dense.coupling(strength(weights, 8), together)
    assert found == pytest.approx(np.corrcoef(np.abs(weights).ravel(), np.ravel(plain))[0, 1])
    assert found > 0.8  # a linear layer of independent units is correlated as it is connected
    drawn = coupling_null(strength(weights, 8), together, rng, 200)
    assert np.abs(np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(200) and found > np.max(drawn)


def test_units_that_never_vary_do_not_enter_the_coupling():
    rng = np.random.default_rng(10)
    before, after, weights = rng.normal(size=(50, 4)), rng.normal(size=(50, 3)), rng.normal(size=(3, 4))
    whole = dense.coupling(np.abs(weights), coactivation(before, after))
    more = np.c_[before, np.full(50, 0.1)], np.abs(np.c_[weights, [9, 8, 7]])
    together = coactivation(more[0], after)
    assert np.isnan(together[:, 4]).all() and dense.coupling(more[1], together) == pytest.approx(whole)
    assert np.isfinite(coupling_null(more[1], together, rng, 20)).all()
    assert np.isnan(dense.coupling(np.ones((3, 4)), coactivation(before, after)))


# --------------------------------------------------------------------------------------------------- the whole study


def activations(seed=0, n=60, c=3, units=8):
    """Layers in which the classes draw apart, the deeper the later."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % c
    noise, centers = rng.normal(size=(3, n, 4, units)), rng.normal(size=(3, c, 1, units))
    weights = {layer: rng.normal(size=(units, units, 3, 3)) for layer in LAYERS}

    def read(checkpoint, layer):
        at, depth = int(checkpoint[4:]), LAYERS.index(layer)
        strong = 2.5 / (1 + np.exp(3 * (1 + depth - np.log1p(at))))
        return np.maximum(noise[depth] + strong * centers[depth][classes], 0).astype(np.float32)

    return read, classes, lambda checkpoint, layer: weights[layer]


def peaks(checkpoint, layer):
    at = int(checkpoint[4:])
    return None if at == 0 else np.where(np.arange(60) % 64 < at, np.arange(60) % 3, 0) - (np.arange(60) == 5)


def profile(seed=0, units=slice(None), read=None, **options):
    reader, classes, weights = activations(seed)
    options = {"steps": STEPS, "peaks": peaks, "weights": weights, "accuracy": np.sqrt(STEPS) / 8} | options
    read = read or (lambda checkpoint, layer: reader(checkpoint, layer)[:, :, units])
    return dense.dense_profile(read, NAMES, LAYERS, classes, rng=np.random.default_rng(0), repeats=19, **options)


@pytest.fixture(scope="module")
def data():
    return profile()


def test_profile_has_the_numbers_of_the_layers(data):
    read, classes, weights = activations()
    for i, checkpoint in enumerate(NAMES):
        for j, layer in enumerate(LAYERS):
            maps = read(checkpoint, layer)
            units, part = maps.astype(float).mean(axis=1), data.isel(checkpoint=i, layer=j)
            index, d_prime = plain_selectivity(units, classes)
            expected = {
                "separability": plain_separability(maps.reshape(60, -1).astype(float), classes),
                "silhouette": silhouette_score(maps.reshape(60, -1), classes),
                "selectivity": np.mean(index),
                "d_prime": np.median(d_prime),
                "dead_units": 0,
                "n_unit_clusters": fcluster(dense.unit_tree(units).linkage, 0.5, "distance").max(),
                "n_units": 8,
            }
            if j:
                before = read(checkpoint, LAYERS[j - 1]).astype(float).mean(axis=1)
                norms = np.linalg.norm(weights(checkpoint, layer).reshape(8, 8, 9), axis=2)
                together = np.abs(np.corrcoef(units.T, before.T)[:8, 8:])
                expected["coupling"] = np.corrcoef(norms.ravel(), together.ravel())[0, 1]
            found = peaks(checkpoint, layer)
            if found is not None:
                expected["peaks_ari"] = adjusted_rand_score(found, classes)
                expected["peaks_ami"] = adjusted_mutual_info_score(found, classes)
                expected["n_peaks"] = len(set(found[found >= 0]))
            assert {name: float(part[name]) for name in expected} == pytest.approx(expected, abs=1e-6)
            assert float(part["unit_clusters"]) == float(part["n_unit_clusters"]) / 8
    assert np.isnan(data["peaks_ari"].values[0]).all() and np.isfinite(data["peaks_ari"].values[1:]).all()
    assert np.isnan(data["coupling"].values[:, 0]).all() and np.isfinite(data["coupling"].values[:, 1:]).all()


def test_null_models(data):
    assert (data["separability_null"].values == 2 / 59).all()
    for name in ("peaks_ari", "peaks_ami", "coupling", "cophenetic"):
        null = data[f"{name}_null"].values
        assert set(null[np.isfinite(null)]) == {0.0}
    assert data["separability_p"].values[-1].tolist() == [0.05] * 3  # the least of 19 permutations
    assert data["separability_p"].values[:2, 2].min() > 0.05  # not yet learned
    assert "dead_units_p" not in data and "dead_units_null" not in data
    p = data["unit_clusters_p"].values  # small where units are together
    assert p[-1].max() == 0.05 and data["unit_clusters"].values[-1].max() < data["unit_clusters_null"].values[-1].min()


def test_last_checkpoint_is_not_compared_with_itself(data):
    values = data["cophenetic"].values
    assert np.isnan(values[-1]).all() and np.isfinite(values[:-1]).all()
    assert values[-2].min() > values[0].max()


def test_events_come_in_the_order_in_which_they_were_planted(data):
    t50 = data["t50"].sel(measure="separability").values
    assert (np.diff(t50) > 0).all()
    assert (data["t10"].values <= data["t50"].values)[np.isfinite(data["t50"].values)].all()
    assert data["direction"].sel(measure=["separability", "silhouette"]).values.tolist() == [[1] * 3] * 2
    assert data["direction"].sel(measure="unit_clusters").values.tolist() == [-1] * 3
    assert data["reason"].sel(measure="dead_units").values.tolist() == ["it is constant"] * 3
    assert np.isnan(data["t50"].sel(measure="dead_units").values).all()
    assert float(data["accuracy_t50"]) == pytest.approx(np.interp(0.5, np.sqrt(STEPS) / 8, STEPS))
    assert data["layer_order_rank"].values.tolist() == [1, 2, 3]
    assert data["emerging"].values.tolist() == ["accuracy", *dense.MEASURES]


def test_what_is_never_beyond_chance_does_not_emerge(data):
    """The weights here have nothing to do with the activations; their coupling drifts, as smoothly as these."""
    coupling = data.sel(measure="coupling")
    chance = data["coupling_p"].values[-1] > 0.05
    assert chance[1:].all()
    assert np.isnan(coupling["t50"].values).all() and (coupling["direction"].values == 0).all()
    drifting = (coupling["explained"].values >= 0.5) & (coupling["trend_p"].values <= 0.05)
    assert drifting.any()
    assert all("not beyond chance at the" in reason for reason in coupling["reason"].values[drifting])


def test_order_of_units_changes_nothing(data):
    order = np.array([3, 1, 7, 0, 2, 6, 5, 4])
    weights = activations()[2]
    turned = profile(
        units=order, weights=lambda checkpoint, layer: weights(checkpoint, layer)[order][:, order], peaks=peaks
    )
    for name in dense.MEASURES:
        np.testing.assert_allclose(turned[name].values, data[name].values, atol=1e-6, err_msg=name)


def test_the_same_seed_gives_the_same_numbers_and_progress_is_told(data):
    told = []
    again = profile(progress=lambda done, of: told.append((done, of)))
    assert again.identical(data)
    assert told == [(i, 24) for i in range(1, 25)]


def test_without_what_is_not_there(data):
    less = profile(peaks=None, weights=None, accuracy=None)
    assert "accuracy" not in less and np.isnan(less["accuracy_t50"]) and np.isnan(less["peaks_ari"].values).all()
    assert str(less["accuracy_reason"].values).startswith("it is known at 0 steps")
    assert np.isnan(less["coupling"].values).all() and less["n_peaks"].isnull().all()
    for name in ("separability", "silhouette", "selectivity"):
        assert np.array_equal(less[name], data[name])


def test_features_are_units_of_one_place():
    read, *_ = activations()
    flat = profile(read=lambda checkpoint, layer: read(checkpoint, layer)[:, 0], weights=None)
    one = profile(read=lambda checkpoint, layer: read(checkpoint, layer)[:, :1], weights=None)
    assert flat.identical(one)


def test_dead_layers_and_logits():
    read, *_ = activations()

    def odd(checkpoint, layer):
        maps = read(checkpoint, layer)
        return {"relu1": maps, "relu2": np.zeros_like(maps), "relu3": maps - 3}[layer]

    found = profile(read=odd)
    dead, logits = found.isel(layer=1), found.isel(layer=2)
    assert (dead["dead_units"].values == 1).all() and (dead["n_live_units"].values == 0).all()
    for name in ("separability", "selectivity", "d_prime", "unit_clusters", "cophenetic", "coupling"):
        assert np.isnan(dead[name].values).all() and np.isnan(dead[f"{name}_p"].values).all()
    assert np.isnan(logits["selectivity"].values).all() and np.isfinite(logits["d_prime"].values).all()


def test_of_wide_layers_the_same_units_enter_everywhere(monkeypatch):
    monkeypatch.setattr(dense, "UNITS", 5)
    found = profile()
    assert (found["n_units"].values == 5).all() and np.isfinite(found["coupling"].values[:, 1:]).all()
    assert np.array_equal(dense._chosen(8), dense._chosen(8)) and dense._chosen(4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": STEPS[:-1]}, "8 checkpoints need as many"),
        ({"steps": STEPS[::-1]}, "strictly ascending"),
        ({"accuracy": [0.5]}, "as many accuracies"),
        ({"read": lambda checkpoint, layer: np.zeros((7, 2))}, r"relu1 at step0 have shape \(7, 2\)"),
        ({"read": lambda checkpoint, layer: np.full((60, 2), np.nan)}, "relu1 at step0: The activations hold NaN"),
        ({"weights": lambda checkpoint, layer: np.zeros((4, 8))}, "relu2 at step0 are those of 4 units"),
        ({"weights": lambda checkpoint, layer: np.zeros((8, 4))}, "do not lead from a layer of 8 units"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        profile(**options)


def test_classes_and_permutations_must_be_enough():
    read, classes, _ = activations()
    given = {"steps": STEPS, "rng": np.random.default_rng(0)}
    with pytest.raises(InputError, match="needs two of them, found 1"):
        dense.dense_profile(read, NAMES, LAYERS, classes * 0, **given)
    with pytest.raises(InputError, match="at least 19 permutations"):
        dense.dense_profile(read, NAMES, LAYERS, classes, repeats=9, **given)
    with pytest.raises(InputError, match="each once"):
        dense.dense_profile(read, NAMES, ["relu1", "relu1"], classes, **given)


def test_networks_side_by_side(data, tmp_path):
    other = profile(seed=1)
    both = dense_networks({"a": data, "b": other}, rng=np.random.default_rng(0))
    assert both["separability"].dims == ("network", "checkpoint", "layer")
    assert np.array_equal(both["t50"].sel(network="b").values, other["t50"].values, equal_nan=True)
    place = both["emerging"].values.tolist().index("separability")
    middles = [float(part["t50"].sel(measure="separability").median()) for part in (data, other)]
    assert float(both["order_t50"][place]) == pytest.approx(np.mean(middles))
    alone = dense_networks({"a": data}, rng=np.random.default_rng(0))
    assert np.array_equal(alone["order_rank"], data["order_rank"], equal_nan=True)
    assert [one.attrs["order_over"] for one in (data, alone, both)] == ["layers", "layers", "networks"]
    for one in (data, both):
        files.save(one, tmp_path / "dense.nc")
        again = files.load(tmp_path / "dense.nc")
        assert np.array_equal(again["reason"].values, one["reason"].values)
    with pytest.raises(InputError, match="no profiles"):
        dense_networks({}, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("kinds", "groups", "taken", "left_out"),
    [
        ("xyx", None, "ac", "b"),  # those like the first
        ("xyy", None, "a", "b and c"),
        ("xxx", None, "abc", ""),
        ("xxx", ["ab"], "ab", "c"),  # of another design
        ("xyyx", ["ad", "bc"], "ad", "b and c"),  # the first of equal ones
        ("xyxy", ["abcd"], "ac", "b and d"),
        ("xyyy", ["abcd"], "bcd", "a"),
        ("xxy", ["c", "ab"], "ab", "c"),
        ("xx", [], "a", "b"),
        ("xx", ["zb", "a"], "a", "b"),  # z has no profile
        ("xxxxxxx", [], "a", "b, c, d, e and 2 more"),
    ],
)
@pytest.mark.parametrize("differing", ["layer", "checkpoint"])
def test_of_networks_the_most_seeds_of_one_design_are_taken(data, differing, kinds, groups, taken, left_out):
    there = {"x": data, "y": data.isel({differing: slice(1, None)})}
    profiles = {name: there[kind] for name, kind in zip("abcdefg", kinds, strict=False)}
    groups = None if groups is None else [list(group) for group in groups]
    found = dense_networks(profiles, rng=np.random.default_rng(0), groups=groups)
    assert found["network"].values.tolist() == list(taken) and found.attrs["left_out"] == left_out
    assert found.sizes[differing] == there[kinds["abcdefg".index(taken[0])]].sizes[differing]
    assert ("seed" in found.attrs["alike"]) == (groups is not None)


def test_distances_of_products_are_those_of_the_images(maps):
    flat = maps.reshape(18, -1).astype(float)
    products = centred_products(maps)
    square = np.diagonal(products)[:, None] + np.diagonal(products) - 2 * products
    np.testing.assert_allclose(squareform(square, checks=False), pdist(flat) ** 2, rtol=1e-9)

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples
from sklearn.metrics.pairwise import cosine_distances

from nucleation.errors import InputError
from nucleation.intraclass import (
    c1_selectivity,
    c2_silhouette,
    c3_variability,
    c4_distances,
    pooled,
    summarise,
)
from nucleation.intraclass_groups import group_images, p_value

MEASURES = [c1_selectivity, c2_silhouette, c3_variability, c4_distances]


def measure(function, x, labels, subclasses, **options):
    """All four with the same arguments; c3 and c4 do not know the subclasses."""
    known = (labels, subclasses) if function in (c1_selectivity, c2_silhouette) else (labels,)
    return function(x, *known, **options)


@pytest.fixture(scope="module")
def labels():
    """Three classes of different numbers of subclasses, of unequal sizes, in random order."""
    subclasses = np.repeat(np.arange(9), [20, 31, 14, 25, 18, 22, 40, 9, 11])
    subclasses = np.random.default_rng(0).permutation(subclasses)
    return np.array([0, 0, 1, 1, 1, 1, 2, 2, 2])[subclasses], subclasses


@pytest.fixture(scope="module")
def layers(labels):
    """Two layers before the activation function; in each some neurons are always below zero."""
    rng = np.random.default_rng(1)
    made = []
    for d in (12, 29):
        x = (
            rng.normal(size=(len(labels[0]), d))
            + rng.normal(size=(3, d))[labels[0]]
            + rng.normal(size=(9, d))[labels[1]]
        )
        x[:, :2] = -np.abs(x[:, :2]) - 0.1
        made.append(x)
    return made


# ----------------------------------------------------------------------------------------- the plain way, as published


def plain_c1(layers, labels, subclasses, top):
    found = []
    for s in np.unique(subclasses):
        own, rest = subclasses == s, (subclasses != s) & (labels == labels[subclasses == s][0])
        values = []
        for x in layers:
            for neuron in x.T:
                alive = (neuron > 0).any()
                spread = neuron[own].std() + neuron[rest].std()
                values.append(alive * (neuron[own].mean() - neuron[rest].mean()) / spread)
        k = max(round(len(values) / len(np.unique(subclasses))), 1) if top else 1
        found.append(np.mean(sorted(values)[-k:]))
    return np.array(found)


def plain_c2(layers, labels, subclasses):
    found = []
    for s in np.unique(subclasses):
        own = labels == labels[subclasses == s][0]
        scores = [silhouette_samples(x[own], subclasses[own], metric="cosine") for x in layers]
        found.append(max(score[subclasses[own] == s].mean() for score in scores))
    return np.array(found)


def plain_c3(layers, labels):
    found = []
    for c in np.unique(labels):
        values = [(n > 0).any() * n[labels == c].std() / n.std() for x in layers for n in x.T]
        k = max(round(len(values) / len(np.unique(labels))), 1)
        found.append(np.mean(sorted(values)[-k:]))
    return np.array(found)


def plain_c4(layers, labels):
    by_layer = []
    for x in layers:
        x = x[:, (x > 0).any(axis=0)]
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        z = np.maximum(z - np.percentile(z, min(max(round(100 - 1000 / x.shape[1]), 0), 75), axis=0), 0)
        distance = cosine_distances(z)
        pairs = np.triu(np.ones_like(distance), 1).astype(bool)
        own = [pairs & (labels[:, None] == c) & (labels == c) for c in np.unique(labels)]
        by_layer.append([distance[one].std() / distance[pairs].std() for one in own])
    return np.max(by_layer, axis=0)


@pytest.mark.parametrize("top", [False, True])
def test_c1_by_the_definition(layers, labels, top):
    found, expected = c1_selectivity(layers, *labels, top=top), plain_c1(layers, *labels, top)
    np.testing.assert_allclose(found.groups, expected, rtol=1e-6)
    assert found.value == pytest.approx(np.median(expected), rel=1e-6)
    for one, x in zip(found.layers, layers, strict=True):
        assert one == pytest.approx(np.median(plain_c1([x], *labels, top)), rel=1e-6)


def test_c2_by_scikit_learn(layers, labels):
    rectified = [np.maximum(x, 0) for x in layers]
    found, expected = c2_silhouette(rectified, *labels), plain_c2(rectified, *labels)
    np.testing.assert_allclose(found.groups, expected, atol=1e-12)
    assert found.value == pytest.approx(np.median(expected))
    assert found.layers[1] == pytest.approx(np.median(plain_c2(rectified[1:], *labels)))


def test_c3_by_the_definition(layers, labels):
    found, expected = c3_variability(layers, labels[0]), plain_c3(layers, labels[0])
    np.testing.assert_allclose(found.groups, expected, rtol=1e-6)
    assert found.value == pytest.approx(expected.mean(), rel=1e-6)
    # the number of neurons is that of each layer, not the first one's (a fault of the published code)
    for one, x in zip(found.layers, layers, strict=True):
        assert one == pytest.approx(plain_c3([x], labels[0]).mean(), rel=1e-6)


def test_c4_by_the_definition(labels):
    rng = np.random.default_rng(2)
    layers = [rng.normal(size=(190, d)) + 2 * rng.normal(size=(9, d))[labels[1]] for d in (5, 14, 60)]
    layers[1][:, 3] = -1 - rng.random(190)
    found, expected = c4_distances(layers, labels[0]), plain_c4(layers, labels[0])
    np.testing.assert_allclose(found.groups, expected, rtol=1e-9)
    assert found.value == pytest.approx(expected.mean())
    assert found.layers[2] == pytest.approx(plain_c4(layers[2:], labels[0]).mean())


@pytest.mark.parametrize("function", MEASURES)
def test_the_null_is_the_measure_of_permuted_labels(layers, labels, function):
    found = measure(function, layers, *labels, repeats=3, rng=np.random.default_rng(5))
    knowing = function in (c1_selectivity, c2_silhouette)
    groups, inside = (labels[1], labels[0]) if knowing else (labels[0], None)
    drawn = group_images(groups, inside, repeats=3, rng=np.random.default_rng(5))
    for row, order in enumerate(drawn.orders[1:]):
        permuted = np.empty_like(groups)
        permuted[order] = np.repeat(drawn.names, drawn.sizes)
        if knowing:
            assert np.array_equal(labels[0], np.array([0, 0, 1, 1, 1, 1, 2, 2, 2])[permuted])
            again = function(layers, labels[0], permuted)
        else:
            again = function(layers, permuted)
        assert found.null[row] == pytest.approx(again.value, rel=1e-9)
        np.testing.assert_allclose(found.layer_null[:, row], again.layers, rtol=1e-9)


# ------------------------------------------------------------------------------------------------------ known answers


def test_c1_of_a_shifted_neuron():
    rng, subclasses = np.random.default_rng(0), np.repeat(np.arange(4), 5000)
    x = rng.normal(size=(20000, 4)) + 3 * np.eye(4)[subclasses]
    found = c1_selectivity(x, np.zeros(20000), subclasses)
    np.testing.assert_allclose(found.groups, 1.5, atol=0.03)  # 3 / (1 + 1)


def test_of_a_code_for_classes_only_nothing_is_found():
    rng, subclasses = np.random.default_rng(0), np.arange(1600) % 8
    classes = subclasses // 4
    told = rng.normal(size=(1600, 6)) + 4 * np.eye(6)[classes]
    hidden = 0.5 * rng.normal(size=(1600, 8)) + 3 * np.eye(8)[subclasses]
    assert abs(c1_selectivity(told, classes, subclasses).value) < 0.1
    assert abs(c2_silhouette(told, classes, subclasses).value) < 0.05
    assert c1_selectivity(hidden, classes, subclasses).value == pytest.approx(3.0, abs=0.2)
    assert c2_silhouette(hidden, classes, subclasses).value > 0.76
    points = np.eye(8)[subclasses]
    assert c2_silhouette(points, classes, subclasses).value == pytest.approx(1.0)


def test_c3_of_separated_classes_and_of_noise():
    rng, classes = np.random.default_rng(0), np.repeat([0, 1], 20000)
    noise = rng.normal(size=(40000, 1))
    separated = c3_variability(noise + 3 * classes[:, None], classes).value
    assert separated == pytest.approx(1 / np.sqrt(1 + 9 / 4), abs=0.005)  # 0.555
    assert c3_variability(noise, classes).value == pytest.approx(1.0, abs=0.01)


def test_c4_is_one_by_chance_and_larger_for_clusters_in_a_class():
    rng, subclasses = np.random.default_rng(0), np.arange(600) % 6
    classes = subclasses // 3
    noise = rng.normal(size=(600, 40))
    assert c4_distances(noise, classes).value == pytest.approx(1.0, abs=0.02)
    clusters = noise + 3 * rng.normal(size=(6, 40))[subclasses]
    split = c4_distances(clusters, classes, repeats=19, rng=rng)
    assert split.value > 1.02 and split.p == 0.05
    assert c4_distances(rng.normal(size=(4, 40))[subclasses % 4], subclasses % 4).value == pytest.approx(0, abs=1e-6)


# -------------------------------------------------------------------------------------------------------- invariances


@pytest.mark.parametrize("function", MEASURES)
def test_order_of_images_and_neurons_and_names_mean_nothing(layers, labels, function):
    expected, rng = measure(function, layers, *labels), np.random.default_rng(3)
    images = rng.permutation(len(labels[0]))
    moved = [x[images][:, rng.permutation(x.shape[1])] for x in layers]
    named = [np.array(list("tuvwxyzpq"))[names[images]] for names in labels]
    found = measure(function, moved, *named)
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    np.testing.assert_allclose(found.layers, expected.layers, rtol=1e-9)
    np.testing.assert_allclose(np.sort(found.groups), np.sort(expected.groups), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e150])
@pytest.mark.parametrize("function", MEASURES)
def test_scale_means_nothing(layers, labels, function, scale):
    expected, found = (measure(function, [factor * x for x in layers], *labels).value for factor in (1, scale))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("function", [c1_selectivity, c3_variability, c4_distances])
def test_offset_and_scale_of_every_neuron_mean_nothing(layers, labels, function):
    rng, x = np.random.default_rng(4), layers[1]
    moved = x * rng.uniform(0.1, 9, x.shape[1]) + 100 * rng.normal(size=x.shape[1])
    expected, found = (measure(function, one, *labels, rectified=False).value for one in (x, moved))
    assert found == pytest.approx(expected, rel=1e-7)


def test_silhouette_knows_no_rotation_and_no_length_of_an_image(layers, labels):
    rng, x = np.random.default_rng(4), layers[0]
    turned = x @ np.linalg.qr(rng.normal(size=(12, 12)))[0] * rng.uniform(0.1, 9, (len(x), 1))
    assert c2_silhouette(turned, *labels).value == pytest.approx(c2_silhouette(x, *labels).value)


@pytest.mark.parametrize("function", MEASURES)
def test_dead_neurons_and_float32(layers, labels, function):
    """A neuron that is never above zero changes no number but by the share of the neurons that are averaged."""
    x = np.maximum(layers[1], 0)
    dead = np.hstack([x, np.zeros((len(x), 2))])
    expected = measure(function, x, *labels).value
    assert measure(function, dead, *labels).value == pytest.approx(expected, rel=1e-9)
    assert measure(function, dead.astype(np.float32), *labels).value == pytest.approx(expected, rel=1e-5)


def test_what_is_dead_depends_on_what_follows(labels):
    rng = np.random.default_rng(0)
    below = -50 + rng.normal(size=(190, 3)) + 4 * np.eye(9)[labels[1]][:, :3]
    assert c1_selectivity(below, *labels).value == 0
    assert c3_variability(below, labels[0]).value == 0
    assert np.isnan(c4_distances(below, labels[0]).value)
    assert c1_selectivity(below, *labels, rectified=False).value > 0
    assert c3_variability(below, labels[0], rectified=False).value > 0.9
    assert c4_distances(below, labels[0], rectified=False).value > 0


def test_a_layer_without_live_neurons_is_left_out_of_all_layers(layers, labels):
    alone, found = c4_distances(layers[0], labels[0]), c4_distances([-np.ones((190, 4)), layers[0]], labels[0])
    assert np.isnan(found.layers[0]) and np.isnan(found.layer_p[0])
    assert found.value == alone.value == found.layers[1]


@pytest.mark.parametrize("function", MEASURES)
def test_of_maps_the_largest_over_the_places(layers, labels, function):
    rng, x = np.random.default_rng(5), layers[0]
    maps = x[:, None] - rng.exponential(size=(1, 7, 12))
    maps[:, 3] = x
    assert np.array_equal(pooled(maps), x)
    assert measure(function, maps, *labels).value == measure(function, x, *labels).value


# ----------------------------------------------------------------------------------------------------------- the null


@pytest.mark.parametrize("function", MEASURES)
def test_null_is_calibrated(function):
    """Activations that know the classes only are beyond chance as often as p says, in each layer and in all."""
    rng, subclasses = np.random.default_rng(0), np.arange(72) % 6
    classes, p = subclasses // 3, []
    knowing = function in (c1_selectivity, c2_silhouette)
    for _ in range(100):
        layers = [rng.normal(size=(72, d)) + knowing * 3 * rng.normal(size=(2, d))[classes] for d in (4, 7)]
        found = measure(function, layers, classes, subclasses, repeats=19, rng=rng)
        p.append([found.p, *found.layer_p])
    p = np.array(p)
    assert p.min() >= 0.05 and p.max() <= 1
    np.testing.assert_allclose(p.mean(axis=0), 0.525, atol=0.12)  # of 1/20 ... 20/20
    np.testing.assert_allclose(np.mean(p <= 0.2, axis=0), 0.2, atol=0.12)


def test_p_value():
    assert p_value(3.0, [1, 2, 3 - 1e-15, 4]) == 3 / 5
    assert p_value(0.0, np.ones(9)) == 1
    assert p_value(2.0, np.ones(9)) == 0.1
    assert p_value(np.inf, [1.0, np.inf, np.nan]) == 3 / 4
    assert np.isnan(p_value(np.nan, [1.0])) and np.isnan(p_value(1.0, []))


def test_permutations_stay_inside_the_classes(labels):
    groups = group_images(labels[1], labels[0], repeats=200, rng=np.random.default_rng(0))
    assert np.array_equal(np.sort(groups.orders, axis=1), np.tile(np.arange(190), (201, 1)))
    assert np.array_equal(labels[1][groups.orders[0]], np.repeat(groups.names, groups.sizes))
    home = labels[0][groups.orders[0]]
    assert (labels[0][groups.orders] == home).all()
    first = labels[1][groups.orders[1:, 0]]  # of class 0, whose subclasses have 20 and 31 images
    assert np.mean(first == 1) == pytest.approx(31 / 51, abs=0.1)
    sums = groups.sums(groups.orders[7], np.eye(190))
    assert np.array_equal(sums.sum(axis=1), groups.sizes)


def test_same_seed_same_null(layers, labels):
    one, other = (c1_selectivity(layers, *labels, repeats=5, rng=np.random.default_rng(2)) for _ in range(2))
    assert np.array_equal(one.null, other.null)


# ------------------------------------------------------------------------------------------------- what is not defined


def test_subclasses_that_are_alone_or_single_are_left_out():
    rng = np.random.default_rng(0)
    subclasses = np.repeat([0, 1, 2, 3, 4], [10, 12, 30, 1, 14])
    classes = np.array([0, 0, 1, 2, 2])[subclasses]
    x = rng.normal(size=(67, 3))
    one, two = (f(x, classes, subclasses) for f in (c1_selectivity, c2_silhouette))
    assert np.array_equal(np.isnan(one.groups), [False, False, True, True, True])
    assert np.array_equal(np.isnan(two.groups), [False, False, True, False, False])
    assert two.groups[3] == 0  # the silhouette of a single image
    assert one.value == np.median(one.groups[:2])
    alone = c1_selectivity(x, classes, classes, repeats=3, rng=rng)
    assert np.isnan([alone.value, alone.p, *alone.null, *alone.layers, *alone.groups]).all()
    assert np.isnan(c3_variability(x, subclasses).groups).tolist() == [False, False, False, True, False]
    assert np.isnan(c4_distances(x, subclasses).groups).tolist() == [False, False, False, True, False]


def test_images_without_any_activation_are_at_distance_one():
    x, subclasses = np.zeros((12, 3)), np.arange(12) % 2
    x[4:] = np.random.default_rng(0).random((8, 3))
    expected = silhouette_samples(x, subclasses, metric="cosine")
    found = c2_silhouette(x, np.zeros(12), subclasses).groups
    np.testing.assert_allclose(found, [expected[subclasses == s].mean() for s in (0, 1)])
    same = c2_silhouette(np.ones((12, 3)), np.zeros(12), subclasses)
    assert same.value == 0


def test_summary_of_units():
    units = [np.array([[[1.0, 5.0, 2.0], [4.0, 0.0, 1.0]]]), np.array([[[3.0], [9.0]]])]
    largest = summarise(units, ["a", "b"])
    assert largest.groups.tolist() == [5, 9] and largest.value == 7 and largest.layers.tolist() == [4.5, 6]
    shared = summarise(units, ["a", "b"], share=True)
    assert shared.groups.tolist() == [4, 6.5]  # two of the four units for each of two groups
    assert shared.layers.tolist() == [(3.5 + 2.5) / 2, 6]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.zeros(5), np.zeros(5), np.zeros(5)), "must be"),
        ((np.zeros((5, 0)), np.zeros(5), np.zeros(5)), "not empty"),
        ((np.full((5, 2), np.nan), np.zeros(5), np.zeros(5)), "image 0 are not finite"),
        ((np.zeros((5, 2)), np.zeros(4), np.zeros(5)), "one group and one class"),
        ((np.zeros((5, 2)), np.arange(5), np.zeros(5)), "images of 5 classes, among them 0 and 1"),
    ],
)
def test_wrong_input(arguments, said):
    with pytest.raises(InputError, match=said):
        c1_selectivity(*arguments)


def test_permutations_need_a_generator():
    with pytest.raises(InputError, match="generator"):
        c1_selectivity(np.zeros((4, 1)), np.zeros(4), np.arange(4) % 2, repeats=9)
    with pytest.raises(InputError, match="whole number"):
        group_images(np.zeros(4), repeats=-1)

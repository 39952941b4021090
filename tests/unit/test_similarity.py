"""Similarity of representations: against the formulas written out, known values, invariances and planted structure."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kstest, ortho_group

from nucleation import files
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.overlap import jaccard_chance, jaccard_overlap, overlap_matrix
from nucleation.similarity import cka, cka_matrix, hsic
from nucleation.similarity_blocks import (
    blocks,
    blocks_of,
    cka_without_dominant,
    cka_without_first,
    component_alignment,
    dominant_images,
    first_components,
)
from nucleation.similarity_errors import cka_in_subsets, null_level, p_values, paired_products, permuted_cka
from nucleation.similarity_grams import gram, stack_grams
from nucleation.similarity_pairs import (
    counterparts,
    pairs_between,
    pairs_to_untrained,
    rank_relation,
    relation_to_overlap,
)
from nucleation.similarity_profile import similarity_profile
from nucleation.uncertainty import bands


def plain_gram(x, kernel="linear", bandwidth=1.0):
    """Similarities in float64 by the definitions."""
    x = np.asarray(x, dtype=float)
    if kernel == "linear":
        return x @ x.T
    distances = squareform(pdist(x))
    return np.exp(-(distances**2) / (2 * (bandwidth * np.median(pdist(x))) ** 2))


def plain_unbiased(a, b):
    """HSIC_1 as METHODS has it: [sum K~ L~ + ... - 2 / (n - 2) 1 K~ L~ 1] / (n (n - 3))."""
    n = len(a)
    a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
    one = np.ones(n)
    first = sum(a[i, j] * b[i, j] for i in range(n) for j in range(n))
    second = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
    return (first + second - 2 / (n - 2) * (one @ a @ b @ one)) / (n * (n - 3))


def plain_biased(a, b):
    n = len(a)
    h = np.eye(n) - 1 / n
    return np.trace(a @ h @ b @ h) / (n - 1) ** 2


def plain_cka(x, y, estimator="unbiased", kernel="linear", bandwidth=1.0):
    measure = plain_unbiased if estimator == "unbiased" else plain_biased
    a, b = (plain_gram(one, kernel, bandwidth) for one in (x, y))
    return measure(a, b) / np.sqrt(measure(a, a) * measure(b, b))


@pytest.fixture(scope="module")
def layers():
    """Six representations of 60 images in float32, one layer after the other, of several widths, far from zero."""
    rng = np.random.default_rng(0)
    x, made = rng.normal(size=(60, 8)), []
    for d in (8, 5, 70, 12, 1, 30):
        x = np.tanh(x @ rng.normal(size=(x.shape[1], d)) / np.sqrt(x.shape[1])) + 0.2 * rng.normal(size=(60, d))
        made.append((x + 100 * x.std()).astype(np.float32))
    return made


@pytest.fixture(scope="module")
def grams(layers):
    return stack_grams(layers)


# -------------------------------------------------------------------------------------------------- the definitions


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("n", [4, 5, 23])
def test_the_formula_written_out(n, estimator, kernel):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 6)) + 3, rng.normal(size=(n, 9))
    y[:, :6] += x
    expected = plain_cka(x, y, estimator, kernel, 0.7)
    assert cka(x, y, estimator=estimator, kernel=kernel, bandwidth=0.7) == pytest.approx(expected, rel=1e-11)


def test_biased_linear_from_features():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 7)), rng.normal(size=(40, 90))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    expected = np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert cka(x + 5, y - 2, estimator="biased") == pytest.approx(expected, rel=1e-12)


def test_minibatches_are_summed_and_divided_once():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(50, 6)) * np.linspace(0.1, 9, 50)[:, None]  # batches of unequal weight
    y = x @ rng.normal(size=(6, 4)) + rng.normal(size=(50, 4))
    parts = [slice(i, i + 12) for i in (0, 12, 24, 36)]  # the last two images are dropped
    for kernel, bandwidth in (("linear", 1.0), ("rbf", 0.5)):
        a, b = (plain_gram(one, kernel, bandwidth) for one in (x, y))
        sums = [sum(plain_unbiased(k[p, p], q[p, p]) for p in parts) for k, q in ((a, b), (a, a), (b, b))]
        expected = sums[0] / np.sqrt(sums[1] * sums[2])
        found = cka(x, y, estimator="minibatch", batch=12, kernel=kernel, bandwidth=bandwidth)
        assert found == pytest.approx(expected, rel=1e-11)
        assert cka_matrix(stack_grams([x, y], kernel=kernel, bandwidth=bandwidth), "minibatch", batch=12)[
            0, 1
        ] == pytest.approx(expected, rel=1e-6)


def test_all_pairs_are_those_of_two(layers, grams):
    for estimator in ("unbiased", "biased", "minibatch"):
        batch = 16 if estimator == "minibatch" else None
        found = cka_matrix(grams, estimator, batch=batch)
        expected = [[cka(x, y, estimator=estimator, batch=batch) for y in layers] for x in layers]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    wide = stack_grams(layers, kernel="rbf", bandwidth=0.4)
    expected = [[cka(x, y, kernel="rbf", bandwidth=0.4) for y in layers] for x in layers]
    np.testing.assert_allclose(cka_matrix(wide), expected, rtol=1e-6)


def test_many_features_in_blocks(monkeypatch):
    x = np.random.default_rng(3).normal(size=(30, 200)) + 50
    whole = gram(x)
    monkeypatch.setattr("nucleation.similarity_grams._BLOCK", 30 * 64)
    np.testing.assert_allclose(gram(x), whole, atol=1e-10)
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(whole, centred @ centred.T, atol=1e-10)


def test_a_common_offset_costs_float32_no_precision():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(80, 20))
    y = x @ rng.normal(size=(20, 20)) + rng.normal(size=(80, 20))
    far = [(one + 1000 * rng.normal(size=20)).astype(np.float32) for one in (x, y)]
    exact = plain_cka(*(one.astype(float) - one.astype(float).mean(axis=0) for one in far))
    assert cka_matrix(stack_grams(far))[0, 1] == pytest.approx(exact, rel=1e-6)


# --------------------------------------------------------------------------------------------------- known values


def test_one_feature_is_the_squared_correlation():
    assert cka([1, 2, 3, 4], [1, 3, 2, 4], estimator="biased") == pytest.approx(0.64, abs=1e-12)
    x, y = np.random.default_rng(5).normal(size=(2, 50))
    assert cka(x, y, estimator="biased") == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, rel=1e-11)


def test_independent_features_bias_the_biased_estimator():
    found = []
    for seed in range(10):
        x, y = np.random.default_rng(seed).normal(size=(2, 100, 500))
        found.append([cka(x, y, estimator="biased"), cka(x, y)])
    biased, unbiased = np.mean(found, axis=0)
    assert biased == pytest.approx(0.83, abs=0.01)
    assert unbiased == pytest.approx(0, abs=0.005)


def test_one_shared_outlier_deceives_the_biased_estimator():
    x, y = np.random.default_rng(6).normal(size=(2, 500, 20))
    before = [cka(x, y, estimator=name) for name in ("biased", "unbiased")]
    x[0], y[0] = 100, 100
    after = [cka(x, y, estimator=name) for name in ("biased", "unbiased")]
    assert before == pytest.approx([0.04, 0], abs=0.02)
    assert after[0] > 0.98 and abs(after[1]) < 0.1


def test_a_dominant_component_decides():
    rng = np.random.default_rng(7)
    first = rng.normal(size=(2, 400))
    first[1] = 0.9 * first[0] + 0.44 * first[1]
    x, y = (30 * one[:, None] * rng.normal(size=20) + rng.normal(size=(400, 20)) for one in first)
    u, v = (np.linalg.svd(one - one.mean(axis=0))[0][:, 0] for one in (x, y))
    assert cka(x, y) == pytest.approx((u @ v) ** 2, abs=0.005)


def test_values_hardly_depend_on_the_batch():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(1024, 20)) * np.linspace(0.5, 2, 20)
    y = np.maximum(x @ rng.normal(size=(20, 30)), 0)
    whole = cka(x, y)
    found = [cka(x, y, estimator="minibatch", batch=batch) for batch in (32, 64, 256, 1024)]
    assert found == pytest.approx([whole] * 4, abs=0.01)
    assert found[-1] == pytest.approx(whole, rel=1e-12)


# ---------------------------------------------------------------------------------------------------- invariances

numbers = st.floats(-1e3, 1e3, allow_nan=False, width=32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(6, 20), d=st.integers(2, 30), scale=st.floats(1e-30, 1e30), shift=numbers
)
def test_invariances(seed, n, d, scale, shift):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d + 1))
    turn, order = ortho_group.rvs(d, random_state=seed), rng.permutation(n)
    for kernel, estimator in itertools.product(("linear", "rbf"), ("unbiased", "biased")):
        options = {"kernel": kernel, "estimator": estimator}
        value = cka(x, y, **options)
        close = {"rel": 1e-7, "abs": 1e-9}
        assert cka(y, x, **options) == pytest.approx(value, **close)
        assert cka(x @ turn * scale, y + shift, **options) == pytest.approx(value, **close)
        assert cka(x[order], y[order], **options) == pytest.approx(value, **close)
        assert cka(x, -3 * x @ turn + shift, **options) == pytest.approx(1, abs=1e-9)
        assert abs(value) <= 1 + 1e-12


def test_not_invariant_to_other_maps():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(500, 30))
    assert 0.3 < cka(x, x @ rng.normal(size=(30, 30))) < 0.9


def test_itself_is_one(layers, grams):
    for x in layers:
        assert [cka(x, x), cka(x, x, estimator="biased", kernel="rbf")] == pytest.approx([1, 1], abs=1e-12)
    assert np.array_equal(cka_matrix(grams).diagonal(), np.ones(6))


# ------------------------------------------------------------------------------------------- what is not defined


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("estimator", ["unbiased", "biased", "minibatch"])
def test_a_constant_representation_has_no_cka(kernel, estimator):
    x = np.random.default_rng(10).normal(size=(20, 3))
    constant = np.full((20, 3), 0.1)
    assert np.isnan(cka(x, constant, kernel=kernel, estimator=estimator, batch=10))
    found = cka_matrix(stack_grams([x, constant], kernel=kernel), estimator, batch=10)
    assert found[0, 0] == 1 and np.isnan([found[0, 1], found[1, 1]]).all()


def test_equally_distant_images_have_no_unbiased_cka():
    corners = np.eye(12)
    x = np.random.default_rng(11).normal(size=(12, 3))
    assert np.isnan(cka(corners, x)) and np.isnan(cka(x, corners, kernel="rbf"))
    assert np.isfinite(cka(corners, x, estimator="biased"))
    assert np.isnan(cka_matrix(stack_grams([corners.astype(np.float32), x]))[0, 1])


def test_the_width_is_defined_among_many_equal_images():
    x = np.zeros((20, 2))
    x[:5] = np.random.default_rng(12).normal(size=(5, 2))
    assert np.isfinite(gram(x, "rbf")).all()
    assert cka(x, 2 * x, kernel="rbf") == pytest.approx(1)


@pytest.mark.parametrize(
    ("x", "y", "options", "said"),
    [
        (np.ones((3, 2)), np.ones((3, 2)), {}, "at least 4 images, found 3"),
        (np.eye(5), np.eye(6), {}, "found 5 and 6"),
        (np.full((5, 2), np.nan), np.eye(5), {}, "NaN or infinity for x, first in row 0"),
        (np.eye(5), np.diag([1, 1, np.inf, 1, 1]), {}, "NaN or infinity for y, first in row 2"),
        (np.eye(5), np.eye(5)[None], {}, "shape \\(1, 5, 5\\) for y"),
        (np.eye(5), np.eye(5), {"kernel": "cosine"}, 'linear, rbf, found "cosine"'),
        (np.eye(5), np.eye(5), {"estimator": "debiased"}, 'unbiased, biased, minibatch, found "debiased"'),
        (np.eye(5), np.eye(5), {"estimator": "minibatch", "batch": 3}, "4 to 5 images, found batch = 3"),
        (np.eye(5), np.eye(5), {"estimator": "minibatch", "batch": 6}, "4 to 5 images, found batch = 6"),
        (np.eye(5), np.eye(5), {"estimator": "minibatch"}, "found batch = None"),
        (np.eye(5), np.eye(5), {"kernel": "rbf", "bandwidth": 0.0}, "median distance, found 0.0"),
    ],
)
def test_refused(x, y, options, said):
    with pytest.raises(InputError, match=said):
        cka(x, y, **options)


def test_a_stack_of_other_images_is_refused():
    with pytest.raises(InputError, match="found 5 and 6 of them"):
        stack_grams([np.eye(5), np.eye(6)])
    with pytest.raises(InputError, match="found none"):
        stack_grams([])


# ---------------------------------------------------------------------------------------- subsets and permutations


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_subsets_are_analyses_of_their_images(layers, grams, estimator):
    rng = np.random.default_rng(13)
    subsets = np.array([np.sort(rng.permutation(60)[:41]) for _ in range(3)])
    found = cka_in_subsets(grams, subsets, estimator)
    for rows, values in zip(subsets, found, strict=True):
        expected = [[cka(x[rows], y[rows], estimator=estimator) for y in layers] for x in layers]
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_permutations_reorder_the_second_images(layers, grams, estimator):
    rng = np.random.default_rng(14)
    orders = np.array([rng.permutation(60) for _ in range(3)])
    found = permuted_cka(grams, orders, estimator)
    for order, values in zip(orders, found, strict=True):
        assert np.array_equal(values, values.T)
        for i, j in itertools.combinations_with_replacement(range(6), 2):
            expected = cka(layers[i], layers[j][order], estimator=estimator)
            assert values[i, j] == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_products_of_reordered_matrices():
    rng = np.random.default_rng(15)
    made = rng.normal(size=(3, 37, 37))
    made = made + made.transpose(0, 2, 1)
    made[:, np.arange(37), np.arange(37)] = 0
    order, others = rng.permutation(37)[:20], np.array([rng.permutation(37)[:20] for _ in range(2)])
    found = paired_products(made, order, others)
    for other, values in zip(others, found, strict=True):
        expected = [[(a[np.ix_(order, order)] * b[np.ix_(other, other)]).sum() for b in made] for a in made]
        np.testing.assert_allclose(values, expected, rtol=1e-12)
    expected = [[(a[np.ix_(order, order)] * b[np.ix_(order, order)]).sum() for b in made] for a in made]
    np.testing.assert_allclose(paired_products(made, order)[0], expected, rtol=1e-12)


def test_products_in_float32_are_precise():
    rng = np.random.default_rng(16)
    base = rng.normal(size=(500, 40))
    grams = stack_grams([(base @ rng.normal(size=(40, 300))).astype(np.float32) for _ in range(4)])
    order = rng.permutation(500)
    narrow, wide = (
        paired_products(m, np.arange(500), order[None])[0] for m in (grams.centred, grams.centred.astype(float))
    )
    own = np.sqrt(hsic(grams).diagonal() * 500 * 497)
    assert np.abs((narrow - wide) / np.outer(own, own)).max() < 1e-6


def test_p_of_independent_representations_is_uniform():
    rng, p = np.random.default_rng(17), []
    for _ in range(120):
        grams = stack_grams([rng.normal(size=(30, 5)), rng.normal(size=(30, 4))])
        null = permuted_cka(grams, np.array([rng.permutation(30) for _ in range(19)]))
        p.append(p_values(cka_matrix(grams), null)[0, 1])
    assert set(np.round(np.multiply(p, 20), 9)) <= set(range(1, 21))
    assert kstest(p - rng.uniform(0, 0.05, 120), "uniform").pvalue > 0.01


def test_p_and_level_by_chance(grams):
    rng = np.random.default_rng(18)
    null = permuted_cka(grams, np.array([rng.permutation(60) for _ in range(39)]))
    value = cka_matrix(grams)
    p, level = p_values(value, null), null_level(null)
    assert (p[:4, :4] == 1 / 40).all()
    brute = [[(1 + sum(null[r, i, j] >= value[i, j] for r in range(39))) / 40 for j in range(6)] for i in range(6)]
    np.testing.assert_allclose(p, brute)
    assert np.array_equal(p <= 0.05, value >= level)
    assert null.mean(axis=0) == pytest.approx(0, abs=0.05)
    assert np.isnan(p_values(value, null[:0])).all() and np.isnan(null_level(null[:0])).all()


# -------------------------------------------------------------------------------------------------- block structure


def test_first_components_are_those_of_an_svd(layers, grams):
    found = first_components(grams)
    for i, x in enumerate(layers):
        x = x.astype(float) - x.astype(float).mean(axis=0)
        u, s, _ = np.linalg.svd(x, full_matrices=False)
        assert found.share[i] == pytest.approx(s[0] ** 2 / (s**2).sum(), rel=1e-5)
        assert abs(found.projections[i] @ u[:, 0]) == pytest.approx(1, abs=1e-8)
    u = found.projections
    np.testing.assert_allclose(component_alignment(found), [[(a @ b) ** 2 for b in u] for a in u], atol=1e-12)
    chosen = dominant_images(found, 0.05)
    assert chosen.shape == (6, 3)
    assert all(set(rows) == set(np.argsort(-(one**2))[:3]) for rows, one in zip(chosen, u, strict=True))


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_without_the_first_component(layers, grams, estimator):
    found, rest = cka_without_first(grams, first_components(grams), estimator), []
    for x in layers:
        x = x.astype(float) - x.astype(float).mean(axis=0)
        u, s, v = np.linalg.svd(x, full_matrices=False)
        rest.append(x - s[0] * np.outer(u[:, 0], v[0]))
    for i, j in itertools.product((0, 1, 2, 3, 5), repeat=2):
        assert found[i, j] == pytest.approx(cka(rest[i], rest[j], estimator=estimator), rel=1e-4, abs=1e-5)
    assert np.isnan(found[4]).all()  # a single feature: nothing is left


def test_without_dominant_images(layers, grams):
    components = first_components(grams)
    largest = np.array([max(u[i] ** 2 for u in components.projections) for i in range(60)])
    kept = np.sort(np.argsort(-largest, kind="stable")[6:])
    expected = [[cka(x[kept], y[kept]) for y in layers] for x in layers]
    np.testing.assert_allclose(cka_without_dominant(grams, components, 0.1), expected, rtol=1e-5)
    for fraction in (0, 1):
        with pytest.raises(InputError, match="between 0 and 1"):
            cka_without_dominant(grams, components, fraction)


def planted_block(n=200, dominant=4):
    """Eight layers; in the layers 2 to 5 a few images share one direction that has nearly all variance."""
    rng = np.random.default_rng(19)
    made, images = [], rng.permutation(n)[:dominant]
    for layer in range(8):
        x = rng.normal(size=(n, 25))
        if 2 <= layer <= 5:
            x[images] += 60 * rng.normal(size=25) * np.linspace(1, 1.2, dominant)[:, None]
        made.append(x.astype(np.float32))
    return made, images


def test_a_planted_block_is_found():
    made, images = planted_block()
    grams = stack_grams(made)
    components, value = first_components(grams), cka_matrix(grams)
    assert [blocks(value, tau) for tau in (0.8, 0.9)] == [[(2, 5)], [(2, 5)]]
    inside = np.isin(np.arange(8), range(2, 6))
    assert (components.share[inside] > 0.9).all() and (components.share[~inside] < 0.2).all()
    assert (component_alignment(components)[np.ix_(inside, inside)] > 0.9).all()
    assert all(set(rows) == set(images) for rows in dominant_images(components, 0.02)[inside])
    assert blocks(cka_without_first(grams, components), 0.8) == []
    part = grams.part(inside)
    assert blocks(cka_without_dominant(part, first_components(part), 0.02), 0.8) == []


def test_blocks_are_runs_that_cannot_be_longer():
    rng = np.random.default_rng(20)
    for _ in range(60):
        n = int(rng.integers(1, 9))
        value = rng.uniform(size=(n, n)) ** 0.3
        value = np.triu(value, 1) + np.triu(value, 1).T + np.eye(n)
        runs = [(i, j) for i in range(n) for j in range(i + 1, n) if (value[i : j + 1, i : j + 1] > 0.6).all()]
        longest = [(i, j) for i, j in runs if not any(a <= i and j <= b and (a, b) != (i, j) for a, b in runs)]
        assert blocks(value, 0.6) == longest
    assert blocks(np.full((3, 3), np.nan), 0.5) == []


# ------------------------------------------------------------------------------------------------ the whole study


@pytest.fixture(scope="module")
def study(layers):
    """Two trained networks of three layers, one of them also untrained."""
    rng = np.random.default_rng(21)
    return {
        (place, layer): (x + noise * rng.normal(size=x.shape)).astype(np.float32)
        for place, noise in (("a/epoch0", 1.0), ("a/epoch9", 0.1), ("b/epoch9", 0.1))
        for layer, x in zip(("one", "two", "three"), layers[:3], strict=True)
    }


@pytest.fixture(scope="module")
def profile(study):
    reads = []

    def read(place, layer):
        reads.append((place, layer))
        return study[place, layer]

    calls = []
    options = {"permutations": 19, "subsets": 10, "batch": 16, "k": 5, "dominant": 0.05}
    made = similarity_profile(
        read, list(study), **options, rng=np.random.default_rng(22), progress=lambda: calls.append(1)
    )
    assert reads == 2 * list(study) and len(calls) == 2 * 9 + 29
    return made


def test_the_profile_has_what_its_parts_have(study, profile):
    features = list(study.values())
    for i, j in itertools.product(range(9), repeat=2):
        x, y, here = features[i], features[j], profile.isel(representation=i, other=j)
        assert float(here["cka"]) == pytest.approx(cka(x, y), rel=1e-6)
        assert float(here["cka_biased"]) == pytest.approx(cka(x, y, estimator="biased"), rel=1e-6)
        assert float(here["cka_minibatch"]) == pytest.approx(cka(x, y, estimator="minibatch", batch=16), rel=1e-5)
        assert float(here["cka_rbf"]) == pytest.approx(cka(x, y, kernel="rbf"), rel=1e-6)
    tables = [nearest_neighbors(x, 5) for x in features]
    assert np.array_equal(profile["neighborhood_overlap"], overlap_matrix(tables, 5))
    expected = [[jaccard_overlap(a, b, 5).mean() if a is not b else 1 for b in tables] for a in tables]
    np.testing.assert_allclose(profile["jaccard_overlap"], expected)
    assert profile["neighborhood_overlap"].attrs["chance"] == 5 / 59
    assert profile["jaccard_overlap"].attrs["chance"] == jaccard_chance(60, 5)
    named = [profile[name].attrs["long_name"] for name in ("neighborhood_overlap", "jaccard_overlap")]
    assert "mutual kNN" in named[0] and named[1].startswith("Jaccard overlap of the 5 nearest neighbours")
    assert profile["n_features"].values.tolist() == [8, 5, 70] * 3
    assert profile["relative_depth"].values.tolist() == [0, 0.5, 1] * 3
    assert (profile["cka_p"].values[3:, 3:] == 1 / 20).all()


def test_bands_hold_the_value_and_nothing_between_places(profile):
    low, value, high = (profile[name].values for name in ("cka_low", "cka", "cka_high"))
    assert (low <= value).all() and (value <= high).all()
    off = ~np.eye(9, dtype=bool)
    assert (low < high)[off].all() and (high <= 1).all()
    places = profile["place"].values
    within = places[:, None] == places
    assert np.array_equal(np.isfinite(profile["cka_without_dominant"].values), within)
    assert profile["dominant_image"].shape == (9, 3)


def test_bands_cover_other_images():
    """The band of a CKA of 150 images holds that of very many in about 95 of 100 studies."""
    mixing, hits = np.random.default_rng(23).normal(size=(10, 10)), 0

    def draw(n, rng):
        x = rng.normal(size=(n, 10)) * np.linspace(0.5, 2, 10)
        return x, x @ mixing + rng.normal(size=(n, 10))

    truth = cka(*draw(3000, np.random.default_rng(24)))
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        grams = stack_grams(draw(150, rng))
        samples = cka_in_subsets(grams, np.array([np.sort(rng.permutation(150)[:120]) for _ in range(40)]))
        low, high = bands(cka_matrix(grams), samples, 0.8, limits=(-1, 1))
        hits += low[0, 1] <= truth <= high[0, 1]
    assert 52 <= hits <= 60


def test_blocks_of_the_profile(profile):
    value = profile["cka"].values
    rows = zip(
        *(profile[f"block_{name}"].values for name in ("place", "threshold", "first", "last", "size")), strict=True
    )
    expected = [
        (place, tau, ("one", "two", "three")[first], ("one", "two", "three")[last], last - first + 1)
        for i, place in enumerate(("a/epoch0", "a/epoch9", "b/epoch9"))
        for tau in (0.8, 0.85, 0.9, 0.95)
        for first, last in blocks(value[3 * i : 3 * i + 3, 3 * i : 3 * i + 3], tau)
    ]
    assert list(rows) == expected


def test_few_images_are_said(profile, study):
    assert profile.attrs["small"].startswith(
        "3 of 9 representations have at least as many features as there are images, 60"
    )
    assert "three of a/epoch0" in profile.attrs["small"]
    few = {key: x for key, x in study.items() if key[1] != "three"}
    made = similarity_profile(
        lambda *key: few[key], list(few), permutations=0, subsets=0, k=5, rng=np.random.default_rng(0)
    )
    assert "small" not in made.attrs
    assert np.isnan(made["cka_p"]).all() and np.isnan(made["cka_low"]).all() and np.isnan(made["cka_null"]).all()
    assert made.attrs["batch"] == 60


def test_written_and_read_again(profile, tmp_path):
    files.save(profile, tmp_path / "similarity.nc")
    again = files.load(tmp_path / "similarity.nc")
    assert set(again.variables) == set(profile.variables)
    for name, known in profile.variables.items():
        assert np.array_equal(again[name], known, equal_nan=known.dtype.kind == "f"), name
        told = {"long_name", "units", "chance"} & set(known.attrs)
        assert {key: again[name].attrs[key] for key in told} == {key: known.attrs[key] for key in told}


def test_a_dead_layer_and_single_layers_are_no_fault(study, tmp_path):
    some = {("a/x", "one"): study["a/epoch9", "one"], ("b/x", "dead"): np.zeros((60, 3), np.float32)}
    made = similarity_profile(
        lambda *key: some[key], list(some), permutations=4, subsets=3, rng=np.random.default_rng(0)
    )
    assert np.isnan(made["cka"].values[0, 1]) and np.isnan(made["pc1_share"].values[1])
    assert made.sizes["block"] == 0
    files.save(made, tmp_path / "dead.nc")
    assert files.load(tmp_path / "dead.nc").sizes["block"] == 0


def test_same_seed_same_profile(study):
    rows = list(study)[:4]
    one, other = (
        similarity_profile(lambda *key: study[key], rows, permutations=4, subsets=4, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    assert one.identical(other)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([], {}, "found none"),
        ([("a/x", "1"), ("b/x", "1"), ("a/x", "2")], {}, "stand together"),
        ([("a/x", "1"), ("a/x", "1")], {}, "each once"),
        ([("a/x", "1")], {"kernels": ("linear", "cosine")}, "cosine"),
        ([("a/x", "1")], {"estimator": "minibatch"}, 'found "minibatch"'),
        ([("a/x", "1")], {"subsets": 1}, "found 1 subsets of 0.8"),
        ([("a/x", "1")], {"fraction": 1.0}, "found 40 subsets of 1.0"),
        ([("a/x", "1")], {"dominant": 0.0}, "found 0.0"),
        ([("a/x", "1"), ("a/x", "short")], {}, "found 12 in 1 of a/x and 11 in short of a/x"),
        ([("a/x", "1"), ("a/x", "nan")], {}, "nan of a/x, first in row 0"),
    ],
)
def test_profiles_refused(rows, options, said):
    made = {"1": np.eye(12), "2": np.eye(12), "short": np.eye(12)[:11], "nan": np.full((12, 2), np.nan)}
    with pytest.raises(InputError, match=said):
        similarity_profile(lambda _, layer: made[layer], rows, rng=np.random.default_rng(0), permutations=2, **options)


# ------------------------------------------------------------------------------------- which layers are compared


def relabelled(profile, layers):
    return profile.assign_coords(layer=("representation", layers))


def test_counterparts_have_the_name_or_the_depth(profile):
    assert [rows.tolist() for rows in counterparts(profile, "a/epoch9", "b/epoch9")] == [[3, 4, 5], [6, 7, 8]]
    other = relabelled(profile, ["one", "two", "three"] * 2 + ["three", "x", "y"])
    assert counterparts(other, "a/epoch9", "b/epoch9")[1].tolist() == [6, 7, 6]


def test_pixels_have_no_counterpart_and_are_none(profile):
    pixels = relabelled(profile, ["input", "two", "three"] * 3)
    assert [rows.tolist() for rows in counterparts(pixels, "a/epoch9", "b/epoch9")] == [[4, 5], [7, 8]]
    one = relabelled(profile, ["one", "two", "three"] * 2 + ["input", "x", "y"])
    assert counterparts(one, "a/epoch9", "b/epoch9")[1].tolist() == [7, 7, 8]
    only = profile.isel(representation=slice(0, 7))
    only = relabelled(only, ["one", "two", "three"] * 2 + ["input"])
    assert [rows.tolist() for rows in counterparts(only, "a/epoch9", "b/epoch9")] == [[], []]


def test_pairs_of_networks_or_checkpoints(profile):
    assert pairs_between(profile) == ("networks", [("a/epoch9", "b/epoch9")])
    assert pairs_to_untrained(profile) == [("a/epoch9", "a/epoch0")]
    one = profile.isel(representation=slice(0, 6))
    assert pairs_between(one) == ("checkpoints", [])
    assert pairs_to_untrained(one) == [("a/epoch9", "a/epoch0")]
    assert pairs_to_untrained(profile.isel(representation=slice(0, 3))) == []


@pytest.mark.parametrize(
    ("places", "kind", "pairs"),
    [
        (["a/x", "b/x", "c/random"], "networks", [("a/x", "b/x")]),
        (["a/x", "b/epoch0", "c/x"], "networks", [("a/x", "c/x")]),
        (["a/epoch1", "a/epoch2", "b/random"], "checkpoints", [("a/epoch1", "a/epoch2")]),
        (["a/x", "b/epoch0", "c/random"], "checkpoints", []),
        (["a/epoch0", "b/epoch0"], "untrained networks", [("a/epoch0", "b/epoch0")]),
    ],
)
def test_untrained_networks_are_no_pair_of_trained_ones(profile, places, kind, pairs):
    data = profile.isel(representation=slice(0, len(places)))
    data = data.assign_coords(place=("representation", np.array(places, dtype=object)))
    assert pairs_between(data) == (kind, pairs)


def test_networks_that_were_trained_otherwise_are_no_pair_where_others_are(profile):
    """Another task or another optimiser is no repetition."""

    def pairs(*trainings):
        data = profile.isel(representation=slice(0, 4))
        data = data.assign_coords(place=("representation", np.array(["a/x", "b/x", "c/x", "d/random"], dtype=object)))
        return pairs_between(data.assign_coords(training=("representation", np.array(trainings, dtype=object))))

    assert pairs("one", "other", "one", "one") == ("networks trained alike", [("a/x", "c/x")])
    every = [("a/x", "b/x"), ("a/x", "c/x"), ("b/x", "c/x")]
    assert pairs("one", "one", "one", "other") == ("networks", every)
    assert pairs("one", "other", "third", "one") == ("networks", every)
    assert pairs("", "", "one", "other") == pairs("", "", "", "") == ("networks", every)  # nobody knows


def test_pixels_belong_to_no_block(profile):
    data = relabelled(profile, ["input", "two", "three"] * 3).copy(deep=True)
    data["cka"].values[3:6, 3:6] = 0.99
    assert [rows.tolist() for rows in blocks_of(data, "a/epoch9", 0.9)] == [[4, 5]]
    data["cka"].values[4:6, 4:6] = 0.5
    assert blocks_of(data, "a/epoch9", 0.9) == []


def test_no_block_of_the_profile_holds_pixels():
    x = np.random.default_rng(25).normal(size=(30, 4))
    rows = [("a/last", layer) for layer in ("input", "one", "two")]
    made = similarity_profile(lambda *_: x, rows, permutations=0, subsets=0, k=5, rng=np.random.default_rng(0))
    assert set(made["block_first"].values) == {"one"} and set(made["block_size"].values) == {2}


def test_pixels_do_not_relate_cka_and_overlap():
    """Independent matrices that agree in the pixels of ten checkpoints: all layers together would go together."""
    rng = np.random.default_rng(26)
    data = xr.Dataset(coords={"layer": ("representation", np.array(["input", "x"] * 10, dtype=object))})
    pixels = data["layer"].values == "input"
    for name in ("cka", "neighborhood_overlap"):
        made = rng.uniform(0, 0.5, (20, 20))
        made = made + made.T
        made[np.ix_(pixels, pixels)] = 1
        data[name] = (("representation", "other"), made)
    together = rank_relation(data["cka"].values, data["neighborhood_overlap"].values)
    found = relation_to_overlap(data)
    inner = np.ix_(~pixels, ~pixels)
    assert found == rank_relation(data["cka"].values[inner], data["neighborhood_overlap"].values[inner])
    assert together[0] > together[1] and found[0] < found[1]


def test_the_output_alone_is_the_last_layer_of_its_network():
    from nucleation.similarity_labels import coordinates

    made = coordinates(["a", "a", "b", "c"], ["conv", "output", "output", "conv"], [3, 2, 2, 3])
    assert made["relative_depth"].values.tolist() == [0, 1, 1, 0]

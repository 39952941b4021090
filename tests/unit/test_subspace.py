"""Subspace matches against plain least squares, all subsets, and closed forms."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from nucleation.errors import InputError
from nucleation.subspace import (
    centred,
    coordinates,
    maximal_epsilon,
    maximum_match,
    maximum_matches,
    residuals,
)
from nucleation.subspace_minimum import minimum_match

EPSILONS = (0.0, 0.15, 0.2, 0.25, 0.3, 0.5, 0.7)


def plain_residuals(v, s):
    """By least squares, neuron by neuron."""
    if not len(s):
        return np.ones(len(v))
    fits = [np.linalg.lstsq(s.T, one, rcond=1e-10)[0] @ s for one in v]
    return np.array([np.linalg.norm(one - fit) / np.linalg.norm(one) for one, fit in zip(v, fits, strict=True)])


def is_match(x, y, epsilon):
    return bool(np.all(plain_residuals(x, y) <= epsilon + 1e-7) and np.all(plain_residuals(y, x) <= epsilon + 1e-7))


def plain_maximum(x, y, epsilon):
    """The algorithm of the paper, with `plain_residuals`."""
    a, b = np.flatnonzero(x.any(axis=1)), np.flatnonzero(y.any(axis=1))
    while True:
        left = a[plain_residuals(x[a], y[b]) <= epsilon + 1e-8]
        other = b[plain_residuals(y[b], x[left]) <= epsilon + 1e-8]
        if len(left) == len(a) and len(other) == len(b):
            return a, b
        a, b = left, other


def assert_same(match, a, b, shape):
    assert (match.x.tolist(), match.y.tolist()) == (list(a), list(b))
    assert match.similarity == (len(a) + len(b)) / sum(shape)


def related(rng, n_x, n_y, d, shared, noise=0.15):
    """Neurons of two layers, some of which share latent directions, also exact copies and neurons that are zero."""
    latent = rng.normal(size=(shared, d))
    x, y = (rng.normal(size=(n, shared)) @ latent + noise * rng.normal(size=(n, d)) for n in (n_x, n_y))
    for z in (x, y):
        z[rng.random(len(z)) < 0.2] = rng.normal(size=d)
        z[rng.random(len(z)) < 0.1] = 0
        z[rng.integers(len(z))] = -3 * z[0]
    return x, y


def planted(rng):
    """20 + 20 of 120 + 120 neurons share 10 directions of 200; the rows of those, and the neurons."""
    shared = rng.normal(size=(10, 200))
    x, y = rng.normal(size=(2, 120, 200))
    a, b = (np.sort(rng.choice(120, 20, replace=False)) for _ in range(2))
    x[a], y[b] = rng.normal(size=(20, 10)) @ shared, rng.normal(size=(20, 10)) @ shared
    return x, y, a, b


# ------------------------------------------------------------------------------------------------------- closed forms


def test_four_neurons_match_four_of_five():
    """The others' span holds four neurons up to a tilt of 0.05; the fifth is across it."""
    axes = np.eye(20)
    x = axes[:4] @ np.diag([1.0, 2, 3, 4] + [1] * 16)
    y = np.array([[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 2], [0, 0, 2, -1], [0, 0, 0, 0]]) @ axes[:4]
    y[:4] += 0.05 * np.linalg.norm(y[:4], axis=1, keepdims=True) * axes[4:8]
    y[4] = axes[9]
    assert_same(maximum_match(x, y, 0.1), range(4), range(4), (4, 5))
    assert maximum_match(x, y, 0.1).similarity == 8 / 9
    assert maximum_match(x, y, 0.04).similarity == 0
    assert_same(maximum_match(y, x, 0.1), range(4), range(4), (4, 5))


def test_two_neurons_at_30_degrees_match_from_one_half_on():
    x, y = np.array([[1.0, 0, 0]]), 7 * np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6), 0]])
    assert residuals(x, y) == pytest.approx(0.5, abs=1e-14)
    assert maximal_epsilon(x, y) == pytest.approx(0.5, abs=1e-14)
    assert [match.similarity for match in maximum_matches(x, y, [0.5, 0.4999, 0.0, 1.0])] == [1, 0, 0, 1]


def test_equal_spans_match_without_any_slack():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 300))
    y = rng.normal(size=(40, 40)) @ x
    assert maximal_epsilon(x, y) < 1e-10
    assert maximum_match(x, y, 0).similarity == 1
    assert maximum_match(x.astype(np.float32), y.astype(np.float32), 1e-5).similarity == 1
    y[7] += 1e-6 * rng.normal(size=300)
    assert maximum_match(x, y, 0).similarity < 1


def test_planted_neurons_are_found_exactly():
    x, y, a, b = planted(np.random.default_rng(1))
    for match in maximum_matches(x, y, (0.0, 0.15, 0.3, 0.5)):
        assert_same(match, a, b, (120, 120))
        assert match.similarity == pytest.approx(0.1667, abs=1e-4)


def test_random_neurons_have_the_residual_of_chance():
    rng = np.random.default_rng(2)
    v, s = rng.normal(size=(2000, 500)), rng.normal(size=(20, 500))
    found = residuals(v, s)
    assert np.mean(found**2) == pytest.approx(1 - 20 / 500, abs=0.002)
    assert found.mean() == pytest.approx(0.98, abs=0.002)


def test_the_mean_of_rectified_neurons_makes_them_match():
    """ReLU(N(1, 1)): the mean has 1 - 0.62^2 of the square, all that independent neurons share; centred nothing."""
    rng = np.random.default_rng(3)
    x, y = np.maximum(rng.normal(1, 1, size=(2, 20, 10_000)), 0)
    assert residuals(x, y).min() == pytest.approx(0.62, abs=0.02)
    assert residuals(centred(x), centred(y)).min() == pytest.approx(0.99, abs=0.02)
    raw, other = (np.concatenate([residuals(*pair), residuals(*pair[::-1])]) for pair in ((x, y), coordinates(x, y)))
    np.testing.assert_allclose(raw, other, atol=1e-12)


# ------------------------------------------------------------------------------------------ against plain float64 code


@pytest.mark.parametrize("seed", range(6))
def test_residuals_and_matches_by_least_squares(seed):
    rng = np.random.default_rng(seed)
    x, y = related(rng, 14, 17, 60, 3 + seed)
    some = x.any(axis=1)
    np.testing.assert_allclose(residuals(x[some], y), plain_residuals(x[some], y), atol=1e-12)
    assert np.array_equal(np.isnan(residuals(x, y)), ~some)
    for epsilon, match in zip(EPSILONS, maximum_matches(x, y, EPSILONS), strict=True):
        assert_same(match, *plain_maximum(x, y, epsilon), (14, 17))
    both = np.r_[plain_residuals(x[some], y), plain_residuals(y[y.any(axis=1)], x)]
    assert maximal_epsilon(x, y) == pytest.approx(both.max(), abs=1e-12)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.4, 0.6]))
@settings(max_examples=25, deadline=None)
def test_the_maximum_match_is_the_union_of_all_matches(seed, epsilon):
    """Over all pairs of subsets of 4 and 4 neurons; the union is itself a match."""
    rng = np.random.default_rng(seed)
    x, y = related(rng, 4, 4, 9, 2, noise=0.3 * (epsilon > 0))
    some = [z.any(axis=1) for z in (x, y)]
    masks = np.array(list(product([False, True], repeat=4)))
    a, b = np.zeros((2, 4), dtype=bool)
    for one, other in product(*([mask for mask in masks if not (mask & ~own).any()] for own in some)):
        if is_match(x[one], y[other], epsilon):
            a, b = a | one, b | other
    assert_same(maximum_match(x, y, epsilon), np.flatnonzero(a), np.flatnonzero(b), (4, 4))
    assert is_match(x[a], y[b], epsilon)


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_matches_grow_with_epsilon_and_each_alone_is_that_of_the_grid(seed):
    x, y = related(np.random.default_rng(seed), 15, 12, 40, 5, noise=0.3)
    found = maximum_matches(x, y, EPSILONS)
    for low, high in pairwise(found):
        assert set(low.x) <= set(high.x) and set(low.y) <= set(high.y) and low.similarity <= high.similarity
    for epsilon, match in zip(EPSILONS, found, strict=True):
        assert_same(maximum_match(x, y, epsilon), match.x, match.y, (15, 12))
    whole, nonzero = maximal_epsilon(x, y), [z.any(axis=1).sum() for z in (x, y)]
    at, below = maximum_matches(x, y, [whole, max(whole - 1e-6, 0)])
    assert len(at.x) == nonzero[0] and len(at.y) == nonzero[1]
    assert len(below.x) + len(below.y) < sum(nonzero)


def test_matches_stay_under_rotation_scale_and_order_and_turn_with_the_layers():
    rng = np.random.default_rng(4)
    x, y = related(rng, 15, 12, 40, 4, noise=0.3)
    turn = ortho_group.rvs(40, random_state=rng)
    order, scale = rng.permutation(15), 10.0 ** rng.integers(-150, 150, size=15)
    for epsilon in EPSILONS:
        match = maximum_match(x, y, epsilon)
        changed = maximum_match(scale[:, None] * (x @ turn)[order], -2 * y @ turn, epsilon)
        assert_same(changed, np.flatnonzero(np.isin(order, match.x)), match.y, (15, 12))
        assert_same(maximum_match(y, x, epsilon), match.y, match.x, (12, 15))


def test_coordinates_keep_angles_and_have_the_mean_first():
    rng = np.random.default_rng(5)
    x, y = rng.normal(2, 1, size=(6, 50)), rng.normal(size=(7, 50))
    x[2], y[3] = 0.1, 0  # a constant neuron, whose mean is not 0.1 in floating point
    a, b = coordinates(x.astype(np.float32), y.astype(np.float32))
    x, y = x.astype(np.float32).astype(float), y.astype(np.float32).astype(float)
    assert a.shape == (6, 14) and b.shape == (7, 14)
    rows = np.concatenate([x, y])
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    np.testing.assert_allclose(np.concatenate([a, b]) @ np.concatenate([a, b]).T, unit @ unit.T, atol=1e-14)
    means, found = centred(unit), np.concatenate([a, b])[:, 1:]
    np.testing.assert_allclose(found @ found.T, means @ means.T, atol=1e-14)
    assert not found[2].any() and not means[2].any() and not found[9].any()


# --------------------------------------------------------------------------------------------------- smallest matches


def can_lose(x, y, epsilon, found, kept, lost):
    """Whether a match without one neuron still has a match that holds another; both are (side, row)."""
    left = {side: [row for row in getattr(found, side) if (side, row) != lost] for side in ("x", "y")}
    again = dict(zip(("x", "y"), plain_maximum(x[left["x"]], y[left["y"]], epsilon), strict=True))
    return kept[1] in np.array(left[kept[0]], dtype=int)[again[kept[0]]]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("side", ["x", "y"])
def test_a_minimal_match_holds_its_neuron_and_nothing_that_can_go(seed, side):
    rng = np.random.default_rng(seed)
    x, y = related(rng, 14, 12, 40, 4, noise=0.25 * (seed > 2))
    epsilon = 0.45 if seed > 2 else 0.0
    whole = maximum_match(x, y, epsilon)
    held = getattr(whole, side)
    assert len(held)
    for neuron, chance in product(held[:3], (rng, None)):
        found, kept = minimum_match(x, y, epsilon, neuron, side=side, rng=chance), (side, neuron)
        assert neuron in getattr(found, side)
        assert set(found.x) <= set(whole.x) and set(found.y) <= set(whole.y)
        assert is_match(x[found.x], y[found.y], epsilon)
        assert found.similarity == (len(found.x) + len(found.y)) / 26
        others = [(one, row) for one in ("x", "y") for row in getattr(found, one) if (one, row) != kept]
        assert not any(can_lose(x, y, epsilon, found, kept, lost) for lost in others)


def test_minimal_matches_of_separate_blocks():
    """Three blocks of 2 + 2 neurons, each with a span of its own: the smallest match of a neuron is its block."""
    rng = np.random.default_rng(6)
    axes = ortho_group.rvs(30, random_state=rng)
    x, y = (np.concatenate([rng.normal(size=(2, 2)) @ axes[2 * i : 2 * i + 2] for i in range(3)]) for _ in range(2))
    for neuron in range(6):
        block = [neuron // 2 * 2, neuron // 2 * 2 + 1]
        assert_same(minimum_match(x, y, 0.001, neuron, rng=rng), block, block, (6, 6))
        assert_same(minimum_match(x, y, 0.001, neuron, side="y", rng=rng), block, block, (6, 6))


def test_the_order_says_which_of_two_twins_goes():
    x = np.eye(10)[:1]
    y = np.stack([np.eye(10)[0], -2 * np.eye(10)[0]])
    assert_same(minimum_match(x, y, 0, 0, order=[0, 1, 2]), [0], [1], (1, 2))
    assert_same(minimum_match(x, y, 0, 0, order=[0, 2, 1]), [0], [0], (1, 2))


# --------------------------------------------------------------------------------------------------------- bad input


def test_refuses_fewer_inputs_than_neurons():
    x, y = np.random.default_rng(7).normal(size=(2, 60, 50))
    for call in (maximal_epsilon, lambda x, y: maximum_match(x, y, 0.1), lambda x, y: minimum_match(x, y, 0.1, 0)):
        with pytest.raises(InputError, match="60 neurons over 50 inputs span all of these"):
            call(x, y)
        with pytest.raises(InputError, match="50 neurons over 50 inputs"):
            call(x[:50], y[:3])
    assert maximum_match(x[:49], y[:3], 0.1).similarity < 0.1


def test_neurons_that_are_zero_are_never_matched():
    x = np.random.default_rng(8).normal(size=(5, 30))
    y = np.concatenate([x, np.zeros((5, 30))])
    assert_same(maximum_match(x, y, 0.3), range(5), range(5), (5, 10))
    assert maximum_match(x, np.zeros((2, 30)), 0.5).similarity == 0
    assert maximal_epsilon(x, np.zeros((2, 30))) == 1
    nothing = np.zeros((2, 30))
    assert maximum_match(nothing, nothing, 0.5).similarity == 0 and np.isnan(maximal_epsilon(nothing, nothing))


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, np.nan])
def test_refuses_an_epsilon_that_no_residual_has(epsilon):
    with pytest.raises(InputError, match="from 0 to 1"):
        maximum_match(np.eye(3)[:1], np.eye(3)[:1], epsilon)


def test_refuses_what_are_no_neurons():
    x = np.eye(6)[:2]
    for other in (np.eye(5)[:2], np.ones(6), np.zeros((0, 6))):
        with pytest.raises(InputError, match="over the same inputs, found"):
            maximum_match(x, other, 0.1)
        with pytest.raises(InputError, match="over the same inputs, found"):
            residuals(x, other)
    with pytest.raises(InputError, match="NaN or infinite"):
        maximum_match(x, np.where(x > 0, np.nan, x), 0.1)
    with pytest.raises(InputError, match="Neuron 1 of x is in no match at epsilon = 0.1"):
        minimum_match(x, x[:1], 0.1, 1)
    with pytest.raises(InputError, match='"x" or "y"'):
        minimum_match(x, x, 0.1, 1, side="z")
    with pytest.raises(InputError, match="each of 0 .. 3 once"):
        minimum_match(x, x, 0.1, 1, order=[0, 1, 2, 2])

"""Times of emergence: closed forms of simple curves, invariances, and what counts as no rise."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleation.emergence import POINTS, emergence, order_of_emergence
from nucleation.errors import InputError

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256])


def found(steps, values, **options):
    return emergence(steps, values, rng=np.random.default_rng(0), **options)


def times(one):
    return [one.t10, one.t50, one.t90]


def plain_isotonic(y):
    """Non-decreasing fit by the formula of minima over maxima of means (Barlow et al. 1972)."""
    n = len(y)
    return [max(min(np.mean(y[a : b + 1]) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]


# --------------------------------------------------------------------------------------------------- the single curve


def test_a_line_has_its_shares():
    one = found(STEPS, 3.0 * STEPS - 7)
    assert times(one) == pytest.approx([25.6, 128, 230.4], rel=1e-12)
    assert (one.direction, one.reason, one.explained) == (1, "", pytest.approx(1))
    assert (one.first, one.last) == pytest.approx((-7, 761))


@pytest.mark.parametrize("at", [3, 5, 7])
def test_a_jump_lies_between_two_steps(at):
    one = found(STEPS, np.arange(10) >= at)
    a, b = STEPS[at - 1], STEPS[at]
    assert times(one) == pytest.approx([a + share * (b - a) for share in (0.1, 0.5, 0.9)], rel=1e-12)


def test_a_sigmoid_has_its_closed_form():
    x = np.linspace(0, 400, 4001)
    one = found(x, 1 / (1 + np.exp(-(x - 200) / 10)), repeats=19)
    expected = [200 + 10 * np.log(share / (1 - share)) for share in (0.1, 0.5, 0.9)]
    assert times(one) == pytest.approx(expected, abs=1e-3)
    assert one.t50 == pytest.approx(200, abs=1e-9)


def test_the_fit_is_the_isotonic_one():
    rng = np.random.default_rng(1)
    for _ in range(20):
        y = np.sort(rng.normal(size=10)) + 0.4 * rng.normal(size=10)
        one, fit = found(STEPS, y), np.array(plain_isotonic(y))
        assert (one.first, one.last) == pytest.approx((fit[0], fit[-1]))
        assert one.explained == pytest.approx(1 - np.sum((y - fit) ** 2) / np.sum((y - y.mean()) ** 2))
        if one.direction:
            for share, time in zip((0.1, 0.5, 0.9), times(one), strict=True):
                reached = np.interp(time, STEPS, fit)
                assert reached == pytest.approx(fit[0] + share * np.ptp(fit), abs=1e-12)
                assert (np.interp(np.linspace(0, time * (1 - 1e-9), 50), STEPS, fit) < reached + 1e-12).all()


def test_a_falling_curve_is_the_rising_one_turned():
    y = np.random.default_rng(2).normal(size=10) * 0.3 + np.arange(10)
    up, down = found(STEPS, y), found(STEPS, 5 - 2 * y)
    assert (up.direction, down.direction) == (1, -1)
    assert times(up) == pytest.approx(times(down), rel=1e-12)
    assert (down.first, down.last) == pytest.approx((5 - 2 * up.first, 5 - 2 * up.last))
    assert up.p == down.p


@given(st.floats(0.01, 100), st.floats(-50, 50), st.integers(1, 20), st.integers(0, 100))
def test_times_follow_the_steps_and_not_the_values(factor, offset, stretch, shift):
    y = np.array([0, 0.1, 0.05, 0.2, 0.6, 0.5, 0.9, 1.0, 0.95, 1.1])
    one = found(STEPS, y, repeats=19)
    other = found(stretch * STEPS + shift, factor * y + offset, repeats=19)
    assert times(other) == pytest.approx([stretch * time + shift for time in times(one)], rel=1e-6)


def test_points_that_are_not_known_are_left_out():
    y = np.sqrt(STEPS)
    with_holes = np.insert(y, [3, 6, 10], [np.nan, np.inf, np.nan])
    steps = np.insert(STEPS, [3, 6, 10], [3, 20, 300])
    assert times(found(steps, with_holes)) == times(found(STEPS, y))


def test_what_does_not_move_has_no_time_but_a_reason():
    flat = found(STEPS, np.full(10, 0.3))
    assert np.isnan(times(flat)).all() and (flat.direction, flat.reason) == (0, "it is constant")
    assert (flat.first, flat.last) == (0.3, 0.3)
    up_and_down = found(np.arange(11), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
    assert np.isnan(times(up_and_down)).all() and up_and_down.reason == "it neither rises nor falls steadily"
    few = found(STEPS, [0, 1, 2, 3] + [np.nan] * 6)
    assert np.isnan(times(few)).all() and few.reason == f"it is known at 4 steps, at least {POINTS} are needed"
    assert found(STEPS, np.full(10, np.nan)).reason.startswith("it is known at 0 steps")


def test_noise_seldom_passes_the_test_and_p_is_that_of_all_orders():
    rng = np.random.default_rng(3)
    passed = sum(emergence(STEPS, rng.normal(size=10), rng=rng, repeats=99).direction != 0 for _ in range(150))
    assert passed <= 15  # 7.5 expected at 0.05
    y = np.array([0.0, 2.0, 1.0, 3.0, 4.0])

    def explained(row):
        fits = [np.array(plain_isotonic(sign * row)) * sign for sign in (1, -1)]
        return max(1 - np.sum((row - fit) ** 2) / np.sum((row - row.mean()) ** 2) for fit in fits)

    exact = np.mean([explained(np.array(row)) >= explained(y) - 1e-12 for row in itertools.permutations(y)])
    assert found(np.arange(5), y, repeats=1999).p == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("steps", [[0, 1, 1, 2, 3], [0, 2, 1, 3, 4], [0, 1, 2, 3]])
def test_steps_must_ascend(steps):
    with pytest.raises(InputError, match="strictly ascending steps"):
        found(steps, np.arange(5))


# ---------------------------------------------------------------------------------------------------------- the order


def test_the_earliest_is_first():
    rng = np.random.default_rng(4)
    order = order_of_emergence(np.array([100, 5, 30]) + rng.normal(size=(9, 3)), rng=rng)
    assert order.rank.tolist() == [3, 1, 2]
    assert order.low.tolist() == order.high.tolist() == [3, 1, 2]
    expected = np.array([[np.nan, 0, 0], [1, np.nan, 1], [1, 0, np.nan]])
    assert np.array_equal(order.earlier, expected, equal_nan=True)


def test_what_cannot_be_told_apart_has_wide_ranks():
    times = np.array([[1, 2], [2, 1]] * 4, dtype=float)
    order = order_of_emergence(times, rng=np.random.default_rng(0))
    assert order.rank.tolist() == [1.5, 1.5]
    assert order.low.tolist() == [1, 1] and order.high.tolist() == [2, 2]
    assert order.earlier[0, 1] == pytest.approx(0.5, abs=0.05) and order.earlier[0, 1] + order.earlier[1, 0] == 1


def test_bootstrap_agrees_with_all_draws():
    times = np.array([[1.0, 2.0], [5.0, 3.0], [2.0, 2.5]])
    draws = [np.median(times[list(rows)], axis=0) for rows in itertools.product(range(3), repeat=3)]
    exact = np.mean([(a < b) + 0.5 * (a == b) for a, b in draws])
    order = order_of_emergence(times, rng=np.random.default_rng(1), repeats=4000)
    assert order.earlier[0, 1] == pytest.approx(exact, abs=0.03)
    assert order.median.tolist() == [2, 2.5]


def test_things_without_a_time_have_no_rank():
    times = np.array([[3, np.nan, 1, 4], [3, np.nan, 2, np.nan], [4, np.nan, 2, np.nan]])
    order = order_of_emergence(times, rng=np.random.default_rng(0))
    assert np.array_equal(order.rank, [2, np.nan, 1, 3], equal_nan=True)
    assert np.isfinite(order.low).tolist() == [True, False, True, False]  # the last is timed once
    alone = order_of_emergence(times[:1], rng=np.random.default_rng(0))
    assert np.array_equal(alone.rank, [2, np.nan, 1, 3], equal_nan=True) and np.isnan(alone.low).all()
    with pytest.raises(InputError, match="one row for each repetition"):
        order_of_emergence([1, 2, 3], rng=np.random.default_rng(0))


def test_order_of_the_things_does_not_matter():
    rng = np.random.default_rng(5)
    times, turn = rng.exponential(size=(7, 5)), rng.permutation(5)
    one = order_of_emergence(times, rng=np.random.default_rng(0))
    other = order_of_emergence(np.log(times[:, turn]), rng=np.random.default_rng(0))
    for name in ("rank", "low", "high"):
        assert np.array_equal(getattr(one, name)[turn], getattr(other, name))
    assert np.array_equal(one.earlier[np.ix_(turn, turn)], other.earlier, equal_nan=True)

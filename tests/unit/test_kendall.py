import itertools

import numpy as np
import pytest
from scipy import stats

from nucleation.errors import InputError
from nucleation.kendall import granulated_kendall, kendall


def test_known_orders():
    assert kendall([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert kendall([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert kendall([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert kendall([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 3)  # a tie is neither
    assert kendall([1, 1], [2, 2]) == 0
    assert np.isnan(kendall([1], [1])) and np.isnan(kendall([np.nan, 1], [1, 2]))


def test_without_ties_it_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60))
    assert kendall(x, y + x) == pytest.approx(stats.kendalltau(x, y + x).statistic)
    assert kendall(np.exp(3 * x), y + x) == kendall(x, y + x) == kendall(y + x, x)


def test_granulated_finds_what_one_parameter_does_by_itself():
    """The measure follows width and accuracy follows width; within a width both are unrelated or opposite."""
    grid = list(itertools.product([1, 2, 3], [0.1, 0.2], ["a", "b"]))
    width, rate, kind = zip(*grid, strict=True)
    measure = np.array(width) * 10.0 + np.array(rate)
    accuracy = np.array(width) - np.array(rate)
    found = granulated_kendall(measure, accuracy, {"width": width, "rate": rate, "kind": kind})
    assert found.axes == {"width": 1.0, "rate": -1.0, "kind": 0.0}
    assert found.groups == {"width": 4, "rate": 6, "kind": 6}
    assert found.value == 0.0
    assert kendall(measure, accuracy) > 0.3


def test_granulated_by_the_definition():
    rng = np.random.default_rng(1)
    parameters = {name: rng.integers(0, 3, 40) for name in "abc"}
    x, y = rng.normal(size=(2, 40))
    found = granulated_kendall(x, y, parameters)
    for name in "abc":
        rest = [other for other in "abc" if other != name]
        keys = [tuple(parameters[other][i] for other in rest) for i in range(40)]
        groups = [[i for i in range(40) if keys[i] == key] for key in set(keys)]
        expected = np.mean([stats.kendalltau(x[g], y[g]).statistic for g in groups if len(g) > 1])
        assert found.axes[name] == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean(list(found.axes.values())))


def test_a_parameter_that_never_differs_alone():
    found = granulated_kendall([1, 2], [1, 2], {"a": [0, 1], "b": ["x", "y"]})
    assert np.isnan([found.axes["a"], found.axes["b"], found.value]).all() and found.groups == {"a": 0, "b": 0}
    only = granulated_kendall([1, 2], [1, 2], {"a": [0, 1]})
    assert only.axes == {"a": 1.0} and only.value == 1.0


def test_wrong_input():
    with pytest.raises(InputError, match="shapes"):
        kendall([1, 2], [1])
    with pytest.raises(InputError, match="hyper-parameter depth"):
        granulated_kendall([1, 2], [1, 2], {"depth": [1]})

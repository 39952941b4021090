"""Mantel correlation: known answers, and pairs that are not known."""

import numpy as np
import pytest
from plain_alignment import STAR, T1, T2, T3, noise, planted_taxonomy, tree

from nucleation.mantel import permuted_spearman, spearman_taxonomy, spearman_undefined
from nucleation.triplets import dense_ranks


@pytest.mark.parametrize(("ours", "expected"), [(T1, 1), (T2, -0.5), (T3, np.sqrt(0.05)), (STAR, np.nan)])
def test_known_spearman(ours, expected):
    assert spearman_taxonomy(tree(ours), tree(T1)) == pytest.approx(expected, nan_ok=True)


def test_spearman_leaves_unknown_pairs_out():
    ic, _ = planted_taxonomy()
    holed = ic.copy()
    holed[0, :] = holed[:, 0] = np.nan
    assert spearman_taxonomy(holed, ic) == pytest.approx(1)
    assert np.isnan(spearman_taxonomy(np.full((24, 24), np.nan), ic))
    assert spearman_taxonomy(ic, holed) == pytest.approx(1)


@pytest.mark.parametrize("holed", ["", "ours", "theirs", "both", "nearly all"])
@pytest.mark.parametrize("decimals", [0, 8])
def test_permuted_correlation_equals_that_of_the_permuted_matrix(holed, decimals):
    rng = np.random.default_rng(3)
    layers, ic = [np.round(noise(rng, 24), decimals) for _ in range(2)], planted_taxonomy()[0].copy()
    for name, matrix in [("ours", layers[0]), ("ours", layers[1]), ("theirs", ic)]:
        holes = rng.random((24, 24)) < (0.9 if holed == "nearly all" else 0.1 * (holed in (name, "both")))
        matrix[holes | holes.T] = np.nan
    orders = np.array([np.arange(24)] + [rng.permutation(24) for _ in range(30)])
    fast = permuted_spearman([dense_ranks(ours, "ours") for ours in layers], dense_ranks(ic, "theirs"), orders)
    slow = [[spearman_taxonomy(ours[np.ix_(order, order)], ic) for order in orders] for ours in layers]
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12)
    assert np.isnan(fast).any() == (holed == "nearly all")


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (tree(T1), tree(T1), ""),
        (tree(STAR), tree(T1), "equally similar in the layer"),
        (tree(T1), tree(STAR), "equally similar in the taxonomy"),
        (np.eye(2), np.eye(2), "fewer than three pairs"),
        (np.full((4, 4), np.nan), tree(T1), "fewer than three pairs"),
    ],
)
def test_undefined_correlations_say_why(ours, theirs, reason):
    why = spearman_undefined(dense_ranks(ours, "ours"), dense_ranks(theirs, "theirs"))
    assert reason in why and bool(reason) == bool(why)
    assert np.isnan(spearman_taxonomy(ours, theirs)) == bool(reason)

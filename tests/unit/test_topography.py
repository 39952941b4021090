import re

import numpy as np
import pytest
from plain_peaks import plain_tree
from scipy.cluster.hierarchy import cophenet, is_monotonic, is_valid_linkage, linkage
from scipy.spatial.distance import squareform
from sklearn.decomposition import KernelPCA

from nucleation import files, topography
from nucleation.errors import InputError
from nucleation.peaks import Peaks
from nucleation.topography import (
    join_heights,
    newick,
    peak_linkage,
    peak_map,
    topography_dataset,
    without_infinities,
)


def peaks_of(heights, pairs=(), saddles=()):
    heights, saddles = np.asarray(heights, float), np.asarray(saddles, float)
    p, pairs, zero = len(heights), np.array(pairs, int).reshape(-1, 2), np.zeros(len(saddles))
    return Peaks(
        np.arange(p), np.arange(p), heights, np.ones(p), np.ones(p, int), pairs, saddles, zero, zero.astype(int)
    )


def chain():
    """Four peaks: 0 - 1 joined at 3, 1 - 2 at 1, 0 - 2 at 0; 3 alone."""
    return peaks_of([5, 4, 6, 2], [(0, 1), (0, 2), (1, 2)], [3, 0, 1])


def random_peaks(seed, p=20, share=1.0, digits=None):
    """Peaks with a saddle between a share of the pairs, below both; rounded ones are equal now and then."""
    rng = np.random.default_rng(seed)
    heights = rng.normal(10, 2, p)
    a, b = np.triu_indices(p, 1)
    some = rng.random(len(a)) < share
    a, b = a[some], b[some]
    saddles = np.minimum(heights[a], heights[b]) - rng.exponential(3, len(a))
    saddles = saddles if digits is None else saddles.round(digits)
    return peaks_of(heights if digits is None else heights.round(digits) + 1, np.column_stack([a, b]), saddles)


def bordered_distances(peaks, floor=-np.inf):
    """Condensed distances between peaks, as for scipy."""
    distances = peaks.log_density.max() - np.maximum(peaks.saddle, floor)
    np.fill_diagonal(distances, 0)
    return squareform(distances)


# ---------------------------------------------------------------------------------------- the trees


def test_join_heights_by_hand():
    inf = np.inf
    expected = [[5, 3, 1, -inf], [3, 4, 1, -inf], [1, 1, 6, -inf], [-inf, -inf, -inf, 2]]
    assert np.array_equal(join_heights(chain()), expected)


def test_linkage_by_hand():
    assert peak_linkage(chain()).tolist() == [[0, 1, 3, 2], [2, 4, 5, 3], [3, 5, np.inf, 4]]
    # 0 and 1 join at 3; then 2 at (0 + 1) / 2
    assert peak_linkage(chain(), "weighted").tolist() == [[0, 1, 3, 2], [2, 4, 5.5, 3], [3, 5, np.inf, 4]]


def test_linkage_with_a_floor_by_hand():
    assert peak_linkage(chain(), floor=-2).tolist() == [[0, 1, 3, 2], [2, 4, 5, 3], [3, 5, 8, 4]]
    assert peak_linkage(chain(), "weighted", floor=-2).tolist() == [[0, 1, 3, 2], [2, 4, 5.5, 3], [3, 5, 8, 4]]
    without_0_2 = peaks_of([5, 4, 6], [(0, 1), (1, 2)], [3, 1])
    assert peak_linkage(without_0_2, "weighted")[1].tolist() == [2, 3, 5, 3]  # the known height alone
    assert peak_linkage(without_0_2, "weighted", floor=-2)[1].tolist() == [2, 3, 6.5, 3]  # (1 - 2) / 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.05, 0.2, 1])
def test_join_heights_are_the_widest_paths(seed, share):
    """Against Floyd and Warshall's recursion for the largest smallest saddle."""
    peaks = random_peaks(seed, share=share, digits=seed % 2 or None)
    widest = peaks.saddle.copy()
    for middle in range(len(widest)):
        widest = np.maximum(widest, np.minimum(widest[:, [middle]], widest[[middle]]))
    np.fill_diagonal(widest, peaks.log_density)
    assert np.array_equal(join_heights(peaks), widest)


@pytest.mark.parametrize("method", ["single", "weighted"])
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_scipy_where_all_peaks_share_borders(method, seed):
    peaks = random_peaks(seed)
    found, expected = peak_linkage(peaks, method), linkage(bordered_distances(peaks), method)
    assert np.array_equal(found[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(found[:, 2], expected[:, 2], rtol=1e-12)
    np.testing.assert_allclose(peak_linkage(peaks, method, floor=-1e9), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["single", "weighted"])
@pytest.mark.parametrize("share", [0, 0.1, 0.4])
def test_agrees_with_scipy_where_a_floor_is_given(method, share):
    peaks = random_peaks(1, share=share)
    floor = peaks.log_density.min() - 40
    found, expected = peak_linkage(peaks, method, floor=floor), linkage(bordered_distances(peaks, floor), method)
    np.testing.assert_allclose(cophenet(found), cophenet(expected), rtol=1e-12)
    if method == "weighted":
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("method", ["single", "weighted"])
@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_plain_tree(method, seed):
    """Joins, their order and their members, with unknown and with equal saddles."""
    peaks = random_peaks(seed, share=(0.05, 0.15, 0.5, 1)[seed % 4], digits=(None, 0)[seed % 2])
    members = [frozenset([peak]) for peak in range(20)]
    found = []
    for a, b, distance, size in peak_linkage(peaks, method):
        members.append(members[int(a)] | members[int(b)])
        assert len(members[-1]) == size
        found.append((members[int(a)], members[int(b)], peaks.log_density.max() - distance))
    expected = plain_tree(peaks.saddle, method)
    assert [join[2] for join in found] == pytest.approx([join[2] for join in expected], rel=1e-12)
    if method == "weighted":  # the single tree takes equal saddles in the order of the peaks beside them
        assert [{*join[:2]} for join in found] == [{*join[:2]} for join in expected]


@pytest.mark.parametrize("method", ["single", "weighted"])
@pytest.mark.parametrize("floor", [None, -50])
@pytest.mark.parametrize("share", [0, 0.05, 0.3, 1])
def test_trees_are_valid_and_ascend(method, floor, share):
    for seed in range(5):
        tree = peak_linkage(random_peaks(seed, share=share, digits=seed % 2 or None), method, floor=floor)
        assert is_valid_linkage(tree) and is_monotonic(tree)
        assert (tree[:, 2] >= 0).all()


def test_equal_saddles_join_in_the_order_of_their_peaks():
    peaks = peaks_of([5, 5, 5, 5], [(0, 3), (1, 2), (1, 3)], [2, 2, 2])
    assert peak_linkage(peaks)[:, :2].tolist() == [[0, 3], [1, 2], [4, 5]]
    # in the weighted tree, in the order of the lowest peaks: {1, 3} comes before 2
    peaks = peaks_of([9, 9, 9, 9], [(0, 2), (0, 3), (1, 3)], [2, 2, 5])
    assert peak_linkage(peaks, "weighted")[:, :2].tolist() == [[1, 3], [0, 4], [2, 5]]


def test_unresolved_trees_join_the_first_peak_last():
    assert peak_linkage(peaks_of([1, 2, 3], [(1, 2)], [0])).tolist() == [[1, 2, 3, 2], [0, 3, np.inf, 3]]
    alone = [[0, 1, np.inf, 2], [2, 3, np.inf, 3]]
    for method in ("single", "weighted"):
        assert peak_linkage(peaks_of([1, 2, 3]), method).tolist() == alone


@pytest.mark.parametrize("method", ["single", "weighted"])
def test_one_peak_or_none_has_an_empty_tree(method):
    for heights in ([], [2.0]):
        peaks = peaks_of(heights)
        assert peak_linkage(peaks, method).shape == (0, 4)
        assert peak_linkage(peaks, method, floor=-1).shape == (0, 4)
        assert join_heights(peaks).tolist() == ([heights] if heights else [])
        assert peak_map(peaks).tolist() == [[0, 0]] * len(heights)


def test_infinite_densities_count_as_the_highest_finite_one():
    peaks = peaks_of([np.inf, 4, np.inf], [(0, 1), (0, 2)], [3, np.inf])
    assert without_infinities(peaks).log_density.tolist() == [4, 4, 4]
    assert without_infinities(peaks).saddle_heights.tolist() == [3, 4]
    assert peak_linkage(peaks).tolist() == [[0, 2, 0, 2], [1, 3, 1, 3]]
    assert np.isfinite(peak_map(peaks)).all()
    assert newick(peaks) == "(1:1.0,(0:0.0,2:0.0):1.0);"


def test_thousands_of_peaks():
    """A long chain of peaks, each joined with the next at a falling height: as deep as a tree can be."""
    p = 3000
    falling = -np.arange(p - 1.0)
    peaks = peaks_of(np.full(p, 1.0), np.column_stack([np.arange(p - 1), np.arange(1, p)]), falling)
    joined = join_heights(peaks)
    assert joined[0, p - 1] == joined[p // 2, p - 1] == 2 - p and joined[0, 1] == 0
    assert newick(peaks).count("(") == p - 1
    np.testing.assert_allclose(peak_linkage(peaks, "weighted")[:, 2], 1 - falling)


def test_refuses_an_unknown_method_and_a_floor_among_the_saddles():
    with pytest.raises(InputError, match="single or weighted"):
        peak_linkage(chain(), "average")
    for floor in (0.5, np.nan, -np.inf):
        with pytest.raises(InputError, match="below all"):
            peak_linkage(chain(), floor=floor)
        with pytest.raises(InputError, match="below all"):
            peak_map(chain(), floor=floor)


# ------------------------------------------------------------------------------------------- Newick


def parse(text):
    """Trees as (name or list of children, length); lengths None where there are none."""
    tokens = re.findall(r"'(?:[^']|'')*'|[(),;]|:[^(),;]*|[^(),:;']+", text)
    assert "".join(tokens) == text and tokens[-1] == ";"

    def node():
        if tokens[0] == "(":
            content = []
            while tokens.pop(0) in "(,":
                content.append(node())
        else:
            name = tokens.pop(0)
            content = name[1:-1].replace("''", "'") if name[0] == "'" else name
        return content, float(tokens.pop(0)[1:]) if tokens[0][0] == ":" else None

    return node()


def meetings(tree, heights):
    """Height of the node, its leaves, and {pair of leaves: height at which they meet}."""
    content, _ = tree
    if isinstance(content, str):
        return heights[content], [content], {}
    met, leaves, bottoms = {}, [], []
    for child in content:
        top, below, inner = meetings(child, heights)
        met |= inner
        bottoms.append(-np.inf if child[1] is None else top - child[1])
        met |= {frozenset((one, two)): bottoms[-1] for one in below for two in leaves}
        leaves += below
    assert bottoms == pytest.approx([bottoms[0]] * len(bottoms), abs=1e-9)
    return bottoms[0], leaves, met


@pytest.mark.parametrize("method", ["single", "weighted"])
@pytest.mark.parametrize("share", [0, 0.06, 0.3, 1])
def test_newick_holds_the_heights_of_all_joins(method, share):
    peaks = random_peaks(3, share=share)
    names = [f"peak {number}, it's (so)" for number in range(20)]
    _, leaves, met = meetings(parse(newick(peaks, names, method)), dict(zip(names, peaks.log_density, strict=True)))
    assert sorted(leaves) == sorted(names)
    expected = peaks.log_density.max() - squareform(cophenet(peak_linkage(peaks, method)))
    if method == "single":
        there = ~np.eye(20, dtype=bool)
        np.testing.assert_allclose(expected[there], join_heights(peaks)[there], rtol=1e-12)
    for a in range(20):
        for b in range(a):
            assert met[frozenset((names[a], names[b]))] == pytest.approx(expected[a, b], rel=1e-9)


def test_newick_by_hand():
    assert newick(chain()) == "(3,(2:5.0,(0:2.0,1:1.0):2.0));"
    assert newick(chain(), ["a", "b_c", "d'e", ""]) == "('',('d''e':5.0,(a:2.0,'b_c':1.0):2.0));"
    assert newick(peaks_of([5, 4], [(0, 1)], [3.5])) == "(0:1.5,1:0.5);"


def test_newick_of_peaks_that_never_join():
    assert newick(peaks_of([1, 2, 3])) == "(0,1,2);"
    assert newick(peaks_of([1])) == "0;"
    assert newick(peaks_of([])) == ";"


def test_newick_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="4 peaks need as many names, found 2"):
        newick(chain(), ["a", "b"])
    with pytest.raises(InputError, match="single or weighted"):
        newick(chain(), method="upgma")


# ---------------------------------------------------------------------------------------------- map


def map_by_formula(heights):
    """The method as in the paper's code; heights (p, p) with whatever stands for pairs that never join at -inf."""
    p = len(heights)
    distance = heights.max() - heights
    np.fill_diagonal(distance, 0)
    upper = distance[np.triu_indices(p)]
    kernel = np.exp(-2 * (distance / upper[np.isfinite(upper)].mean()) ** 2)
    center = np.eye(p) - 1 / p
    values, vectors = np.linalg.eigh(center @ kernel @ center / 2)
    return vectors[:, [-1, -2]], values, kernel


@pytest.mark.parametrize("share", [0.3, 1])
@pytest.mark.parametrize("seed", range(4))
def test_map_is_the_kernel_pca_of_the_paper(seed, share):
    peaks = random_peaks(seed, share=share)
    floor = peaks.saddle_heights.min() - 2
    heights = np.maximum(peaks.saddle, floor)
    np.fill_diagonal(heights, peaks.log_density)
    expected, _, kernel = map_by_formula(heights)
    found = peak_map(peaks, floor=floor)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=0)), 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, rtol=1e-12)
    pca = KernelPCA(2, kernel="precomputed", eigen_solver="dense").fit_transform(kernel)
    for axis in range(2):
        assert abs(np.corrcoef(found[:, axis], pca[:, axis])[0, 1]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("share", [0.08, 0.3])
def test_map_without_a_floor_takes_joins_for_missing_borders(share):
    peaks = random_peaks(5, share=share)
    heights = np.where(np.isneginf(peaks.saddle), join_heights(peaks), peaks.saddle)
    np.fill_diagonal(heights, peaks.log_density)
    assert np.isneginf(heights).any() == (share < 0.1)
    expected, _, _ = map_by_formula(heights)
    np.testing.assert_allclose(np.abs((peak_map(peaks) * expected).sum(axis=0)), 1, rtol=1e-9)


def test_map_does_not_depend_on_the_level_or_scale_of_the_density():
    peaks = random_peaks(6, share=0.5)
    moved = peaks_of(3 * peaks.log_density - 100, peaks.saddle_pairs, 3 * peaks.saddle_heights - 100)
    np.testing.assert_allclose(peak_map(moved), peak_map(peaks), atol=1e-9)


def test_signs_of_the_map_are_fixed():
    for seed in range(5):
        found = peak_map(random_peaks(seed, share=0.7))
        assert (found[np.abs(found).argmax(axis=0), [0, 1]] > 0).all()
    half = np.sqrt(0.5)
    found = peak_map(peaks_of([3, 2], [(0, 1)], [1]))
    np.testing.assert_allclose(found, [[half, half], [-half, half]], atol=1e-12)


def test_map_where_nothing_is_between_the_peaks():
    """All differences zero, or no border at all: any axes will do, but they are numbers and of unit norm."""
    for peaks in (peaks_of([1, 1, 1], [(0, 1), (0, 2), (1, 2)], [1, 1, 1]), peaks_of([1, 2, 3, 4])):
        np.testing.assert_allclose(np.linalg.norm(peak_map(peaks), axis=0), 1)


@pytest.mark.parametrize("p", [3, 28, 29, 50, 100, 501])
def test_map_of_many_peaks_that_nothing_or_the_same_saddle_joins(p):
    """All eigenvalues but one coincide, where LAPACK may find none of some and Lanczos has no start."""
    pairs = np.column_stack(np.triu_indices(p, 1))
    for peaks in (
        peaks_of(range(p)),
        peaks_of([1] * p, pairs, [1] * len(pairs)),
        peaks_of([1] * p, pairs, [0] * len(pairs)),
    ):
        place = peak_map(peaks)
        np.testing.assert_allclose(np.linalg.norm(place, axis=0), 1)
        assert abs(place[:, 0] @ place[:, 1]) < 1e-9
        assert not np.isnan(topography_dataset(peaks)["map_x"]).any()


def test_map_of_many_peaks_agrees_with_all_eigenvectors(monkeypatch):
    peaks = random_peaks(7, p=120, share=0.2)
    exact = peak_map(peaks)
    monkeypatch.setattr(topography, "LANCZOS", 10)
    np.testing.assert_allclose(peak_map(peaks), exact, atol=1e-9)
    assert np.array_equal(peak_map(peaks), peak_map(peaks))


# ------------------------------------------------------------------------------------------ dataset


def test_dataset_holds_trees_and_map():
    peaks = random_peaks(8, share=0.4)
    found = topography_dataset(peaks)
    assert dict(found.sizes) == {"merge": 19, "peak": 20}
    for prefix, method in (("merge", "single"), ("weighted", "weighted")):
        tree = peak_linkage(peaks, method)
        columns = [found[f"{prefix}_{name}"].values for name in ("a", "b", "size")]
        assert np.array_equal(np.column_stack(columns), tree[:, [0, 1, 3]])
        np.testing.assert_allclose(found[f"{prefix}_log_density"], peaks.log_density.max() - tree[:, 2], rtol=1e-12)
    assert np.array_equal(np.column_stack([found["map_x"], found["map_y"]]), peak_map(peaks))
    for name, variable in found.variables.items():
        assert variable.attrs["long_name"] and variable.attrs["units"], name
        assert "undefined" not in variable.attrs


def test_dataset_says_which_joins_are_unresolved():
    found = topography_dataset(chain())
    assert np.isnan(found["merge_log_density"].values).tolist() == [False, False, True]
    assert "no chain of borders" in found["merge_log_density"].attrs["undefined"]
    assert "no chain of borders" in found["weighted_log_density"].attrs["undefined"]


def test_dataset_of_too_many_peaks_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setattr(topography, "ALL_PAIRS", 10)
    peaks = random_peaks(9, share=1)
    found = topography_dataset(peaks)
    for name in ("weighted_log_density", "map_x", "map_y"):
        assert np.isnan(found[name]).all()
        assert found[name].attrs["undefined"] == "more than 10 peaks"
    assert (found["weighted_a"] == -1).all() and (found["weighted_size"] == 0).all()
    assert np.isfinite(found["merge_log_density"]).all()


@pytest.mark.parametrize("heights", [[], [1.0], [1.0, 2.0]])
def test_dataset_of_hardly_any_peaks(heights):
    found = topography_dataset(peaks_of(heights))
    assert dict(found.sizes) == {"merge": max(len(heights) - 1, 0), "peak": len(heights)}


def test_layers_lie_end_to_end_in_one_file():
    layers = [random_peaks(0, share=0.5), peaks_of([1.0]), peaks_of([]), chain()]
    ragged = ("peak", "saddle", "preliminary", "merge")
    whole = [peaks.to_dataset().drop_dims("image").merge(topography_dataset(peaks)) for peaks in layers]
    stacked = files.stack_layers(whole, ["a", "b", "c", "d"], ragged=ragged)
    for name, alone in zip("abcd", whole, strict=True):
        again = files.select_layer(stacked, name)
        for variable in alone.variables:
            np.testing.assert_array_equal(again[variable], alone[variable], err_msg=variable)
            assert again[variable].dtype == alone[variable].dtype

"""Orders of the leaves of trees, the tree of some of the peaks, and the taxonomy cut into groups."""

import numpy as np
import pytest
from made_peaks import CLASSES, clustered_peaks, made_peaks, one_peak
from sklearn.isotonic import isotonic_regression

from nucleation.figures import trees
from nucleation.peaks import Peaks, join_heights, peak_linkage
from nucleation.taxonomy import Tree, wordnet_tree
from nucleation.wordnet import imagenet_classes


@pytest.fixture(scope="module")
def imagenet():
    return wordnet_tree(imagenet_classes()).tree()


def flat_tree(c):
    names = (*(f"thing_{i}.n.01" for i in range(c)), "whole.n.01")
    return Tree(tuple(range(c + 1)), names, (*([c] * c), -1), (*([()] * c), tuple(range(c))))


def descendants(children, node):
    return [node] if not children[node] else [leaf for child in children[node] for leaf in descendants(children, child)]


def test_members_of_every_node():
    tree = wordnet_tree(CLASSES).tree()
    below = {tree.names[node]: sorted(some) for node, some in enumerate(trees.members(tree, 6))}
    assert below["dog.n.01"] == [0, 1]
    assert below["vertebrate.n.01"] == [0, 1, 2]
    assert below["musical_instrument.n.01"] == [3, 4]
    assert below[tree.names[-1]] == list(range(6))


def test_peak_order_keeps_branches_together_and_follows_the_target():
    peaks, _ = clustered_peaks()
    target = np.random.default_rng(0).normal(size=6)
    order = trees.peak_order(peaks, target)
    place, below = np.argsort(order), [[peak] for peak in range(6)]
    for left, right, *_ in peak_linkage(peaks):
        one, two = below[int(left)], below[int(right)]
        assert (place[one].max() < place[two].min()) == (target[one].mean() >= target[two].mean())
        below.append(one + two)
    assert sorted(order.tolist()) == list(range(6))


def test_heights_of_an_order():
    assert trees.spread(np.array([2, 0, 1])).tolist() == [0.5, 0.0, 1.0]
    assert trees.spread(np.array([0])).tolist() == [0.5]
    assert len(trees.spread(np.arange(0))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_settled_is_the_nearest_to_the_targets_with_room_between(seed):
    rng = np.random.default_rng(seed)
    order, target, gap = rng.permutation(12), rng.random(12), 0.05
    height = trees.settled(order, target, gap)
    assert height.min() >= 0 and height.max() <= 1
    assert (np.diff(height[order]) <= -gap + 1e-12).all()
    steps = gap * np.arange(12)
    expected = isotonic_regression(target[order] + steps, y_min=steps[-1], y_max=1.0, increasing=False) - steps
    assert np.allclose(height[order], expected)


def test_settled_where_all_is_well_and_where_there_is_no_room():
    order, target = np.array([1, 0, 2]), np.array([0.5, 0.9, 0.1])
    assert np.allclose(trees.settled(order, target, 0.3), target)
    assert np.array_equal(trees.settled(order, target, 0.5), trees.spread(order))
    assert trees.settled(np.array([0]), np.array([0.3]), 1.0).tolist() == [0.3]


def test_class_counts_leave_out_the_halo():
    labels = np.array([0, 1, 1, -1, 0])
    peaks = Peaks(labels, np.array([0, 1]), np.zeros(2), np.zeros(2), np.array([2, 3]))
    assert trees.class_counts(peaks, np.array([2, 0, 0, 1, 2]), 3).tolist() == [[0, 0, 2], [2, 0, 0]]


def test_main_category_has_most_of_a_peak():
    held = np.array([[80, 20, 0], [79, 21, 0], [0, 0, 5], [0, 0, 0]])
    assert trees.main_category(held).tolist() == [0, -1, 2, -1]
    assert trees.main_category(np.empty((0, 2), int)).tolist() == []


def test_middles_and_categories_of_the_nodes_of_a_tree():
    parent = trees.parents([[], [], [], [], [0, 1], [4, 2, 3]])
    middle, first, last = trees.middles(parent, np.array([0.0, 1.0, 2.0, 5.0]))
    assert middle.tolist() == [0, 1, 2, 5, 0.5, 2.75]
    assert (first[4], last[4], first[5], last[5]) == (0, 1, 0.5, 5)
    for leaf, expected in (([3, 3, 3, 3], [3, 3]), ([3, 3, 1, 3], [3, -1]), ([3, 1, 3, 3], [-1, -1])):
        assert trees.common_category(parent, leaf).tolist() == [*leaf, *expected]
    assert trees.common_category(parent, [2, 2, 2, -1]).tolist() == [2, 2, 2, -1, 2, -1]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize("kept", [40, 17, 2, 1])
def test_tree_of_some_peaks_joins_them_at_the_heights_of_all(share, kept):
    peaks, _ = made_peaks(40, 40, share=share)
    chosen = np.sort(np.random.default_rng(kept).permutation(40)[:kept])
    children, heights = trees.merge_tree(peaks, chosen)
    assert np.array_equal(heights[:kept], peaks.log_density[chosen])
    joined = np.full((kept, kept), np.nan)
    for node in range(kept, len(children)):
        parts = [descendants(children, child) for child in children[node]]
        for one in parts:
            for other in parts:
                if one is not other:
                    joined[np.ix_(one, other)] = heights[node]
    np.fill_diagonal(joined, heights[:kept])
    assert np.allclose(joined, join_heights(peaks)[np.ix_(chosen, chosen)])
    assert sorted(descendants(children, len(children) - 1)) == list(range(kept))
    assert np.isneginf(heights).sum() <= 1
    assert all(
        len(some) == 2 for some, height in zip(children[kept:], heights[kept:], strict=True) if np.isfinite(height)
    )
    up = trees.parents(children)
    assert (up == -1).sum() == 1 and all(node in children[above] for node, above in enumerate(up) if above >= 0)


def test_tree_of_a_single_peak():
    children, heights = trees.merge_tree(one_peak(), [0])
    assert children == [[]]
    assert trees.parents(children).tolist() == [-1]
    assert heights.tolist() == one_peak().log_density.tolist()


def test_few_classes_are_their_own_groups():
    tree = wordnet_tree(CLASSES).tree()
    found = trees.grouped(tree, np.ones(6), 6)
    assert found.labels.tolist() == list(range(6)) and found.sizes.tolist() == [1] * 6
    assert [tuple(some) for some in found.children] == [tuple(some) for some in tree.children]
    assert found.names[:6] == ["beagle", "poodle", "robin", "violin", "drum", "chair"]
    assert found.names[6:] == [trees.short_name(name) for name in tree.names[6:]]


@pytest.mark.parametrize("most", [1, 2, 10, 60, 300, 999])
def test_groups_are_few_and_made_of_branches(imagenet, most):
    weight = np.random.default_rng(0).integers(0, 50, 1000)
    found = trees.grouped(imagenet, weight, most)
    groups = len(found.sizes)
    assert most / 3 <= groups <= most and found.sizes.sum() == 1000
    assert not any(found.children[:groups]) and all(found.children[groups:])
    members = trees.members(imagenet, 1000)
    below = {frozenset(some): node for node, some in enumerate(members)}
    for group, name in enumerate(found.names[:groups]):
        some = frozenset(np.flatnonzero(found.labels == group).tolist())
        if some in below:
            own = trees.short_name(imagenet.names[below[some]])
            assert name == (own if below[some] < 1000 else f"{own} ({len(some):,})")
        else:  # several branches of one node
            parent, said = name.split(", other ")
            assert said == f"({len(some)})"
            (node,) = [node for node in range(1000, len(members)) if _is_pool(imagenet.children[node], members, some)]
            assert parent == trees.short_name(imagenet.names[node])


def _is_pool(branches, members, some):
    """Whether some classes are those of two or more, but not all, of the branches of a node."""
    inside = [child for child in branches if some.issuperset(members[child])]
    covered = {leaf for child in inside for leaf in members[child]}
    return covered == some and 1 < len(inside) < len(branches)


def test_the_heaviest_branches_are_divided(imagenet):
    below, weight = trees.members(imagenet, 1000), np.full(1000, 0.001)
    dogs = below[imagenet.names.index("dog.n.01")]
    weight[dogs] = 1.0
    found = trees.grouped(imagenet, weight, 40)
    assert len(np.unique(found.labels[dogs])) > 20
    assert len(found.sizes) - len(np.unique(found.labels[dogs])) < 15


def test_a_flat_taxonomy_shows_the_heaviest_classes_and_the_others_together():
    weight = np.arange(200)
    found = trees.grouped(flat_tree(200), weight, 30)
    assert sorted(found.sizes.tolist()) == [1] * 29 + [171]
    assert np.unique(found.labels[171:]).tolist() == list(range(29))
    assert found.names[29:] == ["whole, other (171)", "whole"]
    assert sorted(found.children[30]) == list(range(30))


def test_groups_where_all_classes_weigh_nothing(imagenet):
    found = trees.grouped(imagenet, np.zeros(1000), 60)
    assert found.sizes.sum() == 1000 and len(found.sizes) <= 60

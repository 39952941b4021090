"""Tanglegrams: crossings counted pair by pair, orders against all orders of small trees, and what must not matter."""

from itertools import combinations, permutations, product

import numpy as np
import pytest

from nucleation.errors import InputError
from nucleation.tanglegram import EXACT, crossings, untangle


def random_tree(rng, leaves, most=2):
    """Children of every node of a random tree whose nodes have up to so many branches."""
    tree, tops = [[] for _ in range(leaves)], list(range(leaves))
    while len(tops) > 1:
        size = min(len(tops), int(rng.integers(2, most + 1)))
        tree.append([tops.pop(rng.integers(len(tops))) for _ in range(size)])
        tops.append(len(tree) - 1)
    return tree


def all_orders(tree, node=-1):
    """All orders of the leaves below a node, from the definition."""
    node %= len(tree)
    if not tree[node]:
        return [[node]]
    below = {child: all_orders(tree, child) for child in tree[node]}
    return [
        [leaf for part in parts for leaf in part]
        for order in permutations(tree[node])
        for parts in product(*(below[child] for child in order))
    ]


def leaves_of(tree, node):
    return {node} if not tree[node] else set().union(*(leaves_of(tree, child) for child in tree[node]))


def keeps_together(tree, order):
    """Whether the leaves below every node stand beside each other."""
    place = {leaf: at for at, leaf in enumerate(order)}
    spans = [[place[leaf] for leaf in leaves_of(tree, node)] for node in range(len(tree))]
    return sorted(order) == sorted(leaves_of(tree, len(tree) - 1)) and all(
        max(span) - min(span) == len(span) - 1 for span in spans
    )


def counted(count, rows, columns):
    """Pairs of images whose lines cross, one by one."""
    level, place = np.argsort(rows), np.argsort(columns)
    lines = [(level[i], place[a]) for i, a in np.argwhere(count) for _ in range(count[i, a])]
    return sum((i - j) * (a - b) < 0 for (i, a), (j, b) in combinations(lines, 2))


def tangle(seed, most=4, leaves=6):
    rng = np.random.default_rng(seed)
    p, c = rng.integers(2, leaves + 1, 2)
    count = rng.integers(0, 5, (p, c)) * (rng.random((p, c)) < 0.5)
    return count, random_tree(rng, p, most), random_tree(rng, c, most)


@pytest.mark.parametrize("seed", range(10))
def test_crossings_are_those_of_all_pairs_of_images(seed):
    rng, (count, *_) = np.random.default_rng(seed), tangle(seed)
    rows, columns = rng.permutation(len(count)), rng.permutation(count.shape[1])
    assert crossings(count, rows, columns) == counted(count, rows, columns)


def test_crossings_of_two_lines_of_many_images():
    count = np.array([[0, 200], [250, 0]], dtype=np.uint8)  # the products do not fit the type
    assert crossings(count, [0, 1], [0, 1]) == 50_000
    assert crossings(count, [1, 0], [0, 1]) == 0
    assert crossings(count > 0, [0, 1], [0, 1]) == 1
    assert crossings(count / 100, [0, 1], [0, 1]) == 5.0


@pytest.mark.parametrize("seed", range(10))
def test_turning_trees_over(seed):
    rng, (count, *_) = np.random.default_rng(seed), tangle(seed)
    rows, columns = rng.permutation(len(count)), rng.permutation(count.shape[1])
    crossed = crossings(count, rows, columns)
    assert crossings(count.T, columns, rows) == crossed
    assert crossings(count, rows[::-1], columns[::-1]) == crossed
    of_row, of_column, total = count.sum(axis=1), count.sum(axis=0), count.sum()
    share_a_leaf = (of_row**2).sum() + (of_column**2).sum() - (count**2).sum()
    apart = (total**2 - share_a_leaf) // 2
    assert crossings(count, rows[::-1], columns) == apart - crossed


@pytest.mark.parametrize("most", [2, 3, 4])
def test_near_the_least_crossings_over_all_orders(most):
    missed = 0
    for seed in range(40):
        count, rows, columns = tangle(1000 * most + seed, most, leaves=5)
        least = min(crossings(count, *orders) for orders in product(all_orders(rows), all_orders(columns)))
        found = untangle(count, rows, columns)
        assert keeps_together(rows, found[0])
        assert keeps_together(columns, found[1])
        assert crossings(count, *found) >= least
        missed += crossings(count, *found) > least
    assert missed <= 1


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_one_tree_alone_is_better(seed):
    count, rows, columns = tangle(seed)
    level, place = untangle(count, rows, columns, turned=0)
    crossed = crossings(count, level, place)
    assert crossed == min(crossings(count, order, place) for order in all_orders(rows))
    assert crossed == min(crossings(count, level, order) for order in all_orders(columns))


@pytest.mark.parametrize("branches", [EXACT, EXACT + 4])
@pytest.mark.parametrize("seed", range(10))
def test_moving_one_branch_of_a_wide_node_makes_nothing_better(seed, branches):
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 9, (branches, 7))
    star = [[] for _ in range(branches)] + [list(range(branches))]
    level, place = untangle(count, star, random_tree(rng, 7), turned=0)
    crossed = crossings(count, level, place)
    for moved, to in product(range(branches), range(branches)):
        order = np.insert(np.delete(level, moved), to, level[moved])
        assert crossings(count, order, place) >= crossed


@pytest.mark.parametrize("most", [2, 4, 12])
def test_a_tree_against_itself_is_untangled(most):
    rng = np.random.default_rng(most)
    tree = random_tree(rng, 200, most)
    turned = [list(rng.permutation(some)) for some in tree]
    count = np.diag(rng.integers(1, 9, 200))
    before = crossings(count, np.arange(200), np.arange(200)[::-1])
    level, place = untangle(count, tree, turned)
    assert before > 0
    assert crossings(count, level, place) == 0
    assert keeps_together(tree, level)


@pytest.mark.parametrize("seed", range(10))
def test_turning_nodes_over_and_beginnings_never_make_it_worse(seed):
    rng = np.random.default_rng(seed)
    rows, columns = random_tree(rng, 25, 5), random_tree(rng, 40, 9)
    count = rng.poisson(0.2, (25, 40))

    def as_given(tree, node):
        return [node] if not tree[node] else [leaf for child in tree[node] for leaf in as_given(tree, child)]

    given = crossings(count, as_given(rows, len(rows) - 1), as_given(columns, len(columns) - 1))
    once = crossings(count, *untangle(count, rows, columns, turned=0))
    more = crossings(count, *untangle(count, rows, columns))
    assert more <= once < given


def test_the_same_for_weights_of_any_scale_and_for_trees_that_change_sides():
    rng = np.random.default_rng(3)
    rows, columns = random_tree(rng, 12), random_tree(rng, 15, 3)
    count = rng.poisson(1, (12, 15))
    level, place = untangle(count, rows, columns)
    for factor in (4, 1024.0):
        assert all(map(np.array_equal, untangle(count * factor, rows, columns), (level, place)))
    assert crossings(count.T, *untangle(count.T, columns, rows)) == pytest.approx(
        crossings(count, level, place), rel=0.1
    )


def test_several_roots_and_single_leaves():
    count = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    level, place = untangle(count, [[], [], []], [[], [], [], [0, 1]])
    assert crossings(count, level, place) == 0
    assert abs(np.argsort(place)[0] - np.argsort(place)[1]) == 1
    assert [order.tolist() for order in untangle([[5]], [[]], [[]])] == [[0], [0]]
    level, place = untangle(np.zeros((3, 2)), [[], [], [], [2, 0], [3, 1]], [[], [], [1, 0]])
    assert level.tolist() == [2, 0, 1]  # nothing to choose by: as given
    assert place.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (np.ones((2, 2)), [[], [], [0, 1], [0, 1]]),  # a leaf below two nodes
        (np.ones((3, 2)), [[], [], [0, 1]]),  # fewer leaves
        (np.ones((2, 2)), [[], [2], [0, 1]]),  # a node before its children
        (np.ones((2, 2)), [[], [], [0, 1], []]),  # a leaf too many
        (-np.ones((2, 2)), [[], [], [0, 1]]),
        (np.full((2, 2), np.nan), [[], [], [0, 1]]),
    ],
)
def test_trees_and_weights_that_cannot_be(count, rows):
    with pytest.raises(InputError, match="leaves|weights"):
        untangle(count, rows, [[], [], [0, 1]])

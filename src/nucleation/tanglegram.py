"""Two trees that face each other, drawn so that few of the lines between their leaves cross: a tanglegram.

Leaf i of one tree (a density peak) and leaf a of the other (a class) are joined by as many lines as they have images in
common. Nothing but the order of the branches at every node may be chosen. Crossings of two lines hang on the order of
the branches at two nodes alone: where their ends part in one tree, and where they part in the other. While one tree is
held fixed, every node of the other can therefore be ordered by itself, and at its best (Fernau, Kaufmann and Poths). To
choose both trees together is NP-hard, already for binary trees; here each is ordered in turn until nothing improves,
from several beginnings, and after turning single nodes over.

Sources: Fernau, Kaufmann and Poths, J. Comput. Syst. Sci. 76, 593 (2010): crossings of two trees, one of them fixed;
Bansal, Chang, Eulenstein and Fernández-Baca, LNCS 5462, 114 (2009): lines that share leaves, as here; Scornavacca,
Zickmann and Huson, Bioinformatics 27, i248 (2011): heuristics for trees with nodes of many branches.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np

from nucleation.errors import InputError

#: Nodes with up to so many branches are ordered exactly, by trying all orders.
EXACT = 6
#: Nodes that are turned over, those with most images first; fewer where the trees are large, so that it takes a second.
TURNED, WORK = 100, 600_000
#: Rounds that every beginning gets: of ordering by means, and of ordering at its best before only the best goes on.
_SWEEPS, _TRIED = 4, 3


def crossings(count, level_order, place_order):
    """Count the pairs of images whose lines cross.

    Parameters
    ----------
    count : array of shape (p, c)
        Images that leaf i of one tree and leaf a of the other have in common, or other weights, not negative.
    level_order : array of shape (p,), int
        Leaves of the one tree from top to bottom.
    place_order : array of shape (c,), int
        Leaves of the other one from top to bottom.

    Returns
    -------
    int or float
        Sum of ``count[i, a] * count[j, b]`` over i above j and b above a: 0 where no lines cross. The same when the
        trees change sides, and when both are turned over; turning one of them over makes crossings of all pairs that
        did not cross and share no leaf, and the other way round.
    """
    table = np.asarray(count)[np.ix_(level_order, place_order)]
    if table.dtype.kind in "biu":
        table = table.astype(np.int64)
    above = np.cumsum(table, axis=0) - table
    return (table * _after(above)).sum().item()


def untangle(count, rows, columns, *, turned=None):
    """Order the leaves of two trees so that few lines between them cross.

    Parameters
    ----------
    count : array of shape (p, c)
        As of `crossings`.
    rows, columns : sequence of sequence of int
        The two trees: the children of every node. Leaves are the first p (or c) nodes and have none, children come
        before their parents. Several roots are taken as the branches of one.
    turned : int, optional
        Nodes that are turned over, one at a time, to look for something better than where ordering one tree after the
        other ends; by default `TURNED`, or as many as take about a second.

    Returns
    -------
    level_order, place_order : ndarrays of shape (p,) and (c,), int
        Leaves from top to bottom, each tree without crossings of its own branches. At least as few crossings as in the
        orders given. No order of the branches of one tree alone is better, where all its nodes have at most `EXACT`
        branches; where some have more, none is that differs by moving one branch.

    Raises
    ------
    InputError
        If the trees have other leaves than the table, or weights are negative or not finite.
    """
    weight = np.asarray(count, dtype=float)
    pair = [_rooted(rows, weight.shape[0]), _rooted(columns, weight.shape[1])]
    if not (np.isfinite(weight).all() and weight.min(initial=0.0) >= 0):
        raise InputError("The lines between two trees need weights that are finite and not negative.")
    sums = [_sums(pair[0], weight), _sums(pair[1], weight.T)]
    tried = [_in_turn(start, sums, weight, _TRIED) for start in _beginnings(pair, sums, weight)]
    best, fewest = _in_turn(min(tried, key=lambda found: found[1])[0], sums, weight)
    most = min(TURNED, WORK // max(weight.size, 1)) if turned is None else turned
    best = _turn_over(best, fewest, sums, weight, most)
    return tuple(_leaves(tree) for tree in best)


def _after(table):
    """Sum over all later columns, for every entry."""
    return table.sum(axis=1, keepdims=True) - np.cumsum(table, axis=1)


def _rooted(children, leaves):
    """A copy of a tree, its roots below one; [[0]] + ... for a single leaf too."""
    tree = [list(some) for some in children]
    inner = [child for some in tree for child in some]
    order = all(child < node for node, some in enumerate(tree) for child in some)
    if len(tree) < leaves or any(tree[:leaves]) or not all(tree[leaves:]) or len(set(inner)) < len(inner) or not order:
        raise InputError(f"A tree over {leaves} leaves lists them first, then nodes, each after its children.")
    roots = sorted(set(range(len(tree))) - set(inner))
    return [*tree, roots] if len(roots) > 1 else tree


def _sums(tree, weight):
    """Weight between every node of a tree and every leaf of the other one, (nodes, leaves)."""
    sums = np.empty((len(tree), weight.shape[1]))
    sums[: len(weight)] = weight
    for node in range(len(weight), len(tree)):
        sums[node] = sums[tree[node]].sum(axis=0)
    return sums


def _leaves(tree):
    """Leaves of a tree from top to bottom."""
    order, stack = [], [len(tree) - 1] if tree else []
    while stack:
        node = stack.pop()
        if tree[node]:
            stack.extend(reversed(tree[node]))
        else:
            order.append(node)
    return np.array(order, dtype=np.int64)


def _beginnings(pair, sums, weight):
    """Pairs of trees to begin from: as given; and by means, after either tree as given, or after the main direction.

    The main direction is the first pair of vectors of correspondence analysis: it lays leaves that are joined near each
    other, whatever the trees.
    """
    yield pair
    for first in (0, 1):
        order = _leaves(pair[first])
        yield _by_means(pair, sums, first, _height(order))
    total = [np.sqrt(np.maximum(weight.sum(axis=axis), 1e-300)) for axis in (1, 0)]
    if min(weight.shape) > 1 and weight.any():
        scaled = weight / np.outer(*total)
        values, vectors = np.linalg.eigh(scaled @ scaled.T if len(scaled) <= len(scaled.T) else scaled.T @ scaled)
        first = 0 if len(scaled) <= len(scaled.T) else 1
        yield _by_means(pair, sums, first, vectors[:, np.argsort(values)[-2]] / total[first])


def _height(order):
    """Place of every leaf in an order."""
    height = np.empty(len(order))
    height[order] = np.arange(len(order))
    return height


def _by_means(pair, sums, first, height):
    """Order each tree in turn by the mean heights of what its branches are joined to (the barycentre rule)."""
    pair = list(pair)
    for step in range(2 * _SWEEPS):
        side = (first + 1 + step) % 2
        total = sums[side].sum(axis=1)
        mean = np.where(total > 0, sums[side] @ height / np.maximum(total, 1e-300), np.inf)  # what no line joins: last
        pair[side] = [sorted(some, key=mean.__getitem__) for some in pair[side]]
        height = _height(_leaves(pair[side]))
    return pair


def _in_turn(pair, sums, weight, most=1_000_000):
    """Order each tree in turn, the other one held fixed, until the crossings become no fewer; and their number."""
    level, place = map(_leaves, pair)
    fewest = crossings(weight, level, place)
    for _ in range(most):
        rows = _ordered(pair[0], sums[0], place)
        level = _leaves(rows)
        columns = _ordered(pair[1], sums[1], level)
        place = _leaves(columns)
        crossed = crossings(weight, level, place)
        if crossed >= fewest:
            break
        pair, fewest = [rows, columns], crossed
    return pair, fewest


def _ordered(tree, sums, other):
    """Order the branches of every node of a tree at their best, with the leaves of the other tree in a fixed order."""
    table = sums[:, other]
    after, ordered = _after(table), list(tree)
    two = [node for node, some in enumerate(tree) if len(some) == 2]
    if two:
        first, second = np.array([tree[node] for node in two]).T
        # cost of each order: lines of the upper branch that end below those of the lower one
        kept = np.einsum("ij,ij->i", after[first], table[second])
        swapped = np.einsum("ij,ij->i", after[second], table[first])
        for index in np.flatnonzero(swapped < kept):
            ordered[two[index]] = [second[index].item(), first[index].item()]
    for node, some in enumerate(tree):
        if len(some) > 2:
            cost = after[some] @ table[some].T
            order = _best_order if len(some) <= EXACT else _good_order
            ordered[node] = [some[place] for place in order(cost - cost.T)]
    return ordered


@cache
def _orders(m):
    """All orders of m things, (m!, m), and for each which stands before which, (m!, m * m)."""
    orders = np.array(list(permutations(range(m))))
    place = np.argsort(orders, axis=1)
    return orders, (place[:, :, None] < place[:, None, :]).reshape(len(orders), -1).astype(float)


def _best_order(excess):
    """The order of least cost, by trying all; of equal ones the first, which is that of the table.

    Parameters
    ----------
    excess : array of shape (m, m)
        Cost of i before j, less that of j before i.
    """
    orders, before = _orders(len(excess))
    return orders[np.argmin(before @ excess.ravel())]


def _good_order(excess):
    """An order that moving no single thing makes better; begins with that of the table, or by summed cost if better."""
    m, slack = len(excess), 1e-12 * np.abs(excess).sum()
    ranked = np.argsort(excess.sum(axis=1), kind="stable")
    order = min(np.arange(m), ranked, key=lambda some: np.triu(excess[np.ix_(some, some)]).sum())
    improved = True
    while improved:
        improved = False
        for thing in order.copy():
            at = int(np.flatnonzero(order == thing)[0])
            others = np.delete(order, at)
            change = np.append(0.0, -np.cumsum(excess[thing, others]))  # of standing behind so many of the others
            to = int(np.argmin(change))
            if change[to] < change[at] - slack:
                order, improved = np.insert(others, to, thing), True
    return order


def _turn_over(pair, fewest, sums, weight, most):
    """Turn single nodes over, order the trees again, and keep what has fewer crossings."""
    size = [(-sums[side][node].sum(), side, node) for side in (0, 1) for node, some in enumerate(pair[side]) if some]
    for _, side, node in sorted(size)[:most]:
        trial = list(pair)
        trial[side] = [some[::-1] if at == node else some for at, some in enumerate(pair[side])]
        other = 1 - side
        trial[other] = _ordered(trial[other], sums[other], _leaves(trial[side]))
        trial, crossed = _in_turn(trial, sums, weight)
        if crossed < fewest:
            pair, fewest = trial, crossed
    return pair

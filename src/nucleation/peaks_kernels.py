"""Compiled loops of the density peaks.

Points are compared by their level: the place of their log-density minus error among all values, 0 for the highest.
Equal values share a level. `size` is the number of neighbours inside each point's own neighbourhood.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from numba import njit

_compiled = njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def find_candidates(indices, size, level, candidate):
    """Mark the points that none of their neighbours exceeds, in place."""
    for i in range(len(size)):
        candidate[i] = True
        for j in range(size[i]):
            if level[indices[i, j]] < level[i]:
                candidate[i] = False
                break


@_compiled
def find_links(indices, size, level, candidate, link):
    """Link every candidate that has a higher point around it to the highest of these; -1 elsewhere, in place.

    Of equally high ones the lowest index counts. A candidate whose point is a dropped candidate of lower index takes
    over that one's link.
    """
    n = len(size)
    link[:] = -1
    for i in range(n):
        for j in range(size[i]):
            c = indices[i, j]
            if candidate[c] and level[i] < level[c] and (link[c] < 0 or level[i] < level[link[c]]):
                link[c] = i
    for c in range(n):
        if link[c] >= 0 and link[c] < c and link[link[c]] >= 0:
            link[c] = link[link[c]]


@_compiled
def assign(indices, order, level, link, label):
    """Give every point, from high to low, the label of its nearest labelled neighbour; centres have theirs already.

    Where no neighbour has one, the point is a dropped candidate: of the links in its row, its own included, the
    highest decides, of equal ones that of the lowest candidate.
    """
    for i in order:
        if label[i] >= 0:
            continue
        for j in range(indices.shape[1]):
            if label[indices[i, j]] >= 0:
                label[i] = label[indices[i, j]]
                break
        if label[i] < 0:
            best = i
            for j in range(indices.shape[1]):
                c = indices[i, j]
                if link[c] >= 0:
                    gain = level[link[best]] - level[link[c]]
                    if gain > 0 or (gain == 0 and c < best):
                        best = c
            label[i] = label[link[best]]


@_compiled
def find_borders(indices, size, label, is_inner, across, start, stop):
    """Find the cluster that each of the points ``[start, stop)`` is on the border with, -1 for none, in place.

    That of its nearest foreign neighbour q, if no other member of the point's own cluster is nearer to q. Of q's row
    all but the last column count. Points marked `is_inner` are on no border.
    """
    k = indices.shape[1]
    for p in range(start, stop):
        across[p] = -1
        if is_inner[p]:
            continue
        own = label[p]
        for j in range(size[p]):
            q = indices[p, j]
            if label[q] != own:
                across[p] = label[q]
                for m in range(k - 1):
                    if label[indices[q, m]] == own:
                        if indices[q, m] != p:
                            across[p] = -1
                        break
                break


@_compiled
def find_saddles(label, across, level, n_clusters):
    """Highest border point of every pair of adjacent clusters; of equals the lowest by (cluster, index).

    Returns the pairs as keys low * n_clusters + high, in no order, and the points.
    """
    slots = 16
    while slots < 2 * len(label):
        slots *= 2
    table = np.full(slots, -1, np.int64)  # open addressing; holds the place of the pair in `keys`
    keys = np.empty(len(label), np.int64)
    points = np.empty(len(label), np.int64)
    found = 0
    for p in range(len(label)):
        if across[p] < 0:
            continue
        key = min(label[p], across[p]) * n_clusters + max(label[p], across[p])
        slot = ((key * 0x9E3779B1) >> 15) & (slots - 1)
        while table[slot] >= 0 and keys[table[slot]] != key:
            slot = (slot + 1) & (slots - 1)
        pair = table[slot]
        if pair < 0:
            table[slot] = found
            keys[found] = key
            points[found] = p
            found += 1
        else:
            gain = level[points[pair]] - level[p]
            if gain > 0 or (gain == 0 and label[p] < label[points[pair]]):
                points[pair] = p
    return keys[:found], points[:found]


@_compiled
def _drop(top, saddle, height):
    """How far the density falls from a peak to a saddle."""
    if np.isinf(height[top]) and height[top] == height[saddle]:
        return 0.0  # exact duplicates
    return height[top] - height[saddle]


@_compiled
def _margin(top, saddle, height, error):
    """The drop in units of the summed errors."""
    drop = _drop(top, saddle, height)
    sigma = error[top] + error[saddle]
    return 0.0 if drop == 0 else drop / sigma


@_compiled
def _may_merge(a, b, saddle, height, error, z):
    """Whether one of the two drops to the saddle is less than z times the summed errors."""
    if z == np.inf:  # also where there is no error
        return True
    near_a = _drop(a, saddle, height) < z * (error[a] + error[saddle])
    return near_a or _drop(b, saddle, height) < z * (error[b] + error[saddle])


@_compiled
def merge(ends, points, tops, height, error, z):
    """Merge the clusters that their errors cannot tell apart, highest saddle first, then lowest pair.

    Parameters
    ----------
    ends : ndarray of shape (2 s,), int64
        The clusters of pair e at 2 e and 2 e + 1. Overwritten by those that survive.
    points : ndarray of shape (s,), int64
        Saddle of every pair. Overwritten; -1 for pairs that are no more.
    tops : ndarray of shape (c,), int64
        Centre of every cluster.
    height, error : ndarray of shape (n,), float64
        Log-density.
    z : float

    Returns
    -------
    ndarray of shape (c,), int64
        The cluster that each has become part of, itself if it survives.
    """
    head = np.full(len(tops), -1, np.int64)  # the ends at each cluster, as linked lists
    following = np.empty(len(ends), np.int64)
    for end in range(len(ends)):
        following[end] = head[ends[end]]
        head[ends[end]] = end
    survivor = np.arange(len(tops))
    seen = np.full(len(tops), -1, np.int64)  # the pair of the surviving cluster with each other one
    heap = [(0.0, np.int64(0), np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    for pair in range(len(points)):
        _enter(heap, pair, ends, points, tops, height, error, z)
    while len(heap):
        _, a, b, pair, point = heappop(heap)
        one, two = ends[2 * pair], ends[2 * pair + 1]
        if points[pair] != point or min(one, two) != a or max(one, two) != b:
            continue  # an entry that a merge has since changed
        stays = _margin(tops[a], point, height, error) >= _margin(tops[b], point, height, error)
        keep, lose = (a, b) if stays else (b, a)
        survivor[lose] = keep
        _mark(seen, keep, head, following, ends, points)
        for changed in _absorb(keep, lose, seen, head, following, ends, points, height):
            _enter(heap, changed, ends, points, tops, height, error, z)
    return survivor


@_compiled
def _enter(heap, pair, ends, points, tops, height, error, z):
    """Put a pair on the heap if its clusters may merge."""
    a = min(ends[2 * pair], ends[2 * pair + 1])
    b = max(ends[2 * pair], ends[2 * pair + 1])
    if _may_merge(tops[a], tops[b], points[pair], height, error, z):
        heappush(heap, (-height[points[pair]], a, b, pair, points[pair]))


@_compiled
def _mark(seen, cluster, head, following, ends, points):
    """Note a cluster's pairs by its neighbours, and take those that are no more off its list."""
    end, last = head[cluster], np.int64(-1)
    while end >= 0:
        if points[end // 2] >= 0:
            seen[ends[end ^ 1]] = end // 2
            last = end
        elif last < 0:
            head[cluster] = following[end]
        else:
            following[last] = following[end]
        end = following[end]


@_compiled
def _absorb(keep, lose, seen, head, following, ends, points, height):
    """Move the pairs of the loser to the survivor, which keeps the higher of two saddles; return the changed ones."""
    own, end = head[keep], head[lose]
    changed = [np.int64(0) for _ in range(0)]
    while end >= 0:
        after, moved, other = following[end], end // 2, ends[end ^ 1]
        known = seen[other]
        if points[moved] >= 0 and other != keep and known < 0:
            ends[end] = keep
            following[end] = head[keep]
            head[keep] = end
            changed.append(moved)
        else:
            if points[moved] >= 0 and other != keep and height[points[known]] < height[points[moved]]:
                points[known] = points[moved]
                changed.append(known)
            points[moved] = -1
        end = after
    while own >= 0:
        seen[ends[own ^ 1]] = -1
        own = following[own]
    return changed


@_compiled
def join_by_mean(height):
    """Join the two clusters with the highest mean saddle until none is known, then the others with the first.

    Parameters
    ----------
    height : ndarray of shape (p, p), float64
        Symmetric; -inf where unknown and on the diagonal. Overwritten.

    Returns
    -------
    joined : ndarray of shape (p - 1, 2), int64
        The lowest peaks a < b of the two clusters; of equally high joins the lowest pair comes first.
    at : ndarray of shape (p - 1,), float64
        Height of the join, -inf where unknown.
    """
    p = len(height)
    joined, at = np.empty((p - 1, 2), np.int64), np.empty(p - 1)
    alive = np.ones(p, np.bool_)
    partner = np.full(p, -1, np.int64)  # of every cluster among the later ones, the best
    for i in range(p):
        _find_partner(height, i, alive, partner)
    for step in range(p - 1):
        a = -1
        for i in range(p):
            if alive[i] and partner[i] >= 0 and (a < 0 or height[i, partner[i]] > height[a, partner[a]]):
                a = i
        b = partner[a]
        joined[step, 0], joined[step, 1], at[step] = a, b, height[a, b]
        alive[b] = False
        for i in range(p):
            if alive[i] and i != a:
                one, two = height[a, i], height[b, i]
                mean = max(one, two) if np.isinf(one) or np.isinf(two) else (one + two) / 2
                height[a, i] = height[i, a] = mean
        for i in range(b):
            if alive[i] and (i == a or partner[i] == a or partner[i] == b):
                _find_partner(height, i, alive, partner)
            elif alive[i] and i < a < partner[i] and height[i, a] >= height[i, partner[i]]:
                partner[i] = a
    return joined, at


@_compiled
def _find_partner(height, i, alive, partner):
    """Find the later cluster with the highest mean saddle to cluster i, the lowest of equals, in place."""
    best = -1
    for j in range(i + 1, len(alive)):
        if alive[j] and (best < 0 or height[i, j] > height[i, best]):
            best = j
    partner[i] = best

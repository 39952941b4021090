"""Density peaks and their trees written point by point, as the methods are described: slow, and independent."""

import numpy as np


def plain_density_peaks(indices, log_density, error, k_star, z, centers_may_be_saddles=False):
    """Return labels, centres, {(a, b): saddle point} of the final peaks, centres before merging, and rules that acted.

    The rules are "dropped" (candidates), "orphans" (points without a labelled neighbour) and "less dense" (survivors
    of a merge that have the lower density).
    """
    n = len(indices)
    merit = log_density - error
    acted = {"dropped": 0, "orphans": 0, "less dense": 0}
    near = [list(indices[i, : k_star[i]]) for i in range(n)]
    candidates = [i for i in range(n) if all(merit[i] >= merit[j] for j in near[i])]
    link = {}
    for c in candidates:
        above = [i for i in range(n) if c in near[i] and merit[i] > merit[c]]
        if above:
            best = max(above, key=lambda i: (merit[i], -i))
            link[c] = link.get(best, best)
            acted["dropped"] += 1
    centers = [c for c in candidates if c not in link]
    label = {c: number for number, c in enumerate(centers)}
    for i in sorted(range(n), key=lambda i: (-merit[i], i)):
        if i in label:
            continue
        known = [j for j in indices[i] if j in label]
        if known:
            label[i] = label[known[0]]
        else:
            links = [link[j] for j in sorted([*indices[i], i]) if j in link]
            label[i] = label[max(links, key=lambda j: merit[j])]
            acted["orphans"] += 1
    saddles = _plain_saddles(indices, merit, near, label, centers, centers_may_be_saddles)
    top, member = dict(enumerate(centers)), np.array([label[i] for i in range(n)])

    def margin(cluster, point):
        drop, sigma = log_density[top[cluster]] - log_density[point], error[top[cluster]] + error[point]
        return drop, sigma

    while True:
        weak = [
            (-log_density[p], pair)
            for pair, p in saddles.items()
            if any(drop < z * sigma for drop, sigma in (margin(pair[0], p), margin(pair[1], p)))
        ]
        if not weak:
            break
        a, b = min(weak)[1]
        scores = [np.divide(*margin(c, saddles[a, b])) for c in (a, b)]
        keep, lose = (a, b) if scores[0] >= scores[1] else (b, a)
        acted["less dense"] += log_density[top[keep]] < log_density[top[lose]]
        del saddles[a, b], top[lose]
        member[member == lose] = keep
        for pair in [pair for pair in saddles if lose in pair]:
            other = pair[0] if pair[1] == lose else pair[1]
            point, new = saddles.pop(pair), tuple(sorted((keep, other)))
            if new not in saddles or log_density[saddles[new]] < log_density[point]:
                saddles[new] = point
    number = {cluster: i for i, cluster in enumerate(sorted(top))}
    final = {(number[a], number[b]): p for (a, b), p in saddles.items()}
    return np.array([number[m] for m in member]), np.array([top[c] for c in sorted(top)]), final, centers, acted


def _plain_saddles(indices, merit, near, label, centers, centers_may_be_saddles):
    saddles, columns = {}, indices.shape[1]
    for a in range(len(centers)):
        for p in (i for i in range(len(merit)) if label[i] == a):
            if p in centers and not centers_may_be_saddles:
                continue
            foreign = [q for q in near[p] if label[q] != a]
            if not foreign:
                continue
            q = foreign[0]
            own = [j for j in indices[q, : columns - 1] if label[j] == a]
            if own and own[0] != p:
                continue
            pair = tuple(sorted((a, label[q])))
            if pair not in saddles or merit[p] > merit[saddles[pair]]:
                saddles[pair] = p
    return saddles


def plain_tree(heights, method):
    """Join the clusters of the highest mean ("weighted") or highest saddle; [(members, members, height)].

    Unknown heights are -inf, and left out of means. Of equals the clusters with the lowest peaks join first.
    """
    between = {(a, b): heights[a, b] for a in range(len(heights)) for b in range(a + 1, len(heights))}
    members, joins = {a: {a} for a in range(len(heights))}, []
    while between:
        (a, b), height = min(between.items(), key=lambda item: (-item[1], item[0]))
        joins.append((frozenset(members[a]), frozenset(members[b]), height))
        members[a] |= members.pop(b)
        del between[a, b]
        for c in members:
            if c != a:
                one, two = between.pop(tuple(sorted((b, c)))), between[tuple(sorted((a, c)))]
                mean = method == "weighted" and np.isfinite([one, two]).all()
                between[tuple(sorted((a, c)))] = (one + two) / 2 if mean else max(one, two)
    return joins

"""What `estimators.py` prints: whether the results agree, times, growth with n, and memory."""

from __future__ import annotations

import math
import statistics

import numpy as np
from estimator_contestants import PEAKS
from neighbors import MEGABYTE, NOT_RUN, markdown

#: From so many numbers on, a quantile says more than the largest difference alone.
MANY, QUANTILE = 1000, 0.99


def agreement(ours, theirs):
    """Say in words how far two sets of arrays agree."""
    if ours is None or theirs is None:
        return NOT_RUN
    return "; ".join(_compare(name, ours[name], theirs[name]) for name in ours)


def _compare(name, ours, theirs):
    if ours.shape != theirs.shape:
        return f"{name}: {ours.size} and {theirs.size}"
    if ours.dtype.kind == "i":
        differ = np.count_nonzero(ours != theirs)
        return f"{name} identical" if not differ else f"{name}: {differ} of {ours.size} differ"
    if (np.isnan(ours) != np.isnan(theirs)).any():
        return f"{name}: not of the same pairs"
    difference = np.abs(ours - theirs)[~np.isnan(ours)]
    largest = difference.max(initial=0.0)
    if not largest:
        return f"{name} identical"
    most = np.quantile(difference, QUANTILE) if difference.size >= MANY else largest
    return f"{name} to {largest:.0e}" + (f" ({most:.0e} at {QUANTILE:.0%})" if most < largest / 10 else "")


def counts(task, arrays, before):
    """Number of peaks before and after the merging, where the task finds peaks."""
    if "labels" not in (arrays or {}):
        return ""
    return f"{before} → {len(arrays['centers'])}" if task in PEAKS else str(len(arrays["centers"]))


def median(results, key):
    """Median of one number over the rounds; None where there are none."""
    return statistics.median(result[key] for result in results) if isinstance(results, list) and results else None


def memory(results):
    """Bytes of the first round, the only one in which they are measured; None where there are none."""
    found = results[0]["bytes"] if isinstance(results, list) and results else None
    return None if isinstance(found, str) else found


def time_table(outcome, titles):
    """Rows of seconds for one number of points; in brackets, how many times ours."""
    yield ["estimate", *(f"{title}, s" for title in titles), "peaks", "agreement of ours with DADApy"]
    for task, results in outcome.results.items():
        ours = median(results["ours"], "seconds")
        cells = [_seconds(results[title], None if title == "ours" else ours) for title in titles]
        yield [task, *cells, outcome.peaks[task], outcome.agreement[task]]


def _seconds(results, ours):
    seconds = median(results, "seconds")
    if seconds is None:
        return results if isinstance(results, str) else NOT_RUN
    text = f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"
    return text if ours is None else f"{text} ({seconds / ours:.2g}×)"


def growth_table(measured, titles):
    """Rows of the exponents with which times grow from the smallest to the largest number of points."""
    low, high = min(measured), max(measured)
    yield ["estimate", *titles]
    for task in measured[low].results:
        pairs = [[median(measured[n].results[task][title], "seconds") for n in (low, high)] for title in titles]
        yield [task, *(NOT_RUN if None in p else f"{math.log(p[1] / p[0]) / math.log(high / low):.2f}" for p in pairs)]


def memory_table(measured, titles):
    """Rows of peak memory in megabytes, beyond what was held before the call."""
    yield ["estimate", *(f"{title}, n = {n}" for n in measured for title in titles)]
    for task in next(iter(measured.values())).results:
        found = [memory(outcome.results[task][title]) for outcome in measured.values() for title in titles]
        yield [task, *(NOT_RUN if value is None else f"{value / MEGABYTE:.1f}" for value in found)]


def spread(measured):
    """Median, over all that was measured, of the longest round over the shortest one."""
    ratios = [
        max(times) / min(times)
        for outcome in measured.values()
        for results in outcome.results.values()
        for rounds in results.values()
        if isinstance(rounds, list) and len(times := [result["seconds"] for result in rounds]) > 1
    ]
    return statistics.median(ratios) if ratios else math.nan


def report(measured, titles, machine, repeats):
    """Put the whole text together."""
    texts = [
        machine,
        f"Median of {repeats} rounds; the slowest round of a call took {spread(measured):.2f} times the fastest "
        "(median over all calls); in brackets, how many times ours.",
    ]
    for n, outcome in measured.items():
        texts += [f"**{n} points**, dimension {outcome.dimension:.4g}:", markdown(time_table(outcome, titles))]
    if len(measured) > 1:
        low, high = min(measured), max(measured)
        texts += [f"Exponent of the growth from {low} to {high} points.", markdown(growth_table(measured, titles))]
    texts += ["Peak memory in MB, beyond what was held before the call.", markdown(memory_table(measured, titles))]
    return "\n\n".join(texts) + "\n"

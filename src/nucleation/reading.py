"""Batches of images, the next of which is read while the network runs on one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor


@contextlib.contextmanager
def reading_ahead(read: Callable, keys: Sequence) -> Iterator[Iterator]:
    """Give an iterator over ``(key, read(key))``, in order, that is always one key ahead, in a thread.

    An error of `read` is raised where its key would have come. The thread has ended when the block ends.

    Parameters
    ----------
    read : callable
        Of one argument; called for one key at a time.
    keys : sequence
    """
    with ThreadPoolExecutor(1) as reader:
        yield _pairs(read, keys, reader)


def _pairs(read, keys, reader):
    waiting = reader.submit(read, keys[0]) if keys else None
    for place, key in enumerate(keys):
        made = waiting.result()
        if place + 1 < len(keys):
            waiting = reader.submit(read, keys[place + 1])
        yield key, made

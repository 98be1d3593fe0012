"""Sends a large file to its disk while it is still written: the end of it then waits for the last part alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

EVERY = 128 << 20
"""Bytes between two such times. Left to itself, the system keeps a tenth of the memory before it begins."""


class Flusher:
    """Is told of bytes as they are written; see `flushed`."""

    def __init__(self, handle: int, pool: ThreadPoolExecutor) -> None:
        self.handle, self.pool = handle, pool
        self.waiting = 0
        self.last: Future[None] | None = None

    def wrote(self, count: int) -> None:
        self.waiting += count
        if self.waiting >= EVERY and (self.last is None or self.last.done()):
            self.waiting = 0
            self.last = self.pool.submit(os.fsync, self.handle)


@contextmanager
def flushed(path: str) -> Iterator[Flusher]:
    """Within it, the file at ``path`` is written by other means. At its end, all of it is on the disk.

    Raises:
        OSError: the disk does not take it.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        with ThreadPoolExecutor(1) as pool:
            flusher = Flusher(handle, pool)
            yield flusher
        if flusher.last is not None:
            flusher.last.result()
        os.fsync(handle)
    finally:
        os.close(handle)

"""Times that can be compared on a machine whose speed changes: all contestants take turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Times = dict[str, list[float]]


def in_turns(work: Mapping[str, Callable[[], Any]], rounds: int, least: float = 0.0) -> Times:
    """Milliseconds of each contestant in each round, after one that makes variables and graphs.

    Args:
        work: what is timed, by name.
        rounds: how often each is timed.
        least: seconds that one time lasts at least: what is quicker is called several times.
    """
    counts: dict[str, int] = {}
    for name, run in work.items():
        run()
        start = time.perf_counter()
        run()
        counts[name] = max(1, round(least / max(time.perf_counter() - start, 1e-6)))
    times: Times = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                run()
            times[name].append((time.perf_counter() - start) * 1e3 / counts[name])
    return times


def shown(times: list[float]) -> str:
    """The median with the spread: ``1.25 (1.19 to 1.40)``."""
    return f"{statistics.median(times):.3g} ({min(times):.3g} to {max(times):.3g})"


def one_thread() -> None:
    """One thread for each framework: two thread pools in one process, on a machine that is shared, wait for each
    other."""
    import tensorflow as tf
    import torch

    torch.set_num_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

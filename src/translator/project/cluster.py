"""Translates a project's units on a Ray cluster: the same tasks and the same answers as the processes of this machine.

xlate has to be installed on every machine, in the same version; tables of one's own have to lie at the same path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from translator._version import __version__
from translator.model import InputError

from .pool import Died
from .run import Answers, Results, Task, translate_task


def answers(workers: int) -> Answers:
    """A function that translates tasks on the cluster that ``RAY_ADDRESS`` names, or on one of this machine.

    Args:
        workers: processor cores of a cluster of this machine.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray", code="XL017", hint="pip install 'xlate[ray]'") from None
    if not ray.is_initialized():
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **local)
        except (ConnectionError, RuntimeError, ValueError) as error:
            message = f"the Ray cluster cannot be reached: {str(error).splitlines()[0]}"
            raise InputError(message, code="XL017", hint="look at RAY_ADDRESS") from None
    return _answers


def _answers(tasks: Sequence[Task]) -> Iterator[tuple[Task, Results | Died]]:
    """The answer to each task, in any order. A few more are under way than there are cores, and no others."""
    import ray

    translate = ray.remote(num_cpus=1, max_retries=0)(_translate)
    room = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = list(reversed(tasks))
    running: dict[Any, Task] = {}
    while waiting or running:
        while waiting and len(running) < room:
            task = waiting.pop()
            running[translate.remote(task, __version__)] = task
        ready, _ = ray.wait(list(running), num_returns=1)
        for reference in ready:
            task = running.pop(reference)
            yield task, _answer(reference)


def _answer(reference: object) -> Results | Died:
    import ray

    try:
        result = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(error.cause.message, code=error.cause.code, hint=error.cause.hint) from None
        return Died(f"ended by {type(error.cause).__name__}")
    except ray.exceptions.RayError as error:
        return Died(f"ended by {type(error).__name__}")
    assert isinstance(result, Results)
    return result


def _translate(task: Task, version: str) -> Results:
    """Runs on the cluster. Spreading one unit over processes is left out: the cores are Ray's to give."""
    if version != __version__:
        message = f"a machine of the cluster has xlate {__version__}, this one {version}"
        raise InputError(message, code="XL017", hint="install the same version everywhere")
    return translate_task(replace(task, workers=0))

"""Worker processes of which each may die without taking more along than the task that it had."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from translator.interrupts import ignore_interrupts, interrupts_held

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Died(Exception):
    """A worker ended before it answered."""


class Pool(Generic[Task, Answer]):
    """Runs a function over tasks in processes; answers come in any order.

    Args:
        function: what is run; a function of a module.
        workers: how many processes at most.
    """

    def __init__(self, function: Callable[[Task], Answer], workers: int) -> None:
        self.function = function
        self.workers = workers
        # Forked workers share the code and the tables that are loaded already.
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        self.context: Any = multiprocessing.get_context(method)
        self.idle: list[_Worker] = []
        self.busy: dict[Connection, tuple[_Worker, int]] = {}

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Answer | Died]]:
        """The answer to each task, with the task's number, as they come."""
        waiting = deque(range(len(tasks)))
        try:
            while waiting or self.busy:
                while waiting and len(self.busy) < self.workers:
                    number = waiting.popleft()
                    worker = self.idle.pop() if self.idle else _Worker(self.context, self.function)
                    self.busy[worker.pipe] = (worker, number)
                    worker.send(tasks[number])
                for pipe in wait(list(self.busy)):
                    worker, number = self.busy.pop(pipe)  # type: ignore[call-overload]
                    try:
                        answer = worker.pipe.recv()
                        self.idle.append(worker)
                        yield number, answer
                    except (EOFError, OSError):
                        yield number, Died(worker.reason())
        finally:
            self.close()

    def close(self) -> None:
        for worker in [*self.idle, *(worker for worker, _ in self.busy.values())]:
            worker.end()
        self.idle, self.busy = [], {}


class _Worker:
    def __init__(self, context: Any, function: Callable[[Any], Any]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.pipe, function, os.getpid()), daemon=False)
        with interrupts_held():
            self.process.start()
        theirs.close()

    def send(self, task: Any) -> None:
        with contextlib.suppress(OSError):  # it died: the receiving end hears of it
            self.pipe.send(task)

    def reason(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def end(self) -> None:
        self.pipe.close()
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


def _work(pipe: Connection, other: Connection, function: Callable[[Any], Any], parent: int) -> None:
    """A worker's life: one task after the other until the pipe closes. Ctrl-C is the parent's to handle."""
    ignore_interrupts()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    other.close()
    while True:
        try:
            # Workers that were forked later hold the pipe's other end too: its closing is no sure sign of the end.
            while not pipe.poll(2):
                if os.getppid() != parent:
                    return
            task = pipe.recv()
        except (EOFError, OSError):
            return
        answer = function(task)
        try:
            pipe.send(answer)
        except OSError:
            return


def can_fork() -> bool:
    """Whether a process can be split in two, so that both have everything that it knows."""
    return "fork" in multiprocessing.get_all_start_methods()

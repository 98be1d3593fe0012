"""Verifies one entry point with a pair of workers: both sides run, their results are compared."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from ..model import Direction
from .blame import differences, find_spot, locate
from .judge import Check, Told, judge, outputs
from .loading import Program
from .pool import Pool, Worker, WorkerError
from .reference import reference
from .result import Failure, ModelReport
from .traces import trace


@dataclass(frozen=True, slots=True)
class Case:
    """One entry point, and how to call it. ``task`` is `translator.proof.side.Task` in plain values."""

    source: Program
    translated: Program
    task: dict[str, Any]
    exact: Program | None = None
    """The exact form of the translation, asked where the idiomatic one differs as expected."""
    layers: bool = False
    """Whether to measure the difference part by part even where the two agree."""
    keep: bool = False
    """Whether to keep the weights, inputs and outputs for a test of the user's own."""

    @property
    def direction(self) -> Direction:
        return Direction(self.task["direction"])

    def program(self, framework: str) -> Program:
        return self.source if framework == self.direction.source else self.translated

    def task_for(self, framework: str) -> dict[str, Any]:
        """The task as one side is told of it: only the translation has another axis order at its edge."""
        return {**self.task, "edges": {} if framework == self.direction.source else self.task["edges"]}


def verify_case(pool: Pool, case: Case) -> ModelReport:
    """Run and compare; what either program raises becomes part of the report."""
    start = time.perf_counter()
    report = ModelReport(case.source.path, case.task["entry"], dict(case.task["init"]))
    try:
        _verify(pool, case, report)
    except WorkerError as error:
        told = error.told
        frames = tuple((f[0], f[1], f[2], f[3]) for f in told["frames"])
        source = error.framework == case.direction.source
        report.failure = Failure(error.framework, told["stage"], told["type"], told["message"], frames, source)
    finally:
        for worker in (pool.torch, pool.tf):
            if worker.process is not None:
                try:
                    worker.call("close", pool.timeout)
                except WorkerError:
                    worker.kill()
    report.seconds = time.perf_counter() - start
    return report


def _open(pool: Pool, case: Case, worker: Worker, program: Program | None = None) -> None:
    program = program or case.program(worker.framework)
    worker.send("open", program=program.plain(), task=case.task_for(worker.framework))


def _verify(pool: Pool, case: Case, report: ModelReport) -> None:
    for worker in (pool.torch, pool.tf):
        _open(pool, case, worker)
    pool.torch.receive(pool.timeout)
    if case.direction is Direction.TF2TORCH and not case.task["cases"]:
        pool.tf.receive(pool.timeout)
        case.task["cases"] = pool.tf.call("guess", pool.timeout)["cases"]
        _open(pool, case, pool.torch)
        pool.torch.receive(pool.timeout)
        _open(pool, case, pool.tf)
    try:
        torch = _run_torch(pool, report)
    except WorkerError as error:
        pool.tf.receive(pool.timeout)
        _survey_torch(pool, case, report, error)
        raise
    pool.tf.receive(pool.timeout)
    try:
        tf = _run_tf(pool, torch, report)
    except WorkerError as error:
        _survey(pool, case, report, torch, error)
        raise
    report.checks = judge(torch[0], tf, case.direction)
    if any(not c.ok for c in report.checks):
        find_spot(pool, case, report, torch[0], tf)
        return
    if case.layers:
        traces = trace(pool, case, tf, 0, False)
        report.layers = differences(traces) if traces is not None else []
    _single(pool, case, report, torch)
    if case.keep:
        report.reference = reference(pool, case, torch[0], tf)
    if report.expected and case.exact is not None:
        _open(pool, case, pool.tf if case.direction is Direction.TORCH2TF else pool.torch, case.exact)
        pool.tf.receive(pool.timeout)
        exact = _run_tf(pool, torch, report)
        report.exact = judge(torch[0], exact, case.direction, strict=True)


def _survey(pool: Pool, case: Case, report: ModelReport, torch: tuple[Told, str], error: WorkerError) -> None:
    """Where a translation to TensorFlow that raises something parts from its source, if that can be told."""
    if case.direction is not Direction.TORCH2TF or not error.told["frames"]:
        return
    try:
        told = pool.tf.call("survey", pool.timeout, told=torch[0].plain, arrived=torch[1])
        locate(pool, case, report, torch[0], Told(told, {}))
    except WorkerError:
        return


def _survey_torch(pool: Pool, case: Case, report: ModelReport, error: WorkerError) -> None:
    """The same for a translation to PyTorch."""
    if case.direction is not Direction.TF2TORCH or error.told["stage"] != "running" or not error.told["frames"]:
        return
    try:
        file = pool.parcel()
        torch = Told.of(pool.torch.call("survey", pool.timeout, out=file), file)
        told = pool.tf.call("survey", pool.timeout, told=torch.plain, arrived=file)
        locate(pool, case, report, torch, Told(told, {}))
    except WorkerError:
        return


def _run_torch(pool: Pool, report: ModelReport) -> tuple[Told, str]:
    file = pool.parcel()
    told = pool.torch.call("run", pool.timeout, out=file)
    report.cases = told["cases"]
    for mode in ("eval", "train"):
        if told["random"][mode]:
            report.notes.append(f"draws random numbers in {mode} mode, so that mode cannot be compared")
    return Told.of(told, file), file


def _run_tf(pool: Pool, torch: tuple[Told, str], report: ModelReport) -> Told:
    file = pool.parcel()
    told = pool.tf.call("run", pool.timeout, told=torch[0].plain, arrived=torch[1], out=file)
    report.notes += [n for n in told.get("notes", ()) if n not in report.notes]
    return Told.of(told, file)


def _single(pool: Pool, case: Case, report: ModelReport, torch: tuple[Told, str]) -> None:
    """The eval output in float32. A translation that does not run there is broken, whatever float64 says."""
    files = pool.parcel(), pool.parcel()
    try:
        one = Told.of(pool.torch.call("single", pool.timeout, out=files[0]), files[0])
    except WorkerError as error:
        report.notes.append(f"float32: {error}")
        return
    two = pool.tf.call("single", pool.timeout, told=torch[0].plain, arrived=torch[1], out=files[1])
    other = Told.of(two, files[1])
    found = outputs("output", one, other, one.plain["output"], other.plain["output"], case.direction)
    report.single = [Check("float32 output", q) for q in found]


def shown(path: str) -> str:
    """A path as short as it can be."""
    short = os.path.relpath(path)
    return path if short.startswith("..") else short

"""A pair of worker processes, one for each framework, that serve many tasks: importing a framework takes seconds."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

FRAMEWORKS = ("torch", "tf")


class WorkerError(Exception):
    """A program failed, in a way that is told as plain values; see `translator.proof.side.failure`."""

    def __init__(self, framework: str, told: dict[str, Any]) -> None:
        super().__init__(told["message"])
        self.framework = framework
        self.told = told


class Worker:
    """One process. It starts with the first command and again after it had to be killed."""

    def __init__(self, framework: str, folder: Path) -> None:
        self.framework = framework
        self.log = folder / f"{framework}.log"
        self.process: subprocess.Popen[str] | None = None
        self.answers: queue.Queue[str] = queue.Queue()
        self.offset = 0
        self.number = 0
        """Of the last command: answers to earlier ones, which nobody waited for, are passed over."""

    def start(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        # Threads that wait in a loop starve both processes where others want the processors too: minutes for seconds.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        environment |= {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "translator.proof.worker", self.framework],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                env=environment, start_new_session=os.name == "posix",
            )  # fmt: skip
        self.answers = queue.Queue()
        threading.Thread(target=_read, args=(self.process, self.answers), daemon=True).start()

    def send(self, command: str, **given: Any) -> None:
        """Have a command done; `receive` takes its answer."""
        self.start()
        assert self.process is not None and self.process.stdin is not None
        self.number += 1
        self.offset = self.log.stat().st_size if self.log.exists() else 0
        try:
            self.process.stdin.write(json.dumps({"number": self.number, "do": command, "with": given}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the process is gone: `receive` tells

    def receive(self, timeout: float) -> dict[str, Any]:
        """The answer to the last command.

        Raises:
            WorkerError: the program failed, took longer than ``timeout`` seconds, or took the process with it.
        """
        answer: dict[str, Any] = {}
        while answer.get("number") != self.number:
            try:
                line = self.answers.get(timeout=timeout)
            except queue.Empty:
                self.kill()
                message = f"still not done after {timeout:g} s; a smaller model or input, or --timeout, may help"
                raise WorkerError(self.framework, _told("running", "Timeout", message)) from None
            if not line:
                raise WorkerError(self.framework, self._death())
            answer = json.loads(line)
        if "failed" in answer:
            raise WorkerError(self.framework, answer["failed"])
        done: dict[str, Any] = answer["done"]
        return done

    def call(self, command: str, timeout: float, **given: Any) -> dict[str, Any]:
        self.send(command, **given)
        return self.receive(timeout)

    def _death(self) -> dict[str, Any]:
        """What is known of a process that ended by itself: its exit status and the end of what it printed."""
        code = self.process.wait() if self.process is not None else None
        with self.log.open("r", encoding="utf-8", errors="replace") as log:
            log.seek(self.offset)
            tail = log.read().strip().splitlines()[-12:]
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        self.process = None
        return _told("running", "Crash", "\n".join([f"the process ended ({how})", *tail]))

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Let the process end by itself, or end it."""
        if self.process is None:
            return
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self.process = None


def _read(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        for line in stream:
            answers.put(line)
    answers.put("")


def _told(stage: str, kind: str, message: str) -> dict[str, Any]:
    return {"stage": stage, "type": kind, "message": message, "frames": []}


class Pool:
    """Both workers and a folder for what passes between them. A context manager: the processes end with it."""

    def __init__(self, timeout: float = 300.0) -> None:
        self.timeout = timeout
        self._folder = tempfile.TemporaryDirectory(prefix="xlate-verify-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.torch, self.tf = (Worker(name, self.folder) for name in FRAMEWORKS)
        self.parcels = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in (self.torch, self.tf):
            worker.kill() if kind is KeyboardInterrupt else worker.stop()
        self._folder.cleanup()

    def parcel(self) -> str:
        """The path of a new file for arrays."""
        self.parcels += 1
        return str(self.folder / f"{self.parcels}.npz")

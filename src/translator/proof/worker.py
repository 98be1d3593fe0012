"""A process that runs one side of programs: ``python -m translator.proof.worker torch|tf``.

It reads one command a line, as JSON, from standard input, and answers each with one line. What the user's programs
print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO


def _pipes() -> tuple[TextIO, TextIO]:
    """The channels to the parent, out of reach of the user's programs."""
    commands = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return commands, answers


class Worker:
    """Executes commands on the one side that this process runs."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self.side: Any = None

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer to a command: what it returns, or how the program failed."""
        from .loading import Program
        from .side import Task, failure

        name, given = command["do"], command["with"]
        if name == "open":
            self.close()
            program = Program.of(given["program"])
            try:
                if self.framework == "torch":
                    from .torch_side import TorchSide as Side
                else:
                    from .tf_side import TFSide as Side  # type: ignore[assignment]
            except ImportError as error:
                return {"failed": failure(error, program, "importing the framework")}
            self.side = Side(program, Task.of(given["task"]))
            return {"done": {}}
        if name == "close":
            self.close()
            return {"done": {}}
        try:
            return {"done": getattr(self.side, name)(**given)}
        except (Exception, SystemExit) as error:
            return {"failed": failure(error, self.side.session.program, self.side.stage)}

    def close(self) -> None:
        if self.side is not None:
            self.side.session.close()
            self.side = None


def main(framework: str) -> None:
    """Answer commands until standard input ends."""
    commands, answers = _pipes()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    worker = Worker(framework)
    for line in commands:
        command = json.loads(line)
        answer = {"number": command["number"], **worker.do(command)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])

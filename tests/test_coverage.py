"""``xlate coverage``: every call is counted once, by what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from translator.cli_root import root
from translator.coverage import State, misses, other_errors, survey, tally
from translator.model import Options

PROGRAM = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor):
        y = torch.relu(self.fc(x))
        z = torch.abs(y).stride()
        return torch.no_such_thing(y)


def size(thing):
    return thing().sum(0)
"""


def states(source: str) -> dict[str, State]:
    (file,) = survey({"net.py": source.encode()}, Options())
    return {site.api: site.state for site in file.sites if site.call}


def test_each_call_has_one_state() -> None:
    found = states(PROGRAM)
    assert found["torch.nn.Linear"] is State.TRANSLATED
    assert found["torch.relu"] is State.TRANSLATED
    assert found["torch.Tensor.stride"] is State.REFUSED
    assert found["torch.abs"] is State.BLOCKED, "it stands in the statement of the refused call"
    assert found["torch.no_such_thing"] is State.UNKNOWN
    assert found["?.sum"] is State.UNKNOWN, "of what it is a method is not known"
    assert "torch.nn.Linear.__call__" not in found, "a layer's call is no use of an API by name"


def test_files_and_models_are_told_apart() -> None:
    fine = "import torch\n\n\ndef f(x):\n    return torch.relu(x)\n"
    sources = {"net.py": PROGRAM, "fine.py": fine, "none.py": "x = 1\n"}
    files = survey({k: v.encode() for k, v in sources.items()}, Options())
    assert [f.model for f in files] == [True, False, False]
    assert [f.clean for f in files] == [False, True, True]
    assert [f.uses for f in files] == [True, True, False]


def test_names_that_are_not_called_are_counted_apart() -> None:
    files = survey({"a.py": b"import torch\n\nkind = torch.float32\ny = torch.zeros(2, dtype=kind)\n"}, Options())
    assert tally(files, calls=True).total() == 1
    assert {site.api for site in files[0].sites if not site.call} == {"torch.float32"}


def test_misses_are_sorted_by_frequency_and_know_their_files() -> None:
    twice = b"import torch\n\ntorch.no_such_thing()\ntorch.no_such_thing()\n"
    files = survey({"a.py": twice, "b.py": b"import torch\n\ntorch.no_such_thing()\ntorch.other_thing()\n"}, Options())
    found = misses(files)
    assert [(m.api, m.count, m.files, m.example) for m in found] == [
        ("torch.no_such_thing", 3, 2, "a.py:3"), ("torch.other_thing", 1, 1, "b.py:4"),
    ]  # fmt: skip


def test_refusals_of_no_single_api_are_listed_apart() -> None:
    source = b"import torch\n\n\ndef f(x: torch.Tensor):\n    (x + 1)[0] = 2\n    return x\n"
    assert [(n, code) for n, code, _ in other_errors(survey({"a.py": source}, Options()))] == [(1, "XL206")]


def test_a_file_that_cannot_be_read_stops_nothing() -> None:
    files = survey({"bad.py": b"import torch\n(", "good.py": b"import torch\n\nx = torch.zeros(2)\n"}, Options())
    assert [bool(f.failed) for f in files] == [True, False]
    assert tally(files, calls=True)[State.TRANSLATED] == 1


def run(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    (tmp_path / "net.py").write_text(PROGRAM)
    result = CliRunner().invoke(root, ["coverage", str(tmp_path), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout


def test_text_report(tmp_path: Path) -> None:
    code, text = run(tmp_path)
    assert code == 0
    assert "1 files, 1 use the framework, 1 define models" in text
    assert "torch.no_such_thing is not known" in text


def test_json_report_adds_up(tmp_path: Path) -> None:
    code, text = run(tmp_path, "--format", "json")
    found = json.loads(text)
    calls = found["calls"]
    assert code == 0
    assert calls["total"] == sum(calls[state.value] for state in State) == len(states(PROGRAM))
    assert found["files"]["models"] == 1 and found["files"]["clean_models"] == 0


def test_an_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(root, ["coverage", str(tmp_path)])
    assert result.exit_code == 2
    assert "no Python files" in result.output


@pytest.mark.parametrize("text", ["from . import part\n", "from .part import Part\n"])
def test_relative_imports_of_a_package_stay_in_it(tmp_path: Path, text: str) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text(text + "import torch\nx = torch.zeros(3)\n")
    forward = "    def forward(self, x):\n        return torch.no_such(x)\n"
    part = f"import torch\n\n\nclass Part(torch.nn.Module):\n{forward}"
    (package / "part.py").write_text(part)
    result = CliRunner().invoke(root, ["coverage", str(package), "--format", "json"])
    assert [m["api"] for m in json.loads(result.stdout)["misses"]] == ["torch.no_such"]

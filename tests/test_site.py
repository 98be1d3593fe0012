"""The documentation's site: its generated pages, its links, and the tutorial, run as it is written."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from translator.cli_root import COMMANDS
from translator.codes import CODES
from translator.tables.load import all_rows

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_is_in_the_reference(generate: ModuleType) -> None:
    text = generate.commands()
    for name in COMMANDS:
        assert f"## xlate {name}\n" in text
    for option in ("--in-place", "--sarif FILE", "--project DIR", "--stdin-filename NAME"):
        assert f"`{option}`" in text


def test_every_code_is_in_the_reference_under_a_title_of_its_kind(generate: ModuleType) -> None:
    text = generate.diagnostics()
    assert all(f"`{code}` | " in text for code in CODES)
    assert {code[:3] for code in CODES} <= set(generate.GROUPS)


def test_every_row_is_in_the_reference_and_no_cell_breaks_its_table(generate: ModuleType) -> None:
    text = generate.apis()
    lines = [line for line in text.splitlines() if line.startswith("|") and line[2:9] not in ("PyTorch", "--- | -")]
    assert len(lines) == len(all_rows())
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


def test_the_navigation_names_every_page(generate: ModuleType) -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    named = re.findall(r"[\w/]+\.md", str(config["nav"]))
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert sorted(named) == sorted(there | set(generate.PAGES))


def test_links_between_pages_lead_somewhere(generate: ModuleType) -> None:
    pages = {path: path.read_text("utf-8") for path in [*DOCS.rglob("*.md"), ROOT / "README.md"]}
    for path, text in pages.items():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" in target:
                continue
            known = (path.parent / target).exists() or target in generate.PAGES
            assert known, f"{path.name}: {target}"


def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    text = (DOCS / "tutorial.md").read_text("utf-8")
    ran = 0
    for language, title, body in re.findall(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', text, re.DOTALL):
        if language == "console":
            command, _, expected = body.partition("\n")
            assert run(command.removeprefix("$ xlate "), folder) == expected
            ran += 1
        elif title.startswith("../"):
            assert (folder / title).read_text("utf-8") == body
        else:
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            (folder / title).write_text(body, "utf-8")
    assert ran == 4
    assert "tensorflow" in (tmp_path / "shop_tf" / "requirements.txt").read_text()


def run(arguments: str, folder: Path) -> str:
    """What a command of the tutorial prints, standard error included."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "translator", *arguments.split()]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, cwd=folder, env=environment, text=True, check=False, **both).stdout  # type: ignore

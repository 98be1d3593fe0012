"""The order of the house: what may import what, and what the command must never load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "translator"
HELPERS = PACKAGE / "helpers"
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax", "numpy"}
HEAVY = FRAMEWORKS | {"rich", "pygments", "yaml", "pathspec", "importlib.metadata", "translator.engine", "libcst"}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if HELPERS not in path.parents)

SIDES = ("torch_side", "tf_side", "guess_torch", "guess_tf", "structure_torch", "structure_tf", "graph")
WORKERS = {PACKAGE / "proof" / f"{name}.py" for name in SIDES}
"""What only the worker processes of ``xlate verify`` load, each for the one framework that it runs."""
ENTRY = {path.stem for path in PACKAGE.glob("cli*.py")} | {"__main__"}
"""The modules that may know click; nothing else may know them."""
OPTIONS = {PACKAGE / "reports" / "options.py", PACKAGE / "lsp" / "server.py"}
"""What else is part of the command line: options that several commands share, and the language server."""
DELIVERY = ENTRY | {"report", "reports", "batch", "outputs", "discover", "proof", "project", "notebook",
                    "notebook_batch", "lsp"}  # fmt: skip
"""What serves the command line: the engine and everything below it must do without."""


def imports(tree: ast.AST, *, top_level: bool) -> Iterator[str]:
    """Dotted names that are imported: all of them, or only those that importing the module itself brings in."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif top_level and (isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _type_checking(node)):
            continue
        else:
            yield from imports(node, top_level=top_level)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def layer(path: Path) -> str:
    """The module, or the sub-package, that a file belongs to: the unit that the order speaks of."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_framework_is_imported_with_a_module(path: Path) -> None:
    loaded = {name.split(".")[0] for name in imports(parsed(path), top_level=True)}
    frameworks = loaded & FRAMEWORKS - {"numpy"}
    if path in WORKERS:
        assert frameworks in ({"torch"}, {"tensorflow"}, {"keras"}, {"tensorflow", "keras"})
    else:
        assert not loaded & FRAMEWORKS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_upward(path: Path) -> None:
    used = set(imports(parsed(path), top_level=False))
    own = {name.split(".")[1] for name in used if name.startswith("translator.") and name.count(".") >= 1}
    name = layer(path)
    if name == "model":
        assert not own
    if name not in ENTRY and path not in OPTIONS:
        assert not own & ENTRY
        assert "click" not in {dotted.split(".")[0] for dotted in used}
    if name not in DELIVERY:
        assert not own & (DELIVERY - {"proof"} if name == "__init__" else DELIVERY)
    if name in ENTRY:
        assert "libcst" not in {dotted.split(".")[0] for dotted in used}


def test_helpers_stand_alone() -> None:
    """They are copied into the user's file, so of ours they may know only other helpers for the same framework."""
    files = [path for path in sorted(HELPERS.rglob("*.py")) if path.parent != HELPERS]
    assert files
    for path in files:
        allowed = f"translator.helpers.{path.relative_to(HELPERS).parts[0]}."
        ours = {name for name in imports(parsed(path), top_level=False) if name.startswith("translator")}
        assert all(name.startswith(allowed) for name in ours), path


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import translator",
        "import translator.cli",
        "import translator.cli_root, translator.cli_translate",
        "from translator import Translation, Diagnostic, Options, InputError",
    ],
)
def test_starting_up_loads_nothing_heavy(code: str) -> None:
    assert not loaded_by(code) & HEAVY


def test_version_loads_next_to_nothing() -> None:
    code = "import sys, translator.cli as c\ntry: c.main(['--version'])\nexcept SystemExit: pass"
    loaded = loaded_by(code)
    assert not loaded & (HEAVY | {"click", "dataclasses", "translator.model"})


def test_the_interface_is_what_it_says() -> None:
    import translator

    for name in translator.__all__:
        assert getattr(translator, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        translator.no_such_name  # noqa: B018

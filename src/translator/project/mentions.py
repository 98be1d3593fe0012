"""Files that are copied as they are and yet speak of the source framework: what they say holds no longer.

Configurations that name classes (``_target_: torch.optim.Adam``), scripts and workflows that install packages, examples
in documentation. Nobody rewrites them, since what they mean is decided by whoever reads them; but they are reported.
"""

from __future__ import annotations

import os
import posixpath
import re

from translator.model import Diagnostic, Options, Severity

PROSE = frozenset({".md", ".rst", ".txt", ".tex"})
"""Endings of documentation, in which only code counts."""
CONFIGURATION = frozenset({".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".gin", ".jsonnet", ".conf", ".hocon"})
SCRIPTS = frozenset({".sh", ".bash", ".zsh", ".ps1", ".bat", ".mk", ".slurm", ".sbatch"})
SCRIPT_NAMES = frozenset({"makefile", "justfile", "jenkinsfile", "procfile", "tox.ini", "noxfile"})
LARGEST = 1 << 20
"""Bytes of a file that is looked into: data is no configuration."""
SHOWN = 5
_ROOTS = {
    "torch": r"(?:torch|torchvision|torchaudio|torchtext|torchmetrics|pytorch_lightning|lightning\.pytorch)",
    "tf": r"(?:tensorflow|keras|tf)",
}
_PACKAGES = {"torch": r"(?:torch|torchvision|torchaudio|pytorch|pytorch-lightning|lightning)", "tf": r"(?:tensorflow|keras)"}  # fmt: skip # noqa: E501


def mentions(root: str, path: str, options: Options) -> tuple[Diagnostic, ...]:
    """What is to be said about a file that is copied; nothing for most.

    Args:
        root: the project's folder.
        path: the file, relative to it, with ``/``.
    """
    name, end = posixpath.basename(path).lower(), posixpath.splitext(path)[1].lower()
    if end not in PROSE | CONFIGURATION | SCRIPTS and name not in SCRIPT_NAMES:
        return ()
    full = os.path.join(root, path)
    try:
        if os.path.getsize(full) > LARGEST:
            return ()
        with open(full, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return ()
    pattern = _pattern(options.direction.source)
    found = [(number, match) for number, line in enumerate(lines, 1) if (match := pattern.search(line))]
    if not found:
        return ()
    first, match = found[0]
    numbers = ", ".join(str(number) for number, _ in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    word = "line" if len(found) == 1 else "lines"
    message = f"the file is copied as it is, and names {match.group().strip()} ({word} {numbers})"
    severity = Severity.NOTE if end in PROSE else Severity.WARNING
    return (Diagnostic(first, match.start() + 1, "XL603", severity, message, "bring it in line by hand"),)


def _pattern(framework: str) -> re.Pattern[str]:
    """A dotted name of the framework, an import of it, or a command that installs it."""
    root, package = _ROOTS[framework], _PACKAGES[framework]
    return re.compile(
        rf"(?<![\w./\\-]){root}(?:\.[A-Za-z_]\w*)+(?![\w/\\-])"
        rf"|(?<![\w.])(?:import|from)\s+{root}\b"
        rf"|\b(?:pip3?|uv|conda|mamba|poetry)\s+(?:pip\s+)?(?:install|add)\b[^\n]*?[\s'\"]{package}(?![\w./-])"
    )

"""Writes the API signatures of the installed frameworks: ``python -m translator.signatures``.

The result, ``mappings/signatures/torch.json`` and ``tf.json``, is what translation reads, so that it needs neither
framework. Each file states the version that it was made from. One API stands on one line, sorted by name::

    "torch.nn.functional.relu":{"kind":"function","overloads":[[["input","pk"],["inplace","pk","False"]]]}

Keys of an entry:

- ``kind``: function, class, method, property, constant or module.
- ``overloads``: the ways to call it; a class's are those of its constructor; ``self`` and ``cls`` are left out.
  Missing where the framework states no signature. See :mod:`translator.signature_sources.entries` for a parameter.
- ``call``: the same for calling an instance (``forward`` of a torch module, ``call`` of a Keras layer).
- ``alias``: the canonical name of the same object; such an entry has no overloads.
- ``same_as``: another function that PyTorch documents this one to be an alias of (``torch.absolute``: ``torch.abs``).
- ``alias_marks``: a result may share memory with an input. ``inplace``: it writes to its first argument.
- ``tf_keras_only``: a name of Keras 2 that is there as ``tf.keras...`` only, and not in ``keras`` itself.
- ``bases``: the base classes, nearest first, whose methods have entries of their own.
- ``native``: its arguments are parsed in C++, which also takes the names in the file's ``argument_synonyms``.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FRAMEWORKS = ("torch", "tf")
FOLDER = Path(__file__).resolve().parents[2] / "mappings" / "signatures"


def generate(framework: str) -> dict[str, Any]:
    """The signatures of the installed ``framework`` (``"torch"`` or ``"tf"``). Imports it.

    Raises:
        ImportError: the framework is not installed.
        ValueError: an unknown framework.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading a deprecated name warns
        if framework == "torch":
            from translator.signature_sources.torch_api import TorchApi

            return TorchApi().document()
        if framework == "tf":
            from translator.signature_sources.tf_api import TensorFlowApi

            return TensorFlowApi().document()
    raise ValueError(f"unknown framework {framework!r}; known are {', '.join(FRAMEWORKS)}")


def render(document: dict[str, Any]) -> str:
    """The text of a signature file: compact, one API per line, sorted."""
    head = [f"{_compact(key)}:{_compact(value)}" for key, value in document.items() if key != "apis"]
    apis = [f"{_compact(name)}:{_compact(entry)}" for name, entry in sorted(document["apis"].items())]
    return "{\n" + ",\n".join(head) + ',\n"apis":{\n' + ",\n".join(apis) + "\n}}\n"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with ``--check`` only say which are stale. Returns the exit code: 1 if one is stale."""
    parser = argparse.ArgumentParser(prog="python -m translator.signatures", description="Write API signature files.")
    parser.add_argument("frameworks", nargs="*", metavar="FRAMEWORK", help="torch, tf (default: both)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the files (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.frameworks) - set(FRAMEWORKS):
        parser.error(f"unknown framework: {', '.join(sorted(unknown))} (known: {', '.join(FRAMEWORKS)})")
    stale = False
    for framework in options.frameworks or FRAMEWORKS:
        path = options.out / f"{framework}.json"
        text = render(generate(framework))
        if options.check:
            fresh = path.is_file() and path.read_text(encoding="utf-8") == text
            stale |= not fresh
            print(f"{path}: {'up to date' if fresh else 'stale'}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{path}: {len(text)} bytes")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())

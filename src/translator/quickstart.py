"""Starting fast: what `dataclasses` generates is compiled once and kept, as Python does with modules.

Two thirds of the time that importing LibCST takes go into compiling the source text of ``__init__`` and the like for
two hundred node classes, the same text each time. The text is compiled as ever when it is met for the first time; the
next process finds the code.
"""

from __future__ import annotations

import builtins
import dataclasses
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

from translator.caches import folder, key, load, store

NAME = "methods"
PACKAGES = ("libcst", "translator", "click")
"""Whose classes are remembered: a few packages that are imported each time."""


@contextmanager
def remembered_methods() -> Iterator[None]:
    """Within the block, dataclasses of ``PACKAGES`` get methods that were compiled by an earlier process."""
    wanted = key(())
    kept: dict[str, CodeType] = (load(NAME, wanted) if _private() else None) or {}
    known = len(kept)

    def execute(source: Any, space: Mapping[str, Any] | None = None, local: Any = None) -> None:
        if isinstance(source, str) and space is not None and _root(space) in PACKAGES:
            code = kept.get(source)
            if code is None:
                code = kept[source] = compile(source, "<string>", "exec")
            source = code
        builtins.exec(source, space, local)  # type: ignore[arg-type]

    dataclasses.exec = execute  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del dataclasses.exec  # type: ignore[attr-defined]
        if len(kept) > known:
            store(NAME, wanted, kept)


def _root(space: Mapping[str, Any]) -> str:
    return str(space.get("__name__", "")).partition(".")[0]


def _private() -> bool:
    """Whether nobody else can write to the folder of the caches: what is kept here is code, and runs."""
    if not hasattr(os, "geteuid"):
        return sys.platform == "win32"  # where the folder is below the user's own
    try:
        info = folder().stat()
    except OSError:
        return False
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

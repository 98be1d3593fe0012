"""Tables and signatures in a form that loads in milliseconds, kept in the user's cache.

The key is made of the names, sizes and times of the files that a cache comes from, so a stale one is never
read. The format is `marshal`: plain data, which runs nothing when it is loaded.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Where caches are kept: ``$XDG_CACHE_HOME/xlate`` or ``~/.cache/xlate``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "xlate"


def key(files: Iterable[Path]) -> str:
    """What a cache depends on."""
    state = [sys.version, str(marshal.version)]
    for path in files:
        info = path.stat()
        state.append(f"{path}:{info.st_size}:{info.st_mtime_ns}")
    return hashlib.sha256("\n".join(state).encode()).hexdigest()[:24]


def cached(name: str, files: Iterable[Path], build: Callable[[], Any]) -> Any:
    """The plain data that ``build`` makes from ``files``, from the cache where it is there.

    A cache that cannot be read or written is done without.
    """
    place = folder() / f"{name}-{key(files)}.bin"
    try:
        return marshal.loads(place.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        data = build()
    _write(place, name, data)
    return data


def _write(place: Path, name: str, data: Any) -> None:
    """Put a cache in its place whole, and take away older ones of the same name."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(marshal.dumps(data))
        os.replace(temporary, place)
        for old in place.parent.glob(f"{name}-*.bin"):
            if old != place and old.stat().st_mtime < place.stat().st_mtime - 86_400:
                old.unlink(missing_ok=True)
    except (OSError, ValueError):
        return

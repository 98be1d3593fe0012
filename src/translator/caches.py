"""Tables, signatures and helpers in a form that loads in milliseconds, kept in the user's cache.

The key is made of the names, sizes and times of the files that a cache comes from, so a stale one is never
read. The format is `marshal`: plain data, which runs nothing when it is loaded.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Where caches are kept: ``$XDG_CACHE_HOME/xlate`` or ``~/.cache/xlate``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "xlate"


def key(files: Iterable[str | Path]) -> str:
    """What a cache depends on: the files, the interpreter, and this module, which knows the format."""
    state = [sys.version, str(marshal.version)]
    for path in (__file__, *files):
        info = os.stat(path)
        state.append(f"{path}:{info.st_size}:{info.st_mtime_ns}")
    return "\n".join(state)


def cached(name: str, files: Iterable[Path], build: Callable[[], Any]) -> Any:
    """The plain data that ``build`` makes from ``files``, from the cache where it is there.

    A cache that cannot be read or written is done without.
    """
    wanted = key(files)
    data = load(name, wanted)
    if data is None:
        data = build()
        store(name, wanted, data)
    return data


def load(name: str, wanted: str) -> Any:
    """What is kept under a name and key; ``None`` if there is nothing."""
    try:
        found, data = marshal.loads(_place(name, wanted).read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return data if found == wanted else None


def store(name: str, wanted: str, data: Any) -> None:
    """Keep data under a name and key, and take away older ones of the same name."""
    import tempfile

    place = _place(name, wanted)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(marshal.dumps((wanted, data)))
        os.replace(temporary, place)
        for old in place.parent.glob(f"{name}-*.bin"):
            if old != place and old.stat().st_mtime < place.stat().st_mtime - 86_400:
                old.unlink(missing_ok=True)
    except (OSError, ValueError):
        return


def _place(name: str, wanted: str) -> Path:
    """The file of a cache. Should two keys ever share one, the key that stands in it tells them apart."""
    return folder() / f"{name}-{zlib.crc32(wanted.encode()):08x}.bin"

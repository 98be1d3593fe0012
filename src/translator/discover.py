"""From what the command line names to the files that are read: no file twice, no symbolic link out of a tree."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from translator.model import InputError

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Found:
    """One input: a file to read, or why a name gives none."""

    path: str
    root: str | None = None
    """The folder that was named, when the file was found in one; ``None`` for a file named itself."""
    error: InputError | None = None


def discover(paths: Iterable[str], own_suffix: str) -> Iterator[Found]:
    """The Python files and notebooks that ``paths`` name, folders searched to the bottom, in a stable order.

    Args:
        paths: files, folders, or ``-`` for standard input.
        own_suffix: ``"_tf"`` or ``"_torch"``: in folders, ``x_tf.py`` beside ``x.py`` is an earlier output, no input.
    """
    seen: set[str] = set()
    for path in paths:
        for found in [Found(STDIN)] if path == STDIN else _named(path, own_suffix):
            key = os.path.realpath(found.path) if found.error is None else found.path
            if key not in seen:
                seen.add(key)
                yield found


def read_bytes(path: str) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it cannot be read; the message is the operating system's.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise unreadable(error) from None


def unreadable(error: OSError) -> InputError:
    """What to tell about a file or folder that the operating system would not open."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError("no such file or folder", code="XL006")
    if error.errno == errno.ELOOP:
        return InputError("a loop of symbolic links", code="XL007")
    reason = (error.strerror or str(error)).lower()
    return InputError(f"cannot be read: {reason}", code="XL007")


def _named(path: str, own_suffix: str) -> Iterator[Found]:
    """What one argument stands for."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        yield Found(path, error=unreadable(error))
        return
    if mode & 0o170000 == 0o040000:
        yield from _walk(path, path, own_suffix, (os.path.realpath(path),))
    elif mode & 0o170000 != 0o100000:
        yield Found(path, error=InputError("neither a file nor a folder", code="XL008"))
    else:
        yield Found(path)


def _walk(folder: str, root: str, own_suffix: str, above: tuple[str, ...]) -> Iterator[Found]:
    """The files under ``folder``; ``above`` holds the real paths from the root down to it."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, root, unreadable(error))
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = os.path.join(folder, entry.name)
        if entry.is_symlink():
            yield from _link(path, root, above)
        elif entry.is_dir(follow_symlinks=False):
            if entry.name not in SKIPPED_FOLDERS and not os.path.exists(os.path.join(path, "pyvenv.cfg")):
                yield from _walk(path, root, own_suffix, (*above, os.path.realpath(path)))
        elif _is_input(entry, names, own_suffix):
            yield Found(path, root)


def _link(path: str, root: str, above: tuple[str, ...]) -> Iterator[Found]:
    """Links are not followed: what they lead to inside the tree is found there, the rest is not ours.

    A link that leads back up is said aloud, since whoever made it may expect files from it.
    """
    target = os.path.realpath(path)
    if target in above:
        message = f"a symbolic link that leads back to a folder above it ({os.readlink(path)}), not followed"
        yield Found(path, root, InputError(message, code="XL007"))
    elif os.path.islink(target):
        yield Found(path, root, InputError("a loop of symbolic links", code="XL007"))


def _is_input(entry: os.DirEntry[str], names: set[str], own_suffix: str) -> bool:
    stem, extension = os.path.splitext(entry.name)
    if extension not in (".py", ".ipynb") or not entry.is_file(follow_symlinks=False):
        return False
    return not (stem.endswith(own_suffix) and stem.removesuffix(own_suffix) + extension in names)

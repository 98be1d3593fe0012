"""Brings a tree of files to a folder: what is the same stays, what changes is replaced at once or not at all.

A file in the output remembers what was written there, so that a later run replaces its own work and nobody else's,
and takes away what no longer has a source. It is written before the files (with what may be there on the way) and
after them, so that a run that is killed in between can be completed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from translator.model import InputError
from translator.outputs import write_file

from .scan import MANIFEST, TEMPORARY


@dataclass(frozen=True, slots=True)
class Item:
    """One path of the output."""

    path: str
    """Relative to the output, with ``/``."""
    data: bytes | None = None
    """Its bytes; ``None`` for a copy of ``source``."""
    source: str = ""
    """The file that it comes from: gives the mode, and the bytes of a copy."""
    link: str | None = None
    """What it leads to, if it is a symbolic link."""

    def digest(self) -> str:
        if self.link is not None:
            return "link:" + self.link
        if self.data is None:
            info = os.stat(self.source)
            return f"copy:{info.st_size}:{info.st_mtime_ns}"
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True)
class Delivery:
    """What became of the items."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    errors: dict[str, InputError] = field(default_factory=dict)


def deliver(items: Iterable[Item], output: str, *, force: bool = False) -> Delivery:
    """Make the folder ``output`` hold the items.

    Args:
        force: replace files that were changed by others since they were written, or were never ours.

    Raises:
        InputError: the folder cannot be written at all.
    """
    items = sorted(items, key=lambda item: item.path)
    done = Delivery()
    before = _read_manifest(output)
    wanted: dict[str, str] = {}
    todo: list[Item] = []
    done.errors.update(_colliding([item.path for item in items], output))
    for item in items:
        if item.path in done.errors:
            continue
        try:
            wanted[item.path] = item.digest()
            if _same(item, output):
                continue
            _check_ours(item, output, before.get(item.path, []), force)
            todo.append(item)
        except InputError as error:
            done.errors[item.path] = error
        except OSError as error:
            done.errors[item.path] = InputError(f"cannot be read: {_reason(error)}", code="XL007")
    gone = [path for path in sorted(before.keys() - wanted.keys()) if os.path.lexists(os.path.join(output, path))]
    after = {path: [digest] for path, digest in wanted.items()}
    if todo or gone:
        during = {path: sorted({*before.get(path, []), *after.get(path, [])}) for path in before.keys() | after.keys()}
        _write_manifest(output, during)
        for item in todo:
            try:
                _write(item, output)
                done.written.append(item.path)
            except InputError as error:
                done.errors[item.path] = error
        for path in gone:
            if _remove(path, output, before[path]):
                done.removed.append(path)
    shutil.rmtree(os.path.join(output, TEMPORARY), ignore_errors=True)
    _write_manifest(output, after)
    return done


def replace_sources(items: Iterable[Item], folder: str) -> Delivery:
    """Put the items in the place of the sources that they were made from. There is no list of what was written: Git
    knows."""
    done = Delivery()
    for item in sorted(items, key=lambda item: item.path):
        if _same(item, folder):
            continue
        try:
            _write(item, folder)
            done.written.append(item.path)
        except InputError as error:
            done.errors[item.path] = error
    shutil.rmtree(os.path.join(folder, TEMPORARY), ignore_errors=True)
    return done


def require_clean(folder: str) -> None:
    """See that Git has everything in a folder, so that replacing it loses nothing.

    Raises:
        InputError: it has not, or cannot be asked.
    """
    import subprocess

    command = ["git", "-C", folder, "status", "--porcelain", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        raise InputError("git is not there to be asked whether it has everything", code="XL016",
                         hint="-o writes elsewhere; --force replaces all the same") from None  # fmt: skip
    if done.returncode:
        raise InputError(f"{folder} is in no Git repository, so replacing its files could not be undone", code="XL016",
                         hint="-o writes elsewhere; --force replaces all the same")  # fmt: skip
    changed = done.stdout.splitlines()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(f"Git does not have everything in {folder}: {changed[0][3:]}{more}", code="XL016",
                         hint="commit or stash first; --force replaces all the same")  # fmt: skip


@contextmanager
def locked(output: str) -> Iterator[None]:
    """Hold the right to write to a folder.

    Raises:
        InputError: another process has it.
    """
    from filelock import FileLock, Timeout

    from translator.caches import folder

    name = hashlib.sha256(os.path.realpath(output).encode()).hexdigest()[:24]
    place = folder() / "locks" / f"{name}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, timeout=0)
        lock.acquire()
    except Timeout:
        hint = "wait until it is done, or end it"
        raise InputError(f"another xlate is writing to {output}", code="XL011", hint=hint) from None
    except OSError:  # no place for a lock: then there is none, as on any system without a home
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _colliding(paths: Sequence[str], output: str) -> dict[str, InputError]:
    """The paths that a file system which does not tell upper from lower case would take for an earlier one."""
    first: dict[str, str] = {}
    later: dict[str, InputError] = {}
    for path in paths:
        other = first.setdefault(path.casefold(), path)
        if other != path:
            message = f"{path} and {other} differ in case only, which the disk of {output} does not tell apart"
            later[path] = InputError(message, code="XL011", hint="rename one of them")
    return later if later and folds_case(output) else {}


def folds_case(folder: str) -> bool:
    """Whether the file system takes names that differ in case for the same. The folder is made, to find out."""
    import tempfile

    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".xlate-a", dir=folder) as file:
            return os.path.exists(os.path.join(folder, os.path.basename(file.name).swapcase()))
    except OSError:
        return False


def _same(item: Item, output: str) -> bool:
    """Whether the output has the item already. Copies are told by size and time, as rsync does."""
    path = os.path.join(output, item.path)
    try:
        if item.link is not None:
            return os.path.islink(path) and os.readlink(path) == item.link
        if os.path.islink(path) or not os.path.isfile(path):
            return False
        if item.data is not None:
            if os.path.getsize(path) != len(item.data):
                return False
            with open(path, "rb") as file:
                return file.read() == item.data
        ours, theirs = os.stat(path), os.stat(item.source)
        return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
    except OSError:
        return False


def _check_ours(item: Item, output: str, known: list[str], force: bool) -> None:
    """Whether what is at an item's place may be replaced."""
    path = os.path.join(output, item.path)
    if force or not os.path.lexists(path) or _state(path) & set(known):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        raise InputError(f"{path} is a folder", code="XL011", hint="move it away")
    if item.data is None and item.link is None and _equal(path, item.source):
        return
    changed = "was changed since xlate wrote it" if known else "exists, and xlate did not write it"
    raise InputError(f"{path} {changed}", code="XL010", hint="--force replaces it, -o names another place")


def _state(path: str) -> set[str]:
    """The digests that what is at a path answers to."""
    try:
        if os.path.islink(path):
            return {"link:" + os.readlink(path)}
        info = os.stat(path)
        with open(path, "rb") as file:
            return {f"copy:{info.st_size}:{info.st_mtime_ns}", hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError:
        return set()


def _equal(path: str, other: str) -> bool:
    import filecmp

    try:
        return os.path.isfile(path) and filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _write(item: Item, output: str) -> None:
    path = os.path.join(output, item.path)
    if item.data is not None:
        write_file(path, item.data, like=item.source or None, temporary=os.path.join(output, TEMPORARY))
        return
    temporary = os.path.join(output, TEMPORARY, hashlib.sha256(item.path.encode()).hexdigest()[:16])
    try:
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if item.link is not None:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(item.link, temporary)
        else:
            shutil.copy2(item.source, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}", code="XL011") from None


def _remove(path: str, output: str, known: list[str]) -> bool:
    """Take away an output without a source, if nobody else changed it, and the folders that it leaves empty."""
    full = os.path.join(output, path)
    if not _state(full) & set(known):
        return False
    try:
        os.unlink(full)
        folder = os.path.dirname(path)
        while folder:
            os.rmdir(os.path.join(output, folder))
            folder = os.path.dirname(folder)
    except OSError:
        pass
    return True


def _read_manifest(output: str) -> dict[str, list[str]]:
    try:
        with open(os.path.join(output, MANIFEST), encoding="utf-8") as file:
            files = json.load(file)["files"]
        return {path: list(digests) for path, digests in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_manifest(output: str, files: Mapping[str, list[str]]) -> None:
    note = "Written by xlate: what it put here, so that it replaces nothing else. Leave it, and keep it out of commits."
    text = json.dumps({"note": note, "files": {path: files[path] for path in sorted(files)}}, indent=1) + "\n"
    path = os.path.join(output, MANIFEST)
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except (OSError, ValueError):
        pass
    write_file(path, text.encode(), temporary=os.path.join(output, TEMPORARY))
    shutil.rmtree(os.path.join(output, TEMPORARY), ignore_errors=True)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

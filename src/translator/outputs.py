"""Where each translation goes, what its modules are called there, and how a file is replaced safely."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from translator.discover import STDIN, Found
from translator.model import Direction, InputError

SUFFIX = {Direction.TORCH2TF: "_tf", Direction.TF2TORCH: "_torch"}
STDOUT = "-"


class PlanError(Exception):
    """The inputs and outputs that were asked for do not go together: a mistake in the command."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where one file's translation goes."""

    path: str
    """The file to write, or ``-`` for standard output."""
    beside: bool = False
    """Whether it gets a new name beside its source, so that imports of it must follow."""
    tree: bool = False
    """Whether it goes into an output folder, into which untouched files go too."""


def plan(found: Iterable[Found], output: str | None, in_place: bool, direction: Direction) -> dict[str, Target]:
    """The target of each readable input, by the input's path.

    ``output`` is a folder when it exists as one, ends in a separator, or has to take several files or a folder;
    the files keep their names, and their places below the folder that was named, in it.

    Raises:
        PlanError: two files would get one output, or an output is its own source.
    """
    inputs = [item for item in found if item.error is None]
    if in_place:
        return {item.path: _itself(item.path) for item in inputs}
    if output is None:
        return {item.path: _beside(item.path, direction) for item in inputs}
    many = len(inputs) > 1 or any(item.root is not None for item in inputs)
    if output == STDOUT:
        if many:
            raise PlanError("'-o -' takes one file: several cannot go to standard output")
        return {item.path: Target(STDOUT) for item in inputs}
    if not many and not output.endswith(("/", os.sep)) and not os.path.isdir(output):
        targets = {item.path: Target(output) for item in inputs}
    else:
        targets = {item.path: Target(os.path.join(output, _below(item)), tree=True) for item in inputs}
    _check_collisions(targets)
    return targets


def module_renames(targets: Mapping[str, Target], roots: Mapping[str, str | None]) -> dict[str, str]:
    """Dotted names of the modules that get a new name, to the new ones.

    A file answers to its name within its package (the folders above it that have an ``__init__.py``) and, when it
    was found in a folder that was named, to its name below that folder.
    """
    renames: dict[str, str] = {}
    for path, target in targets.items():
        if not target.beside or os.path.basename(path) == "__init__.py":  # which gets no new name: see deliver
            continue
        if path.endswith(".ipynb"):  # which nothing imports
            continue
        new = os.path.splitext(os.path.basename(target.path))[0]
        for dotted in {module_name(path), module_name(path, roots.get(path))}:
            head, _, _ = dotted.rpartition(".")
            renames[dotted] = f"{head}.{new}" if head else new
    return renames


def module_name(path: str, root: str | None = None) -> str:
    """The dotted name of the module in ``path``: below ``root``, or within the packages that hold it."""
    folder, name = os.path.split(os.path.abspath(path))
    parts = [] if name == "__init__.py" else [os.path.splitext(name)[0]]
    stop = os.path.abspath(root) if root is not None else None
    while folder != stop if stop is not None else os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        if not name:
            break
        parts.append(name)
    return ".".join(reversed(parts))


def write_file(
    path: str, data: bytes | Iterable[bytes], *, like: str | None = None, temporary: str | None = None
) -> None:
    """Replace the file at ``path`` with ``data`` (whole, or in pieces) at once, or leave it as it was.

    The mode is that of the file that is replaced, or else of ``like`` (an executable script stays one).

    Args:
        temporary: a folder on the same disk for the file while it is written; by default its own.

    Raises:
        InputError: the file cannot be written.
    """
    with replacing(path, like=like, temporary=temporary) as part, open(part, "wb") as file:
        file.writelines((data,) if isinstance(data, bytes) else data)


@contextmanager
def replacing(path: str, *, like: str | None = None, temporary: str | None = None) -> Iterator[str]:
    """Within it, write the file whose name it gives; that file replaces the one at ``path`` at the end, or is gone.

    Raises:
        InputError: the file cannot be written.
    """
    import tempfile

    folder = os.path.dirname(path) or "."
    part = ""
    try:
        os.makedirs(folder, exist_ok=True)
        if temporary is not None:
            os.makedirs(temporary, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".xlate-", suffix=".tmp", dir=temporary or folder)
        os.close(handle)
        yield part
        os.chmod(part, _mode(path, like))
        os.replace(part, path)
    except OSError as error:
        if part and os.path.exists(part):
            os.unlink(part)
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot write {path}: {reason}", code="XL011") from None
    except BaseException:  # Ctrl-C between the two: no half-written file stays behind
        if part and os.path.exists(part):
            os.unlink(part)
        raise


def _mode(path: str, like: str | None) -> int:
    for model in (path, like):
        if model is not None and os.path.isfile(model):
            return os.stat(model).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _itself(path: str) -> Target:
    """The source's own place; behind a link, what it leads to, so that the link stays one."""
    return Target(os.path.realpath(path) if os.path.islink(path) else path)


def _beside(path: str, direction: Direction) -> Target:
    if path == STDIN:
        return Target(STDOUT)
    stem, extension = os.path.splitext(path)
    return Target(stem + SUFFIX[direction] + (extension or ".py"), beside=True)


def _below(item: Found) -> str:
    if item.path == STDIN:
        return "stdin.py"
    return os.path.basename(item.path) if item.root is None else os.path.relpath(item.path, item.root)


def _check_collisions(targets: Mapping[str, Target]) -> None:
    owner: dict[str, str] = {}
    sources = {os.path.realpath(path): path for path in targets}
    for path, target in targets.items():
        real = os.path.realpath(target.path)
        if real in sources:
            raise PlanError(f"the output {target.path} is the input {sources[real]}: use --in-place to replace sources")
        if real in owner:
            raise PlanError(f"{owner[real]} and {path} would both be written to {target.path}")
        owner[real] = path

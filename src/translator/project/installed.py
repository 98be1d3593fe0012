"""Finds an installed package's source and licence by where its files lie: nothing of it is imported or run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape, glob

from translator.model import InputError

LICENCE = re.compile(r"(?:un)?licen[cs]e|copying|copyright|notice|authors", re.IGNORECASE)
_SITES = ("lib/python3*/site-packages", "Lib/site-packages")


@dataclass(frozen=True, slots=True)
class Package:
    """The source of one importable package."""

    name: str
    """What it is imported as."""
    folder: str
    """The folder that holds its files."""
    distribution: str
    """The distribution that it came with; ``name`` if that is not known."""
    label: str
    """Its distribution and version, where they are known; else ``name``."""
    licences: tuple[str, ...]
    """The files that say under which terms it may be passed on."""


def find(given: str, project: str) -> Package:
    """The package that a user names.

    Args:
        given: what it is imported as, the name of its distribution, or the path of its folder (with a ``/``).
        project: the project's folder, in which a virtual environment may lie.

    Raises:
        InputError: there is none.
    """
    if os.sep in given or "/" in given:
        folder = os.path.abspath(given)
        name = os.path.basename(folder)
        if not os.path.isdir(folder) or not name.isidentifier():
            hint = "name the folder that is imported"
            raise InputError(f"--vendor {given}: no folder of a package", code="XL018", hint=hint)
        return _package(name, folder, os.path.dirname(folder))
    for site in _sites(project):
        for name in (given.replace("-", "_"), *_imported_as(given, site)):
            folder = os.path.join(site, name)
            if os.path.isfile(os.path.join(folder, "__init__.py")):
                return _package(name, folder, site)
    place = _elsewhere(given.replace("-", "_"))
    if place is not None:
        return _package(os.path.basename(place), place, os.path.dirname(place))
    hint = "activate the environment that has it (VIRTUAL_ENV), or give the path of its folder"
    raise InputError(f"--vendor {given}: no package of that name is installed as source", code="XL018", hint=hint)


def _sites(project: str) -> Iterator[str]:
    """Where packages are looked for: the active environment, the project's own, and the one that runs xlate."""
    active = [os.environ.get("VIRTUAL_ENV"), os.environ.get("CONDA_PREFIX")]
    for top in (*active, os.path.join(project, ".venv"), os.path.join(project, "venv")):
        for pattern in _SITES if top else ():
            yield from sorted(glob(os.path.join(escape(top or ""), pattern)))
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield from (path for path in sys.path if os.path.isdir(path) and os.path.abspath(path) != own)


def _imported_as(given: str, site: str) -> list[str]:
    """The top-level names of a distribution."""
    for found in importlib.metadata.distributions(name=given, path=[site]):
        listed = (found.read_text("top_level.txt") or "").split()
        inits = [str(file).split("/")[0] for file in found.files or () if str(file).count("/") == 1]
        return listed or sorted({name for name in inits if name.isidentifier()})
    return []


def _elsewhere(name: str) -> str | None:
    """A package that another finder knows (one that is installed to be edited). Top-level names run nothing."""
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        return None
    return os.path.dirname(spec.origin) if spec and spec.origin and spec.origin.endswith("__init__.py") else None


def _package(name: str, folder: str, site: str) -> Package:
    found = _distribution(name, site)
    label = f"{found.metadata['Name']} {found.version}" if found is not None else name
    places = [str(found.locate_file(f)) for f in found.files or ()] if found is not None else []
    paths = [place for place in places if ".dist-info" in place]
    paths += _in_folder(folder)
    if found is None:  # a checkout has them beside the package
        paths += _in_folder(site)
    wanted = {os.path.basename(path): path for path in reversed(paths) if _is_licence(path)}
    distribution = found.metadata["Name"] if found is not None else name
    return Package(name, folder, distribution, label, tuple(wanted[base] for base in sorted(wanted)))


def _is_licence(path: str) -> bool:
    return bool(LICENCE.match(os.path.basename(path))) and not path.endswith((".py", ".pyi")) and os.path.isfile(path)


def _in_folder(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder) if _is_licence(entry.path)]
    except OSError:
        return []


def _distribution(name: str, site: str) -> importlib.metadata.Distribution | None:
    """The distribution that a package came with, by its name or by the files that it lists."""
    for found in importlib.metadata.distributions(name=name, path=[site]):
        return found
    wanted = re.compile(rf"^{re.escape(name)}/__init__\.py[,\n]|^{re.escape(name)}$", re.MULTILINE)
    for found in importlib.metadata.distributions(path=[site]):
        listed = (found.read_text("top_level.txt") or "") + "\n" + (found.read_text("RECORD") or "")
        if wanted.search(listed):
            return found
    return None

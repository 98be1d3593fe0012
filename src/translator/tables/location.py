"""Where the mapping tables are: in the package when installed, at the repository's top in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def mappings_dir() -> Path:
    """The folder that holds the ``*.toml`` tables and ``signatures/``.

    Raises:
        FileNotFoundError: if neither place has it (a broken installation).
    """
    package = Path(__file__).resolve().parent.parent
    for place in (package / "mappings", package.parent.parent / "mappings"):
        if place.is_dir():
            return place
    raise FileNotFoundError("the mapping tables are missing from this installation of xlate")

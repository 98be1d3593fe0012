"""What other libraries give: of some it is known that it is no tensor, whatever methods it has.

`abs`, `unique` and `sub` of an unknown object are taken for a tensor's, which those of a table of pandas's or of a
compiled pattern are not.
"""

from __future__ import annotations

import sys

from ..values import UNKNOWN, Foreign, Value

CLOSED = frozenset({
    "pandas", "polars", "matplotlib", "seaborn", "plotly", "wandb", "yaml", "sympy", "networkx", "mpmath",
    "ast", "calendar", "csv", "datetime", "decimal", "difflib", "fractions", "hashlib", "locale", "logging", "pathlib",
    "platform", "re", "shutil", "string", "sqlite3", "textwrap", "time", "urllib", "uuid", "xml", "zoneinfo",
})  # fmt: skip
"""Libraries that give no tensors, nor anything that holds one."""
OPEN = frozenset({
    "argparse", "array", "audioop", "base64", "bz2", "codecs", "configparser", "email", "ftplib", "glob", "gzip",
    "html", "http", "io", "json", "lzma", "mmap", "os", "selectors", "shlex", "signal", "smtplib", "socket", "ssl",
    "struct", "subprocess", "tarfile", "tempfile", "unicodedata", "unittest", "warnings", "wave", "zipfile", "zlib",
})  # fmt: skip
"""Modules of the standard library whose functions give no tensors."""
MAKERS = frozenset({"typing", "types", "builtins", "copy", "functools"})
"""Modules of the standard library whose classes make what they are given into something else, or give it back."""


def foreign(name: str) -> Value:
    """What calling something of a library gives that is not the framework."""
    root, _, rest = name.partition(".")
    if root in CLOSED:
        return Foreign(name)
    is_class = rest.rpartition(".")[2][:1].isupper()
    if root in OPEN or (is_class and root in sys.stdlib_module_names and root not in MAKERS):
        return Foreign(name, closed=False)
    return UNKNOWN

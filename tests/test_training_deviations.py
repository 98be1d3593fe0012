"""What the idiomatic form of a training program does otherwise than the exact one, which follows PyTorch to 1e-7.

Where the two differ in a single place, the deviation that stands in the documentation has this one cause.
"""

from __future__ import annotations

import ast
import difflib
import os
import re

import pytest

import training_drives
import training_drives_more
from training_support import translated
from translator.compare.precision import is_helper

DRIVES = training_drives.DRIVES | training_drives_more.DRIVES
CAUSES = {
    "bn_unbiased_running_var": r"BatchNormalization",
    "adam_eps": r"keras\.optimizers\.Adam",
    "clip_norm_eps": r"tf\.clip_by_global_norm",
    "linear_init": r"keras\.layers\.Dense|Dense\w*\(",
    "conv_init": r"Conv\w*\(",
    "argmin_nan": r"tf\.arg(max|min)",
}
"""Listed deviations, and what shows them in a line."""
ROUNDED = r"keras\.optimizers\.(SGD|Adadelta)"
"""Keras's optimizers that only round their arguments to single precision."""


def own_lines(text: str) -> list[str]:
    """A program's lines without helpers, constants and imports."""
    tree = ast.parse(text)
    kept = [
        n for n in tree.body
        if not is_helper(n) and not isinstance(n, ast.Import | ast.ImportFrom)
        and not (isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and n.targets[0].id.isupper())
    ]  # fmt: skip
    return ast.unparse(ast.Module(kept, [])).splitlines()


def differing(name: str) -> tuple[list[str], set[str]]:
    """The lines that only the idiomatic form has, and its listed deviations."""
    plain, exact = translated(name, "idiomatic"), translated(name, "exact")
    lines = difflib.ndiff(own_lines(plain.text), own_lines(exact.text))
    notes = " ".join(d.message for d in plain.diagnostics if d.code == "XL401")
    return [line[2:].strip() for line in lines if line.startswith("- ")], set(re.findall(r"deviation `(\w+)`", notes))


@pytest.mark.parametrize("name", sorted(DRIVES) if os.environ.get("XLATE_EVERY") else ["train_dcgan", "train_amp"])
def test_every_difference_is_a_listed_one(name: str) -> None:
    lines, listed = differing(name)
    for line in lines:
        found = [cause for cause, shown in CAUSES.items() if re.search(shown, line)]
        assert re.search(ROUNDED, line) or any(cause in listed for cause in found), line


ALONE = {
    "train_regression": "bn_unbiased_running_var", "train_ema_swa": "bn_unbiased_running_var",
    "train_siamese": "adam_eps", "train_style_transfer": "adam_eps",
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_one_line_is_the_only_cause(name: str) -> None:
    """With that line as the exact form has it, the program would be the exact one, which is compared elsewhere.

    Lines that say how new layers start do not count: the comparison starts both from the same weights.
    """
    lines, listed = differing(name)
    starting = [CAUSES[cause] for cause in ("linear_init", "conv_init")]
    cause = CAUSES[ALONE[name]]
    others = [x for x in lines if re.search(cause, x) or not any(re.search(shown, x) for shown in starting)]
    assert len(others) == 1 and ALONE[name] in listed
    assert re.search(cause, others[0])

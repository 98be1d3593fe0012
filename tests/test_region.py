"""Parts of a file: the statements that some lines touch become what they are in the whole translation, no others."""

from __future__ import annotations

import ast

import pytest

from translator.engine import translate_sources
from translator.model import Options, Translation

SOURCE = '''\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        y = torch.relu(x)
        z = torch.cat([y, y], dim=1)
        if self.training:
            z = z.mean(dim=1)
        else:
            z = torch.exp(z)
        for i in range(2):
            z = torch.sin(z)
        try:
            z = torch.cos(z)
        except ValueError:
            z = torch.tan(z)
        return z


@torch.no_grad()
def other(x: torch.Tensor):
    return torch.exp(x)


def pool(x: torch.Tensor):
    return torch.nn.functional.max_pool2d(x, 2)
'''


def translated(source: str, lines: tuple[int, int] | None = None) -> str:
    given = {"a.py": lines} if lines else None
    result = translate_sources({"a.py": source.encode()}, Options(), lines=given)["a.py"]
    assert isinstance(result, Translation)
    ast.parse(result.text)
    return result.text


def line_of(text: str) -> int:
    return SOURCE[: SOURCE.index(text)].count("\n") + 1


def part(text: str, name: str) -> str:
    (node,) = [n for n in ast.parse(text).body if getattr(n, "name", "") == name]
    return ast.unparse(node)


@pytest.mark.parametrize("name", ["Net", "other", "pool"])
def test_a_definition_becomes_what_it_is_in_the_whole_and_the_others_stay(name: str) -> None:
    at = line_of(f"class {name}") if name == "Net" else line_of(f"def {name}")
    text = translated(SOURCE, (at, at))
    assert part(text, name) == part(translated(SOURCE), name) != part(SOURCE, name)
    for other in {"Net", "other", "pool"} - {name}:
        assert part(text, other) == part(SOURCE, other)
    assert "import torch\n" in text  # the others still use it


@pytest.mark.parametrize(
    "old, new",
    [
        ("y = torch.relu(x)", "y = tf.nn.relu(x)"),
        ("z = torch.exp(z)", "z = tf.exp(z)"),
        ("z = torch.sin(z)", "z = tf.sin(z)"),
        ("z = torch.cos(z)", "z = tf.cos(z)"),
        ("z = torch.tan(z)", "z = tf.tan(z)"),
    ],
)
def test_one_line_within_branches_loops_and_handlers(old: str, new: str) -> None:
    at = line_of(old)
    assert translated(SOURCE, (at, at)) == "import tensorflow as tf\n" + SOURCE.replace(old, new)


def test_several_lines_of_one_body() -> None:
    text = translated(SOURCE, (line_of("y = torch.relu"), line_of("z = torch.cat")))
    expected = SOURCE.replace("torch.relu(x)", "tf.nn.relu(x)").replace("torch.cat(", "tf.concat(")
    assert text == "import tensorflow as tf\n" + expected.replace("[y, y], dim=1", "[y, y], axis=1")


def test_lines_of_two_definitions_take_both() -> None:
    text = translated(SOURCE, (line_of("return torch.exp(x)"), line_of("def pool")))
    whole = translated(SOURCE)
    assert part(text, "other") == part(whole, "other")
    assert part(text, "pool") == part(whole, "pool")
    assert part(text, "Net") == part(SOURCE, "Net")


def test_a_mode_that_nobody_passes_is_refused() -> None:
    """``self.training`` becomes an argument of ``call``; where only the body is rewritten there is none."""
    text = translated(SOURCE, (line_of("if self.training"), line_of("z = z.mean")))
    assert "XL211" in text and "if self.training:" in text


def test_lines_with_nothing_on_them_change_nothing() -> None:
    assert translated(SOURCE, (1000, 1001)) == SOURCE

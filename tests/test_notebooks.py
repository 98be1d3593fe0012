"""Notebooks are translated cell by cell; magics, markdown, metadata and what is no Python stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from translator import notebook
from translator.cli_root import root
from translator.model import InputError
from translator.notebook_places import Places


def code(source: str, **more: Any) -> dict[str, Any]:
    outputs = [{"name": "stdout", "output_type": "stream", "text": ["old\n"]}]
    return {"cell_type": "code", "execution_count": 3, "id": "a", "metadata": {"tags": ["x"]}, "outputs": outputs,
            "source": source.splitlines(keepends=True), **more}  # fmt: skip


def book(*cells: dict[str, Any] | str, indent: int | None = 1, **metadata: Any) -> str:
    listed = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    document = {"cells": listed, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=indent, ensure_ascii=False) + "\n"


def translated(tmp_path: Path, text: str, *arguments: str) -> tuple[Result, list[str]]:
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(root, ["torch2tf", str(tmp_path / "a.ipynb"), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    out = tmp_path / "a_tf.ipynb"
    if not out.exists():
        return result, []
    return result, ["".join(c["source"]) for c in json.loads(out.read_text(encoding="utf-8"))["cells"]]


NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(x).mean(dim=1)"""
KERAS_NET = """\
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.drop = keras.layers.Dropout(0.1)

    def call(self, x):
        return tf.reduce_mean(self.drop(x), axis=1)"""


def test_names_are_known_from_cell_to_cell(tmp_path: Path) -> None:
    prose = {"cell_type": "markdown", "metadata": {}, "source": "# torch"}
    text = book("import torch\nfrom torch import nn", NET, prose,
                "model = Net()\nmodel.eval()\ny = model(torch.ones(2, 3))\n\n", "y.view(-1)")  # fmt: skip
    result, cells = translated(tmp_path, text)
    assert result.exit_code == 0, result.stderr
    assert cells == [
        "import tensorflow as tf\nfrom tensorflow import keras",
        KERAS_NET,
        "# torch",
        "model = Net()\ny = model(keras.ops.ones((2, 3)), training=False)\n\n",
        "tf.reshape(y, (-1,))",
    ]


MAGICS = [
    "%matplotlib inline",
    "!ls *.py\n%cd ..",
    "files = !ls",
    "a, b = %env HOME",
    "torch.ones?",
    "?torch.ones",
    "if True:\n    !ls\n    %time x = 3",
    "!echo a \\\n  b",
    "%%bash\nimport torch; if fi",
    "%%html\n<b>",
    "for i in range(2):\n    %run -i a.py",
]


@pytest.mark.parametrize("magic", MAGICS)
def test_magics_stay(tmp_path: Path, magic: str) -> None:
    _, cells = translated(tmp_path, book(magic, "import torch\ntorch.ones(2)", magic + "\n"))
    assert cells == [magic, "from tensorflow import keras\nkeras.ops.ones((2,))", magic + "\n"]


NO_MAGICS = ["x = (7\n% 3)", 's = """\n%time\n!ls\n"""', "x = 5 \\\n% 3", "d = {\n'a': 1,\n}\n", "# %time\n"]


@pytest.mark.parametrize("cell", NO_MAGICS)
def test_what_looks_like_a_magic_is_none(cell: str) -> None:
    (found,) = notebook.read(book(cell).encode()).cells
    assert "\n".join(found.python) == cell
    assert not found.magics


def test_python_under_a_cell_magic_is_translated(tmp_path: Path) -> None:
    _, cells = translated(tmp_path, book("import torch", "%%time\nx = torch.ones(2)\n!ls\nx.sum()"))
    assert cells[1] == "%%time\nx = keras.ops.ones((2,))\n!ls\ntf.reduce_sum(x)"


def test_installing_follows(tmp_path: Path) -> None:
    result, cells = translated(tmp_path, book("!pip install -q torch torchvision einops", "import torch"))
    assert cells[0] == "!pip install -q 'tensorflow>=2.18' einops"
    assert "a.ipynb:cell 1:1:1: XL602 torchvision is dropped" in result.stderr


def test_findings_say_the_cell(tmp_path: Path) -> None:
    result, cells = translated(tmp_path, book("import torch", "a = 1", "%time\nb = 2\nx = torch.fft.hfft2(y)"))
    assert result.exit_code == 1
    assert f"{tmp_path}/a.ipynb:cell 3:3:5: XL" in result.stderr
    assert "# xlate: XL" in cells[2] and "x = torch.fft.hfft2(y)" in cells[2]


def test_a_cell_that_is_no_python_costs_itself_only(tmp_path: Path) -> None:
    result, cells = translated(tmp_path, book("import torch", "def f(:", "torch.ones(2)"))
    assert result.exit_code == 1
    assert "a.ipynb:cell 2:1:7: XL001 cell 2 is not Python" in result.stderr
    assert cells[1:] == ["def f(:", "keras.ops.ones((2,))"]


def test_helpers_have_a_cell_above_their_first_use(tmp_path: Path) -> None:
    _, cells = translated(tmp_path, book("import torch\nfrom torch import nn", "1", "p = nn.AdaptiveAvgPool2d((3, 2))"))
    assert len(cells) == 4
    assert "class AdaptiveAveragePooling2D(" in cells[2]
    assert cells[3] == "p = AdaptiveAveragePooling2D((3, 2))"
    names: dict[str, Any] = {}
    compile("\n".join(cells), "cells", "exec")
    assert not names


def test_outputs(tmp_path: Path) -> None:
    text = book("import torch\ntorch.ones(2)", "1")
    translated(tmp_path, text)
    cells = json.loads((tmp_path / "a_tf.ipynb").read_text())["cells"]
    assert [(c["outputs"], c["execution_count"]) for c in cells] == [([], None)] * 2
    assert cells[0]["metadata"] == {"tags": ["x"]} and cells[0]["id"] == "a"
    (tmp_path / "a_tf.ipynb").unlink()
    translated(tmp_path, text, "--outputs", "keep")
    assert json.loads((tmp_path / "a_tf.ipynb").read_text())["cells"][0]["outputs"][0]["text"] == ["old\n"]


@pytest.mark.parametrize("indent", [None, 1, 2, 4])
def test_everything_else_stays_to_the_letter(tmp_path: Path, indent: int | None) -> None:
    text = book("import torch", "é = torch.ones(2)", indent=indent, é={"b": 1, "a": [1.50, None, "\u2028"]})
    translated(tmp_path, text, "--outputs", "keep")
    got = (tmp_path / "a_tf.ipynb").read_text(encoding="utf-8")
    want = text.replace("import torch", "from tensorflow import keras").replace("torch.ones(2)", "keras.ops.ones((2,))")
    assert got == want


def test_the_result_is_a_valid_notebook(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    translated(tmp_path, book("import torch\nfrom torch import nn", "p = nn.AdaptiveAvgPool2d((3, 2))"))
    document = json.loads((tmp_path / "a_tf.ipynb").read_text())
    for number, cell in enumerate(document["cells"]):
        cell["id"] = f"{cell['id']}-{number}"
    nbformat.validate(document)


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_the_place_in_the_file_of_each_character(indent: int | None, escaped: bool, listed: bool) -> None:
    texts = ["", 'x = "é\\n\t😀"  # ]}\ny = torch.ones(2)\n\nz', "# \u2028 \\ \x00\nq"]
    cells = [code("") | {"source": t.splitlines(keepends=True) if listed else t} for t in texts]
    cells.insert(1, {"cell_type": "raw", "metadata": {"source": ["no"], "cells": [{}]}, "source": "no"})
    whole = {"metadata": {"cells": [1]}, "cells": cells, "nbformat": 4}
    raw = json.dumps(whole, indent=indent, ensure_ascii=escaped)
    places, rows = Places(raw), raw.split("\n")
    for number, text in zip((1, 3, 4), texts, strict=True):
        for line, row in enumerate(text.split("\n"), 1):
            for column, char in enumerate(row, 1):
                at_line, at_column = places.find(number, line, column)
                rest = rows[at_line - 1][at_column - 1 :]
                ascii_form, plain = (json.dumps(char, ensure_ascii=e)[1:-1] for e in (True, False))
                assert rest.startswith(ascii_form if escaped else plain), (number, line, column)
    assert Places("{}").find(3, 1, 1) == (1, 1)


def test_nothing_to_translate(tmp_path: Path) -> None:
    result, cells = translated(tmp_path, book("import numpy", "%time"))
    assert (result.exit_code, cells) == (0, [])


def test_other_languages_and_broken_files() -> None:
    assert notebook.read(book("x <- 1", kernelspec={"language": "R"}).encode()).language == "r"
    for data in (b"", b"[]", b"\xff", b'{"nbformat": 4}', b'{"nbformat": 3, "cells": []}'):
        with pytest.raises(InputError):
            notebook.read(data)

"""Users' own tables: the same form as the shipped ones, checked as these are, and their rows win."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import translator
from translator.cli_root import root
from translator.model import Direction, Severity
from translator.tables import TableError, tables
from translator.tables.check import check
from translator.tables.schema import parse_row


def table(folder: Path, text: str, name: str = "my.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def result(source: str, mappings: str, direction: str = "torch2tf") -> str:
    translation = translator.translate(source, direction, mappings=[mappings])
    assert not [d for d in translation.diagnostics if d.severity is Severity.ERROR], translation.diagnostics
    return translation.text


def test_a_row_for_a_library_of_ones_own(tmp_path: Path) -> None:
    mine = table(tmp_path, """
[[row]]
torch = "mylib.layers.Norm"
tf = "mykeras.layers.Norm"
signature = "(width, eps=1e-5, fused=True)"
tf_signature = "(epsilon=1e-3)"
args = { width = { drop = true }, eps = "epsilon", fused = { drop = true } }
returns = "same"
""")  # fmt: skip
    source = "from mylib.layers import Norm\n\nlayer = Norm(8)\nother = Norm(8, eps=1e-3)\n"
    assert result(source, mine) == (
        "import mykeras.layers\n\nlayer = mykeras.layers.Norm(1e-05)\nother = mykeras.layers.Norm(1e-3)\n"
    )


def test_the_row_reads_backwards(tmp_path: Path) -> None:
    mine = table(tmp_path, """
[[row]]
torch = "mylib.swirl"
tf = "mykeras.swirl"
signature = "(input, amount=1.0)"
tf_signature = "(x, strength=2.0)"
args = { input = "x", amount = "strength" }
returns = "same"
""")  # fmt: skip
    source = "import tensorflow as tf\nimport mykeras\n\n\ndef f(x: tf.Tensor):\n    return mykeras.swirl(x, 3.0)\n"
    assert "mylib.swirl(x, amount=3.0)" in result(source, mine, "tf2torch")


def test_imports_and_expressions_are_the_rows_own(tmp_path: Path) -> None:
    mine = table(tmp_path, """
[[row]]
torch = "mylib.swish"
tf_expr = "ops.swish({x}) * 2"
signature = "(x)"
imports = "from mykeras import ops"
""")  # fmt: skip
    text = result("import mylib\n\n\ndef f(x):\n    return mylib.swish(x)\n", mine)
    assert "from mykeras import ops\n" in text and "return ops.swish(x) * 2" in text
    assert "mylib" not in text


def test_users_rows_win(tmp_path: Path) -> None:
    mine = table(tmp_path, '[[row]]\ntorch = "torch.relu"\ntf_expr = "tf.maximum({input}, 0)"\nreturns = "same"\n')
    source = "import torch\n\n\ndef f(x):\n    return torch.relu(x)\n"
    assert "tf.maximum(x, 0)" in result(source, mine)
    assert "tf.maximum" not in translator.translate(source).text


def test_what_a_users_table_does_not_name_is_said(tmp_path: Path) -> None:
    mine = table(tmp_path, '[[row]]\ntorch = "mylib.a"\ntf = "mykeras.a"\nsignature = "()"\ntf_signature = "()"\n')
    translation = translator.translate("import mylib\n\nmylib.b()\n", mappings=[mine])
    assert [d.code for d in translation.diagnostics] == ["XL200"]


def test_a_changed_table_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from translator.tables import load

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = "import torch\n\n\ndef f(x):\n    return torch.relu(x)\n"
    for k in ("7", "23"):
        row = '[[row]]\ntorch = "torch.relu"\ntf_expr = "tf.maximum({input}, %s)"\nreturns = "same"\n'
        mine = table(tmp_path, row % k)
        load.tables.cache_clear()
        assert f"tf.maximum(x, {k})" in result(source, mine)


BAD = {
    "no toml": ("[[row\n", "my.toml: "),
    "not rows": ('torch = "a"\n', "unknown top-level keys ['torch']"),
    "unknown key": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\nargz = {}\n', "unknown keys ['argz']"),
    "no target": ('[[row]]\ntorch = "a.b"\n', "needs a target"),
    "rule": ('[[row]]\ntorch = "a.b"\nrule = "squeze"\n', "there is no rule 'squeze'; did you mean 'squeeze'?"),
    "converter": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\nargs = { x = { to = "y", via = "oneminus" } }\n',
                  "there is no converter 'oneminus'"),
    "result": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\nreturns = "sames"\n', "there is no result 'sames'"),
    "helper": ('[[row]]\ntorch = "a.b"\ntf = "helper:no_such"\n', "there is no helper 'no_such'"),
    "expression": ('[[row]]\ntorch = "a.b"\ntf_expr = "tf.abs("\n', "the expression does not parse"),
    "hole": ('[[row]]\ntorch = "torch.relu"\ntf_expr = "tf.abs({x})"\n', "torch.relu has no argument 'x'"),
    "signature": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\nsignature = "(x,,)"\n', "a signature is written as"),
    "import": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\nimports = ["x = 1"]\n', "`imports` holds import statements"),
    "twice": ('[[row]]\ntorch = "a.b"\ntf = "c.d"\n[[row]]\ntorch = "a.b"\ntf = "c.e"\n', "for the same calls"),
}  # fmt: skip


@pytest.mark.parametrize("text, said", BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_with_file_and_row(tmp_path: Path, text: str, said: str) -> None:
    mine = table(tmp_path, text)
    with pytest.raises(TableError) as error:
        tables(Direction.TORCH2TF, (mine,))
    assert said in str(error.value)
    assert mine in str(error.value)


def test_command_line(tmp_path: Path) -> None:
    mine = table(tmp_path, '[[row]]\ntorch = "torch.relu"\ntf_expr = "tf.maximum({input}, 0)"\nreturns = "same"\n')
    (tmp_path / "net.py").write_text("import torch\n\n\ndef f(x):\n    return torch.relu(x)\n")
    run = CliRunner().invoke(root, ["torch2tf", str(tmp_path / "net.py"), "-o", "-", "--mappings", mine])
    assert "tf.maximum(x, 0)" in run.stdout, run.output
    run = CliRunner().invoke(root, ["explain", "torch.relu", "--mappings", mine])
    assert f"{mine}, row 1" in run.stdout


@pytest.mark.parametrize("command", [["torch2tf"], ["tf2torch"], ["explain"], ["coverage"]])
def test_a_bad_table_is_a_usage_error(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "net.py").write_text("import torch\n")
    run = CliRunner().invoke(root, [*command, str(tmp_path / "net.py"), "--mappings", str(tmp_path / "none.toml")])
    assert run.exit_code == 2
    assert "none.toml: no such table" in run.output
    assert "Traceback" not in run.output


# -- the shipped tables ------------------------------------------------------------------------------------------


def row(number: int = 1, **raw: object) -> object:
    return parse_row({"samples": [{"code": "x"}], **raw}, "test.toml", number)


def test_rows_that_cannot_be_reached_are_rejected() -> None:
    with pytest.raises(TableError, match=r"row 2 .* torch.relu already has test.toml: row 1"):
        check([row(torch="torch.relu", tf="tf.nn.relu"), row(2, torch="torch.relu", tf="tf.nn.relu6")])  # type: ignore[list-item]


def test_targets_with_two_ways_back_are_rejected() -> None:
    with pytest.raises(TableError, match="both are read back from"):
        check([row(torch="torch.relu", tf="tf.nn.relu"), row(2, torch="torch.relu6", tf="tf.nn.relu")])  # type: ignore[list-item]


def test_keys_of_users_tables_are_not_for_shipped_ones() -> None:
    with pytest.raises(TableError, match="`imports` is for users' tables"):
        row(torch="a.b", tf="c.d", imports="import c")

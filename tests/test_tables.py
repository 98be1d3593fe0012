"""The tables as a whole: they keep to their own rules, and the report counts what it says."""

from __future__ import annotations

import re
from pathlib import Path

from snippets import refuses
from translator.model import Direction
from translator.tables.check import check
from translator.tables.load import all_rows
from translator.tables.report import State, lines, names, read_backwards, refused_arguments, without_case
from translator.tables.schema import Row, parse_row
from translator.tables.signatures import signatures

TOP = Path(__file__).resolve().parent.parent


def row(**raw: object) -> Row:
    return parse_row({"samples": [{"code": "x"}], **raw}, "test.toml", 1)


def test_the_shipped_tables_are_in_order() -> None:
    check(all_rows())


def test_every_row_has_a_case() -> None:
    assert [r.label for r in without_case()] == []


def test_cases_are_tests_that_name_the_api() -> None:
    """A row's test is there, and speaks of the API by its last name (or of the family of its fixtures)."""
    for found in all_rows():
        for case in found.cases:
            path = TOP / case
            assert path.exists(), f"{found.label}: {case} is not there"
            text = path.read_text("utf-8")
            last = [name.rpartition(".")[2] for name in (*found.torch, *found.tf)]
            assert any(re.search(rf"\b{re.escape(name)}\b", text) for name in last), f"{found.label}: {case} is silent"


def test_what_is_promised_of_the_tables() -> None:
    found = names(Direction.TORCH2TF)
    mapped = [n for n in found if n.state is not State.REFUSED]
    assert len(found) >= 1200
    assert sum(n.executed for n in mapped) >= 900
    assert len(names(Direction.TF2TORCH)) >= 500


def test_aliases_of_one_function_count_once() -> None:
    both = row(torch=["torch.abs", "torch.absolute"], tf="tf.abs")
    assert [n.name for n in names(Direction.TORCH2TF, [both])] == ["torch.abs"]


def test_states() -> None:
    rows = [
        row(torch="torch.a", tf="tf.a"),
        row(torch="torch.b", tf="tf.b", notes=["some_deviation"]),
        row(torch="torch.c", refuse="no", hint="do it"),
    ]
    assert [n.state for n in names(Direction.TORCH2TF, rows)] == [State.EXACT, State.IDIOMATIC, State.REFUSED]


def test_names_are_read_backwards_by_inversion_and_by_rows_of_the_other_direction() -> None:
    rows = [
        row(torch="torch.relu", tf="tf.nn.relu"),
        row(torch="torch.cumsum", tf_expr="tf.cumsum({input})"),
        row(torch="torch.fmod", tf_expr="tf.math.floormod({input}, {other})"),
        row(tf="tf.cumsum", torch_expr="torch.cumsum({x}, dim={axis})", one_way="tf2torch"),
    ]
    assert read_backwards(rows) == {"torch.relu", "torch.cumsum"}


def test_refused_arguments_are_those_that_a_row_does_not_mention() -> None:
    limited = row(torch="torch.cumsum", tf="tf.cumsum", args={"dim": "axis"})
    assert refused_arguments(limited, signatures("torch")) == ("dtype", "out")


def test_the_report_can_be_printed() -> None:
    text = "\n".join(lines(arguments=True))
    assert "rows without a case: 0" in text.splitlines()
    assert "torch2tf: " in text and "tf2torch: " in text


def test_a_family_is_refused_with_a_way_out() -> None:
    source = "import torch\nfrom torch.utils.cpp_extension import load\nops = load(name='x', sources=['x.cu'])\n"
    found = refuses(source, "XL203", 3)
    assert any("tf.load_op_library" in d.hint for d in found.diagnostics)


def test_a_kernel_of_triton_is_refused() -> None:
    refuses("import torch\nimport triton\nn = triton.cdiv(7, 2)\n", "XL203", 3)


def test_an_apis_own_row_stands_before_its_family() -> None:
    from translator.tables import tables

    table = tables(Direction.TORCH2TF)
    assert table.find("torch.cuda.is_available")[0].refuse is None
    assert table.find("torch.cuda.memory_summary")[0].refuse

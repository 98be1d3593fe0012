"""``--json``, ``--sarif`` and ``--junit``: valid by their schemas, and saying what the run found."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

import fake_engine
import translator.reports
from translator import report
from translator.batch import Outcome, shares
from translator.cli_root import root
from translator.model import Counts, Diagnostic, Options, Severity, Status, Translation
from translator.reports.junit import junit
from translator.reports.options import Reports, report_options
from translator.reports.sarif import sarif

Xlate = Callable[..., Result]
SCHEMA = Path(translator.reports.__file__).parent / "report.schema.json"
REFUSED = "import torch\n\nx = torch.odd()  # REFUSE\ny = torch.odd()  # REFUSE\nz = torch.fine()  # DEVIATES\n"
HOSTILE = "<img src=x onerror=alert(1)> & \"'#%41.py"


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    """Runs ``xlate torch2tf`` over the stand-in engine in a folder with a file of each status."""
    monkeypatch.setitem(sys.modules, "translator.engine", fake_engine)
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/good.py").write_text("import torch\n")
    Path("src/refused.py").write_text(REFUSED)
    Path("src/plain.py").write_text("x = 1\n")
    Path("src/broken.py").write_text("import torch\nx = (\n")
    Path("src", HOSTILE).write_text("import torch  # </script><b>&amp;\x0c REFUSE\n")
    return lambda *arguments: CliRunner().invoke(root, ["torch2tf", *arguments])


def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def test_the_json_file_is_what_format_json_prints_and_fits_its_schema(xlate: Xlate) -> None:
    result = xlate("src", "gone.py", "--check", "--format", "json", "--json", "report.json")
    assert result.exit_code == 3
    document = json.loads(Path("report.json").read_text())
    assert document == json.loads(result.stdout)
    jsonschema.validate(document, schema(), cls=jsonschema.Draft202012Validator)
    assert {record["status"] for record in document["files"]} == {"translated", "partial", "unchanged", "error"}


def test_documents_with_more_fields_fit_the_schema(xlate: Xlate) -> None:
    with_diff = json.loads(xlate("src/good.py", "--format", "json", "--diff").stdout)
    given = CliRunner().invoke(root, ["torch2tf", "--format", "json", "-"], input="import torch\n")
    with_text = json.loads(given.stdout)
    for document in (with_diff, with_text):
        jsonschema.validate(document, schema(), cls=jsonschema.Draft202012Validator)
    assert "diff" in with_diff["files"][0] and "text" in with_text["files"][0]


def test_the_schema_refuses_what_is_not_documented(xlate: Xlate) -> None:
    document = json.loads(xlate("src", "--check", "--format", "json").stdout)
    validator = jsonschema.Draft202012Validator(schema())
    for place in (document, document["summary"], document["files"][0], document["files"][0]["diagnostics"][0]):
        place["extra"] = 1
        assert not validator.is_valid(document)
        del place["extra"]
    assert validator.is_valid(document)


def test_the_documentation_names_every_field() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "report.md").read_text("utf-8")
    whole = schema()
    record = whole["$defs"]["file"]["properties"]
    names = {*whole["properties"], *record, *record["apis"]["items"]["properties"]}
    names |= {*record["edges"]["items"]["properties"], *whole["$defs"]["diagnostic"]["properties"]}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_sarif_is_valid_and_says_the_same(xlate: Xlate) -> None:
    assert xlate("src", "--check", "--json", "r.json", "--sarif", "r.sarif").exit_code == 3
    log = json.loads(Path("r.sarif").read_text())
    SarifLog.model_validate(log)  # generated from the standard's schema; knows no field beyond it
    (run,) = log["runs"]
    document = json.loads(Path("r.json").read_text())
    expected = [
        (record["path"], finding["code"], finding["severity"], finding["line"], finding["column"])
        for record in document["files"]
        for finding in record["diagnostics"]
    ]
    assert len(expected) == 5
    assert [_sarif_place(result) for result in run["results"]] == expected
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert run["invocations"] == [{"executionSuccessful": False}]


def _sarif_place(result: dict[str, Any]) -> tuple[str, str, str, int, int]:
    (location,) = result["locations"]
    artifact, region = (location["physicalLocation"][key] for key in ("artifactLocation", "region"))
    assert artifact["uriBaseId"] == "%SRCROOT%"
    assert not set(artifact["uri"]) & set("<> \"#&'")
    return unquote(artifact["uri"]), result["ruleId"], result["level"], region["startLine"], region["startColumn"]


def test_the_sarif_check_can_fail(xlate: Xlate) -> None:
    xlate("src", "--check", "--sarif", "r.sarif")
    log = json.loads(Path("r.sarif").read_text())
    log["runs"][0]["results"][0]["level"] = "bad"
    with pytest.raises(ValueError, match="level"):
        SarifLog.model_validate(log)


def test_fingerprints_tell_findings_apart_and_survive_moved_lines(xlate: Xlate) -> None:
    def prints() -> list[str]:
        xlate("src/refused.py", "--check", "--sarif", "r.sarif")
        results = json.loads(Path("r.sarif").read_text())["runs"][0]["results"]
        return [result["partialFingerprints"]["finding/v1"] for result in results]

    before = prints()
    assert len(set(before)) == len(before) == 3
    Path("src/refused.py").write_text("\n\n" + REFUSED)
    assert prints() == before


def test_absolute_paths_are_file_addresses(xlate: Xlate) -> None:
    xlate(str(Path("src", HOSTILE).resolve()), "--check", "--sarif", "r.sarif")
    (result,) = json.loads(Path("r.sarif").read_text())["runs"][0]["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert unquote(artifact["uri"].removeprefix("file://")) == str(Path("src", HOSTILE).resolve())
    assert "uriBaseId" not in artifact


def test_findings_in_cells_of_notebooks_name_the_cell() -> None:
    finding = Diagnostic(2, 5, "XL203", Severity.ERROR, "no counterpart", cell=3)
    cells = [{"cell_type": "markdown", "source": "a"}, {"cell_type": "code", "source": ""},
             {"cell_type": "code", "source": ["x = 1\n", "y = torch.odd()\n"]}]  # fmt: skip
    data = json.dumps({"nbformat": 4, "cells": cells}, indent=1).encode()
    outcome = Outcome("n.ipynb", Translation("{}", Status.PARTIAL, (finding,), Counts(1, 0, 1)), data)
    document = report.document([outcome], Options(), {})
    jsonschema.validate(document, schema(), cls=jsonschema.Draft202012Validator)
    log = sarif(document)
    SarifLog.model_validate(log)
    (result,) = log["runs"][0]["results"]
    assert result["message"]["text"] == "cell 3, line 2: no counterpart"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert data.decode().splitlines()[region["startLine"] - 1][region["startColumn"] - 1 :] == 'torch.odd()\\n"'
    assert b"n.ipynb:cell 3:2:5: XL203" in junit(document)


def test_junit_of_each_status(xlate: Xlate) -> None:
    assert xlate("src", "--check", "--junit", "r.xml").exit_code == 3
    suites = ElementTree.parse("r.xml").getroot()
    (suite,) = suites
    times = [float(case.attrib["time"]) for case in suite]
    assert float(suite.attrib.pop("time")) == pytest.approx(sum(times), abs=1e-3)
    assert suite.attrib == {
        "name": "xlate torch2tf", "tests": "5", "failures": "2", "errors": "1", "skipped": "1",
    }  # fmt: skip
    cases = {case.get("name"): case for case in suite}
    assert [child.tag for child in cases["src/good.py"]] == []
    assert [child.tag for child in cases["src/plain.py"]] == ["skipped"]
    assert [child.tag for child in cases["src/broken.py"]] == ["error"]
    assert [child.tag for child in cases["src/refused.py"]] == ["failure", "system-out"]
    failure = cases["src/refused.py"].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.get("message") == "XL203 no counterpart (and 1 more)"
    assert failure.text.splitlines()[1] == "src/refused.py:4:3: XL203 no counterpart (do it by hand)"
    assert f"src/{HOSTILE}" in cases


def test_junit_says_how_long_translating_took() -> None:
    given = [Outcome(f"{i}.py", Translation("x", Status.TRANSLATED), b"y", seconds=i / 4) for i in range(3)]
    (suite,) = ElementTree.fromstring(junit(report.document(given, Options(), {})))
    assert [case.get("time") for case in suite] == ["0.0000", "0.2500", "0.5000"]
    assert suite.get("time") == "0.7500"
    shared = shares({"a.py": b"xyz", "b.py": b"x", "c.py": b""}, 2.0)
    assert shared == {"a.py": 1.5, "b.py": 0.5, "c.py": 0.0}


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no text exist on Linux only")
def test_names_that_are_no_text_and_control_characters(xlate: Xlate) -> None:
    name = os.fsdecode(b"src/caf\xe9\x01.py")
    Path(name).write_text("import torch  # REFUSE\n")
    assert xlate(name, "--check", "--json", "r.json", "--sarif", "r.sarif", "--junit", "r.xml").exit_code == 1
    assert json.loads(Path("r.json").read_text())["files"][0]["path"] == name
    assert "caf%E9%01.py" in Path("r.sarif").read_text()
    assert "caf\ufffd\ufffd.py" in ElementTree.tostring(ElementTree.parse("r.xml").getroot(), encoding="unicode")


def test_a_report_can_be_printed(xlate: Xlate) -> None:
    result = xlate("src/good.py", "--check", "--sarif", "-")
    assert json.loads(result.stdout)["version"] == "2.1.0"
    assert not Path("-").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["src/good.py", "--json", "src/good.py"], "would replace src/good.py"),
        (["src/good.py", "--json", "src/../src/good_tf.py"], "would replace"),
        (["src/good.py", "--json", "a", "--html", "./a"], "the --json report"),
        (["src/good.py", "--json", "-", "--html", "-"], "another report"),
        (["src/good.py", "--json", "-", "--format", "json"], "standard output"),
        (["src/good.py", "--json", "-", "--diff"], "standard output"),
        (["src/good.py", "--json", "-", "-o", "-"], "standard output"),
    ],
)
def test_reports_take_no_place_that_is_taken(xlate: Xlate, arguments: list[str], words: str) -> None:
    before = {path: path.read_bytes() for path in Path("src").iterdir()}
    result = xlate(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert {path: path.read_bytes() for path in Path("src").iterdir()} == before


def test_a_report_that_cannot_be_written_is_said_and_stops_no_other(xlate: Xlate) -> None:
    Path("taken").write_text("a file, no folder")
    result = xlate("src/good.py", "--check", "--json", "taken/r.json", "--junit", "r.xml")
    assert result.exit_code == 3
    assert "taken/r.json:1:1: XL011 cannot write taken/r.json" in result.stderr
    assert Path("r.xml").exists()


def test_the_decorator_gives_a_command_the_same_options(tmp_path: Path) -> None:
    @click.command()
    @click.option("--other")
    @report_options
    def command(other: str, reports: Reports) -> None:
        reports.check(["a.py"])
        click.echo(f"{other} {sorted(reports.paths.items())}")

    result = CliRunner().invoke(command, ["--json", "a.json", "--other", "x", "--html", "b.html"])
    assert result.output == "x [('html', 'b.html'), ('json', 'a.json')]\n"
    assert CliRunner().invoke(command, ["--sarif", "a.py"]).exit_code == 2

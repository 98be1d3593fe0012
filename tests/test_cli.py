"""What ``xlate torch2tf`` prints, writes and exits with, against a stand-in engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fake_engine
from translator.cli_root import root

Xlate = Callable[..., Result]
MODEL = "import torch\n\nnet = torch.nn.Linear(2, 3)\n"
MODEL_TF = MODEL.replace("torch", "tf")


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "translator.engine", fake_engine)


@pytest.fixture
def xlate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xlate:
    """Runs ``xlate torch2tf`` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*arguments: str, stdin: bytes | None = None, command: str = "torch2tf") -> Result:
        result = CliRunner().invoke(root, [command, *arguments], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def tree() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file()}


def test_output_goes_beside_the_source(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    result = xlate("model.py")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert Path("model_tf.py").read_text() == MODEL_TF
    assert Path("model.py").read_text() == MODEL
    assert result.stderr == "model.py -> model_tf.py: 2 API uses seen, 2 translated, 0 refused\n"


def test_the_reverse_direction_has_its_own_suffix(xlate: Xlate) -> None:
    Path("net.py").write_text("import keras  # torch\nimport torch\n")
    assert xlate("net.py", command="tf2torch").exit_code == 0
    assert tree() == {"net.py", "net_torch.py"}


def test_a_file_without_the_framework_is_left_alone(xlate: Xlate) -> None:
    Path("util.py").write_text("x = 1\n")
    result = xlate("util.py")
    assert (result.exit_code, result.stderr, tree()) == (0, "util.py: nothing to translate\n", {"util.py"})


def test_output_file(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    assert xlate("model.py", "-o", "new/net.py").exit_code == 0
    assert Path("new/net.py").read_text() == MODEL_TF


def test_output_to_standard_output(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    result = xlate("model.py", "-o", "-")
    assert (result.exit_code, result.stdout, tree()) == (0, MODEL_TF, {"model.py"})


def test_an_output_folder_keeps_names_and_takes_untouched_files_too(xlate: Xlate) -> None:
    Path("pkg/sub").mkdir(parents=True)
    Path("pkg/__init__.py").write_text("")
    Path("pkg/sub/net.py").write_text(MODEL)
    Path("pkg/util.py").write_text("x = 1\r\n", newline="")
    result = xlate("pkg", "-o", "out")
    assert result.exit_code == 0
    assert Path("out/sub/net.py").read_text() == MODEL_TF
    assert Path("out/util.py").read_bytes() == b"x = 1\r\n"
    assert Path("out/__init__.py").read_bytes() == b""
    assert "3 files: 1 translated, 2 with nothing to translate" in result.stderr


def test_imports_follow_files_that_get_a_new_name(xlate: Xlate) -> None:
    Path("net.py").write_text(MODEL)
    Path("plain.py").write_text("# of torch, only this comment\n")
    Path("train.py").write_text("import torch\nfrom net import a\nfrom plain import b\nfrom other import c\n")
    assert xlate("net.py", "plain.py", "train.py").exit_code == 0
    expected = "import tf\nfrom net_tf import a\nfrom plain import b\nfrom other import c\n"
    assert Path("train_tf.py").read_text() == expected
    assert not Path("plain_tf.py").exists()


def test_imports_follow_inside_of_packages(xlate: Xlate) -> None:
    Path("src/pkg").mkdir(parents=True)
    Path("src/pkg/__init__.py").write_text("")
    Path("src/pkg/net.py").write_text(MODEL)
    Path("src/pkg/train.py").write_text("import torch\nfrom pkg.net import a\n")
    assert xlate("src").exit_code == 0
    assert Path("src/pkg/train_tf.py").read_text() == "import tf\nfrom pkg.net_tf import a\n"


def test_imports_stay_where_names_stay(xlate: Xlate) -> None:
    Path("net.py").write_text(MODEL)
    Path("train.py").write_text("import torch\nfrom net import a\n")
    assert xlate("net.py", "train.py", "-o", "out").exit_code == 0
    assert Path("out/train.py").read_text() == "import tf\nfrom net import a\n"


def test_a_package_file_cannot_go_beside_itself(xlate: Xlate) -> None:
    Path("pkg").mkdir()
    Path("pkg/__init__.py").write_text(MODEL)
    result = xlate("pkg")
    assert result.exit_code == 3
    assert "pkg/__init__.py:1:1: XL012" in result.stderr
    assert tree() == {"pkg/__init__.py"}


def test_in_place(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    Path("model.py").chmod(0o750)
    result = xlate("--in-place", "model.py")
    assert result.exit_code == 0
    assert Path("model.py").read_text() == MODEL_TF
    assert Path("model.py").stat().st_mode & 0o777 == 0o750
    assert tree() == {"model.py"}


def test_encoding_mark_and_line_ends_stay(xlate: Xlate) -> None:
    Path("a.py").write_bytes("# coding: latin-1\r\nimport torch  # é\r\n".encode("latin-1"))
    Path("b.py").write_bytes(b"\xef\xbb\xbfimport torch")
    assert xlate("a.py", "b.py").exit_code == 0
    assert Path("a_tf.py").read_bytes() == "# coding: latin-1\r\nimport tf  # é\r\n".encode("latin-1")
    assert Path("b_tf.py").read_bytes() == b"\xef\xbb\xbfimport tf"


def test_standard_input(xlate: Xlate) -> None:
    result = xlate("-", stdin=b"import torch  # \xc3\xa9\r\n")
    assert (result.exit_code, result.stdout_bytes, tree()) == (0, b"import tf  # \xc3\xa9\r\n", set())
    assert result.stderr.startswith("<stdin>: ")


def test_standard_input_without_the_framework_comes_back_as_it_is(xlate: Xlate) -> None:
    data = b"\xef\xbb\xbfx = 1\r\ny = 2"
    assert xlate("-", stdin=data).stdout_bytes == data


def test_standard_input_has_a_name_to_report(xlate: Xlate) -> None:
    result = xlate("-", "--stdin-filename", "dir/net.py", stdin=b"import torch  # REFUSE\n")
    assert result.exit_code == 1
    assert "dir/net.py:1:3: XL203 no counterpart (do it by hand)\n" in result.stderr


def test_a_refusal_exits_1_and_still_writes(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL + "torch.odd()  # REFUSE\n")
    result = xlate("model.py")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "model.py:4:3: XL203 no counterpart (do it by hand)",
        "model.py -> model_tf.py: 3 API uses seen, 2 translated, 1 refused",
    ]
    assert Path("model_tf.py").exists()


def test_how_much_is_told(xlate: Xlate) -> None:
    Path("model.py").write_text("import torch  # DEVIATES\n")
    usual, more, less = (xlate("model.py", *flags).stderr for flags in ([], ["-v"], ["-q"]))
    assert "XL301" not in usual
    assert "1 note" in usual
    assert "model.py:1:1: XL301 differs a little\n" in more
    assert less == ""


def test_a_diff_writes_nothing_and_is_plain_when_piped(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    result = xlate("model.py", "--diff")
    assert result.exit_code == 0
    assert tree() == {"model.py"}
    assert result.stdout.splitlines() == [
        "--- model.py",
        "+++ model_tf.py",
        "@@ -1,3 +1,3 @@",
        "-import torch",
        "+import tf",
        " ",
        "-net = torch.nn.Linear(2, 3)",
        "+net = tf.nn.Linear(2, 3)",
    ]


@pytest.mark.parametrize(
    "text", [MODEL, "import torch", "x\n\x0cy\nimport torch\r\n", "a = 1\n" * 9 + MODEL + "b\n" * 9]
)
def test_a_diff_can_be_applied(xlate: Xlate, text: str) -> None:
    Path("model.py").write_text(text, newline="")
    expected = text.replace("torch", "tf").encode()
    patch = xlate("--in-place", "model.py", "--diff").stdout_bytes
    Path("p.diff").write_bytes(patch)
    subprocess.run(["git", "apply", "-p0", "--whitespace=nowarn", "p.diff"], check=True)
    assert Path("model.py").read_bytes() == expected


@pytest.mark.parametrize(
    "flags, environment, colours",
    [
        ([], {}, False),
        (["--color"], {}, True),
        (["--color"], {"NO_COLOR": "1"}, True),
        (["--no-color"], {}, False),
    ],
)
def test_colours(
    xlate: Xlate, monkeypatch: pytest.MonkeyPatch, flags: list[str], environment: dict[str, str], colours: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Path("model.py").write_text(MODEL)
    out = xlate("model.py", "--diff", *flags).stdout
    assert ("\x1b[31m-import torch\x1b[0m\n" in out) is colours
    assert ("\x1b" in out) is colours


def test_a_terminal_gets_colours_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from translator import cli_translate

    monkeypatch.setattr("sys.stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert cli_translate._wants_colour(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not cli_translate._wants_colour(None)


def test_check(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    first = xlate("model.py", "--check")
    assert (first.exit_code, tree()) == (1, {"model.py"})
    assert "model.py -> model_tf.py would be written" in first.stderr
    assert xlate("model.py").exit_code == 0
    assert xlate("model.py", "--check").exit_code == 0  # the translation is in step with its source
    Path("model.py").write_text(MODEL + "x = 1\n")
    assert xlate("model.py", "--check").exit_code == 1


def test_check_in_place_and_of_standard_input(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    Path("util.py").write_text("x = 1\n")
    assert xlate("--check", "--in-place", "model.py").exit_code == 1
    assert xlate("--check", "--in-place", "util.py").exit_code == 0
    result = xlate("--check", "-", stdin=MODEL.encode())
    assert (result.exit_code, result.stdout) == (1, "")
    assert xlate("--check", "-", stdin=b"x = 1\n").exit_code == 0
    assert Path("model.py").read_text() == MODEL


def test_json_is_one_document(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL + "torch.odd()  # REFUSE\n")
    Path("util.py").write_text("x = 1\n")
    result = xlate("--format", "json", "model.py", "util.py", "gone.py")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    settings = {"direction": "torch2tf", "layout": "channels_last", "fidelity": "idiomatic"}
    assert document.items() >= settings.items()
    assert document["summary"] == {"files": 3, "translated": 0, "partial": 1, "unchanged": 1, "error": 1}
    model, util, gone = document["files"]
    assert (model["path"], model["output"], model["status"]) == ("model.py", "model_tf.py", "partial")
    assert model["counts"] == {"seen": 3, "translated": 2, "refused": 1}
    assert model["edges"] == [{"owner": "Net", "name": "x", "axes": "NHWC"}]
    assert model["diagnostics"] == [
        {
            "code": "XL203",
            "severity": "error",
            "line": 4,
            "column": 3,
            "message": "no counterpart",
            "hint": "do it by hand",
        }
    ]
    assert (util["output"], util["status"], util["diagnostics"]) == (None, "unchanged", [])
    assert (gone["output"], gone["status"], gone["counts"]) == (None, "error", None)
    assert gone["diagnostics"][0]["code"] == "XL006"


def test_json_of_standard_input_carries_the_text(xlate: Xlate) -> None:
    result = xlate("--format", "json", "-", stdin=MODEL.encode())
    assert json.loads(result.stdout)["files"][0]["text"] == MODEL_TF


def test_json_with_diff(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    record = json.loads(xlate("--format", "json", "--diff", "model.py").stdout)["files"][0]
    assert "\n+import tf\n" in record["diff"]
    assert tree() == {"model.py"}


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "Missing argument"),
        (["a.py", "--in-place", "-o", "b.py"], "exclude each other"),
        (["-q", "-v", "a.py"], "exclude each other"),
        (["-", "a.py"], "stands alone"),
        (["-", "--in-place"], "has no place"),
        (["a.py", "--stdin-filename", "x"], "goes with '-'"),
        (["a.py", "b.py", "-o", "-"], "takes one file"),
        (["a.py", "-o", "a.py"], "use --in-place"),
        (["a.py", "-o", "."], "use --in-place"),
        (["a.py", "d/a.py", "-o", "out"], "would both be written"),
        (["a.py", "--layout", "NCHW"], "channels_first"),
        (["a.py", "--no-such-option"], "No such option"),
    ],
)
def test_mistakes_of_usage_exit_2_and_touch_nothing(xlate: Xlate, arguments: list[str], words: str) -> None:
    Path("d").mkdir()
    for name in ("a.py", "b.py", "d/a.py"):
        Path(name).write_text(MODEL)
    result = xlate(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert tree() == {"a.py", "b.py", "d/a.py"}


def test_a_forgotten_direction_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(root, ["model.py"])
    assert result.exit_code == 2
    assert "xlate torch2tf model.py" in result.stderr


@pytest.mark.parametrize("flags", [[], ["-o", "model_tf.py"]])
def test_work_on_an_earlier_translation_is_not_lost(xlate: Xlate, flags: list[str]) -> None:
    Path("model.py").write_text(MODEL)
    Path("model_tf.py").write_text("by hand\n")
    result = xlate("model.py", *flags)
    assert result.exit_code == 3
    assert "XL010" in result.stderr
    assert "--force" in result.stderr
    assert Path("model_tf.py").read_text() == "by hand\n"
    assert xlate("model.py", "--force", *flags).exit_code == 0
    assert Path("model_tf.py").read_text() == MODEL_TF


def test_an_output_that_is_up_to_date_is_not_written_again(xlate: Xlate) -> None:
    Path("model.py").write_text(MODEL)
    xlate("model.py")
    before = Path("model_tf.py").stat()
    result = xlate("model.py")
    assert result.exit_code == 0
    assert "(up to date)" in result.stderr
    after = Path("model_tf.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_earlier_output_in_a_folder_is_no_input(xlate: Xlate) -> None:
    Path("pkg").mkdir()
    Path("pkg/net.py").write_text(MODEL + "torch.odd()  # REFUSE\n")
    Path("pkg/own_tf.py").write_text(MODEL)  # nobody's translation: there is no own.py
    for _ in range(2):
        assert xlate("pkg").exit_code == 1
    assert tree() == {"pkg/net.py", "pkg/net_tf.py", "pkg/own_tf.py", "pkg/own_tf_tf.py"}


def test_a_crash_of_ours_costs_one_file_and_is_called_ours(xlate: Xlate) -> None:
    Path("bad.py").write_text("import torch  # CRASH\n")
    Path("good.py").write_text(MODEL)
    result = xlate("bad.py", "good.py")
    assert result.exit_code == 3
    line = next(line for line in result.stderr.splitlines() if "XL900" in line)
    assert line.startswith("bad.py:1:1: XL900 internal error of xlate (RuntimeError: a bug)")
    assert "report" in line
    assert "Traceback" not in result.stderr
    assert tree() == {"bad.py", "good.py", "good_tf.py"}
    assert "Traceback" in xlate("bad.py", "--verbose").stderr

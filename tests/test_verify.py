"""``xlate verify`` and `translator.verify`: what they find, say and return."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import translator
from translator.proof.pool import Pool
from translator.proof.spec import SpecError, parse_init, parse_inputs, readable

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 4)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x)))
        return self.fc(x.mean(dim=(2, 3)))
"""


def written(folder: Path, text: str, name: str = "net.py") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


# -- what is found without running anything ---------------------------------------------------------------


def test_arguments_are_read_as_they_would_be_written() -> None:
    init = parse_init(["num_classes=10, block=nn.ReLU", "sizes=(3, 4), names=['a'], rate=-0.5"])
    assert init == {
        "num_classes": 10, "block": {"$name": "nn.ReLU"}, "sizes": {"$tuple": [3, 4]}, "names": ["a"], "rate": -0.5,
    }  # fmt: skip
    assert readable(init) == "num_classes=10, block=nn.ReLU, sizes=(3, 4), names=['a'], rate=-0.5"


def test_inputs_are_grouped_by_their_names() -> None:
    texts = ["x=float32[2,3,8,8]", "n=3", "x=float[5,3,9,9]", "ids=int64[2,7]<50"]
    assert parse_inputs(texts) == [
        {"x": "float[2,3,8,8]", "n": 3},
        {"x": "float[5,3,9,9]", "ids": "int[2,7]<50"},
    ]


@pytest.mark.parametrize("text", ["3", "x", "x=y[2]", "x=float32[2,a]", "x=float32[2]<-1", "2x=int[3]"])
def test_an_input_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_inputs([text])


@pytest.mark.parametrize("text", ["3", "a=", "a=f(2)", "**b", "a=1;b=2"])
def test_arguments_that_say_nothing_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_init([text])


def run(*arguments: str) -> tuple[int, str, str]:
    from translator.cli_verify import verify

    done = CliRunner().invoke(verify, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_a_file_without_models_is_an_input_that_failed(tmp_path: Path) -> None:
    code, _, said = run(written(tmp_path, "import torch\n\nx = 3\n"))
    assert code == 3
    assert "XL051 no model was found" in said


def test_arguments_that_cannot_be_known_are_asked_for(tmp_path: Path) -> None:
    code, _, said = run(written(tmp_path, NET.replace("width=6", "width, depth")))
    assert code == 3
    assert "--entry Net --init 'width=..., depth=...'" in said


def test_the_direction_is_asked_for(tmp_path: Path) -> None:
    code, _, said = run(written(tmp_path, "x = 3\n"))
    assert code == 3
    assert "XL050" in said and "--direction" in said


def test_the_warning_comes_first(tmp_path: Path) -> None:
    _, _, said = run(str(tmp_path / "none.py"))
    assert said.splitlines()[0].startswith("xlate verify runs the code of")
    assert "XL006 no such file" in said


def test_options_of_one_file_are_refused_for_several(tmp_path: Path) -> None:
    code, _, said = run("a.py", "b.py", "--entry", "Net")
    assert code == 2
    assert "--entry is for one file" in said


# -- what is found by running ------------------------------------------------------------------------------


def test_two_files_through_the_command() -> None:
    files = [FIXTURES / "lenet" / "torch_model.py", FIXTURES / "tf_mnist_cnn" / "tf_model.py"]
    code, out, _ = run(*map(str, files), "--format", "json")
    told = json.loads(out)
    assert code == told["exit_code"] == 0
    models = [m for f in told["files"] for m in f["models"]]
    assert [m["entry"] for m in models] == ["LeNet5", "ClassicLeNet", "build_model", "build_strided"]
    for model in models:
        assert model["verdict"] == "same"
        groups = {c["group"] for c in model["checks"]}
        assert {"weights", "eval output", "eval gradient", "train output", "train gradient", "steps"} <= groups
        assert 0 <= model["max_rel"] < 1e-9
        assert model["float32_max_rel"] < 1e-3
        assert len({c["inputs"] for c in model["checks"]}) == 2, "two sizes of inputs"


def test_the_biased_variance_is_expected_and_the_rest_proven_exactly(tmp_path: Path, pool: Pool) -> None:
    report = translator.verify(written(tmp_path, NET), pool=pool)
    (model,) = report.models
    assert report.ok, str(report)
    assert {c.path for c in model.expected} == {"bn.running_var"}
    exact = [c for c in model.exact if c.path == "bn.running_var"]
    assert exact and all(c.quantity.error < 1e-9 for c in exact)


def test_a_source_that_raises_is_the_users_own(tmp_path: Path, pool: Pool) -> None:
    text = NET.replace("return self.fc(", "raise KeyError('mine')\n        return self.fc(")
    report = translator.verify(written(tmp_path, text), inputs=[{"x": "float[2,3,8,6]"}], pool=pool)
    failure = report.models[0].failure
    assert report.exit_code == 3
    assert failure is not None and failure.source
    assert failure.type == "KeyError"
    assert failure.frames[-1][2] == "raise KeyError('mine')"


def test_a_source_that_never_ends_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = NET.replace("super().__init__()", "super().__init__()\n        while True: pass")
    with Pool(120.0) as pool:
        pool.torch.call("open", 120.0, program={"main": "a", "files": {}}, task=_task())  # importing is not timed
        pool.timeout = 2.0
        report = translator.verify(written(tmp_path, text), pool=pool)
    assert report.models[0].failure is not None
    assert report.models[0].failure.type == "Timeout"


def _task() -> dict[str, object]:
    return {"entry": "", "init": {}, "cases": [], "direction": "torch2tf", "edges": {}}


def test_a_process_that_dies_takes_only_its_file_along(tmp_path: Path, pool: Pool) -> None:
    text = NET.replace("super().__init__()", "super().__init__()\n        import os; os._exit(7)")
    report = translator.verify(written(tmp_path, text), pool=pool)
    failure = report.models[0].failure
    assert failure is not None and failure.type == "Crash" and "exit status 7" in failure.message
    assert translator.verify(written(tmp_path, NET), pool=pool).ok


def test_a_program_of_several_files(tmp_path: Path, pool: Pool) -> None:
    written(tmp_path, "from torch import nn\n\n\ndef head(width):\n    return nn.Linear(width, 4)\n", "parts.py")
    text = NET.replace("import torch\n", "import torch\nfrom parts import head\n").replace(
        "nn.Linear(width, 4)", "head(width)"
    )
    report = translator.verify(written(tmp_path, text), pool=pool)
    assert report.ok, str(report)


def test_a_fault_is_found_and_its_place_named(tmp_path: Path, pool: Pool) -> None:
    source = written(tmp_path, NET)
    good = translator.translate(NET).text
    wrong = good.replace("epsilon=1e-05", "epsilon=1e-3")
    assert wrong != good
    report = translator.verify(source, translated=written(tmp_path, wrong, "net_tf.py"), pool=pool)
    (model,) = report.models
    assert report.exit_code == 1
    assert model.spot is not None
    assert model.spot.path == "bn"
    assert model.spot.source is not None and model.spot.translated is not None
    assert "nn.BatchNorm2d" in NET.splitlines()[model.spot.source[1] - 1]
    assert "epsilon=1e-3" in wrong.splitlines()[model.spot.translated[1] - 1]
    assert "eps is 1e-05 in PyTorch and 0.001 in Keras" in model.spot.trap


def test_a_page_holds_nothing_of_the_source_as_markup(tmp_path: Path, pool: Pool) -> None:
    from translator.proof.html import page

    evil = "</pre><script>alert(1)</script>"
    source = written(tmp_path, NET.replace("self.fc = nn", f"self.text = '{evil}'\n        self.fc = nn"))
    wrong = translator.translate(NET).text.replace("tf.nn.relu(", "tf.nn.relu6(2.0 * ")
    report = translator.verify(source, translated=written(tmp_path, wrong, "net_tf.py"), pool=pool)
    text = page(report)
    assert "<script" not in text and "&lt;script&gt;" in text
    assert text.count("<svg") == 2 and text.count('class="wrong"') > 2
    assert "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")
    assert "differs" in text and "class=mark" in text


@pytest.mark.parametrize("direction", ["torch2tf", "tf2torch"])
def test_a_test_of_the_users_own(direction: str, tmp_path: Path, pool: Pool) -> None:
    """It passes as written, fails when the translation is spoilt, and knows nothing of xlate."""
    from translator.proof.files import Request, verify_file
    from translator.proof.testfile import write_test

    if direction == "torch2tf":
        source, spoil = NET, ("epsilon=1e-05", "epsilon=0.1")
    else:
        source, spoil = (FIXTURES / "tf_mnist_cnn" / "tf_model.py").read_text("utf-8"), ("value=value)", "value=1.0)")
    path = written(tmp_path, source)
    translation = translator.translate(source, direction).text
    target = written(tmp_path, translation, "net_other.py")
    entry = ("Net",) if direction == "torch2tf" else ("build_strided",)
    report = verify_file(pool, Request(path, direction, entries=entry, keep=True))
    assert report.exit_code == 0, str(report.models[0])
    (tmp_path / "checks").mkdir()
    test, data = write_test(str(tmp_path / "checks" / "test_net.py"), report.models[0], report.direction, target)
    assert Path(data).name == "net_reference.npz"
    assert "translator" not in Path(test).read_text("utf-8")
    assert _pytest(test) == 0
    old, new = spoil
    assert old in translation
    written(tmp_path, translation.replace(old, new), "net_other.py")
    assert _pytest(test) == 1


def _pytest(path: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path]
    return subprocess.run(command, capture_output=True, check=False, cwd=Path(path).parent).returncode

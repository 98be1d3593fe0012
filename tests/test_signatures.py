"""The signature files against the frameworks themselves: what the files say is tried out, not compared with itself."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import math
import operator
import os
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import pytest

from translator import signatures
from translator.signature_sources import stubs
from translator.signature_sources.entries import class_overloads, default_text, function_overloads, unique

PACKAGES = {"torch": "torch", "tf": "tensorflow", "keras": "keras"}
KINDS = {
    "po": inspect.Parameter.POSITIONAL_ONLY,
    "pk": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "ko": inspect.Parameter.KEYWORD_ONLY,
    "va": inspect.Parameter.VAR_POSITIONAL,
    "vk": inspect.Parameter.VAR_KEYWORD,
}


def read(framework: str) -> dict:
    return json.loads((signatures.FOLDER / f"{framework}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=signatures.FRAMEWORKS)
def document(request: pytest.FixtureRequest) -> dict:
    return read(request.param)


@pytest.fixture(scope="module")
def torch_apis() -> dict:
    return read("torch")["apis"]


@pytest.fixture(scope="module")
def tf_apis() -> dict:
    return read("tf")["apis"]


def live(name: str) -> object:
    """The object that a qualified name stands for in the installed framework, read as code would import it."""
    first, _, rest = name.partition(".")
    package = pytest.importorskip(PACKAGES[first])
    try:
        return operator.attrgetter(rest)(package) if rest else package
    except AttributeError:  # a module that nobody imported, or one behind a function of its name (gradcheck)
        path = f"{PACKAGES[first]}.{rest}"
        with contextlib.suppress(ImportError):
            return importlib.import_module(path)
        module, _, last = path.rpartition(".")
        return getattr(importlib.import_module(module), last)


def all_overloads(document: dict) -> list[tuple[str, list]]:
    found = []
    for name, entry in document["apis"].items():
        found += [(name, overload) for key in ("overloads", "call") for overload in entry.get(key, ())]
    return found


def names(overload: list) -> list[str]:
    return [param[0] for param in overload]


def defaults(entry: dict) -> dict[str, str]:
    return {param[0]: param[2] for param in entry["overloads"][0] if len(param) == 3}


# The files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", signatures.FRAMEWORKS)
def test_file_is_what_the_installed_framework_states(framework: str, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES[framework])
    text = (signatures.FOLDER / f"{framework}.json").read_text(encoding="utf-8")
    # In a fresh process: what other tests import and set changes some of what a framework states.
    command = [sys.executable, "-m", "translator.signatures", framework, "--out", str(tmp_path)]
    path = os.pathsep.join([str(Path(signatures.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    wanted = (tmp_path / f"{framework}.json").read_text(encoding="utf-8")
    stale = sorted(set(wanted.splitlines()) ^ set(text.splitlines()))
    assert text == wanted, f"stale: run python -m translator.signatures {framework}; first differences: {stale[:6]}"


def test_one_api_stands_on_one_line_in_order(document: dict) -> None:
    lines = (signatures.FOLDER / f"{document['framework']}.json").read_text(encoding="utf-8").splitlines()
    listed = [line.split('"')[1] for line in lines[lines.index('"apis":{') + 1 : -1]]
    assert listed == sorted(document["apis"])
    assert sum(map(len, lines)) < 1_200_000


def test_every_overload_is_a_signature_that_python_accepts(document: dict) -> None:
    for name, overload in all_overloads(document):
        params = []
        for param_name, kind, *default in overload:
            if default:
                ast.parse(default[0], mode="eval")
            given = default[0] if default else inspect.Parameter.empty
            params.append(inspect.Parameter(param_name, KINDS[kind], default=given))
        assert len(inspect.Signature(params).parameters) == len(overload), name


def test_aliases_name_the_same_object(document: dict) -> None:
    aliases = {name: entry["alias"] for name, entry in document["apis"].items() if "alias" in entry}
    assert len(aliases) > 400
    for name, canonical in aliases.items():
        assert "alias" not in document["apis"][canonical], name
        # PyTorch's compiler, once it is imported, wraps some functions under one of their names.
        name = f"tf.{name}" if document["apis"][name].get("tf_keras_only") else name
        assert inspect.unwrap(live(name)) is inspect.unwrap(live(canonical)), name


def test_every_name_exists_in_the_framework(document: dict) -> None:
    of_tensors = {name for name in document["apis"] if name.startswith("tf.Tensor.")}
    for name in sorted(document["apis"].keys() - of_tensors):
        live(f"tf.{name}" if document["apis"][name].get("tf_keras_only") else name)
    if of_tensors:
        kind = type(live("tf.constant")(1.0))
        assert [name for name in of_tensors if not hasattr(kind, name.rpartition(".")[2])] == []


def test_no_machine_dependent_text(document: dict) -> None:
    for name, overload in all_overloads(document):
        for param in overload:
            assert not re.search(r"0x[0-9a-f]{6}|<\w|/home|/usr", "".join(param[2:])), (name, param)


# PyTorch ---------------------------------------------------------------------------------------------------------


def refusal(name: str, *given: object, **named: object) -> str:
    """What the runtime says against calling a function, or a method of some tensor, in a way that cannot succeed."""
    torch = pytest.importorskip("torch")
    is_method = name.startswith("torch.Tensor.")
    called = getattr(torch.ones(2, 3), name.rpartition(".")[2]) if is_method else live(name)
    try:
        called(*given, **named)  # type: ignore[operator]
    except (TypeError, RuntimeError, ValueError) as error:
        return str(error)
    return ""


# Where PyTorch's stubs say something else than its argument parser; next to nobody calls these by keyword.
GAPS = {"torch.Tensor.new", "torch.Tensor.random_", "torch.Tensor.set_", "torch.dsmm", "torch.hsmm", "torch.spmm"}


def natives(apis: dict) -> list[tuple[str, list]]:
    return [(name, entry["overloads"]) for name, entry in apis.items() if entry.get("native") and "overloads" in entry]


def test_required_arguments_are_those_that_the_argument_parser_asks_for(torch_apis: dict) -> None:
    """A native function that is called without arguments says which it misses."""
    asked = 0
    for name, overloads in natives(torch_apis):
        stated = re.search(r"missing \d+ required positional arguments?: (.*)", refusal(name, no_such_argument=1))
        if stated:
            asked += 1
            missing = re.findall(r'"(\w+)"', stated[1])
            required = [[param[0] for param in one if len(param) == 2 and param[1] != "vk"] for one in overloads]
            assert missing in required or name in GAPS or "sparse_" in name, name
    assert asked > 500


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_overloads_are_those_that_the_argument_parser_lists(torch_apis: dict) -> None:
    """A native function that is called wrongly lists its overloads."""
    listed = 0
    for name, overloads in natives(torch_apis):
        known = [set(names(one)) for one in overloads]
        for line in re.findall(r"^ \* \((.*)\)$", refusal(name, object()), re.MULTILINE):
            listed += 1
            params = [part.partition(" = ")[0].split()[-1] for part in line.split(", ") if part]
            # A number in the place of a tensor is called "self" by the parser: only ever given by position.
            stated = {"input" if param == "self" else param for param in params} - {"*"}
            assert any(stated <= one for one in known) or name in GAPS or "sparse_" in name, (name, line)
    assert listed > 300


def test_synonyms_are_taken_by_native_functions() -> None:
    torch = pytest.importorskip("torch")
    synonyms = read("torch")["argument_synonyms"]
    x = torch.arange(6.0).reshape(2, 3)
    for own, others in synonyms.items():
        for other in others:
            given = {"dim": ("dim", 1), "keepdim": ("dim", 1)}
            if own in given:
                plain = {"dim": 1} | ({own: True} if own == "keepdim" else {})
                renamed = {other if key == own else key: value for key, value in plain.items()}
                assert torch.equal(torch.sum(x, **plain), torch.sum(x, **renamed)), other
            elif own == "input":
                assert torch.equal(torch.abs(**{other: -x}), x), other
            else:
                assert torch.equal(torch.mul(x, **{other: x}), x * x), other


def test_marked_views_share_memory_and_others_do_not(torch_apis: dict) -> None:
    torch = pytest.importorskip("torch")
    arguments = {
        "view": (6,), "transpose": (0, 1), "permute": (1, 0), "unsqueeze": (0,), "squeeze": (), "expand": (2, 3),
        "select": (0, 0), "narrow": (0, 0, 1), "diagonal": (), "t": (), "detach": (), "view_as": (torch.ones(6),),
        "reshape": (6,), "contiguous": (), "chunk": (2,), "unbind": (), "split": (1,), "flatten": (),
        "abs": (), "clone": (), "repeat": (1, 1), "flip": (0,), "roll": (1,), "add": (1,), "cumsum": (0,), "tril": (),
        "index_select": (0, torch.tensor([0])), "masked_fill": (torch.tensor(False), 0.0), "repeat_interleave": (2,),
    }  # fmt: skip
    for method, given in arguments.items():
        x = torch.arange(6.0).reshape(2, 3)
        result = getattr(x, method)(*given)
        first = result[0] if isinstance(result, tuple) else result
        shares = first.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        assert torch_apis[f"torch.Tensor.{method}"].get("alias_marks", False) is shares, method


def test_in_place_marks_follow_the_underscore(torch_apis: dict) -> None:
    without_an_operator = {"apply_", "map_", "map2_", "share_memory_", "module_load"}
    methods = {name.rpartition(".")[2]: one for name, one in torch_apis.items() if name.startswith("torch.Tensor.")}
    marked = {name for name, entry in methods.items() if entry.get("inplace")}
    assert {name for name in methods if name.endswith("_")} - marked <= without_an_operator
    assert {name for name in marked if not name.endswith("_")} == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch.nn.BatchNorm2d", {"eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}),
        ("torch.nn.LayerNorm", {"eps": 1e-5, "elementwise_affine": True, "bias": True}),
        ("torch.nn.LSTM", {"num_layers": 1, "bias": True, "batch_first": False, "proj_size": 0}),
        ("torch.nn.functional.max_pool2d", {"stride": None, "ceil_mode": False, "return_indices": False}),
        ("torch.nn.functional.gelu", {"approximate": "none"}),
        ("torch.nn.functional.softplus", {"beta": 1, "threshold": 20}),
        ("torch.linalg.norm", {"ord": None, "dim": None, "keepdim": False, "dtype": None, "out": None}),
        ("torch.fft.fftfreq", {"d": 1.0, "requires_grad": False}),
        ("torch.unique", {"sorted": True, "return_inverse": False, "return_counts": False, "dim": None}),
        ("torch.nn.init.xavier_normal", {"gain": 1.0}),
        ("torch.optim.SGD", {"lr": 1e-3, "momentum": 0, "dampening": 0, "nesterov": False}),
        ("torch.nn.Parameter", {"requires_grad": True}),
    ],
)
def test_documented_defaults_of_torch(torch_apis: dict, name: str, expected: dict) -> None:
    found = defaults(torch_apis[name])
    assert {key: ast.literal_eval(found[key]) for key in expected} == expected


def test_sources_of_every_kind_are_there(torch_apis: dict) -> None:
    assert torch_apis["torch.conv2d"]["alias"] == "torch.nn.functional.conv2d"
    assert torch_apis["torch.nn.modules.conv.Conv2d"]["alias"] == "torch.nn.Conv2d"
    assert torch_apis["torch.float"]["alias"] == "torch.float32"
    assert torch_apis["torch.concat"]["same_as"] == "torch.cat"
    assert torch_apis["torch.Tensor.arccos_"]["same_as"] == "torch.Tensor.acos_"
    assert names(torch_apis["torch.nn.functional.tanh"]["overloads"][0]) == ["input"]
    assert names(torch_apis["torch.nn.MultiheadAttention"]["call"][0])[:3] == ["query", "key", "value"]
    assert torch_apis["torch.nn.GRU"]["bases"] == ["torch.nn.Module"]
    assert torch_apis["torch.nn.Sigmoid"]["overloads"] == [[]]
    assert torch_apis["torch.Tensor.shape"]["kind"] == "property"
    assert torch_apis["torch.backends.cudnn.benchmark"]["kind"] == "property"
    assert torch_apis["torch.pi"]["kind"] == "constant"
    assert torch_apis["torch.nn"]["kind"] == "module"
    assert torch_apis["torch.nn.attention.SDPBackend.MATH"]["kind"] == "constant"
    assert {"torch.nn.modules.utils._pair", "torch.optim.lr_scheduler._LRScheduler", "torch.cuda.FloatTensor",
            "torch.nn.modules.batchnorm._BatchNorm", "torch.autograd.Variable"} <= set(torch_apis)  # fmt: skip


def test_old_forms_come_last(torch_apis: dict) -> None:
    assert names(torch_apis["torch.add"]["overloads"][0]) == ["input", "other", "alpha", "out"]
    assert names(torch_apis["torch.addmm"]["overloads"][0])[:3] == ["input", "mat1", "mat2"]


def test_tensor_only_methods_tell_a_tensor_from_everything_else() -> None:
    np = pytest.importorskip("numpy")
    only = set(read("torch")["tensor_methods_only"])
    assert {"permute", "unsqueeze", "view_as", "contiguous", "detach", "softmax", "masked_fill"} <= only
    for other in (list, tuple, dict, set, str, bytes, int, float, np.ndarray, np.float32):
        assert not only & set(dir(other)), other
    ambiguous = {
        "view",
        "split",
        "sort",
        "index",
        "sum",
        "mean",
        "shape",
        "add",
        "type",
        "cpu",
        "train",
        "requires_grad_",
    }
    assert not only & (ambiguous | {"zero_grad", "parameters", "float", "half", "to", "cuda"})


# TensorFlow and Keras --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keras.layers.BatchNormalization", {"axis": -1, "momentum": 0.99, "epsilon": 1e-3}),
        ("keras.layers.Conv2D", {"strides": (1, 1), "padding": "valid", "groups": 1, "use_bias": True}),
        ("keras.optimizers.Adam", {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        ("tf.reduce_sum", {"axis": None, "keepdims": False}),
        ("tf.image.resize", {"method": "bilinear", "antialias": False}),
        ("tf.data.Dataset.batch", {"drop_remainder": False}),
    ],
)
def test_documented_defaults_of_tensorflow(tf_apis: dict, name: str, expected: dict) -> None:
    found = defaults(tf_apis[name])
    assert {key: ast.literal_eval(found[key]) for key in expected} == expected


def test_preferred_names(tf_apis: dict) -> None:
    assert tf_apis["tf.math.reduce_sum"]["alias"] == "tf.reduce_sum"
    assert tf_apis["tf.nn.tanh"]["alias"] == "tf.tanh"
    assert tf_apis["tf.compat.v1.concat"]["alias"] == "tf.concat"
    assert tf_apis["tf.dtypes.float32"]["alias"] == "tf.float32"
    assert tf_apis["keras.layers.MaxPool2D"]["alias"] == "keras.layers.MaxPooling2D"
    assert tf_apis["keras.models.Model"]["alias"] == "keras.Model"
    assert tf_apis["keras.Layer"]["alias"] == "keras.layers.Layer"
    assert tf_apis["keras.ops.numpy.concatenate"]["alias"] == "keras.ops.concatenate"
    assert tf_apis["keras.backend.floatx"]["alias"] == "keras.config.floatx"
    assert not [name for name in tf_apis if name.startswith("tf.keras")]


def test_old_keras_names_are_marked(tf_apis: dict) -> None:
    keras = pytest.importorskip("keras")
    assert tf_apis["keras.backend.sum"]["tf_keras_only"] is True
    assert not hasattr(keras.backend, "sum")
    assert "tf_keras_only" not in tf_apis["keras.backend.floatx"]


def test_keras_calls_and_constructors(tf_apis: dict) -> None:
    assert names(tf_apis["keras.Model"]["overloads"][0]) == ["inputs", "outputs", "name", "kwargs"]
    assert names(tf_apis["keras.layers.Dropout"]["call"][0]) == ["inputs", "training"]
    assert names(tf_apis["keras.losses.MeanSquaredError"]["call"][0]) == ["y_true", "y_pred", "sample_weight"]
    assert tf_apis["keras.layers.LSTM"]["bases"][:2] == ["keras.layers.RNN", "keras.layers.Layer"]
    assert {"tf.Tensor.numpy", "tf.GradientTape.gradient"} <= set(tf_apis)
    assert {"keras.Model.fit", "keras.layers.Layer.add_weight"} <= set(tf_apis)


def test_reserved_attributes_are_refused_or_taken_by_keras() -> None:
    reserved = set(read("tf")["reserved_attributes"])
    wanted = "layers name metrics losses dtype input output weights variables path trainable input_spec loss summary"
    assert set(wanted.split()) <= reserved
    assert not reserved & {"conv1", "fc", "head", "backbone", "dropout", "features", "__dict__", "__init__"}
    keras = pytest.importorskip("keras")
    for name in ("layers", "metrics", "weights", "variables", "input", "output"):
        with pytest.raises(AttributeError):
            setattr(keras.Model(), name, [])


# The parts -------------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "1e-05"), ("mean", "'mean'"), ((1, 1), "(1, 1)"), ((1,), "(1,)"), ([0.5, None], "[0.5, None]"),
        (math.inf, "math.inf"), (-math.inf, "-math.inf"), (math.nan, "math.nan"), (True, "True"), ((), "()"),
        ({"a": (1.5,)}, "{'a': (1.5,)}"), (set(), "set()"), (object(), "..."), (print, "public.print"),
        (Colour.RED, "Colour.RED"),
    ],
)  # fmt: skip
def test_default_text(value: object, text: str) -> None:
    known = {id(print): "public.print", id(Colour): "Colour"}
    assert default_text(value, lambda one: known.get(id(one))) == text


def test_signatures_of_python_functions_and_classes() -> None:
    class Plain:
        pass

    class Made:
        def __new__(cls, size: int, /, *more: int, key: str = "k", **rest: int) -> Made:
            return super().__new__(cls)

    made = [["size", "po"], ["more", "va"], ["key", "ko", "'k'"], ["rest", "vk"]]
    assert class_overloads(Plain, lambda _: None) == [[]]
    assert class_overloads(Colour, lambda _: None) == [[["value", "pk"]]]
    assert class_overloads(Made, lambda _: None) == [made]
    assert function_overloads(Made.__new__, lambda _: None, drop_first=True) == [made]
    assert unique([made, made, []]) == [made, []]


def test_stub_overloads(tmp_path: Path) -> None:
    stub = tmp_path / "stub.pyi"
    stub.write_text(
        "from torch import strided\nfrom torch.types import Tensor\n"
        "@overload\ndef add(self: Tensor, alpha: int, other: Tensor) -> Tensor: ...\n"
        "@overload\ndef add(self: Tensor, alpha: int, other: Tensor, *, out: Tensor) -> Tensor: ...\n"
        "@overload\ndef add(input: Tensor, other: Tensor, *, alpha: int = 1) -> Tensor: ...\n"
        "def full(*size: int, layout=strided, reduction: str = ...) -> Tensor: ...\n"
        "class Box:\n    def put(self, x, /, y=(1, 1)): ...\n    @staticmethod\n    def of(x): ...\n",
        encoding="utf-8",
    )
    assert stubs.functions(stub) == {
        "add": [
            [["input", "pk"], ["other", "pk"], ["alpha", "ko", "1"]],
            [["input", "pk"], ["alpha", "pk"], ["other", "pk"], ["out", "ko", "None"]],
        ],
        "full": [[["size", "va"], ["layout", "ko", "torch.strided"], ["reduction", "ko", "..."]]],
    }
    assert stubs.classes(stub) == {"Box": {"put": [[["x", "po"], ["y", "pk", "(1, 1)"]]], "of": [[["x", "pk"]]]}}


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    content = {"framework": "torch", "version": "0", "apis": {"b": {"kind": "module"}, "a": {"kind": "constant"}}}
    monkeypatch.setattr(signatures, "generate", lambda framework: content | {"framework": framework})
    assert signatures.main(["--check", "--out", str(tmp_path)]) == 1
    assert signatures.main(["torch", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "torch.json").read_text(encoding="utf-8")) == content
    assert signatures.main(["torch", "--check", "--out", str(tmp_path)]) == 0
    assert signatures.main(["--check", "--out", str(tmp_path)]) == 1
    assert "stale" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        signatures.main(["jax"])
    assert stopped.value.code == 2


def test_unknown_framework() -> None:
    with pytest.raises(ValueError, match="jax"):
        signatures.generate("jax")

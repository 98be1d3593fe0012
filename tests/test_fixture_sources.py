"""Every PyTorch program under ``fixtures/`` builds, runs on the inputs of its ``case.toml`` and stays finite.

A fixture that fails here says nothing about translation, so the comparisons elsewhere can rely on sound sources.
"""

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SPEC = re.compile(r"(float|int|bool)\[([\d,\s]+)\](?:<(\d+))?")


def _cases() -> list[Any]:
    """One parameter for each ``[[model]]`` of each case that has a PyTorch source."""
    params = []
    for path in sorted(FIXTURES.glob("*/case.toml")):
        if not (path.parent / "torch_model.py").exists():
            continue
        models = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        for number, model in enumerate(models):
            label = f"{path.parent.name}-{number}-{model.get('entry')}"
            params.append(pytest.param(path.parent, model, id=label))
    return params


def _sources() -> list[Any]:
    return [pytest.param(path, id=path.parent.name) for path in sorted(FIXTURES.glob("*/torch_model.py"))]


def _load(folder: Path) -> ModuleType:
    """Import ``torch_model.py`` under a name of its own (dataclasses look their module up in ``sys.modules``)."""
    name = f"fixture_{folder.name}"
    spec = importlib.util.spec_from_file_location(name, folder / "torch_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _parse(spec: str) -> tuple[str, list[int], int | None]:
    """Split ``"int[2,7]<50"`` into kind, shape and the bound, which is None unless given."""
    match = SPEC.fullmatch(spec.strip())
    assert match is not None, f"not an input specification: {spec!r}"
    kind, sizes, below = match.groups()
    return kind, [int(size) for size in sizes.split(",") if size.strip()], int(below) if below else None


def _is_spec(value: Any) -> bool:
    return isinstance(value, str) and SPEC.fullmatch(value.strip()) is not None


def _tensor(spec: str, generator: Any) -> Any:
    """A tensor for a specification: normal floats (float64), integers below the bound, fair booleans."""
    import torch

    kind, shape, below = _parse(spec)
    if kind == "float":
        return torch.randn(shape, dtype=torch.float64, generator=generator)
    if kind == "int":
        return torch.randint(0, 2 if below is None else below, shape, generator=generator)
    return torch.rand(shape, generator=generator) < 0.5


def _tensors(value: Any) -> Iterator[Any]:
    """All tensors of an output, through tuples, lists, mappings and objects with fields, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "__dict__"):
        yield from _tensors(vars(value))


def _first_shape(inputs: dict[str, Any]) -> list[int]:
    """Shape of the first tensor among the inputs."""
    return next(_parse(value)[1] for value in inputs.values() if _is_spec(value))


def _batch_axes(rank: int) -> list[tuple[int, int]]:
    """Where samples may be counted in the first input and in the first output.

    Images and vectors are batch-first. Sequences, (time, batch) or (time, batch, features), may be time-first and
    either keep that order or end in one row for each sample.
    """
    return [(0, 0), (1, 1), (1, 0)] if rank in (2, 3) else [(0, 0)]


def _check(shapes: list[list[int]], outputs: list[Any]) -> None:
    """All numbers are finite, and the same axis counts the samples whatever the input is.

    Further outputs (states, attention weights) count samples along any axis, scalars (a loss) along none.
    """
    found = [list(_tensors(output)) for output in outputs]
    for tensors in found:
        assert tensors, "no tensor in the output"
        assert all(tensor.isfinite().all() for tensor in tensors)

    arrays = [[list(tensor.shape) for tensor in tensors if tensor.ndim] for tensors in found]
    pairs = [(shape, array) for shape, array in zip(shapes, arrays, strict=True) if array]
    fits = [
        (source, target)
        for source, target in _batch_axes(len(shapes[0]))
        if all(array[0][target : target + 1] == [shape[source]] for shape, array in pairs)
        and all(shape[source] in other for shape, array in pairs for other in array)
    ]
    assert fits, f"inputs {shapes} gave outputs {arrays}"


@pytest.mark.parametrize(("folder", "model"), _cases())
def test_model_runs(folder: Path, model: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(7)
    net = getattr(_load(folder), model["entry"])(**model.get("init", {})).double()
    generator = torch.Generator().manual_seed(11)

    for training in (False, True) if model.get("train", True) else (False,):
        net.train(training)
        outputs = []
        for inputs in model["inputs"]:
            args = {name: _tensor(v, generator) if _is_spec(v) else v for name, v in inputs.items()}
            with torch.no_grad():
                outputs.append(net(**args))
        _check([_first_shape(inputs) for inputs in model["inputs"]], outputs)


@pytest.mark.parametrize(("folder", "model"), _cases())
def test_inputs_tell_axes_apart(folder: Path, model: dict[str, Any]) -> None:
    """Two shapes with two batch sizes, and no axis of an image or a sequence as long as its first."""
    shapes = [tuple(_first_shape(inputs)) for inputs in model["inputs"]]
    assert len(set(shapes)) >= 2
    assert len({shape[0] for shape in shapes}) >= 2
    assert all(shape.count(shape[0]) == 1 for shape in shapes), shapes


# Numbers of parameters that the papers or the model zoos of the field state for the full-size networks.
FULL_SIZE = [
    ("lenet", "LeNet5", {}, 61_706),
    ("vgg", "vgg11", {}, 132_863_336),
    ("vgg", "vgg16_bn", {}, 138_365_992),
    ("resnet", "resnet18", {}, 11_689_512),
    ("resnet", "resnet50", {}, 25_557_032),
    ("resnet", "resnext50", {}, 25_028_904),
    ("densenet", "densenet121", {}, 7_978_856),
    ("mobilenet_v2", "mobilenet_v2", {}, 3_504_872),
    ("mobilenet_v3", "mobilenet_v3_large", {}, 5_483_032),
    ("mobilenet_v3", "mobilenet_v3_small", {}, 2_542_856),
    ("shufflenet_v2", "ShuffleNetV2", {}, 2_278_604),
    ("efficientnet", "EfficientNet", {}, 5_288_548),
    ("efficientnet", "efficientnet", {"name": "b1"}, 7_794_184),
    ("convnext", "convnext_tiny", {}, 28_589_128),
    ("unet", "UNet", {"n_channels": 3, "n_classes": 2}, 31_037_698),
]


@pytest.mark.parametrize(("case", "entry", "init", "count"), FULL_SIZE)
def test_defaults_are_the_real_architecture(case: str, entry: str, init: dict[str, Any], count: int) -> None:
    torch = pytest.importorskip("torch")
    make = getattr(_load(FIXTURES / case), entry)
    # No storage is needed to count; ConvNeXt reads numbers back while it is built, so it needs a real device.
    with torch.device("cpu" if case == "convnext" else "meta"):
        net = make(**init)
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize("path", _sources())
def test_source_stands_alone(path: Path) -> None:
    """A fixture imports nothing but torch, numpy and the standard library, and has a ``case.toml`` beside it."""
    allowed = sys.stdlib_module_names | {"torch", "numpy"}
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add("." if node.level else (node.module or "").split(".")[0])
    assert roots <= allowed, roots - allowed
    assert (path.parent / "case.toml").exists()

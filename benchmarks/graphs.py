"""Transposes in the graphs of channels-last translations, and whether TensorFlow Lite takes them.

Each image fixture and each classification model of torchvision is translated with ``--layout channels_last``,
built, traced by ``tf.function`` and its ``Transpose`` operations counted, helpers included; then it is converted for
TensorFlow Lite, and the interpreter's result is compared with the model's own in float32.

Run: python benchmarks/graphs.py [--write docs/graphs.md] [fixture or architecture ...]
"""

from __future__ import annotations

import argparse
import gc
import inspect
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from corpus import ARCHITECTURES, World, of_project
from corpus import translate as translate_package

from translator import translate
from translator.model import Edge, Layout

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
IMAGES = (
    "lenet", "vgg", "resnet", "densenet", "mobilenet_v2", "mobilenet_v3", "shufflenet_v2", "efficientnet", "convnext",
    "unet", "fpn", "vae", "vit", "swin", "mlp_mixer", "deeplab", "ssd", "superresolution", "gram_style", "video3d",
    "map_attention", "coordconv", "wavenet", "mixed",
)  # fmt: skip

HEAD = """# Graphs of channels-last translations

Written by `python benchmarks/graphs.py --write docs/graphs.md`. `Transpose` operations in the graph that `tf.function`
traces, by the statement that asks for them, and the difference of TensorFlow Lite's result (largest difference over
largest value, float32).
"""
Texts = dict[str, list[str]]
"""The lines of the program's files."""
COLUMNS = ("", "| model | transposes | where | TensorFlow Lite |", "| --- | --- | --- | --- |")


@dataclass
class Graph:
    """What one traced model holds, and what TensorFlow Lite makes of it."""

    transposes: Counter[str] = field(default_factory=Counter)
    """How often each line of the translation gives a ``Transpose``."""
    difference: float | None = None
    trouble: str = ""
    fallback: bool = False


def measure(model: Any, edges: Iterable[Edge], inputs: dict[str, Any], texts: Texts) -> Graph:
    """Trace and convert one translated model."""
    import tensorflow as tf

    arrays = arranged(model, edges, inputs)
    wanted = model(**arrays, training=False)
    # Without AutoGraph, so that operations know the lines that they come from.
    function = tf.function(lambda **given: model(**given, training=False), autograph=False)
    traced = function.get_concrete_function(
        **{name: tf.TensorSpec(a.shape, a.dtype, name=name) for name, a in arrays.items()}
    )
    graph = Graph()
    for operation in traced.graph.get_operations():
        if operation.type == "Transpose":
            graph.transposes[statement(operation, texts)] += 1
    try:
        graph.difference = lite_difference(traced, arrays, wanted)
    except Exception as error:
        found = re.search(r"error: (.*)", str(error))
        graph.trouble = (found[1] if found else str(error).strip().splitlines()[0])[:90]
    return graph


def arranged(model: Any, edges: Iterable[Edge], inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs in the axis order that the model takes."""
    from translator.compare.edges import permutation
    from translator.compare.inputs import draw_inputs

    perms = {e.name: permutation(e.axes) for e in edges if e.owner == type(model).__name__}
    arrays = {}
    for name, array in draw_inputs(inputs, 0).items():
        array = array.transpose(perms[name]) if name in perms else array
        arrays[name] = array.astype("float32") if array.dtype.kind == "f" else array
    return arrays


def statement(operation: Any, texts: Texts) -> str:
    """The line of the program, or of its helpers, that an operation was traced at."""
    found = [frame for frame in operation.traceback if frame.filename in texts]
    return " ".join(texts[found[-1].filename][found[-1].lineno - 1].split()) if found else "inside of Keras"


def lite_difference(traced: Any, arrays: dict[str, Any], wanted: Any) -> float:
    """The largest difference of the interpreter's results, over the largest value.

    Raises:
        Exception: whatever the converter or the interpreter objects to.
    """
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(traced)])
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        name = detail["name"].removeprefix("serving_default_").partition(":")[0]
        interpreter.set_tensor(detail["index"], arrays[name])
    interpreter.invoke()
    got = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    expected = [np.asarray(t) for t in tf.nest.flatten(wanted)]
    pairs = [(a, next(b for b in expected if b.shape == a.shape)) for a in got]
    if len({a.shape for a in got}) < len(got):
        raise ValueError("outputs of one shape cannot be told apart")
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12)) for a, b in pairs)


def row(name: str, graph: Graph) -> str:
    """The table's line for a model."""
    where = "; ".join(f"{count}x `{line}`" for line, count in graph.transposes.most_common(4)).replace("|", "\\|")
    where = "translated with channels first" if graph.fallback else where
    lite = f"{graph.difference:.1e}" if graph.difference is not None else graph.trouble.replace("|", "\\|")
    return f"| {name} | {graph.transposes.total()} | {where} | {lite} |"


def fixtures(wanted: set[str]) -> Iterator[str]:
    """The rows of the first model of each image fixture."""
    from translator.compare.program import load

    for name in (n for n in IMAGES if not wanted or n in wanted):
        case = tomllib.loads((FIXTURES / name / "case.toml").read_text("utf-8"))["model"][0]
        translation = translate((FIXTURES / name / "torch_model.py").read_text("utf-8"), "torch2tf")
        module = load(translation.text, "graphs", wide=False)
        texts = {f"<{module.__name__}>": translation.text.splitlines()}
        model = getattr(module, case["entry"])(**case.get("init", {}))
        graph = measure(model, translation.edges, case["inputs"][0], texts)
        graph.fallback = any("with channels first" in d.message for d in translation.diagnostics)
        yield row(name, graph)


def architectures(wanted: set[str]) -> Iterator[str]:
    """The rows of torchvision's classification models, translated as one project."""
    known = [a for a in ARCHITECTURES if of_project(a) == "classification"]
    known = [a for a in known if not wanted or {a.file, a.name} & wanted]
    if not known:
        return
    project = translate_package("classification", Layout.CHANNELS_LAST)
    source, world = World(project.root), World(project.target, wide=False)
    texts = {str(p): p.read_text("utf-8").splitlines() for p in world.folder.rglob("*.py")}
    for architecture in known:
        forward = architecture.build(source.load(architecture.file)).forward
        name = next(iter(inspect.signature(forward).parameters))
        size = ",".join(map(str, (2, 3, *architecture.sizes[0])))
        model = architecture.build(world.load(architecture.file))
        graph = measure(model, project.edges, {name: f"float[{size}]"}, texts)
        graph.fallback = any("with channels first" in note for note in project.notes)
        yield row(f"{architecture.file}.{architecture.name}", graph)
        del model, forward
        gc.collect()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", help="only these fixtures and architectures")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    page = [HEAD]
    for title, rows in (("Fixtures", fixtures), ("torchvision's classification models", architectures)):
        page += ["## " + title, *COLUMNS]
        for line in rows(set(options.model)):
            page.append(line)
            print(line, flush=True)
        page.append("")
    if options.write:
        options.write.write_text("\n".join(page), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

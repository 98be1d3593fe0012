"""Transposes in the graphs of channels-last translations, and whether TensorFlow Lite takes them.

Each image fixture is translated with ``--layout channels_last``, built, traced by ``tf.function`` and its ``Transpose``
operations counted, helpers included; then it is converted for TensorFlow Lite, and the interpreter's result is compared
with the model's own in float32.

Run: python benchmarks/graphs.py [--write docs/graphs.md] [fixture ...]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from translator import Translation, translate

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
IMAGES = (
    *(
        "lenet",
        "vgg",
        "resnet",
        "densenet",
        "mobilenet_v2",
        "mobilenet_v3",
        "shufflenet_v2",
        "efficientnet",
        "convnext",
    ),
    *("unet", "fpn", "vae", "vit", "swin", "mlp_mixer", "mixed"),
)

HEAD = """# Graphs of channels-last translations

Written by `python benchmarks/graphs.py --write docs/graphs.md`. For the first model of each image fixture: `Transpose`
operations in the graph that `tf.function` traces, by the statement that asks for them, and the difference of TensorFlow
Lite's result (largest difference over largest value, float32).

| fixture | transposes | where | TensorFlow Lite |
| --- | --- | --- | --- |
"""


@dataclass
class Graph:
    """What one traced model holds, and what TensorFlow Lite makes of it."""

    transposes: Counter[str] = field(default_factory=Counter)
    """How often each line of the translation gives a ``Transpose``."""
    difference: float | None = None
    trouble: str = ""
    fallback: bool = False


def measure(source: str, entry: str, init: dict[str, Any], inputs: dict[str, Any]) -> Graph:
    """Translate, trace and convert one model.

    Raises:
        ValueError: the translation is refused.
    """
    import tensorflow as tf

    from translator.compare.program import load

    translation = translate(source, "torch2tf", layout="channels_last")
    if any(d.severity == "error" for d in translation.diagnostics):
        raise ValueError("not translated")
    module = load(translation.text, "graphs", wide=False)
    model = getattr(module, entry)(**init)
    arrays = arranged(model, translation, inputs)
    wanted = model(**arrays, training=False)
    # Without AutoGraph, so that operations know the lines that they come from.
    function = tf.function(lambda **given: model(**given, training=False), autograph=False)
    traced = function.get_concrete_function(
        **{name: tf.TensorSpec(a.shape, a.dtype, name=name) for name, a in arrays.items()}
    )
    graph = Graph(fallback=any(d.code == "XL304" for d in translation.diagnostics))
    lines = translation.text.splitlines()
    for operation in traced.graph.get_operations():
        if operation.type == "Transpose":
            graph.transposes[statement(operation, f"<{module.__name__}>", lines)] += 1
    try:
        graph.difference = lite_difference(traced, arrays, wanted)
    except Exception as error:
        found = re.search(r"error: (.*)", str(error))
        graph.trouble = (found[1] if found else str(error).strip().splitlines()[0])[:90]
    return graph


def arranged(model: Any, translation: Translation, inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs in the axis order that the model takes."""
    from translator.compare.edges import permutation
    from translator.compare.inputs import draw_inputs

    edges = {e.name: permutation(e.axes) for e in translation.edges if e.owner == type(model).__name__}
    arrays = {}
    for name, array in draw_inputs(inputs, 0).items():
        array = array.transpose(edges[name]) if name in edges else array
        arrays[name] = array.astype("float32") if array.dtype.kind == "f" else array
    return arrays


def statement(operation: Any, filename: str, lines: list[str]) -> str:
    """The line of the program, or of its helpers, that an operation was traced at."""
    numbers = [frame.lineno for frame in operation.traceback if frame.filename == filename]
    return " ".join(lines[numbers[-1] - 1].split()) if numbers else "inside of Keras"


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


def row(name: str) -> str:
    """The table's line for a fixture."""
    folder = FIXTURES / name
    case = tomllib.loads((folder / "case.toml").read_text("utf-8"))["model"][0]
    graph = measure(
        (folder / "torch_model.py").read_text("utf-8"), case["entry"], case.get("init", {}), case["inputs"][0]
    )
    where = "; ".join(f"{count}x `{line}`" for line, count in graph.transposes.most_common(4)).replace("|", "\\|")
    where = "translated with channels first" if graph.fallback else where
    lite = f"{graph.difference:.1e}" if graph.difference is not None else graph.trouble.replace("|", "\\|")
    return f"| {name} | {graph.transposes.total()} | {where} | {lite} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixture", nargs="*", default=IMAGES)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.fixture:
        rows.append(row(name))
        print(rows[-1], flush=True)
    if options.write:
        options.write.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

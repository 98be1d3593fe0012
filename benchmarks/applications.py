"""How much of Keras's model collection translates cleanly, runs in PyTorch, and computes the same.

The sources are those of the installed Keras (``keras/src/applications``), each file with what it imports from its
neighbours made relative, as in a copy in a project of one's own; nothing else is changed. Both versions are built with
the same noise in all weights, which go over in the order in which layers are made, and are compared in float64:
outputs in eval and train mode (dropout off), and the gradients of every weight and of the input.

Run: python benchmarks/applications.py [family ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
import time
import traceback
import types
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from sources import CACHE

from translator.engine import translate_sources
from translator.model import Direction, Options, Severity, Translation

TOLERANCE = 1e-9
SMALL = {"weights": None, "classes": 7}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A builder function: its file, its arguments, and the height and width of the images."""

    file: str
    name: str
    size: tuple[int, int] = (64, 80)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        shape = {"input_shape": (*self.size, 3)}
        return {**SMALL, **shape, **self.options}


ARCHITECTURES = (
    Architecture("convnext", "ConvNeXtTiny", (64, 64)),
    Architecture("densenet", "DenseNet121"),
    Architecture("efficientnet", "EfficientNetB0"),
    Architecture("efficientnet_v2", "EfficientNetV2B0"),
    Architecture("inception_resnet_v2", "InceptionResNetV2", (96, 80)),
    Architecture("inception_v3", "InceptionV3", (96, 80)),
    Architecture("mobilenet", "MobileNet"),
    Architecture("mobilenet_v2", "MobileNetV2"),
    Architecture("mobilenet_v3", "MobileNetV3Small"),
    Architecture("mobilenet_v3", "MobileNetV3Large", options={"include_top": False, "pooling": "max"}),
    Architecture("nasnet", "NASNetMobile", (64, 64)),
    Architecture("resnet", "ResNet50"),
    Architecture("resnet", "ResNet101", options={"include_top": False, "pooling": "avg"}),
    Architecture("resnet_v2", "ResNet50V2"),
    Architecture("vgg16", "VGG16", (32, 48)),
    Architecture("vgg19", "VGG19", (32, 48), {"include_top": False, "pooling": "max"}),
    Architecture("xception", "Xception", (80, 72)),
)
def sources() -> dict[str, str]:
    """The architecture files of the installed Keras, found without importing it."""
    spec = importlib.util.find_spec("keras")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "src" / "applications"
    out = {}
    for path in sorted(folder.glob("*.py")):
        if path.stem in ("__init__", "imagenet_utils") or path.stem.endswith("_test"):
            continue
        text = path.read_text("utf-8")
        text = re.sub(r"from keras\.src\.applications import (?!imagenet_utils)(\w+)", r"from . import \1", text)
        out[path.stem] = text
    return out


def translate(texts: dict[str, str]) -> dict[str, Translation]:
    root = CACHE / "applications" / "models"
    root.mkdir(parents=True, exist_ok=True)
    (root / "__init__.py").write_text("", "utf-8")  # which tells the translator that this is a package
    data = {str(root / f"{name}.py"): text.encode() for name, text in texts.items()}
    results = translate_sources(data, Options(direction=Direction.TF2TORCH))
    out = {}
    for name in texts:
        result = results[str(root / f"{name}.py")]
        assert isinstance(result, Translation), result
        out[name] = result
    return out


def load(package: str, texts: dict[str, str], name: str) -> types.ModuleType:
    """One of the files as a module of a package of its own, with the neighbours that it imports."""
    if package not in sys.modules:
        parent = types.ModuleType(package)
        parent.__path__ = []  # type: ignore[attr-defined]
        sys.modules[package] = parent
    full = f"{package}.{name}"
    if full in sys.modules:
        return sys.modules[full]
    for neighbour in re.findall(r"^from \. import (\w+)", texts[name], re.MULTILINE):
        load(package, texts, neighbour)
    module = types.ModuleType(full)
    module.__package__ = package
    sys.modules[full] = module
    exec(compile(texts[name], f"<{full}>", "exec"), module.__dict__)
    setattr(sys.modules[package], name, module)
    return module


def errors(translation: Translation) -> list[str]:
    found = [d for d in translation.diagnostics if d.severity is Severity.ERROR]
    return [f"{d.line}: {d.code} {d.message}" for d in found]


def pretrained(line: str) -> bool:
    """Loading Keras's own weight files is refused everywhere, with a way out; the rest of a builder is whole."""
    return "`load_weights` of a Keras model" in line


def compare(architecture: Architecture, keras_texts: dict[str, str], translations: dict[str, Translation]) -> Any:
    """Both versions on the same weights and inputs; a `tf2torch_support.Comparison`."""
    import tf2torch_support as support

    def make(package: str, texts: dict[str, str]) -> Any:
        module = load(package, texts, architecture.file)
        return getattr(module, architecture.name)(**architecture.arguments)

    height, width = architecture.size
    torch_texts = {name: t.text for name, t in translations.items()}
    translation = merged(translations)
    return support.compare_models(
        lambda: make("keras_models", keras_texts), lambda: make("torch_models", torch_texts),
        [{"image": f"float[2,{height},{width},3]"}],
        lambda module: support.axes_of(translation, module, {"entry": architecture.name}),
    )  # fmt: skip


def merged(translations: dict[str, Translation]) -> Translation:
    """The edges of all files together: a builder may make the model of another file."""
    every = tuple(e for t in translations.values() for e in t.edges)
    return replace(next(iter(translations.values())), edges=every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("family", nargs="*", help="only these, by file or builder")
    parser.add_argument("--write", type=Path, help="a folder for the translations")
    parser.add_argument("--no-run", action="store_true", help="translate only")
    chosen = parser.parse_args()
    start = time.perf_counter()
    texts = sources()
    translations = translate(texts)
    print(f"{len(texts)} files translated in {time.perf_counter() - start:.1f} s")
    for name, translation in translations.items():
        if chosen.write:
            chosen.write.mkdir(parents=True, exist_ok=True)
            (chosen.write / f"{name}.py").write_text(translation.text, "utf-8")
        lines = errors(translation)
        other = [x for x in lines if not pretrained(x)]
        counts = ", ".join(f"{n} {c}" for c, n in Counter(x.split()[1] for x in other).items()) or "whole"
        if not chosen.family or name in chosen.family:
            loads = len(lines) - len(other)
            print(f"  {name:22}{counts}" + (f" (but for {loads} loads of pretrained weights)" if loads else ""))
            for line in other[:12]:
                print(f"      {line}")
    if chosen.no_run:
        return
    from translator.compare.precision import precision

    built = agree = total = 0
    families: dict[str, bool] = {}
    for architecture in ARCHITECTURES:
        if chosen.family and not {architecture.file, architecture.name} & set(chosen.family):
            continue
        total += 1
        began = time.perf_counter()
        said, worst = "", float("nan")
        try:
            with precision("float64"):
                found = compare(architecture, texts, translations)
            built += 1
            worst = max(found.worst.values())
            said = "" if worst < TOLERANCE else str({k: v for k, v in found.worst.items() if v >= TOLERANCE})
        except Exception as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if "models." in f.filename]
            where = "".join(f" [{f.filename}:{f.lineno}]" for f in frames[-2:])
            said = f"{type(error).__name__}: {str(error)[:400]}{where}"
        good = not said
        agree += good
        families[architecture.file] = families.get(architecture.file, True) and good
        took = time.perf_counter() - began
        verdict = "agrees" if good else "FAILS"
        print(f"  {architecture.file:22}{architecture.name:22}{verdict:8}{worst:8.1e} {took:6.1f} s {said}", flush=True)
    print(f"{total} architectures: {built} build and take the weights, {agree} agree; "
          f"{sum(families.values())} of {len(families)} families agree")  # fmt: skip


if __name__ == "__main__":
    main()

"""How much of Keras's model collection translates cleanly, runs in PyTorch, and computes the same.

The sources are those of the installed Keras (``keras/src/applications``), each file with what it imports from its
neighbours made relative, as in a copy in a project of one's own; nothing else is changed. Both versions are built with
the same noise in all weights, which go over in the order in which layers are made, and are compared in float64:
outputs in eval and train mode (dropout off), and the gradients of every weight and of the input.

Run: python benchmarks/applications.py [family ...]

What was found for the same translations before is kept in .corpus/ and not computed again.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import time
import traceback
import types
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
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
VERSION = importlib.metadata.version("keras")
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
    Architecture("inception_resnet_v2", "InceptionResNetV2", (160, 144)),
    Architecture("inception_v3", "InceptionV3", (160, 144)),
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


@dataclass(slots=True)
class Outcome:
    """What became of one architecture. ``said`` tells of a failure."""

    builds: bool = False
    agrees: bool = False
    worst: float = 0.0
    seconds: float = 0.0
    said: str = ""


def place(architecture: Architecture, texts: dict[str, str], translations: dict[str, Translation]) -> Path:
    """Where what was found for the same texts is kept."""
    names = [architecture.file, *re.findall(r"^from \. import (\w+)", texts[architecture.file], re.MULTILINE)]
    digest = hashlib.sha256(repr((architecture, VERSION)).encode())
    for name in names:
        digest.update(texts[name].encode() + translations[name].text.encode())
    return CACHE / "applications" / "outcomes" / f"{architecture.name}.{digest.hexdigest()[:16]}.json"


def outcome(architecture: Architecture, texts: dict[str, str], translations: dict[str, Translation]) -> Outcome:
    """Build both versions and compare them; what was found for the same texts before is not computed again."""
    from translator.compare.precision import precision

    kept = place(architecture, texts, translations)
    if kept.is_file():
        return Outcome(**json.loads(kept.read_text("utf-8")))
    began = time.perf_counter()
    out = Outcome()
    try:
        with precision("float64"):
            found = compare(architecture, texts, translations)
        out.builds, out.worst = True, max(found.worst.values())
        out.agrees = out.worst < TOLERANCE
        out.said = "" if out.agrees else str({k: f"{v:.1e}" for k, v in found.worst.items() if v >= TOLERANCE})
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "models." in f.filename]
        where = "".join(f" [{f.filename}:{f.lineno}]" for f in frames[-2:])
        out.said = f"{type(error).__name__}: {str(error)[:400]}{where}"
    out.seconds = time.perf_counter() - began
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(asdict(out)), "utf-8")
    gc.collect()
    return out


# -- report --------------------------------------------------------------------------------------


def refused(translation: Translation) -> tuple[list[str], int]:
    """The refusals of a file, and the number of those that concern Keras's own weight files."""
    lines = errors(translation)
    other = [x for x in lines if not pretrained(x)]
    return other, len(lines) - len(other)


def codes(lines: list[str]) -> str:
    return ", ".join(f"{n} {code}" for code, n in sorted(Counter(x.split()[1] for x in lines).items())) or "whole"


def totals(outcomes: list[tuple[Architecture, Outcome]]) -> str:
    """A family agrees when all of its architectures do."""
    families = {a.file for a, _ in outcomes}
    good = {f for f in families if all(o.agrees for a, o in outcomes if a.file == f)}
    return (
        f"{len(outcomes)} architectures, {sum(o.builds for _, o in outcomes)} build and take the weights over, "
        f"{sum(o.agrees for _, o in outcomes)} agree; {len(good)} of {len(families)} families agree"
    )


def table(
    translations: dict[str, Translation], outcomes: list[tuple[Architecture, Outcome]], missing: list[str]
) -> str:
    """What was found, as a page of Markdown."""
    lines = [
        "# Keras's applications", "",
        "Written by `make corpus` (`benchmarks/applications.py --record docs/applications.md`). The source files of",
        f"`keras.applications` (Keras {VERSION}) are translated to PyTorch as one project. Each architecture is built",
        "in both frameworks with the same noise in all weights, and compared in float64: outputs in eval mode and in",
        "training mode (dropout off), and the gradient of every weight and of the input. *worst* is the largest norm",
        "of a difference over the norm of the reference; below 1e-9 agrees. Loading Keras's own weight files is",
        "refused everywhere, with the way out (`xlate weights`), and not counted.", "",
        "| file | translated | architecture | builds | agrees | worst |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for a, out in outcomes:
        yes = ["yes" if fine else "no" for fine in (out.builds, out.agrees)]
        worst = f"{out.worst:.1e}" if out.builds else ""
        cells = (f"{a.file}.py", codes(refused(translations[a.file])[0]), a.name, *yes, worst)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", totals(outcomes) + "."]
    if missing:
        lines += ["", f"Not run again on these translations: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("family", nargs="*", help="only these, by file or builder")
    parser.add_argument("--write", type=Path, help="a folder for the translations")
    parser.add_argument("--no-run", action="store_true", help="translate only")
    parser.add_argument("--known", action="store_true", help="run nothing that was not run before on these texts")
    parser.add_argument("--record", type=Path, help="write the table to this file, too")
    chosen = parser.parse_args()
    start = time.perf_counter()
    texts = sources()
    translations = translate(texts)
    print(f"{len(texts)} files translated in {time.perf_counter() - start:.1f} s")
    for name, translation in translations.items():
        if chosen.write:
            chosen.write.mkdir(parents=True, exist_ok=True)
            (chosen.write / f"{name}.py").write_text(translation.text, "utf-8")
        lines, loads = refused(translation)
        if not chosen.family or name in chosen.family:
            print(f"  {name:22}{codes(lines)}" + (f" (but for {loads} loads of pretrained weights)" if loads else ""))
            for line in lines[:12]:
                print(f"      {line}")
    if chosen.no_run:
        return
    outcomes, missing = [], []
    for architecture in ARCHITECTURES:
        if chosen.family and not {architecture.file, architecture.name} & set(chosen.family):
            continue
        if chosen.known and not place(architecture, texts, translations).is_file():
            missing.append(architecture.name)
            continue
        out = outcome(architecture, texts, translations)
        outcomes.append((architecture, out))
        verdict = "agrees" if out.agrees else "FAILS"
        shown = f"{architecture.file:22}{architecture.name:22}{verdict:8}{out.worst:8.1e}"
        print(f"  {shown} {out.seconds:6.1f} s {out.said}", flush=True)
    print(totals(outcomes))
    if chosen.record:
        chosen.record.write_text(table(translations, outcomes, missing), "utf-8")


if __name__ == "__main__":
    main()

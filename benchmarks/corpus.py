"""How much of torchvision's classification, segmentation and video models translates, runs, and computes the same.

The model files come from torchvision's wheel as source: the package's own ``__init__`` is replaced by an empty one,
and what the models import from the rest of the package by small stand-ins, so that no compiled extension is needed.
The files are translated together as three projects: classification, video, and segmentation with its backbones. In
the latter two no channels-last order can be proven (layers of whatever network is given are walked over; one class
makes convolutions of two or three axes), so that they fall back to channels first. Each architecture is then built in
both frameworks with the same noise in all weights, and compared in float64: eval output, train output with dropout
off, buffers, and the gradient of every input and parameter.

Run: python benchmarks/corpus.py [architecture ...]

What was found for the same translations before is kept in .corpus/ and not computed again (--again does).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import inspect
import json
import os
import shutil
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from sources import CACHE, package

from translator.engine import translate_sources
from translator.model import Edge, InputError, Layout, Options, Severity

PACKAGE = "torchvision"
TOLERANCE = 1e-9
"""Norm of the difference over norm of the reference, in float64."""

STAND_INS = {
    "__init__.py": "",
    "models/__init__.py": "",
    "models/segmentation/__init__.py": "",
    "models/video/__init__.py": "",
    "ops/__init__.py": "from .misc import MLP, Conv2dNormActivation, Permute, SqueezeExcitation\n"
    "from .stochastic_depth import StochasticDepth\n",
    "transforms/__init__.py": "",
    "transforms/_presets.py": """from enum import Enum


class InterpolationMode(Enum):
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class ImageClassification:
    def __init__(self, **options):
        self.options = options


class SemanticSegmentation(ImageClassification):
    pass


class VideoClassification(ImageClassification):
    pass
""",
    "utils.py": """def _log_api_usage_once(obj):
    pass


def _make_ntuple(x, n):
    return (x,) * n if isinstance(x, int) else tuple(x)
""",
    "_internally_replaced_utils.py": """def load_state_dict_from_url(url, *args, **kwargs):
    raise RuntimeError("there are no pretrained weights here")
""",
}
"""What the model files import from the package, by path in it, where it is not worth translating."""

REAL = (
    "models/_api.py", "models/_meta.py", "models/_utils.py", "ops/misc.py", "ops/stochastic_depth.py", "_utils.py",
)  # fmt: skip
BESIDE = {
    "segmentation": (
        "models/segmentation/_utils.py", "models/resnet.py", "models/mobilenetv2.py", "models/mobilenetv3.py",
    ),
    "video": ("models/swin_transformer.py",),
}  # fmt: skip
"""What the files of a project import from others."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model: its file (without ``.py``), how it is made from the file's module, the last sizes of its inputs."""

    file: str
    name: str
    sizes: tuple[tuple[int, ...], ...] = ((64, 80),)
    options: dict[str, Any] = field(default_factory=dict)
    make: Callable[[ModuleType], Any] | None = None

    def build(self, module: ModuleType) -> Any:
        """The model, with few classes: the sizes of the other layers are the standard ones."""
        if self.make is not None:
            return self.make(module)
        return getattr(module, self.name)(num_classes=10, **self.options)


def _small_vit(module: ModuleType) -> Any:
    return module.VisionTransformer(
        image_size=48, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24, num_classes=10
    )


def _vit_with_stem(module: ModuleType) -> Any:
    stem = [module.ConvStemConfig(8, 3, 4), module.ConvStemConfig(12, 3, 4)]
    return module.VisionTransformer(
        image_size=48, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24, num_classes=10,
        representation_size=20, conv_stem_configs=stem,
    )  # fmt: skip


def _small_maxvit(module: ModuleType) -> Any:
    return module.MaxVit(
        input_size=(64, 64), stem_channels=16, partition_size=4, block_channels=[16, 32], block_layers=[1, 2],
        head_dim=8, stochastic_depth_prob=0.0, num_classes=10,
    )  # fmt: skip


def _small_swin(version: int) -> Callable[[ModuleType], Any]:
    def make(module: ModuleType) -> Any:
        block = {"block": module.SwinTransformerBlockV2, "downsample_layer": module.PatchMergingV2}
        return module.SwinTransformer(
            patch_size=[4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4],
            stochastic_depth_prob=0.0, num_classes=10, **(block if version == 2 else {}),
        )  # fmt: skip

    return make


def _small_mvit(module: ModuleType) -> Any:
    config = [
        module.MSBlockConfig(2, 16, 32, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2]),
        module.MSBlockConfig(4, 32, 32, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2]),
    ]
    return module.MViT(
        spatial_size=(32, 32), temporal_size=4, block_setting=config, residual_pool=True, residual_with_cls_embed=False,
        rel_pos_embed=True, proj_after_attn=True, stochastic_depth_prob=0.0, num_classes=10,
    )  # fmt: skip


def _small_swin3d(module: ModuleType) -> Any:
    return module.SwinTransformer3d(
        patch_size=[2, 4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=[2, 3, 3],
        stochastic_depth_prob=0.0, num_classes=10,
    )  # fmt: skip


DEPTH = {"stochastic_depth_prob": 0.0}
AUX = {"aux_logits": True, "init_weights": True}
NO_AUX = {"aux_logits": False, "init_weights": True}  # whose second classifier needs images of 299 pixels

ARCHITECTURES = (
    Architecture("alexnet", "alexnet", ((64, 80), (96, 72))),
    Architecture("convnext", "convnext_tiny", ((64, 96),), DEPTH),
    Architecture("densenet", "densenet121"),
    Architecture("efficientnet", "efficientnet_b0", ((64, 80),), DEPTH),
    Architecture("efficientnet", "efficientnet_v2_s", ((48, 64),), DEPTH),
    Architecture("googlenet", "googlenet", ((96, 64),), AUX),
    Architecture("inception", "inception_v3", ((160, 128),), NO_AUX),
    Architecture("maxvit", "MaxVit", ((64, 64),), make=_small_maxvit),
    Architecture("mnasnet", "mnasnet0_5"),
    Architecture("mobilenet", "mobilenet_v2"),
    Architecture("mobilenetv2", "mobilenet_v2", ((64, 80), (96, 72))),
    Architecture("mobilenetv3", "mobilenet_v3_small"),
    Architecture("mobilenetv3", "mobilenet_v3_large"),
    Architecture("regnet", "regnet_x_400mf"),
    Architecture("regnet", "regnet_y_400mf"),
    Architecture("resnet", "resnet18", ((64, 80), (48, 72))),
    Architecture("resnet", "resnet50"),
    Architecture("resnet", "resnext50_32x4d"),
    Architecture("shufflenetv2", "shufflenet_v2_x0_5"),
    Architecture("squeezenet", "squeezenet1_0"),
    Architecture("squeezenet", "squeezenet1_1"),
    Architecture("swin_transformer", "SwinTransformer", ((40, 56),), make=_small_swin(1)),
    Architecture("swin_transformer", "SwinTransformerV2", ((40, 56),), make=_small_swin(2)),
    Architecture("vgg", "vgg11", ((64, 80),)),
    Architecture("vgg", "vgg11_bn", ((64, 80),)),
    Architecture("vision_transformer", "VisionTransformer", ((48, 48),), make=_small_vit),
    Architecture("vision_transformer", "VisionTransformer, stem", ((48, 48),), make=_vit_with_stem),
    Architecture("segmentation/fcn", "fcn_resnet50", ((48, 64),), {"weights_backbone": None, "aux_loss": True}),
    Architecture("segmentation/deeplabv3", "deeplabv3_resnet50", ((48, 64),), {"weights_backbone": None}),
    Architecture("segmentation/lraspp", "lraspp_mobilenet_v3_large", ((64, 80),), {"weights_backbone": None}),
    Architecture("video/resnet", "r3d_18", ((4, 32, 40),)),
    Architecture("video/resnet", "mc3_18", ((4, 32, 40),)),
    Architecture("video/resnet", "r2plus1d_18", ((4, 32, 40),)),
    Architecture("video/s3d", "s3d", ((16, 224, 224),)),
    Architecture("video/mvit", "MViT", ((4, 32, 32),), make=_small_mvit),
    Architecture("video/swin_transformer", "SwinTransformer3d", ((4, 24, 40),), make=_small_swin3d),
)


# -- translation ---------------------------------------------------------------------------------


PROJECTS = ("classification", "video", "segmentation")


@dataclass(slots=True)
class Project:
    """Some of the package's files as they were translated together."""

    name: str
    root: Path
    target: Path
    refused: dict[str, list[str]]
    """Each file's refusals, by its path in the package."""
    edges: list[Edge]
    notes: list[str]
    """What is said of axis orders that could not be proven."""


def of_project(architecture: Architecture) -> str:
    """The project that an architecture's file belongs to."""
    return architecture.file.partition("/")[0] if "/" in architecture.file else "classification"


def stage(project: str) -> Path:
    """A folder with the package as it is translated: the real model files among the stand-ins."""
    root = CACHE / f"project_{project}"
    shutil.rmtree(root, ignore_errors=True)
    source = package(PACKAGE) / PACKAGE
    files = {f"models/{a.file}.py" for a in ARCHITECTURES if of_project(a) == project}
    files |= {*REAL, *BESIDE.get(project, ())}
    for name in (*STAND_INS, *sorted(files)):
        target = root / PACKAGE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(STAND_INS[name] if name in STAND_INS else (source / name).read_text("utf-8"), "utf-8")
    return root


def translate(project: str, layout: Layout) -> Project:
    """Translate one whole project."""
    root, target = stage(project), CACHE / f"translated_{project}"
    shutil.rmtree(target, ignore_errors=True)
    paths = sorted(root.rglob("*.py"))
    results = translate_sources({str(p): p.read_bytes() for p in paths}, Options(layout=layout))
    out = Project(project, root, target, {}, [], [])
    for path in paths:
        result, name = results[str(path)], path.relative_to(root / PACKAGE).as_posix()
        if isinstance(result, InputError):
            out.refused[name] = [f"{result.line}: {result.code} {result}"]
            continue
        errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
        out.refused[name] = [f"{d.line}: {d.code} {d.message}" for d in errors]
        out.edges += result.edges
        out.notes += [f"{name}:{d.line}: {d.message}" for d in result.diagnostics if d.code == "XL304"]
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(result.data)
    return out


def codes(refusals: Iterable[str]) -> str:
    """``clean``, or how many refusals of which codes."""
    counts = Counter(r.split()[1] for r in refusals)
    return ", ".join(f"{n} {code}" for code, n in sorted(counts.items())) or "clean"


# -- running -------------------------------------------------------------------------------------


class World:
    """The package's modules of one folder, apart from those of another with the same names."""

    def __init__(self, folder: Path, *, wide: bool = True) -> None:
        from translator.compare.precision import widen

        self.modules: dict[str, ModuleType] = {}
        self.folder = folder.with_name(folder.name + "_float64") if wide else folder
        if not wide:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in folder.rglob("*.py"):
            target = self.folder / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(widen(path.read_text("utf-8")), "utf-8")

    def load(self, name: str) -> ModuleType:
        """A model file as a module, with what it imports.

        Raises:
            whatever its top level raises.
        """
        import importlib

        sys.path.insert(0, str(self.folder))
        sys.modules.update(self.modules)
        importlib.invalidate_caches()
        try:
            return importlib.import_module(f"{PACKAGE}.models.{name.replace('/', '.')}")
        finally:
            sys.path.remove(str(self.folder))
            mine = [m for m in sys.modules if m.split(".")[0] == PACKAGE]
            self.modules.update({m: sys.modules.pop(m) for m in mine})


def compare(architecture: Architecture, torch_world: World, tf_world: World, edges: Iterable[Edge]) -> Any:
    """Run both versions in float64 and compare them; a `translator.compare.Result`."""
    import torch

    from translator import weights
    from translator.compare import Quantity, Result, draw_inputs, precision
    from translator.compare.buffers import batch_sizes, compare_buffers, snapshot
    from translator.compare.dropout import dropout_off
    from translator.compare.edges import AtEdge
    from translator.compare.noise import fill
    from translator.compare.running import projected_gradients, tf_arguments

    result = Result()
    with precision("float64"), dropout_off():
        torch.manual_seed(0)
        module = architecture.build(torch_world.load(architecture.file)).to(torch.float64)
        keras = architecture.build(tf_world.load(architecture.file))
        fill(module, 0)
        shapes = [",".join(map(str, (2, 3, *size))) for size in architecture.sizes]
        name = next(iter(inspect.signature(module.forward).parameters))
        cases = [draw_inputs({name: f"float[{shape}]"}, i) for i, shape in enumerate(shapes)]
        edged = AtEdge(keras, edges)
        edged(**tf_arguments(cases[0]), training=False)
        report = weights.copy(module, keras)
        result.add([Quantity("weights", problem="" if report.ok else str(report)[:1500])], TOLERANCE)
        pairs = weights.pair_up(module, keras).pairs
        for i, case in enumerate(cases):
            for mode in ("eval", "train") if not result.failures else ():
                module.train(mode == "train")
                before = snapshot(module)
                with batch_sizes(module) as sizes:
                    found = projected_gradients(module, edged, pairs, case, f"input {i} {mode}", mode == "train")
                if mode == "train":
                    found += compare_buffers(f"input {i}", module, pairs, before, sizes)[0]
                    weights.copy(module, keras)
                result.add(found, TOLERANCE)
    return result


@dataclass(slots=True)
class Outcome:
    """What became of one architecture. ``said`` tells of a failure."""

    runs: bool = False
    agrees: bool = False
    worst: float = 0.0
    seconds: float = 0.0
    said: str = ""


def outcome(architecture: Architecture, torch_world: World, tf_world: World, edges: Iterable[Edge]) -> Outcome:
    start = time.perf_counter()
    out = Outcome()
    try:
        result = compare(architecture, torch_world, tf_world, edges)
        out.runs, out.agrees, out.worst = True, result.ok, result.worst
        out.said = "" if result.ok else str(result)
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGE in f.filename]
        where = "".join(f"\n    {Path(f.filename).name}:{f.lineno}: {f.line}" for f in frames[-4:])
        out.said = f"{type(error).__name__}: {str(error)[:600]}{where}"
    out.seconds = time.perf_counter() - start
    gc.collect()
    return out


# -- what is known already -----------------------------------------------------------------------


class Kept:
    """Outcomes by what was compared: a run that was cut short, or one more after a small change, goes on from there."""

    def __init__(self, source: Path, translated: Path) -> None:
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for path in (*sorted(source.rglob("*.py")), *sorted(translated.rglob("*.py"))):
            digest.update(path.read_bytes())
        self.folder = CACHE / "outcomes" / digest.hexdigest()[:16]

    def _place(self, architecture: Architecture) -> Path:
        return self.folder / f"{architecture.file}.{architecture.name}.json".replace("/", "_").replace(" ", "")

    def get(self, architecture: Architecture) -> Outcome | None:
        place = self._place(architecture)
        return Outcome(**json.loads(place.read_text("utf-8"))) if place.is_file() else None

    def put(self, architecture: Architecture, out: Outcome) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._place(architecture).write_text(json.dumps(asdict(out)), "utf-8")


# -- report --------------------------------------------------------------------------------------


def show(architecture: Architecture, refusals: list[str], out: Outcome) -> None:
    difference = f"{out.worst:.1e}" if out.agrees else ""
    print(
        f"{architecture.file + '.py':26}{codes(refusals):20}{architecture.name:26}{'yes' if out.runs else 'no':6}"
        f"{'yes' if out.agrees else 'no':8}{difference:9}{out.seconds:5.1f} s",
        flush=True,
    )
    if out.said:
        print("  " + out.said.replace("\n", "\n  "), flush=True)


Found = list[tuple[Architecture, Outcome]]


def totals(refused: dict[str, list[str]], outcomes: Found) -> str:
    """A file runs, or agrees, when all of its architectures do; with a refusal in it, it does not agree."""
    files = {a.file for a, _ in outcomes}
    clean = {f for f in files if not refused[f"models/{f}.py"]}
    run = {f for f in files if all(o.runs for a, o in outcomes if a.file == f)}
    agree = {f for f in clean if all(o.agrees for a, o in outcomes if a.file == f)}
    good = sum(o.agrees and a.file in clean for a, o in outcomes)
    return (
        f"{len(files)} files, {len(clean)} clean, {len(run)} run, {len(agree)} agree\n"
        f"{len(outcomes)} architectures, {sum(o.runs for _, o in outcomes)} run, {good} agree"
    )


HEAD = """# torchvision's models

Written by `make corpus` (`benchmarks/corpus.py --record docs/corpus.md`). The package's own model files are
translated as three projects, in either axis order: classification, video, and segmentation with its backbones. Each
architecture is built in both frameworks with noise in all weights, and compared in float64: output in eval mode and
in training mode (dropout off), buffers, and the gradient of every input and
parameter. *worst* is the largest norm of a difference over the norm of the reference; at most 1e-9 agrees. A file
with a refusal does not count.
"""


def table(projects: list[Project], outcomes: Found, layout: Layout) -> str:
    """What was found with one layout, as a section of Markdown."""
    refused = {name: lines for project in projects for name, lines in project.refused.items()}
    lines = [
        f"## `--layout {layout.value}`", "",
        "| file | translated | architecture | runs | agrees | worst |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for a, out in outcomes:
        yes = ["yes" if fine else "no" for fine in (out.runs, out.agrees)]
        worst = f"{out.worst:.1e}" if out.agrees else ""
        cells = (f"{a.file}.py", codes(refused[f"models/{a.file}.py"]), a.name, *yes, worst)
        lines.append(f"| {' | '.join(cells)} |")
    shared = [f"{name}: {codes(refused[name])}" for name in REAL]
    lines += ["", *(f"{line}." for line in totals(refused, outcomes).splitlines()), "", "Files that they share:", ""]
    lines += [f"- {line}" for line in shared]
    notes = [f"- {note}" for project in projects for note in project.notes]
    return "\n".join([*lines, *(["", "Orders that could not be proven:", "", *notes] if notes else [])]) + "\n"


def run(layout: Layout, wanted: set[str], *, again: bool) -> tuple[list[Project], Found]:
    """Translate and compare with one layout, and show it."""
    projects, outcomes = [translate(name, layout) for name in PROJECTS], []
    print(f"\n--layout {layout.value}")
    print(f"{'file':26}{'translated':20}{'architecture':26}{'runs':6}{'agrees':8}{'worst':9}")
    for project in projects:
        for line in (*project.notes, *(f"{name}:{line}" for name, found in project.refused.items() for line in found)):
            print(f"  {project.name}: {line}", flush=True)
        worlds, kept = (World(project.root), World(project.target)), Kept(project.root, project.target)
        for architecture in (a for a in ARCHITECTURES if of_project(a) == project.name):
            if not wanted or {architecture.file, architecture.name} & wanted:
                out = None if again else kept.get(architecture)
                if out is None:
                    out = outcome(architecture, *worlds, project.edges)
                    kept.put(architecture, out)
                outcomes.append((architecture, out))
                show(architecture, project.refused[f"models/{architecture.file}.py"], out)
    print(totals({k: v for p in projects for k, v in p.refused.items()}, outcomes))
    return projects, outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("architecture", nargs="*", help="only these, by name or file")
    parser.add_argument("--layout", type=Layout, choices=list(Layout), nargs="*", default=list(Layout))
    parser.add_argument("--again", action="store_true", help="run what ran before on the same translations, too")
    parser.add_argument("--record", type=Path, help="write the tables to this file, too")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    tables = [table(*run(x, set(options.architecture), again=options.again), x) for x in options.layout]
    if options.record:
        options.record.write_text("\n".join([HEAD, *tables]), "utf-8")


if __name__ == "__main__":
    main()

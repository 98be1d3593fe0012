"""``--vendor``: what a project imports of an installed package is translated along, and nothing of it is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner, Result

from translator.cli_root import root
from translator.project import cache as cache_module

PACKAGE = {
    "backbones/__init__.py": """\
import os

from .factory import create
from .large import big  # needs what TensorFlow lacks
from .small import *
from .spare import unused

__all__ = ["create", "big", "unused"]
HOME = os.getcwd()
""",
    "backbones/factory.py": """\
MADE = {}


def register(function):
    MADE[function.__name__] = function
    return function


def create(name, **given):
    return MADE[name](**given)
""",
    "backbones/small.py": """\
from torch import nn

from backbones.factory import register
from backbones.layers import Block

from . import sizes

__all__ = ["small_net", "SmallNet"]


class SmallNet(nn.Module):
    def __init__(self, inputs, width=sizes.WIDTH):
        super().__init__()
        self.first = Block(inputs, width)
        self.second = Block(width, 3)

    def forward(self, x):
        return self.second(self.first(x))


@register
def small_net(**given):
    return SmallNet(**given)
""",
    "backbones/sizes.py": "WIDTH = 6\n",
    "backbones/spare.py": "import torch\n\n\ndef unused(x):\n    return torch.fft.hfft2(x)\n",
    "backbones/large.py": "import torch\n\n\ndef big(x):\n    return torch.fft.hfft2(x)\n",
    "backbones/layers/__init__.py": "from .blocks import Block\nfrom .more import More\n",
    "backbones/layers/more.py": "from torch import nn\n\n\nclass More(nn.Module):\n    pass\n",
    "backbones/layers/blocks.py": """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return torch.tanh(self.linear(self.norm(x))).flatten(1)
""",
    "back_bones-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: back-bones\nVersion: 1.2\n",
    "back_bones-1.2.dist-info/RECORD": "backbones/__init__.py,,\nback_bones-1.2.dist-info/licenses/LICENSE,,\n",
    "back_bones-1.2.dist-info/licenses/LICENSE": "Do what you like.\n",
}
NET = """\
import torch
from torch import nn

from backbones import create


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = create("small_net", inputs=5)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.body(torch.relu(x)))
"""


def put(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's own environment, with the package installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache_module, "folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    place = tmp_path / "src" / ".venv" / "lib" / "python3.11" / "site-packages"
    put(place, PACKAGE)
    (tmp_path / "src" / ".venv" / "pyvenv.cfg").touch()
    return place


@pytest.fixture
def fresh() -> Iterator[None]:
    """Modules and the path as they were."""
    before, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("net", "backbones", "app", "_vendor", "xlate_helpers"):
            del sys.modules[name]


def xlate(*arguments: str) -> Result:
    result = CliRunner().invoke(root, ["migrate", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "backbones" not in sys.modules
    return result


def tree(folder: str) -> set[str]:
    return {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()} - {".xlate-migrate.json"}


def load(folder: Path | str, name: str) -> ModuleType:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(name)


@pytest.mark.parametrize("given", ["backbones", "back-bones", "src/.venv/lib/python3.11/site-packages/backbones"])
def test_what_is_used_comes_along_with_its_licence(site: Path, given: str) -> None:
    put(Path("src"), {"net.py": NET, "requirements.txt": "torch\nbackbones\n"})
    result = xlate("src", "-o", "out", "--vendor", given, "-v")
    assert result.exit_code == 0, result.stderr
    base = "_vendor/backbones/"
    assert tree("out") == {
        "net.py", "requirements.txt", "xlate_helpers.py", "_vendor/__init__.py", base + "LICENSE",
        base + "__init__.py", base + "factory.py", base + "small.py", base + "sizes.py", base + "layers/__init__.py",
        base + "layers/blocks.py",
    }  # fmt: skip
    assert "from _vendor.backbones import create\n" in Path("out/net.py").read_text()
    init = Path("out/_vendor/backbones/__init__.py").read_text()
    assert "large" not in init and "spare" not in init and "__all__" not in init and "HOME = os.getcwd()" in init
    assert Path("out/_vendor/backbones/LICENSE").read_text() == "Do what you like.\n"
    assert "XL605 6 modules of back-bones 1.2 translated along (see" in result.stderr
    assert "backbones" not in Path("out/requirements.txt").read_text()
    before = {path: Path("out", path).read_bytes() for path in tree("out")}
    assert "nothing changed" in xlate("src", "-o", "out", "--vendor", given).stderr
    assert {path: Path("out", path).read_bytes() for path in tree("out")} == before


def test_the_migrated_project_computes_the_same(site: Path, fresh: None) -> None:
    import keras
    import torch

    net = NET.replace("import torch\n", "import torch\n\nfrom . import use\n")
    put(Path("src"), {"app/__init__.py": "", "app/net.py": net,
                      "app/use.py": "import backbones.sizes\n\nWIDTH = backbones.sizes.WIDTH\n"})  # fmt: skip
    result = xlate("src", "-o", "out", "--vendor", "backbones")
    assert result.exit_code == 0, result.stderr
    assert Path("out/app/use.py").read_text().startswith("from ._vendor import backbones\n")
    sys.path.insert(0, str(site))
    theirs = load("src", "app.net").Net().double()
    for name in [name for name in sys.modules if name.split(".")[0] in ("app", "backbones")]:
        del sys.modules[name]
    sys.path[:2] = []
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        module = load("out", "app.net")
        assert module.use.WIDTH == 6 and "backbones" not in sys.modules
        ours = module.Net()
        x = np.random.default_rng(0).normal(size=(4, 5))
        ours(x)
        body, wanted = ours.body, theirs.body
        for mine, its in ((body.first, wanted.first), (body.second, wanted.second)):
            with torch.no_grad():
                its.norm.weight.normal_()
                its.norm.bias.normal_()
            mine.norm.set_weights([its.norm.weight.detach().numpy(), its.norm.bias.detach().numpy()])
            mine.linear.set_weights([its.linear.weight.detach().numpy().T, its.linear.bias.detach().numpy()])
        ours.head.set_weights([theirs.head.weight.detach().numpy().T, theirs.head.bias.detach().numpy()])
        expected = theirs(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(np.asarray(ours(x)), expected, rtol=1e-9, atol=1e-12)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_floatx(floatx)


def test_without_the_option_the_finding_names_it(site: Path) -> None:
    put(Path("src"), {"net.py": NET.replace("backbones", "timm"),
                      "use.py": "import torchvision\n\nm = torchvision.models.vgg11()\n"})  # fmt: skip
    result = xlate("src", "-o", "out")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    (timm,) = [line for line in lines if line.startswith("src/net.py:4:1: XL604")]
    assert "--vendor timm" in timm
    (vision,) = [line for line in lines if line.startswith("src/use.py:1:1: XL604")]
    assert "--vendor torchvision" in vision


def test_a_project_is_no_library_to_itself(site: Path) -> None:
    put(Path("kornia"), {"__init__.py": "", "a.py": "import torch\nx = torch.ones(2)\n",
                         "b.py": "from kornia.a import x\n\ny = x + 1\n"})  # fmt: skip
    said = xlate("kornia", "-o", "out").stderr
    assert said == "3 files: 1 translated, 2 with nothing to translate; 0 copied; 3 written\n"


def test_what_the_tables_know_stays_with_them(site: Path) -> None:
    table = '[[row]]\ntorch = "backbones.large.big"\ntf = "mykeras.big"\nargs = { x = "x" }\n'
    table += 'signature = "(x)"\ntf_signature = "(x)"\nreturns = "same"\n'
    put(Path("."), {"rows.toml": table})
    text = "import torch\nfrom backbones import (\n    sizes,  # ours\n    large,\n)\n\n"
    put(Path("src"), {"net.py": text + "x = sizes.WIDTH\nf = large.big(torch.ones(3))\n"})
    result = xlate("src", "-o", "out", "--vendor", "backbones", "--mappings", "rows.toml")
    wanted = ("__init__.py", "backbones/__init__.py", "backbones/sizes.py", "backbones/LICENSE")
    assert {path for path in tree("out") if "_vendor" in path} == {f"_vendor/{path}" for path in wanted}
    lines = Path("out/net.py").read_text().splitlines()
    assert "from _vendor.backbones import sizes" in lines and any("mykeras.big(" in line for line in lines)
    assert result.exit_code == 0, result.stderr


def test_comments_within_an_import_stay(site: Path) -> None:
    text = "import torch\nfrom backbones import (\n    create,  # ours\n)\n\nx = torch.ones(create)\n"
    put(Path("src"), {"net.py": text})
    xlate("src", "-o", "out", "--vendor", "backbones")
    assert "from _vendor.backbones import (\n    create,  # ours\n)\n" in Path("out/net.py").read_text()


def test_a_package_that_is_not_there(site: Path) -> None:
    put(Path("src"), {"net.py": NET})
    for given in ("no-such-package", "./nowhere"):
        result = xlate("src", "-o", "out", "--vendor", given)
        assert result.exit_code == 3
        assert result.stderr.startswith(f"xlate migrate: XL018 --vendor {given}: no ")
        assert len(result.stderr.splitlines()) == 1
    plan = CliRunner().invoke(root, ["plan", "src", "--vendor", "no-such-package"])
    assert plan.exit_code == 2 and "XL018" in plan.stderr


def test_the_settings_may_name_packages(site: Path) -> None:
    put(Path("src"), {"net.py": NET, "pyproject.toml": '[tool.xlate]\nvendor = ["backbones"]\n'})
    assert xlate("src", "-o", "out").exit_code == 0
    assert Path("out/_vendor/backbones/small.py").is_file()
    plan = CliRunner().invoke(root, ["plan", "src", "--no-cache"])
    assert plan.exit_code == 0 and "translate whole" in plan.stdout

"""Files that say what a project needs name the other framework afterwards, and are else the same to the letter."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from translator.model import Direction, Options, Severity, Status
from translator.project.dependencies import rewrite
from translator.project.mentions import mentions
from translator.project.migrate import Job, migrate
from translator.report import diagnostics

TO_TF, TO_TORCH = Options(), Options(Direction.TF2TORCH)


def rewritten(name: str, text: str, imported: tuple[str, ...] = (), options: Options = TO_TF) -> str:
    result = rewrite(name, text.encode(), options, imported)
    return text if result.status is Status.UNCHANGED else result.text


REQUIREMENTS = """\
# what we need
--extra-index-url https://download.pytorch.org/whl/cu121
-r base.txt
numpy>=1.2
Torch[opt]==2.1.0 ; python_version > "3.8"  # main
torchvision>=0.15
tqdm
"""


def test_requirements() -> None:
    new = rewritten("requirements.txt", REQUIREMENTS)
    want = """\
# what we need
-r base.txt
numpy>=1.2
tensorflow>=2.18; python_version > "3.8"  # main
tqdm
"""
    assert new == want
    assert rewritten("requirements.txt", new) == new


def test_what_is_still_imported_stays_with_its_framework() -> None:
    result = rewrite("requirements.txt", REQUIREMENTS.encode(), TO_TF, {"torchvision"})
    lines = result.text.splitlines()
    assert "torchvision>=0.15" in lines and "--extra-index-url https://download.pytorch.org/whl/cu121" in lines
    assert lines[4:6] == [
        'Torch[opt]==2.1.0 ; python_version > "3.8"  # main',
        'tensorflow>=2.18; python_version > "3.8"',
    ]
    assert [d.code for d in result.diagnostics] == ["XL602", "XL602"]


def test_hashes_go_with_what_they_belong_to() -> None:
    new = rewritten("requirements.txt", "torch==2.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nnumpy==1\n")
    assert new == "tensorflow>=2.18\nnumpy==1\n"


def test_the_other_way_names_the_target_once() -> None:
    text = "tensorflow-gpu==2.10\nkeras\ntensorflow-datasets\nscipy\n"
    assert rewritten("requirements.txt", text, (), TO_TORCH) == "torch>=2.6\nscipy\n"
    assert rewritten("requirements.txt", "torch\ntensorflow\n", (), TO_TORCH) == "torch\n"


def test_line_endings_stay() -> None:
    assert rewritten("requirements.txt", "torch\r\nnumpy\r\n") == "tensorflow>=2.18\r\nnumpy\r\n"


@pytest.mark.parametrize("name", ["torchsde>=1", "torchx", "my-torch", "einops", "numpy", "# torch", "./torch"])
def test_others_are_left_alone(name: str) -> None:
    assert rewritten("requirements.txt", f"{name}\n") == f"{name}\n"


PYPROJECT = """\
[project]
name = "torch-shapes"  # keep
dependencies = [
    "numpy",   # arrays
    "torch>=2.0",
    "torchvision",
    "click",
]

[project.optional-dependencies]
dev = ["pytest", "torchmetrics>=1"]

[dependency-groups]
test = ["torch", "pytest"]

[tool.poetry.dependencies]
python = "^3.10"
torch = {version = "^2.0", source = "pt"}

[tool.ruff]
line-length = 100
"""


def test_pyproject() -> None:
    new = rewritten("pyproject.toml", PYPROJECT)
    data = tomllib.loads(new)
    assert data["project"]["dependencies"] == ["numpy", "tensorflow>=2.18", "click"]
    assert data["project"]["optional-dependencies"] == {"dev": ["pytest"]}
    assert data["dependency-groups"] == {"test": ["tensorflow>=2.18", "pytest"]}
    assert data["tool"]["poetry"]["dependencies"] == {"python": "^3.10", "tensorflow": ">=2.18"}
    assert 'name = "torch-shapes"  # keep\n' in new and '    "numpy",   # arrays\n' in new
    assert new.endswith("[tool.ruff]\nline-length = 100\n")


def test_setup_cfg() -> None:
    text = "[metadata]\nname = torch\n[options]\ninstall_requires =\n    torch>=1.0\n    np\n[other]\nx =\n    torch\n"
    assert rewritten("setup.cfg", text) == text.replace("    torch>=1.0\n", "    tensorflow>=2.18\n")


def test_setup_py() -> None:
    text = 'from setuptools import setup\nsetup(name="torch", install_requires=["torch>=1", "numpy", "torchvision"])\n'
    new = 'from setuptools import setup\nsetup(name="torch", install_requires=["tensorflow>=2.18", "numpy", ])\n'
    assert rewritten("setup.py", text) == new


def test_conda() -> None:
    text = """\
name: torch
channels:
  - pytorch
  - conda-forge
dependencies:
  - python=3.10
  - pytorch::pytorch=2.1  # fast
  - torchvision
  - pip:
    - torchmetrics
    - einops
"""
    assert rewritten("environment.yml", text) == """\
name: torch
channels:
  - conda-forge
dependencies:
  - python=3.10
  - tensorflow>=2.18  # fast
  - pip:
    - einops
"""


def test_a_dockerfile_keeps_its_image_and_says_so() -> None:
    text = "FROM pytorch/pytorch:2.1-cuda\nRUN pip install torch==2.1 torchvision 'numpy<2' && \\\n    pip install \\\n    torchmetrics \\\n    tqdm\nCOPY torch .\n"  # noqa: E501
    result = rewrite("Dockerfile", text.encode(), TO_TF, ())
    assert result.text == (
        "FROM pytorch/pytorch:2.1-cuda\nRUN pip install 'tensorflow>=2.18' 'numpy<2' && \\\n"
        "    pip install \\\n    tqdm\nCOPY torch .\n"
    )
    assert (result.diagnostics[0].line, result.diagnostics[0].code) == (1, "XL602")


def test_the_index_of_pytorch_goes_with_it() -> None:
    url = "https://download.pytorch.org/whl/cpu"
    text = f"FROM python:3.11\nRUN pip install torch==2.1 --index-url {url} && pip install -f {url} x\n"
    assert rewritten("Dockerfile", text) == "FROM python:3.11\nRUN pip install 'tensorflow>=2.18' && pip install x\n"
    assert url in rewritten("Dockerfile", text, ("torchvision",))


def test_conda_keeps_what_stays_and_no_empty_list() -> None:
    text = "dependencies:\n  - pytorch::pytorch=2.1\n  - pip:  # more\n    - torchmetrics\n    # none\n  - numpy\n"
    assert rewritten("environment.yml", text, ("torch",)) == (
        "dependencies:\n  - pytorch::pytorch=2.1\n  - tensorflow>=2.18\n    # none\n  - numpy\n"
    )
    kept = "dependencies:\n  - pip:\n    - einops\n  - pip:\n"
    assert rewritten("environment.yml", kept) == "dependencies:\n  - pip:\n    - einops\n"


MENTIONS = {
    "conf/a.yaml": ("m:\n  _target_: torch.nn.Linear\n  other: torch.optim.Adam\n", 2, "torch.nn.Linear (lines 2, 3)"),
    "b.json": ('{"loss": "torch.nn.MSELoss"}', 1, "torch.nn.MSELoss"),
    ".github/workflows/ci.yml": ("steps:\n- run: pip install -U 'torch>=2'\n", 2, "pip install -U 'torch"),
    "run.sh": ("set -e\nconda install pytorch\n", 2, "conda install pytorch"),
    "README.md": ("# A torch model\n\nIt burns.\n\n    import torch\n", 5, "import torch"),
    "Makefile": ("x:\n\tpip3 install torchvision\n", 2, "pip3 install torchvision"),
}
SILENT = {
    "a.yaml": "weights: runs/torch.pt\nurl: https://pytorch.org/x\nmodule: torch.*\nname: torch\n",
    "README.md": "A torch of PyTorch, see torch/nn and my.torch.nn.\n",
    "b.csv": "torch.nn.Linear\n",
    "c.json": '{"path": "./torch.nn", "n": "xtorch.nn"}',
    "run.sh": "pip install numpy\npip install torchlike\n",
}


@pytest.mark.parametrize("path", MENTIONS)
def test_copied_files_that_name_the_framework_are_reported(tmp_path: Path, path: str) -> None:
    text, line, named = MENTIONS[path]
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    (finding,) = mentions(str(tmp_path), path, TO_TF)
    assert (finding.line, finding.code) == (line, "XL603")
    assert named in finding.message
    assert finding.severity is (Severity.NOTE if path.endswith(".md") else Severity.WARNING)
    assert mentions(str(tmp_path), path, Options(Direction.TF2TORCH)) == ()


@pytest.mark.parametrize("path", SILENT)
def test_what_only_sounds_like_it_is_not(tmp_path: Path, path: str) -> None:
    (tmp_path / path).write_text(SILENT[path])
    assert mentions(str(tmp_path), path, TO_TF) == ()


def test_a_migration_copies_and_reports_them(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("import torch\nx = torch.ones(2)\n")
    (tmp_path / "src/a.yaml").write_text("_target_: torch.nn.Linear\n")
    (tmp_path / "src/b.yaml").write_text("x: 1\n")
    done = migrate(Job(str(tmp_path / "src"), str(tmp_path / "out"), TO_TF, cached=False))
    assert (tmp_path / "out/a.yaml").read_text() == "_target_: torch.nn.Linear\n"
    found = {os.path.basename(o.path): [f.code for f in diagnostics(o)] for o in done.outcomes}
    assert found == {"a.py": [], "a.yaml": ["XL603"]}
    assert (done.copied, done.exit_code) == (2, 0)

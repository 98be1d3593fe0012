"""torchvision for the tests, also where its compiled operators do not fit the PyTorch that is installed."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path
from typing import Any

import pytest

KEPT: list[Any] = []


def torchvision() -> Any:
    """The package. Operators that its compiled part should bring are declared, so that the rest can be imported."""
    spec = util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("torchvision is not installed")
    import torch

    try:
        import torchvision as package
    except RuntimeError:
        folder = Path(spec.origin).parent
        text = (folder / "_meta_registrations.py").read_text("utf-8")
        KEPT.append(torch.library.Library("torchvision", "DEF"))
        for name in sorted(set(re.findall(r'"torchvision::(\w+)"', text)) | set(re.findall(r'_meta\("(\w+)"', text))):
            KEPT[0].define(f"{name}(Tensor x) -> Tensor")
        package = __import__("torchvision")
    return package

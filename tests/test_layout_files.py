"""Channels-last over several files: arrays that nothing is known of stay as they are, what goes in is transposed."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from translator.engine import translate_sources
from translator.model import Layout, Options, Severity, Translation

FILES = {
    "model.py": """
        import torch
        import torch.nn as nn
        import torch.nn.functional as F


        class Net(nn.Module):
            def __init__(self, classes=7):
                super().__init__()
                self.stem = nn.Conv2d(3, 8, 3, padding=1)
                self.norm = nn.BatchNorm2d(8)
                self.head = nn.Linear(8 * 4 * 6, classes)

            def features(self, x):
                return F.max_pool2d(F.relu(self.norm(self.stem(x))), 2)

            def forward(self, x):
                return self.head(torch.flatten(self.features(x), 1))
        """,
    "data.py": """
        import numpy as np


        def batches(path, size):
            images = np.load(path)
            for start in range(0, len(images), size):
                yield images[start : start + size]


        def standardized(images):
            return (images - images.mean(axis=(0, 2, 3), keepdims=True)) / images.std(axis=(0, 2, 3), keepdims=True)
        """,
    "predict.py": """
        import numpy as np
        import torch

        from data import batches, standardized
        from model import Net


        def scores(model: Net, path, size=4):
            out = []
            model.eval()
            for images in batches(path, size):
                x = torch.from_numpy(standardized(images))
                with torch.no_grad():
                    out.append(model(x).softmax(dim=1).numpy())
            return np.concatenate(out)


        def maps(model: Net, path):
            x = torch.from_numpy(np.load(path))
            model.eval()
            with torch.no_grad():
                return model.features(x).mean(dim=(2, 3)).numpy(), model.features(x)[:, 2].numpy()
        """,
}


def translated() -> dict[str, Translation]:
    found: dict[str, Any] = translate_sources(
        {name: textwrap.dedent(text).lstrip().encode() for name, text in FILES.items()},
        Options(layout=Layout.CHANNELS_LAST),
    )
    results = {Path(path).name: result for path, result in found.items()}
    for result in results.values():
        assert not [d for d in result.diagnostics if d.severity is Severity.ERROR or d.code == "XL304"]
    return results


def modules(folder: Path, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The files of a folder as modules."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    names = [name.removesuffix(".py") for name in texts]
    for name in names:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    found = {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]
    return found


def test_a_model_its_data_and_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).normal(size=(10, 3, 8, 12)).astype("float32"))
    results = translated()
    assert results["data.py"].text == textwrap.dedent(FILES["data.py"]).lstrip()

    source = modules(tmp_path / "torch", {n: textwrap.dedent(t) for n, t in FILES.items()}, monkeypatch)
    target = modules(tmp_path / "tf", {n: r.text for n, r in results.items()}, monkeypatch)
    theirs, ours = source["model"].Net(), target["model"].Net()
    target["predict"].scores(ours, path)
    values = [
        *(theirs.stem.weight.permute(2, 3, 1, 0), theirs.stem.bias, theirs.norm.weight, theirs.norm.bias),
        *(theirs.norm.running_mean, theirs.norm.running_var, theirs.head.weight.T, theirs.head.bias),
    ]
    variables = [*ours.stem.variables, *ours.norm.variables, *ours.head.variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.detach().numpy())
    expected = source["predict"].scores(theirs, path)
    np.testing.assert_allclose(target["predict"].scores(ours, path), expected, rtol=1e-4, atol=1e-5)
    for got, wanted in zip(target["predict"].maps(ours, path), source["predict"].maps(theirs, path), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)

"""Libraries that drive PyTorch for the user: what is theirs is left whole, with a way out."""

from __future__ import annotations

import ast

import pytest

from translator import Severity, translate

FASTAI = """
import torch
import torch.nn as nn
from fastai.callback.core import Callback


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        return self.fc(x)


class Noise(Callback):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def before_batch(self):
        self.learn.xb = (self.net(torch.rand(2, 4)),)
"""


def errors(code: str) -> list[str]:
    return [f"{d.message} ({d.hint})" for d in translate(code).diagnostics if d.severity is Severity.ERROR]


def test_a_class_of_a_library_is_left_whole() -> None:
    text = translate(FASTAI).text
    classes = {n.name: ast.unparse(n) for n in ast.parse(text).body if isinstance(n, ast.ClassDef)}
    assert "keras.layers.Dense(4)" in classes["Plain"] and "keras" not in classes["Noise"]
    source = {n.name: ast.unparse(n) for n in ast.parse(FASTAI).body if isinstance(n, ast.ClassDef)}
    assert classes["Noise"] == source["Noise"]
    assert "# xlate: XL203 fastai.callback.core.Callback as a base class" in text
    found = errors(FASTAI)
    assert len(found) == 1 and "DataBlock a tf.data pipeline" in found[0]


USES = {
    "from accelerate import Accelerator\na = Accelerator()": "accelerator.backward(loss) is loss.backward()",
    "from fastai.vision.all import Learner\nlearn = Learner(None, None)": "model.fit",
    "from torchmetrics import Accuracy\nacc = Accuracy(task='binary')": "keras.metrics",
    "from apex import amp\nm, o = amp.initialize(1, 2)": "torch.autocast",
    "from albumentations.pytorch import ToTensorV2\nt = [ToTensorV2()]": "image.transpose(2, 0, 1)",
    "import albumentations.pytorch as AP\nt = AP.ToTensorV2(p=1.0)": "image.transpose(2, 0, 1)",
}


@pytest.mark.parametrize("code", USES)
def test_refused_with_a_way_out(code: str) -> None:
    found = errors(f"import torch\n{code}\n")
    assert len(found) == 1 and USES[code] in found[0]
    assert code.splitlines()[-1] in translate(f"import torch\n{code}\n").text


def test_transforms_of_arrays_stay() -> None:
    code = "import torch\nimport albumentations as A\nt = A.Compose([A.HorizontalFlip(p=0.5)])\nx = torch.ones(2)\n"
    result = translate(code)
    assert not result.refused and "A.Compose([A.HorizontalFlip(p=0.5)])" in result.text

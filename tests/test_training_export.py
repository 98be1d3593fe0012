"""Compiled and exported models: the translation writes a SavedModel, which is loaded again and made a TF Lite model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translator import Severity, translate
from translator.compare.program import load

HEAD = """
import torch
import torch.nn as nn
import torchvision.models as models
from torchvision.models import resnet50, ResNet50_Weights


@torch.jit.script
def gate(x):
    return x * torch.sigmoid(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc2(self.drop(gate(self.fc1(x))))


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.fc = nn.Linear(6, 4)

    def forward(self, x, ids):
        return self.fc(x) + self.table(ids), ids


"""
WAYS = {
    "script": "scripted = torch.jit.script(model)\n    out = scripted(x)\n    scripted.save(path)",
    "trace": "out = model(x)\n    traced = torch.jit.trace(model, x)\n    torch.jit.save(traced, path)",
    "export": "out = model(x)\n    n = (torch.export.Dim('n', min=2), torch.export.Dim.AUTO)[0]\n"
    "    made = torch.export.export(model, (x,), dynamic_shapes=({0: n},))\n"
    "    same = made.module()(x)\n    assert same.shape == out.shape\n    torch.export.save(made, path)",
    "onnx": "out = model(x)\n    torch.onnx.export(model, x, path, opset_version=17, input_names=['x'],\n"
    "                      dynamic_axes={'x': {0: 'batch'}})",
    "onnx, new": "out = model(x)\n    torch.onnx.export(model, (x,), f=path, verbose=False, dynamo=True)",
    "freeze": "out = model(x)\n    torch.jit.freeze(torch.jit.trace(model, (x,))).save(path)",
}


def program(way: str) -> str:
    code = f"def run(x, path):\n    model = Net()\n    model.eval()\n    {WAYS[way]}\n    return model, out\n"
    return HEAD + code + "\n\nif __name__ == '__main__':\n    run(torch.randn(5, 6), 'net.pt')\n"


def translated(text: str) -> Any:
    result = translate(text)
    assert not result.refused, [d for d in result.diagnostics if d.severity is Severity.ERROR]
    return load(result.text, "export", wide=False)


@pytest.mark.parametrize("way", WAYS)
def test_exported(way: str, tmp_path: Path) -> None:
    import tensorflow as tf

    x = tf.constant(np.random.default_rng(2).normal(size=(5, 6)), tf.float32)
    model, out = translated(program(way)).run(x, str(tmp_path / "net.pt"))
    np.testing.assert_allclose(model(x, training=False), out, rtol=1e-6)
    back = tf.saved_model.load(str(tmp_path / "net"))
    np.testing.assert_allclose(back.serve(x), out, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(back.serve(x[:2]), out[:2], rtol=1e-5, atol=1e-6)
    assert list(back.signatures) == ["serve", "serving_default"]
    if way in ("trace", "onnx"):
        lite(str(tmp_path / "net"), x, out)


def lite(folder: str, x: Any, out: Any) -> None:
    import tensorflow as tf

    made = tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    made.resize_tensor_input(made.get_input_details()[0]["index"], x.shape)
    made.allocate_tensors()
    made.set_tensor(made.get_input_details()[0]["index"], x.numpy())
    made.invoke()
    np.testing.assert_allclose(made.get_tensor(made.get_output_details()[0]["index"]), out, rtol=1e-4, atol=1e-5)


def test_several_inputs(tmp_path: Path) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(3)
    x, ids = tf.constant(rng.normal(size=(4, 6)), tf.float32), tf.constant(rng.integers(0, 10, 4))
    code = "def run(x, ids, path):\n    model = Pair().eval()\n    out = model(x, ids)\n"
    code += "    torch.jit.trace(model, (x, ids)).save(path)\n    return out\n"
    code += "\n\nif __name__ == '__main__':\n    run(torch.randn(4, 6), torch.arange(4), 'pair.pt')\n"
    expected = translated(HEAD + code).run(x, ids, str(tmp_path / "pair.pt"))
    back = tf.saved_model.load(str(tmp_path / "pair"))
    actual = back.serve(x, ids)
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(actual[1], ids)


def test_what_is_written_instead_is_said() -> None:
    notes = [d for d in translate(program("onnx")).diagnostics if d.code == "XL408"]
    assert len(notes) == 1 and notes[0].severity is not Severity.ERROR and "no ONNX file" in notes[0].message


REFUSED = {
    "torch.onnx.export(Net(), torch.randn(1, 6), 'net.onnx', dynamic_axes={'x': {0: 'n', 1: 'm'}})": "ExportArchive",
    "made = torch.export.export(Net(), (), {'x': torch.ones(1, 6)})": "by position",
    "net = torch.export.load('net.pt2')": "tf.saved_model.load",
    "net = torch.jit.load('net.pt')": "tf.saved_model.load",
    "f = torch.jit.trace(lambda x: x + 1, torch.ones(2))": "get_concrete_function",
    "net = models.resnet18(pretrained=True)": "convert its weights with `xlate weights`",
    "net = models.vgg19(weights='DEFAULT').features": "keras.applications",
    "net = resnet50(weights=ResNet50_Weights.IMAGENET1K_V2)": "preprocessing",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused_with_a_way_out(code: str) -> None:
    result = translate(HEAD + code + "\n")
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert errors and any(REFUSED[code] in d.hint for d in errors)
    assert code in result.text

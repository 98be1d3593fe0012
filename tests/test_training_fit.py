"""`--style fit`: loops over epochs become `compile` and `fit`, and train as PyTorch's loops do."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from translator import translate
from translator.cli_root import root

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.first(x)))))


"""
CLASSIFIER = '''
def train(model: Net, x: torch.Tensor, y: torch.Tensor, epochs: int):
    loader = DataLoader(TensorDataset(x[:22], y[:22]), batch_size=4)
    held_out = DataLoader(TensorDataset(x[22:], y[22:]), batch_size=4)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.3)
    history = []
    for epoch in range(epochs):
        model.train()
        running, correct, seen = 0.0, 0, 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()
            seen += labels.size(0)
        scheduler.step()
        model.eval()
        right = 0
        with torch.no_grad():
            for inputs, labels in held_out:
                right += (model(inputs).argmax(1) == labels).sum().item()
        print(f"epoch {epoch + 1}: {running / len(loader):.6f}, {correct}/{seen}, {right}")
        history.append(running / len(loader))
    return history
'''
STOPPED = '''
def train(model: Net, x: torch.Tensor, y: torch.Tensor, epochs: int):
    loader = DataLoader(TensorDataset(x, y), batch_size=7)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-2, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 / (1.0 + 0.1 * step))
    model.train()
    losses = []
    best = None
    for epoch in range(2, epochs + 5):
        label = f"epoch {epoch}"
        print(f"{label} begins")
        total = 0
        for i, (a, b) in enumerate(loader):
            loss = F.cross_entropy(model(a), b, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * a.size(0)
        mean = total / len(x)
        losses.append(mean)
        print(f"{label}: {mean:.6f}")
        if best is None or mean < best:
            best = mean
        if epoch == epochs + 1:
            print("enough")
            break
    print(f"best {best:.6f} after {len(losses)}")
    return losses
'''
LOGGED = '''
def train(model: Net, x: torch.Tensor, y: torch.Tensor, epochs: int):
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, nesterov=True, momentum=0.8)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses = []
    recent = 0.0
    model.train()
    for epoch in range(epochs):
        whole, seen = 0.0, 0
        for i, (a, b) in enumerate(loader):
            optimizer.zero_grad()
            loss = criterion(model(a), b)
            loss.backward()
            optimizer.step()
            recent += loss.item()
            whole += loss.item()
            seen += len(a)
            losses.append(loss.item())
            if i % 3 == 2:
                print(f"[{epoch}, {i + 1}] {recent / 3:.6f} {loss.item():.6f}")
                recent = 0.0
            scheduler.step()
        print(f"{epoch}: {whole / len(loader):.6f} {seen} {loss.item():.6f} {optimizer.param_groups[0]['lr']:.6f}")
    return losses
'''


class Sides:
    """One program as PyTorch runs it, and its translation from the same weights."""

    def __init__(self, text: str) -> None:
        from translator.compare.program import load

        result = translate(text, style="fit", fidelity="exact")
        assert not result.refused, [d for d in result.diagnostics if d.severity == "error"]
        self.notes = [d.message for d in result.diagnostics if d.code == "XL407"]
        self.text = result.text
        self.torch, self.keras = load(text, "fit_torch"), load(result.text, "fit_keras")


@pytest.mark.parametrize("loop", [CLASSIFIER, STOPPED, LOGGED], ids=["classifier", "stopped", "logged"])
def test_fit_trains_as_the_loop_does(loop: str, capsys: pytest.CaptureFixture[str]) -> None:
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    from translator import weights
    from translator.compare.precision import precision

    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 5)), rng.integers(0, 3, 30)
    with precision("float64"):
        sides = Sides(HEAD + loop)
        assert sides.notes == [] and ".fit(" in sides.text and "train_step" not in sides.text
        torch.manual_seed(0)
        model = sides.torch.Net()
        model.drop.p = 0.0
        start = copy.deepcopy(model)
        capsys.readouterr()
        wanted = sides.torch.train(model, torch.tensor(x), torch.tensor(y), 5)
        said = capsys.readouterr().out
        net = sides.keras.Net()
        net(tf.constant(x[:2]))
        net.drop.rate = 0.0
        weights.copy(start, net)
        capsys.readouterr()
        found = sides.keras.train(net, tf.constant(x), tf.constant(y), 5)
        assert capsys.readouterr().out == said and said.count("\n") >= 5
    assert len(found) == len(wanted) >= 5
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
    back = copy.deepcopy(start)
    weights.copy_back(net, back)
    moved = {k: float(torch.linalg.norm(v - start.state_dict()[k])) for k, v in model.state_dict().items() if v.ndim}
    assert sorted(moved.values())[1] > 1e-3  # a bias before a normalisation stands still
    for (name, one), two in zip(model.state_dict().items(), back.state_dict().values(), strict=True):
        if one.ndim:
            assert float(torch.linalg.norm(one - two) / torch.linalg.norm(one)) < 1e-7, name


def test_dropout_is_on_under_fit() -> None:
    tf = pytest.importorskip("tensorflow")
    from translator.compare.precision import precision

    with precision("float64"):
        net = Sides(HEAD + CLASSIFIER).keras
        rng = np.random.default_rng(3)
        x, y = tf.constant(rng.standard_normal((30, 5))), tf.constant(rng.integers(0, 3, 30))
        losses = []
        for rate in (0.0, 0.9):
            tf.keras.utils.set_random_seed(1)
            model = net.Net()
            model(x[:2])
            model.drop.rate = rate
            losses.append(net.train(model, x, y, 1)[0])
    assert losses[1] > 1.05 * losses[0]


STEP = """
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
"""


CLIP = "            nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
WHOLE = STEP.replace("inputs, labels in loader", "batch in loader").replace("(inputs), labels", "(batch[0]), batch[1]")


def fitted(body: str, before: str = "", after: str = "") -> tuple[str, list[str]]:
    text = HEAD + (
        "def train(x, y):\n"
        "    loader = DataLoader(TensorDataset(x, y), batch_size=4)\n"
        "    model = Net()\n"
        "    criterion = nn.CrossEntropyLoss()\n"
        "    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)\n"
        f"{before}    for epoch in range(3):{body}{after}"
    )
    result = translate(text, style="fit")
    return result.text, [d.message for d in result.diagnostics if d.code == "XL407"]


def test_functions_are_set_off_by_blank_lines_and_comments_stay() -> None:
    body = "    def end_of_epoch(epoch, logs):\n        print(epoch)\n\n    trainer"
    for before in ("\n    # train\n", ""):
        text, _ = fitted(STEP + "        print(epoch)\n", before)
        assert f"learning_rate=0.2)\n{before or chr(10)}{body}" in text


def test_the_plain_loop_has_no_callbacks() -> None:
    text, notes = fitted(STEP)
    assert notes == []
    assert "    trainer.fit(\n        loader_dataset(loader),\n        epochs=3,\n" in text
    assert "callbacks" not in text.rpartition("trainer.fit(")[2] and "for epoch" not in text


@pytest.mark.parametrize(
    ("body", "before", "after", "reason"),
    [
        (STEP + "            print(loss)\n", "", "", "`print(loss)` stands in the loop over batches"),
        (STEP + "            print(labels.sum().item())\n", "", "", "stands in the loop over batches"),
        (STEP + "            if loss.item() > 9:\n                break\n", "", "", "stands in the loop over batches"),
        (STEP, "", "    print(epoch)\n", "`epoch` is used after it"),
        (STEP + "        print(loss)\n", "", "", "`loss` of the last batch is used"),
        (STEP + "        print(labels)\n", "", "", "`labels` of the last batch is used"),
        (STEP + "        print(loss.item())\n        loss = 0\n", "", "", "`loss` of the last batch is used"),
        (STEP, "", "    return inputs\n", "`inputs` is used after it"),
        (STEP + "        return model\n", "", "", "`return model` stands in it"),
        (STEP + "        loader = DataLoader(TensorDataset(y, x))\n", "", "", "`loader` is another one in each epoch"),
        (STEP.replace("labels in loader", "labels in zip(x, y)"), "", "", "is not known to be a DataLoader"),
        (WHOLE, "", "", "a batch is not just inputs and targets"),
        (STEP.replace("            optimizer.step", CLIP + "            optimizer.step"), "", "", "the step does more"),
        (STEP.replace("labels)\n", "labels) + inputs.mean()\n"), "", "", "the loss is computed from more"),
        (STEP.replace("labels)\n", "labels) * weight\n") + "        weight = weight * 0.5\n",
         "    weight = torch.ones(())\n", "", "`weight` is another one in each epoch"),
        (STEP.replace("loader:\n", "loader:\n            labels = labels % 2\n"), "", "", "before the step"),
    ],
)  # fmt: skip
def test_what_else_happens_keeps_the_loop(body: str, before: str, after: str, reason: str) -> None:
    text, notes = fitted(body, before, after)
    assert len(notes) == 1 and reason in notes[0], notes
    assert "for epoch in range(3):" in text and ".fit(" not in text


def test_a_loop_over_batches_alone_says_why() -> None:
    head = "def train(model: Net, x, y):\n    loader = DataLoader(TensorDataset(x, y), batch_size=4)\n"
    made = "    criterion = nn.CrossEntropyLoss()\n    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)"
    result = translate(HEAD + head + made + STEP.replace("\n    ", "\n"), style="fit")
    assert [d.message for d in result.diagnostics if d.code == "XL407"] == [
        "the training loop stays a loop: the loop over epochs stands elsewhere"
    ]
    assert "@compiled\ndef train_step(" in result.text and ".fit(" not in result.text


def test_steps_without_a_loader_say_why() -> None:
    text = STEP.replace("for inputs, labels in loader", "for _ in range(3)").replace("(inputs), labels", "(x), y")
    result = translate(
        HEAD + "def train(model: Net, x: torch.Tensor, y: torch.Tensor):\n    criterion = nn.CrossEntropyLoss()\n"
        "    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)" + text.replace("\n    ", "\n"), style="fit",
    )  # fmt: skip
    assert ["it goes through no DataLoader" in d.message for d in result.diagnostics if d.code == "XL407"] == [True]
    assert not result.refused


def test_the_style_is_an_option_of_the_command(tmp_path: Any) -> None:
    from click.testing import CliRunner

    source = tmp_path / "train.py"
    source.write_text(HEAD + CLASSIFIER, "utf-8")
    for given, fits in ((["--style", "fit"], True), ([], False)):
        done = CliRunner().invoke(root, ["torch2tf", str(source), "-o", "-", *given])
        assert done.exit_code == 0, done.output
        assert (".fit(" in done.output) is fits
    done = CliRunner().invoke(root, ["torch2tf", str(source), "--check", "--style", "fit", "--format", "json"])
    assert '"style": "fit"' in done.output
    (tmp_path / "pyproject.toml").write_text('[tool.xlate]\nstyle = "fit"\n', "utf-8")
    assert ".fit(" in CliRunner().invoke(root, ["torch2tf", str(source), "-o", "-"]).output

"""`p.grad` in training steps: norms that are logged, gradients that are changed, cleared by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training_support import Start
from translator import Severity, translate
from translator.compare import load, precision, unload

PROGRAM = """
import torch
import torch.nn as nn
import torch.optim as optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 5)
        self.fc1 = nn.Linear(5, 8)
        self.fc2 = nn.Linear(8, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, ids):
        return self.fc2(torch.tanh(self.fc1(self.table(ids))).mean(1))


def run(batches, log):
    model = Net()
    log.start(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    seen, rate = [], 0.3
    for step, (ids, labels) in enumerate(batches):
        BODY
    return seen
"""
STEP = """optimizer.zero_grad()
loss = criterion(model(ids), labels)
loss.backward()
BETWEEN
optimizer.step()
seen.append(loss.item())"""
NORM = """total = 0.0
for p in model.parameters():
    if p.grad is not None:
        part = p.grad.detach().data.norm(2)
        total += part.item() ** 2
seen.append(total ** 0.5)"""
BETWEEN = {
    "the norm by hand": NORM,
    "norms in comprehensions": """used = sum(p.grad is not None for p in model.parameters())
norms = torch.stack([torch.norm(p.grad, 2) for p in model.parameters() if p.grad is not None])
worst = max(p.grad.abs().max().item() for p in model.parameters() if p.grad is not None)
bad = any(torch.isnan(p.grad).any() for p in model.parameters() if p.grad is not None)
seen += [used, norms.sum().item(), worst, float(bad)]""",
    "against the parameters": """ratios = []
for p in model.parameters():
    if p.grad is None:
        continue
    ratios.append((p.grad.norm() / p.data.norm()).item())
seen.append(sum(ratios))""",
    "clamped": """for param in model.parameters():
    if param.grad is not None:
        param.grad.data.clamp_(-0.05, 0.02)
""" + NORM,
    "scaled, then clipped": """for p in model.parameters():
    if p.grad is not None:
        p.grad *= 1.0 / (1 + step)
torch.nn.utils.clip_grad_norm_(model.parameters(), 0.2)
""" + NORM,
    "written anew": """for p in model.parameters():
    if p.grad is not None:
        p.grad = p.grad.clamp(min=-0.03) / 2
if step % 2 == 0:
    for p in model.parameters():
        if p.grad is not None:
            p.grad.mul_(0.5)""",
}  # fmt: skip
STEPS = {name: STEP.replace("BETWEEN", text) for name, text in BETWEEN.items()} | {
    "looked at after the step": STEP.replace("BETWEEN\n", "") + "\n" + NORM,
    "cleared by hand": """loss = criterion(model(ids), labels)
for p in model.parameters():
    p.grad = None
loss.backward()
optimizer.step()
seen.append(loss.item())""",
    "zeros after the step": """loss = criterion(model(ids), labels)
loss.backward()
optimizer.step()
for p in model.parameters():
    if p.grad is not None:
        p.grad.detach_()
        p.grad.zero_()
seen.append(loss.item())""",
    "accumulated": """loss = criterion(model(ids), labels) / 2
loss.backward()
if (step + 1) % 2 == 0:
    for p in model.parameters():
        if p.grad is not None:
            p.grad.data.clamp_(-0.1, 0.1)
    optimizer.step()
    optimizer.zero_grad()
seen.append(loss.item())""",
}  # fmt: skip


HAND = """model.zero_grad()
loss = criterion(model(ids), labels)
loss.backward()
UPDATE
seen.append(loss.item())"""
UPDATES = {
    "plain": """with torch.no_grad():
    for p in model.parameters():
        if p.grad is not None:
            p -= rate * p.grad""",
    "by data": """torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
for p in model.parameters():
    if p.grad is not None:
        p.data.add_(p.grad, alpha=-rate)
rate *= 0.9""",
    "with decay": """for param in model.parameters():
    if param.grad is not None:
        param.data -= (param.grad.data + 0.01 * param.data) * rate""",
    "cleared in the same block": """with torch.no_grad():
    for param in model.parameters():
        if param.grad is not None:
            param.sub_(rate * param.grad.clamp(-0.1, 0.1))
    model.zero_grad()""",
}  # fmt: skip
STEPS |= {f"by hand, {name}": HAND.replace("UPDATE", text) for name, text in UPDATES.items()}


def program(body: str) -> str:
    return PROGRAM.replace("BODY", body.replace("\n", "\n        "))


@pytest.mark.parametrize("name", STEPS)
def test_gradients_are_what_pytorch_keeps(name: str) -> None:
    import tensorflow as tf
    import torch

    text = program(STEPS[name])
    result = translate(text, fidelity="exact")
    assert not result.refused, [d for d in result.diagnostics if d.severity is Severity.ERROR]
    rng = np.random.default_rng(8)
    batches = [(rng.integers(0, 7, (6, 4)), rng.integers(0, 3, 6)) for _ in range(6)]
    with precision("float64"):
        torch.manual_seed(0)
        theirs, ours = load(text, "gradients_torch"), load(result.text, "gradients_tf")
        log = Start()
        expected = theirs.run([(torch.tensor(a), torch.tensor(b)) for a, b in batches], log)
        there = [(tf.constant(a), tf.constant(b)) for a, b in batches]
        actual = ours.run(there, Start(there[0][0], log.first, lambda model: model.unused(np.zeros((1, 2)))))
        unload(theirs)
        unload(ours)
    assert len(expected) >= 6 and len(set(expected)) > 4
    np.testing.assert_allclose([float(a) for a in actual], expected, rtol=1e-8)


def test_a_loop_that_clears_is_no_part_of_a_graph() -> None:
    text = translate(program(STEPS["cleared by hand"])).text
    assert "@compiled" in text and "parameters()" not in text


LEFT = {
    "an axis": "print([p.grad.mean(dim=0) for p in model.parameters()])",
    "the values": "print([p.grad.numpy() for p in model.parameters()])",
    "kept": "seen.append([p.grad.clone() for p in model.parameters()])",
    "a part of the model": "seen.append(sum(p.grad.norm() for p in model.fc1.parameters()))",
    "one parameter": "seen.append(model.fc1.weight.grad.norm())",
    "a step with noise": "for p in model.parameters():\n    p.data -= 0.1 * p.grad + torch.randn(3)",
    "noise": "for p in model.parameters():\n    p.grad += torch.randn(3)",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_sees_more_is_left(name: str) -> None:
    result = translate(program(STEP.replace("BETWEEN", LEFT[name])))
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert any("training step is left" in e for e in errors) and "GradientTape" not in result.text


def test_gradients_of_what_is_not_known() -> None:
    code = "import torch\n\ndef norm(parameters):\n    return sum(p.grad.norm() for p in parameters)\n"
    errors = [d.message for d in translate(code).diagnostics if d.severity is Severity.ERROR]
    assert len(errors) == 1 and "not kept" in errors[0]

"""PyTorch Lightning: programs run under Lightning itself and, translated, under the helpers that stand for it."""

from __future__ import annotations

import ast
import copy
import warnings
from pathlib import Path

import numpy as np
import pytest

from torchvision_support import torchvision
from training_support import Start
from translator import Severity, translate
from translator.compare import load, precision, unload

PROGRAM = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, Callback
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 4)

    def forward(self, x):
        x = torch.tanh(self.bn(self.conv(x)))
        return self.fc(x.mean(dim=(2, 3)))


class Counts(Callback):
    def __init__(self):
        super().__init__()
        self.counts = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.counts.append((trainer.global_step, pl_module.current_epoch, batch_idx))


class Data(pl.LightningDataModule):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def setup(self, stage=None):
        self.train = TensorDataset(self.x, self.y)
        self.val = TensorDataset(self.x[:9], self.y[:9])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=5)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=4)


class Lit(pl.LightningModule):
    def __init__(self, width=6, lr=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.net = Net(width)
        self.drop = nn.Dropout(0.0)
        self.criterion = nn.CrossEntropyLoss()
        self.seen, self.rates = [], []
        self.schedule = None

    def on_train_batch_start(self, batch, batch_idx):
        if self.schedule is not None:
            self.rates.append(self.schedule.get_last_lr()[0])

    def forward(self, x):
        return self.net(self.drop(x))

    def _step(self, batch):
        x, y = batch
        out = self(x)
        acc = (out.argmax(dim=1) == y).double().mean()
        return self.criterion(out, y), acc

    def training_step(self, batch, batch_idx):
        loss, acc = self._step(batch)
        self.log("train_loss", loss, prog_bar=True, on_step=True, on_epoch=True)
        self.log("train_acc", acc)
        self.seen.append(loss.item())
        return GIVEN

    def validation_step(self, batch, batch_idx):
        loss, acc = self._step(batch)
        self.log_dict({"val_loss": loss, "val_acc": acc}, prog_bar=True)
        self.seen.append(loss.item())

    def on_validation_epoch_end(self):
        self.log("val_epochs", self.current_epoch + 1.5)
        self.seen.append(self.current_epoch)

    def on_train_epoch_end(self):
        self.seen.append(self.global_step)

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_loss", F.cross_entropy(self(x), y))

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).sum(dim=1)

    def configure_optimizers(self):
        OPTIMIZERS


def run(x, y, log, folder):
    data = Data(x, y)
    data.setup()
    train, val = data.train_dataloader(), data.val_dataloader()
    model = Lit()
    log.start(model)
    counts = Counts()
    trainer = pl.Trainer(default_root_dir=folder, logger=False, enable_checkpointing=False, accelerator="cpu",
                         enable_progress_bar=False, enable_model_summary=False, TRAINER)
    trainer.fit(FIT)
    metrics = {k: v.item() for k, v in trainer.callback_metrics.items()}
    losses = model.seen[:]
    tests = trainer.test(model, val, verbose=False)
    outputs = trainer.predict(model, val)
    return model, losses, metrics, tests, model.rates, counts.counts, outputs
"""
WAYS = {
    "steps, clipped, stopped early": {
        "GIVEN": "loss",
        "OPTIMIZERS": "optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=0.1)\n"
        "        scheduler = CosineAnnealingLR(optimizer, T_max=7)\n"
        "        self.schedule = scheduler\n"
        "        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': scheduler, 'interval': 'step'}}",
        "TRAINER": "max_epochs=6, gradient_clip_val=0.3, callbacks=[counts, EarlyStopping('val_loss', patience=1)]",
        "FIT": "model, train, val",
    },
    "accumulated": {
        "GIVEN": "{'loss': loss, 'more': acc}",
        "OPTIMIZERS": "optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, self.parameters()), lr=0.2,\n"
        "                                    momentum=0.9)\n"
        "        return [optimizer], [StepLR(optimizer, 1, gamma=0.5)]",
        "TRAINER": "max_epochs=3, accumulate_grad_batches=2, callbacks=counts, num_sanity_val_steps=0",
        "FIT": "model, train_dataloaders=train",
    },
    "plateau, a data module": {
        "GIVEN": "loss",
        "OPTIMIZERS": "optimizer = torch.optim.Adam(self.parameters(), lr=0.3)\n"
        "        scheduler = ReduceLROnPlateau(optimizer, 'min', patience=0, factor=0.3)\n"
        "        self.schedule = scheduler\n"
        "        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': scheduler, 'monitor': 'train_loss'}}",
        "TRAINER": "max_epochs=5, check_val_every_n_epoch=2, gradient_clip_val=0.01, limit_train_batches=0.8,\n"
        "                         gradient_clip_algorithm='value', callbacks=[counts]",
        "FIT": "model, datamodule=data",
    },
    "a number of steps": {
        "GIVEN": "loss",
        "OPTIMIZERS": "return torch.optim.RMSprop(self.parameters(), lr=0.01)",
        "TRAINER": "max_steps=7, limit_val_batches=1, callbacks=[counts]",
        "FIT": "model, data",
    },
}  # fmt: skip


def program(way: dict[str, str]) -> str:
    text = PROGRAM
    for name, part in way.items():
        text = text.replace(name, part)
    return text


@pytest.mark.parametrize("way", WAYS)
def test_trains_as_lightning_does(way: str, tmp_path: Path) -> None:
    import tensorflow as tf
    import torch

    from translator import weights

    torchvision()
    pytest.importorskip("pytorch_lightning")
    text = program(WAYS[way])
    result = translate(text, fidelity="exact")
    assert not result.refused, [d for d in result.diagnostics if d.severity is Severity.ERROR]
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(23, 3, 7, 6)), rng.integers(0, 4, 23)
    with precision("float64"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        theirs, ours = load(text, "lightning_torch"), load(result.text, "lightning_tf")
        log = Start()
        trained, *expected, shown = theirs.run(torch.tensor(x), torch.tensor(y), log, str(tmp_path))
        found, *actual, seen = ours.run(tf.constant(x), tf.constant(y), Start(tf.constant(x), log.first), str(tmp_path))
        unload(theirs)
        unload(ours)
        back = copy.deepcopy(trained)
        report = weights.copy_back(found, back)
        assert not report.torch_left and not report.mismatched, report
    losses, metrics, tests, rates, counts = expected
    assert len(losses) > 10 and len(set(losses)) > 10
    np.testing.assert_allclose(actual[0], losses, rtol=1e-7)
    assert set(actual[1]) == set(metrics)
    for name, value in metrics.items():
        np.testing.assert_allclose(actual[1][name], value, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(actual[2][0]["test_loss"], tests[0]["test_loss"], rtol=1e-6)
    np.testing.assert_allclose(actual[3], rates, rtol=1e-9)
    assert actual[4] == counts
    for a, b in zip(seen, shown, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-9)
    for (name, a), b in zip(trained.state_dict().items(), back.state_dict().values(), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-7, atol=1e-10, err_msg=name)


HEAD = """
import torch
import torch.nn as nn
import lightning.pytorch as pl


class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def training_step(self, batch, batch_idx):
        BODY

    def configure_optimizers(self):
        return torch.optim.Adam(PARAMETERS)


"""
LOSS = "return self.fc(batch).square().mean()"
LEFT = {
    "by hand": ("opt = self.optimizers()\n        self.manual_backward(self.fc(batch).sum())", "self.parameters()",
                "self.optimizers"),
    "a part": (LOSS, "self.fc.parameters()", "self.parameters()"),
    "groups": (LOSS, "[{'params': self.parameters(), 'lr': 0.1}]", "self.parameters()"),
    "a logger": ("self.logger.experiment.add_scalar('x', 1)\n        " + LOSS, "self.parameters()", "self.logger"),
    "the end of an epoch": (LOSS + "\n\n    def validation_epoch_end(self, outputs):\n        print(outputs)",
                            "self.parameters()", "validation_epoch_end"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_other_classes_are_left_whole(name: str) -> None:
    body, parameters, reason = LEFT[name]
    source = HEAD.replace("BODY", body).replace("PARAMETERS", parameters)
    result = translate(source + "pl.Trainer(max_epochs=2).fit(Lit(), [torch.ones(4, 3)])\n")
    kept = {n.name: ast.unparse(n) for n in ast.parse(result.text).body if isinstance(n, ast.ClassDef)}
    was = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
    assert kept["Lit"] == ast.unparse(was)
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert any("as a base class" in d.message and reason in d.message for d in errors)
    assert any("Trainer.fit" in d.message for d in errors)


def test_seeds() -> None:
    code = "import lightning as L\nL.seed_everything(7, workers=True)\n"
    result = translate(code)
    assert not result.refused and "keras.utils.set_random_seed(7)" in result.text


REFUSED = {
    "t = pl.Trainer(devices=4)": "`devices`",
    "t = pl.Trainer(precision='16-mixed')": "`precision`",
    "t = pl.Trainer(val_check_interval=0.25)": "`val_check_interval`",
    "t = pl.Trainer(callbacks=[pl.callbacks.ModelCheckpoint(monitor='val_loss')])": "ModelCheckpoint",
    "t = pl.Trainer(); t.fit(Lit(), ckpt_path='last.ckpt')": "`ckpt_path`",
    "m = Lit.load_from_checkpoint('last.ckpt')": "load_from_checkpoint",
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused(code: str) -> None:
    source = HEAD.replace("BODY", LOSS).replace("PARAMETERS", "self.parameters()")
    result = translate(source + code + "\n")
    errors = [d.message for d in result.diagnostics if d.severity is Severity.ERROR]
    assert errors and any(REFUSED[code] in e for e in errors), errors

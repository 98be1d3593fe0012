"""Channels-last translations compute what their sources compute, with transposes only where they are needed.

Each program is a forward body around convolutions; both versions run on the same weights and inputs.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from translator import Translation, translate
from translator.layout.perms import between, channels_last, inserted, letters, rearranged, same_memory, without
from translator.model import Severity

EVERY = bool(os.environ.get("XLATE_EVERY"))
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.checkpoint as cp


class Blocks(nn.ModuleDict):
    def __init__(self):
        super().__init__()
        for i in range(2):
            self.add_module("block%d" % i, nn.Conv2d(3 + 4 * i, 4, 3, padding=1))

    def forward(self, x):
        maps = [x]
        for name, layer in self.items():
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class Stage(nn.Sequential):
    def __init__(self, make, count):
        super().__init__()
        for i in range(count):
            self.add_module("block%d" % i, make(3))


class Branch(nn.Sequential):
    def __init__(self, make, size):
        super().__init__(make(3, 3, size, padding=size // 2), nn.ReLU())


class Wide(Branch):
    def __init__(self):
        super().__init__(nn.Conv2d, 3)


class Long(Branch):
    def __init__(self):
        super().__init__(nn.Conv1d, 3)


class Permute(nn.Module):
    '''Axes in another order.'''

    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return torch.permute(x, self.dims)


class Permuted(nn.Module):
    def __init__(self, *axes):
        super(Permuted, self).__init__()
        self.axes = axes

    def forward(self, inputs):
        return inputs.permute(*self.axes).contiguous()


class Swap(nn.Module):
    def __init__(self, one=1, other=2):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x):
        return x


class Exchange(nn.Module):
    def __init__(self, one, other):
        super().__init__()
        self.one = one
        self.other = other

    def forward(self, x):
        return x.transpose(self.one, self.other)


def kept(x, rate, training):
    if rate == 0.0 or not training:
        return x
    size = [x.shape[0]] + [1] * (x.ndim - 1)
    noise = torch.ones(size, dtype=x.dtype).mul_(rate)
    if rate > 0:
        noise.div_(rate * 2)
    return x * noise


class Kept(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return kept(x, self.rate, True)


class Scaled(nn.Module):
    def forward(self, x, by=2.0):
        return torch.relu(x) * by


class Shifted(nn.Module):
    def forward(self, x):
        size = (x.shape[-1],)
        return x + torch.ones(size, dtype=x.dtype) * torch.arange(x.size(-1))


def block(width):
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = Stage(block, 2)
        self.branch = Wide()
        self.along = Long()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.grow = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.fc = nn.Linear(8, 5)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.full = nn.Parameter(torch.ones(1, 8, 1, 1))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        self.block = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 6, 3), nn.MaxPool2d(2))
        self.blocks = Blocks()
        for i in range(2):
            setattr(self, "stage%d" % (i + 1), nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()))
        self.made1: nn.Sequential
        for i in range(2):
            setattr(self, f"made{i}", nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()))
        self.criterion = nn.CrossEntropyLoss(ignore_index=1)
        self.binary = nn.BCEWithLogitsLoss(reduction="none")
        self.weighed = nn.BCEWithLogitsLoss(pos_weight=torch.arange(1.0, 9.0).reshape(8, 1, 1))
        self.wide = nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(48, 5))

        self.noisy, self.scaled, self.shifted = Kept(0.5), Scaled(), Shifted()
        self.tail = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Kept(0.5), Scaled(), nn.MaxPool2d(2))
        self.to_last, self.to_first = Permute([0, 2, 3, 1]), Permute(dims=(0, 3, 1, 2))
        self.turned, self.exchange, self.way_back = Permuted(0, 1, 3, 2), Exchange(1, 2), Exchange(other=1, one=-2)
        self.swap = Swap()
        self.mixer = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), Permute([0, 2, 3, 1]), nn.LayerNorm(3), nn.Linear(3, 3),
            Permute([0, 3, 1, 2]),
        )
        self.either = Permute([0, 1, 3, 2])

        self.grown = nn.ModuleList()
        self.grown += [nn.Conv2d(3, 3, 3, padding=1)]

    def joined(self, *maps):
        return torch.cat(maps, 1)

    def side_by_side(self, maps):
        return torch.cat(maps, 1)

    def forward(self, x):
"""

BODIES = {
    "plain": ("return F.relu(self.norm(self.conv(x)))", 0),
    "residual": ("y = self.conv(x)\nreturn self.norm(y) + y", 0),
    "flatten": ("return torch.flatten(F.adaptive_avg_pool2d(self.conv(x), (2, 3)), 1)", 1),
    "flatten_ones": ("return torch.flatten(F.adaptive_avg_pool2d(self.conv(x), 1), 1)", 0),
    "attribute": ("self.kept = self.conv(x)\nreturn F.max_pool2d(self.kept, 2) + self.kept.mean()", 2),
    "head": ("return self.head(self.conv(x))", 0),
    "head_wide": ("return self.wide(self.conv(x))", None),
    "mean_spatial": ("return self.conv(x).mean((2, 3))", 0),
    "mean_keep": ("y = self.conv(x)\nreturn y * y.mean((2, 3), keepdim=True)", 0),
    "mean_channels": ("y = self.conv(x)\nreturn y - y.mean(1, keepdim=True)", 0),
    "max_channels": ("return self.conv(x).max(dim=1)[0]", 0),
    "argmax": ("return self.conv(x).argmax(1)", 0),
    "softmax": ("return F.softmax(self.conv(x), dim=1)", 0),
    "cat": ("y = self.conv(x)\nreturn torch.cat([y, F.relu(y), x], dim=1)", 0),
    "cat_width": ("y = self.conv(x)\nreturn torch.cat((y, F.relu(y)), -1)", 0),
    "chunk": ("a, b = self.conv(x).chunk(2, dim=1)\nreturn a * torch.sigmoid(b)", 0),
    "split": ("a, b = torch.split(self.conv(x), [3, 5], 1)\nreturn torch.cat([b, a], 1)", 0),
    "rest_of_arguments": ("y = self.conv(x)\nreturn self.joined(y, F.relu(y), x)", 0),
    "list_as_arguments": (
        "y = self.conv(x)\nparts = [y]\nfor _ in range(2):\n    parts.append(F.relu(y))\nreturn self.joined(*parts)",
        0,
    ),
    "layers_of_made_names": ("return self.stage2(self.stage1(x))", 0),
    "checkpoint_method": ("return cp.checkpoint(self.joined, self.conv(x), x, use_reentrant=False)", 0),
    "checkpoint_container": ("return cp.checkpoint(self.block, self.conv(x), use_reentrant=False)", 0),
    "items_of_a_subclass": ("return self.blocks(x)", 0),
    "slice": ("y = self.conv(x)\nreturn y[:, 1:5, ::2, 1:]", 0),
    "channel": ("y = self.conv(x)\nreturn y[:, 2]", 0),
    "new_axis": ("y = self.conv(x)\nreturn y * y.mean((2, 3))[:, :, None, None]", 0),
    "rest": ("y = self.conv(x)\nreturn y[..., 0] + y[..., -1]", 0),
    "gate": ("y = self.conv(x)\ns = y.mean((2, 3)).view(y.size(0), 8, 1, 1)\nreturn y * s", None),
    "permute": ("return self.fc(self.conv(x).permute(0, 2, 3, 1))", 0),
    "tokens": ("return self.fc(self.conv(x).flatten(2).transpose(1, 2))", 0),
    "there_and_back": ("y = self.conv(x).permute(0, 2, 3, 1)\nreturn self.grow((y * 2).permute(0, 3, 1, 2))", 0),
    "parameter": ("y = self.conv(x)\nreturn y * self.scale + self.full", None),
    "low_rank": ("y = self.conv(x)\nw = torch.arange(y.shape[-1], dtype=y.dtype)\nreturn y * w", 0),
    "rows": ("y = self.conv(x)\nh = torch.arange(y.shape[2], dtype=y.dtype)\nreturn y * h[:, None]", None),
    "shape": ("n, c, h, w = self.conv(x).shape\nreturn self.conv(x).sum() * (n + 2 * c + 3 * h + 5 * w)", 0),
    "size_in_loop": (
        "ys = [self.conv(x), x]\nfor axis in range(1, 0, -1):\n    s = ys[axis - 1].shape[-2:]\n"
        "    ys[axis - 1] = ys[axis - 1] + F.interpolate(ys[axis - 1] * 2, size=s)\nreturn ys[0]",
        None,
    ),
    "size": ("y = self.conv(x)\nreturn y.mean((2, 3)) * y.size(3) + y.shape[1]", 0),
    "pad": ("return self.grow(F.pad(self.conv(x), (1, 0, 2, 3)))", 0),
    "pad_channels": ("y = self.conv(x)\nd = y.shape[1] // 4\nreturn F.pad(y, [0, 0, 1, -1, d, 3], value=2.0) + 1", 0),
    "pad_reflect": ("return F.pad(self.conv(x), (1, 0, 2, 3), mode='reflect')", 0),
    "resize": ("return F.interpolate(self.conv(x), scale_factor=2, mode='nearest')", 0),
    "shuffle": ("return F.pixel_shuffle(self.conv(x), 2)", 0),
    "groups": (
        "y = self.conv(x)\nn, c, h, w = y.size()\n"
        "return self.grow(y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))",
        1,  # that of the source
    ),
    "gram": ("y = self.conv(x)\nf = y.view(y.size(0), 8, -1)\nreturn torch.bmm(f, f.transpose(1, 2))", 0),
    "gram_sizes": (
        "y = self.conv(x)\nn, c, h, w = y.shape\nf = y.reshape(n, c, h * w)\n"
        "return torch.bmm(f, f.transpose(1, 2)) / (c * h * w)",
        0,
    ),
    "attention": (
        "y = self.conv(x)\nq = y.flatten(2)\na = F.softmax(q.transpose(1, 2) @ q, dim=-1)\n"
        "return (q @ a.transpose(1, 2)).view_as(y)",
        0,
    ),
    "attention_sizes": (
        "y = self.conv(x)\nb, c, h, w = y.size()\nq = y.view(b, -1, h * w).permute(0, 2, 1)\n"
        "k = F.relu(y).view(b, -1, w * h)\na = F.softmax(torch.bmm(q, k), dim=-1)\n"
        "out = torch.bmm(k, a.permute(0, 2, 1)).view(b, c, h, w)\nreturn self.grow(out + y)",
        0,
    ),
    "heads": (
        "y = self.conv(x)\nb, c, h, w = y.shape\nq = y.reshape(b, 2, c // 2, h * w)\n"
        "a = (q.transpose(-2, -1) @ q).softmax(-1)\nreturn (q @ a.transpose(-2, -1)).reshape(b, c, h, w)",
        None,
    ),
    "tokens_and_back": (
        "y = self.conv(x)\nb, c, h, w = y.shape\nt = self.fc(y.flatten(2).transpose(1, 2))\n"
        "return F.max_pool2d(t.transpose(1, 2).reshape(b, 5, h, w), 2)",
        0,
    ),
    "tokens_like": (
        "y = self.conv(x)\nt = y.flatten(2).transpose(1, 2) * 2\nreturn self.norm(t.transpose(1, 2).reshape(y.shape))",
        0,
    ),
    "anchors": ("y = self.conv(x)\nreturn y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, 4)", 0),
    "windows": (
        "y = self.conv(x)\nb, c, h, w = y.shape\n"
        "t = y.view(b, c, h // 2, 2, w // 5, 5).permute(0, 2, 4, 3, 5, 1).reshape(-1, 10, c)\nreturn self.fc(t)",
        1,
    ),
    "other_sizes": (  # the sizes of another tensor say nothing, whatever they are called
        "y = self.conv(x)\nb, c, h, w = y.shape\ny = y[:, :, :, :4]\nreturn y.reshape(b, h, c, 4)",
        None,
    ),
    "sizes_of_a_list": (
        "ys = [self.conv(x), self.grow(self.conv(x))]\nb, c, h, w = ys[1].shape\n"
        "return ys[0].reshape(b, 8, h, w, -1).sum(-1)",
        None,
    ),
    "sizes_after_a_loop": (
        "y = self.conv(x)\nfor _ in range(2):\n    b, c, h, w = y.shape\n    y = F.max_pool2d(y, (1, 2), padding=0)\n"
        "return y.reshape(b, c, -1, w // 4, 2, 1).sum(-1)",
        None,
    ),
    "einops": (
        "import einops\ny = self.conv(x)\nt = einops.rearrange(y, 'b (g c) h w -> b g (h w) c', g=2)\n"
        "m = einops.reduce(y, 'b c (h k) w -> b c h w', 'mean', k=2)\n"
        "return t, self.grow(einops.rearrange(t, 'b g (h w) c -> b (g c) h w', h=y.shape[2])), m",
        0,
    ),
    "expanded": (
        "y = self.conv(x)\nn, _, h, w = y.shape\n"
        "rows = torch.arange(h, dtype=y.dtype).view(1, 1, h, 1).expand(n, 1, h, w)\n"
        "columns = torch.arange(w, dtype=y.dtype).expand(n, 2, h, -1)\n"
        "s = torch.sigmoid(y.mean((2, 3))).unsqueeze(2).unsqueeze(3).expand_as(y)\n"
        "return self.joined(y * s, rows, columns, x.expand(-1, 3, h, w))",
        0,
    ),
    "unsqueezed": (
        "y = self.conv(x)\nz = torch.cat([y.max(1)[0].unsqueeze(1), y.mean(1).unsqueeze(1)], dim=1)\n"
        "return z + x[:, :1]",
        0,
    ),
    "functions_of_lower_rank": (
        "y = self.conv(x)\nw = torch.arange(y.shape[-1], dtype=y.dtype)\nm = torch.maximum(y, w / 9)\n"
        "return torch.where(w > 2, m, torch.minimum(w.unsqueeze(0), y))",
        0,
    ),
    "patches": (
        "y = self.conv(x)\nu = F.unfold(y, 2, stride=2)\nf = nn.Fold((6, 10), 2, stride=2)(u)\n"
        "return nn.Unfold(3)(y), self.norm(F.fold(u, (6, 10), 2, stride=2) + f)",
        None,
    ),
    "grid": (
        "y = self.conv(x)\nt = self.fc(y.mean((2, 3))).repeat(1, 2)[:, :6].view(-1, 2, 3)\n"
        "g = F.affine_grid(t, y.size(), align_corners=False)\n"
        "return self.norm(F.grid_sample(y, g, align_corners=False)), g",
        None,
    ),
    "indices": (
        "y, i = F.max_pool2d(self.conv(x), 2, return_indices=True)\nz = F.max_unpool2d(y, i, 2)\n"
        "return F.max_pool2d(z, 2) + y",
        None,
    ),
    "created": ("y = self.conv(x)\nreturn torch.cat([y, torch.ones(y.shape[0], 2, y.shape[2], y.shape[3])], 1)", 0),
    "loop": ("y = self.conv(x)\nfor _ in range(2):\n    y = F.relu(self.norm(y) + y)\nreturn y", 0),
    "branch": ("y = self.conv(x)\nif y.shape[2] > 4:\n    y = F.max_pool2d(y, 2)\nelse:\n    y = y * 2\nreturn y", 0),
    "list": ("ys = [self.conv(x)]\nfor _ in range(2):\n    ys.append(F.relu(ys[-1]))\nreturn torch.cat(ys, 1)", None),
    "dict": ("out = {'y': self.conv(x)}\nout['z'] = out['y'].mean((2, 3))\nreturn out", None),
    "where": ("y = self.conv(x)\nreturn torch.where(y > 0, y, torch.zeros_like(y))", 0),
    "norm": ("return F.normalize(self.conv(x), dim=1)", 0),
    "stack": ("y = self.conv(x)\nreturn torch.stack([y, y * 2], dim=1)", 0),
    "unsqueeze": ("return self.conv(x).unsqueeze(1)", 0),
    "squeeze": ("return F.adaptive_avg_pool2d(self.conv(x), 1).squeeze(-1).squeeze(-1)", 0),
    "einsum": ("return torch.einsum('nchw,nkhw->nck', self.conv(x), self.conv(x))", 0),
    "einsum_maps": ("return self.norm(torch.einsum('nchw,nkhw->nchw', self.conv(x), self.conv(x)))", 0),
    "cumsum": ("return torch.cumsum(self.conv(x), dim=2)", 0),
    "flip": ("return torch.flip(self.conv(x), [3])", 0),
    "in_place": ("y = self.conv(x)\ny[:, 0] = 0\nreturn y", None),
    "augmented": ("y = self.conv(x)\ny = y + 1\ny += x.mean(1, keepdim=True)\nreturn y", 0),
    "topk": ("return self.conv(x).topk(3, dim=1)[0]", 0),
    "list_or_tuple": ("y = self.conv(x)\nreturn self.side_by_side([y, y]) * self.side_by_side((y, y + 1))", 0),
    "layers_declared_and_made_by_name": ("return self.made1(x)", 0),
    "modules_that_permute": ("return x + self.mixer(x)", 0),
    "permuted_in_a_module": ("return self.to_first(torch.relu(self.to_last(self.conv(x)))).mean(1)", 0),
    "turned_in_a_module": ("y = self.turned(self.conv(x))\nreturn y.softmax(-1) * y.mean((0, 1))", 0),
    "exchanged_in_modules": ("y = self.exchange(self.conv(x)).softmax(2)\nreturn self.way_back(y) + self.conv(x)", 0),
    "a_module_that_keeps_numbers": ("return self.swap(self.conv(x))", 0),
    "a_module_in_two_orders": ("return self.either(self.conv(x)), self.either(x.flatten(2).unsqueeze(1))", None),
    "modules_for_any_rank": (
        "y = self.conv(x)\ny = y + self.noisy(self.scaled(y))\nt = self.fc(y.flatten(2).transpose(1, 2))\n"
        "return self.fc(y.mean((2, 3))) + self.noisy(self.scaled(t)).mean(1) + self.scaled(t.mean(1))",
        0,
    ),
    "modules_for_any_rank_in_a_container": ("return self.tail(x) + self.noisy(x[:, :, ::2, ::2])", 0),
    "a_module_that_counts_from_the_end": ("return self.shifted(self.conv(x)) + self.shifted(x[0, 0])", None),
    "layers_made_elsewhere": ("return self.stage(x)", 0),
    "one_constructor_two_ranks": ("return self.branch(x).mean((2, 3)) + self.along(x[:, :, 0]).mean(2)", None),
    "layers_added": ("for layer in self.grown:\n    x = layer(x)\nreturn x", 0),
    "cross_entropy": ("return F.cross_entropy(self.conv(x), self.conv(x).argmax(1))", 0),
    "cross_entropy_each": (
        "y = self.conv(x)\nloss = F.cross_entropy(y, x[:, 1].gt(0).long(), reduction='none')\n"
        "return loss.unsqueeze(1) * y",
        0,
    ),
    "cross_entropy_shares": (
        "y = self.conv(x)\nreturn F.cross_entropy(y, torch.softmax(y * y, 1), weight=self.scale[:, 0, 0])",
        0,
    ),
    "cross_entropy_turned": ("y = self.conv(x).transpose(2, 3)\nreturn F.cross_entropy(y, y.argmax(1))", 0),
    "class_loss_object": ("y = self.conv(x)\nreturn self.criterion(y, x[:, 2].gt(0).long()) + self.norm(y)", 0),
    "nll": ("y = F.log_softmax(self.conv(x), dim=1)\nreturn F.nll_loss(y, y.argmin(1), ignore_index=2)", 0),
    "losses": (
        "y = self.conv(x)\nweight = self.scale.detach()\n"
        "loss = F.binary_cross_entropy_with_logits(y, torch.sigmoid(y.sin()), pos_weight=weight)\n"
        "loss = loss + F.mse_loss(y, y.roll(1, 2))\n"
        "return loss + F.kl_div(F.log_softmax(y, 1), torch.softmax(y * 2, 1), reduction='batchmean')",
        1,  # of the parameter
    ),
    "loss_object_each": ("y = self.conv(x)\nreturn self.binary(y, torch.sigmoid(y.cos())) * y", 0),
    "loss_object_with_weights": ("y = self.conv(x)\nreturn self.weighed(y, torch.sigmoid(y.cos()))", None),
    "unbind": ("a = self.conv(x).unbind(1)\nreturn a[0] + a[3]", None),
    "layer_norm": ("y = self.conv(x)\nreturn F.layer_norm(y, y.shape[1:])", None),
}
"""Bodies to the number of transposes that are written (``None``: not promised)."""


def program(body: str) -> str:
    return HEAD + textwrap.indent(body, " " * 8) + "\n"


def channels_last_of(text: str) -> Translation:
    return translate(text, "torch2tf", layout="channels_last")


def refused(translation: Translation) -> list[str]:
    return [str(d) for d in translation.diagnostics if d.severity is Severity.ERROR]


def net(text: str) -> str:
    """The part of a translation that is the user's class."""
    return text[text.index("class Net(") :]


def test_what_looks_for_channels_is_given_them_last() -> None:
    """A helper that looks for the channels is handed them last, or is told that they are not."""
    from translator.emit import helper
    from translator.layout.behaviour import of_row
    from translator.model import Direction
    from translator.tables.load import tables

    def looks(name: str) -> bool:
        found = helper(name, "tf")
        named = found is not None and any(p.name == "data_format" for p in found.params)
        return named or (found is not None and any(map(looks, found.bases)))

    known = tables(Direction.TORCH2TF)
    rows = [r for name in known.index for r in known.find(name) if r.helper and looks(r.helper)]
    assert len(rows) > 20
    assert {of_row(r) for r in rows} == {"channels", "opaque"}


@pytest.mark.parametrize("name", BODIES)
def test_body(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    body, transposes = BODIES[name]
    source = program(body)
    translation = channels_last_of(source)
    assert not refused(translation)
    assert not [d for d in translation.diagnostics if d.code == "XL304"], "translated with channels first"
    if transposes is not None:
        assert net(translation.text).count("tf.transpose(") == transposes, net(translation.text)
    result = compare_program(
        source, translation.text, "Net", {}, [{"x": "float[2,3,6,10]"}], edges=translation.edges, graph=False,
        single=False, train=name in ("plain", "residual", "head"),
    )  # fmt: skip
    assert result.ok, f"\n{result}\n{net(translation.text)}"


FIRST = ("lenet", "mobilenet_v2", "unet", "convnext", "mlp_mixer", "wavenet", "pointnet", "vae")
ALL = sorted(p.parent.name for p in FIXTURES.glob("*/torch_model.py"))
SOURCE_ORDER: dict[str, Any] = {"channels_first": {"layout": "channels_first"}, "kept": {"keep_io_layout": True}}


@pytest.mark.parametrize("way", SOURCE_ORDER)
@pytest.mark.parametrize("name", ALL if EVERY else FIRST)
def test_fixture_whose_models_take_source_order(name: str, way: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    import tomllib

    from translator.compare import compare_program

    folder = FIXTURES / name
    source = (folder / "torch_model.py").read_text(encoding="utf-8")
    translation = translate(source, "torch2tf", **SOURCE_ORDER[way])
    assert not refused(translation)
    models: list[dict[str, Any]] = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))["model"]
    assert not {m["entry"] for m in models} & {e.owner for e in translation.edges}
    assert way == "kept" or not translation.edges
    for model in models if EVERY else models[:1]:
        result = compare_program(
            source, translation.text, model["entry"], model.get("init", {}), model["inputs"],
            train=model.get("train", True), graph=EVERY, single=EVERY,
        )  # fmt: skip
        assert result.ok, f"\n{model['entry']}: {result}"


def test_models_within_models_keep_no_order() -> None:
    text = textwrap.dedent("""
        import torch.nn as nn
        import torch.nn.functional as F

        def halve(x):
            return F.avg_pool2d(x, 2)

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 3)

            def forward(self, x):
                return halve(self.conv(x))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(Block(), Block())

            def forward(self, x):
                return self.body(x)

        def total(net: Net, x):
            return net(x).sum()
        """)
    translation = translate(text, "torch2tf", keep_io_layout=True)
    assert {e.owner for e in translation.edges} == {"Block", "halve"}
    body = translation.text[translation.text.index("class Net") :]
    assert body.count("tf.transpose(") == 2


UNPROVEN = {
    "container": ("""
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Linear(10, 5), nn.Conv2d(8, 4, 1))
        """, "return self.body(x)", 2),
    "list": ("""
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(1), nn.Linear(4 * 4 * 8, 5)])
        """, "for layer in self.layers:\n    x = layer(x)\nreturn x", 1),
    "walk": ("""
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU()
        self.norm = nn.LayerNorm(10)
        """, "for name, layer in self.named_children():\n    x = layer(x)\nreturn x", 2),
    "block": ("""
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), Last(10, 7), nn.Conv2d(4, 2, 1)])
        """, "for layer in self.layers:\n    x = layer(x)\nreturn x", 2),
    "pool": ("""
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(nn.MaxPool2d(2, padding=1), nn.BatchNorm2d(4), nn.LayerNorm(6), nn.AvgPool2d(2))
        """, "return self.body(self.stem(x))", 2),
}  # fmt: skip
"""Layers, the call, and how many of them cannot be given channels last where they are called."""


@pytest.mark.parametrize("name", UNPROVEN)
def test_layers_that_cannot_be_converted_stay_in_source_order(name: str) -> None:
    """Nothing can be converted between the steps of a container or the turns of a loop: the layers are left as they
    are, which notes say, and the rest is not."""
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    layers, forward, count = UNPROVEN[name]
    text = "\n".join([
        "from torch import nn", "class Last(nn.Linear):", "    def forward(self, x):",
        "        return super().forward(x).flatten(2).unsqueeze(-1)", "class Net(nn.Module):",
        "    def __init__(self):", "        super().__init__()",
        textwrap.indent(textwrap.dedent(layers).strip(), " " * 8),
        "        self.other = nn.Conv2d(3, 3, 3, padding=1)", "    def forward(self, x):", "        x = self.other(x)",
        textwrap.indent(forward, " " * 8), "",
    ])  # fmt: skip
    translation = channels_last_of(text)
    assert not refused(translation)
    notes = [d for d in translation.diagnostics if d.code == "XL304"]
    assert len(notes) == count and all("in PyTorch's axis order" in d.message for d in notes)
    assert net(translation.text).count('data_format="channels_first"') == count
    result = compare_program(
        text, translation.text, "Net", {}, [{"x": "float[2,3,6,10]"}], edges=translation.edges, graph=False,
        single=False, train=False,
    )  # fmt: skip
    assert result.ok, f"\n{result}\n{net(translation.text)}"


def test_a_class_that_nothing_makes_calls_no_layer_of_the_program() -> None:
    """Only the class is left in PyTorch's order and says so; where it is made, the whole program is."""
    text = textwrap.dedent("""
        import torch.nn as nn

        class Walk(nn.ModuleDict):
            def __init__(self, body: nn.Module):
                super().__init__({name: layer for name, layer in body.named_children()})

            def forward(self, x):
                for layer in self.values():
                    x = layer(x)
                return x

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 8, 3)

            def forward(self, x):
                return self.conv(x)
        """)
    translation = channels_last_of(text)
    assert [d.line for d in translation.diagnostics if d.code == "XL304"] == [4]
    assert {(e.owner, e.axes) for e in translation.edges} == {("Net", "NHWC")}
    known = channels_last_of(text + "\n\ndef walk():\n    return Walk(Net())\n")
    assert not [d for d in known.diagnostics if d.code == "XL304"]
    assert {e.owner for e in known.edges} == {"Net", "Walk"}
    made = channels_last_of(text + "\n\ndef walk(body):\n    return Walk(body)\n")
    assert [d.line for d in made.diagnostics if d.code == "XL304"] == [10]
    assert not made.edges


@pytest.mark.parametrize(("gain", "transposes"), [("2.5", 0), ("make()", 2)])
def test_a_module_that_scales_by_something_unknown_looks_at_axes(gain: str, transposes: int) -> None:
    """It may be a tensor, which is broadcast against the axes of the source."""
    text = textwrap.dedent(f"""
        import torch.nn as nn
        from elsewhere import make

        class Gained(nn.Module):
            def __init__(self):
                super().__init__()
                self.gain = {gain}

            def forward(self, x):
                return x * self.gain

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.last, self.gained = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 3), Gained()

            def forward(self, x):
                return self.last(self.gained(self.conv(x)))
        """)
    assert channels_last_of(text).text.count("tf.transpose(") == transposes


PERMUTED = """
import torch.nn as nn


class Permute(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class Net(nn.Module):
    def __init__(self, dims=(0, 2, 3, 1)):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.turn = Permute(MADE)
        self.more = nn.ModuleList([Permute([0, 1, 3, 2]), nn.ReLU()])

    def forward(self, x):
        y = self.conv(x)
        return CALLED
"""
PERMUTERS = {
    "known": ("[0, 2, 3, 1]", "self.turn(y)", True),
    "not written out": ("dims", "self.turn(y)", False),
    "axes that are read": ("[0, 2, 3, 1]", "self.turn(y), self.turn.dims", False),
    "a method that is called": ("[0, 2, 3, 1]", "self.turn.forward(y)", False),
    "one of several layers": ("[0, 2, 3, 1]", "[layer(y) for layer in (self.turn, self.conv)][0]", False),
}


@pytest.mark.parametrize("name", PERMUTERS)
def test_a_module_that_permutes_is_told_its_axes_where_all_is_known_of_it(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    made, call, told = PERMUTERS[name]
    if name == "one of several layers":
        call = call.replace("self.conv)", "self.more[1])")
    source = PERMUTED.replace("MADE", made).replace("CALLED", call)
    translation = channels_last_of(source)
    assert ("self.turn = keras.layers.Identity()" in translation.text) == told
    shown = compare_program(
        source, translation.text, "Net", {}, [{"x": "float[2,3,6,10]"}], edges=translation.edges, graph=False,
        single=False,
    )  # fmt: skip
    assert shown.ok, f"\n{shown}\n{net(translation.text)}"


@pytest.mark.parametrize("call", ["for block in self.blocks:\n    x = block(x)\nreturn x", "return self.body(x)"])
def test_layers_that_were_lost_sight_of_take_source_order(call: str) -> None:
    text = textwrap.dedent("""
        import torch.nn as nn
        from elsewhere import repeated

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 3)

            def forward(self, x):
                return self.conv(x)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = repeated(Block())
                self.body = nn.Sequential(*self.blocks)

            def forward(self, x):
        """) + textwrap.indent(call, " " * 8)
    assert not channels_last_of(text).edges


def test_unproven_order_falls_back_to_channels_first() -> None:
    """Where what is called may be any layer, the program keeps PyTorch's order, and says so."""
    text = textwrap.dedent("""
        import torch.nn as nn

        class Net(nn.Module):
            def __init__(self, body: nn.Module):
                super().__init__()
                self.body = body
                self.conv = nn.Conv2d(3, 8, 3)

            def forward(self, x):
                for layer in self.body.children():
                    x = layer(x)
                return self.conv(x)
        """)
    translation = channels_last_of(text)
    found = [d for d in translation.diagnostics if d.code == "XL304"]
    assert [d.line for d in found] == [12]
    assert translation.text == translate(text, "torch2tf", layout="channels_first").text
    assert not translation.edges


def test_edges_say_what_changed_order() -> None:
    translation = channels_last_of(program("y = self.conv(x)\nreturn y, y.mean((2, 3)), y.permute(0, 2, 3, 1)"))
    found = [(e.owner, e.name, e.axes) for e in translation.edges if e.owner == "Net"]
    assert found == [("Net", "x", "NHWC"), ("Net", "return[0]", "NHWC")]


TWO_MODELS = """import torch
import torch.nn as nn
import torch.nn.functional as F

class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3)
    def forward(self, x):
        return self.c(x).mean((2, 3))

class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Linear(3, 4)
    def forward(self, x):
        return self.c(x)

def run(model, batches):
    out = []
    for x in batches:
        out.append(model(x))
    return out

def main():
    a = run(Conv(), [torch.ones(2, 3, 8, 9)])
    b = run(Mlp(), [torch.ones(2, 3)])
    return a, b
"""


def test_a_function_of_models_whose_inputs_differ_in_rank() -> None:
    pytest.importorskip("tensorflow")
    from translator.compare.program import load

    translation = channels_last_of(TWO_MODELS)
    assert not refused(translation)
    images, rows = load(translation.text, "two", wide=False).main()
    assert images[0].shape == (2, 4) and rows[0].shape == (2, 4)


def test_matrices_are_left_alone() -> None:
    text = "import torch.nn as nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    text += "        self.fc = nn.Linear(3, 4)\n\n    def forward(self, x):\n        return self.fc(x).t()\n"
    assert channels_last_of(text).text == translate(text, "torch2tf", layout="channels_first").text


def test_permutations() -> None:
    last = channels_last(4)
    assert letters(last) == "NHWC" and letters(channels_last(3)) == "NLC" and letters(channels_last(5)) == "NDHWC"
    assert between(last, last) is None and between((0, 1, 2, 3), last) == (0, 2, 3, 1)
    assert without(last, [1]) == (0, 1, 2) and without(last, [2, 3]) == (0, 1)
    assert inserted(last, 1) == (0, 3, 4, 1, 2) and inserted((0, 1), 2) == (0, 1, 2)
    assert rearranged(last, [0, 2, 3, 1]) == (0, 1, 2, 3)
    assert same_memory(last, (2, 5, 1, 1)) and not same_memory(last, (2, 5, 1, 3))


def test_a_layer_that_is_called_from_elsewhere_is_no_channels_last_layer() -> None:
    """What calls it converts nothing, so the whole program keeps source order, and says why."""
    translation = translate(
        program("return cp.checkpoint(self.grow, self.conv(x), use_reentrant=False)"), layout="channels_last"
    )
    (note,) = [d for d in translation.diagnostics if d.code == "XL304"]
    assert "a layer is called by a function that it is given to" in note.message
    assert 'data_format="channels_first"' in translation.text

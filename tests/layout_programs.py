"""Random PyTorch programs of operations that care about axis order, for hypothesis.

A program is a ``Net`` whose ``forward`` is a chain of statements. Each statement is executed in PyTorch while the
program grows, so that every size is known: no two axes of a tensor have the same size (size 1 apart), and what a wrong
axis would compute has the wrong shape or the wrong numbers.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from hypothesis import strategies as st

INPUT = (3, 8, 6, 10)

HEAD = """import torch
import torch.nn as nn
import torch.nn.functional as F
"""

PARTS = {
    "centred(": """
def centred(x, dim):
    return x - x.mean(dim, keepdim=True)
""",
    "gated(": """
def gated(x, gate):
    return x * torch.sigmoid(gate) + gate
""",
    "shuffled(": """
def shuffled(x, groups):
    n, c, h, w = x.size()
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)
""",
    "Block(": """
class Block(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, out, 3, padding=1)

    def forward(self, x):
        return self.conv(F.relu(self.norm(x)))
""",
}
"""Functions and a module that a program defines where it uses them."""

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
"""


@dataclass
class Growing:
    """A program that grows: lines of ``__init__`` and ``forward``, and the tensors that its names stand for."""

    draw: Callable[[Any], Any]
    layers: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tensors: dict[str, Any] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch

        exec("\n".join((HEAD, *PARTS.values())), self.scope)
        self.scope["self"] = torch.nn.Module()
        self.tensors["x"] = self.scope["x"] = torch.zeros(INPUT)

    # -- choices -------------------------------------------------------------------------------------

    def one(self, items: Any) -> Any:
        return self.draw(st.sampled_from(list(items)))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def name(self, rank: int | None = None) -> str | None:
        """A name of a tensor (of a rank), the newest ones more often."""
        names = [n for n, t in self.tensors.items() if rank in (None, t.ndim)]
        return self.one(names[-1:] * 3 + names) if names else None

    def axis(self, name: str, *, first: int = 0) -> int:
        """An axis as users write it: from the front or from the end."""
        rank = self.tensors[name].ndim
        axis = self.integer(first, rank - 1)
        return axis - rank if self.draw(st.booleans()) else axis

    # -- statements ----------------------------------------------------------------------------------

    def layer(self, made: str) -> str:
        """A layer of the model; its name in the program."""
        name = f"l{len(self.layers)}"
        self.layers.append(f"self.{name} = {made}")
        exec(self.layers[-1], self.scope)
        return f"self.{name}"

    def let(self, value: str, *, before: tuple[str, ...] = ()) -> bool:
        """``y = value``, unless it cannot be, gets too large or makes two sizes equal."""
        import torch

        target = f"y{len(self.lines)}"
        try:
            with torch.no_grad():
                exec("\n".join((*before, f"{target} = {value}")), self.scope)
        except (RuntimeError, ValueError, IndexError):
            return False
        found = self.scope[target]
        parts = list(found) if isinstance(found, tuple | list) else [found]
        if not all(_telling(p) for p in parts):
            return False
        if isinstance(found, tuple | list):
            names = [f"{target}{letter}" for letter in "abcdefgh"[: len(parts)]]
            if len(parts) > len(names) or len(parts) < 2:
                return False
            self.lines += [*before, f"{', '.join(names)} = {value}"]
        else:
            names = [target]
            self.lines += [*before, f"{target} = {value}"]
        for name, part in zip(names, parts, strict=True):
            self.tensors[name] = self.scope[name] = part
        return True

    # -- the whole -----------------------------------------------------------------------------------

    def leaves(self) -> list[str]:
        """The tensors that nothing uses: what a program returns, so that each statement counts."""
        used = {node.id for node in ast.walk(ast.parse("\n".join(self.lines))) if _is_read(node)}
        return [name for name in self.tensors if name not in used and name != "x"]

    def text(self, results: list[str]) -> str:
        layers = textwrap.indent("\n".join(self.layers or ["pass"]), " " * 8)
        lines = textwrap.indent("\n".join([*self.lines, f"return {', '.join(results)}"]), " " * 8)
        net = f"{NET}{layers}\n\n    def forward(self, x):\n{lines}\n"
        return "\n".join((HEAD, *(part for name, part in PARTS.items() if name in net), net))


def _is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _telling(tensor: Any) -> bool:
    """Whether sizes tell the axes apart, and the tensor is not too large to be quick."""
    sizes = [s for s in tensor.shape if s != 1]
    return len(set(sizes)) == len(sizes) and 0 < tensor.numel() < 20_000 and tensor.ndim <= 6


# -- operations ----------------------------------------------------------------------------------------


def convolution(g: Growing) -> bool:
    x = g.name(4)
    c = g.tensors[x].shape[1] if x else 0
    if not x or c % 2:
        return False
    out, kernel, stride = g.one((4, 8, 12, 16)), g.one((1, 3)), g.one((1, 1, 2))
    groups, bias = g.one((1, 1, 2)), g.one(("", ", bias=False"))
    made = f"nn.Conv2d({c}, {out}, {kernel}, stride={stride}, padding={kernel // 2}, groups={groups}{bias})"
    return g.let(f"{g.layer(made)}({x})")


def sequence(g: Growing) -> bool:
    x = g.name(4)
    if not x:
        return False
    c = g.tensors[x].shape[1]
    out = g.one((4, 8, 12))
    tail = g.one(
        (
            "nn.ReLU()",
            f"nn.BatchNorm2d({out}), nn.ReLU()",
            f"nn.Conv2d({out}, 16, 1), nn.Sigmoid()",
            f"Block({out}, 8)",
            "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(OUT, 5)".replace("OUT", str(out)),
            "nn.AdaptiveAvgPool2d((2, 5)), nn.Flatten(), nn.Linear(OUT, 7)".replace("OUT", str(out * 10)),
        )
    )
    return g.let(f"{g.layer(f'nn.Sequential(nn.Conv2d({c}, {out}, 3, padding=1), {tail})')}({x})")


def user_block(g: Growing) -> bool:
    x = g.name(4)
    return bool(x) and g.let(f"{g.layer(f'Block({g.tensors[x].shape[1]}, {g.one((4, 8, 12))})')}({x})")


def norm(g: Growing) -> bool:
    x = g.name(4)
    if not x:
        return False
    c = g.tensors[x].shape[1]
    made = [f"nn.BatchNorm2d({c})", f"nn.InstanceNorm2d({c}, affine=True)", f"nn.PReLU({c})"]
    made += [f"nn.GroupNorm({k}, {c})" for k in (2, 4) if c % k == 0]
    return g.let(f"{g.layer(g.one(made))}({x})")


def pool(g: Growing) -> bool:
    x = g.name(4)
    forms = (
        "F.max_pool2d({}, 2)",
        "F.avg_pool2d({}, 3, stride=2, padding=1)",
        "F.adaptive_avg_pool2d({}, (2, 5))",
        "F.max_pool2d({}, 3, 1, 1)",
        "F.interpolate({}, scale_factor=2, mode='nearest')",
        "F.interpolate({}, size=(7, 9), mode='bilinear', align_corners=False)",
        "F.pixel_shuffle({}, 2)",
        "F.adaptive_max_pool2d({}, 1)",
        "F.pad({}, (1, 0, 2, 1))",
    )
    return bool(x) and g.let(g.one(forms).format(x))


def pointwise(g: Growing) -> bool:
    x = g.name()
    forms = (
        "F.relu({})",
        "torch.sigmoid({})",
        "{} * 2 + 1",
        "{}.clamp(-0.5, 0.5)",
        "torch.where({0} > 0, {0}, 0.1 * {0})",
        "{} ** 2",
        "-{}",
        "F.gelu({})",
    )
    return g.let(g.one(forms).format(x))


def join(g: Growing) -> bool:
    x = g.name()
    axis = g.axis(x)
    others = [n for n, t in g.tensors.items() if t.ndim == g.tensors[x].ndim and _joins(t, g.tensors[x], axis)]
    other = g.one(others)
    form = g.one(("torch.cat([{}, {}], {})", "torch.cat(({}, F.relu({})), dim={})"))
    return g.let(form.format(x, other, axis))


def _joins(one: Any, other: Any, axis: int) -> bool:
    sizes = [list(t.shape) for t in (one, other)]
    for s in sizes:
        s[axis] = 0
    return sizes[0] == sizes[1]


def split(g: Growing) -> bool:
    x = g.name()
    axis = g.axis(x)
    size = g.tensors[x].shape[axis]
    cut = g.integer(1, max(1, size - 1))
    form = g.one(
        (
            f"{x}.chunk(2, dim={axis})",
            f"torch.split({x}, [{cut}, {size - cut}], {axis})",
            f"torch.split({x}, {cut}, dim={axis})",
        )
    )
    return g.let(form)


def reshape(g: Growing) -> bool:
    x = g.name()
    shape = list(g.tensors[x].shape)
    if len(shape) < 3:
        return False
    first = g.integer(0, len(shape) - 2)
    sizes: list[Any] = [f"{x}.shape[{i}]" if g.draw(st.booleans()) else s for i, s in enumerate(shape)]
    merged = [*sizes[:first], -1, *sizes[first + 2 :]]
    factor = g.one((2, 3))
    forms = [f"{x}.flatten({first}, {first + 1})", f"{x}.reshape({', '.join(map(str, merged))})", f"{x}.flatten(1)"]
    if shape[first] % factor == 0:
        parts = [*sizes[:first], factor, shape[first] // factor, *sizes[first + 1 :]]
        forms.append(f"{x}.reshape({', '.join(map(str, parts))})")
    return g.let(g.one(forms))


def permute(g: Growing) -> bool:
    x = g.name()
    rank = g.tensors[x].ndim
    order = g.draw(st.permutations(range(rank)))
    a, b = g.axis(x), g.axis(x)
    forms = [f"{x}.permute({', '.join(map(str, order))})", f"torch.transpose({x}, {a}, {b})", f"{x}.movedim({a}, {b})"]
    if rank == 4:
        forms += [f"{x}.permute(0, 2, 3, 1)", f"{x}.permute(0, 3, 1, 2)"]
    return g.let(g.one(forms))


def reduction(g: Growing) -> bool:
    x = g.name()
    axis = g.axis(x)
    keep = g.one(("", ", keepdim=True"))
    forms = [
        f"{x}.mean({axis}{keep})",
        f"torch.sum({x}, dim={axis}{keep})",
        f"{x}.amax(dim={axis}{keep})",
        f"{x}.max(dim={axis}{keep})[0]",
        f"F.softmax({x}, dim={axis})",
        f"torch.cumsum({x}, {axis})",
        f"F.normalize({x}, dim={axis})",
        f"{x}.std({axis}, unbiased=False{keep})",
        f"torch.norm({x}, dim={axis}{keep})",
    ]
    if g.tensors[x].ndim == 4:
        forms += [f"{x}.mean((2, 3){keep})", f"{x}.mean(dim=(-2, -1){keep})", f"{x}.sum((1, 3){keep})"]
    return g.let(g.one(forms))


def broadcast(g: Growing) -> bool:
    x = g.name(4)
    if not x:
        return False
    _, c, h, w = g.tensors[x].shape
    shape = g.one([(c, 1, 1), (1, c, 1, 1), (w,), (h, 1), (h, w), (c, h, w), (1, 1, h, 1), (c, 1, w)])
    forms = [
        f"{x} * {x}.mean((2, 3), keepdim=True)",
        f"{x} + {x}.mean((2, 3))[:, :, None, None]",
        f"{x} - {x}.amax(1, keepdim=True)",
        f"gated({x}, {x}.mean(1, keepdim=True))",
        f"{x} * {x}.mean((0, 2, 3)).view(1, -1, 1, 1)",
        f"{x} + torch.arange({x}.shape[-1], dtype={x}.dtype)",
        f"{x} + torch.arange({x}.shape[2], dtype={x}.dtype)[:, None]",
        f"{x} * {x}.mean((2, 3)).unsqueeze(-1).unsqueeze(-1)",
    ]
    if g.draw(st.booleans()):
        forms = [f"{x} * {g.layer(f'nn.Parameter(torch.randn({shape}))')}"]
    return g.let(g.one(forms))


def binary(g: Growing) -> bool:
    x, y = g.name(), g.name()
    return g.let(f"{x} {g.one('+-*')} {y}")


def subscript(g: Growing) -> bool:
    x = g.name()
    shape = g.tensors[x].shape
    parts = []
    for size in shape[: g.integer(1, len(shape))]:
        parts.append(g.one((":", ":", "1:", "::2", "None, :", f":{max(1, size - 1)}", "0", "-1")))
    if g.draw(st.booleans()) and len(parts) < len(shape):
        parts = ["...", *parts]
    return g.let(f"{x}[{', '.join(parts)}]")


def shape_change(g: Growing) -> bool:
    x = g.name()
    axis = g.axis(x)
    end = g.integer(0, g.tensors[x].ndim)
    forms = [
        f"{x}.unsqueeze({end})",
        f"torch.stack([{x}, {x} * 2], dim={end})",
        f"{x}.squeeze()",
        f"{x}.squeeze({axis})",
        f"torch.flip({x}, [{axis}])",
        f"torch.roll({x}, 1, {axis})",
        f"{x}.select({axis}, 0)",
        f"{x}.narrow({axis}, 0, 1)",
    ]
    return g.let(g.one(forms))


def einsum(g: Growing) -> bool:
    x = g.name()
    rank = g.tensors[x].ndim
    if not 2 <= rank <= 4:
        return False
    letters = "nchw"[:rank]
    kept = g.draw(st.permutations(letters))[: g.integer(1, rank)]
    if g.draw(st.booleans()):
        return g.let(f"torch.einsum('{letters}->{''.join(kept)}', {x})")
    return g.let(f"torch.einsum('{letters},{letters}->{''.join(kept)}', {x}, F.relu({x}))")


def attention(g: Growing) -> bool:
    x = g.name(4)
    if not x:
        return False
    q = f"q{len(g.lines)}"
    first = f"{q} = {x}.flatten(2)"
    c = g.tensors[x].shape[1]
    sizes = f"{x}.shape[0], {c}, {x}.shape[2], {x}.shape[3]"
    forms = [
        f"torch.bmm({q}, F.softmax(torch.bmm({q}.permute(0, 2, 1), {q}), -1)).view({sizes})",
        f"({q}.transpose(1, 2) * 2).transpose(1, 2).reshape({x}.size(0), {x}.size(1), {x}.size(2), -1)",
        f"{x}.permute(0, 2, 3, 1).reshape({x}.shape[0], -1, {c})",
        f"({q} @ F.softmax({q}.transpose(1, 2) @ {q}, dim=-1)).view_as({x})",
        f"torch.bmm({q}, {q}.transpose(1, 2)).mean(-1)",
        f"({q}.transpose(1, 2) @ F.softmax({q} @ {q}.transpose(1, 2), -1)).transpose(1, 2).reshape({x}.shape)",
    ]
    return g.let(g.one(forms), before=(first,))


def sized(g: Growing) -> bool:
    """Axes split and merged by sizes that are read from a shape, which may be that of another tensor."""
    x, other = g.name(4), g.name(4)
    if not x:
        return False
    c, h, w = g.tensors[x].shape[1:]
    named = [f"{a}{len(g.lines)}" for a in "nchw"]
    b, ch, hh, ww = named
    lines = [f"{', '.join(named)} = {other or x}.shape"]
    forms = [f"{x}.reshape({b}, {c}, -1)", f"{x}.reshape({b}, -1, {hh}, {ww})", f"{x}.reshape({b}, {ch}, {hh} * {ww})"]
    for factor in (2, 3):
        if h % factor == 0 and w % 2 == 0:
            forms.append(
                f"{x}.view({b}, {ch}, {hh} // {factor}, {factor}, {ww} // 2, 2).permute(0, 2, 4, 3, 5, 1)"
                f".reshape(-1, {2 * factor}, {ch})"
            )
        if c % factor == 0:
            split = f"{x}.view({b}, {factor}, {ch} // {factor}"
            forms.append(f"{split}, {hh}, {ww}).transpose(1, 2).reshape({b}, -1, {hh}, {ww})")
            forms.append(f"{split}, {hh} * {ww}).transpose(2, 3)")
    return g.let(g.one(forms), before=tuple(lines))


def linear(g: Growing) -> bool:
    x = g.name()
    width = g.tensors[x].shape[-1]
    return g.let(f"{g.layer(f'nn.Linear({width}, {g.one((5, 7, 9))})')}({x})")


def sequence_layer(g: Growing) -> bool:
    x = g.name(3)
    if not x:
        return False
    c = g.tensors[x].shape[1]
    made = g.one((f"nn.Conv1d({c}, 5, 3, padding=1)", f"nn.BatchNorm1d({c})", f"nn.LayerNorm({g.tensors[x].shape[2]})"))
    return g.let(f"{g.layer(made)}({x})")


def helper(g: Growing) -> bool:
    x = g.name()
    forms = [f"centred({x}, {g.axis(x)})"]
    if g.tensors[x].ndim == 4 and g.tensors[x].shape[1] % 2 == 0:
        forms.append(f"shuffled({x}, 2)")
    return g.let(g.one(forms))


def two_layouts(g: Growing) -> bool:
    """One function called with a feature map and with the same one whose axes the source has moved."""
    x = g.name(4)
    return bool(x) and g.let(f"centred({x}.permute(0, 2, 3, 1), 1)", before=(f"m{len(g.lines)} = centred({x}, 1)",))


def loop(g: Growing) -> bool:
    x = g.name(4)
    if not x:
        return False
    c = g.tensors[x].shape[1]
    conv, z = g.layer(f"nn.Conv2d({c}, {c}, 3, padding=1)"), f"z{len(g.lines)}"
    return g.let(f"{z} + 1", before=(f"{z} = {x}", "for _ in range(2):", f"    {z} = F.relu({conv}({z})) + {z}"))


def branch(g: Growing) -> bool:
    x = g.name()
    z = f"z{len(g.lines)}"
    one, other = g.one((f"{x} * 2", f"F.relu({x})", f"centred({x}, 1)")), g.one((f"{x} + 1", f"torch.flip({x}, [-1])"))
    if g.tensors[x].ndim < 2:
        return False
    lines = (f"if {x}.shape[1] > 5:", f"    {z} = {one}", "else:", f"    {z} = {other}")
    return g.let(f"{z} * 1.5", before=lines)


def written_in_place(g: Growing) -> bool:
    x = g.name(4)
    z = f"z{len(g.lines)}"
    part = g.one((":, 0", ":, :, 1:", "..., 0", ":, :2"))
    return bool(x) and g.let(f"{z} + 1", before=(f"{z} = {x} * 1", f"{z}[{part}] = {g.one(('0', '0.5'))}"))


def collected(g: Growing) -> bool:
    x = g.name(4)
    z = f"z{len(g.lines)}"
    lines = (f"{z} = [{x}]", "for _ in range(2):", f"    {z}.append(F.relu({z}[-1]) * 0.5)")
    return bool(x) and g.let(f"torch.cat({z}, {g.axis(x)})", before=lines)


OPERATIONS = (
    convolution,
    convolution,
    convolution,
    sequence,
    user_block,
    norm,
    pool,
    pointwise,
    join,
    split,
    reshape,
    permute,
    reduction,
    broadcast,
    binary,
    subscript,
    shape_change,
    einsum,
    attention,
    sized,
    linear,
    sequence_layer,
    helper,
    two_layouts,
    loop,
    branch,
    written_in_place,
    collected,
)


@st.composite
def programs(draw: Callable[[Any], Any]) -> str:
    """The text of a program of a convolution and up to nine operations after it."""
    g = Growing(draw)
    made = f"nn.Conv2d({INPUT[1]}, {g.one((4, 8, 12))}, 3, padding=1)"
    assert g.let(f"{g.layer(made)}(x)")
    for _ in range(g.integer(1, 9)):
        layers = len(g.layers)
        if not g.one(OPERATIONS)(g):
            del g.layers[layers:]
    return g.text(g.leaves())

"""What the inference knows of einops patterns: ranks and sizes of the right side."""

import pytest

from translator import translate
from translator.infer.einops_results import pattern_dims
from translator.values import STATIC, Tensor

IMAGE = Tensor(dims=(None, 3, 8, 6))


@pytest.mark.parametrize(
    ("pattern", "x", "sizes", "dims"),
    [
        ("b c h w -> b h w c", IMAGE, {}, (None, 8, 6, 3)),
        ("b c h w -> b (h w) c", IMAGE, {}, (None, 48, 3)),
        ("b c h w -> (b h) w", IMAGE, {}, (None, 6)),
        ("b c (h p) w -> b (p c) h w", IMAGE, {"p": 2}, (None, 6, STATIC, 6)),
        ("b n (h d) -> b h n d", Tensor(dims=(None, None, STATIC)), {"h": STATIC}, (None, STATIC, None, STATIC)),
        ("d -> b n d", Tensor(dims=(5,)), {"b": None, "n": 1}, (None, 1, 5)),
        ("b c h w -> b 1 c ()", IMAGE, {}, (None, 1, 3, 1)),
        ("... c -> c ...", IMAGE, {}, None),
        ("b c -> c b", None, {}, (None, None)),
    ],
)
def test_pattern_dims(pattern, x, sizes, dims):
    assert pattern_dims(pattern, x, sizes) == dims


def test_methods_of_a_result_are_translated():
    source = """import torch
from einops import rearrange


def f(x: torch.Tensor):
    return rearrange(x, "b n (h d) -> b h n d", h=2).transpose(2, 3)
"""
    result = translate(source)
    assert not result.diagnostics
    assert 'tf.transpose(rearrange(x, "b n (h d) -> b h n d", h=2), (0, 1, 3, 2))' in result.text

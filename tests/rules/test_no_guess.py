"""What looks like the framework's but may be another library's is not rewritten; what a call hides is not dropped."""

from __future__ import annotations

import pytest

from snippets import refuses
from translator import translate

HEAD = "import torch\nfrom torch import nn\n\n\n"

KEPT = {
    "a library behind a function": (
        "np = skip('numpy')\n\n\ndef f(a):\n    return np.random.rand(2), np.allclose(a, 1.0)\n", "np.allclose(a, 1.0)",
    ),
    "more arguments than a tensor takes": ("def f(ctx, g):\n    return ctx.hypot(g, 1)\n", "ctx.hypot(g, 1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    source, wanted = KEPT[name]
    result = translate(HEAD + source + "x = torch.ones(2)\n")
    assert wanted in result.text and "is_tensor" not in result.text
    assert "tf.ones(" in result.text or "ops.ones(" in result.text


ASKED = {
    "a table has names for columns": "def f(df):\n    return df['a'] + 1, df.diff(1)\n",
    "a method that no tensor has": "def f(df):\n    df = df.dropna()\n    return df, df.diff(1)\n",
    "no sizes are given": "def f(e):\n    return e, e.expand()\n",
}


@pytest.mark.parametrize("name", ASKED)
def test_asked(name: str) -> None:
    """It may be a tensor all the same: the program asks."""
    last = ASKED[name].rstrip().rpartition(", ")[2]
    result = translate(HEAD + ASKED[name])
    assert f"if tf.is_tensor({last.partition('.')[0]}) else {last}" in result.text
    assert "dropna() if" not in result.text and not result.refused


def test_kinds_that_a_function_tells_apart_say_nothing() -> None:
    source = "def f(x):\n    if hasattr(x, 'parts'):\n        return x.parts\n    return x.unsqueeze(0)\n"
    assert "tf.expand_dims(x, 0)\n" in translate(HEAD + source).text


@pytest.mark.parametrize(
    "call",
    [
        "x.expand(3, **kw)", "x.view(3, **kw)", "x.permute(0, **kw)", "x.transpose(0, 1, **kw)", "x.item(**kw)",
        "torch.tensor(3, **kw)", "torch.meshgrid(x, x, **kw)", "torch.einsum('i,i->', x, x, **kw)", "x.flip(0, **kw)",
    ],
)  # fmt: skip
def test_hidden_arguments_are_not_dropped(call: str) -> None:
    refuses(f"import torch\ndef f(x: torch.Tensor, kw):\n    return {call}\n", "XL202", 3)


def test_a_target_that_is_an_expression_is_no_value() -> None:
    refuses("import torch\nkind = torch.finfo\n", "XL204", 2)


def test_the_base_class_of_another_library_is_built() -> None:
    source = "import keras\nfrom rl import Learner\n\n\nclass Mine(Learner):\n    def build(self):\n" \
        "        super().build()\n        self.n = keras.ops.ones(3)\n"  # fmt: skip
    assert "super().build()" in translate(source, "tf2torch").text
    known = source.replace("(Learner)", "(keras.layers.Layer)").replace("build(self)", "build(self, shape)")
    assert "super().build()" not in translate(known, "tf2torch").text


def test_a_name_that_the_program_does_not_bind_is_its_own() -> None:
    source = "import tensorflow as tf\nfrom mine import *\n\n\ndef f(a):\n    return E(a) and F(a)\n"
    assert "functional" not in translate(source, "tf2torch").text
    both = source + "\n\nx = tf.nn.relu(tf.ones(2))\n"
    assert ("functional as F" in translate(both, "tf2torch").text) == ("F.relu" in translate(both, "tf2torch").text)


@pytest.mark.parametrize(
    "form",
    [
        "x.detach() if x is not None else None", "(x.mean(), x.size(0))", "x.diff(1)", "[y.mean() for y in x]",
        "(lambda s: s.detach().numpy())(x)",
    ],
)  # fmt: skip
def test_what_asks_already_is_not_asked_again(form: str) -> None:
    source = f"import torch\n\n\ndef f(x):\n    return {form}\n"
    first = translate(source + "\n\ndef g(df):\n    return df['a'], df.diff(1)\n")
    again = translate("import torch\n" + first.text)
    assert "tf.is_tensor(df)" in first.text
    assert again.text.replace("import torch\n", "") == first.text

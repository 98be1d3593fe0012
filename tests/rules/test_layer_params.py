"""Weights of layers that Keras builds later: frozen, copied into, initialised by name, copied with their layer."""

from __future__ import annotations

import pytest

from snippets import body, refuses, run

HEAD = "import copy\nimport torch\nimport torch.nn as nn\nfrom torch.utils.checkpoint import checkpoint\n"
MODEL = HEAD + """
class Net(nn.Module):
    def __init__(self, table):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.proj = nn.Linear(3, 3)
        self.lstm = nn.LSTM(3, 4)
        {line}
"""

LINES = [
    ("self.embed.weight.requires_grad = False", "self.embed.trainable = False"),
    ("self.embed.weight.requires_grad_(False)", "self.embed.trainable = False"),
    ("self.embed.weight.data.copy_(table)", "self.embed.embeddings_initializer = keras.initializers.Constant(table)"),
    (
        "self.proj.weight.data.copy_(table)",
        "self.proj.kernel_initializer = keras.initializers.Constant(tf.transpose(table))",
    ),
    (
        "for n, p in self.named_parameters():\n"
        "            if n.endswith('proj.weight'):\n                nn.init.ones_(p)",
        "for n, layer in named_layers(self):\n"
        '            if n.endswith("proj"):\n                layer.kernel_initializer = "ones"',
    ),
    (
        "for n, p in self.lstm.named_parameters():\n            nn.init.zeros_(p)",
        "for n, p in [(v.name, v) for v in self.lstm.variables]:\n            zeros_(p)",
    ),
    ("mask = torch.ones(3) if table else None\n        self.register_buffer('mask', mask)",
     "self.mask = keras.Variable(mask, trainable=False) if mask is not None else None"),
    ("self.register_buffer('mask', torch.ones(3) if table else None)",
     "self.mask = keras.Variable(keras.ops.ones((3,)), trainable=False) if table else None"),
    ("self.register_buffer('mask', None)", "self.mask = None"),
    ("self.other = copy.deepcopy(self.proj)", "self.other = clone_layer(self.proj)"),
    ("self.other = copy.deepcopy({'a': 1})", "self.other = copy.deepcopy({'a': 1})"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), LINES, ids=range(len(LINES)))
def test_line(line: str, expected: str) -> None:
    translation = run(MODEL.replace("{line}", line))
    assert not [d for d in translation.diagnostics if d.severity == "error"], translation.diagnostics
    assert expected in body(translation), body(translation)


REFUSED = [
    ("self.proj.weight.requires_grad = False", "XL207"),
    ("self.n = sum(p.numel() for p in self.parameters())", "XL207"),
    ("self.n = table.head.in_features", "XL207"),
    ("self.norm = nn.LayerNorm(3); print(self.norm.weight.sum())", "XL207"),
    ("for n, p in self.named_parameters():\n            if 'proj' in n:\n                nn.init.ones_(p)", "XL203"),
    ("for n, p in self.named_parameters():\n            if n[0]:\n                nn.init.ones_(p)", "XL203"),
]


@pytest.mark.parametrize(("line", "code"), REFUSED, ids=range(len(REFUSED)))
def test_refused(line: str, code: str) -> None:
    refuses(MODEL.replace("{line}", line), code, 12)


def test_value_of_a_built_layer_is_not_set_by_an_initializer() -> None:
    source = MODEL.replace("{line}", "pass")
    source += "\n    def load(self, table):\n        self.embed.weight.data.copy_(table)\n"
    refuses(source, "XL207", 15)


def test_checkpoint_asks_no_gradient() -> None:
    source = HEAD + (
        "def f(g, save: bool, xs: list[torch.Tensor]):\n"
        "    if save and any(x.requires_grad for x in xs):\n"
        "        return checkpoint(g, *xs)\n"
        "    return g(*xs)\n"
    )
    assert "    if save:\n        return tf.recompute_grad(g)(*xs)\n" in run(source).text


def test_imports_of_the_standard_library_go_with_their_last_use() -> None:
    source = HEAD.replace("import copy", "import copy, os\nfrom math import sqrt, floor") + (
        "class Net(nn.Module):\n    def __init__(self, layer):\n        super().__init__()\n"
        "        self.a = copy.deepcopy(layer.a)\n        self.b = copy.deepcopy(nn.Linear(3, floor(3.5)))\n"
    )
    text = run(source).text
    assert "import copy, os\nfrom math import sqrt, floor\n" in text  # what is perhaps no layer is copied as it was
    source = source.replace("        self.a = copy.deepcopy(layer.a)\n", "")
    text = run(source).text
    assert "import os\nfrom math import sqrt, floor\n" in text
    assert "import copy" not in text


def test_copies_by_a_function_keep_their_classes() -> None:
    source = HEAD + (
        "def clones(m, n):\n    return nn.ModuleList([copy.deepcopy(m) for _ in range(n)])\n\n"
        "class One(nn.Module):\n    def forward(self, x, f):\n        return f(x)\n\n"
        "class Two(nn.Module):\n    def forward(self, x, g):\n        return g(x)\n\n"
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = clones(One(), 2)\n        self.b = clones(Two(), 2)\n\n"
        "    def forward(self, x):\n        return self.b[0](self.a[0](x, abs), lambda y: y)\n"
    )
    assert "return self.b[0](self.a[0](x, f=abs), g=lambda y: y)" in run(source).text


MODES = HEAD + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(x)

    def predict(self, x):
        {before}
        y = self.drop(self(x))
        {after}
        return y

net = Net()
net.predict(torch.ones(3))
"""


@pytest.mark.parametrize("after", ["self.train(was)", "if was:\n            self.train()"])
def test_own_mode(after: str) -> None:
    source = MODES.replace("{before}", "was = self.training\n        self.eval()").replace("{after}", after)
    translation = run(source)
    assert not [d for d in translation.diagnostics if d.severity == "error"], translation.diagnostics
    expected = """
    def predict(self, x):
        y = self.drop(self(x, training=False), training=False)
        return y
"""
    assert expected in translation.text
    assert "net.predict(keras.ops.ones((3,)))" in translation.text


def test_own_mode_that_stays_is_refused() -> None:
    refuses(MODES.replace("{before}", "self.eval()").replace("{after}", "y = y + 1"), "XL221", 15)


def test_method_of_a_training_model_takes_the_mode() -> None:
    text = run(MODES.replace("{before}", "x = x + 1").replace("{after}", "y = y + 1")).text
    assert "def predict(self, x, training=None):\n" in text
    assert "y = self.drop(self(x, training=training), training=training)" in text
    assert "net.predict(keras.ops.ones((3,)), training=True)" in text


def test_gradcheck_tells_wrong_gradients() -> None:
    tf = pytest.importorskip("tensorflow")
    from translator.helpers.tf.autograd import gradcheck

    x, w = tf.constant([0.3, -1.2, 2.0], tf.float64), tf.constant([2, 3, 4])

    @tf.custom_gradient
    def wrong(x):
        return x * x, lambda upstream: upstream * 3 * x

    assert gradcheck(lambda x, w: (tf.sin(x), x * tf.cast(w, x.dtype)), (x, w))
    assert gradcheck(tf.exp, x)
    assert not gradcheck(wrong, (x,), raise_exception=False)
    with pytest.raises(RuntimeError):
        gradcheck(lambda x: (x, wrong(x)), (x,))


def test_named_layers_go_through_sequentials() -> None:
    keras = pytest.importorskip("tensorflow").keras
    from translator.helpers.tf.container import Sequential
    from translator.helpers.tf.named import named_layers

    net = Sequential({"a": keras.layers.Dense(1), "b": keras.Sequential([keras.layers.ReLU(), keras.layers.Dense(2)])})
    assert [path for path, _ in named_layers(net)] == ["", "a", "b", "b.0", "b.1"]


COUNT = "sum(math.prod(keras.ops.shape(p)) for p in trainable_variables({}))"


def test_parameters_before_and_after_the_first_call() -> None:
    source = HEAD + (
        "net = nn.Linear(3, 2)\nx = torch.ones(4, 3)\n{line}\nn = sum(p.numel() for p in net.parameters())\n"
    )
    refuses(source.replace("{line}", "net.eval()"), "XL207", 8)
    assert "for p in net.trainable_variables)" in run(source.replace("{line}", "y = net(x)")).text
    assert COUNT.format("net") in run(source.replace("{line}", "x = helper(net, x)")).text
    text = run(HEAD + "def count(net: nn.Module):\n    return sum(p.numel() for p in net.parameters())\n").text
    assert COUNT.format("net") in text


def test_parameters_of_an_unbuilt_model_are_an_error() -> None:
    keras = pytest.importorskip("tensorflow").keras
    from translator.helpers.tf.named import trainable_variables

    net = keras.Sequential([keras.layers.Dense(2), keras.layers.ReLU()])
    with pytest.raises(RuntimeError, match="call the model"):
        trainable_variables(net)
    net(keras.ops.ones((1, 3)))
    assert [v.shape for v in trainable_variables(net)] == [(3, 2), (2,)]


def test_named_children_are_attributes_and_steps_once_each() -> None:
    keras = pytest.importorskip("tensorflow").keras
    from translator.helpers.tf.container import Sequential
    from translator.helpers.tf.named import named_children, named_layers

    class Net(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self._first = keras.layers.Dense(1)
            self.steps = Sequential({"a": keras.layers.ReLU(), "b": self._first})
            self.same = self._first
            self.blocks = [keras.layers.Dense(2), keras.layers.Dense(3)]
            self.sizes = [1, 2]

    net = Net()
    assert [name for name, _ in named_children(net)] == ["_first", "steps", "blocks"]
    assert [name for name, _ in named_children(net.steps)] == ["a", "b"]
    paths = [path for path, _ in named_layers(net)]
    assert paths == ["", "_first", "steps", "steps.a", "steps.b", "blocks.0", "blocks.1"]


SETTINGS = HEAD + """
class Same(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) / (self.stride[0] * self.dilation[1] * self.kernel_size[1])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (3, 5), stride=(2, 1), dilation=(1, 2))
        self.same = Same(4, 4, (3, 2), stride=2)
        self.deep = nn.Conv2d(4, 4, 3, stride=3, groups=4, padding=1)

    def forward(self, x):
        c, d = self.conv, self.deep
        x = c(x) * c.stride[0] / c.dilation[1] + c.kernel_size[1]
        return d(self.same(x)) * d.stride[0] * d.kernel_size[1]
"""


def test_settings_of_layers_are_read_under_their_names_in_keras() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    from translator.compare import compare_program

    translation = run(SETTINGS)
    assert "c.strides[0] / c.dilation_rate[1] + c.kernel_size[1]" in translation.text
    result = compare_program(
        SETTINGS, translation.text, "Net", {}, [{"x": "float[2,3,16,20]"}], edges=translation.edges, graph=False,
        single=False, train=False,
    )  # fmt: skip
    assert result.ok, f"\n{result}"


@pytest.mark.parametrize("name", ["padding", "padding_mode", "groups"])
def test_settings_that_keras_does_not_keep_are_refused(name: str) -> None:
    refuses(SETTINGS.replace("c.stride[0]", f"c.{name}[0]"), "XL207", 20)

"""Names are resolved, never recognised by their spelling."""

from __future__ import annotations

import pytest

from snippets import body, refuses, rewrites, run, stays

REWRITE = [
    ("import torch\ny = torch.abs(x)", "y = tf.abs(x)"),
    ("import torch as t\ny = t.abs(x)", "y = tf.abs(x)"),
    ("from torch import abs as magnitude\ny = magnitude(x)", "y = tf.abs(x)"),
    ("import torch.nn as nn\nlayer = nn.ReLU()", "layer = keras.layers.ReLU()"),
    ("from torch import nn\nlayer = nn.ReLU(inplace=True)", "layer = keras.layers.ReLU()"),
    ("from torch.nn import Linear as L\nlayer = L(3, 4, bias=False)", "layer = keras.layers.Dense(4, use_bias=False)"),
    ("import torch.nn\nlayer = torch.nn.Linear(3, out_features=4)", "layer = keras.layers.Dense(4)"),
    ("def f(x):\n    import torch\n    return torch.abs(x)", "def f(x):\n    return tf.abs(x)"),
    (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n\ny = 1",
        "try:\n    pass\nexcept ImportError:\n    torch = None\n\ny = 1",
    ),
]


@pytest.mark.parametrize(("source", "expected"), REWRITE, ids=range(len(REWRITE)))
def test_rewrites(source: str, expected: str) -> None:
    rewrites(source, expected)


STAY = [
    # no torch at all
    "import numpy as np\ny = np.abs(x)\n",
    # a class of the user's with torch's names
    "class nn:\n    class Linear:\n        pass\n\nlayer = nn.Linear()\ntorch = 3\n",
    # a parameter that shadows
    "def f(torch, nn):\n    return torch.abs(nn.Linear(3, 4))\n",
    # a list has methods that tensors have too
    "parts = [3, 1, 2]\nparts.sort()\nn = parts.index(3)\nname = 'torch'.split('o')\n",
    # the word in a string or a comment
    "# torch is not used here\ntext = 'import torch'\n",
]


@pytest.mark.parametrize("source", STAY, ids=range(len(STAY)))
def test_stays(source: str) -> None:
    stays(source)


REFUSE = [
    ("from torch import *\ny = abs(x)\n", "XL213", 1),
    ("import torch.nn as nn\nlayer = getattr(nn, name)(3)\n", "XL204", 2),
    ("import torch\ny = torch.not_there(x)\n", "XL200", 2),
    ("import torch\ny = torch.abs(*args)\n", "XL202", 2),
    ("import torch\ny = torch.sum(x, **options)\n", "XL202", 2),
    ("import torch\ny = x.unsqueeze(*where)\n", "XL202", 2),
]


@pytest.mark.parametrize(("source", "code", "line"), REFUSE, ids=range(len(REFUSE)))
def test_refuses(source: str, code: str, line: int) -> None:
    refuses(source, code, line)


def test_a_tensor_method_of_something_unknown_is_said_wherever_it_stands() -> None:
    refuses("import torch\n\n\ndef f(thing):\n    return thing().sum(0)\n", "XL205", 5)


TYPE_TESTS = {
    "isinstance(x, torch.Tensor)": "tf.is_tensor(x)",
    "isinstance(x, (torch.Tensor,))": "tf.is_tensor(x)",
    "isinstance(x, (torch.Tensor, list))": "tf.is_tensor(x) or isinstance(x, list)",
    "isinstance(x, (int, torch.Tensor, float))": "tf.is_tensor(x) or isinstance(x, (int, float))",
}


@pytest.mark.parametrize("test", TYPE_TESTS)
def test_parameters_are_tensors(test: str) -> None:
    """A Keras variable is no `tf.Tensor`."""
    rewrites(f"import torch\ndef f(x):\n    return {test}", f"def f(x):\n    return {TYPE_TESTS[test]}")
    refuses("import torch\ndef f(x):\n    return isinstance(x(), (torch.Tensor, list))", "XL209", 3)


IN_PLACE = {
    "F.relu_(x)": "x = tf.nn.relu(x)",
    "F.leaky_relu_(x, 0.2)": "x = tf.nn.leaky_relu(x, alpha=0.2)",
    "torch.relu_(x)": "x = tf.nn.relu(x)",
    "F.relu(x, inplace=True)": "x = tf.nn.relu(x)",
}


@pytest.mark.parametrize("line", IN_PLACE)
def test_functions_that_work_in_place(line: str) -> None:
    """As a statement they are an assignment, unless something else sees the memory that changes."""
    head = "import torch\nimport torch.nn.functional as F\ndef f(x: torch.Tensor):\n"
    rewrites(f"{head}    {line}\n    return x", f"def f(x: tf.Tensor):\n    {IN_PLACE[line]}\n    return x")
    refuses(f"{head}    y = x.view(-1)\n    {line}\n    return y", "XL206", 5)


def test_whether_a_function_works_in_place_is_not_guessed() -> None:
    head = "import torch\nimport torch.nn.functional as F\n"
    refuses(f"{head}def f(x: torch.Tensor, flag):\n    F.relu(x, inplace=flag)\n    return x", "XL206", 4)


def test_old_names_of_initialisers() -> None:
    head = "import torch.nn as nn\nlayer = nn.Linear(3, 4)\nnn.init."
    rewrites(head + "constant(layer.bias, 2.0)", body(run(head + "constant_(layer.bias, 2.0)")))
    rewrites(head + "xavier_uniform(layer.weight)", body(run(head + "xavier_uniform_(layer.weight)")))

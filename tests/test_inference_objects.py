"""What inference knows of objects that a program makes in roundabout ways: seen by where channels last is proven."""

from __future__ import annotations

import textwrap

import libcst as cst
import pytest

from translator import Severity, translate
from translator.infer.scope import Scope
from translator.values import Api, Instance, Union, UserClass, elem_of, join, options_of

HEAD = """
from collections import namedtuple
from dataclasses import dataclass
from typing import Callable, Optional

from torch import nn
"""


def proven(text: str) -> None:
    """The program is translated with channels last throughout."""
    found = translate(HEAD + textwrap.dedent(text), "torch2tf", layout="channels_last")
    assert not [str(d) for d in found.diagnostics if d.severity is Severity.ERROR or d.code == "XL304"]
    assert "channels_first" not in found.text


def test_attributes_under_names_of_which_nothing_is_seen() -> None:
    proven("""
        class Net(nn.Module):
            def __init__(self, repeats, channels):
                super().__init__()
                self.stage2: nn.Sequential
                names = [f"stage{i}" for i in [2, 3]]
                for name, n, out in zip(names, repeats, channels[1:]):
                    seq = [nn.Conv2d(3, out, 1)]
                    for i in range(n - 1):
                        seq.append(nn.Conv2d(out, out, 1))
                    setattr(self, name, nn.Sequential(*seq))

            def forward(self, x):
                return self.stage3(self.stage2(x))
        """)


def test_fields_that_a_subclass_hands_to_a_dataclass() -> None:
    proven("""
        @dataclass
        class Base:
            channels: int
            block: Callable[..., nn.Module]

        class Config(Base):
            def __init__(self, channels: int, block: Optional[Callable[..., nn.Module]] = None) -> None:
                if block is None:
                    block = Block
                super().__init__(channels, block)

        class Block(nn.Module):
            def __init__(self, config: Base):
                super().__init__()
                self.conv = nn.Conv2d(config.channels, config.channels, 3)

            def forward(self, x):
                return self.conv(x)

        class Net(nn.Module):
            def __init__(self, config: Config):
                super().__init__()
                layers: list[nn.Module] = [nn.Conv2d(3, config.channels, 3)]
                layers.append(config.block(config))
                self.body = nn.Sequential(*layers)

            def forward(self, x):
                return self.body(x)

        def small():
            return Net(Config(8))
        """)


def test_a_list_of_classes_that_stands_for_a_missing_argument() -> None:
    proven("""
        Out = namedtuple("Out", ["logits", "extra"])

        class Block(nn.Module):
            def __init__(self, n, m):
                super().__init__()
                self.conv = nn.Conv2d(n, m, 3)

            def forward(self, x):
                return self.conv(x)

        class Net(nn.Module):
            def __init__(self, blocks: Optional[list[Callable[..., nn.Module]]] = None):
                super().__init__()
                if blocks is None:
                    blocks = [Block, nn.ReLU]
                first = blocks[0]
                self.conv = first(3, 8)

            def forward(self, x):
                x = self.conv(x)
                return Out(x.mean((2, 3)), x.sum((2, 3)))
        """)


def test_containers_that_may_hold_their_own_class_are_joined() -> None:
    """What a class's own code adds is known of the class: following it from object to object would not end."""
    node = cst.ensure_type(cst.parse_statement("class Box(nn.ModuleDict): pass"), cst.ClassDef)
    box, linear = UserClass("Box", node, Scope("module", "m")), Instance(Api("torch.nn.Linear"))
    one, other = Instance(box, elem=Union((Instance(box), linear))), Instance(box)
    box.attrs["<children>"] = Instance(Api("torch.nn.ModuleDict"), {}, None, Union((one, other, linear)))
    both = join(one, other)
    assert isinstance(both, Instance) and both.cls is box
    assert linear in options_of(elem_of(both))


@pytest.mark.parametrize(
    "line",
    [
        "vals = pd.read_csv('x.csv')['c'].unique()",
        "d = pd.read_csv('x.csv'); e = (d['a'] - d['b']).abs()",
        "s = re.compile('a').match('b').expand('x')",
        "logging.getLogger('x').log(10, 'text')",
        "f = io.TextIOWrapper(open('x')); g = f.detach()",
        "c = collections.Counter('ab'); c.subtract(c)",
        "q = f(1).log(10, 'text')",
        "q = f(1).cross(b'', 2)",
        "if type(f(1)).__name__ == 'NullImporter': pass",
        "if '_Pure' in type(f(1)).__name__: pass",
        "z = f(1).numpy().item()",
    ],
)
def test_what_other_libraries_give_is_no_tensor(line: str) -> None:
    """Methods that only tensors have among the builtins' and NumPy's types: `unique`, `abs`, `sub`, `detach` ..."""
    text = "import collections, io, logging, re\nimport pandas as pd\nimport torch\nfrom g import f\n\n"
    result = translate(f"{text}x = torch.relu(f(2))\n{line}\n")
    assert line in result.text
    assert not result.diagnostics

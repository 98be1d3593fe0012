"""The data that flows between the stages: plain, frozen, picklable values.

Nothing here imports another module of the package, so that every stage, the command line and the
reports can share these types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

INTERNAL = "XL900"
"""The code of a defect of ours."""


class Direction(StrEnum):
    """Which framework is read and which is written."""

    TORCH2TF = "torch2tf"
    TF2TORCH = "tf2torch"

    @property
    def source(self) -> str:
        """The framework that is read: ``"torch"`` or ``"tf"``."""
        return "torch" if self is Direction.TORCH2TF else "tf"

    @property
    def target(self) -> str:
        """The framework that is written: ``"tf"`` or ``"torch"``."""
        return "tf" if self is Direction.TORCH2TF else "torch"


class Layout(StrEnum):
    """The axis order of image, volume and sequence tensors in the TensorFlow program."""

    CHANNELS_FIRST = "channels_first"
    CHANNELS_LAST = "channels_last"


class Fidelity(StrEnum):
    """How much of the source's behaviour is kept beyond outputs and gradients."""

    IDIOMATIC = "idiomatic"
    EXACT = "exact"


class Style(StrEnum):
    """What a training loop of PyTorch's becomes."""

    LOOP = "loop"
    FIT = "fit"


class Severity(StrEnum):
    """How bad a diagnostic is: a refusal is an error, a listed deviation a note."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Status(StrEnum):
    """What became of one file."""

    TRANSLATED = "translated"
    PARTIAL = "partial"
    UNCHANGED = "unchanged"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Options:
    """What a translation depends on besides the text and the tables."""

    direction: Direction = Direction.TORCH2TF
    layout: Layout = Layout.CHANNELS_LAST
    fidelity: Fidelity = Fidelity.IDIOMATIC
    style: Style = Style.LOOP
    helpers_module: str | None = None
    """Name of the project's shared helper module; ``None`` inlines helpers in each file."""
    outputs: str = "clear"
    """What becomes of the outputs of a notebook that changes: ``"clear"`` or ``"keep"``."""
    mappings: tuple[str, ...] = ()
    """Paths of users' own tables; their rows win over the shipped ones."""
    keep_io_layout: bool = False
    """Whether models take and give tensors in the source's axis order where they are called from outside."""


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One finding at one place of the source. Lines and columns start at 1."""

    line: int
    column: int
    code: str
    severity: Severity
    message: str
    hint: str = ""
    cell: int = 0
    """In a notebook, the cell that the line is counted in, from 1; 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many uses of the source framework's API were seen, and what became of them."""

    seen: int = 0
    translated: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, order=True)
class ApiUse:
    """How often one file calls one API of the source framework."""

    name: str
    """Qualified name, e.g. ``"torch.nn.Linear"``."""
    calls: int
    refused: int = 0
    """At how many of the calls a refusal was reported."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor that enters or leaves a translated model, and its axis order there."""

    owner: str
    """Qualified name of the class or function, e.g. ``"ResNet"``."""
    name: str
    """Parameter name, or ``"return"``."""
    axes: str
    """Axis letters in the translated program's order, e.g. ``"NHWC"``."""


@dataclass(frozen=True, slots=True)
class Translation:
    """The result for one file."""

    text: str
    status: Status
    diagnostics: tuple[Diagnostic, ...] = ()
    counts: Counts = Counts()
    edges: tuple[Edge, ...] = ()
    helpers: tuple[str, ...] = ()
    """Names of the helpers that the text needs (already inlined unless a helper module is used)."""
    renames: dict[str, str] = field(default_factory=dict)
    """``"Class.attribute"`` to the attribute's new name, where the target reserves the old one."""
    encoding: str = "utf-8"
    bom: bool = False
    apis: tuple[ApiUse, ...] = ()
    """The calls of the source framework's API, by name."""

    @property
    def data(self) -> bytes:
        """The text in the encoding, and with the byte order mark, of its source."""
        raw = self.text.encode(self.encoding)
        return b"\xef\xbb\xbf" + raw if self.bom else raw

    @property
    def refused(self) -> bool:
        """Whether any part of the source was left untranslated."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)


class InputError(Exception):
    """A file that cannot be translated for a reason outside of the tool: say where, what, what to do."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1, code: str = "XL001", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.code = code
        self.hint = hint
        self.trace = ""
        """The traceback, if it is a crash of our own."""
        self.passing = False
        """Whether another run may end otherwise: the machine failed (no memory, a killed process), not the program."""

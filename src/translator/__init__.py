"""xlate: translates deep-learning source code between PyTorch and TensorFlow/Keras 3.

``translate`` is the whole programming interface for one file; the types that it takes and returns are
exported beside it. Importing this package loads neither a framework nor the parser: both wait until
they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from translator._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translator.model import (
        Counts,
        Diagnostic,
        Direction,
        Edge,
        Fidelity,
        InputError,
        Layout,
        Options,
        Severity,
        Status,
        Translation,
    )

__all__ = [
    "Counts",
    "Diagnostic",
    "Direction",
    "Edge",
    "Fidelity",
    "InputError",
    "Layout",
    "Options",
    "Severity",
    "Status",
    "Translation",
    "__version__",
    "translate",
]


def translate(
    source: str | bytes,
    direction: Direction | str = "torch2tf",
    *,
    path: str | None = None,
    layout: Layout | str = "channels_first",
    fidelity: Fidelity | str = "idiomatic",
    mappings: Sequence[str] = (),
) -> Translation:
    """Translate one Python file, given as text or as the bytes of the file.

    Nothing of the source is imported or run. Of bytes, the encoding, the byte order mark and the line endings
    are kept: ``Translation.data`` is what to write back.

    Args:
        source: the program.
        direction: ``"torch2tf"`` or ``"tf2torch"``.
        path: the file's name, where it has one; only its module name matters (for relative imports).
        layout: the axis order of image tensors in the TensorFlow program.
        fidelity: ``"idiomatic"`` or ``"exact"``.
        mappings: paths of tables of your own, in the form of the shipped ones; their rows win.

    Raises:
        InputError: the source is no Python 3 that can be read; it says where and why.
        ValueError: an option is none of its choices, or a table of yours is not in order (`TableError`).
    """
    from translator.engine import translate_sources
    from translator.model import Direction, Fidelity, InputError, Layout, Options
    from translator.source import encode

    options = Options(Direction(direction), Layout(layout), Fidelity(fidelity), mappings=tuple(mappings))
    if options.direction is Direction.TORCH2TF and options.layout is Layout.CHANNELS_LAST:
        raise ValueError("layout='channels_last' is not proven yet; use 'channels_first'")
    data = encode(source) if isinstance(source, str) else source
    name = path if path is not None else "<string>"
    result = translate_sources({name: data}, options)[name]
    if isinstance(result, InputError):
        raise result
    return result


def __getattr__(name: str) -> object:
    if name in __all__:
        from translator import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

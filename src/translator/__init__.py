"""xlate: translates deep-learning source code between PyTorch and TensorFlow/Keras 3.

``translate`` is the whole programming interface for one file, ``verify`` runs a file and its translation; the types
that they take and return are exported beside them. Importing this package loads neither a framework nor the parser:
both wait until they are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from translator._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
        Style,
        Translation,
    )
    from translator.proof.pool import Pool
    from translator.proof.result import Report

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
    "verify",
]


def translate(
    source: str | bytes,
    direction: Direction | str = "torch2tf",
    *,
    path: str | None = None,
    layout: Layout | str = "channels_last",
    fidelity: Fidelity | str = "idiomatic",
    mappings: Sequence[str] = (),
    style: Style | str = "loop",
    keep_io_layout: bool = False,
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
        style: what training loops become: ``"loop"`` or ``"fit"``.
        keep_io_layout: whether models take and give images as the source does, with a transpose each way.

    Raises:
        InputError: the source is no Python 3 that can be read; it says where and why.
        ValueError: an option is none of its choices, or a table of yours is not in order (`TableError`).
    """
    from translator.engine import translate_sources
    from translator.model import Direction, Fidelity, InputError, Layout, Options, Style
    from translator.source import encode

    options = Options(
        Direction(direction), Layout(layout), Fidelity(fidelity), Style(style), mappings=tuple(mappings),
        keep_io_layout=keep_io_layout,
    )  # fmt: skip
    data = encode(source) if isinstance(source, str) else source
    name = path if path is not None else "<string>"
    result = translate_sources({name: data}, options)[name]
    if isinstance(result, InputError):
        raise result
    return result


def verify(
    path: str, direction: str | None = None, *, translated: str | None = None, entry: str | Sequence[str] = (),
    init: Mapping[str, Any] | None = None, inputs: Iterable[Mapping[str, Any]] = (), train: bool = True,
    graph: bool = True, steps: int = 3, layout: str = "channels_last", fidelity: str = "idiomatic", seed: int = 0,
    timeout: float = 300.0, pool: Pool | None = None, keep_io_layout: bool = False,
) -> Report:  # fmt: skip
    """Run a program and its translation, and compare what they compute.

    Args:
        path: the source file. What it imports from beside it goes along.
        direction: ``"torch2tf"`` or ``"tf2torch"``; by default, from the framework that the file imports.
        translated: the translation, where it stands in a file (edited by hand, say); else it is made anew.
        entry: the classes or functions to build; by default those that the file seems to be for.
        init: their arguments.
        inputs: arguments of the call, by name, several times; ``"float[2,3,8,6]"`` and the like are drawn (see
            `translator.compare.inputs`). By default shapes are tried until one runs.
        train: also compare in train mode, with all buffers.
        graph: also run the translation to TensorFlow under ``tf.function``, sizes that differ among ``inputs`` open.
        steps: how many steps of gradient descent to compare.
        timeout: seconds for each command of each side.
        pool: processes to use, and to leave running for the next call.

    Raises:
        InputError: the file cannot be read, or not be translated.
        ValueError: an option is none of its choices.
    """
    from translator.proof.files import Request, verify_file
    from translator.proof.pool import Pool
    from translator.proof.result import Report

    names = (entry,) if isinstance(entry, str) else tuple(entry)
    request = Request(
        path, direction, translated, names, dict(init or {}), [dict(case) for case in inputs], train, graph, steps,
        layout, fidelity, keep_io_layout, seed,
    )  # fmt: skip
    if pool is not None:
        return Report([verify_file(pool, request)])
    with Pool(timeout) as own:
        return Report([verify_file(own, request)])


def __getattr__(name: str) -> object:
    if name in __all__:
        from translator import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

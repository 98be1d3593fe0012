"""From the bytes of a file to text that is known to be Python 3, and no deeper than the parsers can take.

Every reason for which a file cannot be read ends in an ``InputError`` with a place, a message and, where there
is one, a way out. The standard library's parser goes first: it is seven times as fast as LibCST's, its messages
are the ones that users know, and it refuses cleanly what would overflow LibCST's native stack.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from translator import syntax
from translator.model import InputError

T = TypeVar("T")

BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 1000
"""Deepest syntax tree that is translated, in nodes from the root. Real code stays under 100."""
SHORT = 60
"""Expressions of fewer characters than this are not looked into for their depth."""
SHALLOW = 30
"""Trees up to here are walked on the caller's own stack, the expressions not looked into on top of them."""
MAX_LOOPS = 8
"""Loops that may stand within each other."""
DEEP_STACK = 256 * 1024 * 1024
"""Bytes of stack (address space, not memory) for deeper trees."""
DEEP_RECURSION = 60_000

_NAMES = {"torch": (b"torch", b"lightning"), "tf": (b"tensorflow", b"keras")}
# Patterns are texts, compiled when one is needed: most files need none, and starting up has to be quick.
_COOKIE = r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)"
_BLANK = r"^[ \t\f]*(?:#.*)?$"
_STRING = r"('[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
_PYTHON2 = (
    (r"^\s*print\s+[^\s(=.,]|^\s*print\s*>>", "a print statement"),
    (r"^\s*exec\s+[^\s(=.,]", "an exec statement"),
    (r"^\s*except\s+[\w.()\s,]+,\s*\w+\s*:", "'except X, name'"),
    (r"^\s*raise\s+[\w.]+\s*,", "'raise X, value'"),
    (r"<>", "the operator '<>'"),
    (r"`[^`]*`", "backticks for repr()"),
    (r"\b(?:0[xX][\da-fA-F]+|\d+)[lL]\b", "a long integer literal"),
    (r"(?<![\w.])0\d+\b", "an octal literal without 0o"),
    (r"\b[uU][rR]['\"]", "a ur'' string"),
)
_PYTHON2_HINT = "make it Python 3 first, for example with 'futurize' or '2to3'"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: its text with line endings as they are, and the standard library's tree of it."""

    text: str
    encoding: str
    bom: bool
    tree: ast.Module
    depth: int
    """Nodes from the root to the deepest leaf, as ``check_depth`` counts them."""


def read(data: bytes) -> Source:
    """Decode and parse ``data``.

    Raises:
        InputError: binary, not in its encoding, not Python 3, or nested deeper than ``MAX_DEPTH``.
    """
    text, encoding, bom = decode(data)
    tree = parse(text)
    return Source(text, encoding, bom, tree, check_depth(tree))


def mentions(data: bytes, framework: str) -> bool:
    """Whether the bytes name ``"torch"`` or ``"tf"`` anywhere: where not, there is nothing to translate."""
    return any(name in data for name in _NAMES[framework])


def decode(data: bytes) -> tuple[str, str, bool]:
    """The text, its encoding and whether a byte order mark stood before it, by the rules of PEP 263.

    ``text.encode(encoding)`` gives the bytes back, less the mark.

    Raises:
        InputError: the bytes are binary, or not in the encoding that they declare.
    """
    if b"\0" in data:
        raise _binary(data)
    bom = data.startswith(BOM)
    raw = data[len(BOM) :] if bom else data
    encoding = _declared_encoding(raw)
    if bom and encoding != "utf-8":
        raise InputError(f"the file has a UTF-8 byte order mark but declares {encoding}", code="XL003")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(raw, encoding, error.start) from None
    except Exception as error:  # a codec that is no text encoding (rot13, zlib ...) raises what it likes
        raise InputError(f"cannot decode as {encoding}: {error}", code="XL003") from None
    if encoding != "utf-8" and text.encode(encoding, "replace") != raw:
        raise InputError(f"the encoding {encoding} does not survive decoding and encoding", code="XL003")
    return text, encoding, bom


def encode_like(data: bytes, text: str) -> bytes:
    """A changed text in the encoding, and with the byte order mark, of the bytes that it was made from."""
    _, encoding, bom = decode(data)
    return b"\xef\xbb\xbf" * bom + text.encode(encoding)


def encode(text: str) -> bytes:
    """Bytes that ``decode`` turns back into ``text``: in the encoding that its cookie declares, else UTF-8.

    Raises:
        InputError: the text has characters that its encoding lacks.
    """
    encoding = _cookie(text[:1000].split("\n", 2)[:2]) or "utf-8"
    try:
        return text.encode(encoding)
    except LookupError:
        raise InputError(f"unknown encoding: {encoding}", code="XL003") from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        message = f"the character U+{ord(text[error.start]):04X} does not exist in {encoding}"
        raise InputError(message, line=line, code="XL003") from None


def parse(text: str) -> ast.Module:
    """The standard library's tree of ``text``.

    Raises:
        InputError: not Python that this interpreter reads, Python 2, or too deep for the parser.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise _syntax_error(text, error) from None
    except (RecursionError, MemoryError):
        raise _too_deep(_longest_line(text)) from None
    except (ValueError, OverflowError) as error:
        raise InputError(f"cannot be parsed: {error}") from None


def check_depth(tree: ast.Module) -> int:
    """The depth of ``tree``, found without recursion.

    An expression needs at least one character for each level, so those on one line and shorter than
    ``SHORT`` characters are not entered: the result may be too small by up to ``SHORT``, for which every stack
    has room. This keeps the check at a fraction of the parse.

    Raises:
        InputError: deeper than ``MAX_DEPTH``.
    """
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 1)]
    pop, push = stack.pop, stack.append
    while stack:
        node, depth = pop()
        if depth > deepest:
            deepest = depth
            if depth > MAX_DEPTH:
                raise _too_deep(getattr(node, "lineno", 1))
        if type(node) is ast.BoolOp:  # LibCST nests what stands in one list here
            depth += len(node.values) - 1
            deepest = max(deepest, depth)
            if depth > MAX_DEPTH:
                raise _too_deep(node.lineno)
        for name in node._fields:
            value = getattr(node, name)
            if type(value) is list:
                for item in value:
                    if isinstance(item, ast.AST) and not _short(item):
                        push((item, depth + 1))
            elif isinstance(value, ast.AST) and not _short(value):
                push((value, depth + 1))
    return deepest


def check_loops(tree: ast.Module) -> None:
    """Loops within loops: the inference runs the body of each twice, so that each level doubles the work.

    Raises:
        InputError: more than ``MAX_LOOPS`` loops stand within each other.
    """
    todo: list[tuple[Any, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            depth += 1
            if depth > MAX_LOOPS:
                hint = "put the inner loops into a function of their own"
                message = f"more than {MAX_LOOPS} loops within each other: too deep to translate"
                raise InputError(message, line=node.lineno, code="XL005", hint=hint)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            depth = 0
        for name in syntax.BLOCKS:
            block = getattr(node, name, None)
            if type(block) is list:
                todo += [(inner, depth) for inner in block if type(inner) not in syntax.SIMPLE]


def call_with_room(depth: int, function: Callable[[], T]) -> T:
    """Call ``function`` with stack enough to recurse over trees of ``depth``, and return what it returns.

    LibCST and the rules recurse in Python and in C: deep trees run on a thread of their own with a large
    stack, since a raised recursion limit alone would let the process die.
    """
    if depth <= SHALLOW:
        return function()
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(function())
        except BaseException as error:  # handed to the caller's thread, whatever it is
            failure.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(DEEP_STACK)
    try:
        sys.setrecursionlimit(max(limit, DEEP_RECURSION))
        thread = threading.Thread(target=work, name="xlate-deep")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if failure:
        raise failure[0]
    return result[0]


def _short(node: ast.AST) -> bool:
    """Whether a node cannot be deep: it has no place of its own and no children, or is a short expression."""
    if not isinstance(node, ast.expr):
        return isinstance(node, (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop))
    end = node.end_col_offset
    return node.end_lineno == node.lineno and end is not None and end - node.col_offset < SHORT


def _declared_encoding(raw: bytes) -> str:
    name = _cookie([line.decode("latin-1") for line in raw[:1000].splitlines()[:2]])
    if name is None:
        return "utf-8"
    try:
        import codecs

        codec = codecs.lookup(name)
    except LookupError:
        hint = "name one that Python knows, or drop the line where the file is UTF-8"
        raise InputError(f"unknown encoding: {name}", code="XL003", hint=hint) from None
    return "utf-8" if codec.name in ("utf-8", "utf-8-sig") else name


def _cookie(lines: list[str]) -> str | None:
    """The encoding that the first two lines declare; the second counts only after a blank or a comment."""
    for line in lines:
        text = line.rstrip("\r\n")
        if "coding" in text and (found := re.match(_COOKIE, text)):
            return found.group(1)
        if text and not re.match(_BLANK, text):
            return None
    return None


def _binary(data: bytes) -> InputError:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return InputError("the file is UTF-16", code="XL004", hint="save it as UTF-8")
    line = data.count(b"\n", 0, data.index(b"\0")) + 1
    return InputError("a binary file, not Python source (it has a NUL byte)", line=line, code="XL004")


def _undecodable(raw: bytes, encoding: str, start: int) -> InputError:
    line = raw.count(b"\n", 0, start) + 1
    column = start - (raw.rfind(b"\n", 0, start) + 1) + 1
    hint = "save it as UTF-8, or declare its encoding in the first line: # -*- coding: latin-1 -*-"
    name = "UTF-8" if encoding == "utf-8" else encoding
    return InputError(f"not {name}: byte 0x{raw[start]:02x}", line=line, column=column, code="XL003", hint=hint)


def _syntax_error(text: str, error: SyntaxError) -> InputError:
    line, column, message = error.lineno or 1, max(error.offset or 1, 1), error.msg
    if "too many nested parentheses" in message or "nested too deeply" in message:
        return _too_deep(line)
    if message.startswith("too many statically nested blocks") or message == "too many levels of indentation":
        return _too_deep(line)
    construct = _python2_construct(text, line, message)
    if construct:
        found = f"looks like Python 2 ({construct})"
        return InputError(found, line=line, column=column, code="XL002", hint=_PYTHON2_HINT)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return InputError(f"syntax error for Python {version}: {message}", line=line, column=column, code="XL001")


def _python2_construct(text: str, line: int, message: str) -> str:
    """What in the line that failed only Python 2 accepts, or ``""``."""
    if message.startswith("Missing parentheses in call to 'exec'"):
        return "an exec statement"
    if message.startswith("Missing parentheses in call to"):
        return "a print statement"
    lines = text.split("\n")
    failing = lines[line - 1] if 0 < line <= len(lines) else ""
    # Strings and comments would give false alarms: 'print x' in a docstring, '<>' in a comment.
    bare = re.sub(_STRING, "''", failing).split("#")[0]
    for pattern, name in _PYTHON2:
        if re.search(pattern, bare):
            return name
    return ""


def _too_deep(line: int) -> InputError:
    hint = "split the expression or the branches over several statements"
    return InputError("nested too deeply to translate", line=line, code="XL005", hint=hint)


def calls_too_deep() -> InputError:
    """The error for a program whose functions call each other in chains for which no stack has room."""
    hint = "split the file"
    return InputError("functions or expressions are nested too deeply to translate", code="XL005", hint=hint)


def output_too_deep(text: str) -> InputError:
    """The error for a source whose translation has more nested parentheses than Python's parser takes."""
    hint = "split the expression over several statements"
    return InputError("the translation would be nested too deeply", line=_longest_line(text), code="XL005", hint=hint)


def _longest_line(text: str) -> int:
    """Where an expression that is too deep most likely stands: the parser does not say."""
    lines = text.split("\n")
    return max(range(len(lines)), key=lambda i: len(lines[i])) + 1

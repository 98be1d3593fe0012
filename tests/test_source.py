"""Bytes to text and tree: what is kept, and what is refused with which words."""

from __future__ import annotations

import ast
import sys
import threading

import pytest

from translator import source, translate
from translator.model import InputError


def failure(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        source.read(data)
    return caught.value


@pytest.mark.parametrize(
    "data, encoding, bom",
    [
        (b"x = 1\n", "utf-8", False),
        (b"", "utf-8", False),
        (b"\xef\xbb\xbfx = 1\n", "utf-8", True),
        (b"\xef\xbb\xbf# coding: utf-8\nx = 1\n", "utf-8", True),
        ("# -*- coding: latin-1 -*-\ns = 'é'\n".encode("latin-1"), "latin-1", False),
        ("#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\ns = '€'\n".encode("cp1252"), "cp1252", False),
        ("# coding: euc-jp\ns = '日本'\n".encode("euc-jp"), "euc-jp", False),
        (b"x = 1\n# coding: latin-1\n", "utf-8", False),  # a cookie after code is a comment
        (b"x = 1\r\ny = 2\r\n", "utf-8", False),
        (b"x = 1\ry = 2\r", "utf-8", False),
        (b"x = 1\r\ny = 2\n", "utf-8", False),
        (b"x = 1\n\x0c\ny = 2", "utf-8", False),
    ],
)
def test_bytes_survive_a_round_trip(data: bytes, encoding: str, bom: bool) -> None:
    read = source.read(data)
    assert (read.encoding, read.bom) == (encoding, bom)
    assert (source.BOM if bom else b"") + read.text.encode(read.encoding) == data
    assert ast.dump(read.tree) == ast.dump(ast.parse(data))


@pytest.mark.parametrize("text", ["x = 'é'\n", "# coding: latin-1\nx = 'é'\n", "# hi\n# coding: cp1252\nx = '€'\n"])
def test_text_is_encoded_as_its_cookie_says(text: str) -> None:
    assert source.decode(source.encode(text))[0] == text


def test_text_that_its_own_encoding_lacks() -> None:
    with pytest.raises(InputError) as caught:
        source.encode("# coding: latin-1\n\nx = '日'\n")
    assert (caught.value.code, caught.value.line) == ("XL003", 3)


@pytest.mark.parametrize(
    "data, code, line, column, words",
    [
        (b"x = 1\ndef f(:\n    pass\n", "XL001", 2, 7, "syntax error"),
        (b"x = 'abc\n", "XL001", 1, 5, "unterminated string"),
        (b"if x:\npass\n", "XL001", 2, 1, "indented block"),
        (b"a = 1\ns = '\xe9'\n", "XL003", 2, 6, "not UTF-8: byte 0xe9"),
        (b"\xff\xfex\x00", "XL004", 1, 1, "UTF-16"),
        (b"x = 1\n\x00\x01", "XL004", 2, 1, "binary"),
        (b"# coding: martian\n", "XL003", 1, 1, "unknown encoding: martian"),
        (b"# coding: rot13\nk = 1\n", "XL003", 1, 1, "rot13"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "XL003", 1, 1, "byte order mark"),
        (b"# coding: ascii\ns = '\xc3\xa9'\n", "XL003", 2, 6, "not ascii"),
    ],
)
def test_broken_input_is_refused_with_its_place(data: bytes, code: str, line: int, column: int, words: str) -> None:
    error = failure(data)
    assert (error.code, error.line, error.column) == (code, line, column)
    assert words in error.message


@pytest.mark.parametrize(
    "text, construct",
    [
        ("print 'hello'\n", "print statement"),
        ("print x, y\n", "print statement"),
        ("try:\n    pass\nexcept ValueError, e:\n    pass\n", "except X, name"),
        ("exec 'x = 1'\n", "exec statement"),
        ("raise ValueError, 'no'\n", "raise X, value"),
        ("if a <> b:\n    pass\n", "<>"),
        ("x = `y`\n", "backticks"),
        ("x = 10L\n", "long integer"),
        ("x = 0777\n", "octal"),
        ("x = ur'a'\n", "ur''"),
    ],
)
def test_python_2_is_recognised(text: str, construct: str) -> None:
    error = failure(text.encode())
    assert error.code == "XL002"
    assert "Python 2" in error.message
    assert construct in error.message
    assert "2to3" in error.hint


@pytest.mark.parametrize("text", ["x = = 'print y'\n", "f(  # print x\n", "print = = 1\n"])
def test_other_errors_are_not_taken_for_python_2(text: str) -> None:
    assert failure(text.encode()).code == "XL001"


DEEP = {
    "parentheses": "x = " + "(" * 3000 + "1" + ")" * 3000 + "\n",
    "brackets": "x = " + "[" * 3000 + "]" * 3000 + "\n",
    "minus": "x = " + "-" * 30_000 + "1\n",
    "calls": "x = a" + ".b()" * 3000 + "\n",
    "additions": "x = 1" + " + 1" * 20_000 + "\n",
    "elif": "if x:\n    pass\n" + "elif x:\n    pass\n" * 3000,
    "conditional": "x = " + "1 if a else " * 3000 + "1\n",
    "lambdas": "x = " + "lambda: " * 3000 + "1\n",
    "blocks": "".join(" " * i + "if x:\n" for i in range(150)) + " " * 150 + "pass\n",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_refused_and_kills_nothing(name: str) -> None:
    error = failure(DEEP[name].encode())
    assert error.code == "XL005"
    assert "too deeply" in error.message


def test_depth_counts_what_makes_parsers_recurse() -> None:
    shallow = source.read(b"x = 1\n").depth
    chain = source.read(b"x = a" + b".b()" * 200 + b"\n").depth
    assert shallow < 5
    levels = 2 * 200  # each link is a call on an attribute; the innermost short expression is not looked into
    assert levels - source.SHORT <= chain <= levels + 5


def test_long_files_are_no_deep_files() -> None:
    lines = 50_000
    read = source.read(b"x = f(1)\n" * lines)
    assert len(read.tree.body) == lines
    assert read.depth < 10


def _descend(levels: int) -> int:
    return 0 if levels == 0 else 1 + _descend(levels - 1)


def test_deep_work_gets_room_and_leaves_the_limits_as_they_were() -> None:
    limits = sys.getrecursionlimit(), threading.stack_size()
    with pytest.raises(RecursionError):
        source.call_with_room(1, lambda: _descend(20_000))
    assert source.call_with_room(500, lambda: _descend(20_000)) == 20_000
    assert (sys.getrecursionlimit(), threading.stack_size()) == limits


def test_an_error_of_deep_work_reaches_the_caller() -> None:
    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        source.call_with_room(500, fail)


def test_escape_warnings_of_the_source_stay_silent(recwarn: pytest.WarningsRecorder) -> None:
    source.read(b"x = '\\d'\nif 1 is 1: pass\n")
    assert not recwarn.list


@pytest.mark.parametrize(
    "data, framework, answer",
    [
        (b"import torch\n", "torch", True),
        (b"import numpy\n", "torch", False),
        (b"from tensorflow import keras\n", "tf", True),
        (b"import keras\n", "tf", True),
        (b"import torch\n", "tf", False),
    ],
)
def test_mentions(data: bytes, framework: str, answer: bool) -> None:
    assert source.mentions(data, framework) is answer


def nested_loops(depth: int) -> str:
    lines = ["import torch", "def f(x, xs):"]
    lines += ["    " * (i + 1) + ("for i in xs:" if i % 2 else "while x.any():") for i in range(depth)]
    return "\n".join([*lines, "    " * (depth + 1) + "x = torch.relu(x)", "    return x\n"])


def test_loops_within_loops_are_bounded() -> None:
    assert "tf.nn.relu" in translate(nested_loops(6)).text
    with pytest.raises(InputError, match="more than 8 loops") as raised:
        translate(nested_loops(18))
    assert (raised.value.code, raised.value.line) == ("XL005", 11)
    plain = nested_loops(18).replace("torch", "numpy")
    assert translate(plain).text == plain


def test_a_chain_that_would_become_a_nest_is_an_error() -> None:
    source = "import torch\ndef f(x: torch.Tensor):\n    return x" + ".relu()" * 300 + "\n"
    with pytest.raises(InputError, match="the translation would be nested too deeply") as raised:
        translate(source)
    assert (raised.value.code, raised.value.line) == ("XL005", 3)

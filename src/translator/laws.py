"""What holds for every translation, whatever the program says. Where it does not, that is a defect of xlate.

`broken` asks the laws that cost next to nothing, on every run; `violations` asks all of them, for tests and
for `benchmarks/laws.py`, which does so for every file that is installed.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from .leftovers import Unit, units
from .markers import comments
from .model import INTERNAL, Diagnostic, InputError, Options, Severity, Status, Translation

LAWS = ("parses", "places", "comments", "untouched", "told", "twice", "same")
"""The laws by name, as `violations` says them; ``same`` (determinism) takes another process to see."""

_NEWLINE = r"\r\n|\r|\n"


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A law that does not hold, and where."""

    law: str
    line: int
    """A line of the source, from 1."""
    message: str


def broken(before: str, after: str, trees: tuple[ast.Module, ast.Module], found: Iterable[Diagnostic]) -> str:
    """What is wrong with a translation, in one line; ``""`` if nothing is.

    Args:
        before, after: the source's and the translation's text.
        trees: the standard library's trees of them.
        found: the diagnostics, whose lines are the source's.
    """
    wrong = misplaced(before, found) or lost_comments(before, after, trees)
    return f"{wrong[0].message}, line {wrong[0].line}" if wrong else ""


def internal_error(what: str) -> InputError:
    """The error for a file that is left as it is because of a defect of ours."""
    hint = "please report it, with the traceback that --verbose prints"
    return InputError(f"internal error of xlate ({what}); the file is left as it is", code=INTERNAL, hint=hint)


def crash(error: BaseException) -> InputError:
    """A crash of ours as the result of a file; Ctrl-C is none, whatever it came as."""
    import traceback

    from .interrupts import reraise_interrupt

    reraise_interrupt(error)
    message = str(error).split("\n", 1)[0][:200]
    out = internal_error(f"{type(error).__name__}: {message}")
    out.trace = "".join(traceback.format_exception(error))
    out.passing = isinstance(error, MemoryError | OSError)
    return out


def misplaced(text: str, found: Iterable[Diagnostic]) -> list[Violation]:
    """The diagnostics that point at no line of the source."""
    wanted = max((d.line for d in found), default=0)
    if wanted <= text.count("\n") + 1 and all(d.line > 0 and d.column > 0 for d in found):
        return []
    last = len(re.findall(_NEWLINE, text)) + 1
    wrong = [d for d in found if not (0 < d.line <= last and d.column > 0)]
    return [Violation("places", 1, f"{d.code} points at {d.line}:{d.column}, of {last} lines") for d in wrong]


def lost_comments(before: str, after: str, trees: tuple[ast.Module, ast.Module]) -> list[Violation]:
    """The comments of code that the translation did not touch, which are not there any more; or, within definitions
    that stayed as they were, not in order. (Code that moves takes its comments along.)"""
    wanted, there = comments(before), [text for _, text in comments(after)]
    if _out_of_order(wanted, there) is None:
        return []
    wanted = _of_untouched(wanted, before, trees)
    lost = _missing(wanted, there)
    kept = {ast.dump(node) for node in trees[1].body}
    for node in trees[0].body if lost is None else ():
        inside = [(line, text) for line, text in wanted if node.lineno <= line <= (node.end_lineno or 0)]
        if inside and ast.dump(node) in kept:
            lost = lost or _out_of_order(inside, there)
    return [Violation("comments", lost[0], f"a comment is lost or out of order: {lost[1][:60]}")] if lost else []


def _out_of_order(wanted: list[tuple[int, str]], there: list[str]) -> tuple[int, str] | None:
    """The first of the comments that cannot be found in order."""
    rest = iter(there)
    return next(((line, text) for line, text in wanted if text not in rest), None)


def _missing(wanted: list[tuple[int, str]], there: list[str]) -> tuple[int, str] | None:
    """The first of the comments that is not there as often as it should be."""
    left = Counter(there)
    for line, text in wanted:
        left[text] -= 1
        if left[text] < 0:
            return line, text
    return None


def _of_untouched(
    wanted: list[tuple[int, str]], before: str, trees: tuple[ast.Module, ast.Module]
) -> list[tuple[int, str]]:
    """The comments whose statements (that they stand in, or above of) are in the translation as they were."""
    old = list(units(trees[0]))
    heads = {id(unit.node): unit.key() for unit in old}
    had, has = _counted(old), _counted(units(trees[1]))
    lines = re.split(_NEWLINE, before)
    owners = _Owners(old)
    out = []
    for line, text in wanted:
        unit = owners.at(line, own_line=lines[line - 1].lstrip().startswith("#"))
        keys = [_whole(unit), *(heads[id(n)] for n in unit.around)] if unit is not None else []
        if keys and all(has[key] >= had[key] for key in keys):
            out.append((line, text))
    return out


def _counted(some: Iterable[Unit]) -> Counter[str]:
    out: Counter[str] = Counter()
    for unit in some:
        out.update({unit.key(), _whole(unit)})
    return out


def _whole(unit: Unit) -> str:
    """What makes a statement: of a definition its head, which its name tells from others; else all of it."""
    named = isinstance(unit.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return unit.key() if named else ast.dump(unit.node)


class _Owners:
    """Finds the statement that a comment belongs to, in time that does not grow with their number."""

    def __init__(self, old: list[Unit]) -> None:
        self.units = old
        self.firsts = [unit.first for unit in old]
        self.ends = list(accumulate((unit.last for unit in old), max))
        """How far any statement reaches, up to each of them."""

    def at(self, line: int, *, own_line: bool) -> Unit | None:
        """The first statement that the comment stands in; on a line of its own else the next."""
        around = bisect_left(self.ends, line)
        if around < len(self.units) and self.firsts[around] <= line:
            return self.units[around]
        after = bisect_right(self.firsts, line)
        return self.units[after] if own_line and after < len(self.units) else None


# -- all of them -----------------------------------------------------------------------------------------------


def violations(data: bytes, options: Options, path: str = "model.py", *, twice: bool = True) -> list[Violation]:
    """The laws that do not hold for one file.

    Args:
        data: the file; one that cannot be read breaks no law, if the reason has a place in it.
        path: its name: that of its module may matter to what it imports.
        twice: also translate the translation.

    Raises:
        Exception: whatever the translator lets through: a crash breaks the first of all laws.
    """
    from .engine import translate_sources
    from .outputs import module_name
    from .source import decode, mentions

    result = translate_sources({path: data}, options)[path]
    if isinstance(result, InputError):
        return _of_error(data, result)
    if not mentions(data, options.direction.source):
        same = result.status is Status.UNCHANGED and result.data == data
        return [] if same else [Violation("untouched", 1, "a file without the framework changed")]
    before = decode(data)[0]
    out = _of_text(before, result, options, module_name(path))
    if result.status is Status.UNCHANGED and result.data != data:
        out.append(Violation("untouched", 1, "a file that is said to be unchanged has other bytes"))
    if twice and result.status is not Status.UNCHANGED and not out:
        out += _again(result, options, path)
    return sorted(out)


def _of_error(data: bytes, error: InputError) -> list[Violation]:
    out = []
    if error.code == INTERNAL:
        out.append(Violation("crash", 1, error.message))
    if not 0 < error.line <= len(re.findall(rb"\r\n|\r|\n", data)) + 1:
        out.append(Violation("places", 1, f"{error.code} points at line {error.line}"))
    return out


def _of_text(before: str, result: Translation, options: Options, module: str) -> list[Violation]:
    from .infer.dialect import DIALECTS
    from .leftovers import silent
    from .source import parse

    try:
        tree = parse(result.text)
    except InputError as error:
        return [Violation("parses", 1, f"the output does not parse, line {error.line}: {error.message}")]
    old = parse(before)
    out = misplaced(before, result.diagnostics)
    out += lost_comments(before, result.text, (old, tree))
    roots = DIALECTS[options.direction].roots
    left = silent(old, tree, result.text, result.diagnostics, roots, {module})
    out += [Violation("told", line, f"{name} is left without a diagnostic") for line, name, _ in left]
    if any(d.severity is Severity.ERROR for d in result.diagnostics) != (result.status is Status.PARTIAL):
        out.append(Violation("told", 1, f"status {result.status} does not go with the diagnostics"))
    return out


def _again(result: Translation, options: Options, path: str) -> list[Violation]:
    from .engine import translate_sources

    again = translate_sources({path: result.data}, options)[path]
    if isinstance(again, InputError):
        return [Violation("twice", 1, f"the output is not translated again: {again.message}")]
    if again.text == result.text:
        return []
    a, b = result.text.split("\n"), again.text.split("\n")
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    was, now = (lines[at].strip()[:70] if at < len(lines) else "" for lines in (a, b))
    return [Violation("twice", 1, f"translated again, output line {at + 1} changes: {was!r} -> {now!r}")]

"""Files that say what a project needs: the other framework is put in the place of the source's.

A library that lives on the source framework goes once nothing imports it any more; as long as something does, it
stays, and so does the framework itself. What the files say besides is left to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from translator.model import Diagnostic, Options, Severity, Status, Translation

from .packages import CHANNELS, CONDA_TARGET, FRAMEWORK, FRIENDS, IMPORTED_AS, TARGET, WHEEL_HOST

_WHEELS = re.compile(rf"\s+(?:--index-url|--extra-index-url|--find-links|-i|-f)[= ]\s*\S*{re.escape(WHEEL_HOST)}\S*")
_COMMAND = re.compile(r"\b(?:pip3?|conda|mamba)\s+install\b")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(slots=True)
class Rewriter:
    """Decides about one requirement after the other of one file."""

    options: Options
    imported: Collection[str]
    """Top-level names that the migrated project still imports."""
    along: Mapping[str, str] = field(default_factory=dict)
    """Distributions whose source comes along with the project, and what each is imported as."""
    found: list[Diagnostic] = field(default_factory=list)
    written: set[object] = field(default_factory=set)
    """The lists that name the target already: once is enough."""
    list: object = None
    """The list that is being read."""
    held: set[object] = field(default_factory=set)

    @property
    def framework(self) -> str:
        return self.options.direction.source

    def still(self, name: str) -> bool:
        return IMPORTED_AS.get(name, name.replace("-", "_")) in self.imported

    @property
    def framework_stays(self) -> bool:
        """Whether anything that is still imported needs the source framework."""
        return any(self.still(name) for name in (*FRAMEWORK[self.framework], *FRIENDS[self.framework]))

    def requirement(self, text: str, line: int, conda: bool = False) -> str | None:
        """The new text of one requirement, ``""`` to drop it, ``None`` to leave it.

        Args:
            text: the requirement without what stands around it.
            line: where it stands.
            conda: whether it is in conda's syntax.
        """
        match = _NAME.match(text)
        if match is None:
            return None
        name = canonical(match.group())
        if name in (TARGET[self.options.direction][0], CONDA_TARGET[self.options.direction][0]):
            self.written.add(self.list)
        if name in FRAMEWORK[self.framework]:
            return self._framework(text, name, line, conda)
        if name in self.along and self.along[name] not in self.imported:
            self._say(line, "XL602", Severity.NOTE, f"{name} is dropped: what is used of it comes along")
            return ""
        if name in FRIENDS[self.framework]:
            return self._friend(name, line)
        return None

    def _framework(self, text: str, name: str, line: int, conda: bool) -> str | None:
        target, version = (CONDA_TARGET if conda else TARGET)[self.options.direction]
        marker = "" if conda or ";" not in text else f"; {text.split(';', 1)[1].strip()}"
        again = self.list in self.written
        new = "" if again else f"{target}{version}{marker}"
        self.written.add(self.list)
        if self.framework_stays:
            if self.list in self.held:
                return None
            self.held.add(self.list)
            self._say(line, "XL602", Severity.WARNING, f"{name} stays beside {target}: something still imports it",
                      "translate that by hand, then drop it")  # fmt: skip
            return f"{text.strip()}\n{new}" if new else None
        self._say(line, "XL601", Severity.NOTE, f"{name} is replaced by {target}{version}")
        return new

    def _friend(self, name: str, line: int) -> str | None:
        instead = FRIENDS[self.framework][name]
        if self.still(name):
            self._say(line, "XL602", Severity.WARNING, f"{name} stays: something still imports it", instead)
            return None
        self._say(line, "XL602", Severity.WARNING, f"{name} is dropped: nothing imports it any more", instead)
        return ""

    def _say(self, line: int, code: str, severity: Severity, message: str, hint: str = "") -> None:
        self.found.append(Diagnostic(line, 1, code, severity, message, hint))


def rewrite(
    name: str, data: bytes, options: Options, imported: Collection[str], along: Mapping[str, str] | None = None
) -> Translation:
    """Rewrite one file, by what its name says that it is.

    Args:
        imported: top-level names that the migrated project still imports.
        along: distributions whose source comes along with the project, and what each is imported as.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Translation("", Status.UNCHANGED)
    newline = "\r\n" if "\r\n" in text else "\n"
    rewriter = Rewriter(options, imported, along or {})
    base = name.rsplit("/", 1)[-1].lower()
    new = _format(base)(text.replace("\r\n", "\n"), rewriter).replace("\n", newline)
    found = tuple(sorted(rewriter.found))
    if new == text:
        return Translation(text if found else "", Status.UNCHANGED, found)
    return Translation(new, Status.TRANSLATED, found)


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _format(base: str) -> Callable[[str, Rewriter], str]:
    if base == "pyproject.toml":
        return pyproject
    if base == "setup.cfg":
        return setup_cfg
    if base == "setup.py":
        return setup_py
    if base.endswith((".yml", ".yaml")):
        return environment
    return dockerfile if "docker" in base else requirements


def requirements(text: str, rewriter: Rewriter) -> str:
    """pip's format, one requirement a line, with comments, options and continued lines."""
    out: list[str] = []
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        first = i
        while lines[i].rstrip().endswith("\\") and i + 1 < len(lines):
            i += 1
        i += 1
        whole = "\n".join(lines[first:i])
        new = _pip_line(whole, first + 1, rewriter)
        if new is not None:
            out.append(new)
    return "\n".join(out)


def _pip_line(line: str, number: int, rewriter: Rewriter) -> str | None:
    """The new line, ``None`` to drop it."""
    bare = line.strip()
    if bare.startswith("-"):
        return None if WHEEL_HOST in bare and rewriter.framework == "torch" and not rewriter.framework_stays else line
    body, mark, comment = _split_comment(line)
    hashed = "--hash" in body
    new = rewriter.requirement(re.split(r"\s+(?:--|\\)", body.strip())[0], number)
    if new is None:
        return line
    if hashed and new:
        rewriter.found.append(replace(rewriter.found[-1], hint="its hashes have to be made anew (pip-compile)"))
    if not new:
        return None
    indent = line[: len(line) - len(line.lstrip())]
    first, _, second = new.partition("\n")
    note = f"  {mark}{comment}" if mark else ""
    return indent + first + note + (f"\n{indent}{second}" if second else "")


def _split_comment(line: str) -> tuple[str, str, str]:
    match = re.search(r"(?:^|\s)(#)", line)
    if match is None:
        return line, "", ""
    return line[: match.start()], "#", line[match.start(1) + 1 :]


def setup_cfg(text: str, rewriter: Rewriter) -> str:
    """The requirement lists of setuptools' ini file: indented lines under a key."""
    out: list[str] = []
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.strip("[]")
        elif not line[:1].isspace() and "=" in line:
            rewriter.list = (section, line.split("=")[0].strip())
        known = section == "options.extras_require" or rewriter.list in (
            ("options", "install_requires"), ("options", "tests_require"), ("options", "setup_requires")
        )  # fmt: skip
        new = _pip_line(line, number, rewriter) if known and line[:1].isspace() and bare else line
        if new is not None:
            out.append(new)
    return "\n".join(out)


def environment(text: str, rewriter: Rewriter) -> str:
    """conda's environment file: its dependencies, those of pip inside of them, and its channels."""
    out: list[str] = []
    key, pip = "", -1
    for number, line in enumerate(text.split("\n"), 1):
        top = re.match(r"(\w+):", line)
        if top:
            key, pip = top.group(1), -1
        item = re.match(r"(\s*)-\s+(.*?)(\s+#.*)?$", line)
        if item is None:
            out.append(line)
            continue
        indent, value, comment = len(item.group(1)), item.group(2).strip("'\""), item.group(3) or ""
        if pip >= 0 and indent <= pip:
            pip = -1
        if value == "pip:":
            pip = indent
        rewriter.list = (key, pip >= 0)
        lead = f"{item.group(1)}- "
        new: str | None = None
        if key == "channels":
            only = value in CHANNELS[rewriter.framework] and not rewriter.framework_stays
            new = "" if only else None
        elif key == "dependencies":
            bare = value.rsplit("::", 1)[-1]
            new = rewriter.requirement(bare, number, conda=pip < 0)
            if new is not None and bare != value and bare in new.split("\n"):
                new = value + new.removeprefix(bare)  # it stays, from the channel that it came from
        if new is None:
            out.append(line)
        elif new:
            out += [f"{lead}{part}{comment}" for part in new.split("\n")]
    return "\n".join(line for i, line in enumerate(out) if not _is_empty_list(out, i))


def _is_empty_list(lines: list[str], at: int) -> bool:
    """Whether a line is ``- pip:`` with nothing below it: conda refuses that."""
    item = re.match(r"(\s*)-\s+pip:\s*(?:#.*)?$", lines[at])
    if item is None:
        return False
    after = next((line for line in lines[at + 1 :] if line.strip() and not line.lstrip().startswith("#")), "")
    return len(after) - len(after.lstrip()) <= len(item.group(1))


def dockerfile(text: str, rewriter: Rewriter) -> str:
    """What a Dockerfile installs with pip or conda. Its base image is only pointed at: nobody knows the right one."""
    out: list[str] = []
    installing = False
    for number, line in enumerate(text.split("\n"), 1):
        image = re.match(r"\s*FROM\s+(?:--\S+\s+)?(\S+)", line, re.IGNORECASE)
        if image and re.search(r"pytorch|torch" if rewriter.framework == "torch" else r"tensorflow", image.group(1)):
            target = TARGET[rewriter.options.direction][0]
            rewriter._say(number, "XL602", Severity.WARNING, f"the base image {image.group(1)} is kept",
                          f"take one with {target} for the same Python and CUDA")  # fmt: skip
        starts = _COMMAND.search(line)
        if starts or installing:
            rewriter.list = number if starts else rewriter.list
            new = install(line, number, rewriter, starts.end() if starts else 0)
        else:
            new = line
        installing = bool(starts or installing) and line.rstrip().endswith("\\")
        if new == line or new.strip() != "\\":
            out.append(new)
    return "\n".join(out)


def install(line: str, number: int, rewriter: Rewriter, start: int) -> str:
    """A command that installs packages; its words from ``start`` on are requirements."""
    stop = re.search(r"&&|;|\|\|", line[start:])
    end = start + stop.start() if stop else len(line)
    words = re.split(r"(\s+)", line[start:end])
    for i, word in enumerate(words):
        bare = word.strip("'\"")
        quote = word[: len(word) - len(word.lstrip("'\""))]
        new = rewriter.requirement(bare, number) if bare and bare[0].isalnum() else None
        if new is not None:
            quote = quote or ("'" if ">" in new else "")
            words[i] = " ".join(f"{quote}{part}{quote}" if ">" in part else part for part in new.split("\n") if part)
            if not new and i + 1 < len(words):
                words[i + 1] = ""
    text = "".join(words)
    if rewriter.framework == "torch" and not rewriter.framework_stays:
        text = _WHEELS.sub("", text)
    rest = line[end:]
    another = _COMMAND.search(rest)
    return line[:start] + text + (install(rest, number, rewriter, another.end()) if another else rest)


def setup_py(text: str, rewriter: Rewriter) -> str:
    """The strings of a setup script that are requirements: those in its lists."""
    import ast

    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    lines = text.split("\n")
    places: list[tuple[int, int, int, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        rewriter.list = (node.lineno, node.col_offset)
        for item in node.elts:
            if isinstance(item, ast.Constant) and isinstance(item.value, str) and item.lineno == item.end_lineno:
                new = rewriter.requirement(item.value, item.lineno)
                if new is not None:
                    places.append((item.lineno, item.col_offset, item.end_col_offset or 0, new))
    for number, start, end, new in sorted(places, reverse=True):
        row = lines[number - 1]
        if not row.isascii():
            continue
        quote = row[start]
        text_of = ", ".join(f"{quote}{part}{quote}" for part in new.split("\n") if part)
        after = row[end:]
        if not text_of:
            after = re.sub(r"^\s*,\s?", "", after)
        lines[number - 1] = row[:start] + text_of + after
        if not lines[number - 1].strip():
            del lines[number - 1]
    return "\n".join(lines)


def pyproject(text: str, rewriter: Rewriter) -> str:
    """The requirement lists of a pyproject.toml, of whichever tool."""
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        document = tomlkit.parse(text)
    except ParseError:
        return text
    project, tool = document.get("project", {}), document.get("tool", {})
    groups = [
        ("dependencies", project.get("dependencies")),
        ("build", document.get("build-system", {}).get("requires")),
    ]
    groups += [(name, items) for name, items in project.get("optional-dependencies", {}).items()]
    groups += [(f"group {name}", items) for name, items in document.get("dependency-groups", {}).items()]
    groups.append(("uv", tool.get("uv", {}).get("dev-dependencies")))
    for name, items in groups:
        if isinstance(items, list):
            rewriter.list = name
            _toml_list(items, text, rewriter)
    poetry = tool.get("poetry", {})
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies")]
    tables += [group.get("dependencies") for group in poetry.get("group", {}).values()]
    for number, table in enumerate(tables):
        if isinstance(table, dict):
            rewriter.list = ("poetry", number)
            _toml_table(table, text, rewriter)
    sources = tool.get("uv", {}).get("sources", {})
    for name in list(sources):
        if canonical(name) in FRAMEWORK[rewriter.framework] and not rewriter.framework_stays:
            del sources[name]
    return tomlkit.dumps(document)


def _toml_list(items: list[object], text: str, rewriter: Rewriter) -> None:
    i = 0
    while i < len(items):
        item = items[i]
        new = rewriter.requirement(item, _line_of(text, item)) if isinstance(item, str) else None
        if new is None:
            i += 1
            continue
        parts = [part for part in new.split("\n") if part]
        if not parts:
            del items[i]
            continue
        items[i] = parts[0]
        for part in parts[1:]:
            i += 1
            items.insert(i, part)
        i += 1


def _toml_table(table: dict[str, object], text: str, rewriter: Rewriter) -> None:
    for name in list(table):
        new = rewriter.requirement(name, _line_of(text, name))
        if new is None:
            continue
        if name not in new.split("\n"):
            del table[name]
        target, version = TARGET[rewriter.options.direction]
        if any(part.startswith(target) for part in new.split("\n")):
            table[target] = version


def _line_of(text: str, needle: str) -> int:
    at = text.find(needle)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1

"""``xlate lsp`` as an editor sees it: a real client talks to the server process over its standard streams."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls")
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.workspace import PositionCodec

from translator.cli_explain import explanation
from translator.lsp.server import settings_of
from translator.lsp.text import Lines, edits

SRC = str(Path(__file__).resolve().parent.parent / "src")
NET = '''\
import torch
from torch import nn


class Net(nn.Module):
    """😋😋 emoji, two units each."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        s = "😋"; x = torch.relu(x); y = torch.fft.hfft(x)
        z = x.view(2, -1)
        return self.fc(z), y


def other(x):
    return torch.exp(x)
'''
EDITS = types.ClientCodeActionResolveOptions(properties=["edit"])
MODERN = types.ClientCapabilities(
    text_document=types.TextDocumentClientCapabilities(
        code_action=types.CodeActionClientCapabilities(data_support=True, resolve_support=EDITS)
    ),
    workspace=types.WorkspaceClientCapabilities(
        workspace_edit=types.WorkspaceEditClientCapabilities(
            document_changes=True, resource_operations=[types.ResourceOperationKind.Create]
        )
    ),
    window=types.WindowClientCapabilities(show_document=types.ShowDocumentClientCapabilities(support=True)),
)


class Editor(LanguageClient):
    """What the tests need of an editor: it keeps diagnostics, applies edits and shows documents."""

    def __init__(self) -> None:
        super().__init__("editor", "1")
        self.published: list[types.PublishDiagnosticsParams] = []
        self.applied: list[types.WorkspaceEdit] = []
        self.opened: list[str] = []

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def publish(params: types.PublishDiagnosticsParams) -> None:
            self.published.append(params)

        @self.feature(types.WORKSPACE_APPLY_EDIT)
        def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.applied.append(params.edit)
            return types.ApplyWorkspaceEditResult(applied=True)

        @self.feature(types.WINDOW_SHOW_DOCUMENT)
        def show(params: types.ShowDocumentParams) -> types.ShowDocumentResult:
            self.opened.append(params.uri)
            return types.ShowDocumentResult(success=True)

    def open(self, path: Path, text: str) -> str:
        item = types.TextDocumentItem(path.as_uri(), "python", 1, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return path.as_uri()

    def type(self, uri: str, version: int, text: str) -> None:
        name = types.VersionedTextDocumentIdentifier(uri=uri, version=version)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(name, [change]))

    async def diagnostics(self, uri: str, version: int) -> list[types.Diagnostic]:
        for _ in range(600):
            for one in self.published:
                if (one.uri, one.version) == (uri, version):
                    return list(one.diagnostics)
            await asyncio.sleep(0.05)
        raise AssertionError(f"no diagnostics for version {version}")

    async def actions(self, uri: str, start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
        span = types.Range(types.Position(*start), types.Position(*end))
        context = types.CodeActionContext(diagnostics=[])
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), span, context)
        found = await self.text_document_code_action_async(params)
        return {one.title: one for one in found or []}

    async def run(self, action: Any) -> None:
        assert isinstance(action, types.Command)
        params = types.ExecuteCommandParams(action.command, action.arguments)
        await self.workspace_execute_command_async(params)

    async def hover(self, uri: str, line: int, character: int) -> types.Hover | None:
        position = types.Position(line, character)
        return await self.text_document_hover_async(types.HoverParams(types.TextDocumentIdentifier(uri), position))


def conversation(
    talk: Callable[[Editor], Awaitable[None]],
    folder: Path,
    capabilities: types.ClientCapabilities = MODERN,
    **options: Any,
) -> None:
    """Start the server, shake hands, talk, say goodbye; the server must end by itself."""

    async def run() -> None:
        editor = Editor()
        environment = {**os.environ, "PYTHONPATH": SRC}
        await editor.start_io(sys.executable, "-m", "translator", "lsp", env=environment)
        given = types.InitializeParams(capabilities, root_uri=folder.as_uri(), initialization_options=options)
        await editor.initialize_async(given)
        editor.initialized(types.InitializedParams())
        await asyncio.wait_for(talk(editor), 120)
        await editor.shutdown_async(None)
        editor.exit(None)
        process = editor._server
        assert process is not None
        assert await asyncio.wait_for(process.wait(), 30) == 0
        await editor.stop()

    asyncio.run(run())


def applied(text: str, changes: list[Any]) -> str:
    """A text after edits whose columns count UTF-16 units."""
    raw = [line.encode("utf-16-le") for line in text.splitlines(keepends=True)] + [b""]

    def offset(position: types.Position) -> int:
        return sum(map(len, raw[: position.line])) + 2 * position.character

    data = b"".join(raw)
    for change in sorted(changes, key=lambda c: offset(c.range.start), reverse=True):
        start, end = offset(change.range.start), offset(change.range.end)
        data = data[:start] + change.new_text.encode("utf-16-le") + data[end:]
    return data.decode("utf-16-le")


def test_diagnostics_follow_typing_in_utf_16(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.py", NET)
        (refused,) = [d for d in await editor.diagnostics(uri, 1) if d.code == "XL203"]
        line = NET.splitlines()[12]
        start = line.index("torch.fft") + 1  # one character before it takes two units
        end = types.Position(12, start + len("torch.fft.hfft"))
        assert refused.range == types.Range(types.Position(12, start), end)
        assert (refused.source, refused.severity) == ("xlate", types.DiagnosticSeverity.Warning)
        assert "Hermitian transforms have no counterpart (write it" in refused.message

        for version in range(2, 9):  # fast typing: only where it rests is looked at
            editor.type(uri, version, NET.replace("torch.fft.hfft(x)", "x" * version))
        assert "XL203" not in [d.code for d in await editor.diagnostics(uri, 8)]
        assert {one.version for one in editor.published if one.uri == uri} <= {1, 7, 8}

        editor.type(uri, 9, NET + "x = (\n")
        (broken,) = await editor.diagnostics(uri, 9)
        assert (broken.code, broken.severity) == ("XL001", types.DiagnosticSeverity.Error)
        assert broken.range.start.line == NET.count("\n")

        editor.type(uri, 10, "x = 1\n")
        assert await editor.diagnostics(uri, 10) == []
        editor.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
        await asyncio.sleep(0.3)
        assert not editor.published[-1].diagnostics

    conversation(talk, tmp_path, delay=0.3)


def test_hover_shows_the_row_of_the_api(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.py", NET)
        lines = NET.splitlines()

        async def text(line: int, word: str, shift: int = 0) -> str:
            found = await editor.hover(uri, line, lines[line].index(word) + shift)
            return found.contents.value if found and isinstance(found.contents, types.MarkupContent) else ""

        for line, word, shift, api in [
            (9, "Linear", 0, "torch.nn.Linear"),
            (12, "relu", 1, "torch.relu"),
            (12, "hfft", 1, "torch.fft.hfft"),
            (13, "view", 0, "torch.Tensor.view"),
            (4, "Module", 0, "torch.nn.Module"),
        ]:
            expected = explanation(api)
            assert expected
            assert await text(line, word, shift) == f"```text\n{expected}\n```", api
        found = await editor.hover(uri, 12, lines[12].index("relu") + 1)
        assert found is not None and found.range is not None
        assert found.range.start.character == lines[12].index("relu") + 1
        assert await text(7, "def") == ""

    conversation(talk, tmp_path)


def test_code_actions_translate_file_class_function_and_selection(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.py", NET)
        await editor.diagnostics(uri, 1)

        async def result(title: str, start: tuple[int, int], end: tuple[int, int]) -> str:
            action = (await editor.actions(uri, start, end))[title]
            assert action.edit is None  # made when it is chosen
            edit = (await editor.code_action_resolve_async(action)).edit
            assert edit is not None and edit.document_changes is not None
            (change,) = edit.document_changes
            assert isinstance(change, types.TextDocumentEdit)
            assert (change.text_document.uri, change.text_document.version) == (uri, 1)
            return applied(NET, list(change.edits))

        whole = await result("Translate class Net to TensorFlow", (13, 0), (13, 0))
        assert "class Net(keras.Model):" in whole and "self.fc = keras.layers.Dense(2)" in whole
        assert "    return torch.exp(x)" in whole  # the rest stays
        one = await result("Translate function other to TensorFlow", (18, 4), (18, 4))
        assert "    return tf.exp(x)" in one and one.startswith("import tensorflow as tf\n")
        assert "class Net(nn.Module):" in one and "import torch\n" in one
        part = await result("Translate selection to TensorFlow", (13, 0), (14, 0))
        assert part == "import tensorflow as tf\n" + NET.replace("x.view(2, -1)", "tf.reshape(x, (2, -1))")

        titles = await editor.actions(uri, (18, 4), (18, 4))
        assert list(titles) == [
            "Translate function other to TensorFlow",
            "Translate file to TensorFlow (net_tf.py)",
        ]
        await editor.run(titles["Translate file to TensorFlow (net_tf.py)"])
        (edit,) = editor.applied
        assert edit.document_changes is not None
        create, filled = edit.document_changes
        assert isinstance(create, types.CreateFile) and isinstance(filled, types.TextDocumentEdit)
        assert create.uri == filled.text_document.uri == (tmp_path / "net_tf.py").as_uri()
        assert editor.opened == [create.uri]
        text = applied("", list(filled.edits))
        assert text == translated(NET)

        old = text.replace("Dense(2)", "Dense(3)")
        (tmp_path / "net_tf.py").write_text(old, "utf-8")
        await editor.run((await editor.actions(uri, (0, 0), (0, 0)))["Translate file to TensorFlow (net_tf.py)"])
        again = editor.applied[-1].document_changes
        assert again is not None
        (change,) = again
        assert isinstance(change, types.TextDocumentEdit)
        assert len(change.edits) == 1 and applied(old, list(change.edits)) == text

    conversation(talk, tmp_path)


def translated(text: str) -> str:
    """What the command line makes of a text."""
    command = [sys.executable, "-m", "translator", "torch2tf", "-"]
    environment = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run(command, input=text.encode(), capture_output=True, env=environment, check=False)
    return done.stdout.decode()


def test_a_plain_client_gets_commands_and_plain_edits(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.py", NET)
        action = (await editor.actions(uri, (18, 0), (18, 0)))["Translate function other to TensorFlow"]
        await editor.run(action)
        (edit,) = editor.applied
        assert edit.changes is not None and edit.document_changes is None
        assert "    return tf.exp(x)" in applied(NET, list(edit.changes[uri]))

    conversation(talk, tmp_path, types.ClientCapabilities())


def test_both_directions_and_files_that_are_imported(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("import torch\n\n\ndef ones():\n    return torch.ones(2, 3)\n")

    async def talk(editor: Editor) -> None:
        uri = editor.open(tmp_path / "use.py", "import torch\nfrom base import ones\n\nx = ones().fft_of_nothing()\n")
        (found,) = await editor.diagnostics(uri, 1)
        assert (found.code, found.range.start.line) == ("XL200", 3)  # known to be a tensor, by the other file
        back = editor.open(tmp_path / "k.py", "from tensorflow import keras\n\nlayer = keras.layers.ReLU()\n")
        await editor.diagnostics(back, 1)
        assert list(await editor.actions(back, (2, 0), (2, 0))) == ["Translate file to PyTorch (k_torch.py)"]
        plain = editor.open(tmp_path / "plain.py", "x = 1\n")
        assert await editor.diagnostics(plain, 1) == []
        assert await editor.actions(plain, (0, 0), (0, 1)) == {}

    conversation(talk, tmp_path)


def test_edits_by_line_give_the_new_text() -> None:
    old = Lines("a\r\n😋b\x0cc\nd", PositionCodec())
    for new in ("", "a\r\nX\nd", "a\r\n😋b\x0cc\nd\ne\n", "0\na\r\n😋b\x0cY\nd"):
        assert applied_at(old, edits(old, new)) == new


def applied_at(old: Lines, changes: list[types.TextEdit]) -> str:
    text = old.text
    for change in reversed(changes):
        ends = [old.starts[p.line] + old.character(p)[1] for p in (change.range.start, change.range.end)]
        text = text[: ends[0]] + change.new_text + text[ends[1] :]
    return text


def test_settings_keep_their_defaults_where_a_client_sends_nonsense() -> None:
    assert settings_of(None) == settings_of({"direction": "up", "delay": "x", "fidelity": 3}) == settings_of([1])
    assert settings_of({"direction": "tf2torch", "delay": 1}).direction == "tf2torch"


def test_without_pygls_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from translator.cli_root import root

    monkeypatch.delitem(sys.modules, "translator.lsp.server", raising=False)
    monkeypatch.setitem(sys.modules, "pygls.lsp.server", None)
    result = CliRunner().invoke(root, ["lsp"])
    assert result.exit_code == 1
    assert result.stderr == "Error: the language server needs pygls: pip install 'xlate[lsp]'\n"

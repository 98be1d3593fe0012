"""The server's conversation: findings as the user types, hovers, code actions. Python's side is ``analysis``."""

from __future__ import annotations

import asyncio
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from translator._version import __version__
from translator.cli_explain import explanation
from translator.codes import CODES
from translator.lsp.analysis import Analysis, Settings, analyse, definitions, translate_lines
from translator.lsp.text import Lines, edits
from translator.model import Direction, Fidelity, InputError, Severity, Status, Translation
from translator.outputs import SUFFIX

SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Warning,  # the program is right; its translation lacks something
    Severity.WARNING: types.DiagnosticSeverity.Information,
    Severity.NOTE: types.DiagnosticSeverity.Hint,
}
TARGETS = {Direction.TORCH2TF: "TensorFlow", Direction.TF2TORCH: "PyTorch"}
TRANSLATE = "xlate.translate"
_WORD = re.compile(r"[\w.]+|.", re.DOTALL)


Action = types.CodeAction | types.Command


class Server(LanguageServer):
    """One client's open files."""

    def __init__(self) -> None:
        # Whole texts: changes by range would have to be applied to lines that end where the protocol says.
        super().__init__("xlate", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.settings = Settings()
        self.known: dict[str, Analysis] = {}
        self.waiting: dict[str, asyncio.Task[None]] = {}
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="xlate")

    def lines(self, text: str) -> Lines:
        return Lines(text, self.workspace.position_codec)

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, as it stands in the editor where it is open there."""
        document = self.workspace.text_documents.get(from_fs_path(path) or "")
        if document is not None:
            return bytes(document.source, "utf-8")
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            return None

    def schedule(self, uri: str, delay: float) -> None:
        """Look at a file after a while, unless it changes again before."""
        if (task := self.waiting.pop(uri, None)) is not None:
            task.cancel()
        self.waiting[uri] = asyncio.get_running_loop().create_task(self._later(uri, delay))

    async def _later(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        await self.current(uri)

    async def current(self, uri: str) -> Analysis:
        """What is known of a file's present text; findings are published whenever that is new."""
        document = self.workspace.get_text_document(uri)
        text, version = document.source, document.version
        analysis = self.known.get(uri)
        if analysis is None or analysis.text != text:
            analysis = await self.work(analyse, _path(uri), text, self.settings, self.read)
            if uri in self.workspace.text_documents and self.workspace.get_text_document(uri).source == text:
                self.known[uri] = analysis
                self.publish(uri, analysis, version)
        return analysis

    async def work(self, function: Any, *arguments: Any) -> Any:
        """Run a translation beside the conversation."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, function, *arguments)

    def publish(self, uri: str, analysis: Analysis, version: int | None) -> None:
        lines = self.lines(analysis.text)
        shown = [f for f in analysis.findings if self.settings.notes or f.severity is not Severity.NOTE]
        found = [_diagnostic(lines, f, failed=isinstance(analysis.result, InputError)) for f in shown]
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))


def make_server() -> Server:
    """A server with its features, not started."""
    server = Server()

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.settings = settings_of(params.initialization_options)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.schedule(params.text_document.uri, 0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeTextDocumentParams) -> None:
        server.schedule(params.text_document.uri, server.settings.delay)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def did_save(params: types.DidSaveTextDocumentParams) -> None:
        # Files that import this one may be read differently now.
        for uri in list(server.workspace.text_documents):
            server.known.pop(uri, None)
            server.schedule(uri, 0)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def did_close(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.known.pop(uri, None)
        if (task := server.waiting.pop(uri, None)) is not None:
            task.cancel()
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        return _hover(server, await server.current(params.text_document.uri), params.position)

    kinds = [types.CodeActionKind.RefactorRewrite, types.CodeActionKind.Source]
    action_options = types.CodeActionOptions(code_action_kinds=kinds, resolve_provider=True)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, action_options)
    async def code_action(params: types.CodeActionParams) -> list[Action]:
        uri = params.text_document.uri
        return _actions(server, uri, await server.current(uri), params)

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def resolve(action: types.CodeAction) -> types.CodeAction:
        action.edit = await edit_for(server, action.data)
        return action

    @server.command(TRANSLATE)
    async def translate(data: Any) -> None:
        edit = await edit_for(server, data)
        if edit is not None:
            await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, "Translate"))
        window = server.client_capabilities.window
        if data["lines"] is None and edit is not None and window and window.show_document:
            direction = (await server.current(data["uri"])).direction
            if window.show_document.support and direction is not None:
                uri = from_fs_path(_output(_path(data["uri"]), direction)) or ""
                await server.window_show_document_async(types.ShowDocumentParams(uri, take_focus=True))

    return server


def settings_of(given: Any) -> Settings:
    """The settings from a client's ``initializationOptions``; what is malformed keeps its default."""
    given = given if isinstance(given, dict) else {}
    direction, fidelity, delay = given.get("direction"), given.get("fidelity"), given.get("delay")
    tables = given.get("mappings") if isinstance(given.get("mappings"), list) else []
    return Settings(
        Direction(direction) if direction in list(Direction) else None,
        Fidelity(fidelity) if fidelity in list(Fidelity) else Fidelity.IDIOMATIC,
        float(delay) if isinstance(delay, int | float) and 0 <= delay <= 60 else Settings().delay,
        given.get("notes") is not False,
        tuple(os.path.abspath(name) for name in tables if isinstance(name, str)),
    )


def _path(uri: str) -> str:
    return to_fs_path(uri) or uri


def _diagnostic(lines: Lines, finding: Any, failed: bool) -> types.Diagnostic:
    line, column = finding.line - 1, finding.column - 1
    word = _WORD.match(lines.line(line), column)
    span = types.Range(lines.position(line, column), lines.position(line, word.end() if word else column + 1))
    hint = f" ({finding.hint})" if finding.hint else ""
    severity = types.DiagnosticSeverity.Error if failed else SEVERITIES[finding.severity]
    return types.Diagnostic(span, f"{finding.message}{hint}", severity, finding.code, source="xlate")


def _hover(server: Server, analysis: Analysis, position: types.Position) -> types.Hover | None:
    """The table row of the API under the cursor, else what the code of a finding there means."""
    lines = server.lines(analysis.text)
    line, column = lines.character(position)
    named = analysis.api_at(line + 1, column)
    if named is not None and (text := explanation(named.api, server.settings.mappings)):
        span = types.Range(lines.position(line, named.start), lines.position(line, named.end))
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, f"```text\n{text}\n```"), span)
    for finding in analysis.findings:
        if finding.line == line + 1 and finding.code in CODES:
            title, text = CODES[finding.code]
            return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, f"**{finding.code} {title}.** {text}"))
    return None


# -- code actions ------------------------------------------------------------------------------------------


def _actions(server: Server, uri: str, analysis: Analysis, params: types.CodeActionParams) -> list[Action]:
    result, direction = analysis.result, analysis.direction
    if direction is None or not isinstance(result, Translation) or result.status is Status.UNCHANGED:
        return []
    lines = server.lines(analysis.text)
    (first, _), (last, end) = lines.character(params.range.start), lines.character(params.range.end)
    rewrite, target = types.CodeActionKind.RefactorRewrite, TARGETS[direction]
    wanted: list[tuple[str, str, tuple[int, int] | None]] = []
    if (first, params.range.start.character) != (last, params.range.end.character):
        last -= last > first and end == 0  # a selection of whole lines ends at the start of the next
        wanted.append((f"Translate selection to {target}", rewrite, (first + 1, last + 1)))
    for kind, name, start, stop in definitions(analysis.text, first + 1):
        wanted.append((f"Translate {kind} {name} to {target}", rewrite, (start, stop)))
    output = os.path.basename(_output(_path(uri), direction))
    wanted.append((f"Translate file to {target} ({output})", types.CodeActionKind.Source, None))
    only = params.context.only
    return [
        _action(server, title, kind, {"uri": uri, "lines": span})
        for title, kind, span in wanted
        if only is None or any(kind == one or kind.startswith(f"{one}.") for one in only)
    ]


def _action(server: Server, title: str, kind: str, data: dict[str, Any]) -> Action:
    """An action on lines has its edit made when the client asks for it. The other file is a command: to be opened."""
    support = server.client_capabilities.text_document
    lazy = support and support.code_action and support.code_action.resolve_support
    if data["lines"] is not None and lazy and "edit" in lazy.properties:
        return types.CodeAction(title, kind, data=data)
    return types.Command(title, TRANSLATE, arguments=[data])


async def edit_for(server: Server, data: Any) -> types.WorkspaceEdit | None:
    """The edit of an action: of some lines in the file itself, or of the file that the translation goes to."""
    uri, span = data["uri"], data["lines"]
    analysis = await server.current(uri)
    path = _path(uri)
    if not isinstance(analysis.result, Translation) or analysis.direction is None:
        return None
    if span is None:
        return _file_edit(server, _output(path, analysis.direction), analysis.result.text)
    result = await server.work(translate_lines, path, analysis, tuple(span), server.settings, server.read)
    if isinstance(result, InputError):
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"{result.code} {result.message}"))
        return None
    return _changes(server, [_document(server, uri, edits(server.lines(analysis.text), result.text))])


def _output(path: str, direction: Direction) -> str:
    stem, extension = os.path.splitext(path)
    return stem + SUFFIX[direction] + (extension or ".py")


def _file_edit(server: Server, path: str, text: str) -> types.WorkspaceEdit:
    """Create the translation's file, or change it to what it should be: the user sees, saves or undoes that."""
    uri = from_fs_path(path) or path
    present = server.read(path)
    if present is not None:
        old = server.lines(present.decode("utf-8", "replace"))
        return _changes(server, [_document(server, uri, edits(old, text))])
    start = types.Range(types.Position(0, 0), types.Position(0, 0))
    filled = _document(server, uri, [types.TextEdit(start, text)])
    support = server.client_capabilities.workspace
    documents = support.workspace_edit if support else None
    if documents and types.ResourceOperationKind.Create in (documents.resource_operations or ()):
        return types.WorkspaceEdit(document_changes=[types.CreateFile(uri), filled])
    return _changes(server, [filled])


def _changes(server: Server, documents: list[types.TextDocumentEdit]) -> types.WorkspaceEdit:
    """An edit in the form that the client knows."""
    support = server.client_capabilities.workspace
    if support and support.workspace_edit and support.workspace_edit.document_changes:
        return types.WorkspaceEdit(document_changes=list(documents))
    plain = {one.text_document.uri: [e for e in one.edits if isinstance(e, types.TextEdit)] for one in documents}
    return types.WorkspaceEdit(changes=plain)


def _document(server: Server, uri: str, changes: list[types.TextEdit]) -> types.TextDocumentEdit:
    known = server.workspace.text_documents.get(uri)
    version = known.version if known is not None else None
    return types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, version), list(changes))

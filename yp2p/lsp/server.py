"""The language server: what editors tell and ask, by pygls, and the sessions of the files that they have open.

Editors start it, one process each, and end it. What is told of a file is taken in the order in which it came: these
handlers are no coroutines.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from yp2p import __version__
from yp2p.client import Device
from yp2p.control.call import call
from yp2p.control.socket import find_control_socket
from yp2p.errors import YpError
from yp2p.lsp.copy import Offer
from yp2p.lsp.places import UTF16, Change, Lines, Place, placed
from yp2p.lsp.session import Session

COMMANDS = ("yp2p.undoMine", "yp2p.log", "yp2p.blame")
_SHOWN_LINES = 30
# Editors that tell of all changes before they ask what is to be changed before a save. That question names no version:
# an editor that asks first, as eglot does, would make the edits in another text.
_TELL_FIRST = ("Neovim",)

log = logging.getLogger(__name__)
_LONGEST_NAME = 100


class Server:
    """One editor.

    Args:
        socket: the daemon's control socket, where it is another home's.
        name: what others see; None: what the editor calls itself.
    """

    def __init__(self, socket: Path | None = None, name: str | None = None) -> None:
        self._socket = socket
        self._name = name
        self._editor = "an editor"
        self._sessions: dict[str, tuple[Session, asyncio.Task[None]]] = {}
        self.lsp = LanguageServer("yp2p", __version__)
        handlers: dict[str, Callable[[Any], Any]] = {
            types.INITIALIZE: self._begin,
            types.TEXT_DOCUMENT_DID_OPEN: self._opened,
            types.TEXT_DOCUMENT_DID_CHANGE: self._changed,
            types.TEXT_DOCUMENT_DID_CLOSE: self._closed,
            types.TEXT_DOCUMENT_INLAY_HINT: self._hints,
        }
        for name, handle in handlers.items():
            self.lsp.feature(name)(_told(handle))
        self.lsp.feature(types.TEXT_DOCUMENT_WILL_SAVE_WAIT_UNTIL)(self._before_save())
        for name, answer in zip(COMMANDS, (self._undo_mine, self._log, self._blame), strict=True):
            self.lsp.command(name)(_asked(answer))

    @property
    def _control(self) -> Path:
        return self._socket if self._socket is not None else find_control_socket()

    @property
    def _encoding(self) -> str:
        chosen = self.lsp.server_capabilities.position_encoding
        return str(getattr(chosen, "value", chosen) or UTF16)

    def _begin(self, params: types.InitializeParams) -> None:
        if params.client_info is not None and params.client_info.name.strip():
            self._editor = params.client_info.name.strip()[:_LONGEST_NAME]

    # --- files --------------------------------------------------------------------------------------------------

    def _opened(self, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        path = to_fs_path(document.uri)
        if path is None or not document.uri.startswith("file:"):
            return
        self._close(document.uri)
        session = Session(
            os.path.abspath(path), document.text, document.version, self._encoding,
            apply=partial(self._apply, document.uri), tell=self._tell, present=self._refresh,
        )  # fmt: skip
        task = asyncio.get_running_loop().create_task(self._serve(session))
        self._sessions[document.uri] = session, task

    async def _serve(self, session: Session) -> None:
        """A file that is in no folder is one like any other: nothing is said of it."""
        try:
            status = await self._call("GET", "/v1/status", None)
            roots = [folder["path"].rstrip("/") + "/" for folder in status["folders"]]
            if session.path.startswith(tuple(roots)):
                await session.serve(Device(self._control), self._name or self._editor)
        except YpError as error:
            self._tell(str(error))
        except Exception as error:
            log.exception("a file is not live any more")
            self._tell(f"{session.path} is not live any more, by a fault of this program: {error!r}")

    def _changed(self, params: types.DidChangeTextDocumentParams) -> None:
        session, task = self._sessions.get(params.text_document.uri, (None, None))
        if session is not None and task is not None and not task.done():
            session.did_change(params.text_document.version, [_change(one) for one in params.content_changes])

    def _closed(self, params: types.DidCloseTextDocumentParams) -> None:
        self._close(params.text_document.uri)

    def _close(self, uri: str) -> None:
        _, task = self._sessions.pop(uri, (None, None))
        if task is not None:
            task.cancel()

    async def _apply(self, uri: str, offer: Offer) -> bool:
        """Have the editor change a file in the version that it has; whether it did."""
        edits = self._edits(offer)
        document = types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=offer.version)
        edit = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, list(edits))])
        wanted = types.ApplyWorkspaceEditParams(edit=edit, label="yp2p: what others wrote")
        try:
            return bool((await self.lsp.workspace_apply_edit_async(wanted)).applied)
        except JsonRpcException:
            return False

    def _edits(self, offer: Offer) -> list[types.TextEdit]:
        return [
            types.TextEdit(types.Range(_position(one.start), _position(one.stop)), one.text)
            for one in placed(*offer.in_editor(), self._encoding)
        ]

    def _before_save(self) -> Callable[[types.WillSaveTextDocumentParams], Awaitable[list[types.TextEdit] | None]]:
        async def take(params: types.WillSaveTextDocumentParams) -> list[types.TextEdit] | None:
            session, _ = self._sessions.get(params.text_document.uri, (None, None))
            if session is None or self._editor not in _TELL_FIRST:
                return None
            offer = await session.before_save()
            return self._edits(offer) if offer is not None else None

        return take

    def _tell(self, text: str) -> None:
        self.lsp.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"yp2p: {text}"))

    # --- who is there -------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        workspace = self.lsp.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            self.lsp.workspace_inlay_hint_refresh(None)

    def _hints(self, params: types.InlayHintParams) -> list[types.InlayHint]:
        session, _ = self._sessions.get(params.text_document.uri, (None, None))
        if session is None or session.file is None:
            return []
        lines, wanted = Lines(str(session.file), self._encoding), params.range
        found: list[types.InlayHint] = []
        for other in session.file.awareness:
            line = other.get("line", 0) - 1
            if wanted.start.line <= line <= wanted.end.line:
                who = other.get("name") or other["device"]
                end = _position(lines.end_of(line))
                found.append(
                    types.InlayHint(end, f"◂ {who}", padding_left=True, tooltip=f"{who}, on {other['device']}")
                )
        return found

    # --- commands -----------------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, body: Any) -> Any:
        return await anyio.to_thread.run_sync(call, self._control, method, path, body)

    async def _ask(self, uri: Any, path: str, **more: Any) -> Any:
        """What the daemon answers about a file, with what was typed there; None where it says why not."""
        session, _ = self._sessions.get(str(uri), (None, None))
        where = session.path if session is not None else to_fs_path(str(uri)) or str(uri)
        if session is not None and session.file is not None:
            await session.file.flush()
        try:
            return await self._call("POST", path, {"path": where, **more})
        except YpError as error:
            self._tell(str(error))
            return None

    async def _undo_mine(self, uri: str) -> list[str]:
        """Take back the last change that this device made to a file; gives what that changed."""
        answer = await self._ask(uri, "/v1/undo", steps=1)
        return list(answer["diff"]) if answer is not None else []

    async def _log(self, uri: str) -> list[str]:
        """The versions of a file, the newest first."""
        answer = await self._ask(uri, "/v1/history/log")
        versions = reversed(answer["versions"]) if answer is not None else ()
        return self._shown(
            f"{one['version']}  {_moment(one['at'])}  {', '.join([*one['devices'], *one['writers']])}"
            f"  +{one['added']} -{one['removed']}"
            for one in versions
        )

    async def _blame(self, uri: str) -> list[str]:
        """Who wrote each line of a file."""
        answer = await self._ask(uri, "/v1/history/blame")
        lines = answer["lines"] if answer is not None else ()
        return self._shown(
            f"{number}  {one['name'] or one['device']}  {_moment(one['at'])}  {one['text'].rstrip()}"
            for number, one in enumerate(lines, 1)
        )

    def _shown(self, lines: Any) -> list[str]:
        """Lines, of which the first are shown as well: not every editor shows what a command answers."""
        found = list(lines)
        if found:
            text = "\n".join(found[:_SHOWN_LINES])
            self.lsp.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))
        return found


def _told(handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A handler as the library takes it, which writes down on it what it is."""

    def take(params: Any) -> Any:
        return handle(params)

    return take


def _asked(answer: Callable[[str], Awaitable[list[str]]]) -> Callable[[str], Awaitable[list[str]]]:
    async def take(uri: str) -> list[str]:
        return await answer(uri)

    return take


def _change(one: types.TextDocumentContentChangeEvent) -> Change:
    if isinstance(one, types.TextDocumentContentChangePartial):
        return Change(one.text, _place(one.range.start), _place(one.range.end))
    return Change(one.text)


def _place(position: types.Position) -> Place:
    return Place(position.line, position.character)


def _position(place: Place | None) -> types.Position:
    assert place is not None
    return types.Position(place.line, place.character)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def run(name: str | None) -> None:
    """Serve one editor over standard input and output, until it goes."""
    Server(name=name).lsp.start_io()

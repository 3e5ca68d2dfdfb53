"""`yp2p client`: one editor on standard input and output, and the daemon behind it.

What the editor says comes as JSON-RPC (`framing.py`, `messages.py`). Each file that it has open is an `OpenFile` with a
task of its own. One task writes: answers in the order of the questions, then what is news of the files, so that an
editor that reads slowly finds news put together and never a row of them.

The daemon may be away and come back: the editor does not notice, and what it writes meanwhile is kept here. If it is
still away when the editor goes, what it does not have is saved into the file (`rescue.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import trio

from yp2p.client import Device
from yp2p.editors import messages
from yp2p.editors.framing import Frames, NotJsonRpc, frame
from yp2p.editors.open_file import OpenFile
from yp2p.editors.rescue import make_file, save
from yp2p.editors.view import View
from yp2p.errors import FileUnavailable, NotRunning, UsageError, YpError
from yp2p.machine import reason as reason_of

_READ_BYTES = 1 << 16
# An editor waits for the answer before it goes on with a file: one that is about to come is waited for, a daemon that
# is away is not.
_OPEN_LIMIT_S = 2.0
_LAST_WORD_S = 1.0
# An editor that writes and does not read is not read for any longer; it can have asked as much as is in one read.
_MOST_ANSWERS = 1000
_DONE = "success"
_FAILED, _NOT_JSON = -1, -32700

log = logging.getLogger(__name__)


class Bridge:
    """One editor. Use `serve`.

    Args:
        roots: the directories of all folders here, and why nobody may write into them, where that is so.
        name: what the others are told that this editor's person is called.
        is_neovim: whether it has the last line end of a file as an option (`last_line_end.py`).
    """

    def __init__(self, device: Device, roots: Mapping[str, str], name: str, *, is_neovim: bool = False) -> None:
        self._device = device
        self._roots = {os.path.realpath(root): reason for root, reason in roots.items()}
        self._name = name
        self._is_neovim = is_neovim
        self._files: dict[str, OpenFile] = {}
        self._scopes: dict[OpenFile, trio.CancelScope] = {}
        self._answers: list[dict[str, Any]] = []
        self._more = trio.Event()
        self._written = trio.Event()

    async def serve(self, receive: trio.abc.ReceiveStream, send: trio.abc.SendStream) -> NotJsonRpc | None:
        """Serve the editor until it closes its end, or says what is no message: that is given, and it was told.

        What it wrote is stored then, also where this is cancelled.
        """
        async with trio.open_nursery() as writing:
            writing.start_soon(self._write, send)
            async with trio.open_nursery() as files:
                fault = await self._read(receive, files)
                for scope in self._scopes.values():
                    scope.cancel()
            if fault is not None:
                self._answer({"id": None, "error": {"code": _NOT_JSON, "message": str(fault)}})
                with trio.move_on_after(_LAST_WORD_S), suppress(trio.BrokenResourceError, trio.BusyResourceError):
                    await self._write_once(send)
            writing.cancel_scope.cancel()
        return fault

    # --- what the editor says -----------------------------------------------------------------------------------

    async def _read(self, receive: trio.abc.ReceiveStream, files: trio.Nursery) -> NotJsonRpc | None:
        frames = Frames()
        try:
            while data := await receive.receive_some(_READ_BYTES):
                for message in frames.receive(bytes(data)):
                    self._take(message, files)
                while len(self._answers) > _MOST_ANSWERS:
                    await self._written.wait()
        except NotJsonRpc as error:
            return error
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it has gone
        return None

    def _take(self, message: dict[str, Any], files: trio.Nursery) -> None:
        number = message.get("id")
        try:
            match messages.read(message):
                case messages.Open() as wanted:
                    self._open(wanted, number, files)
                    return
                case messages.Close(uri):
                    self._close(uri)
                case messages.Edit() as edit:
                    file = self._opened(edit.uri)
                    self._edit(file, edit)
                    if number is not None and (note := file.hindrances.take_note()):
                        raise UsageError(note)  # the edit is taken: an editor shows nothing else that it is told
                case messages.Cursor(uri, ranges):
                    if uri in self._files:
                        self._files[uri].cursor(ranges)
        except UsageError as error:
            self._fail(number, error)
        else:
            self._succeed(number)

    def _opened(self, uri: str) -> OpenFile:
        if uri not in self._files:
            raise UsageError(f"{uri!r:.200} is not open")
        return self._files[uri]

    @staticmethod
    def _fail_file(file: OpenFile, error: Exception) -> None:
        """A fault of one file, wherever it is, is none of the others."""
        log.error("%s", file.path, exc_info=error)
        file.fail(f"{type(error).__name__}: {error}")

    def _edit(self, file: OpenFile, edit: messages.Edit) -> None:
        """Raises UsageError."""
        try:
            file.edit(edit)
        except UsageError:
            raise
        except Exception as error:
            self._fail_file(file, error)
            raise UsageError(f"{file.path} is not open any more: {file.reason}") from None

    def _open(self, wanted: messages.Open, number: object, files: trio.Nursery) -> None:
        self._close(wanted.uri)
        view = View(wanted.content, is_neovim=self._is_neovim)
        file = OpenFile(wanted.uri, view, name=self._name, wake=self._wake, make=self._make)
        file.hindrances.refusal = self._roots.get(self._root_of(file.path) or "", "")
        self._files[wanted.uri] = file
        self._scopes[file] = trio.CancelScope()
        files.start_soon(self._run, file)
        files.start_soon(self._answer_open, file, number)

    def _close(self, uri: str) -> None:
        file = self._files.pop(uri, None)
        if file is not None:
            for method, params in file.last_messages():
                self._answer({"method": method, "params": params})
            file.may_send = False
            if file in self._scopes:
                self._scopes[file].cancel()

    async def _answer_open(self, file: OpenFile, number: object) -> None:
        with trio.move_on_after(_OPEN_LIMIT_S):
            await file.wait_known()
        if file.reason:
            if self._files.get(file.uri) is file:
                del self._files[file.uri]
            self._fail(number, UsageError(file.reason))
        else:
            self._succeed(number)
            file.may_send = self._files.get(file.uri) is file
            self._wake()

    async def _run(self, file: OpenFile) -> None:
        """Keep a file in step, until it is closed."""
        with self._scopes[file]:
            try:
                await file.run(self._device)
            except NotRunning:
                pass  # what it has not stored is saved
            except Exception as error:
                self._fail_file(file, error)
            finally:
                del self._scopes[file]
                with trio.CancelScope(shield=True):
                    await self._save(file)

    @staticmethod
    async def _save(file: OpenFile) -> None:
        """What the daemon does not have is saved into the file."""
        try:
            place = await trio.to_thread.run_sync(save, file.unsaved())
        except OSError as error:
            log.error("%s could not be saved: %s", file.path, reason_of(error))
        else:
            if place is not None:
                log.error("%s could not be saved; what was written is in %s", file.path, place)

    def _make(self, path: str, content: str) -> None:
        """Raises FileUnavailable."""
        root = self._root_of(path)
        if root is None:
            raise FileUnavailable(f"{path} is in no folder of this device; `yp2p status` shows them")
        if self._roots[root]:
            raise FileUnavailable(self._roots[root])
        make_file(path, content)

    def _root_of(self, path: str) -> str | None:
        """The directory of the folder that a path is in."""
        directory = os.path.realpath(os.path.dirname(path)) + "/"
        return next((root for root in self._roots if directory.startswith(root.rstrip("/") + "/")), None)

    # --- what it is told ----------------------------------------------------------------------------------------

    def _succeed(self, number: object) -> None:
        if number is not None:
            self._answer({"id": number, "result": _DONE})

    def _fail(self, number: object, error: YpError) -> None:
        if number is not None:
            self._answer({"id": number, "error": {"code": _FAILED, "message": str(error)}})

    def _answer(self, message: dict[str, Any]) -> None:
        self._answers.append(message)
        self._wake()

    def _wake(self) -> None:
        self._more.set()

    async def _write(self, send: trio.abc.SendStream) -> None:
        with suppress(trio.BrokenResourceError):  # nobody reads any more: the other end goes in a moment
            while True:
                await self._more.wait()
                self._more = trio.Event()
                await self._write_once(send)

    async def _write_once(self, send: trio.abc.SendStream) -> None:
        answers, self._answers = self._answers, []
        for file in self._files.values():
            try:
                answers += [{"method": method, "params": params} for method, params in file.next_messages()]
            except Exception as error:
                self._fail_file(file, error)
        if answers:
            await send.send_all(b"".join(map(frame, answers)))
        written, self._written = self._written, trio.Event()
        written.set()

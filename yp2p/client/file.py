"""A file of a folder as a live document of this process (`connect`, `Device.open`).

The document is a `pycrdt.Doc`, kept in step by the daemon over its documents socket: a WebSocket that speaks the
protocol of Yjs providers (docs/protocol.md, "Local API").

`File` is what a program sees. What is said with the daemon is in `conversation.py`; that there is a connection, and
what happens at the end of a block, in `in_step.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread

from yp2p.client.changes import NextChange
from yp2p.client.conversation import Conversation
from yp2p.client.edits import Authors, Edits, Received
from yp2p.client.in_step import InStep
from yp2p.client.screen import Screen
from yp2p.control.call import RemoteError, call
from yp2p.documents.editable import EditableText
from yp2p.documents.positions import Position
from yp2p.errors import NotRunning


class File(EditableText):
    """A text file that is open: its document, where it is the same on all devices. Indices count code points.

    It stays this file when it is renamed, which `path` follows. After its block it raises FileUnavailable.
    """

    def __init__(self, socket: Path, path: str) -> None:
        self._socket_path = socket
        self._conversation = Conversation(path)
        super().__init__(self._conversation.shared)
        self._authors = Authors(lambda: self._conversation.presence.others, self._ask_authors)

    @classmethod
    @asynccontextmanager
    async def opened(cls, socket: Path, path: str) -> AsyncIterator[File]:
        """The text file at an absolute path. Raises as `Device.open`."""
        file = cls(socket, path)
        in_step = InStep(socket, file._conversation)
        await in_step.connect()
        async with in_step.kept():
            yield file

    # --- what is known of it ------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Where it is now."""
        return self._conversation.presence.path

    @property
    def note(self) -> str:
        """What hinders the file on the disk, as a sentence; empty when nothing does."""
        return self._conversation.presence.note

    @property
    def is_reader(self) -> bool | None:
        """Whether this device may only read the folder; None: nobody said yet."""
        return self._conversation.presence.is_reader

    @property
    def screen(self) -> Screen:
        """What is shown of it, where that is said."""
        return self._conversation.screen

    # --- bookmarks ----------------------------------------------------------------------------------------------

    async def bookmarks(self) -> dict[str, Position]:
        """The named positions of this file, on all devices. Raises NotRunning."""
        found = await self._call("/v1/bookmarks", {"path": self.path})
        return {item["name"]: Position.from_json(item["position"]) for item in found}

    async def set_bookmark(self, name: str, position: Position | None) -> None:
        """Put a bookmark at a position, or remove it. Raises NotRunning, RemoteError: the name is none, or too many."""
        await self.flush()
        wanted = position.to_json() if position is not None else None
        await self._call("/v1/bookmarks/set", {"path": self.path, "name": name, "position": wanted})

    async def _call(self, path: str, body: dict[str, Any]) -> Any:
        return await anyio.to_thread.run_sync(call, self._socket_path, "POST", path, body)

    # --- what others change -------------------------------------------------------------------------------------

    def edits(self) -> Edits:
        """What others change from now on: an asynchronous iterator over `Edit`, with who made each.

        `async for edit in file.edits():` is told of each once, in order. Raises FileUnavailable when the block is over.
        """
        self._conversation.check_open()
        return Edits(self._shared.followers, self._authors, self._conversation.changes)

    def follow(self, callback: Callable[[Received], None]) -> Callable[[], None]:
        """Call back with each change of others at once, when the text has it; gives what ends that.

        For a copy of the text that is kept in step: what the callback is told fits into the text as it was before.
        """
        self._shared.followers.append(callback)
        return lambda: self._shared.followers.remove(callback)

    async def _ask_authors(self, clients: Sequence[int]) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = await self._call(
                "/v1/history/authors", {"path": self.path, "clients": list(clients)}
            )
        except (NotRunning, RemoteError):  # it may be away for a moment
            return []
        return found

    # --- who is here --------------------------------------------------------------------------------------------

    @property
    def awareness(self) -> Sequence[dict[str, Any]]:
        """Who else has this file open: `device`, `since`, and where known `name`, `line` and `cursor` (JSON)."""
        return tuple(self._conversation.presence.others)

    def set_awareness(
        self, name: str | None = None, cursor: Position | None = None, anchor: Position | None = None
    ) -> None:
        """Say who edits here, and where their cursor is; `anchor` is where a selection began that ends there.

        Raises:
            ValueError: the name is no text of at most 100 characters, or the cursor or anchor is no `Position`.
        """
        self._conversation.check_open()
        self._conversation.presence.say(name, cursor, anchor)
        self._conversation.tell_presence()

    # --- keeping in step ----------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the daemon is there and has what is here."""
        return self._conversation.is_live

    @property
    def unstored(self) -> int:
        """How many edits were made here that are not known to be stored: since a flush, or since the block was left."""
        return self._conversation.unstored

    async def flush(self) -> None:
        """Return when everything written here so far is stored by the daemon, which may have to come back first."""
        await self._conversation.flush()

    def changed(self) -> NextChange:
        """What others change: the text, who else has it open, its path, what hinders it; whether the daemon is there; a
        refused edit.

        `await file.changed()` returns when something changes next, and at once where something did since it last
        returned to the same task. `async for _ in file.changed():` begins a round after each change, however long a
        round takes: changes of that time are one more round.

        Raises:
            FileUnavailable: the block is over; also while it is waited for.
        """
        return self._conversation.changes.next()

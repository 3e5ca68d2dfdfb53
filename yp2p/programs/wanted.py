"""What a program asks for in the address of its WebSocket, and which text that is.

Three forms: an absolute path (`/v1/documents?path=PATH`); a room as the providers of Yjs name it (`/v1/y/FOLDER/PATH`,
percent-decoded once); or, behind either of them, `file=NAME`, which names the file that the program had before. A
folder in a room is its label or the beginning of its ID, since a directory would need slashes.

A stock client knows a file by its path alone. When the file is renamed, a client that is connected stays with it, and
one that comes back to the old path is given it again, as long as no other file is there: it shows by what it has that
it was given that one (`ProgramDocument.cut`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

import trio

from yp2p.documents.registers import Entry
from yp2p.errors import FileGone, UsageError
from yp2p.folder import lookup
from yp2p.folder.folder import Folder
from yp2p.identity import ID_BYTES, DocumentID, EntryID
from yp2p.programs.programs import Programs
from yp2p.programs.refusals import NotHereYet
from yp2p.protocol.cursor import MAX_CLIENT
from yp2p.protocol.entries import Kind
from yp2p.protocol.names import path_problem
from yp2p.protocol.ysync import Shape

ROOM_PATH = "/v1/y/"
# A new file has to rest for 0.2 s before it is looked at, one that was renamed for 1 s, an empty one for 2 s.
_LOOK_LIMIT_S = 1.5
# Longer than anybody's: each message to and from a program is searched for it.
_MAX_ROOT = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program asks for. Names and paths are any, also such that are not UTF-8.

    Attributes:
        path: an absolute path, or FOLDER/PATH of a room.
        client: the client ID that it writes with, where it says so.
        file: the name of the file that it had before.
        takes_lists: whether it reads updates as lists (kind 40), which no stock provider does.
        takes_others: whether it reads who is there as a list in one state.
        is_echoed: whether it is sent its own updates when they are stored.
        is_asked: whether it answers what it shows, when a save is found.
        root: what it calls the text.
    """

    path: str
    is_room: bool = False
    client: int | None = None
    file: str = ""
    takes_lists: bool = False
    takes_others: bool = False
    is_echoed: bool = False
    is_asked: bool = False
    root: str = Shape.TEXT.value

    @classmethod
    def of(cls, target: str) -> Wanted:
        where, _, words = target.partition("?")
        query = parse_qs(words, errors="surrogateescape")
        client = str(query.get("client", [""])[0])
        is_client = client.isdecimal() and len(client) <= len(str(MAX_CLIENT)) and int(client) <= MAX_CLIENT
        is_room = where.startswith(ROOM_PATH)
        room = unquote(where.removeprefix(ROOM_PATH), errors="surrogateescape")
        return cls(
            room if is_room else str(query.get("path", [""])[0]),
            is_room,
            int(client) if is_client else None,
            str(query.get("file", [""])[0]),
            query.get("batch") == ["1"],
            query.get("others") == ["1"],
            query.get("echo", ["1" if is_room else "0"]) == ["1"],
            query.get("asked") == ["1"],
            str(query.get("root", [Shape.TEXT.value])[0]),
        )


def name_of(entry: Entry) -> str:
    """What a program calls the file that it has open, whatever becomes of its path."""
    return (entry.id + entry.document).hex()


class Device(Protocol):
    """What live documents need of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    @property
    def shown_id(self) -> str: ...

    def programs(self, folder: Folder) -> Programs: ...

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        """The awareness states of all who are in a folder."""


@dataclass(frozen=True, slots=True)
class Found:
    """The text that a program asks for.

    Attributes:
        former_path: where it was when clients were given it; what is asked for by that path, and is not there any more,
            is for those alone who have something of it already.
    """

    folder: Folder
    entry: Entry
    former_path: str | None = None


async def find_soon(device: Device, wanted: Wanted) -> Found:
    """The text that a program asks for; a file that was just made is waited for until it was looked at.

    Raises:
        UsageError, FileGone: there is no such text.
    """
    _check_root(wanted.root)
    every = list(device.folders)
    with trio.move_on_after(_LOOK_LIMIT_S):
        while (folder := _about_to_look(every, wanted)) is not None:
            await folder.state.changed.wait()
    if _about_to_look(every, wanted) is not None:
        raise NotHereYet(f"{wanted.path} is on the disk and has not been looked at yet; try again in a moment")
    return _find(device, every, wanted)


def _about_to_look(folders: Iterable[Folder], wanted: Wanted) -> Folder | None:
    """The folder in which there is a file at this path that has no entry yet."""
    with suppress(UsageError, OSError):
        folder, inside = _place(folders, wanted)
        is_new = inside not in folder.catalogue.layout().entry_at and not folder.state.pause_reason
        if is_new and not folder.files.ignored.rules.ignores(inside, directory=False):
            return folder if stat.S_ISREG(os.lstat(folder.path / inside).st_mode) else None
    return None


def _place(folders: Iterable[Folder], wanted: Wanted) -> tuple[Folder, str]:
    """Raises UsageError."""
    if not wanted.is_room:
        return lookup.find(folders, wanted.path)
    folder, inside = lookup.find_in_room(folders, wanted.path)
    if (problem := path_problem(inside)) is not None:
        raise UsageError(f"{wanted.path!r} is no room: {problem}; it is written as FOLDER/PATH")
    return folder, inside


def _check_root(root: str) -> None:
    """Raises UsageError: no text can be called so."""
    if not (0 < len(root) <= _MAX_ROOT and root.isprintable()):
        raise UsageError(f"a root has a name of 1 to {_MAX_ROOT} printable characters, and not {root[:40]!r}")


def _find(device: Device, folders: Iterable[Folder], wanted: Wanted) -> Found:
    """Raises UsageError."""
    if wanted.file:
        return Found(*_find_again(folders, wanted))
    folder, inside = _place(folders, wanted)
    if inside not in folder.catalogue.layout().entry_at:
        served = device.programs(folder).served.at(inside)
        moved = [entry for document in served if (entry := _moved(folder, document)) is not None]
        if len(moved) == 1:
            return Found(folder, moved[0], inside)
    entry = lookup.entry_at(folder, inside)
    if not folder.catalogue.is_alive(entry):
        raise UsageError(f"{inside} was deleted; `yp2p restore` brings it back")
    if entry.document not in folder.texts.digests:
        raise NotHereYet(f"the text of {inside} has not come to this device yet")
    return Found(folder, entry)


def _moved(folder: Folder, document: DocumentID) -> Entry | None:
    """The file that has a document, if there is one, whatever its path."""
    entry = folder.catalogue.entries.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
    is_text = entry is not None and entry.kind is Kind.TEXT and entry.document == document
    return entry if is_text and entry is not None and folder.catalogue.is_alive(entry) else None


def _find_again(folders: Iterable[Folder], wanted: Wanted) -> tuple[Folder, Entry]:
    """The file that a program had open before, also one that was deleted meanwhile: what it writes revives it.

    Raises FileGone.
    """
    with suppress(ValueError):
        before = EntryID(bytes.fromhex(wanted.file)[:ID_BYTES])
        for folder in folders:
            entry = folder.catalogue.entries.get(before)
            if entry is not None and entry.kind is Kind.TEXT and name_of(entry) == wanted.file:
                return folder, entry
    raise FileGone(f"the file that was {wanted.path} is another one by now, or no text any more")

"""New files, made by programs that name no version: there was none.

Theory of operation
    A file that is made so is a new entry with a new document, and its text is an edit of the empty document, by the
    client ID of whoever makes it: so `blame`, `log` and taking back know the author of all of it. A file that is saved
    has IDs that are computed of its content, so that it is one file wherever it comes from; here they are random, as
    operations of one author are nobody else's. Two devices that make equal files so have two entries, of which one goes
    (`disk/render/equal_entries.py`); different ones stand beside each other, and are told.

    Where a text was deleted it lives again, and what is given is an edit of it: its history goes on.

Invariants
    * Nothing is written where there is a file, or was a moment ago one that nobody has looked at.
    * Entry and text become durable in one commit.
"""

from __future__ import annotations

import os
import shlex
import time

import trio

from yp2p.agents.versions import LOOK_S, is_looked_at
from yp2p.documents.registers import Entry
from yp2p.errors import UsageError
from yp2p.folder.folder import Folder
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.names import path_problem


async def find_place(folder: Folder, path: str) -> Entry:
    """The entry that a new file at a path is to be.

    Raises:
        UsageError: there is none, and why; also where somebody saved one there a moment ago.
        FolderError: this device only reads.
    """
    problem = path_problem(path)
    if problem is not None:
        raise UsageError(f"{path} can be no file of a folder: {problem}")
    if folder.files.ignored.rules.ignores(path):
        raise UsageError(f"{path} is ignored here, so it would come to no other device; write it by other means")
    with trio.move_on_after(LOOK_S):
        while not is_looked_at(folder, path):
            await folder.state.changed.wait()
    check_place(folder, path)
    dead = folder.catalogue.dead_entry_at(path)
    if dead is not None and dead.id not in folder.files:
        return dead
    document = DocumentID(os.urandom(16))
    return Entry(EntryID(os.urandom(16)), path, Content.text(document, Mode.PLAIN, time.time_ns()), None)


def check_place(folder: Folder, path: str) -> None:
    """Look again whether there is room for a new file, and whether this device may write one.

    Raises:
        UsageError: something is there.
        FolderError: this device only reads.
    """
    folder.membership.check_may_write()
    if path in folder.catalogue.layout().entry_at or os.path.lexists(folder.path / path):
        raise UsageError(
            f"{path} is there already, and nothing was changed;"
            f" `yp2p read {shlex.quote(str(folder.path / path))}`, and edit that"
        )
    above = path.rpartition("/")[0]
    while above:
        if not _can_be_directory(folder, above):
            raise UsageError(f"{above} is no directory, so {path} cannot be in it")
        above = above.rpartition("/")[0]


def _can_be_directory(folder: Folder, path: str) -> bool:
    entry = folder.catalogue.layout().entry_at.get(path)
    if entry is not None and folder.catalogue.entries[entry].kind is not Kind.DIRECTORY:
        return False
    place = folder.path / path
    return not os.path.lexists(place) or (place.is_dir() and not place.is_symlink())

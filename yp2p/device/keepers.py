"""Which files are on the disks of other devices: asked of those that are connected, before a person relies on them.

That two devices are in sync says nothing of blobs: a device may have left some out, by choice or because it ignores
them. What is in a text is in the documents of every device, and what a symlink or a directory is, in the manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import trio

from yp2p.folder.folder import Folder, blob_leaf
from yp2p.identity import EntryID
from yp2p.peers.session import FolderSession
from yp2p.protocol.entries import Kind

# A device that has its files forces them to its disk before it answers.
_ANSWER_LIMIT_S = 10.0
_SHOWN = 5


async def kept_by(folder: Folder, sessions: Iterable[FolderSession], entries: Collection[EntryID]) -> set[EntryID]:
    """Which of these blobs a device of these sessions has on its disk, and keeps, as the manifest has them."""
    leaves = {entry: blob_leaf(folder.catalogue.entries[entry]) for entry in entries}
    kept: set[EntryID] = set()
    asked = [session for session in sessions if folder.membership.takes_from(session.peer)] if leaves else []

    async def ask(session: FolderSession) -> None:
        await session.keeping.ask(leaves, kept)

    with trio.move_on_after(_ANSWER_LIMIT_S):
        async with trio.open_nursery() as nursery:
            for session in asked:
                nursery.start_soon(ask, session)
    return kept


async def nowhere_but_there(folder: Folder, sessions: Iterable[FolderSession]) -> dict[str, Any] | None:
    """The files that are not here, nor on a device of these sessions; None: there are none.

    Whether they are on any other device nobody knows.
    """
    entries = folder.catalogue.entries
    away = {
        entry: path for entry, path in folder.catalogue.layout().path_of.items()
        if entries[entry].kind is Kind.BLOB and not folder.files.holds(entries[entry])
    }  # fmt: skip
    kept = await kept_by(folder, sessions, away)
    left = {entry: path for entry, path in away.items() if entry not in kept and entry in entries}
    if not left:
        return None
    size = sum(entries[entry].content.size for entry in left)
    return {"folder": folder.label, "files": len(left), "bytes": size, "paths": sorted(left.values())[:_SHOWN]}

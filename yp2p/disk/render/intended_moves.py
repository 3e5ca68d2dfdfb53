"""Renames that are about to be made, stored before: after a kill in between nobody takes them for a person's.

A file that was renamed here because the documents said so, and of which the store does not know yet, looks like one
that a person renamed. As such it would be told to all, over what they have renamed since. So where a file goes is in
the store before it goes there, as an intent under the name that it would be parked at, and until its record says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import trio

from yp2p.files.inspect import NO_STAMP, Stamp
from yp2p.files.root import Root
from yp2p.files.temporary_names import Temporary, parked_name, read_parked
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Intent, delete_intents
from yp2p.store.sql import Statement

# So many rows are named in one statement.
_AT_ONCE = 500


async def intend(folder: Folder, root: Root, moves: Sequence[tuple[FileRecord, str]]) -> list[Intent]:
    """Store that these files are about to go to these paths; returns when that is durable."""
    intents = await trio.to_thread.run_sync(lambda: list(_intents(root, moves)))
    if intents:
        await folder.database.submit([intent.save(folder.id) for intent in intents]).wait()
    return intents


def _intents(root: Root, moves: Iterable[tuple[FileRecord, str]]) -> Iterator[Intent]:
    for record, path in moves:
        inode = _inode_at(root, record.path)
        if inode:
            there = Temporary(parked_name(record.entry), inode)
            yield Intent(
                record.entry, path, record.document, there, record.base_seq, record.content, record.mode, record.kind
            )


def _inode_at(root: Root, path: str) -> int:
    try:
        status = root.lstat(path)
    except OSError:
        return 0
    return Stamp.of(status).inode if status is not None else 0


def forget(folder: Folder, intents: Sequence[Intent]) -> list[Statement]:
    """What is to be stored once their records say where the files are, or when they did not go."""
    return [delete_intents(folder.id, intents[at : at + _AT_ONCE]) for at in range(0, len(intents), _AT_ONCE)]


def is_of_a_move(intent: Intent) -> bool:
    """Whether an intent is of a file that had a name before."""
    return read_parked(intent.temporary.name) == intent.entry


def settled(folder: Folder, root: Root, intent: Intent) -> FileRecord | None:
    """After a crash: the record of a file that had gone; None where it had not."""
    record: FileRecord | None = folder.files.get(intent.entry)
    if record is None or _inode_at(root, record.path) or _inode_at(root, intent.path) != intent.temporary.inode:
        return None
    return replace(record, path=intent.path, stamp=NO_STAMP)

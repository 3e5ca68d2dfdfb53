"""Files on the disk, and the base of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import AT_ONCE, LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(entry) = 16 AND length(document) = 16 AND is_path(path) "
    f"AND base_seq BETWEEN 0 AND {LAST} AND mode BETWEEN 0 AND 3 AND kind BETWEEN 1 AND 4 "
    "AND own IN (0, 1) AND sight IN (0, 1, 2) AND (kind != 1 OR is_state(base_state))"
)


def save(
    folder: FolderID, entry: EntryID, path: bytes, document: DocumentID, base: tuple[int, bytes | None, bytes],
    mode: int, stamp: Sequence[int], kind: int, *, own: bool, sight: int,
) -> Statement:  # fmt: skip
    """Args: `base` is the row of the log, the state where that is none, and the content hash; `stamp` is inode, size,
    time of content and time of change; a negative inode says that a power cut may have changed the file since."""
    return (
        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, entry, path, document, *base, mode, *stamp, kind, own, sight),
    )


def delete(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM file WHERE folder = ? AND entry = ?", (folder, entry))


def read_after(read: Read, folder: FolderID, entry: bytes, limit: int) -> list[tuple[Any, ...]]:
    """So many rows behind an entry, in their order: entry, path, document, the three columns of the base, mode, kind,
    own, sight, and the four of the stamp."""
    query = (
        "SELECT entry, path, document, base_seq, base_state, content, mode, kind, own, sight, inode, size, mtime_ns,"
        " ctime_ns FROM file WHERE folder = ? AND entry > ? ORDER BY entry LIMIT ?"
    )
    return read(query, (folder, entry, limit))


def read_all(read: Read, folder: FolderID) -> Iterator[tuple[Any, ...]]:
    """The same of all, some rows at a time: they may change meanwhile."""
    after = b""
    while rows := read_after(read, folder, after, AT_ONCE):
        yield from rows
        after = rows[-1][0]


def read_one(read: Read, folder: FolderID, entry: EntryID) -> tuple[Any, ...] | None:
    """The same of one entry."""
    query = (
        "SELECT entry, path, document, base_seq, base_state, content, mode, kind, own, sight, inode, size, mtime_ns,"
        " ctime_ns FROM file WHERE folder = ? AND entry = ?"
    )
    rows = read(query, (folder, entry))
    return rows[0] if rows else None

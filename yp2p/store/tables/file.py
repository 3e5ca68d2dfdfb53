"""Files on the disk, and the base of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import Read, Statement


def save(
    folder: FolderID, entry: EntryID, path: bytes, document: DocumentID, base: tuple[int, bytes | None, bytes],
    mode: int, stamp: Sequence[int], kind: int, *, own: bool, sight: int,
) -> Statement:  # fmt: skip
    """Args: `base` is the row of the log, the state where that is none, and the content hash; `stamp` is inode, size,
    time of content and time of change."""
    return (
        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, entry, path, document, *base, mode, *stamp, kind, own, sight),
    )


def delete(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM file WHERE folder = ? AND entry = ?", (folder, entry))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Entry, path, document, the three columns of the base, mode, kind, own, sight, and the four of the stamp."""
    query = (
        "SELECT entry, path, document, base_seq, base_state, content, mode, kind, own, sight, inode, size, mtime_ns,"
        " ctime_ns FROM file WHERE folder = ?"
    )
    return read(query, (folder,))

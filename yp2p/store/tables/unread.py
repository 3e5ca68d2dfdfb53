"""Versions that saves may have been made of, besides what the files are known to hold."""

from __future__ import annotations

from typing import Any

from yp2p.identity import EntryID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"length(folder) = 16 AND length(entry) = 16 AND base_seq BETWEEN 0 AND {LAST} AND is_state(base_state) "
    "AND (before IS NULL OR length(before) = 16)"
)


def save(
    folder: FolderID, entry: EntryID, content: bytes, base: tuple[int, bytes | None, EntryID | None],
    lock: tuple[bytes, int], *, is_read: bool,
) -> Statement:  # fmt: skip
    """Args: `base` is the row of the log, the state where that is none, and the entry where it is another one's; `lock`
    is the name and the inode of an editor's lock."""
    return (
        "INSERT OR REPLACE INTO unread VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, entry, content, *base, *lock, is_read),
    )


def forget(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM unread WHERE folder = ? AND entry = ?", (folder, entry))


def forget_of(folder: FolderID, entry: EntryID) -> Statement:
    """Those of an entry's file, and those that are a version of it."""
    return ("DELETE FROM unread WHERE folder = ? AND (entry = ? OR before = ?)", (folder, entry, entry))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Entry, row, state, content, the other entry, name and inode of the lock, whether it was read; the oldest first of
    each entry."""
    query = (
        "SELECT entry, base_seq, base_state, content, before, lock_name, lock_inode, is_read FROM unread"
        " WHERE folder = ? ORDER BY entry, base_seq"
    )
    return read(query, (folder,))

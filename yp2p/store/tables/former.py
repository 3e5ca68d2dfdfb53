"""Which file had a path before others' changes took it from there."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(entry) = 16 AND length(document) = 16 AND is_path(path) "
    f"AND base_seq BETWEEN 0 AND {LAST} AND kind BETWEEN 1 AND 4 AND (kind != 1 OR is_state(base_state))"
)


def save(
    folder: FolderID, path: bytes, entry: EntryID, document: DocumentID, kind: int, content: bytes,
    base: tuple[int, bytes | None], moved_at: float,
) -> Statement:  # fmt: skip
    """Args: `base` is the row of the log, and the state where that is none; `moved_at` in seconds since 1970."""
    return (
        "INSERT OR REPLACE INTO former VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, path, entry, document, kind, content, *base, moved_at),
    )


def forget_before(folder: FolderID, at: float) -> Statement:
    return ("DELETE FROM former WHERE folder = ? AND moved_at < ?", (folder, at))


def forget_of(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM former WHERE folder = ? AND entry = ?", (folder, entry))


def forget_at(folder: FolderID, path: bytes) -> Statement:
    return ("DELETE FROM former WHERE folder = ? AND path = ?", (folder, path))


def read_since(read: Read, folder: FolderID, at: float) -> list[tuple[Any, ...]]:
    """Path, entry, document, kind, content, row, state, time, in the order of time."""
    query = (
        "SELECT path, entry, document, kind, content, base_seq, base_state, moved_at FROM former WHERE folder = ?"
        " AND moved_at >= ? ORDER BY moved_at"
    )
    return read(query, (folder, at))

"""Bases of the last day that the log alone does not give."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(entry) = 16 AND length(document) = 16 AND is_state(base_state)"


def save(folder: FolderID, entry: EntryID, at: float, document: DocumentID, state: bytes, content: bytes) -> Statement:
    """Args: `at` in seconds since 1970; `content` is the hash."""
    return ("INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?)", (folder, entry, at, document, state, content))


def forget_before(folder: FolderID, at: float) -> Statement:
    return ("DELETE FROM base WHERE folder = ? AND at < ?", (folder, at))


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM base WHERE folder = ? AND document = ?", (folder, document))


def forget_of(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM base WHERE folder = ? AND entry = ?", (folder, entry))


def state_of(read: Read, folder: FolderID, entry: EntryID, document: DocumentID, content: bytes) -> bytes | None:
    """The state of a base with that content hash."""
    query = "SELECT base_state FROM base WHERE folder = ? AND entry = ? AND document = ? AND content = ?"
    rows = read(query, (folder, entry, document, content))
    return bytes(rows[0][0]) if rows else None


def newest(read: Read, folder: FolderID, entry: EntryID, document: DocumentID, limit: int) -> list[tuple[Any, ...]]:
    """Content hash and state of the last ones, the newest first."""
    query = (
        "SELECT content, base_state FROM base WHERE folder = ? AND entry = ? AND document = ? ORDER BY at DESC LIMIT ?"
    )
    return read(query, (folder, entry, document, limit))

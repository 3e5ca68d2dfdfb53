"""The digest of each document."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"seq BETWEEN 0 AND {LAST} AND length(folder) = 16 AND length(document) = 16 AND length(version) = 32 "
    "AND length(content) = 32 AND is_vector(clocks)"
)


def save(folder: FolderID, document: DocumentID, version: bytes, content: bytes, clocks: bytes, seq: int) -> Statement:
    return (
        "INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?)",
        (folder, document, version, content, clocks, seq),
    )


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM digest WHERE folder = ? AND document = ?", (folder, document))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Of each document in the log: its ID, its last row, and version, content, clocks and row of its digest."""
    query = (
        "SELECT l.document, max(l.seq), d.version, d.content, d.clocks, d.seq FROM log l"
        " LEFT JOIN digest d ON d.folder = l.folder AND d.document = l.document"
        " WHERE l.folder = ? GROUP BY l.document"
    )
    return read(query, (folder,))

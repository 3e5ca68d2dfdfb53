"""What programs showed of a text while no daemon ran, and wrote meanwhile."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(document) = 16 AND length(contents) % 32 = 0"
    " AND length(times) % 8 = 0 AND length(times) >= 8"
    " AND is_vector(known) AND is_state(gone) AND is_vector(wrote)"
)


def save(
    folder: FolderID, document: DocumentID, at: float, contents: tuple[bytes, bytes], known: tuple[bytes, bytes],
    wrote: bytes,
) -> Statement:  # fmt: skip
    """Args: `at` in seconds since 1970; `contents` are hashes, and times; `known` is a state vector, and an update that
    deletes."""
    return (
        "INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, document, at, *contents, *known, wrote),
    )


def keep_last(folder: FolderID, document: DocumentID, count: int) -> Statement:
    """Forget all of a document but the last ones."""
    return (
        "DELETE FROM shown WHERE folder = ? AND document = ? AND at NOT IN"
        " (SELECT at FROM shown WHERE folder = ? AND document = ? ORDER BY at DESC LIMIT ?)",
        (folder, document, folder, document, count),
    )


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM shown WHERE folder = ? AND document = ?", (folder, document))


def forget_before(folder: FolderID, at: float) -> Statement:
    return ("DELETE FROM shown WHERE folder = ? AND at < ?", (folder, at))


def read_all(read: Read, folder: FolderID, document: DocumentID) -> list[tuple[Any, ...]]:
    """Contents, times, what was known (two columns), and what was written, the oldest first."""
    query = "SELECT contents, times, known, gone, wrote FROM shown WHERE folder = ? AND document = ? ORDER BY at"
    return read(query, (folder, document))

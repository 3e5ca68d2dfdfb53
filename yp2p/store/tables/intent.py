"""Files about to be put in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(entry) = 16 AND length(document) = 16 AND is_path(path) "
    f"AND seq BETWEEN 0 AND {LAST} AND is_text(CAST(temporary AS BLOB)) AND temporary LIKE '.yp2p/tmp/%' "
    "AND mode BETWEEN 0 AND 3 AND kind BETWEEN 1 AND 4"
)


def save(
    folder: FolderID, entry: EntryID, path: bytes, document: DocumentID, temporary: tuple[str, int], seq: int,
    content: bytes, mode: int, kind: int,
) -> Statement:  # fmt: skip
    """Args: `temporary` is the name and the inode of the file that is put in place."""
    return (
        "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, entry, path, document, *temporary, seq, content, mode, kind),
    )


def delete(folder: FolderID, entries: Sequence[EntryID]) -> Statement:
    """Args: `entries` are at most some hundreds."""
    places = ", ".join("?" * len(entries))
    return (f"DELETE FROM intent WHERE folder = ? AND entry IN ({places})", (folder, *entries))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Entry, path, document, name and inode of the temporary file, row of the log, content, mode, kind."""
    query = "SELECT entry, path, document, temporary, inode, seq, content, mode, kind FROM intent WHERE folder = ?"
    return read(query, (folder,))

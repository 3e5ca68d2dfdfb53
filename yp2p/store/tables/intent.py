"""Files about to be put in place."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.store.sql import Read, Statement


def save(
    folder: FolderID, entry: EntryID, path: bytes, document: DocumentID, temporary: tuple[str, int], seq: int,
    content: bytes, mode: int, kind: int,
) -> Statement:  # fmt: skip
    """Args: `temporary` is the name and the inode of the file that is put in place."""
    return (
        "INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (folder, entry, path, document, *temporary, seq, content, mode, kind),
    )


def delete(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM intent WHERE folder = ? AND entry = ?", (folder, entry))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Entry, path, document, name and inode of the temporary file, row of the log, content, mode, kind."""
    query = "SELECT entry, path, document, temporary, inode, seq, content, mode, kind FROM intent WHERE folder = ?"
    return read(query, (folder,))

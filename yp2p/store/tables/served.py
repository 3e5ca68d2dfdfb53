"""Which documents clients that know a file by its path alone were given."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(document) = 16 AND is_path(path)"


def insert(folder: FolderID, path: bytes, document: DocumentID) -> Statement:
    return ("INSERT OR IGNORE INTO served VALUES (?, ?, ?)", (folder, path, document))


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM served WHERE folder = ? AND document = ?", (folder, document))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Path and document."""
    return read("SELECT path, document FROM served WHERE folder = ?", (folder,))

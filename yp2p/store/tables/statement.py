"""Signed membership statements."""

from __future__ import annotations

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16"


def insert(folder: FolderID, body: bytes) -> Statement:
    """It may be known already."""
    return ("INSERT OR IGNORE INTO statement VALUES (?, ?)", (folder, body))


def delete(folder: FolderID, body: bytes) -> Statement:
    return ("DELETE FROM statement WHERE folder = ? AND body = ?", (folder, body))


def read_all(read: Read, folder: FolderID) -> list[bytes]:
    return [body for (body,) in read("SELECT body FROM statement WHERE folder = ?", (folder,))]

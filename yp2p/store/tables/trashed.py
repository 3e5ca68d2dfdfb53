"""The hash of each file in the trash, as it was when the file was read first: damage shows by a difference."""

from __future__ import annotations

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND is_path(name) AND length(content) = 32"


def save(folder: FolderID, name: bytes, content: bytes) -> Statement:
    """Args: `name` beneath the trash; `content` is the hash of it as of a blob."""
    return ("INSERT OR REPLACE INTO trashed VALUES (?, ?, ?)", (folder, name, content))


def forget(folder: FolderID, name: bytes) -> Statement:
    return ("DELETE FROM trashed WHERE folder = ? AND name = ?", (folder, name))


def read_all(read: Read, folder: FolderID) -> dict[bytes, bytes]:
    """Content by name."""
    return dict(read("SELECT name, content FROM trashed WHERE folder = ?", (folder,)))

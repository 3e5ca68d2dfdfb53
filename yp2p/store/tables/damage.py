"""Files that are known to be damaged on the disk: what they hold instead of what their entry says."""

from __future__ import annotations

from typing import Any

from yp2p.identity import EntryID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(entry) = 16 AND length(content) = 32 AND typeof(at) = 'real'"


def save(folder: FolderID, entry: EntryID, content: bytes, at: float) -> Statement:
    """Args: `content` is the hash of what the file holds; `at` in seconds since 1970."""
    return ("INSERT OR REPLACE INTO damage VALUES (?, ?, ?, ?)", (folder, entry, content, at))


def forget(folder: FolderID, entry: EntryID) -> Statement:
    return ("DELETE FROM damage WHERE folder = ? AND entry = ?", (folder, entry))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Entry, content and time."""
    return read("SELECT entry, content, at FROM damage WHERE folder = ?", (folder,))

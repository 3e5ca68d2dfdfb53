"""The rules on what is ignored that people here agreed to, a row a folder."""

from __future__ import annotations

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16"


def save_agreed(folder: FolderID, text: str) -> Statement:
    """Args: `text` may have surrogate escapes, as file names do."""
    return ("INSERT OR REPLACE INTO rules VALUES (?, ?)", (folder, text.encode("utf-8", "surrogateescape")))


def read_agreed(read: Read, folder: FolderID) -> str | None:
    """Nothing, where nobody has agreed to any."""
    rows = read("SELECT agreed FROM rules WHERE folder = ?", (folder,))
    return rows[0][0].decode("utf-8", "surrogateescape") if rows else None

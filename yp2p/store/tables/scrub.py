"""How far the scrub of a folder is (`disk/scrub.py`)."""

from __future__ import annotations

from typing import Any

from yp2p.identity import FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND is_path(path) AND typeof(began) = 'real' AND typeof(ended) = 'real'"
    " AND files >= 0 AND bytes >= 0 AND found >= 0 AND rounds >= 0"
)


def save(
    folder: FolderID, path: bytes, times: tuple[float, float], files: int, size: int, *, found: int, rounds: int
) -> Statement:
    """Args: `times` are those of the beginning of the round that is on and of the end of the last one, in seconds since
    1970; the numbers are those of the round that is on, but for `rounds`, which were done."""
    values = (folder, path, *times, files, size, found, rounds)
    return ("INSERT OR REPLACE INTO scrub VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def read_row(read: Read, folder: FolderID) -> tuple[Any, ...] | None:
    """Path, both times, files, bytes, found and rounds."""
    rows = read("SELECT path, began, ended, files, bytes, found, rounds FROM scrub WHERE folder = ?", (folder,))
    return rows[0] if rows else None

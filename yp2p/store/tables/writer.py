"""What those who edit by name call themselves, and with which client IDs they wrote."""

from __future__ import annotations

from typing import Any

from yp2p.identity import FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = f"length(folder) = 16 AND client BETWEEN 1 AND {LAST} AND length(name) BETWEEN 1 AND 100"


def insert(folder: FolderID, client: int, name: str) -> Statement:
    return ("INSERT OR REPLACE INTO writer VALUES (?, ?, ?)", (folder, client, name))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Client ID and name."""
    return read("SELECT client, name FROM writer WHERE folder = ?", (folder,))

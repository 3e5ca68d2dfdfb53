"""What devices ask others to remove the past of."""

from __future__ import annotations

from typing import Any

from yp2p.identity import FolderID
from yp2p.store.sql import LAST, Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = f"length(folder) = 16 AND length(request) = 16 AND number BETWEEN 1 AND {LAST} AND waited >= 0"


def insert(folder: FolderID, request: bytes, number: int, body: bytes, received: float) -> Statement:
    """Args: `received` in seconds since 1970."""
    return ("INSERT OR IGNORE INTO purge_request VALUES (?, ?, ?, ?, ?, 0)", (folder, request, number, body, received))


def set_waited(folder: FolderID, request: bytes, waited: float) -> Statement:
    """Args: `waited` in seconds."""
    return ("UPDATE purge_request SET waited = ? WHERE folder = ? AND request = ?", (waited, folder, request))


def forget(folder: FolderID, request: bytes) -> Statement:
    return ("DELETE FROM purge_request WHERE folder = ? AND request = ?", (folder, request))


def last_number(read: Read) -> int:
    return int(read("SELECT coalesce(max(number), 0) FROM purge_request", ())[0][0])


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Number, body, time and how long it has waited, in the order of numbers."""
    query = "SELECT number, body, received, waited FROM purge_request WHERE folder = ? ORDER BY number"
    return read(query, (folder,))

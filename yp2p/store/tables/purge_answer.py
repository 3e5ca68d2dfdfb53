"""What devices answered to requests to remove the past of files."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(request) = 16 AND length(device) = 32"


def save(folder: FolderID, request: bytes, device: DeviceID, body: bytes) -> Statement:
    return ("INSERT OR REPLACE INTO purge_answer VALUES (?, ?, ?, ?)", (folder, request, device, body))


def forget(folder: FolderID, request: bytes) -> Statement:
    return ("DELETE FROM purge_answer WHERE folder = ? AND request = ?", (folder, request))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Device and body."""
    return read("SELECT device, body FROM purge_answer WHERE folder = ?", (folder,))

"""Up to which row of the log other devices have had everything; which removed ones are doubted from there on."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(device) = 32 AND seq >= 0 AND doubted IN (0, 1)"


def save(folder: FolderID, device: DeviceID, seq: int, *, is_doubted: bool) -> Statement:
    return ("INSERT OR REPLACE INTO agreement VALUES (?, ?, ?, ?)", (folder, device, seq, is_doubted))


def read_all(read: Read, folder: FolderID) -> list[tuple[Any, ...]]:
    """Device, row, and whether it is doubted."""
    return read("SELECT device, seq, doubted FROM agreement WHERE folder = ?", (folder,))

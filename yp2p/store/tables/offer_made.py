"""The folders that this device offers to others."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(folder) = 16 AND length(device) = 32 AND length(offer) = 16 AND role BETWEEN 1 AND 3"
    " AND typeof(made_at) = 'real' AND length(removals) = 32 AND declined IN (0, 1)"
)


def save(
    folder: FolderID, device: DeviceID, offer: bytes, role: int, made_at: float, removals: bytes, *, declined: bool
) -> Statement:
    """Args: `made_at` in seconds since 1970."""
    values = (folder, device, offer, role, made_at, removals, int(declined))
    return ("INSERT OR REPLACE INTO offer_made VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def delete(folder: FolderID, device: DeviceID) -> Statement:
    return ("DELETE FROM offer_made WHERE folder = ? AND device = ?", (folder, device))


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """The columns of all rows, in the order of `save`."""
    return read("SELECT folder, device, offer, role, made_at, removals, declined FROM offer_made", ())

"""The folders that other devices offer to this one."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    "length(device) = 32 AND length(folder) = 16 AND length(offer) = 16 AND length(founder) = 32"
    " AND role BETWEEN 1 AND 3 AND is_text(CAST(label AS BLOB)) AND typeof(received_at) = 'real'"
    " AND decision BETWEEN 0 AND 2 AND is_text(CAST(path AS BLOB)) AND (decision = 1) = (path LIKE '/%')"
)


def save(
    device: DeviceID,
    folder: FolderID,
    offer: bytes,
    founder: DeviceID,
    role: int,
    label: str,
    received_at: float,
    decision: int,
    path: str,
    chosen: bytes,
) -> Statement:
    """Args: `received_at` in seconds since 1970; `path` where the decision is 1, to accept; else it is empty."""
    values = (device, folder, offer, founder, role, label, received_at, decision, path, chosen)
    return ("INSERT OR REPLACE INTO offer_received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def delete(device: DeviceID, folder: FolderID) -> Statement:
    return ("DELETE FROM offer_received WHERE device = ? AND folder = ?", (device, folder))


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """The columns of all rows, in the order of `save`."""
    columns = "device, folder, offer, founder, role, label, received_at, decision, path, chosen"
    return read(f"SELECT {columns} FROM offer_received", ())

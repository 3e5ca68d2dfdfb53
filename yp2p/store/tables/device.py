"""What is known of other devices besides their keys."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(id) = 32 AND is_text(CAST(name AS BLOB)) AND is_text(CAST(host AS BLOB)) AND port BETWEEN 0 AND 65535"


def save(device: DeviceID, name: str, host: str, port: int, seen: float) -> Statement:
    """Args: `host` and `port`, where it was reached last, and when, in seconds since 1970."""
    return ("INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?)", (device, name, host, port, seen))


def set_name(device: DeviceID, name: str) -> Statement:
    return ("UPDATE device SET name = ? WHERE id = ?", (name, device))


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """ID, name, host, port, when it was seen."""
    return read("SELECT id, name, host, port, seen FROM device", ())

"""What a person here chose about a device, and since when it is known."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(id) = 32 AND is_text(CAST(name AS BLOB)) AND paused IN (0, 1)"


def save(device: DeviceID, name: str, *, paused: bool, since: float) -> Statement:
    """Args: `name` is given here, empty: none; `since` in seconds since 1970, 0: from before it was noted."""
    return ("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)", (device, name, int(paused), since))


def name_of(read: Read, device: DeviceID) -> str:
    """The name that a person gave a device here; empty: none."""
    rows = read("SELECT name FROM known WHERE id = ?", (device,))
    return str(rows[0][0]) if rows else ""


def read_all(read: Read) -> list[tuple[Any, ...]]:
    """ID, name, whether it is paused, since when it is known."""
    return read("SELECT id, name, paused, since FROM known", ())

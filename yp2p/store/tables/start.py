"""Which client IDs this device wrote with, a row a process."""

from __future__ import annotations

from typing import Any

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "client >= 0 AND fork >= 0"


def insert(client: int, fork: int, started: float) -> Statement:
    """Args: `started` in seconds since 1970."""
    return ("INSERT OR REPLACE INTO start VALUES (?, ?, ?)", (client, fork, started))


def clients(read: Read) -> list[tuple[Any, ...]]:
    """The client ID of each process, and that of its repairs."""
    return read("SELECT client, fork FROM start", ())

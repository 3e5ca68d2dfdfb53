"""Whose store this is."""

from __future__ import annotations

from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(device) = 32"


def read_owner(read: Read) -> bytes | None:
    rows = read("SELECT device FROM owner", ())
    return rows[0][0] if rows else None


def insert(device: bytes) -> Statement:
    return ("INSERT INTO owner VALUES (?)", (device,))


def replace(device: bytes) -> Statement:
    return ("UPDATE owner SET device = ?", (device,))

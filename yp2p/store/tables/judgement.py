"""The texts of which the changes of a doubted device were taken back, until it is doubted no more."""

from __future__ import annotations

from typing import Any

from yp2p.identity import DeviceID, DocumentID, FolderID
from yp2p.store.sql import Read, Statement

# What every row is that this version wrote (`store/soundness.py`).
SOUND = "length(folder) = 16 AND length(device) = 32 AND length(document) = 16"


def insert(folder: FolderID, device: DeviceID, document: DocumentID) -> Statement:
    return ("INSERT OR IGNORE INTO judgement VALUES (?, ?, ?)", (folder, device, document))


def forget(folder: FolderID, device: DeviceID) -> Statement:
    return ("DELETE FROM judgement WHERE folder = ? AND device = ?", (folder, device))


def documents(read: Read, folder: FolderID, device: DeviceID) -> list[tuple[Any, ...]]:
    return read("SELECT document FROM judgement WHERE folder = ? AND device = ?", (folder, device))

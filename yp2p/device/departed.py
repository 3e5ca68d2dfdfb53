"""The folders that this device left, and where they were."""

from __future__ import annotations

from pathlib import Path

from yp2p.identity import FolderID
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement


class Departed:
    """Which folders a person left. `load` reads them from the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: set[tuple[FolderID, str]] = set()
        self._left_now: set[FolderID] = set()  # since this start

    def load(self) -> None:
        """Read them, and remove what there still is of them: a crash came, or somebody was at it."""
        self._places = set(tables.departed.read_all(self._database.rows))
        here = {FolderID(row[0]) for row in tables.folder.read_all(self._database.rows)}
        for gone in {folder for folder, _ in self._places} - here:
            self._database.submit(tables.forget_folder(gone))

    def add(self, folder: FolderID, path: Path) -> Statement:
        """A folder is left now; gives what the store is to know of that."""
        self._places.add((folder, str(path)))
        self._left_now.add(folder)
        return tables.departed.insert(folder, str(path), self._database.last_seq)

    def was_at(self, path: Path) -> bool:
        """Whether one of them was there: only a person begins another folder there."""
        return any(root == str(path) for _, root in self._places)

    def __contains__(self, folder: FolderID) -> bool:
        return any(gone == folder for gone, _ in self._places)

    def is_left_now(self, folder: FolderID) -> bool:
        """Whether it was left since this start."""
        return folder in self._left_now

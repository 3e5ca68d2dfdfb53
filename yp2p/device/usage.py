"""What the folders take on this device: files, history, trash, and the store that has the history of all of them."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import trio

from yp2p.device.folders import Folders, open_root
from yp2p.errors import FolderError
from yp2p.files import trash
from yp2p.files.root import is_ours
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.protocol.entries import Kind
from yp2p.store import tables, upgrade
from yp2p.store.database import Database
from yp2p.store.schema import BESIDE


class Usage:
    """Counts; nothing is changed."""

    def __init__(self, folders: Folders, database: Database) -> None:
        self._folders = folders
        self._database = database

    async def show(self, name: str | None) -> dict[str, Any]:
        """What one folder takes, or all of them. Sizes are in bytes. Raises UsageError: there is no such folder."""
        every = list(self._folders.by_id.values())
        chosen = [choose(every, name)] if name is not None else every
        return {
            "folders": [await self._of(folder) for folder in chosen],
            "store": {
                "path": str(self._database.path),
                "bytes": await trio.to_thread.run_sync(self._store_bytes),
            },
        }

    async def _of(self, folder: Folder) -> dict[str, Any]:
        entries = folder.catalogue.entries
        away = [entry for entry in folder.files.choice.unchosen if entry not in folder.files]
        kinds = Counter(entries[entry].kind for entry in folder.catalogue.layout().path_of.keys() - set(away))
        files_away = [entries[entry] for entry in away if entries[entry].kind is not Kind.DIRECTORY]
        # no await: the files do not change while they are counted
        here = [record for record in folder.files.values() if not is_ours(record.path)]
        size = sum(record.stamp.size for record in here if record.kind in (Kind.TEXT, Kind.BLOB))
        return {
            "label": folder.label,
            "path": str(folder.path),
            "entries": {
                "texts": kinds[Kind.TEXT],
                "other_files": kinds[Kind.BLOB],
                "symlinks": kinds[Kind.SYMLINK],
                "empty_directories": kinds[Kind.DIRECTORY],
            },
            "file_bytes": size,
            "not_here": {"files": len(files_away), "bytes": sum(one.content.size for one in files_away)},
            "history": await trio.to_thread.run_sync(self._history_of, folder),
            "trash": await trio.to_thread.run_sync(_trash_of, folder),
        }

    def _history_of(self, folder: Folder) -> dict[str, int]:
        with self._database.reader() as read:
            changes, size = tables.log.total(read, folder.id)
            return {"changes": changes, "bytes": size + tables.pack.total_bytes(read, folder.id)}

    def _store_bytes(self) -> int:
        """With what SQLite keeps beside it, and the copies from before upgrades."""
        path, total = self._database.path, 0
        for name in (path, *(path.with_name(path.name + suffix) for suffix in BESIDE), *upgrade.copies(path)):
            try:
                total += os.stat(name).st_size
            except FileNotFoundError:
                continue
        return total


def _trash_of(folder: Folder) -> dict[str, Any]:
    """Args: the folder, whose directory may be away."""
    try:
        with open_root(folder.path) as root:
            items = trash.items(root)
    except FolderError as error:
        return {"files": None, "bytes": None, "problem": str(error)}
    return {"files": len(items), "bytes": sum(item.size for item in items), "problem": ""}

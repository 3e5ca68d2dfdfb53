"""What a person chooses of a folder: which files are on this disk (`folder/choice.py`)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.device.folders import Folders, open_root
from yp2p.device.listing import list_files
from yp2p.errors import FolderError, UsageError
from yp2p.folder.choice import MARK_BYTES
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.machine import reason
from yp2p.protocol.entries import Kind
from yp2p.protocol.names import path_problem
from yp2p.store.database import Database

# So many places are named; who wants more files than that names their directories. Each is looked up for every path.
MAX_PATHS = 1000

log = structlog.get_logger()


class Choosing:
    """Chooses, and tells what is chosen."""

    def __init__(self, folders: Folders, database: Database) -> None:
        self._folders = folders
        self._database = database

    def describe(self, name: str | None) -> dict[str, Any]:
        """What is chosen of a folder. Raises UsageError: there is no such folder."""
        folder = choose(self._folders.by_id.values(), name)
        path_of, choice = folder.catalogue.layout().path_of, folder.files.choice
        return {
            "label": folder.label,
            "everything": not choice.paths,
            "paths": sorted(choice.paths),
            "missing": sorted(path for path in choice.paths if _is_missing(folder, path)),
            "made_here": sorted(path_of[entry] for entry in choice.made_here if entry in path_of),
            **counts(folder),
        }

    def names(self, name: str | None, beneath: str) -> list[str]:
        """The files and directories in a directory of a folder, the first of them. Raises UsageError."""
        folder = choose(self._folders.by_id.values(), name)
        above = f"{beneath}/" if beneath else ""
        entry_at, entries, found = folder.catalogue.layout().entry_at, folder.catalogue.entries, set[str]()
        for path, entry in entry_at.items():
            if path.startswith(above):
                first, slash, _ = path[len(above) :].partition("/")
                is_directory = bool(slash) or entries[entry].kind is Kind.DIRECTORY
                found.add(f"{above}{first}/" if is_directory else f"{above}{first}")
        return sorted(found)[:MAX_PATHS]

    async def files(self, name: str | None, search: str, beneath: str, *, offset: int, limit: int) -> dict[str, Any]:
        """A part of what is in a folder (`listing.py`). Raises UsageError."""
        every = self._folders.by_id.values()
        return await list_files(every, name, search=search, beneath=beneath, offset=offset, limit=limit)

    async def choose(self, name: str | None, paths: Sequence[str]) -> dict[str, Any]:
        """Have only these paths on this disk, or everything where none is named; gives what is chosen then.

        Raises:
            UsageError: there is no such folder, or no such path. FolderError: it cannot be chosen now.
        """
        folder = choose(self._folders.by_id.values(), name)
        wanted = paths_in(folder.path, paths, folder.label)
        for path in wanted:
            if _is_missing(folder, path):
                raise UsageError(f"there is no file or directory {path!r} in {folder.label!r}; name one that is there")
        if not folder.state.adopted:
            raise FolderError(f"{folder.label!r} waits for the first device; choose once it is here")
        if folder.state.pause_reason:
            raise FolderError(f"{folder.label!r} does not sync now: {folder.state.pause_reason}; choose once it does")
        mark = secrets.token_bytes(MARK_BYTES)
        async with folder.files.writing:
            choice = folder.files.choice
            await trio.to_thread.run_sync(_set_mark, folder, mark)
            await self._database.submit(choice.statements(wanted, mark)).wait()
            # no await: what is asked and answered of files is about this choice from here on
            choice.take(wanted, mark)
            entries = list(folder.catalogue.layout().path_of)
            folder.note_chosen(entries)
            folder.render_queue.want_all(entries)
            folder.observers.fetch()
            folder.state.touch()
        log.info("folder_chosen", folder=folder.label, paths=len(wanted), not_chosen=len(choice.unchosen))
        return self.describe(name)


def _set_mark(folder: Folder, mark: bytes) -> None:
    """Have the directory know of a choice. Raises FolderError. Blocks."""
    with open_root(folder.path) as root:
        if root.marker() != folder.id:
            raise FolderError(f"{folder.path} is not the directory of {folder.label!r} any more")
        try:
            root.set_choice_mark(mark)
        except OSError as error:
            raise FolderError(f"{folder.path} cannot be written: {reason(error)}") from error


def counts(folder: Folder) -> dict[str, int]:
    """How many files are not here by choice, and how many of what is not chosen are here still."""
    tally = folder.files.tally
    return {"not_here": len(tally.not_here), "leaving": len(tally.leaving)}


def paths_in(root: Path, paths: Sequence[str], label: str = "") -> list[str]:
    """Paths as they are called in a folder; none where one of them is all of it.

    Args:
        paths: in the folder, or absolute.
        label: of the folder, where it is here already.

    Raises:
        UsageError: one is no path in it, or they are too many.
    """
    if len(paths) > MAX_PATHS:
        raise UsageError(f"{len(paths)} paths are too many; name at most {MAX_PATHS}, or the directories they are in")
    found = [_inside(root, path, label) for path in paths]
    return [] if "" in found else found


def _inside(folder: Path, path: str, label: str) -> str:
    """A path as it is called in the folder, "" for all of it. Raises UsageError."""
    root = str(folder)
    below = os.path.normpath(path)
    if os.path.isabs(below):
        real = os.path.join(os.path.realpath(os.path.dirname(below)), os.path.basename(below))
        below = next((os.path.relpath(one, root) for one in (below, real) if _is_below(one, root)), "..")
    if below == ".":
        return ""
    if below.split("/")[0] == "..":
        raise UsageError(f"{path} is not in {folder}; name what is in the folder{f' {label!r}' if label else ''}")
    if problem := path_problem(below):
        raise UsageError(f"{path} cannot be in a folder: {problem}; name what is in it")
    return below


def _is_missing(folder: Folder, path: str) -> bool:
    known = folder.catalogue.layout().entry_at
    return path not in known and not any(one.startswith(f"{path}/") for one in known)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")

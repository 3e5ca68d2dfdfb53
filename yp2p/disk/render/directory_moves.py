"""Directories that others renamed: each is moved by one rename, and all of them with one sync and one commit.

Where all that is known beneath a directory is to go to another place, each file under the name that it has, the
directory itself goes there, if nothing else is in it. The news of a rename comes in pieces: files that leave a
directory wait a moment for the others. What is not moved like this is moved file by file (`moves.py`).
A file that was changed and not looked at yet goes with it, and is looked at where it is then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import trio

from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.disk.render import intended_moves
from yp2p.disk.render.retries import Retries
from yp2p.files.directories import move_directory
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement

# Fewer files than this are quickly moved one by one.
_LEAST_FILES = 3
# Files that leave a directory wait until no more of them came for so long, and no longer than the second.
_QUIET_S, _LONGEST_S = 0.5, 5.0


def whole_directories(moving: Mapping[str, str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Which directories move as a whole, and where to: the topmost of them.

    Args:
        moving: the paths of what is to move, files and directories that have an entry, and where to.
        known: the paths of all that there is.
    """
    counts = Counter(pair for source, target in moving.items() for pair in _directories_that_differ(source, target))
    beneath = Counter(directory for path in known for directory in _with_above(path))
    chosen: list[tuple[str, str]] = []
    for (source, target), count in sorted(counts.items(), key=lambda item: item[0][0].count("/")):
        is_whole = count == beneath[source] >= _LEAST_FILES
        is_free = not beneath[target] and not target.startswith(f"{source}/")
        if is_whole and is_free and not any(source.startswith(f"{other}/") for other, _ in chosen):
            chosen.append((source, target))
    return chosen


def _directories_that_differ(source: str, target: str) -> Iterator[tuple[str, str]]:
    """Two paths, and the directories above them, as long as what is beneath has the same names."""
    yield source, target
    (above, _, name), (other, _, new) = source.rpartition("/"), target.rpartition("/")
    while name == new and above and other:
        yield above, other
        (above, _, name), (other, _, new) = above.rpartition("/"), other.rpartition("/")


def _with_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _changes_directory(source: str, target: str) -> bool:
    """Whether a file keeps its name and goes to another directory."""
    (above, _, name), (other, _, new) = source.rpartition("/"), target.rpartition("/")
    return name == new and above != other and bool(above and other)


def _beneath(target: str, source: str, record: FileRecord) -> str:
    """Where a file is once its directory has gone to `target`."""
    return target + record.path[len(source) :]


class DirectoryMoves:
    """Moves the directories of one folder."""

    def __init__(self, folder: Folder, root: Root, readers: ReadTracker, retries: Retries) -> None:
        self._folder = folder
        self._root = root
        self._readers = readers
        self._retries = retries
        self._waiting: dict[EntryID, float] = {}  # for the rest of their directory: since when
        self._last_at = -math.inf  # when the last of them came

    async def run(self) -> list[str]:
        """Move what can be moved as a whole of what is to be rendered; gives where directories were before.

        What has to wait for more of its directory is taken out of the queue.
        """
        moving = self._moving(await self._may_move())
        if not moving or self._has_to_wait(moving):
            return []
        known = self._known()
        chosen = dict(whole_directories(moving, known))
        beneath: dict[str, list[FileRecord]] = {source: [] for source in chosen}
        for path, record in known.items():
            for source in beneath.keys() & set(_with_above(path)):
                beneath[source].append(record)
        moved: list[tuple[str, str, list[FileRecord]]] = []
        intents = await intended_moves.intend(
            self._folder,
            self._root,
            [(one, _beneath(chosen[source], source, one)) for source, records in beneath.items() for one in records],
        )
        for source, records in beneath.items():
            files = {record.path for record in records if record.kind is not Kind.DIRECTORY}
            if await trio.to_thread.run_sync(move_directory, self._root, source, chosen[source], files):
                moved.append((source, chosen[source], records))
        if moved:
            # A rename that a power cut took back would look like one that a person made.
            await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        self._store_moves(moved, intended_moves.forget(self._folder, intents))
        return [source for source, _, _ in moved]

    def _has_to_wait(self, moving: Mapping[str, str]) -> bool:
        """Files that leave a directory may be the first of all: as long as more of them come, all wait."""
        files, now = self._folder.files, trio.current_time()
        entries = {files.at[path] for path, target in moving.items() if _changes_directory(path, target)}
        first_at = min(self._waiting.values(), default=now)
        has_more = bool(entries - self._waiting.keys()) and now < first_at + _LONGEST_S
        is_early = self._last_at + _QUIET_S > now
        if not has_more and not (entries and is_early):
            self._waiting = {}
            self._folder.render_queue.want_all(entries)
            return False
        self._last_at = now if has_more else self._last_at
        self._waiting = {entry: self._waiting.get(entry, now) for entry in entries}
        self._folder.render_queue.put_off(entries)
        for entry in entries:
            self._retries.schedule(entry, self._last_at + _QUIET_S)
        return True

    def _known(self) -> dict[str, FileRecord]:
        """All that there is, by its path; without directories whose entries went, as they do when one is renamed."""
        catalogue = self._folder.catalogue
        return {
            record.path: record
            for record in self._folder.files.values()
            if not record.path.startswith(f"{OURS}/")
            and (record.kind is not Kind.DIRECTORY or record.entry in catalogue.layout().path_of)
        }

    async def _may_move(self) -> list[EntryID]:
        """Those of what is to be rendered whose files are at another path now. After a start that is to be asked of all
        there is."""
        files, part = self._folder.files, Slice()
        found: list[EntryID] = []
        for entry in (self._folder.render_queue & files.keys()) | (self._waiting.keys() & files.keys()):
            await part.end_if_long()
            if self._target(entry):
                found.append(entry)
        return found

    def _target(self, entry: EntryID) -> str:
        """Where the file of an entry is to go; empty where it stays."""
        files, path = self._folder.files, self._folder.catalogue.layout().path_of.get(entry, "")
        record = files.get(entry)
        is_moving = record is not None and path != record.path and entry not in files.ignored
        return path if is_moving else ""

    def _moving(self, entries: Iterable[EntryID]) -> dict[str, str]:
        """The files that are to be at another path, and where, of these."""
        targets = {entry: target for entry in entries if (target := self._target(entry))}
        return {self._folder.files[entry].path: target for entry, target in targets.items()}

    def _store_moves(self, moved: list[tuple[str, str, list[FileRecord]]], statements: list[Statement]) -> None:
        folder = self._folder
        for source, target, records in moved:
            self._readers.moved_away(records)
            for record in records:
                there = replace(record, path=_beneath(target, source, record))
                folder.files.set(there)
                statements += [there.save(folder.id), *self._readers.was_moved(there)]
        if statements:
            folder.database.submit(statements)
        folder.rendered(record.entry for _, _, records in moved for record in records)

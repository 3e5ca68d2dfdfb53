"""Files that go elsewhere because the documents say so: renamed, or into the trash.

Invariants
    * A file is only renamed as long as it is what its record says.
    * What the store says of a rename or a deletion, the disk has durably; that a file is about to be renamed, the store
      has before (`intended_moves.py`).
    * A file leaves only into the trash.
    * What stands in the way of a file, at its name or where a directory above it is to be, and has to go elsewhere
      itself, makes way; and a file makes way for those that stand in a directory at its own name. So names that cross
      in any way come right.
"""

from __future__ import annotations

from dataclasses import replace

import trio

from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.disk.render import intended_moves
from yp2p.disk.render.retries import Retries
from yp2p.files import replace as disk
from yp2p.files.capabilities import folded
from yp2p.files.replace import Outcome
from yp2p.files.root import TMP, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.temporary_names import parked_name
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind


class Moves:
    """Renames and removes the files of one folder."""

    def __init__(self, folder: Folder, root: Root, readers: ReadTracker, retries: Retries) -> None:
        self._folder = folder
        self._root = root
        self._readers = readers
        self._retries = retries

    async def move(self, record: FileRecord, path: str) -> FileRecord | None:
        """Rename a file to where the layout wants it; None when that has to wait."""
        blocker = self._blocker(path)
        while blocker is not None:
            parked = await self._park(blocker)
            if parked is None:
                self._retries.retry_soon(record.entry)
                return None
            record = parked if parked.entry == record.entry else record
            blocker = self._blocker(path)
        if not record.path.startswith(TMP) and await self._is_being_left(path):
            parked = await self._rename(record, parked_name(record.entry))
            if parked is None:
                return None
            record = parked
        self._remove_directory_at(path)
        if self._root.is_twin(path) and folded(record.path) == folded(path):
            parked = await self._rename(record, parked_name(record.entry))  # `Case` becomes `case`
            if parked is None:
                return None
            record = parked
        if self._retries.is_twin(record.entry, path):
            return None
        return await self._rename(record, path)

    def _blocker(self, path: str) -> FileRecord | None:
        """A known file at a path, or where a directory above it is to be."""
        files = self._folder.files
        blocker, above = files.by_path(path), path
        while blocker is None and (above := above.rpartition("/")[0]):
            found = files.by_path(above)
            blocker = found if found is not None and found.kind is not Kind.DIRECTORY else None
        return blocker

    async def _park(self, blocker: FileRecord) -> FileRecord | None:
        """A file that has to go elsewhere itself makes way, which also resolves cycles; None when it cannot."""
        folder = self._folder
        path = folder.catalogue.layout().path_of.get(blocker.entry)
        if path == blocker.path or (path is not None and await self._is_being_left(path) is False):
            return None
        parked = await self._rename(blocker, parked_name(blocker.entry))
        folder.render_queue.want(blocker.entry)
        return parked

    async def _is_being_left(self, path: str) -> bool | None:
        """Whether all files of the directory that is at the path of a file have to go elsewhere; None: there are none.

        They may have to go to where that file is now, or wait for one that does. Where something stays that nobody
        knows, or that is only on this disk, a file that waits for that stays where people see it.
        """
        beneath = await trio.to_thread.run_sync(self._root.files_beneath, path)
        return all(map(self._has_to_leave, beneath)) if beneath else None

    def _has_to_leave(self, path: str) -> bool:
        """Whether a file that stands where the layout has no place for it will go from there."""
        files = self._folder.files
        entry = files.at.get(path)
        return entry is not None and not files.is_left_alone(entry) and not files.local.keeps(path)

    async def remove(self, record: FileRecord) -> None:
        """Another device deleted the file: into the trash with it."""
        folder = self._folder
        if record.kind is Kind.DIRECTORY:
            if not self._is_directory_entry(record.path):
                await self.remove_empty_parents(f"{record.path}/")
            folder.files.drop(record.entry)
            folder.database.submit([record.delete(folder.id)])
            folder.rendered([record.entry])
            return
        target = f"{new_place()}/{folder.shown_path(record)}"
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, target, record.content, record.stamp, record.kind
        )
        if result.outcome is Outcome.DONE or self._is_gone(record.path):
            await self._force()
            self._readers.moved_away([record])
            self._readers.forget(record.entry)
            folder.files.drop(record.entry)
            is_by_new = bool(folder.observers.newcomers.changed([record.entry]))
            folder.state.guard.count(record.entry, trio.current_time(), record.stamp.size, is_by_new=is_by_new)
            folder.database.submit([record.delete(folder.id)])
            await self.remove_empty_parents(record.path)
            folder.rendered([record.entry])
        else:
            self._retries.not_moved(record, target, result)

    async def remove_empty_parents(self, path: str) -> None:
        """Remove the directories above `path` that nothing is left in, up to one that has an entry of its own."""
        parent = path.rpartition("/")[0]
        while parent and not self._is_directory_entry(parent):
            parent = parent.rpartition("/")[0]
        await trio.to_thread.run_sync(self._root.remove_empty_parents, path, parent)

    def _remove_directory_at(self, path: str) -> None:
        """An empty directory makes room for the file that belongs there."""
        if self._root.is_empty_directory(path):
            self._root.remove_directory(path)

    async def _rename(self, record: FileRecord, path: str) -> FileRecord | None:
        folder = self._folder
        # A parked file says by its name whose it is.
        moves = [] if path.startswith(TMP) else [(record, path)]
        intents = await intended_moves.intend(folder, self._root, moves)
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, path, record.content, record.stamp, record.kind
        )
        if result.outcome is not Outcome.DONE:
            folder.database.submit(intended_moves.forget(folder, intents))
            self._retries.not_moved(record, path, result)
            return None
        moved = replace(record, path=path, stamp=result.stamp or record.stamp)
        if not record.path.startswith(TMP):
            self._readers.moved_away([record])
        await self._force()
        folder.files.set(moved)
        statements = [moved.save(folder.id), *self._readers.was_moved(moved)]
        folder.database.submit([*statements, *intended_moves.forget(folder, intents)])
        await self.remove_empty_parents(record.path)
        folder.rendered([record.entry])
        return moved

    def _is_directory_entry(self, path: str) -> bool:
        entry = self._folder.catalogue.layout().entry_at.get(path)
        return entry is not None and self._folder.catalogue.entries[entry].kind is Kind.DIRECTORY

    async def _force(self) -> None:
        """A rename that a power cut took back would look like one that a person made."""
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)

    def _is_gone(self, path: str) -> bool:
        try:
            return self._root.lstat(path) is None
        except OSError:
            return False

"""Files that left their path: renamed, or deleted.

A new file is a vanished one that was renamed when it has the inode and the content of that one (or most of its text:
inodes are used again at once), or its content alone. What is left is deleted: all of it at once, as the guard counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.documents.diff import hunks
from yp2p.documents.manifest import Change, Deletion
from yp2p.files.inspect import NO_STAMP, Finding, Found
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement

_NO_CLOCKS = b"\x00"  # the state vector of what is no document

log = structlog.get_logger()


class Departures:
    """Renames and deletions in one folder.

    Args:
        requeue: has a path inspected again.
        known_file: takes what a file holds at its new path.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        pending: PendingPaths,
        damage: Damage,
        requeue: Callable[[str], None],
        known_file: Callable[[FileRecord, Finding], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._damage = damage
        self._requeue = requeue
        self._known_file = known_file

    def renamed(self) -> dict[str, str]:
        """New path to vanished path, where the new file is the vanished one."""
        folder, pending = self._folder, self._pending
        by_inode: dict[int, str] = {}
        by_content: dict[bytes, list[str]] = {}
        for path in pending.missing:
            record = folder.files.by_path(path)
            if record is not None:
                by_inode[record.stamp.inode] = path
                by_content.setdefault(record.content, []).append(path)
        moves: dict[str, str] = {}
        for path, fresh in pending.fresh.items():
            source = by_inode.get(fresh.finding.stamp.inode)
            if source is not None and not self._is_same_file(source, fresh.finding):
                source = None
            same = by_content.get(fresh.finding.content, [])
            if fresh.finding.found is Found.DIRECTORY:
                continue
            if source is None and len(same) == 1 and fresh.finding.stamp.size:
                source = same[0]
            if source is not None and source not in moves.values():
                moves[path] = source
        return moves

    def _is_same_file(self, source: str, finding: Finding) -> bool:
        """Whether a file with the inode of a vanished one is that file: inodes are used again at once."""
        record = self._folder.files.by_path(source)
        if record is None or record.content == finding.content:
            return record is not None
        if record.kind is not Kind.TEXT or finding.kind is not Kind.TEXT:
            return False
        old = self._folder.texts.fork_at_base(record).text()
        removed = sum(hunk.stop - hunk.start for hunk in hunks(old, finding.text))
        return 2 * removed <= len(old)

    async def rename(self, source: str, finding: Finding) -> None:
        folder = self._folder
        record = folder.files.by_path(source)
        if record is None:
            return
        # A power cut must not take back on the disk what everybody is told of.
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        # What it holds is not the base yet: without a stamp nobody takes it for that.
        moved = replace(record, path=finding.path, stamp=NO_STAMP)
        self._requeue(finding.path)
        folder.files.set(moved)
        commit = folder.catalogue.write([Change(record.entry, path=finding.path)], [moved.save(folder.id)])
        await commit.wait()
        log.debug("file_renamed", path=source, to=finding.path)
        await self._known_file(replace(moved, stamp=record.stamp), finding)

    async def delete(self, paths: Sequence[str]) -> None:
        folder = self._folder
        records = [record for path in paths if (record := folder.files.by_path(path)) is not None]
        records = self._damage.recreate_vanished(records)
        now = trio.current_time()
        sizes = {record.entry: record.stamp.size for record in records if record.kind is not Kind.DIRECTORY}
        reason = folder.state.guard.refuses(sizes, len(folder.catalogue.layout().path_of), now)
        if reason:
            folder.state.hold(f"{reason} here")
            return
        for path in paths:
            self._pending.missing.pop(path, None)
        if records:
            await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        await self.delete_all(records)
        for path in paths:
            self.inspect_parent(path)
            self._requeue(path)  # a directory may stand there

    async def delete_all(self, records: Sequence[FileRecord]) -> None:
        """A person removed these files."""
        folder = self._folder
        now = trio.current_time()
        changes: list[Change] = []
        statements: list[Statement] = []
        for record in records:
            is_text = record.kind is Kind.TEXT
            seen = folder.texts.fork_at_base(record).state_vector() if is_text else _NO_CLOCKS
            folder.files.drop(record.entry)
            if record.kind is not Kind.DIRECTORY:
                folder.state.guard.count(record.entry, now)
            statements.append(record.delete(folder.id))
            changes.append(Change(record.entry, deletion=Deletion(record.document, seen)))
        if changes:
            await folder.catalogue.write(changes, statements).wait()
            log.info("files_deleted_here", folder=folder.label, count=len(changes))

    def inspect_parent(self, path: str) -> None:
        """Where nothing is left in a directory it needs an entry of its own."""
        parent = path.rpartition("/")[0]
        if parent and parent not in self._folder.files.at and not parent.startswith(OURS):
            self._requeue(parent)

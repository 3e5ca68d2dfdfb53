"""Files that are no longer at their path: renamed, or deleted.

A new file and a vanished one are one renamed file when they have the same content; where no content decides, when they
have the same inode. Kernels reuse inodes at once, so an inode counts only where the new file was made before the
vanished one was seen last (or, where the file system does not tell when it was made, where it has most of its text).
Vanished files that are left over were deleted. They are deleted together, so that the guard can count them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.known_files import KnownFiles
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.disk.ingest.put_back import PutBack
from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change, Deletion
from yp2p.files.inspect import NO_STAMP, Finding, Found
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, Sight
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit

_NO_CLOCKS = b"\x00"  # the state vector of what is no document
# So many are written at once; each time the manifest's documents are told to every device.
_AT_ONCE = 1024

log = structlog.get_logger()


def _of_equal_content(vanished: Mapping[str, FileRecord], fresh: Mapping[str, Finding]) -> dict[str, str]:
    """New path to vanished path, where the content is equal: of several with the same, those of one name first, then
    those of one inode; what is left only where there is one of each."""
    sources: dict[bytes, list[str]] = {}
    for path, record in vanished.items():
        sources.setdefault(record.content, []).append(path)
    targets: dict[bytes, list[str]] = {}
    for path, finding in fresh.items():
        if finding.content in sources:
            targets.setdefault(finding.content, []).append(path)
    moves: dict[str, str] = {}
    for content, paths in targets.items():
        left = sources[content]
        # Two empty files of one name need have nothing in common.
        filled = [path for path in paths if fresh[path].stamp.size]
        _pair(filled, left, moves, _name, _name)
        _pair(paths, left, moves, lambda path: fresh[path].stamp.inode, lambda path: vanished[path].stamp.inode)
        _pair(filled, left, moves, lambda _: 0, lambda _: 0)
    return moves


def _pair(
    targets: list[str],
    sources: list[str],
    moves: dict[str, str],
    key_of_target: Callable[[str], object],
    key_of_source: Callable[[str], object],
) -> None:
    """Add to `moves` whichever are the only ones of a key on both sides; takes the sources out."""
    left = [path for path in targets if path not in moves]
    count_targets, count_sources = Counter(map(key_of_target, left)), Counter(map(key_of_source, sources))
    source_of = {key_of_source(path): path for path in sources}
    for path in left:
        key = key_of_target(path)
        if count_targets[key] == count_sources[key] == 1:
            moves[path] = source_of[key]
            sources.remove(source_of[key])


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def is_same_file(folder: Folder, root: Root, record: FileRecord, finding: Finding) -> bool:
    """Whether a file that has the inode of a known one is that file: inodes are used again at once."""
    if record.content == finding.content:
        return True
    if record.kind is not finding.kind or record.kind not in (Kind.TEXT, Kind.BLOB) or not record.stamp.inode:
        return False
    made_ns = root.birth_time_ns(finding.path)
    if made_ns is not None:
        return made_ns <= record.stamp.ctime_ns
    if record.kind is not Kind.TEXT:
        return False
    old = folder.texts.fork_at_base(record).text()
    removed = sum(hunk.stop - hunk.start for hunk in hunks(old, finding.text))
    return 2 * removed <= len(old)


class Departures:
    """Renames and deletions in one folder."""

    def __init__(
        self,
        folder: Folder,
        root: Root,
        pending: PendingPaths,
        damage: Damage,
        put_back: PutBack,
        known_files: KnownFiles,
        kept: KeptLocal,
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._damage = damage
        self._put_back = put_back
        self._known_files = known_files
        self._kept = kept

    def renamed(self) -> dict[str, str]:
        """New path to vanished path, where the new file is the vanished one: equal content first, then the inode."""
        folder, pending = self._folder, self._pending
        vanished = {path: record for path in pending.missing if (record := folder.files.by_path(path)) is not None}
        vanished = {path: record for path, record in vanished.items() if record.sight is Sight.SEEN}
        fresh = {path: one.finding for path, one in pending.fresh.items() if one.finding.found is not Found.DIRECTORY}
        moves = _of_equal_content(vanished, fresh)
        taken = set(moves.values())
        by_inode = {record.stamp.inode: path for path, record in vanished.items() if path not in taken}
        for path, finding in fresh.items():
            source = by_inode.get(finding.stamp.inode) if path not in moves else None
            if source is not None and is_same_file(folder, self._root, vanished[source], finding):
                moves[path] = source
                del by_inode[finding.stamp.inode]
        return moves

    async def rename(self, moves: Sequence[tuple[str, Finding]], context: ScanContext) -> None:
        """Files that a person renamed, each from a path: all are forced to the disk, stored and told together."""
        folder = self._folder
        # A power cut must not take back on the disk what everybody is told of.
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        renamed = [
            (record, finding) for source, finding in moves if (record := folder.files.by_path(source)) is not None
        ]
        commit = folder.database.pending()
        for start in range(0, len(renamed), _AT_ONCE):
            commit = self._store_renames(renamed[start : start + _AT_ONCE])
            await trio.lowlevel.checkpoint()
        await commit.wait()
        for record, finding in renamed:
            log.debug("file_renamed", path=record.path, to=finding.path)
            await self._known_files.take(replace(record, path=finding.path), finding, context)

    def _store_renames(self, renamed: Sequence[tuple[FileRecord, Finding]]) -> Commit:
        folder = self._folder
        # What they hold is not the base yet: without a stamp nobody takes it for that.
        moved = [replace(record, path=finding.path, stamp=NO_STAMP) for record, finding in renamed]
        for record in moved:
            self._pending.requeue(record.path)
            folder.files.set(record)
        for record in moved:
            folder.files.choice.was_made_here(record.entry, record.path)
        changes = [Change(record.entry, path=record.path) for record in moved]
        return folder.catalogue.write(changes, [record.save(folder.id) for record in moved])

    async def delete(self, paths: Sequence[str]) -> None:
        folder = self._folder
        records = [record for path in paths if (record := folder.files.by_path(path)) is not None]
        for path in set(paths) - {record.path for record in records}:
            self._pending.missing.pop(path, None)  # others deleted it, or moved it, meanwhile
        records = self._damage.recreate_vanished(self._known_to_be_deleted(records))
        records = await self._recreate_too_young(records)
        unconfirmed = sum(1 for record in records if record.sight is Sight.UNCONFIRMED)
        if unconfirmed:
            folder.state.pause_for_confirmation(
                f"{unconfirmed} of {len(folder.files)} files are missing in the directory that was found again"
            )
            return
        if self._kept.is_on:
            self._kept.are_gone(records)
            return
        now = trio.current_time()
        sizes = {record.entry: record.stamp.size for record in records if record.kind is not Kind.DIRECTORY}
        reason = folder.state.guard.refuses(sizes, len(folder.catalogue.layout().path_of), now)
        if reason:
            folder.state.pause_for_confirmation(f"{reason} here")
            return
        for path in paths:
            self._pending.missing.pop(path, None)
        if records:
            await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        await self.delete_all(records)
        for path in paths:
            self.inspect_parent(path)
            self._pending.requeue(path)  # a directory may stand there

    def _known_to_be_deleted(self, records: Iterable[FileRecord]) -> list[FileRecord]:
        """The files whose absence is a deletion, or may be one. The others are fetched again, or nobody's matter."""
        seen: list[FileRecord] = []
        for record in records:
            if record.entry in self._folder.files.ignored:
                self._pending.missing.pop(record.path, None)
            elif record.sight is Sight.LOST or self._is_unchosen(record):
                self._damage.recreate(record)
            else:
                seen.append(record)
        return seen

    def _is_unchosen(self, record: FileRecord) -> bool:
        """Whether a file is not to be here anyway: that it went deletes nothing."""
        return record.entry in self._folder.files.choice.unchosen

    async def _recreate_too_young(self, records: list[FileRecord]) -> list[FileRecord]:
        """Of files that are missing because the folder came back from a backup, those that it cannot have are made
        again; gives the others."""
        too_young = await self._put_back.too_young(records)
        for record in records:
            if record.entry in too_young:
                self._damage.recreate(record)
                text = "the folder went back to former versions, which are older than this file; it was made again"
                self._folder.notices.add(NoticeKind.OLDER_VERSION, record.path, text, record.entry)
        return [record for record in records if record.entry not in too_young]

    async def delete_all(self, records: Sequence[FileRecord]) -> None:
        """A person removed these files; where this device only reads they are made again."""
        folder = self._folder
        if self._kept.is_on:
            for record in records:
                self._damage.recreate(record)
            return
        for record in filter(self._is_unchosen, records):
            self._damage.recreate(record)
        records = [record for record in records if not self._is_unchosen(record)]
        now = trio.current_time()
        changes: list[Change] = []
        statements: list[Statement] = []
        for record in records:
            deletion = self._deletion(record)
            folder.files.drop(record.entry)
            if record.kind is not Kind.DIRECTORY:
                folder.state.guard.count(record.entry, now)
            statements.append(record.delete(folder.id))
            if deletion is not None:
                changes.append(Change(record.entry, deletion=deletion))
        if records:
            await folder.catalogue.write(changes, statements).wait()
            log.info("files_deleted_here", folder=folder.label, count=len(records))

    def _deletion(self, record: FileRecord) -> Deletion | None:
        """What the deletion of a file says of its entry; nothing of one that is deleted already: that one may have been
        made of more than this file."""
        folder = self._folder
        found = folder.catalogue.entries.get(record.entry)
        if found is not None and not folder.catalogue.is_alive(found):
            return None
        if record.kind is Kind.TEXT:
            return Deletion(record.document, folder.texts.fork_at_base(record).state_vector())
        # What the register says was deleted, whichever version it is called there.
        is_same = found is not None and found.kind is record.kind and found.content.hash == record.content
        return Deletion(found.document if found is not None and is_same else record.document, _NO_CLOCKS)

    def inspect_parent(self, path: str) -> None:
        """Where nothing is left in a directory it needs an entry of its own."""
        parent = path.rpartition("/")[0]
        if parent and parent not in self._folder.files.at and not parent.startswith(OURS):
            self._pending.requeue(parent)

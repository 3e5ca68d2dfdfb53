"""Known files that stand at each other's paths: two that were swapped, logs that were rotated.

Theory of operation
    A changed file at a known path is an edit of that path's entry, unless it is another known file. Then somebody
    renamed both, and what others write into either meanwhile belongs to the file and not to the name. Which file it is
    is told by its content first, then by its inode.

    Names are exchanged in several steps (`mv p t; mv q p; mv t q`), so what looks like it is looked at again a moment
    later. Then all files of the exchange are known: each goes to where it was found. One whose path was taken, and that
    stands nowhere any more, was overwritten, which deletes it.

    A save by renaming looks similar. It is told from an exchange by two things: the file that was at the path is gone,
    and no known file stands where the new one came from. So `mv new p` is an edit of p, and so is moving p to a backup
    and writing it anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.departures import is_same_file
from yp2p.disk.ingest.inspector import Inspector
from yp2p.disk.ingest.known_files import KnownFiles
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.pending_paths import SETTLE_S, PendingPaths
from yp2p.documents.registers import Change
from yp2p.files.inspect import NO_STAMP, Finding, Found, Stamp
from yp2p.files.root import Root
from yp2p.files.syscalls import sync_file_system
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Sight
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement

# Files that are found to be part of an exchange one after the other; longer chains are edits.
_ROUNDS = 16

log = structlog.get_logger()

_Moves = dict[EntryID, tuple[FileRecord, Finding]]


class ExchangedNames:
    """Finds out which files of one folder have exchanged their names.

    Args:
        delete: takes files that were overwritten.

    Attributes:
        awaited: inodes of files that have gone elsewhere: where one is found is decided with the exchange.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        pending: PendingPaths,
        inspector: Inspector,
        known_files: KnownFiles,
        delete: Callable[[Sequence[FileRecord]], Awaitable[None]],
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._inspector = inspector
        self._known_files = known_files
        self._delete = delete
        self._seen: dict[str, int] = {}  # paths that are looked at again, with the inodes that were there
        self.awaited: set[int] = set()

    async def take(self, findings: list[Finding], context: ScanContext) -> list[Finding]:
        """Rename the files that have exchanged their names; gives the findings that are left.

        Nobody is in the middle of an exchange when a first scan finds it.
        """
        candidates = await self._candidates(findings)
        if not candidates:
            return findings
        waiting = set() if context.is_first else self._wait(candidates)
        if waiting:
            return [finding for finding in findings if finding.path not in waiting]
        found = {finding.path: finding for finding in findings}
        for _ in range(_ROUNDS):
            further = [record.path for record, _ in candidates.values() if record.path not in found]
            if not further:
                break
            more = await self._inspector.inspect(further)
            found |= {finding.path: finding for finding in more}
            candidates |= await self._candidates(more)
        moves = self._to_new_paths(candidates) | candidates
        moves = self._consistent(moves)
        if moves:
            await self._rename(moves, context)
        moved = {finding.path for _, finding in moves.values()}
        return [finding for finding in findings if finding.path not in moved]

    def _wait(self, candidates: _Moves) -> set[str]:
        """The paths that are to be looked at again first; none, once all of them are as they were."""
        findings = [finding for _, finding in candidates.values()]
        paths = {finding.path for finding in findings} | {record.path for record, _ in candidates.values()}
        is_settled = all(self._seen.get(finding.path) == finding.stamp.inode for finding in findings)
        self.awaited.clear()
        if is_settled:
            self._seen = {path: inode for path, inode in self._seen.items() if path not in paths}
            return set()
        for finding in findings:
            self._seen[finding.path] = finding.stamp.inode
            record = self._folder.files.by_path(finding.path)
            if record is not None:
                self.awaited.add(record.stamp.inode)
        self._pending.busy.update(dict.fromkeys(paths, trio.current_time() + SETTLE_S))
        return paths

    async def _candidates(self, findings: Iterable[Finding]) -> _Moves:
        """Known files that were found at the path of another one, and are not at their own."""
        changed = [finding for finding in findings if self._is_another(finding)]
        if not changed:
            return {}
        inodes = {finding.stamp.inode for finding in changed}
        contents = {finding.content for finding in changed if finding.stamp.size}
        by_inode: dict[int, FileRecord] = {}
        by_content: dict[bytes, list[FileRecord]] = {}
        for record in self._folder.files.alike(inodes, contents):
            if record.stamp.inode in inodes:
                by_inode[record.stamp.inode] = record
            if record.content in contents:
                by_content.setdefault(record.content, []).append(record)
        found: _Moves = {}
        for finding in changed:
            moved = self._file_of(finding, by_inode, by_content)
            if moved is not None and moved.entry not in found:
                found[moved.entry] = moved, finding
        if not found:
            return {}
        paths = {record.path: record.stamp for record, _ in found.values()}
        left = await trio.to_thread.run_sync(_left, self._root, paths)
        return {entry: move for entry, move in found.items() if move[0].path in left}

    def _is_another(self, finding: Finding) -> bool:
        """Whether what stands at a known path may be another file."""
        record = self._folder.files.by_path(finding.path)
        return (
            record is not None
            and record.kind in (Kind.TEXT, Kind.BLOB)
            and finding.kind in (Kind.TEXT, Kind.BLOB)
            and finding.content != record.content
            and finding.stamp.inode != record.stamp.inode
            and not finding.is_linked
            and record.entry not in self._folder.files.ignored
            and not self._is_in_place(record, finding)
        )

    def _is_in_place(self, record: FileRecord, finding: Finding) -> bool:
        """Whether a file holds what its entry says: then it is what is known of it that is another one's."""
        folder = self._folder
        found = folder.catalogue.entries.get(record.entry)
        if (
            found is None
            or found.kind is not finding.kind
            or folder.catalogue.layout().path_of.get(found.id) != finding.path
        ):
            return False
        if found.kind is Kind.BLOB:
            return found.content.hash == finding.content
        digest = folder.texts.digests.get(found.document)
        return digest is not None and digest.content == finding.content

    def _file_of(
        self, finding: Finding, by_inode: dict[int, FileRecord], by_content: dict[bytes, list[FileRecord]]
    ) -> FileRecord | None:
        """Which other known file was found, if it is one: by its content, if one has it, else by its inode."""
        record: FileRecord | None = None
        of_inode = by_inode.get(finding.stamp.inode)
        alike = [known for known in by_content.get(finding.content, ()) if known.kind is finding.kind]
        if of_inode is not None and (of_inode in alike or not alike):
            record = of_inode if is_same_file(self._folder, self._root, of_inode, finding) else None
        elif len(alike) == 1:
            record = alike[0]
        if record is None or record.sight is not Sight.SEEN or record.path.startswith(".yp2p/"):
            return None
        return record if record.path != finding.path else None

    def _to_new_paths(self, candidates: _Moves) -> _Moves:
        """The files whose paths others took, and that were found under new names."""
        fresh = {one.finding.stamp.inode: one.finding for one in self._pending.fresh.values()}
        moves: _Moves = {}
        for _, finding in candidates.values():
            record = self._folder.files.by_path(finding.path)
            there = fresh.get(record.stamp.inode) if record is not None else None
            if record is None or there is None or there.found not in (Found.TEXT, Found.BLOB):
                continue
            if is_same_file(self._folder, self._root, record, there):
                moves[record.entry] = record, there
        return moves

    def _consistent(self, moves: _Moves) -> _Moves:
        """The moves that are no saves: whose path is taken stands elsewhere, or a known file took the mover's path."""
        files = self._folder.files
        while True:
            taken = {finding.path for _, finding in moves.values()}
            kept: _Moves = {}
            for entry, (record, finding) in moves.items():
                before = files.at.get(finding.path)
                if before is None or before in moves or record.path in taken:
                    kept[entry] = record, finding
            # What goes to a new path does so only because another one took its own.
            kept = {
                entry: (record, finding)
                for entry, (record, finding) in kept.items()
                if finding.path in files.at or any(record.path == other.path for _, other in kept.values())
            }
            if len(kept) == len(moves):
                return kept
            moves = kept

    async def _rename(self, moves: _Moves, context: ScanContext) -> None:
        folder = self._folder
        # A power cut must not take back on the disk what everybody is told of.
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        overwritten = [
            record
            for _, finding in moves.values()
            if (record := folder.files.by_path(finding.path)) is not None and record.entry not in moves
        ]
        await self._delete(overwritten)
        # no await: the names change together
        changes: list[Change] = []
        statements: list[Statement] = []
        for record, _ in moves.values():
            folder.files.drop(record.entry)
            self._pending.missing.pop(record.path, None)
        moved: list[tuple[FileRecord, Finding]] = []
        for record, finding in moves.values():
            # What it holds is not the base yet: without a stamp nobody takes it for that.
            there = replace(record, path=finding.path, stamp=NO_STAMP)
            folder.files.set(there)
            self._pending.fresh.pop(finding.path, None)
            self._pending.missing.pop(finding.path, None)
            changes.append(Change(record.entry, path=finding.path))
            statements.append(there.save(folder.id))
            moved.append((replace(there, stamp=record.stamp), finding))
        await folder.catalogue.write(changes, statements).wait()
        log.debug("names_exchanged", count=len(moved))
        for record, finding in moved:
            await self._known_files.take(record, finding, context)


def _left(root: Root, paths: dict[str, Stamp]) -> set[str]:
    """The paths at which the file is no more that had this stamp. Blocks."""
    left: set[str] = set()
    for path, known in paths.items():
        try:
            status = root.lstat(path)
        except OSError:
            continue
        there = Stamp.of(status) if status is not None else NO_STAMP
        if (there.inode, there.size, there.mtime_ns) != (known.inode, known.size, known.mtime_ns):
            left.add(path)
    return left

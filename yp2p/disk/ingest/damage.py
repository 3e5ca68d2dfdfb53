"""Damage that a power cut did to files, which is no edit of anybody.

After an unclean boot, until the first scan is through, a file that is empty, NUL-filled or gone is damaged: what is
left of it goes into the trash, and it is made again from its document.

What that scan could not read (a program has it open for writing, or no descriptor was left) is looked at in the same
way once it can be read, however long that takes. What is damaged and open stays until it is closed: what its program
is about to write would go into the trash.

A file that is left out, below another mount, or in a place that nobody may read can stay so for long, and nothing else
waits for it: the record of each says that a power cut came (`Stamp.doubted`), over all restarts, until the file was
looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set

import structlog
import trio

from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.files.inspect import Finding, Found
from yp2p.files.replace import Outcome, move_away
from yp2p.files.root import Root
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

_EMPTY = hashlib.sha256(b"").digest()
# What is damaged and open is looked at when it is closed; on file systems that do not tell, this often.
_OPEN_RETRY_S = 5.0

log = structlog.get_logger()


class Damage:
    """Repairs the damaged files of one folder.

    Attributes:
        is_expected: whether a power cut may have left damage anywhere.
        unread: after that, the paths that could not be read yet: there it may have left some still.
    """

    def __init__(self, folder: Folder, root: Root, pending: PendingPaths, readers: ReadTracker) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._readers = readers
        self.is_expected = False
        self.unread: set[str] = set()
        self._vanished: set[EntryID] = set()

    async def repairs(self, record: FileRecord, finding: Finding) -> bool:
        """Repair a file that is damaged; tells whether it was. One that is gone is remembered: it may have moved."""
        if finding.found is Found.MISSING:
            self._vanished.add(record.entry)
        elif finding.found is Found.DENIED:
            self._folder.files.doubt([record.entry])
        elif self._is_damaged(record, finding):
            if finding.is_open:
                self._pending.busy[record.path] = trio.current_time() + _OPEN_RETRY_S
                self._folder.note_waiting(record.entry, "a power cut damaged it, and another program has it open")
            else:
                await self.repair(record, finding)
            return True
        return False

    def _is_damaged(self, record: FileRecord, finding: Finding) -> bool:
        if record.kind is Kind.BLOB:
            is_nothing = finding.is_nul or (finding.found is Found.TEXT and finding.stamp.size == 0)
            return is_nothing and finding.content != record.content
        if finding.found is Found.TEXT and finding.stamp.size == 0:
            return record.content != _EMPTY and self._folder.texts.open(record.document).text.text() != ""
        return finding.found is Found.BLOB and record.kind is Kind.TEXT and finding.has_nul

    async def repair(self, record: FileRecord, finding: Finding) -> None:
        """What the power cut left goes into the trash, and the file is rendered again."""
        folder = self._folder
        target = f"{new_place()}/{record.path}"
        self.recreate(record)
        # First: were its base still known after a crash, a new file in its place would look like an edit of it.
        await folder.database.pending().wait()
        result = await trio.to_thread.run_sync(
            move_away, self._root, record.path, target, None, finding.stamp, record.kind
        )
        if result.outcome is not Outcome.DONE:
            folder.files.set(record)
            folder.database.submit([record.save(folder.id)])
            self._pending.busy[record.path] = trio.current_time() + BUSY_RETRY_S
            return
        text = "the file was damaged when the machine came back; it was made again, what was left is in the trash"
        folder.notices.add(NoticeKind.DAMAGED, record.path, text, record.entry)
        log.warning("damaged_file_restored", folder=folder.label)

    def recreate_vanished(self, records: Iterable[FileRecord]) -> list[FileRecord]:
        """Make the files again that were gone after the boot; gives the others, which somebody deleted."""
        deleted: list[FileRecord] = []
        for record in records:
            if record.entry not in self._vanished:
                deleted.append(record)
                continue
            self.recreate(record)
            text = "the file was gone when the machine came back; it was made again"
            self._folder.notices.add(NoticeKind.DAMAGED, record.path, text, record.entry)
        return deleted

    def recreate(self, record: FileRecord) -> None:
        """Forget that the file was there, so that it is made again."""
        folder = self._folder
        self._pending.missing.pop(record.path, None)
        self._readers.forget(record.entry)
        folder.files.drop(record.entry)
        folder.database.submit([record.delete(folder.id)])
        folder.render_queue.want(record.entry)

    def doubted(self, paths: Iterable[str]) -> Set[str]:
        """Those of some paths at which a power cut may have left damage that no scan could see yet."""
        if self.is_expected:
            return frozenset()
        wanted = set(paths)
        return self.unread & wanted | self._folder.files.doubted(wanted)

    def end(self) -> None:
        """The first scan after an unclean boot is through, and what was missing then is decided."""
        if self.is_expected:
            self.is_expected = False
            self._folder.files.doubt(self._folder.files.out_of_sight())
            self.unread = set(self._pending.busy)
            self._vanished.clear()
        self.forget_read(frozenset(self.unread))

    def forget_read(self, paths: Iterable[str]) -> None:
        """These were looked at: what is not waited for any more was read, or is decided."""
        pending = self._pending
        waiting = (pending.busy, pending.missing, pending.reading, pending.requeued)
        self.unread.difference_update([path for path in paths if not any(path in those for those in waiting)])
        if not self.unread and not self.is_expected:
            self._vanished.clear()

"""Files that somebody put back to former versions while nobody looked: a backup that was restored, an old checkout.

Theory of operation
    After a clean stop a file that differs is an edit, even if it equals a former version. But if the folder went back
    as a whole, the disk may have been restored from a backup, and to take that for edits would undo on all devices what
    was done since. So when a scan is about to find that more files than `guard.limit_of` hold former versions, the
    folder waits for a person, as for a mass deletion: either they were meant, or the newest versions are put in place
    again.

    What the backup does not have is missing then. A file that is missing at a start, and came later than a version that
    another one was put back to, is made again, and that is told.

Invariant
    * Nothing of a mass return is in a document, and nothing is deleted for it, before a person has said so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import trio

from yp2p.files.inspect import Finding, Stamp
from yp2p.folder.folder import Folder
from yp2p.folder.guard import limit_of
from yp2p.folder.old_versions import older_version
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables


@dataclass(frozen=True, slots=True)
class _Changed:
    """A file that a scan found changed, and that may hold a former version; what is no text does."""

    record: FileRecord
    kind: Kind
    content: bytes
    stamp: Stamp


class PutBack:
    """The files of one folder that may have been put back.

    Attributes:
        given_up: entries of whose files a person said last that they were not meant to be put back.
        undone: those of them that were not looked at since.
        missing_at_start: files that the first scan did not find, and that were not found since.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._changed: dict[EntryID, _Changed] = {}
        # When a former version was made, by entry and content; None: it is none.
        self._made_at: dict[tuple[EntryID, bytes], float | None] = {}
        self._approved: set[EntryID] = set()
        self.missing_at_start: set[EntryID] = set()
        self._asked: dict[EntryID, _Changed] = {}  # what a person has to decide on
        self.given_up: set[EntryID] = set()
        self.undone: set[EntryID] = set()

    def is_within_limit(self, count: int) -> bool:
        """Whether nobody has to be asked of so many files, whatever they hold."""
        return count <= limit_of(len(self._folder.catalogue.layout().path_of))

    def note(self, record: FileRecord, finding: Finding) -> None:
        """A scan found a file changed. Call before that is taken."""
        found = self._folder.catalogue.entries.get(record.entry)
        if found is None or finding.kind is not found.kind or finding.content == record.content:
            return
        if finding.kind is Kind.TEXT:
            digest = self._folder.texts.digests.get(found.document)
            is_current = digest is None or digest.content == finding.content
        else:
            is_current = not found.content.replaces(finding.content)
        if not is_current:
            self._changed[record.entry] = _Changed(record, finding.kind, finding.content, finding.stamp)

    async def reason(self) -> str:
        """Why what was noted has to wait for a person's word; empty when it may be taken."""
        former = {
            entry: changed
            for entry, changed in list(self._changed.items())
            if entry not in self._approved | self.undone and await self._former_made_at(changed) is not None
        }
        if self.is_within_limit(len(former)):
            return ""
        self._asked = former
        total = len(self._folder.catalogue.layout().path_of)
        return f"{len(former)} of {total} files were put back to former versions"

    async def _former_made_at(self, changed: _Changed) -> float | None:
        """When the version was made that a file holds (seconds since 1970); None where it is no former one."""
        key = changed.record.entry, changed.content
        if key not in self._made_at:
            self._made_at[key] = await self._look_up(changed)
            await trio.lowlevel.checkpoint()
        return self._made_at[key]

    async def _look_up(self, changed: _Changed) -> float | None:
        folder, record = self._folder, changed.record
        if changed.kind is not Kind.TEXT:
            return changed.stamp.mtime_ns / 1e9
        old = await older_version(folder, record, changed.content, changed.stamp.size, until=record.base_seq)
        if old is None:
            return None
        return tables.log.received_at(folder.database.rows, folder.id, record.document, old.base_seq)

    # --- while a person is asked --------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, Stamp]:
        """The files that a person has to decide on, by path, as they were then."""
        return {changed.record.path: changed.stamp for changed in self._asked.values()}

    def answer(self, *, accept: bool) -> None:
        """A person said whether the files were meant to be put back."""
        self.given_up = set() if accept else set(self._asked)
        (self._approved if accept else self.undone).update(self._asked)
        self.forget()

    def forget(self) -> None:
        """Nobody has to be asked any more."""
        self._asked.clear()
        self._changed.clear()

    # --- what a backup does not have ----------------------------------------------------------------------------

    async def too_young(self, records: Iterable[FileRecord]) -> set[EntryID]:
        """Which files are missing since before the start, and came later than what others were put back to."""
        missing = [record for record in records if record.entry in self.missing_at_start]
        self.missing_at_start.difference_update(record.entry for record in missing)  # from now on it would be seen
        if not missing or not self._changed:
            return set()
        times = [await self._former_made_at(changed) for changed in list(self._changed.values())]
        newest = max((time for time in times if time is not None), default=None)
        return {record.entry for record in missing if newest is not None and self._came_at(record) > newest}

    def _came_at(self, record: FileRecord) -> float:
        if record.kind is not Kind.TEXT:
            return record.stamp.ctime_ns / 1e9
        first = tables.log.first_row(self._folder.database.rows, self._folder.id, record.document)
        return first[1] if first is not None else 0.0

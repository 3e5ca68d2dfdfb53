"""What people change on the disk of a device that only reads: it stays here, and nobody hears of it.

Theory of operation
    A change that would be an edit elsewhere is only noted (`folder/local_changes.py`), and the file stays as it is. Its
    record still says what was put in place, so the next start finds the change again, and so does the scan after the
    device was made a member: then it is an edit of that version, and merges like any other.

    When others change such an entry as well, their version gets the place. What was changed here steps aside under the
    name that a conflict copy has; where the entry was deleted or went elsewhere, it just stays where it is. It is then
    a file of this disk alone, like any that was made here. What was removed here and is changed by others comes back.

Invariants
    * Nothing is written to a document here.
    * No content that was made here is overwritten, or removed: `yp2p folder revert` puts it into the trash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.opaque_entries import OpaqueEntries
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.local_changes import LocalChange
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind


def has_news(folder: Folder, record: FileRecord) -> bool:
    """Whether others have something else by now than what was put in place for an entry."""
    found = folder.catalogue.entries.get(record.entry)
    if found is None or folder.catalogue.layout().path_of.get(record.entry) != record.path:
        return True
    if found.kind is not Kind.TEXT or record.kind is not Kind.TEXT:
        return record.kind is not found.kind or record.content != found.content.hash
    digest = folder.texts.digests.get(found.document)
    return digest is not None and digest.content != record.content


class KeptLocal:
    """Keeps what was changed on this disk alone, where this device only reads."""

    def __init__(self, folder: Folder, opaque: OpaqueEntries, damage: Damage, pending: PendingPaths) -> None:
        self._folder = folder
        self._opaque = opaque
        self._damage = damage
        self._pending = pending

    @property
    def is_on(self) -> bool:
        """Whether this device only reads."""
        return self._folder.membership.is_reader

    async def changed(self, record: FileRecord, finding: Finding) -> None:
        """The file of an entry holds what nobody else has."""
        folder = self._folder
        if not has_news(folder, record):
            folder.files.local.note(record.path, LocalChange.CHANGED)
        elif folder.catalogue.layout().path_of.get(record.entry) == record.path and finding.kind is not None:
            found_here = replace(record, content=finding.content, stamp=finding.stamp, kind=finding.kind)
            await self._opaque.keep_conflict_copy(found_here)
        else:
            self._damage.recreate(record)
            self._pending.requeue(record.path)

    def are_gone(self, records: Iterable[FileRecord]) -> None:
        """Somebody here removed these files."""
        for record in records:
            self._pending.missing.pop(record.path, None)
            if has_news(self._folder, record):
                self._damage.recreate(record)
            else:
                self._folder.files.local.note(record.path, LocalChange.REMOVED)

    def is_new(self, finding: Finding) -> None:
        """A file stands where no entry is."""
        self._folder.files.local.note(finding.path, LocalChange.ADDED)

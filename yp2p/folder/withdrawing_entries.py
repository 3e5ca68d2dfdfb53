"""Withdrawing what nobody else has of the manifest: see `withdrawing.py`.

An entry that nobody else has is gone, and its file is one that was added here. Of one that was changed, renamed or
deleted here the record says again what others have and this device had put in place, so that the file is otherwise or
is missing. Where others have changed the entry as well, it has no file here: theirs is put in place, and what stands
there steps aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry
from yp2p.files.inspect import NO_STAMP
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Single, stored_rows
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind


@dataclass(slots=True)
class _Goes:
    """What goes of an entry, from the row `since` on: it was `before` that; `is_own`: this device made some of it."""

    before: Entry | None
    since: int
    is_own: bool = False


@dataclass(slots=True)
class Withdrawn:
    """Follows what goes of a manifest document, and what the entries were before that without it.

    Attributes:
        replica: has what stays.
        goes: by entry.
    """

    index: int
    replica: ManifestReplica = field(default_factory=lambda: ManifestReplica(1))
    goes: dict[EntryID, _Goes] = field(default_factory=dict)
    _whole: ManifestReplica | None = None
    _entries: dict[EntryID, Entry | None] = field(default_factory=dict)

    def decided(self, row: Single, is_kept: bool) -> None:
        """A row stays, or goes."""
        if self._whole is None:  # all rows before this one have stayed
            self._whole = ManifestReplica(1)
            self._whole.load([self.replica.state()])
            self._whole.take_changed_keys()
        self._entries |= Manifest.read_changed(self.replica, self.index)
        self._whole.apply(row.data)
        for entry in Manifest.read_changed(self._whole, self.index):
            if not is_kept:
                found = self.goes.setdefault(entry, _Goes(self._entries.get(entry), row.seq))
                found.is_own |= not row.origin


def bring_in_line(folder: Folder, goes: Mapping[EntryID, _Goes], was: Mapping[EntryID, Entry]) -> None:
    """Have the records of the files of entries that something went of say what was put in place of what is left.

    Args:
        was: the entries with it.
    """
    for entry, one in goes.items():
        now, record = folder.catalogue.entries.get(entry), folder.files.get(entry)
        if now == was.get(entry):
            continue
        if now is None or not folder.catalogue.is_alive(now):
            _forget_file(folder, record)
        elif not one.is_own:
            continue  # it is rendered anew
        elif one.before is None or not _is_same(one.before, now):
            if record is None or not folder.is_on_disk(entry):
                _forget_file(folder, record)
        elif not folder.files.is_left_alone(entry):
            _set_record(folder, now, record, one.since)


def _is_same(before: Entry, now: Entry) -> bool:
    """Whether others have not changed an entry since, but for its mode."""
    return (before.path, before.kind, before.document, before.content.hash) == (
        now.path, now.kind, now.document, now.content.hash,
    )  # fmt: skip


def _forget_file(folder: Folder, record: FileRecord | None) -> None:
    if record is not None:
        folder.files.drop(record.entry)
        folder.database.submit([record.delete(folder.id)])


def _set_record(folder: Folder, now: Entry, record: FileRecord | None, since: int) -> None:
    path = folder.catalogue.layout().path_of.get(now.id, now.path)
    if record is not None and record.kind is now.kind is Kind.TEXT and record.document == now.document:
        stamp = record.stamp if (record.path, record.mode) == (path, now.mode) else NO_STAMP
        found: FileRecord | None = replace(record, path=path, mode=now.mode, stamp=stamp)
    else:
        found = _record_of(folder, now, path, since)
    if found is None:
        _forget_file(folder, record)
        return
    folder.files.set(found)
    folder.database.submit([found.save(folder.id)])


def _record_of(folder: Folder, now: Entry, path: str, since: int) -> FileRecord | None:
    """As if the file had just been put in place; None where the text is not here, or others wrote into it since."""
    if now.kind is not Kind.TEXT:
        return FileRecord(now.id, path, now.document, 0, None, now.content.hash, now.mode, NO_STAMP, now.kind)
    digest = folder.texts.digests.get(now.document)
    rows = stored_rows(folder.database.rows, folder.id, now.document)
    if digest is None or any(row.origin and row.seq > since for row in rows):
        return None
    seq = folder.texts.open(now.document).last_seq
    return FileRecord(now.id, path, now.document, seq, None, digest.content, now.mode, NO_STAMP)

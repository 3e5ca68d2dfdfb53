"""The status of a file whose content is known: its mode, as far as it can be told here, and its stamp."""

from __future__ import annotations

from dataclasses import replace

from yp2p.documents.registers import Change
from yp2p.files.inspect import Finding
from yp2p.files.new_files import CREATION_MASK
from yp2p.folder.folder import Folder
from yp2p.folder.local_changes import LocalChange
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind, Mode


def observable_mode(record: FileRecord, mode: Mode) -> Mode:
    """The mode of a file that was found, by what can be told here: under umask 077 every file looks private."""
    if CREATION_MASK & 0o077 != 0o077:
        return mode
    return (mode & ~Mode.PRIVATE) | (record.mode & Mode.PRIVATE)


async def take_status(folder: Folder, record: FileRecord, finding: Finding) -> None:
    """The content is the base: remember the new stamp, and whether it became executable."""
    mode = observable_mode(record, finding.mode) if record.kind in (Kind.TEXT, Kind.BLOB) else record.mode
    if folder.membership.is_reader and mode != record.mode:
        folder.files.local.note(record.path, LocalChange.MODE)  # and found again
        return
    updated = replace(record, stamp=finding.stamp, mode=mode)
    folder.files.local.done(record.path)
    if updated == record:
        return
    folder.files.set(updated)
    folder.database.submit([updated.save(folder.id)])
    entry = folder.catalogue.entries.get(record.entry)
    if mode != record.mode and entry is not None:
        await folder.catalogue.write([Change(entry.id, mode=mode)]).wait()

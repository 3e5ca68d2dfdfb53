"""New entries for files that were made here.

The IDs of a first import are derived from what is imported, so that two devices that import the same file make the
same entry with the same document, byte for byte (invariant 5). Where an entry ID was ever used the next one is computed
of it, so that a file that comes again on two devices is one as well.
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import replace

from yp2p.disk.ingest.conflict_copies import copy_id_of
from yp2p.disk.ingest.opaque_entries import content_of, record_of
from yp2p.documents.registers import Change
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, entry_id_for, new_text, next_entry_id
from yp2p.folder.records import save_chunks
from yp2p.identity import EntryID
from yp2p.protocol.entries import Content, Kind
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit


class NewEntries:
    """Makes the entries of one folder for what is new on its disk."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def id_for(self, finding: Finding, chosen: Container[EntryID]) -> EntryID:
        """The ID of a new entry: the same on every device that knows of the same entries and imports the same file.

        Where the ID was used before, the next one is computed of it. What is no text and was here before lives again.
        """
        known = self._folder.catalogue.entries
        entry = copy_id_of(self._folder, finding) or self.first_id(finding)
        if finding.kind is Kind.TEXT:
            while entry in known or entry in chosen:
                entry = next_entry_id(entry)
        while self._is_in_use(entry) or entry in chosen:
            entry = next_entry_id(entry)  # what was here has another name now
        return entry

    def first_id(self, finding: Finding) -> EntryID:
        """The ID of an entry that was never used before."""
        return entry_id_for(self._folder.id, os.fsencode(finding.path), finding.content)

    def make(self, imports: Sequence[tuple[EntryID, Finding]]) -> Commit:
        """Make new entries with their documents and submit them, in one step. Raises FolderError, and does nothing."""
        self._folder.membership.check_may_write()
        changes: list[Change] = []
        statements: list[Statement] = []
        entries: list[EntryID] = []
        known = self._folder.catalogue.entries
        new = {entry: finding.path for entry, finding in imports if entry not in known}
        for entry, finding in imports:
            self._add(entry, finding, changes, statements)
            entries.append(entry)
        commit = self._folder.catalogue.write(changes, statements)
        self._folder.render_queue.put_off(entry for entry, path in new.items() if self._is_in_step(entry, path))
        # What others have written into them meanwhile is not on the disk yet.
        commit.then(lambda: self._folder.rendered(entry for entry in entries if self._folder.is_on_disk(entry)))
        return commit

    def _is_in_step(self, entry: EntryID, path: str) -> bool:
        """Whether the file of a new entry is all that is to be there of it; what rules it brings is still looked at."""
        folder = self._folder
        is_there = folder.catalogue.layout().path_of.get(entry) == path and not folder.files.is_left_alone(entry)
        return is_there and path != IGNORE_FILE

    def _is_in_use(self, entry: EntryID) -> bool:
        found = self._folder.catalogue.entries.get(entry)
        return found is not None and (self._folder.catalogue.is_alive(found) or entry in self._folder.files)

    def _add(self, entry: EntryID, finding: Finding, changes: list[Change], statements: list[Statement]) -> None:
        """A new entry with a new document. Equal files on two devices give equal bytes throughout."""
        folder, path = self._folder, finding.path
        if finding.kind is Kind.TEXT:
            record = new_text(folder, entry, document_id_for(entry), finding, statements, is_own=True)
            content = Content.text(record.document, finding.mode, finding.stamp.mtime_ns)
        else:
            content = content_of(finding)
            record = replace(record_of(entry, content, finding), is_own=True)
            statements += save_chunks(finding)
            if content.kind is Kind.SYMLINK:
                folder.notices.tell_symlink(path, content.target, entry)
        folder.files.choice.was_made_here(entry, path)
        statements.append(record.save(folder.id))
        folder.files.set(record)
        before = folder.catalogue.entries.get(entry)
        mode = finding.mode if before is not None and before.mode != finding.mode else None
        changes.append(Change(entry, path, content, mode, revive=before is not None))

"""What this device leaves out of a folder, by the folder's own ignore rules and by its settings.

What is left out stays as it is on this disk, and what others make there is not rendered. The rules are a text of
the folder like any other, so they may come later than the files that they are about.
"""

from __future__ import annotations

import trio

from yp2p.documents.registers import Entry
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules
from yp2p.folder.folder import Folder
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind


async def apply_rules(folder: Folder, rules: IgnoreRules) -> None:
    """From now on these paths are left out. What is left out no more, and is not there, comes back: nobody looked
    whether it went, which is no deletion (`Sight`)."""
    folder.files.ignored.rules = rules
    places = dict(folder.catalogue.layout().path_of)
    entries = folder.catalogue.entries
    directories = {entry for entry in places if entries[entry].kind is Kind.DIRECTORY}

    def ignored_entries() -> set[EntryID]:
        return {e for e, path in places.items() if rules.ignores(path, directory=e in directories)}

    found = await trio.to_thread.run_sync(ignored_entries)
    for entry in found ^ folder.files.ignored.entries:
        if folder.catalogue.layout().path_of.get(entry) == places.get(entry):
            folder.note_ignored(entry, entry in found)
            folder.render_queue.want(entry)
            folder.rendered([entry])
    folder.render_queue.wake()


def is_ignored_entry(folder: Folder, path: str) -> bool:
    """Whether the file of a known entry is left out by now."""
    entry = folder.files.at.get(path)
    return (
        entry is not None
        and entry in folder.files.ignored
        and folder.files.ignored.covers(path, folder.files[entry].kind)
    )


def _rules_entry(folder: Folder) -> Entry | None:
    entry = folder.catalogue.layout().entry_at.get(IGNORE_FILE)
    found = folder.catalogue.entries[entry] if entry is not None else None
    return found if found is not None and found.kind is Kind.TEXT else None


def has_rules(folder: Folder) -> bool:
    """Whether the folder has rules on what is left out, here or to come."""
    return _rules_entry(folder) is not None


def rules_document_is_missing(folder: Folder) -> bool:
    """Whether the folder has rules on what is left out that are not here yet."""
    found = _rules_entry(folder)
    return found is not None and found.document not in folder.texts.digests


def rules_text(folder: Folder) -> str:
    """The folder's rules on what is left out, as its document says; empty when there are none here."""
    found = _rules_entry(folder)
    return folder.texts.head(found.document)[1] if found is not None and found.document in folder.texts.digests else ""

"""What this device leaves out of a folder: by the folder's own rules, and by its settings.

What is left out stays as it is on this disk, and what others make there is not put in place. The rules are a text of
the folder like any other, so they may come later than the files that they are about.
"""

from __future__ import annotations

import trio

from yp2p.config import Files
from yp2p.documents.manifest import Entry
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules
from yp2p.files.inspect import Found, inspect
from yp2p.files.root import Root
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.sync.folder import Folder


def read_rules(root: Root, settings: Files, to_come: str) -> tuple[IgnoreRules, str]:
    """What the settings and the file on the disk leave out, and why the file is not used if it is not. Blocks.

    Args:
        to_come: what the file will say besides, once it is put in place.
    """
    found = inspect(root, IGNORE_FILE, None, settings.max_text_bytes, trust_stamp=False)
    text = f"{to_come}\n{found.text}" if found.found is Found.TEXT else to_come
    try:
        return IgnoreRules(settings.ignore, text), ""
    except ValueError as error:
        return IgnoreRules(settings.ignore), str(error)


async def apply_rules(folder: Folder, rules: IgnoreRules) -> None:
    """From now on these paths are left out."""
    folder.rules = rules
    places = dict(folder.layout().path_of)
    entries = folder.manifest.entries
    directories = {entry for entry in places if entries[entry].kind is Kind.DIRECTORY}

    def ignored() -> set[EntryID]:
        return {e for e, path in places.items() if rules.ignores(path, directory=e in directories)}

    found = await trio.to_thread.run_sync(ignored)
    for entry in found ^ folder.ignored:
        if folder.layout().path_of.get(entry) == places.get(entry):
            folder.note_ignored(entry, entry in found)
            folder.to_render.add(entry)
            folder.rendered(entry)
    folder.disk_work.set()


def is_left_alone(folder: Folder, path: str) -> bool:
    """Whether the file of a known entry is left out by now."""
    entry = folder.file_at.get(path)
    if entry not in folder.ignored:
        return False
    return folder.rules.ignores(path, directory=folder.files[entry].kind is Kind.DIRECTORY)


def _rules_entry(folder: Folder) -> Entry | None:
    entry = folder.layout().entry_at.get(IGNORE_FILE)
    found = folder.manifest.entries[entry] if entry is not None else None
    return found if found is not None and found.kind is Kind.TEXT else None


def rules_document_is_missing(folder: Folder) -> bool:
    """Whether the folder has rules on what is left out that are not here yet."""
    found = _rules_entry(folder)
    return found is not None and found.document not in folder.digests


def rules_text(folder: Folder) -> str:
    """The folder's rules on what is left out, as its document says; empty when there are none here."""
    found = _rules_entry(folder)
    return folder.texts.head(found.document)[1] if found is not None and found.document in folder.digests else ""

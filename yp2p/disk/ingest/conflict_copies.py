"""Conflict copies: files that step aside, as their content is not that of the entry which has their path.

Theory of operation
    The entry of a copy has an ID computed from the entry that it stands beside and its content, so it is one entry,
    however many devices have the same file to put aside. Its name says which device did it and when, and ends with the
    beginning of that ID: by that a file which stepped aside is known for what it is when it is imported, also after a
    crash in between. Of the names that several devices gave it, one is left in the register, and all go by that.
"""

from __future__ import annotations

from collections.abc import Iterator

from yp2p.documents.layout import conflict_digits, conflict_path, plain_name
from yp2p.documents.registers import Entry
from yp2p.files.inspect import Finding
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import entry_id_for, next_entry_id
from yp2p.folder.origins import own_origin
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

# How often one content may have come again beside one entry, and is still known for it.
_MOST_AGAIN = 16


def copy_id(beside: EntryID, content: bytes) -> EntryID:
    """The ID of the entry that a file with this content is beside another entry, the first time."""
    return entry_id_for(b"conflict", beside, content)


def copy_path(folder: Folder, path: str, entry: EntryID) -> str:
    """The name that this device gives to a copy beside `path`."""
    return conflict_path(path, entry, own_origin(folder))


def copy_id_of(folder: Folder, finding: Finding) -> EntryID | None:
    """The ID that a file has as a conflict copy, by its name and content; None where it is none."""
    digits = conflict_digits(finding.path)
    beside = folder.catalogue.layout().entry_at.get(plain_name(finding.path)) if digits else None
    if beside is None:
        return None
    entry = copy_id(beside, finding.content)
    for _ in range(_MOST_AGAIN):
        if entry.hex().startswith(digits):
            return entry
        entry = next_entry_id(entry)
    return None


def copy_of(folder: Folder, finding: Finding) -> Entry | None:
    """The entry of a conflict copy that holds what a file holds which steps aside as that very copy, or may hold it."""
    entry = copy_id_of(folder, finding)
    while entry is not None and (copy := folder.catalogue.entries.get(entry)) is not None:
        if folder.catalogue.is_alive(copy) and may_hold(folder, copy, finding.kind, finding.content):
            return copy
        entry = next_entry_id(entry)
    return None


def copies_beside(folder: Folder, beside: EntryID, content: bytes) -> Iterator[Entry]:
    """The entries alive that were made for this content beside an entry, whatever they hold by now."""
    entry = copy_id(beside, content)
    while (copy := folder.catalogue.entries.get(entry)) is not None:
        if folder.catalogue.is_alive(copy):
            yield copy
        entry = next_entry_id(entry)


def may_hold(folder: Folder, copy: Entry, kind: Kind | None, content: bytes) -> bool:
    """Whether an entry holds this, or is a text that is not here yet."""
    if kind is not copy.kind:
        return False
    if kind is not Kind.TEXT:
        return content == copy.content.hash
    digest = folder.texts.digests.get(copy.document)
    return digest is None or digest.content == content

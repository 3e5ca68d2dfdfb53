"""What this device leaves out of a folder: by the folder's own rules, and by its settings.

What is left out stays as it is on this disk, and what others make there is not put in place. The rules are a text of
the folder like any other, so they may come later than the files that they are about.
"""

from __future__ import annotations

import os
import time

import trio

from yp2p.config import Files
from yp2p.documents.manifest import Entry
from yp2p.errors import FolderError
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules, readable
from yp2p.files.inspect import Found, inspect, read_whole
from yp2p.files.root import Root
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.sync.folder import Folder

# A text may be longer; rules that long would take minutes.
_MAX_RULES_BYTES = 1 << 20
# Who saves the file has it open for writing for a moment.
_WRITING_S, _LOOK_AGAIN_S = 0.5, 0.01


def read_rules(root: Root, settings: Files, to_come: str = "") -> tuple[IgnoreRules, str]:
    """What the settings and the file on the disk leave out, and what of the file cannot be used. Blocks.

    Args:
        to_come: what the file will say besides, once it is put in place.

    Raises:
        FolderError: what is left out is not known, so nothing may be sent.
    """
    on_disk, problem = "", ""
    try:
        on_disk = _text_on(root, settings)
    except ValueError as error:
        problem = str(error)
    both = on_disk if to_come in ("", on_disk) else f"{to_come}\n{on_disk}"
    why_not = {text: _why_not(text) for text in (both, on_disk, to_come)}
    if problem:
        text = to_come  # what it said before
    elif why_not[both] and to_come and why_not[to_come]:
        text = on_disk  # what is to come cannot be used, and never could
    elif why_not[both] and why_not[on_disk]:
        text, problem = to_come, why_not[on_disk]
    else:
        text = both
    if (problem and not text) or why_not[text]:
        reason = problem or why_not[text]
        raise FolderError(f"{IGNORE_FILE} cannot be used: {reason}; nothing is synced until that is mended")
    patterns, unused = readable(text)
    return IgnoreRules([*settings.ignore, *patterns]), f"{problem}; what it said before is used" if problem else unused


def _why_not(text: str) -> str:
    try:
        readable(text)
    except ValueError as error:
        return str(error)
    return ""


def _text_on(root: Root, settings: Files) -> str:
    """What the file says, byte for byte as names are: it may be no UTF-8. Raises ValueError: that cannot be told."""
    deadline = time.monotonic() + _WRITING_S
    while True:
        found = inspect(root, IGNORE_FILE, None, settings.max_text_bytes, trust_stamp=False)
        if found.found is not Found.BUSY or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_AGAIN_S)  # in a worker thread
    if found.found in (Found.MISSING, Found.DIRECTORY):
        return ""
    if found.found not in (Found.TEXT, Found.BLOB):
        raise ValueError(found.reason or "it is no file")
    if found.stamp.size > _MAX_RULES_BYTES:
        raise ValueError(f"it has {found.stamp.size} bytes, more than {_MAX_RULES_BYTES}")
    text = found.text if found.found is Found.TEXT else _read(root).decode("utf-8", "surrogateescape")
    if "\x00" in text:
        raise ValueError("it has a byte 0, so it is no text, or one in UTF-16")
    return text.removeprefix("\ufeff")


def _read(root: Root) -> bytes:
    try:
        descriptor = root.open(IGNORE_FILE, os.O_RDONLY)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    try:
        return read_whole(descriptor, _MAX_RULES_BYTES)
    finally:
        os.close(descriptor)


async def apply_rules(folder: Folder, root: Root, rules: IgnoreRules) -> None:
    """From now on these paths are left out. What is left out no more, and is not there, comes back."""
    folder.rules = rules
    before = {entry: record.path for entry in folder.ignored if (record := folder.files.get(entry)) is not None}
    places = dict(folder.layout().path_of)
    entries = folder.manifest.entries
    directories = {entry for entry in places if entries[entry].kind is Kind.DIRECTORY}

    def look() -> tuple[set[EntryID], set[EntryID]]:
        ignored = {e for e, path in places.items() if rules.ignores(path, directory=e in directories)}
        return ignored, {entry for entry in before.keys() - ignored if _is_gone(root, before[entry])}

    found, gone = await trio.to_thread.run_sync(look)
    for entry in found ^ folder.ignored:
        if folder.layout().path_of.get(entry) == places.get(entry):
            record = folder.files.get(entry)
            if entry in gone and record is not None and record.path == before[entry]:
                folder.drop_file(entry)  # it was removed while nobody looked after it: that is no deletion
                folder.database.submit([record.delete(folder.id)])
            folder.note_ignored(entry, entry in found)
            folder.to_render.add(entry)
            folder.rendered(entry)
    folder.disk_work.set()


def _is_gone(root: Root, path: str) -> bool:
    try:
        return root.lstat(path) is None
    except OSError:
        return False


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

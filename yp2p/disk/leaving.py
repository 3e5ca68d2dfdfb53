"""What leaving a folder does to its directory (`device/leaving.py`). Everything here blocks.

Theory of operation
    Our own files go: the marker first, then what is in `.yp2p/`. Without the marker the directory is no folder: what is
    missing in it from then on is nobody's deletion, also where a crash comes and somebody takes it up again.

    The person's files stay. Where they are to go, those go that are exactly as the folder knows them: of each the
    content is looked at, it is taken out of its place in one step, and looked at again there. What is otherwise, or
    ignored, or unknown, stays where it is.

    A file that is on its way to another name (`PARKED`) is put where it belongs before `.yp2p/tmp` goes.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from yp2p.files import trash
from yp2p.files.inspect import MAX_TEXT_BYTES, NO_STAMP, Finding, Found, inspect
from yp2p.files.replace import Outcome, move_away
from yp2p.files.root import OURS, TMP, Root, is_ours, remove_marker
from yp2p.files.temporary_files import discard
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.machine import reason
from yp2p.protocol.entries import Kind


@dataclass(slots=True)
class Sorted:
    """The files of a folder: those that are as it knows them, and of the others why they are not."""

    known: list[FileRecord] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Cleared:
    """What became of a directory.

    Attributes:
        removed: the files that went.
        stays: by path, why something is still there that was to go.
    """

    removed: list[FileRecord] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)


def sort(root: Root, records: Iterable[FileRecord], ignored: Collection[EntryID]) -> Sorted:
    """Which files are exactly as the folder knows them."""
    found = Sorted()
    for record in records:
        if is_ours(record.path):
            continue
        why = "it is ignored" if record.entry in ignored else _difference(record, _look(root, record))
        if not why:
            found.known.append(record)
        elif why != _MISSING:
            found.changed[record.path] = why
    return found


_MISSING = "it is not there"


def _look(root: Root, record: FileRecord) -> Finding:
    base = (record.kind, record.content)
    return inspect(root, record.path, record.stamp, MAX_TEXT_BYTES, trust_stamp=False, base=base)


def _difference(record: FileRecord, found: Finding) -> str:
    if found.found is Found.MISSING:
        return _MISSING
    if found.found is Found.UNCHANGED or (found.kind is record.kind and found.content == record.content):
        return ""
    return found.reason or "it was changed here, and the folder has not read that yet"


def trash_size(root: Root) -> tuple[int, int]:
    """How many files are in the trash, and how many bytes."""
    items = trash.items(root)
    return len(items), sum(item.size for item in items)


def others(root: Root, known: Collection[str]) -> int:
    """How many files there are that the folder does not know."""
    count = 0
    for directory, below, names in os.walk(root.path):
        inside = os.path.relpath(directory, root.path)
        if inside == ".":
            below[:] = [name for name in below if name != OURS]
        paths = names if inside == "." else [f"{inside}/{name}" for name in names]
        count += sum(path not in known for path in paths)
    return count


def clear(
    root: Root,
    records: Sequence[FileRecord],
    ignored: Collection[EntryID],
    parked: Sequence[tuple[str, str]],
    *,
    with_files: bool,
) -> Cleared:
    """Make a directory one like any other. Raises OSError: it could not be done, and can be tried again.

    Args:
        parked: files that are on their way in `.yp2p/tmp`, and where they belong.
        with_files: whether the person's files go as well.
    """
    done = Cleared()
    remove_marker(root)
    if with_files:
        _remove_files(root, records, ignored, done)
    is_ours_empty = True
    for name, path in parked:
        result = move_away(root, name, path, None, NO_STAMP)
        if result.outcome is not Outcome.DONE and root.lstat(name) is not None:
            done.stays[name] = f"it is {path}, and {result.reason or 'something else is there'}"
            is_ours_empty = False
    if is_ours_empty and root.lstat(OURS) is not None:
        shutil.rmtree(OURS, dir_fd=root.descriptor)
    return done


def _remove_files(root: Root, records: Sequence[FileRecord], ignored: Collection[EntryID], done: Cleared) -> None:
    root.make_own_directories()
    root.probe()
    found = sort(root, records, ignored)
    done.stays.update(found.changed)
    # Directories after what is in them.
    for record in sorted(found.known, key=lambda one: (one.kind is Kind.DIRECTORY, -one.path.count("/"))):
        if record.kind is Kind.DIRECTORY:
            root.remove_directory(record.path)  # one that is not empty has what stays
        elif why := _remove(root, record):
            done.stays[record.path] = why
        else:
            done.removed.append(record)
        root.remove_empty_parents(record.path)


def _remove(root: Root, record: FileRecord) -> str:
    """Remove a file that still is what the folder knows; gives why it stays."""
    away = f"{TMP}/{secrets.token_hex(8)}"
    try:
        result = move_away(root, record.path, away, record.content, record.stamp, record.kind)
        if result.outcome is Outcome.DONE:
            discard(root, away)
            return ""
    except OSError as error:
        return reason(error)
    return result.reason or "it was changed a moment ago"

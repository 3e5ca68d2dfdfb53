"""What a finding on the disk means: decided of plain values, acted upon elsewhere (`ingest.py`).

Theory of operation
    Two tables. `meaning_of` says what a path is now: unchanged, not decided yet, gone, known, new. `state_of` says
    of a known file that was read what its content is: the base, what the document says, an older version, damage that a
    power cut did, or an edit. What costs something to find out, because a document has to be read for it, is asked for
    by a step (`NEED_DOCUMENT`, `NEED_VERSION`, `NEED_BASE`); then `state_of` is asked again.

Invariants
    * A file whose content is the base's, or what the document says, is no edit.
    * After a power cut, until the first scan is through, a file that is damaged or no younger than its record is no
      edit, but for one that has its base with more behind.
    * A path that is missing, or that cannot be read now, decides nothing yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from yp2p.files.inspect import Finding, Found
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind


@dataclass(frozen=True, slots=True)
class ScanContext:
    """How it came that a path was looked at.

    Attributes:
        is_scan: a scan found it, and nothing was reported of it.
        is_first: it was the first scan after a start: what changed did so while nobody looked.
        after_power_cut: the disk can have gone back to any version.
    """

    is_scan: bool = False
    is_first: bool = False
    after_power_cut: bool = False


class Meaning(Enum):
    """What a path is now."""

    UNCHANGED = auto()
    LONG = auto()  # it has to be read beside everything else
    BUSY = auto()  # somebody writes into it
    MISSING = auto()
    DISPLACED = auto()  # a known file is gone: a directory took its place
    DISPLACING = auto()  # a file took the place of a known directory
    KNOWN = auto()  # the file of an entry
    NEW = auto()
    NOTHING = auto()  # a directory that is there without an entry of its own
    IGNORED = auto()  # what cannot be synchronised, with the reason


def meaning_of(finding: Finding, record: FileRecord | None, *, needs_entry: bool) -> Meaning:
    """What was found at a path whose record this is.

    Args:
        needs_entry: whether a directory found there is only there if an entry says so.
    """
    was_directory = record is not None and record.kind is Kind.DIRECTORY
    match finding.found:
        case Found.UNCHANGED:
            return Meaning.UNCHANGED
        case Found.LONG:
            return Meaning.LONG
        case Found.BUSY:
            return Meaning.BUSY
        case Found.MISSING:
            return Meaning.MISSING
        case Found.DIRECTORY if record is None:
            return Meaning.NEW if needs_entry else Meaning.NOTHING
        case Found.DIRECTORY if not was_directory:
            return Meaning.DISPLACED
        case Found.TEXT | Found.BLOB | Found.SYMLINK | Found.DIRECTORY:
            if was_directory and finding.found is not Found.DIRECTORY:
                return Meaning.DISPLACING
            return Meaning.NEW if record is None else Meaning.KNOWN
    return Meaning.IGNORED


class FileState(Enum):
    """What a known file that was read holds."""

    NEED_DOCUMENT = auto()  # find out whether it is what the document says, and ask again
    NEED_VERSION = auto()  # find out whether it is another version of the document, and ask again
    NEED_BASE = auto()  # find out whether it is the base with more behind, and ask again
    BASE = auto()  # the base
    DAMAGED = auto()  # what a power cut left
    OPAQUE = auto()  # another blob, symlink or directory, or a text that ceases or begins to be one
    CURRENT = auto()  # what the document says
    OTHER_VERSION = auto()  # another version of the document
    EDITED = auto()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known.

    Attributes:
        is_replaced: the entry is another kind of thing by now.
        is_first: a first scan after a start found it.
        is_live: a program has or had the text open, and it has gone on since the file was written.
        is_current, is_version, extends_base: answers to what was needed; None: not asked yet.
    """

    is_replaced: bool = False
    is_first: bool = False
    after_power_cut: bool = False
    is_current: bool | None = None
    is_version: bool | None = None
    extends_base: bool | None = None
    is_live: bool = False


def state_of(record: FileRecord, finding: Finding, what: Circumstances) -> FileState:
    """What the file of a record holds now."""
    if finding.content == record.content and finding.kind is record.kind:
        return FileState.BASE
    is_no_younger = what.after_power_cut and _is_no_younger(record, finding)
    if finding.kind is not Kind.TEXT or record.kind is not Kind.TEXT or what.is_replaced:
        return FileState.DAMAGED if is_no_younger else FileState.OPAQUE
    if what.is_current is None:
        return FileState.NEED_DOCUMENT
    if what.is_current:
        return FileState.CURRENT
    if what.is_first or what.is_live:
        if what.is_version is None:
            return FileState.NEED_VERSION
        if what.is_version:
            return FileState.OTHER_VERSION
    if is_no_younger:
        if what.extends_base is None:
            return FileState.NEED_BASE
        # Nothing that a power cut does makes a text longer. Two writes may have one time.
        return FileState.EDITED if what.extends_base else FileState.DAMAGED
    return FileState.EDITED


def _is_no_younger(record: FileRecord, finding: Finding) -> bool:
    """Whether a file was written before its record, by this device's clock.

    When a file that was rendered came here is when its inode was changed last: its time of modification may have come
    with it, by another device's clock. Of a file that was written here both say the same, or the time of modification
    is the older one, where its name or mode was changed since.
    """
    return min(finding.stamp.mtime_ns, finding.stamp.ctime_ns) <= record.stamp.ctime_ns

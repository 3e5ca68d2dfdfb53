"""What `yp2p check` compares, as plain values: what the store, the disk and a document itself say of one thing.

`gather.py` collects them; the tables of cases (`files.py`, `documents.py` and others) decide on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from yp2p.files.inspect import Stamp
from yp2p.folder.records import Digest, FileRecord
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What stands at a path; it `is_recent` where it was changed a moment ago, and so is about to be looked at."""

    stamp: Stamp
    is_directory: bool
    links: int
    is_recent: bool = False


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One entry with its file.

    Attributes:
        path: what people call it.
        record: the row of the index; None where there is none.
        stored: the same, as the store has it.
        place: where the layout has the entry; None where it is not alive.
        is_known: whether the manifest has such an entry.
        is_waiting: whether something is to be done with it anyway, or it is left alone here.
        is_here: whether what the file is to hold is on this device.
        document: what the entry is made of by now.
        there: what stands at the place of the row, or of the entry where there is no row; None: nothing.
    """

    entry: EntryID
    path: str
    record: FileRecord | None
    stored: FileRecord | None
    place: str | None = None
    is_known: bool = True
    is_waiting: bool = False
    is_here: bool = True
    kind: Kind | None = None
    document: DocumentID | None = None
    there: OnDisk | None = None


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One document as its log has it, and as it is known otherwise.

    Attributes:
        rows: how many rows the log has.
        broken: the first row that is not what was written; 0: none.
        gap: the first row that builds on what is missing; 0: none.
        made: what the rows amount to; None where they cannot be used, or are none.
        known: what the document is known to amount to; None where that is not at hand.
        is_named: whether a live entry is made of it.
        is_manifest: whether it is one of the manifest.
    """

    document: DocumentID
    path: str
    rows: int
    broken: int = 0
    gap: int = 0
    made: Digest | None = None
    known: Digest | None = None
    is_named: bool = True
    is_manifest: bool = False

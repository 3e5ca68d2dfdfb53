"""What the store remembers, as values, with the statements that write them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from yp2p.files.editor_locks import EditorLock
from yp2p.files.inspect import NO_STAMP, Finding, Stamp
from yp2p.files.root import is_temporary
from yp2p.files.temporary_names import Temporary
from yp2p.folder.packs import Stored
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.entries import BEFORE_BYTES, Kind, Mode, before_of
from yp2p.protocol.names import encode_path
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement

_Value = TypeVar("_Value", bound="bytes | str")
# Rows of others that are read at a time: each may be a pack, which is unpacked in a few milliseconds.
_ROWS_AT_ONCE = 16

# An editor that was open for longer than this has been asked whether to load the file again.
BASES_S = 86400.0


class Values:
    """Of values that are equal, the one object to keep: an ID, a path or a hash is in many records."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def intern(self, value: _Value) -> _Value:
        known: _Value = self._known.setdefault(value, value)
        return known


def stored_path(data: bytes) -> str:
    """A path as the store has it."""
    return data.decode("utf-8", "surrogateescape")


class Sight(IntEnum):
    """Whether it would have been seen here if a file had gone; only then its absence is a deletion.

    LOST: since it was seen last its place was left out, on another file system, or could not be looked at: what is
    missing is fetched again. UNCONFIRMED: the folder had lost its marker, so this may be another disk: what is missing
    waits for a person.
    """

    SEEN = 0
    LOST = 1
    UNCONFIRMED = 2


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The base of one file: what it held when it was last rendered or ingested (invariant 2).

    The base of a text is the log of the document up to `base_seq`, or `base_state` where it is no prefix of the log.
    `content` is the hash of what the file held, as its kind has it: the base of all other kinds. It `is_own` when it
    was saved here, and not rendered; of what is no text `base_state` then has the beginnings of the hashes it replaced.
    """

    entry: EntryID
    path: str
    document: DocumentID
    base_seq: int
    base_state: bytes | None
    content: bytes
    mode: Mode
    stamp: Stamp
    kind: Kind = Kind.TEXT
    is_own: bool = False
    sight: Sight = Sight.SEEN

    def replaces(self, content: bytes) -> bool:
        """Whether a file that is no text was saved here in the place of this content."""
        before = self.base_state if self.kind is not Kind.TEXT and self.is_own else None
        return before is not None and content[:BEFORE_BYTES] in before_of(before)

    def save(self, folder: FolderID) -> Statement:
        s = self.stamp
        return tables.file.save(
            folder, self.entry, encode_path(self.path), self.document,
            (self.base_seq, self.base_state, self.content), self.mode,
            (s.inode, s.size, s.mtime_ns, s.ctime_ns), self.kind, own=self.is_own,
            sight=self.sight,
        )  # fmt: skip

    def delete(self, folder: FolderID) -> Statement:
        return tables.file.delete(folder, self.entry)

    def keep_base(self, folder: FolderID) -> list[Statement]:
        """Keep the base for a day, where the log alone does not give it any more."""
        if self.base_state is None or self.kind is not Kind.TEXT:
            return []
        return [tables.base.save(folder, self.entry, time.time(), self.document, self.base_state, self.content)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that a save of a file may have been made of, beside the one that the file is known to hold.

    It was opened here last at `opened_at`, by trio's clock; `lock` is an editor's that stood when the newer one came.
    The base is another entry's where its file had the path before.
    """

    base: FileRecord
    opened_at: float
    lock: EditorLock | None = None

    def save(self, folder: FolderID, entry: EntryID, *, is_read: bool) -> Statement:
        """Remember it for the file of `entry`, and whether somebody has read what was rendered since."""
        base, lock = self.base, self.lock or _NO_LOCK
        before = base.entry if base.entry != entry else None
        return tables.unread.save(
            folder, entry, base.content, (base.base_seq, base.base_state, before),
            (os.fsencode(lock.name), lock.inode), is_read=is_read,
        )  # fmt: skip


_NO_LOCK = EditorLock("", 0)


def load_unread(
    database: Database,
    folder: FolderID,
    files: Mapping[EntryID, FileRecord],
    document_of: Callable[[EntryID], DocumentID | None],
) -> list[tuple[EntryID, Candidate, bool]]:
    """What saves of the files that are known may have been made of, the oldest first of each; and whether somebody has
    read since what was rendered."""
    found: list[tuple[EntryID, Candidate, bool]] = []
    for entry, seq, state, content, before, name, inode, is_read in tables.unread.read_all(database.rows, folder):
        owner = EntryID(before or entry)
        document = document_of(owner)
        if entry in files and document is not None:
            base = replace(files[EntryID(entry)], base_seq=seq, base_state=state, content=content)
            base = replace(base, entry=owner, document=document) if before else base
            lock = EditorLock(os.fsdecode(name), inode) if name else None
            found.append((EntryID(entry), Candidate(base, 0.0, lock), bool(is_read)))
    return found


def save_former(folder: FolderID, record: FileRecord, now: float) -> Statement:
    """Remember whose file had a path before others' changes took it from there; `now` in seconds since 1970."""
    return tables.former.save(
        folder, encode_path(record.path), record.entry, record.document, record.kind, record.content,
        (record.base_seq, record.base_state), now,
    )  # fmt: skip


def load_former(database: Database, folder: FolderID, since: float) -> list[tuple[FileRecord, float]]:
    """The files that had another path since then (seconds since 1970), as they were there, and when they went."""
    return [
        (
            FileRecord(
                EntryID(entry),
                stored_path(path),
                DocumentID(document),
                seq,
                state,
                content,
                Mode.PLAIN,
                NO_STAMP,
                Kind(kind),
            ),
            moved_at,
        )
        for path, entry, document, kind, content, seq, state, moved_at in tables.former.read_since(
            database.rows, folder, since
        )
    ]


def forget_old_bases(folder: FolderID, now: float) -> list[Statement]:
    """Of files, and what programs showed; `now` in seconds since 1970."""
    return [table.forget_before(folder, now - BASES_S) for table in (tables.base, tables.shown)]


def save_chunks(finding: Finding) -> list[Statement]:
    """Remember the chunks of a blob, where there is more than one."""
    if len(finding.chunks) < 2:
        return []
    return [tables.chunks.save(finding.content, finding.stamp.size, b"".join(finding.chunks))]


def kept_base(database: Database, folder: FolderID, record: FileRecord, content: bytes) -> bytes | None:
    """The state of a base of the last day with this content hash, where the log alone does not give it."""
    return tables.base.state_of(database.rows, folder, record.entry, record.document, content)


def kept_bases(database: Database, folder: FolderID, record: FileRecord, limit: int) -> list[FileRecord]:
    """The newest of the bases of the last day that the log alone does not give."""
    rows = tables.base.newest(database.rows, folder, record.entry, record.document, limit)
    return [replace(record, base_state=bytes(state), content=content) for content, state in rows]


def file_of(row: Sequence[Any], values: Values) -> FileRecord:
    """A row of the table `file`. Raises ValueError, TypeError: it is none."""
    entry, path, document, seq, state, content, mode, kind, own, sight, *stamp = row
    intern = values.intern
    return FileRecord(
        intern(EntryID(entry)),
        intern(stored_path(path)),
        intern(DocumentID(document)),
        seq,
        state,
        intern(content),
        Mode(mode),
        Stamp(*stamp),
        Kind(kind),
        bool(own),
        Sight(sight),
    )


@dataclass(frozen=True, slots=True)
class Intent:
    """A file about to be put in place, so that a crash in between can be told from a person's edit."""

    entry: EntryID
    path: str
    document: DocumentID
    temporary: Temporary
    seq: int
    content: bytes
    mode: Mode
    kind: Kind = Kind.TEXT

    def save(self, folder: FolderID) -> Statement:
        return tables.intent.save(
            folder, self.entry, encode_path(self.path), self.document, (self.temporary.name, self.temporary.inode),
            self.seq, self.content, self.mode, self.kind,
        )  # fmt: skip

    def delete(self, folder: FolderID) -> Statement:
        return delete_intents(folder, [self])

    def record(self, stamp: Stamp | None = None) -> FileRecord:
        """The record once the file is in place; without a stamp its content is read again."""
        return FileRecord(
            self.entry, self.path, self.document, self.seq, None, self.content, self.mode, stamp or NO_STAMP, self.kind
        )


def delete_intents(folder: FolderID, intents: Sequence[Intent]) -> Statement:
    """The files of these, some hundreds at most, are in place, or will not be."""
    return tables.intent.delete(folder, [intent.entry for intent in intents])


def load_intents(database: Database, folder: FolderID) -> list[Intent]:
    return [
        Intent(EntryID(e), stored_path(p), DocumentID(d), Temporary(name, inode), seq, content, Mode(m), Kind(kind))
        for e, p, d, name, inode, seq, content, m, kind in tables.intent.read_all(database.rows, folder)
        if is_temporary(name)  # whatever else it says, no other file is to be removed for it
    ]


@dataclass(frozen=True, slots=True)
class Digest:
    """What a document amounts to: version, content hash, encoded state vector."""

    version: bytes
    content: bytes
    clocks: bytes

    def save(self, folder: FolderID, document: DocumentID, seq: int) -> Statement:
        return tables.digest.save(folder, document, self.version, self.content, self.clocks, seq)


def load_digests(
    database: Database, folder: FolderID, values: Values
) -> tuple[dict[DocumentID, Digest], set[DocumentID]]:
    """The digests that are up to date, and the documents whose digest is not."""
    digests: dict[DocumentID, Digest] = {}
    stale: set[DocumentID] = set()
    for document, last, version, content, clocks, seq in tables.digest.read_all(database.rows, folder):
        if seq == last:
            digests[values.intern(DocumentID(document))] = Digest(version, values.intern(content), clocks)
        else:
            stale.add(DocumentID(document))
    return digests, stale


# Of steps that are longer ago none is continued.
_LONGEST_GAP_S = 10.0


class Steps:
    """What this device's people and programs did to texts, as it can be undone (`history/undo.py`)."""

    def __init__(self) -> None:
        self._last: dict[DocumentID, tuple[int, float]] = {}  # the group of the last step, and when that was

    def save(self, folder: FolderID, document: DocumentID, seq: int, now: float, gap_s: float) -> list[Statement]:
        """One step more, which is row `seq` of the log; what was undone before cannot be redone any more.

        Args:
            now: seconds since 1970.
            gap_s: it is undone together with the step before, when that was no longer ago; 0: it is not.
        """
        group, at = self._last.get(document, (seq, now))
        if not 0 <= now - at < gap_s:
            group = seq
        self._last = {known: last for known, last in self._last.items() if now - last[1] < _LONGEST_GAP_S}
        if gap_s:
            self._last[document] = group, now
        else:
            self._last.pop(document, None)
        return [
            self.cannot_be_redone(folder, document),
            tables.step.insert(seq, folder, document, group, now, tables.step.UNDO),
        ]

    def cannot_be_redone(self, folder: FolderID, document: DocumentID) -> Statement:
        """What was undone before is no step to be redone any more."""
        return tables.step.spend_redo(folder, document)

    def file_moved(self, folder: FolderID, document: DocumentID, seq: int, now: float, stack: int) -> Statement:
        """A step that brought a deleted file back, or took it away again; the next one may be part of it."""
        self._last[document] = -seq, now
        return tables.step.insert(seq, folder, document, -seq, now, stack)

    def end(self, document: DocumentID) -> None:
        """The next step begins a group."""
        self._last.pop(document, None)


def day_begins(database: Database, now: float) -> Statement:
    """Remember that a daemon runs on this day (`now` in seconds since 1970), and what the log has by then."""
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    return tables.day.insert(day, database.last_seq)


def log_row(folder: FolderID, document: DocumentID, seq: int, origin: DeviceID | None, data: bytes) -> Statement:
    return tables.log.insert(seq, folder, document, origin or b"", time.time(), data)


def load_log(database: Database, folder: FolderID, document: DocumentID) -> list[tuple[int, bytes]]:
    """The updates of a document with their sequence numbers, in order."""
    return tables.log.updates(database.rows, folder, document)


class RecentRow(NamedTuple):
    """An update of a text: when it was stored, in seconds since 1970, and whether it was made here."""

    at: float
    is_own: bool
    data: bytes


def recent_rows(database: Database, folder: FolderID, document: DocumentID, since: float) -> Iterator[RecentRow]:
    """The updates of a text since a time (seconds since 1970), but the one that brought the document.

    Of those that are packed together with all of a minute some can be older. A few rows are read at a time: who takes
    long over them lets others go on in between.
    """
    after = 0
    while rows := tables.log.rows_since(database.rows, folder, document, since, after, _ROWS_AT_ONCE):
        for row in rows:
            stored = Stored.of(row)
            after = stored.seq
            if stored.rows is None:
                yield RecentRow(stored.at, not stored.origin, stored.data)
            else:
                for single in stored.singles():
                    if single.at > since:
                        yield RecentRow(single.at, not single.origin, single.data)

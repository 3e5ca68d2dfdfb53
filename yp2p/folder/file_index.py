"""What is known of the files of a folder: the base of each, where it is, what it lacks.

Invariants
    * No two entries have one file: whose path another takes has none, and is rendered anew.
    * `blobs` knows the file of every blob that is here.
    * What is left alone is ignored, or unchosen and without a file here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Set
from dataclasses import replace
from typing import Any

import trio

from yp2p.documents.registers import Entry
from yp2p.folder.blob_index import BlobIndex
from yp2p.folder.choice import Choice
from yp2p.folder.ignored import Ignored
from yp2p.folder.local_changes import LocalChanges
from yp2p.folder.quota import Quota
from yp2p.folder.record_table import RecordTable
from yp2p.folder.records import FileRecord, Sight, Values, file_of, stored_path
from yp2p.folder.render_queue import RenderQueue
from yp2p.folder.tally import Tally
from yp2p.folder.waiting import Waiting
from yp2p.identity import EntryID, FolderID
from yp2p.protocol.entries import Kind
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit


class FileIndex(Mapping[EntryID, FileRecord]):
    """The records of the files of one folder, by entry; `at` has the entries by path.

    Who changes files below the root (or below `.yp2p/trash`) holds `writing`: the disk actor for each of its batches,
    and what puts files back for a person.

    Args:
        changed: is told of entries when their file is another one, and whether one of the two is no text.
        entry: gives an entry of the manifest: equal IDs and paths are one object each then.
    """

    def __init__(
        self,
        folder: FolderID,
        database: Database,
        queue: RenderQueue,
        changed: Callable[[EntryID, bool], None],
        entry: Callable[[EntryID], Entry | None],
    ) -> None:
        self._folder = folder
        self._database = database
        self._queue = queue
        self._told = changed
        self._entry = entry
        self._records = RecordTable()
        self.at: dict[str, EntryID] = {}
        self.writing = trio.Lock()
        self.blobs = BlobIndex()
        self.waiting = Waiting()
        self.local = LocalChanges()
        self.ignored = Ignored()
        self.choice = Choice(folder, database)
        self.quota = Quota()
        self.tally = Tally()

    def __getitem__(self, entry: EntryID) -> FileRecord:
        return self._records[entry]

    def __iter__(self) -> Iterator[EntryID]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, entry: object) -> bool:
        return entry in self._records

    # Those of `Mapping` take ten times as long.

    def get(self, entry: object, default: Any = None) -> Any:
        return self._records.get(entry, default)

    def keys(self) -> KeysView[EntryID]:
        return self._records.keys()

    def alike(self, inodes: Set[int], contents: Set[bytes] = frozenset()) -> list[FileRecord]:
        """The files with one of these inodes, or contents."""
        return self._records.alike(inodes, contents)

    def load(self, values: Values) -> None:
        """Read the records from the store; what follows from them and the manifest is noted by who loads all."""
        intern, at = values.intern, self.at
        for number, path, *row in tables.file.read_all(self._database.rows, self._folder):
            entry, name = intern(EntryID(number)), intern(stored_path(path))
            if name in at:
                self.set(file_of((number, path, *row), values))
                continue
            self._records.load(entry, name, row)
            at[name] = entry
            if row[5] == Kind.BLOB:
                self.blobs.add_file(row[3], entry)

    def set(self, record: FileRecord) -> None:
        """Remember the base of a file. Another entry that had its path has none any more, and will be rendered."""
        other = self.at.get(record.path)
        if other is not None and other != record.entry:
            self._database.submit([self._records[other].delete(self._folder)])
            self.drop(other)
            self._queue.want(other)
        old = self._records.get(record.entry)
        if old is not None and self.at.get(old.path) == record.entry:
            del self.at[old.path]
        self._unlist(old)
        found = self._entry(record.entry)
        entry = found.id if found is not None else record.entry
        self._records.set(entry, record)
        self.at[found.path if found is not None and found.path == record.path else record.path] = entry
        self.local.done(record.path)
        if record.kind is Kind.BLOB:
            self.blobs.add_file(record.content, record.entry)
        self._changed(record.entry, old, record)

    def drop(self, entry: EntryID) -> None:
        """Forget the file of an entry."""
        record = self._records.pop(entry)
        if record is not None and self.at.get(record.path) == entry:
            del self.at[record.path]
            self.local.done(record.path)
        self._unlist(record)
        self.waiting.done(entry)
        self._changed(entry, record, None)

    def lose_sight(self, entries: Iterable[EntryID], sight: Sight) -> Commit:
        """From now on, until they are seen again, that these files are missing is no deletion."""
        statements: list[Statement] = []
        for entry in entries:
            record = self._records.get(entry)
            if record is not None and record.sight < sight:
                lost = replace(record, sight=sight)
                self._records.set(entry, lost)
                statements.append(lost.save(self._folder))
        return self._database.submit(statements) if statements else self._database.pending()

    def is_seen(self, record: FileRecord) -> FileRecord:
        """The file is where it belongs: should it go from now on, that is seen."""
        if record.sight is Sight.SEEN or record.entry in self.ignored:
            return record
        seen = replace(record, sight=Sight.SEEN)
        self._records.set(record.entry, seen)
        self._database.submit([seen.save(self._folder)])
        return seen

    def doubt(self, entries: Iterable[EntryID]) -> None:
        """A power cut may have changed these files, and nobody can look now: until somebody can, that is remembered."""
        statements: list[Statement] = []
        for entry in entries:
            record = self._records[entry]
            if record.kind is not Kind.DIRECTORY and not record.stamp.is_doubted:
                doubted = replace(record, stamp=record.stamp.doubted())
                self._records.set(entry, doubted)
                statements.append(doubted.save(self._folder))
        if statements:
            self._database.submit(statements)

    def doubted(self, paths: Iterable[str]) -> Set[str]:
        """Those of some paths whose files a power cut may have changed before they could be looked at."""
        found = self._records.doubted
        return {path for path in paths if self.at.get(path) in found} if found else set()

    def out_of_sight(self) -> list[EntryID]:
        """The entries of files that could not be seen to go."""
        return self._records.out_of_sight()

    def _unlist(self, record: FileRecord | None) -> None:
        if record is not None and record.kind is Kind.BLOB:
            self.blobs.remove_file(record.content, record.entry)

    def _changed(self, entry: EntryID, old: FileRecord | None, new: FileRecord | None) -> None:
        self._told(entry, any(record is not None and record.kind is not Kind.TEXT for record in (old, new)))

    def by_path(self, path: str) -> FileRecord | None:
        """The file at a path, if an entry's is there."""
        entry = self.at.get(path)
        return self._records.get(entry) if entry is not None else None

    def holds(self, found: Entry) -> bool:
        """Whether the file of an entry that is no text has the content that the manifest says."""
        record = self._records.get(found.id)
        return record is not None and record.kind is found.kind and record.content == found.content.hash

    def is_left_alone(self, entry: EntryID) -> bool:
        """Whether nothing is to be done for an entry here: it is ignored, or is not here by choice."""
        return entry in self.ignored or self.is_not_here_by_choice(entry)

    def is_not_here_by_choice(self, entry: EntryID) -> bool:
        """Whether an entry is not chosen, and its file is gone."""
        return entry in self.choice.unchosen and entry not in self._records

    def chunk_hashes(self, blob: bytes) -> list[bytes]:
        """The hashes of the chunks of a blob of more than one, as far as they are known here."""
        packed = tables.chunks.hashes_of(self._database.rows, blob)
        return [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]

    def rest(self) -> None:
        """Nobody needs the files that came last any more than the others."""
        self._records.rest()

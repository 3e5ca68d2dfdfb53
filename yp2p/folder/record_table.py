"""The records of the files of a folder, by entry, as they are kept: in few bytes.

A record as a value is a dozen objects (`FileRecord`); of a hundred thousand hardly any is used at a time. So all but
those that came last are kept as one byte string each, and made again for whoever asks. A record with a long base state,
of which there are few, stays as it is.

Invariants
    * Whoever asks gets what was set, whichever way it is kept.
    * No more than `FRESH` records that could be packed are not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, KeysView, Mapping, Sequence, Set
from typing import Any

from yp2p.files.inspect import Stamp
from yp2p.folder.records import FileRecord, Sight
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind, Mode

# What comes is asked for again soon, by what renders it, compares it and tells others of it.
FRESH = 1024
# A longer state, or content, of which there is none, would have to be copied each time.
_LONGEST_STATE = 256
_LONGEST_CONTENT = 255
_NO_STATE = 0xFFFF

# The row of the base, the four of the stamp, mode, kind, own, sight, how long state and content are, document.
_HEAD = struct.Struct("<5qBBBBHB16s")
_INODE, _SIGHT, _CONTENT_BYTES = slice(8, 16), 43, 46
_MODES = [Mode(number) for number in range(4)]
_KINDS = {int(kind): kind for kind in Kind}
_SIGHTS = list(Sight)


def pack(record: FileRecord) -> bytes | None:
    """A record but its entry; None: it is too long."""
    stamp = record.stamp
    return _packed(
        record.document, (record.base_seq, record.base_state, record.content), (record.mode, record.kind),
        (record.is_own, record.sight), (stamp.inode, stamp.size, stamp.mtime_ns, stamp.ctime_ns), record.path,
    )  # fmt: skip


def _packed(
    document: bytes, base: tuple[int, bytes | None, bytes], is_a: tuple[int, int], stands: tuple[int, int],
    stamp: Sequence[int], path: str,
) -> bytes | None:  # fmt: skip
    seq, state, content = base
    if len(content) > _LONGEST_CONTENT or (state is not None and len(state) > _LONGEST_STATE):
        return None
    lengths = _NO_STATE if state is None else len(state), len(content)
    head = _HEAD.pack(seq, *stamp, *is_a, *stands, *lengths, document)
    return head + content + (state or b"") + path.encode("utf-8", "surrogateescape")


def unpack(entry: EntryID, data: bytes) -> FileRecord:
    """The record that was packed."""
    seq, inode, size, mtime_ns, ctime_ns, mode, kind, own, sight, state_bytes, content_bytes, document = (
        _HEAD.unpack_from(data)
    )
    state_at = _HEAD.size + content_bytes
    path_at = state_at if state_bytes == _NO_STATE else state_at + state_bytes
    return FileRecord(
        entry,
        data[path_at:].decode("utf-8", "surrogateescape"),
        DocumentID(document),
        seq,
        None if state_bytes == _NO_STATE else data[state_at:path_at],
        data[_HEAD.size : state_at],
        _MODES[mode],
        Stamp(inode, size, mtime_ns, ctime_ns),
        _KINDS[kind],
        bool(own),
        _SIGHTS[sight],
    )


class RecordTable(Mapping[EntryID, FileRecord]):
    """The records by entry. `set` and `pop` change it.

    Attributes:
        doubted: those of files that a power cut may have changed, and that nobody could look at since.
    """

    def __init__(self) -> None:
        self.doubted: set[EntryID] = set()
        self._records: dict[EntryID, FileRecord | bytes] = {}
        self._fresh: dict[EntryID, None] = {}  # those that are not packed and could be, the oldest first

    def __getitem__(self, entry: EntryID) -> FileRecord:
        found = self._records[entry]
        return unpack(entry, found) if type(found) is bytes else found  # type: ignore[return-value]

    def __iter__(self) -> Iterator[EntryID]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, entry: object) -> bool:
        return entry in self._records

    # Those of `Mapping` take ten times as long.

    def get(self, entry: object, default: Any = None) -> Any:
        found = self._records.get(entry)  # type: ignore[call-overload]
        if type(found) is bytes:
            return unpack(entry, found)  # type: ignore[arg-type]
        return default if found is None else found

    def keys(self) -> KeysView[EntryID]:
        return self._records.keys()

    def alike(self, inodes: Set[int], contents: Set[bytes]) -> list[FileRecord]:
        """The records with one of these inodes, or contents. Looks at all of them, and makes none but those."""
        packed = {inode.to_bytes(8, "little", signed=True) for inode in inodes}
        found: list[FileRecord] = []
        for entry, kept in self._records.items():
            if isinstance(kept, bytes):
                if kept[_INODE] in packed or kept[_HEAD.size : _HEAD.size + kept[_CONTENT_BYTES]] in contents:
                    found.append(unpack(entry, kept))
            elif kept.stamp.inode in inodes or kept.content in contents:
                found.append(kept)
        return found

    def out_of_sight(self) -> list[EntryID]:
        """The entries of files that could not be seen to go. Looks at all records, and makes none."""
        return [
            entry
            for entry, kept in self._records.items()
            if (kept[_SIGHT] if isinstance(kept, bytes) else kept.sight) != Sight.SEEN
        ]

    def load(self, entry: EntryID, path: str, row: Sequence[Any]) -> None:
        """Put a record in place as the store has it, without making it.

        Args:
            row: document, the three columns of the base, mode, kind, own, sight, and the four of the stamp.
        """
        document, seq, state, content, mode, kind, own, sight, *stamp = row
        self._records[entry] = _packed(document, (seq, state, content), (mode, kind), (own, sight), stamp, path) or (
            FileRecord(
                entry, path, DocumentID(document), seq, state, content, _MODES[mode], Stamp(*stamp), _KINDS[kind],
                bool(own), _SIGHTS[sight],
            )
        )  # fmt: skip
        if stamp[0] < 0:
            self.doubted.add(entry)

    def set(self, entry: EntryID, record: FileRecord) -> None:
        """Put a record in place."""
        self._records[entry] = record
        (self.doubted.add if record.stamp.is_doubted else self.doubted.discard)(entry)
        self._fresh.pop(entry, None)
        self._fresh[entry] = None
        while len(self._fresh) > FRESH:
            oldest = next(iter(self._fresh))
            del self._fresh[oldest]
            self._pack(oldest)

    def pop(self, entry: EntryID) -> FileRecord | None:
        """Take a record out, if there is one."""
        found: FileRecord | None = self.get(entry)
        self._records.pop(entry, None)
        self.doubted.discard(entry)
        self._fresh.pop(entry, None)
        return found

    def rest(self) -> None:
        """Pack all that can be: nobody needs them now."""
        for entry in self._fresh:
            self._pack(entry)
        self._fresh.clear()

    def _pack(self, entry: EntryID) -> None:
        record = self._records[entry]
        if not isinstance(record, bytes):
            self._records[entry] = pack(record) or record

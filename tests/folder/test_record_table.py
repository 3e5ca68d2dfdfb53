"""The records of files, as they are kept."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.files.inspect import Stamp
from yp2p.folder.record_table import FRESH, RecordTable, pack, unpack
from yp2p.folder.records import FileRecord, Sight
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind, Mode

_numbers = st.integers(-(1 << 63), (1 << 63) - 1)
_ids = st.binary(min_size=16, max_size=16)
_paths = st.binary(min_size=1, max_size=300).map(lambda data: data.decode("utf-8", "surrogateescape"))
_records = st.builds(
    FileRecord,
    entry=_ids.map(EntryID),
    path=_paths,
    document=_ids.map(DocumentID),
    base_seq=st.integers(0, 1 << 62),
    base_state=st.none() | st.binary(max_size=300) | st.just(bytes(70_000)),
    content=st.binary(max_size=32) | st.just(bytes(256)),
    mode=st.sampled_from([Mode(bits) for bits in range(4)]),
    stamp=st.builds(Stamp, _numbers, _numbers, _numbers, _numbers),
    kind=st.sampled_from(Kind),
    is_own=st.booleans(),
    sight=st.sampled_from(Sight),
)


@given(_records)
def test_a_packed_record_is_that_record(record: FileRecord) -> None:
    packed = pack(record)
    if packed is None:
        assert len(record.base_state or b"") > 256 or len(record.content) > 255
    else:
        found = unpack(record.entry, packed)
        assert found == record
        assert (type(found.mode), type(found.kind), type(found.sight)) == (Mode, Kind, Sight)
        assert found.is_own is record.is_own


def _record(number: int, rng: random.Random) -> FileRecord:
    stamp = Stamp(number, rng.randrange(1 << 40), rng.randrange(1 << 62), rng.randrange(1 << 62))
    return FileRecord(
        EntryID(rng.randbytes(16)), f"d{number % 100}/{number}.txt", DocumentID(rng.randbytes(16)), number,
        rng.choice([None, None, b"state", bytes(1000)]), rng.randbytes(32), Mode.PLAIN, stamp,
    )  # fmt: skip


def test_a_table_gives_what_was_set_whatever_was_packed_meanwhile() -> None:
    rng, table, known = random.Random(1), RecordTable(), dict[EntryID, FileRecord]()
    for number in range(4 * FRESH):
        record = _record(number, rng)
        table.set(record.entry, record)
        known[record.entry] = record
        if number % 3 == 0:
            changed = replace(rng.choice(list(known.values())[-50:]), base_seq=-number)
            table.set(changed.entry, changed)
            known[changed.entry] = changed
        if number % 7 == 0:
            gone = next(iter(known))
            assert table.pop(gone) == known.pop(gone)
            assert table.pop(gone) is None
    for _ in range(2):
        assert dict(table) == known
        assert (table.keys(), len(table)) == (known.keys(), len(known))
        assert all(entry in table and table.get(entry) == record for entry, record in known.items())
        table.rest()
    assert table.get(EntryID(bytes(16))) is None
    with pytest.raises(KeyError):
        table[EntryID(bytes(16))]


def test_files_are_found_by_their_inode_or_content_whichever_way_they_are_kept() -> None:
    rng, table = random.Random(2), RecordTable()
    records = [_record(number, rng) for number in range(FRESH + 200)]
    for record in records:
        table.set(record.entry, record)
    for wanted in (records[3], records[-3]):  # one is packed, and one is not
        assert table.alike({wanted.stamp.inode}, frozenset()) == [wanted]
        assert table.alike(frozenset(), {wanted.content}) == [wanted]
    assert table.alike({-1}, {bytes(32)}) == []


def test_a_record_takes_few_bytes_once_others_came() -> None:
    """A hundred thousand files are to be some mebibytes of the memory, and not a hundred."""
    rng, table = random.Random(3), RecordTable()
    for number in range(10 * FRESH):
        record = replace(_record(number, rng), base_state=None)
        table.set(record.entry, record)
    sizes = [sys.getsizeof(kept) for kept in table._records.values() if isinstance(kept, bytes)]
    assert len(sizes) == 9 * FRESH
    assert max(sizes) <= 160

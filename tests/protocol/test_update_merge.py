"""Updates put together by their bytes are the same document as one after the other."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.documents.undo import undone
from yp2p.errors import InvalidUpdate
from yp2p.protocol.update_merge import UpdateMerge, merged_updates
from yp2p.protocol.ysync import Shape, UpdateParser

LETTERS = ["a", "é", "漢", "😀", "\n", "word "]


def _typed(rng: random.Random, count: int) -> list[bytes]:
    """Rows of three devices that type at the same time, some of them behind, in the order of one device's log."""
    whole = TextReplica(99)
    devices = {client: TextReplica(client) for client in (1, 2, 3)}
    cursors = dict.fromkeys(devices, 0)
    rows: list[bytes] = []
    while len(rows) < count:
        client = rng.choice([1, 2, 3])
        device = devices[client]
        if rng.random() < 0.3:
            device.apply(whole.state())
        size = len(device.text())
        at = min(size, cursors[client] if rng.random() < 0.9 else rng.randint(0, size))
        if rng.random() < 0.7:
            hunk = Hunk(at, at, rng.choice(LETTERS))
        else:
            at = max(0, at - rng.randint(1, 3))
            hunk = Hunk(at, min(size, at + rng.randint(1, 3)), "")
        cursors[client] = at + len(hunk.text)
        update = device.edit([hunk])
        news = whole.apply(update) if update is not None else None
        if news is not None:
            rows.append(news)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_the_sum_is_the_same_document(seed: int) -> None:
    rng = random.Random(seed)
    rows = _typed(rng, 200)
    cuts = sorted({0, len(rows), *rng.sample(range(200), 5)})
    merged = []
    for start, stop in pairwise(cuts):
        update = merged_updates(rows[start:stop])
        assert update is not None
        merged.append(update)
    one, other = TextReplica.from_updates(7, rows), TextReplica.from_updates(8, merged)
    assert other.text() == one.text()
    assert other.version() == one.version()
    again = merged_updates(merged)  # sums can be added up like rows
    assert again is not None
    assert TextReplica.from_updates(9, [again]).version() == one.version()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_deleted_in_it_can_be_brought_back(seed: int) -> None:
    rows = _typed(random.Random(seed), 200)
    merged = [update for part in (rows[:60], rows[60:150]) if (update := merged_updates(part)) is not None]
    change = rows[150:]
    expected = undone(rows, change, 77)
    assert expected is not None
    found = undone([*merged, *change], [update for update in [merged_updates(change)] if update is not None], 77)
    assert found is not None
    assert TextReplica.from_updates(5, [*rows, found]).text() == TextReplica.from_updates(5, [*rows, expected]).text()


@pytest.mark.parametrize("seed", range(4))
def test_it_goes_on_merging_with_those_who_have_the_single_updates(seed: int) -> None:
    rng = random.Random(seed)
    rows = _typed(rng, 150)
    merged = merged_updates(rows)
    assert merged is not None
    one, other = TextReplica.from_updates(21, rows), TextReplica.from_updates(22, [merged])
    for _ in range(60):
        for replica in (one, other):
            size = len(replica.text())
            at = rng.randint(0, size)
            replica.edit([Hunk(at, min(size, at + rng.randint(0, 2)), rng.choice(["", *LETTERS]))])
        if rng.random() < 0.3:
            one.receive(other.update_since(one.state_vector()))
    one.receive(other.update_since(one.state_vector()))
    other.receive(one.update_since(other.state_vector()))
    assert one.text() == other.text()
    assert one.version() == other.version()


def test_what_one_types_is_a_few_blocks_and_all_is_counted() -> None:
    replica = TextReplica(5)
    first = replica.edit([Hunk(0, 0, "first line\nlast line\n")])
    rows = [replica.edit([Hunk(11 + at, 11 + at, letter)]) for at, letter in enumerate("middle 😀 line\n" * 50)]
    rows += [replica.edit([Hunk(11 + at, 12 + at, "")]) for at in range(99, 49, -1)]
    merge = UpdateMerge()
    for row in (first, *rows):
        assert row is not None
        assert merge.add(row)
    update = merge.update()
    assert len(update) < 1000
    parser = UpdateParser(update, Shape.TEXT)
    sections = parser.parse().sections
    assert sections == merge.sections == {5: (0, 21 + 50 * 15)}
    assert parser.inserted_units == merge.inserted_units == 21 + 50 * 15
    assert sum(length for _, _, length in parser.ranges) == 50 + 3  # three of the characters have two units


def test_operations_that_come_again_are_taken_once_where_that_is_allowed() -> None:
    one = TextReplica(1)
    first, second = one.edit([Hunk(0, 0, "a😀b")]), one.edit([Hunk(3, 3, "cd")])
    assert first is not None
    assert second is not None
    rows = [first, one.state(), second]  # the second has all of the first again, and more
    assert merged_updates(rows) is None, "a sum that is stored has each operation of one row"
    merge = UpdateMerge(with_repeats=True)
    assert all(merge.add(row) for row in rows)
    assert merge.sections == {1: (0, 6)}
    assert TextReplica.from_updates(2, [merge.update()]).text() == "a😀bcd"
    part = UpdateMerge(with_repeats=True)
    assert part.add(first)
    one.edit([Hunk(5, 5, "e")])
    last = one.edit([Hunk(6, 6, "f")])
    assert last is not None
    assert not part.add(last), "there is a gap before it"


def test_forgotten_keystrokes_are_one_block() -> None:
    """What was typed and taken back at once has only its length in the log, a block a keystroke."""
    replica = TextReplica(5)
    rows = [replica.edit([Hunk(0, 0, "first line\nlast line\n")])]
    for letter in "typed and taken back" * 10:
        before = replica.state_vector()
        replica.edit([Hunk(11, 11, letter)])
        replica.edit([Hunk(11, 12, "")])
        rows.append(replica.update_since(before))
    merge = UpdateMerge()
    for row in rows:
        assert row is not None
        assert merge.add(row)
    assert sum(map(len, merge.blocks.values())) <= 4
    assert len(merge.update()) < 60
    assert TextReplica.from_updates(6, [merge.update()]).version() == replica.version()


def test_what_does_not_follow_is_refused_and_changes_nothing() -> None:
    replica = TextReplica(5)
    rows = [update for at in range(4) if (update := replica.edit([Hunk(at, at, "x")])) is not None]
    merge = UpdateMerge()
    assert merge.add(rows[0])
    assert not merge.add(rows[2])
    assert not merge.add(rows[0])
    assert merge.add(rows[1])
    assert merge.add(rows[2])
    assert TextReplica.from_updates(6, [merge.update(), rows[3]]).version() == replica.version()
    assert merged_updates([rows[0], rows[2]]) is None
    with pytest.raises(InvalidUpdate):
        merge.add(b"\x01\x02")
    assert merged_updates([]) == b"\x00\x00"

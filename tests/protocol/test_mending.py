"""Edits that no file can hold, rewritten: whatever the bytes are, what comes out is an update or InvalidUpdate."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import HistoriesDiffer, InvalidUpdate, MissingDependency
from yp2p.protocol.dependencies import check_update
from yp2p.protocol.mending import mend, shield
from yp2p.protocol.ysync import parse_update

_FORMATTED = bytes.fromhex("01024d0006010673 6f757263 6504626f 6c640474 727565844d0003 61316200".replace(" ", ""))


def _nothing(_: object) -> None:
    return None


def test_what_can_be_taken_comes_out_as_it_is() -> None:
    replica = TextReplica(7)
    for number in range(20):
        update = replica.edit([Hunk(number, number, "a😀\n"[number % 3])])
        assert update is not None
        assert mend(update, {}, set(), _nothing, _nothing).update == update
    mended = mend(replica.state(), {}, set(), _nothing, _nothing)
    assert (mended.update, mended.reason) == (replica.state(), "")
    assert mend(replica.state(), replica.clocks(), set(), _nothing, _nothing).update == b"\x00\x00", "nothing new"


def test_a_format_becomes_a_deleted_item_of_the_same_length() -> None:
    mended = mend(_FORMATTED, {}, set(), _nothing, _nothing)
    assert parse_update(mended.update).sections == {77: (0, 3 + 1)}
    assert TextReplica.from_updates(1, [mended.update]).text() == "a1b"
    assert mended.reason


def test_any_bytes_give_an_update_or_are_refused() -> None:
    rng = random.Random(1)
    replica = TextReplica(7)
    for number in range(12):
        size = len(replica.text())
        replica.edit([Hunk(at := rng.randint(0, size), min(size, at + rng.choice([0, 1])), f"a😀{number}")])
    state, halves = replica.state(), replica.halves
    taken = refused = 0
    for _ in range(4000):
        data = bytearray(rng.choice([state, _FORMATTED]))
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(len(data))
            data[at] = rng.choice([0, 1, 4, 6, 7, 0x84, 0xC4, 0xFF, rng.randrange(256)])
        try:
            mended = mend(bytes(data), {}, halves, _nothing, _nothing, lambda text: "3" in text)
            check_update(mended.update, TextReplica.shape, {}, halves)
            taken += 1
        except (InvalidUpdate, MissingDependency, HistoriesDiffer):
            refused += 1
    assert taken > 100
    assert refused > 100


def test_an_edit_of_too_many_pieces_is_refused() -> None:
    with pytest.raises(InvalidUpdate, match="pieces"):
        mend(b"\x01" + b"\xff\xff\x7f" + b"\x01\x00" + b"\x84\x01\x00\x01a" * (1 << 20), {}, set(), _nothing, _nothing)


def test_a_shield_is_a_deleted_item_behind_another_one() -> None:
    replica = TextReplica(7)
    replica.edit([Hunk(0, 0, "ab")])
    news = replica.receive(shield(1 << 52, 0, [((7, 0), (7, 1)), ((7, 1), None)]))
    assert news is not None
    assert replica.text() == "ab"
    assert replica.clocks()[1 << 52] == 2

"""Positions in a text that changes. tests/yjs compares them with the real Yjs."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.text import TextReplica
from yp2p.errors import PositionInvalid, PositionUnknown


def _edit(replica: TextReplica, index: PositionIndex, start: int, stop: int, text: str) -> None:
    update = replica.edit([Hunk(start, stop, text)])
    assert update is not None
    index.apply(update)


def _made(text: str) -> tuple[TextReplica, PositionIndex]:
    replica = TextReplica(7)
    index = PositionIndex(replica.state())
    if text:
        _edit(replica, index, 0, 0, text)
    return replica, index


@pytest.mark.parametrize("text", ["", "a", "a😀b", "e\u0301漢字", "👩‍👩‍👧 und 🇩🇪"])
@pytest.mark.parametrize("assoc", list(Assoc))
def test_every_index_is_found_again(text: str, assoc: Assoc) -> None:
    _, index = _made(text)
    for at in range(len(text) + 1):
        position = index.create(text, at, assoc)
        assert index.resolve(text, position) == at
        assert Position.decode(position.encode()) == position
        assert Position.from_json(json.loads(json.dumps(position.to_json()))) == position


def test_what_is_inserted_at_a_position_goes_to_the_side_it_is_not_bound_to() -> None:
    replica, index = _made("ab😀")
    after, before = (index.create("ab😀", 2, assoc) for assoc in (Assoc.AFTER, Assoc.BEFORE))
    _edit(replica, index, 2, 2, "漢字")
    text = replica.text()
    assert (index.resolve(text, after), index.resolve(text, before)) == (4, 2)


def test_the_ends_of_the_text_stay_the_ends() -> None:
    replica, index = _made("")
    end, beginning = (index.create("", 0, assoc) for assoc in (Assoc.AFTER, Assoc.BEFORE))
    _edit(replica, index, 0, 0, "😀 text")
    text = replica.text()
    assert (index.resolve(text, beginning), index.resolve(text, end)) == (0, len(text))


def test_a_position_in_what_was_removed_is_where_that_was() -> None:
    replica, index = _made("one 😀 two")
    position = index.create("one 😀 two", 4, Assoc.AFTER)
    _edit(replica, index, 2, 7, "")
    assert index.resolve(replica.text(), position) == 2


def test_one_of_a_device_that_is_ahead_is_unknown_and_then_known() -> None:
    replica, index = _made("text")
    other = replica.fork(9)
    theirs = PositionIndex(other.state())
    update = other.edit([Hunk(0, 0, "their ")])
    assert update is not None
    theirs.apply(update)
    position = theirs.create(other.text(), 2, Assoc.AFTER)
    with pytest.raises(PositionUnknown, match="client 9"):
        index.resolve("text", position)
    replica.apply(update)
    index.apply(update)
    assert index.resolve(replica.text(), position) == 2


@pytest.mark.parametrize("at", [-1, 5])
def test_an_index_outside_the_text(at: int) -> None:
    _, index = _made("text")
    with pytest.raises(PositionInvalid, match=f"{at} is outside a text of 4"):
        index.create("text", at, Assoc.AFTER)


@given(st.binary(max_size=30))
def test_bytes_that_are_no_position(data: bytes) -> None:
    try:
        position = Position.decode(data)
    except PositionInvalid:
        return
    _, index = _made("text")
    if position.client != 7:
        with pytest.raises(PositionUnknown):
            index.resolve("text", position) if position.client is not None else _unknown()
    assert Position.decode(position.encode()) == position


def _unknown() -> None:
    raise PositionUnknown


_PLAIN = st.sampled_from([None, True, -1, 0, 1, 2**60, 0.5, "source", "", []])
_ITEM = st.dictionaries(st.sampled_from(["client", "clock"]), _PLAIN)


@given(st.dictionaries(st.sampled_from(["tname", "type", "item", "assoc"]), _PLAIN | _ITEM))
def test_json_that_is_no_position(value: dict[str, object]) -> None:
    try:
        position = Position.from_json(value)
    except PositionInvalid:
        return
    assert Position.from_json(position.to_json()) == position


def test_an_edited_document_resolves_like_a_fresh_one() -> None:
    rng = random.Random(2)
    replica, index = _made("")
    for _ in range(300):
        text = replica.text()
        start = rng.randint(0, len(text))
        _edit(replica, index, start, min(len(text), start + rng.randint(0, 3)), rng.choice(["x", "😀y", "漢\n"]))
    text, fresh = replica.text(), PositionIndex(replica.state())
    for at in range(len(text) + 1):
        for assoc in Assoc:
            position = index.create(text, at, assoc)
            assert fresh.create(text, at, assoc) == position
            assert fresh.resolve(text, position) == at

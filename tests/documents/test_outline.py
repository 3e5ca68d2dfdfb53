"""The outline of a text says what the library says, and makes the edits that the library makes."""

from __future__ import annotations

import random
from collections import deque

import pytest
from effort import many
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Text

from yp2p.documents.diff import Hunk
from yp2p.documents.outline import Outline
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.shared import SharedText
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate, PositionInvalid, PositionUnknown
from yp2p.protocol.clients import Writer
from yp2p.protocol.spelling import frame_of
from yp2p.protocol.update_merge import Block, encode_update, read_update

_NEW = ["a", "b", "é", "漢", "😀", "x😀y", "line\n", "a longer piece of text"]


def _outline(replica: TextReplica) -> Outline:
    outline = Outline.of(replica.state(), replica.text())
    assert outline is not None
    return outline


class _Side:
    """One of several who write: the document, and its outline beside it."""

    def __init__(self, client: int, state: bytes) -> None:
        self.replica = TextReplica.from_updates(client, [state])
        self.outline, self.text = _outline(self.replica), self.replica.text()
        self.outbox: deque[bytes] = deque()
        self.declined = 0
        self.says_twice = client % 2 == 0

    def edit(self, start: int, stop: int, new: str) -> bytes | None:
        made = self.outline.edit(self.replica.client_id, self.text, start, stop, new)
        assert made is not None
        theirs = self.replica.fork(self.replica.client_id).edit([Hunk(start, stop, new)])
        assert _operations(made) == _operations(theirs or b"\x00\x00")
        return self.take(made)

    def take(self, update: bytes) -> bytes | None:
        news = self.replica.apply(update)
        if news is not None:
            text: str | None = self.text
            if self.says_twice:  # as for a position within a transaction: with all that was ever deleted
                text = self.outline.apply(self.text, self.replica.update_since(self.outline.state_vector()))
            text = self.outline.apply(text, news) if text is not None else None
            if text is None:
                self.declined += 1
                self.outline, text = _outline(self.replica), self.replica.text()
            self.text = text
        assert self.text == self.replica.text()
        return news

    def check_positions(self, rng: random.Random, known: list[Position]) -> None:
        index = PositionIndex(self.replica.state())
        for _ in range(3):
            at, assoc = rng.randint(0, len(self.text)), rng.choice(list(Assoc))
            known.append(self.outline.create(self.text, at, assoc))
            assert known[-1] == index.create(self.text, at, assoc)
        for position in rng.sample(known, min(len(known), 20)):
            assert _resolved(self.outline, self.text, position) == _resolved(index, self.text, position)


def _operations(update: bytes) -> tuple[list[Block], list[tuple[int, int, int]]]:
    blocks, ranges = read_update(update)
    for block in blocks:
        block.content = [b"".join(block.content)]
    return blocks, sorted(ranges)


def _resolved(index: Outline | PositionIndex, text: str, position: Position) -> int | None:
    try:
        return index.resolve(text, position)
    except PositionUnknown:
        return None


def _state(text: str, client: int = 5) -> bytes:
    replica = TextReplica(client)
    if text:
        replica.edit([Hunk(0, 0, text)])
    return replica.state()


class _Hub:
    """Passes on what several write, to each in one order; they edit mostly at the same places."""

    def __init__(self, sides: list[_Side], rng: random.Random) -> None:
        self._passed_on: list[tuple[_Side, bytes]] = []
        self._heard = dict.fromkeys(sides, 0)
        self._rng = rng

    def edit(self, side: _Side) -> None:
        rng, size = self._rng, len(side.text)
        start = rng.choice([0, size, size // 2, rng.randint(0, size)])
        stop = min(size, start + rng.choice([0, 0, 0, 1, 2, 5]))
        if (news := side.edit(start, stop, rng.choice([*_NEW, ""]))) is not None:
            side.outbox.append(news)

    def send(self, side: _Side) -> bool:
        if side.outbox:
            self._passed_on.append((side, side.outbox.popleft()))
        return bool(side.outbox)

    def hear(self, side: _Side) -> bool:
        if self._heard[side] < len(self._passed_on):
            writer, update = self._passed_on[self._heard[side]]
            self._heard[side] += 1
            if writer is not side:
                side.take(update)
        return self._heard[side] < len(self._passed_on)


def _write(sides: list[_Side], rng: random.Random, steps: int) -> None:
    """Edit, and hear of what others wrote sooner or later, at last of all."""
    hub, known = _Hub(sides, rng), list[Position]()
    for _ in range(steps):
        side = rng.choice(sides)
        rng.choice([hub.edit, hub.send, hub.hear, hub.hear])(side)
        if rng.random() < 0.1:
            side.check_positions(rng, known)
    for act in (hub.send, hub.hear):
        for side in sides:
            while act(side):
                pass
    assert len({side.text for side in sides}) == 1


@pytest.mark.parametrize("seed", range(many(60)))
def test_several_who_write_at_the_same_places(seed: int) -> None:
    """Whatever crosses, an outline that was there before needs no library to know where it goes."""
    rng = random.Random(seed)
    state = _state(rng.choice(["", "some words 😀 in a text\n"]))
    sides = [_Side(client, state) for client in rng.sample(range(1, 99), rng.randint(2, 4))]
    _write(sides, rng, 200)
    assert sum(side.declined for side in sides) == 0


@pytest.mark.parametrize("seed", range(many(40)))
def test_outlines_that_are_made_in_between(seed: int) -> None:
    """What came before an outline was made it may not be able to tell; then it says so."""
    rng = random.Random(seed)
    sides = [_Side(client, _state("some words in a text\n")) for client in rng.sample(range(1, 99), 2)]
    for _ in range(5):
        _write(sides, rng, 40)
        for side in sides:
            side.outline = _outline(side.replica)


@pytest.mark.parametrize("seed", range(many(40)))
def test_much_that_came_at_once(seed: int) -> None:
    """Three worked apart, and each takes all of another in one update; those of several clients wait for each other."""
    rng = random.Random(seed)
    sides = [_Side(client, _state("some words in a text\n")) for client in rng.sample(range(1, 99), 3)]
    for _ in range(4):
        for side in sides:
            for _ in range(rng.randint(0, 12)):
                start = rng.randint(0, len(side.text))
                side.edit(start, min(len(side.text), start + rng.choice([0, 0, 3])), rng.choice(_NEW))
        for _ in range(4):
            one, two = rng.sample(sides, 2)
            one.take(two.replica.update_since(one.replica.state_vector()))
    assert sum(side.declined for side in sides) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.sampled_from([*_NEW, ""])), max_size=15))
def test_an_edit_is_the_operations_that_the_library_makes(edits: list[tuple[int, int, str]]) -> None:
    """Of a document with deleted places, pairs of surrogates and other clients; `_Side.edit` compares."""
    side, other = _Side(7, _state("a text 😀")), _Side(8, _state("a text 😀"))
    for number, (start, length, new) in enumerate(edits):
        writer, reader = (side, other) if number % 3 else (other, side)
        start = min(start, len(writer.text))
        news = writer.edit(start, min(start + length, len(writer.text)), new)
        if news is not None:
            reader.take(news)
        assert reader.text == writer.text


@pytest.mark.parametrize("typed", ["abcd", "a😀b", "漢"])
def test_what_is_said_twice_and_in_part(typed: str) -> None:
    """Of a transaction that goes on after a position was asked for, the rest is new."""
    side = _Side(6, _state("a text"))
    before = side.replica.state_vector()
    parts = [side.edit(2 + at, 2 + at, letter) for at, letter in enumerate(typed)]
    whole = side.replica.update_since(before)
    for known in range(len(typed) + 1):
        other = _Side(7, _state("a text"))
        for part in parts[:known]:
            other.take(part or b"")
        text = other.outline.apply(other.text, whole)
        assert text == side.text
        assert other.outline.apply(side.text, whole) == side.text
        assert other.outline.state_vector() == side.outline.state_vector()


def test_repairs_and_saves_find_their_place() -> None:
    """A repair names the visible characters beside it, whatever was deleted between them."""
    side = _Side(7, _state("one two three"))
    side.edit(3, 8, "")
    replica = side.replica
    (left, right) = (read_update(replica.state())[0][0].client, 2), (5, 8)
    update = encode_update([Block.of_text(Writer.REPAIR.client_id(3), left, right, " and")], [])
    side.take(update)
    assert side.text == "one andthree"
    assert side.declined == 1  # which was there before it


@pytest.mark.parametrize("units", [250, 254, 256, 2560, 65_530, 65_600])
def test_numbers_of_one_to_three_bytes(units: int) -> None:
    replica = TextReplica.from_updates(7, [_state("0" * units)])
    for at in range(0, units, units // 20):
        replica.edit([Hunk(at, at + 1, "漢字")])
    index, outline, text = PositionIndex(replica.state()), _outline(replica), replica.text()
    for at in (*range(0, len(text), len(text) // 100), len(text)):
        for assoc in Assoc:
            assert outline.create(text, at, assoc) == index.create(text, at, assoc)


def test_what_an_outline_is_not_for() -> None:
    side = _Side(7, _state("text"))
    large = _Side(7, _state("x" * 5000))
    assert large.outline.edit(7, large.text, 0, 5000, "") is None  # the library is asked once for it
    far = encode_update([Block(9, 0, 1 << 30, (5, 1), (5, 2), False, [])], [])
    assert Outline.of(encode_update([Block(9, 0, 1 << 30, None, None, False, [])], []), "") is None
    assert side.outline.apply("text", far) is None
    many_pieces = [Block(client, 0, 1, (5, 1), (5, 2), True, [b"x"]) for client in range(20, 300)]
    assert _outline(side.replica).apply("text", encode_update(many_pieces, [])) is None
    gap = encode_update([Block(9, 3, 1, (5, 1), (5, 2), True, [b"x"])], [])
    assert _outline(side.replica).apply("text", gap) is None
    assert _outline(side.replica).apply("text", b"\x01") is None
    assert Outline.of(side.replica.state(), "another text") is None
    assert Outline.of(side.replica.state(), "text", least_blocks=2) is None


@pytest.mark.parametrize("kind", [0, 5, 6, 10])
def test_a_state_with_other_blocks_has_no_frame(kind: int) -> None:
    state = bytearray(_state("text"))
    state[4] = kind  # behind the numbers of sections and blocks, the client and its clock
    with pytest.raises(InvalidUpdate, match=f"kind {kind}"):
        frame_of(bytes(state), 100)


@pytest.mark.parametrize("at", [-1, 5])
def test_an_index_outside_the_text(at: int) -> None:
    side = _Side(7, _state("text"))
    with pytest.raises(PositionInvalid, match=f"{at} is outside a text of 4"):
        side.outline.create(side.text, at, Assoc.AFTER)


def test_a_text_that_is_edited_and_read_again_and_again_is_not_walked_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where it is typed nor where it is read: the library walks over every block for each."""
    updates: list[bytes] = []
    here, there = SharedText(updates.append), SharedText(lambda update: None)
    here.insert(0, "some words in a line of a text\n" * 10)
    for at in range(0, 300, 30):
        here.insert(at, "many edits")
    walks = 0

    def count(name: str) -> None:
        walk = getattr(Text, name)

        def counted(*arguments: object) -> object:
            nonlocal walks
            walks += 1
            return walk(*arguments)

        monkeypatch.setattr(Text, name, counted)

    for name in ("__str__", "insert", "__delitem__"):
        count(name)
    caret = here.position(30)
    for number in range(100):
        here.insert(here.index_of(caret), "x")
        if number % 10 == 9:
            here.delete(5, 6)
        there.receive(*updates)
        updates.clear()
        assert str(there) == str(here)
    assert walks < 30
    assert str(here.doc.library_text) == str(there.doc.library_text) == str(here)

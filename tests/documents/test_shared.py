"""A program's own document: what others write is no part of what it writes at once."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.documents.positions import Assoc, Position
from yp2p.documents.shared import SharedText
from yp2p.errors import PositionInvalid

pytestmark = pytest.mark.usefixtures("either_way")


def _pair() -> tuple[SharedText, list[bytes], SharedText, list[bytes]]:
    one_wrote, two_wrote = list[bytes](), list[bytes]()
    return SharedText(one_wrote.append), one_wrote, SharedText(two_wrote.append), two_wrote


def test_what_comes_in_a_transaction_is_applied_after_it_and_is_nobodys_change() -> None:
    one, wrote, two, theirs = _pair()
    two.insert(0, "theirs\n")
    undo = one.undo_manager()
    with one.transaction():
        one.insert(0, "ours ")
        with one.transaction():
            one.receive(theirs[0])
            one.insert(0, "all ")
        assert str(one) == "all ours "
    assert sorted(str(one).split()) == ["all", "ours", "theirs"]
    assert len(wrote) == 1
    two.receive(wrote[0])
    assert str(two) == str(one)
    undo.undo()
    assert str(one) == "theirs\n"


def test_a_transaction_that_fails_holds_nothing_back() -> None:
    one, _, two, theirs = _pair()
    two.insert(0, "theirs")

    def write() -> None:
        with one.transaction():
            one.receive(theirs[0])
            one.insert(99, "nowhere")

    with pytest.raises(IndexError):
        write()
    assert str(one) == "theirs"


@pytest.mark.parametrize("seed", range(many(30)))
def test_edits_count_characters_however_else_the_text_changes(seed: int) -> None:
    """By hand in the library's text, in transactions, and by what others write in between."""
    rng = random.Random(seed)
    one, wrote, two, theirs = _pair()

    def edit() -> None:
        before = str(one.text)
        start = rng.randint(0, len(before))
        stop = min(len(before), start + rng.choice([0, 0, 1, 2]))
        new = rng.choice(["a", "é", "😀", "", "line\n"])
        one.edit(start, stop, new)
        assert str(one.text) == before[:start] + new + before[stop:]
        assert str(one) == str(one.text)

    def by_hand() -> None:
        one.text.insert(0, rng.choice(["x", "ü"]))
        assert str(one) == str(one.text)

    def others() -> None:
        two.insert(rng.randint(0, len(str(two))), rng.choice(["t", "ß"]))
        one.receive(theirs.pop())

    def together() -> None:
        with one.doc.transaction() if rng.random() < 0.5 else one.transaction():
            for _ in range(3):
                rng.choice([edit, by_hand])()

    for _ in range(40):
        rng.choice([edit, edit, by_hand, others, together])()
        assert str(one) == str(one.text)
    for update in wrote:
        two.receive(update)
    assert str(two) == str(one)


@pytest.mark.parametrize("was_asked_before", [False, True])
@pytest.mark.parametrize("opened_by", ["file", "document"])
def test_positions_are_right_within_a_transaction(was_asked_before: bool, opened_by: str) -> None:
    """As an editor types: where the cursor is, an insertion there, and the cursor behind it."""
    one, _, two, _ = _pair()
    one.insert(0, "é😀 begin end")
    end = one.position(9)
    if was_asked_before:
        assert one.index_of(end) == 9
    with one.transaction() if opened_by == "file" else one.doc.transaction():
        one.insert(0, "abc😀")
        assert one.index_of(end) == 13
        cursor = one.position(13, Assoc.BEFORE)
        for letter in "漢字":
            one.insert(one.index_of(cursor), letter)
            cursor = one.position(one.index_of(cursor) + 1, Assoc.BEFORE)
        one.text.insert(0, ">")  # by hand
        one.delete(1, 4)
        assert str(one)[one.index_of(cursor) :] == "end"
        assert one.index_of(end) == one.index_of(cursor) == 13
    assert str(one) == ">😀é😀 begin 漢字end"
    assert one.index_of(end) == one.index_of(cursor) == 13
    two.receive(one.doc.get_update())
    assert two.index_of(end) == two.index_of(cursor) == 13


@pytest.mark.parametrize("seed", range(many(20)))
def test_positions_within_transactions_are_those_of_a_fresh_document(seed: int) -> None:
    rng = random.Random(seed)
    one, _, _, _ = _pair()
    one.insert(0, "one 😀 two é three")
    kept: list[Position] = []
    for _ in range(6):
        with one.transaction():
            for _ in range(8):
                size = len(str(one))
                start = rng.randint(0, size)
                one.edit(start, min(size, start + rng.choice([0, 0, 1, 3])), rng.choice(["x", "😀", "é漢", ""]))
                at = rng.randint(0, len(str(one)))
                kept.append(one.position(at, rng.choice(list(Assoc))))
                assert one.index_of(kept[-1]) == at
                fresh, _, _, _ = _pair()
                fresh.receive(one.doc.get_update())
                assert [one.index_of(position) for position in kept] == [fresh.index_of(place) for place in kept]


def test_what_is_no_position_is_refused() -> None:
    one, _, _, _ = _pair()
    with pytest.raises(PositionInvalid, match="is no Position"):
        one.index_of(5)  # type: ignore[arg-type]

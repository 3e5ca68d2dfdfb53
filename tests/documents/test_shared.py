"""A program's own document: what others write is no part of what it writes at once."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.shared import SharedText


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


@pytest.mark.parametrize("seed", range(30))
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

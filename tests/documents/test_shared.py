"""A program's own document: what others write is no part of what it writes at once."""

from __future__ import annotations

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

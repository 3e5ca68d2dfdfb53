"""An editor that shows an older text than the file has by now."""

from __future__ import annotations

from yp2p.documents.diff import hunks
from yp2p.documents.text import TextReplica
from yp2p.lsp.copy import EditorCopy
from yp2p.lsp.places import UTF16, Change, Place


def test_what_is_typed_before_the_first_offer_takes_out_nothing_of_others() -> None:
    read, now = "one\ntwo\n", "one\nfrom another\ntwo\n"
    file = TextReplica.from_updates(7, [])
    file.edit(hunks("", now))
    copy = EditorCopy(8, file.state(), read, 1, UTF16)
    for version, typed in ((2, "three\n"), (3, "four\n")):
        update = copy.hear(version, [Change(typed, Place(version, 0), Place(version, 0))])
        assert update is not None
        file.apply(update)
    assert file.text() == "one\nfrom another\ntwo\nthree\nfour\n"
    assert copy.told == "one\ntwo\nthree\nfour\n"
    offer = copy.offer(file.text(), b"\x00\x00")
    assert copy.hear(4, [Change("from another\n", Place(1, 0), Place(1, 0))]) is None
    assert copy.answered(offer, taken=True) is None
    assert copy.told == copy.text == file.text()


def test_an_editor_that_leaves_what_it_was_to_change_before_a_save_is_offered_it_again() -> None:
    file = TextReplica.from_updates(7, [])
    file.edit(hunks("", "one\n"))
    copy = EditorCopy(8, file.state(), "one\n", 1, UTF16)
    file.edit(hunks("one\n", "one\ntwo\n"))
    offer = copy.offer(file.text(), file.state())
    assert copy.answered(offer, taken=True) is None
    assert not copy.can_be_offered
    copy.drop(offer)
    assert copy.can_be_offered
    assert copy.hear(2, [Change("three\n", Place(1, 0), Place(1, 0))]) is not None
    assert copy.text == copy.told == "one\nthree\n"
    copy.drop(offer)  # too late: nothing
    assert copy.can_be_offered


def test_a_line_that_is_much_like_one_that_was_left_is_no_change_of_that() -> None:
    """Neovim says that it took an offer also where it has moved on and left it."""
    file = TextReplica.from_updates(7, [])
    file.edit(hunks("", "one\ntwo\n"))
    copy = EditorCopy(8, file.state(), "one\ntwo\n", 1, UTF16)
    file.edit(hunks("one\ntwo\n", "one\nline 0 of somebody\ntwo\n"))
    offer = copy.offer(file.text(), file.state())
    assert copy.answered(offer, taken=True) is None
    update = copy.hear(2, [Change("line 13 of somebody\n", Place(1, 0), Place(1, 0))])
    assert update is not None
    file.apply(update)
    assert sorted(file.text().splitlines()) == ["line 0 of somebody", "line 13 of somebody", "one", "two"]


def test_an_offer_that_was_taken_in_a_line_that_was_typed_in_as_well() -> None:
    file = TextReplica.from_updates(7, [])
    file.edit(hunks("", "one two\n"))
    copy = EditorCopy(8, file.state(), "one two\n", 1, UTF16)
    file.edit(hunks("one two\n", "one long word two\n"))
    offer = copy.offer(file.text(), file.state())
    assert copy.answered(offer, taken=True) is None
    both = Change("long word two three", Place(0, 4), Place(0, 7))
    update = copy.hear(2, [both])
    assert update is not None
    file.apply(update)
    assert file.text() == "one long word two three\n"


def test_an_offer_of_two_places_of_which_the_last_one_was_told_of_with_what_was_typed() -> None:
    """Neovim begins at the end, and tells of each place; what was typed comes with the first of them."""
    file = TextReplica.from_updates(7, [])
    file.edit(hunks("", "one\ntwo\nthree\n"))
    copy = EditorCopy(8, file.state(), "one\ntwo\nthree\n", 1, UTF16)
    file.edit(hunks("one\ntwo\nthree\n", "one\nof somebody, a long line\ntwo\nthree\nand more\n"))
    offer = copy.offer(file.text(), file.state())
    assert copy.answered(offer, taken=True) is None
    for version, told in (
        (2, Change("and more\ntyped\n", Place(3, 0), Place(3, 0))),
        (3, Change("of somebody, a long line\n", Place(1, 0), Place(1, 0))),
    ):
        if (update := copy.hear(version, [told])) is not None:
            file.apply(update)
    assert sorted(file.text().splitlines()) == ["and more", "of somebody, a long line", "one", "three", "two", "typed"]

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

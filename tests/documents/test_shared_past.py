"""What two sides had before they went apart."""

from __future__ import annotations

import pytest

from yp2p.documents import shared_past
from yp2p.documents.diff import Hunk
from yp2p.documents.joined import join, repair
from yp2p.documents.shared_past import SharedPast, Side
from yp2p.documents.text import TextReplica
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.update_merge import merged_updates
from yp2p.protocol.ysync import Parsed
from yp2p.threeway.merge import VERSION


def _side(*updates: bytes) -> Side:
    replica = TextReplica.from_updates(1, updates)
    return Side(replica.clocks(), replica.deleted())


def test_of_two_repairs_that_remove_the_same_and_put_in_another_thing_each_side_had_one() -> None:
    """Both bear the mark of what they remove; what a side lacks of the other one is no part of what both had."""
    typed = TextReplica(77).edit([Hunk(0, 0, "one\ntwo\n")])
    assert typed is not None
    joined = join([typed], _side(typed), _side(typed))
    assert joined is not None
    first, second = (repair(joined, [Hunk(0, 3, text)], VERSION) for text in ("eins", "uno"))
    ours, theirs = _side(typed, first), _side(typed, second)
    assert set(ours.vector) & set(theirs.vector) - {77}, "the mark is the same"
    past = SharedPast.all_of([typed, first, second], ours, theirs)[0]
    assert past.vector[77] == 8
    assert not [item for item in past.deleted if item[0] == 77]


def test_that_is_missed_where_repairs_count_as_known_by_what_they_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random histories miss it in one of a thousand."""
    operations_of = shared_past._operations

    def less(parsed: Parsed) -> StateVector:
        operations = operations_of(parsed)
        marks = {client: 1 for client in parsed.deletes if Writer.of(client) is Writer.REPAIR and client in operations}
        return marks or operations

    monkeypatch.setattr(shared_past, "_operations", less)
    with pytest.raises(AssertionError):
        test_of_two_repairs_that_remove_the_same_and_put_in_another_thing_each_side_had_one()


def test_a_word_that_both_replaced_is_in_the_past_of_both_though_one_of_them_says_so_in_a_sum() -> None:
    """Else there would be nothing where both put in another word, and the two would stand one after the other."""
    first, second = TextReplica(77), TextReplica(78)
    typed = first.edit([Hunk(0, 0, "key = old\n")])
    assert typed is not None
    second.load([typed])
    one, two = first.edit([Hunk(6, 9, "one")]), second.edit([Hunk(6, 9, "two")])
    assert one is not None
    assert two is not None
    summed = merged_updates([typed, one])
    assert summed is not None
    joined = join([summed, two], _side(typed, one), _side(typed, two))
    assert joined is not None
    assert (joined.base, joined.ours, joined.theirs) == ("key = old\n", "key = one\n", "key = two\n")

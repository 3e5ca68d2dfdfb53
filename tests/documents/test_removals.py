"""What a repair removed is known to whoever has its mark, whatever update brought it."""

from __future__ import annotations

from appends import Room
from meetings import Node

from yp2p.documents.diff import Hunk
from yp2p.documents.joined import Joined, Side, join, repair
from yp2p.documents.removals import as_logged, deleted_at, mark_of, teller_of
from yp2p.documents.text import TextReplica
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, UpdateParser, check, deleted_ranges, parse_update
from yp2p.threeway.merge import VERSION

_TEXT = "first\nsecond\nthird\n"
# Removes the second line and puts one in its place; the larger one puts in another line as well.
_CHANGES = [Hunk(6, 13, "2\n")]
_MORE = [*_CHANGES, Hunk(19, 19, "4\n")]


def _joined(node: Node) -> Joined:
    found = join(node.log, node.side(), node.side())
    assert found is not None
    return found


def _repairs(node: Node) -> tuple[bytes, bytes]:
    return repair(_joined(node), _CHANGES, VERSION), repair(_joined(node), _MORE, VERSION)


def _teller(update: bytes) -> dict[int, int]:
    parser = UpdateParser(update, Shape.TEXT)
    return teller_of(update, parser, parser.parse())


def test_a_larger_repair_that_removes_the_same_has_the_same_mark() -> None:
    small, large = _repairs(Node(1, _TEXT))
    assert set(parse_update(small).sections) < set(parse_update(large).sections)
    assert _teller(small) == _teller(large)
    assert len(_teller(small)) == 1


def test_who_got_a_repair_in_a_larger_one_knows_who_has_the_small_one() -> None:
    """The small one is no news here, and never in the log."""
    one, other = Node(1, _TEXT), Node(2, _TEXT)
    small, large = _repairs(one)
    assert other.replica.apply(small) is not None
    assert one.replica.apply(large) is not None
    one.log.append(large)
    assert one.replica.apply(small) is None
    there = deleted_at(other.replica.clocks(), one.log, one.replica.deleted())
    assert set(there) == set(other.replica.deleted()) == set(deleted_ranges(small))
    assert deleted_at(Node(3, _TEXT).replica.clocks(), one.log, one.replica.deleted()) == []


def test_a_repair_of_which_a_part_is_here_is_in_the_log_as_it_was_made() -> None:
    node = Node(1, _TEXT)
    putting = repair(_joined(node), [Hunk(19, 19, "4\n")], VERSION)
    _, large = _repairs(node)
    taking = repair(_joined(node), [Hunk(6, 13, "")], VERSION)
    for update in (putting, taking):
        assert node.replica.apply(update) is not None
    before = node.replica.clocks()
    news = node.replica.apply(large)
    assert news is not None
    assert len(news) < len(large)
    assert as_logged(check(large, Shape.TEXT), before, news) == large


def test_a_sum_of_updates_has_no_mark() -> None:
    """It removes more than the mark in it names: who has the mark need not have removed that."""
    node = Node(1, _TEXT)
    node.save("first\nsecond\n")
    before = node.replica.state_vector()
    made = repair(_joined(node), _CHANGES, VERSION)
    assert mark_of(made, parse_update(made), deleted_ranges(made)) is not None
    assert node.replica.apply(made) is not None
    answer = node.replica.update_since(before)
    assert len(deleted_ranges(answer)) > len(deleted_ranges(made))
    assert mark_of(answer, parse_update(answer), deleted_ranges(answer)) is None
    assert _teller(answer) == {client: stop for client, (_, stop) in parse_update(answer).sections.items()}


def test_what_a_repair_removed_is_no_part_of_what_a_save_was_made_of_before_it() -> None:
    """A save that is made of a version before a repair that only removes: there the line end still stood."""
    node, other = Node(1, "the end"), Node(2, "the end")
    node.save("the end\nfirst")
    fork = TextReplica.from_updates(Writer.SAVED.client_id(7), [node.replica.state()])
    other.save("the end of it\n")
    node.receive(other.answer(node))
    assert node.text() == "the end of it\nfirst"
    assert node.repairs == 1
    update = fork.edit([Hunk(13, 13, " and more")])
    assert update is not None
    joined = join([*node.log, update], node.side(), Side(fork.clocks(), fork.deleted()))
    assert joined is not None
    assert joined.base == "the end\nfirst"
    assert (joined.ours, joined.theirs) == ("the end of it\nfirst", "the end\nfirst and more")


def test_appends_that_cross_are_there_once() -> None:
    """Histories in which what another device had removed was taken for standing there, and was put in again."""
    for seed, devices in ((185, 2), (204, 2), (230, 2), (476, 2), (559, 2), (629, 2), (837, 2), (442, 3)):
        outcome = Room(seed, devices).run()
        assert (outcome.doubled, outcome.lost) == ([], []), seed

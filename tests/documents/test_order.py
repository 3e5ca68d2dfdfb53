"""Who deleted something is told by what was written beside it."""

from __future__ import annotations

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.order import Order
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.ysync import Shape, UpdateParser, parse_update

_TEXT = "".join(f"line {number}\n" for number in range(12))
_OURS, _THEIRS = 7, 8


def _written(update: bytes) -> list[DeletedRange]:
    return [(client, start, stop - start) for client, (start, stop) in parse_update(update).sections.items()]


def _deleted(update: bytes) -> list[DeletedRange]:
    parser = UpdateParser(update, Shape.TEXT)
    parser.parse()
    return parser.ranges


def _edit(client: int, log: list[bytes], text: str) -> bytes:
    replica = TextReplica.from_updates(client, log)
    update = replica.edit(hunks(replica.text(), text))
    assert update is not None
    return update


def _said(order: Order, ranges: list[DeletedRange]) -> str:
    by_client = TextReplica.from_updates(1, [imported(_TEXT)]).clocks()
    (client,) = by_client
    assert all(one == client for one, _, _ in ranges)
    return "".join(_TEXT[start : start + length] for _, start, length in sorted(ranges))


def test_what_stands_beside_what_we_wrote_was_replaced_by_us() -> None:
    log = [imported(_TEXT)]
    ours = _edit(_OURS, log, _TEXT.replace("line 3\n", "of ours\n").replace("line 6\n", ""))
    theirs = _edit(_THEIRS, [*log, ours], TextReplica.from_updates(1, [*log, ours]).text().replace("line 9\n", "x\n"))
    order = Order.of([*log, ours, theirs])
    assert order is not None
    deleted = [*_deleted(ours), *_deleted(theirs)]
    replaced = order.replaced(deleted, _written(ours), _written(theirs))
    # Of a line that is a little different only a part was replaced.
    assert _said(order, replaced) in ("line 3", "line 3\n")
    assert _said(order, order.replaced(deleted, _written(theirs), _written(ours))) in ("line 9", "line 9\n")


def _change(client: int, log: list[bytes], start: int, stop: int, text: str) -> bytes:
    update = TextReplica.from_updates(client, log).edit([Hunk(start, stop, text)])
    assert update is not None
    log.append(update)
    return update


def test_what_stands_between_both_is_nobodys() -> None:
    log = [imported("ab")]
    ours, theirs = _change(_OURS, log, 0, 0, "X"), _change(_THEIRS, log, 3, 3, "Y")
    gone = _change(9, log, 1, 3, "")
    order = Order.of(log)
    assert order is not None
    assert order.replaced(_deleted(gone), _written(ours), _written(theirs)) == []
    assert order.replaced(_deleted(gone), _written(ours), []) == _deleted(gone)


def test_what_was_deleted_before_is_passed_over() -> None:
    log = [imported("abc")]
    _change(9, log, 1, 2, "")
    ours, gone = _change(_OURS, log, 1, 1, "X"), _change(10, log, 2, 3, "")
    order = Order.of(log)
    assert order is not None
    assert order.replaced(_deleted(gone), _written(ours), []) == _deleted(gone)
    assert order.replaced(_deleted(gone), [], _written(ours)) == []

"""The order of what a text ever had: of pieces, however many operations they are."""

from __future__ import annotations

import random

import pytest
from effort import many

from yp2p.documents.diff import Hunk
from yp2p.documents.joined import Side, join
from yp2p.documents.order import Order
from yp2p.documents.shadow import Span, spans_in_order
from yp2p.documents.text import TextReplica
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.state_vectors import MAX_CLOCK
from yp2p.protocol.update_merge import UpdateMerge, read_blocks
from yp2p.protocol.wire import write_varint


def _deleted_block(client: int, length: int) -> bytes:
    """An update with one block of which only the length is known."""
    root = b"\x01\x06source"
    return b"\x01\x01" + write_varint(client) + b"\x00\x01" + root + write_varint(length) + b"\x00"


def test_a_block_of_two_thousand_million_deleted_operations_is_one_piece() -> None:
    text, gone = Insertion.of(77, "x").update, _deleted_block(78, MAX_CLOCK)
    order = Order.of([text, gone])
    assert order is not None
    assert sorted(order.spans) == [Span(77, 0, 1), Span(78, 0, MAX_CLOCK)]
    ours, theirs = Side({77: 1}, []), Side({78: MAX_CLOCK}, [(78, 0, MAX_CLOCK)])
    joined = join([text, gone], ours, theirs)
    assert joined is not None
    assert (joined.ours, joined.theirs, joined.text) == ("x", "", "x")


def _edit(replica: TextReplica, rng: random.Random) -> bytes | None:
    text = replica.text()
    start = rng.randint(0, len(text))
    return replica.edit([Hunk(start, min(len(text), start + rng.randint(0, 3)), rng.choice(["", "a", "b😀", "cd\n"]))])


@pytest.mark.parametrize("seed", range(many(60)))
def test_the_order_is_that_of_the_library(seed: int) -> None:
    """What stands of the spans, one after the other, is the text."""
    rng = random.Random(seed)
    replicas = [TextReplica(number) for number in (10, 20, 30)]
    log: list[bytes] = []
    for _ in range(30):
        writer = rng.choice(replicas)
        update = _edit(writer, rng)
        if update is not None:
            log.append(update)
            for other in replicas if rng.random() < 0.6 else ():
                for known in log:
                    other.apply(known)
    for update in log:
        replicas[0].apply(update)
    merge = UpdateMerge()
    assert all(merge.add(update) for update in log)
    order = Order.of_sum(merge)
    assert order is not None
    standing = [part for span in order.spans for part, is_gone in order.deleted.parts(span) if not is_gone]
    assert "".join(order.text(span) or "" for span in standing) == replicas[0].text()


def test_where_an_operation_is_missing_there_is_no_order() -> None:
    replica = TextReplica(10)
    first, second = replica.edit([Hunk(0, 0, "one")]), replica.edit([Hunk(3, 3, "two")])
    assert first is not None
    assert second is not None
    assert spans_in_order(read_blocks(first)) == [(0, Span(10, 0, 3))]
    assert spans_in_order(read_blocks(second)) is None
    other = TextReplica.from_updates(20, [first, second])
    third = other.edit([Hunk(2, 2, "three")])
    assert third is not None
    assert spans_in_order(read_blocks(third)) is None

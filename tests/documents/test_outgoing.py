"""What waits for a peer, and when step 1 goes again: the parts of a provider that know no channel."""

from __future__ import annotations

import math

import pytest

from yp2p.documents.outgoing import MAX_WAITING_BYTES, MAX_WAITING_UPDATES, Outgoing, Update
from yp2p.documents.resyncs import RESYNC_INTERVAL_S, Resyncs


def _update(number: int, size: int = 1) -> Update:
    return Update(bytes([number % 256]) * size, None)


def test_what_is_held_goes_in_front_of_the_next_update_and_once() -> None:
    outgoing = Outgoing(is_overrun=False)
    outgoing.hold(_update(1))
    outgoing.hold(_update(2))
    assert outgoing.is_idle
    assert outgoing.with_held(_update(3)) == ((_update(1), _update(2), _update(3)), 3)
    assert outgoing.with_held(_update(4)) == ((_update(4),), 1)


def test_what_the_peer_has_is_held_no_more() -> None:
    outgoing = Outgoing(is_overrun=False)
    outgoing.hold(_update(1))
    outgoing.agreed()
    assert outgoing.with_held(_update(2)) == ((_update(2),), 1)


def test_what_waits_goes_in_order_and_once() -> None:
    outgoing = Outgoing(is_overrun=False)
    outgoing.add(_update(1), _update(2))
    outgoing.add(_update(3))
    assert (len(outgoing), outgoing.is_idle) == (3, False)
    assert outgoing.take() == (_update(1), _update(2), _update(3))
    assert (outgoing.take(), outgoing.is_idle) == ((), True)


@pytest.mark.parametrize(("number", "size"), [(MAX_WAITING_UPDATES, 1), (1, MAX_WAITING_BYTES)])
@pytest.mark.parametrize("is_held", [False, True])
def test_both_are_bounded_by_number_and_by_bytes(number: int, size: int, is_held: bool) -> None:
    outgoing = Outgoing(is_overrun=False)
    put = outgoing.hold if is_held else outgoing.add
    for at in range(number):
        put(_update(at, size))
    assert not outgoing.is_too_long()
    put(_update(number))
    assert outgoing.is_too_long()
    outgoing.clear(is_overrun=True)
    assert (outgoing.is_too_long(), outgoing.is_idle, outgoing.is_overrun) == (False, False, True)
    assert outgoing.with_held(_update(1)) == ((_update(1),), 1), "all of it is dropped"


def test_a_gap_is_closed_at_once_or_when_the_last_one_is_long_enough_ago() -> None:
    resyncs = Resyncs()
    assert resyncs.may_after_gap(10.0)
    resyncs.went(10.0)
    assert resyncs.due_at == math.inf
    assert not resyncs.may_after_gap(10.5)
    assert resyncs.due_at == 10.0 + RESYNC_INTERVAL_S
    assert not resyncs.take_wanted(10.9)
    assert resyncs.take_wanted(11.0)
    resyncs.went(11.0)
    assert not resyncs.take_wanted(20.0), "nobody asks any more"


def test_who_asks_for_it_is_answered_once_whenever_the_last_one_was() -> None:
    resyncs = Resyncs()
    resyncs.went(10.0)
    resyncs.want()
    assert resyncs.take_wanted(10.0)
    assert not resyncs.take_wanted(10.0)

"""What a device that is away lacks: what it lacked when it went, and what has changed since."""

from __future__ import annotations

import os

from yp2p.folder.away import MOST, Away
from yp2p.identity import DeviceID, EntryID

_DESK, _PI = DeviceID(b"d" * 32), DeviceID(b"p" * 32)


def _entries(count: int) -> list[EntryID]:
    return [EntryID(os.urandom(16)) for _ in range(count)]


def test_what_it_lacked_and_what_changed_since_is_counted_once() -> None:
    away, (a, b, c) = Away(), _entries(3)
    away.changed(a, [_DESK])
    assert away.count(_PI) is None, "nobody knows of a device that was not there"
    away.left(_PI, {a}, is_all=True)
    assert away.count(_PI) == 1
    for entry in (a, b, b, c):
        away.changed(entry, [_DESK])
    assert away.count(_PI) == 3


def test_what_changes_while_it_is_there_is_left_to_its_session() -> None:
    away, (a, b) = Away(), _entries(2)
    away.left(_PI, (), is_all=True)
    away.changed(a, [_PI])
    assert away.count(_PI) == 0
    away.changed(b, [_DESK])
    away.left(_PI, (), is_all=True)
    assert away.count(_PI) == 0, "it has heard of it meanwhile"


def test_a_session_that_compared_nothing_tells_of_nothing_less() -> None:
    away, (a, b) = Away(), _entries(2)
    away.left(_PI, (b,), is_all=False)
    assert away.count(_PI) is None
    away.left(_PI, (a,), is_all=True)
    away.left(_PI, (b,), is_all=False)
    assert away.count(_PI) == 2


def test_nobody_counts_beyond_a_number() -> None:
    away, many = Away(), _entries(MOST + 10)
    away.left(_PI, many, is_all=True)
    assert away.count(_PI) == MOST
    away.left(_PI, many[:5], is_all=True)
    away.left(_PI, many, is_all=False)
    for entry in many:
        away.changed(entry, ())
    assert away.count(_PI) == MOST

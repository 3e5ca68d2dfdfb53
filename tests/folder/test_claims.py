"""Who was asked for what, and for how long others leave it to them."""

from __future__ import annotations

import math

from yp2p.folder.claims import PATIENCE_S, Claims
from yp2p.identity import DeviceID

ONE, TWO = DeviceID(b"1" * 32), DeviceID(b"2" * 32)


def test_what_one_was_asked_for_is_left_to_it_as_long_as_it_gets_on() -> None:
    claims = Claims()
    claims.take([b"a", b"b"], ONE, 0.0, size=100 << 20)
    assert claims.is_held(b"a", TWO, 0.0)
    assert not claims.is_held(b"c", TWO, 0.0)
    claims.heard(ONE, 2.0)
    assert claims.next_lapse(TWO, 2.0) == 2.0 + PATIENCE_S
    assert claims.is_held(b"a", TWO, 1.9 + PATIENCE_S)
    assert not claims.is_late(ONE)
    assert not claims.is_held(b"a", TWO, 2.0 + PATIENCE_S), "the next one is asked as well"
    assert claims.is_held(b"a", ONE, 2.0 + PATIENCE_S), "the first one still may answer"
    assert claims.is_late(ONE)
    claims.answered(ONE)
    assert not claims.is_late(ONE)


def test_who_sends_a_little_now_and_then_keeps_nothing_for_long() -> None:
    claims = Claims()
    claims.take([b"a"], ONE, 0.0, size=4 << 20)
    for now in range(60):
        claims.heard(ONE, float(now))
        if not claims.is_held(b"a", TWO, float(now)):
            break
    assert now <= 10
    assert claims.is_late(ONE)


def test_what_is_released_is_free_unless_somebody_else_was_asked_since() -> None:
    claims = Claims()
    claims.take([b"a", b"b"], ONE, 0.0)
    claims.release([b"a"], ONE)
    assert not claims.is_held(b"a", TWO, 0.0)
    claims.take([b"b"], TWO, 5.0)
    claims.release([b"b"], ONE)
    assert claims.is_held(b"b", ONE, 5.0)
    assert claims.next_lapse(TWO, 5.0) == math.inf, "its own claims are nothing to wait for"

"""What is shown of a file, for who asks whether a save is of that."""

from __future__ import annotations

from hashlib import sha256

from yp2p.client.screen import Screen


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


def test_what_was_shown_a_moment_ago_counts_and_what_was_before_that_does_not() -> None:
    now = 0.0
    screen = Screen(lambda: now)
    asked = [_hash("one"), _hash("two")]
    assert not screen.is_told
    assert screen.number_of(asked, "two") == 2, "of a program that says nothing it is what the file says"
    screen.shows("one")
    screen.shows("three")
    assert screen.is_told
    assert screen.number_of(asked, "two") == 1
    now = 9.0
    screen.shows("four")
    assert screen.number_of(asked, "two") == 1
    now = 11.0
    assert screen.number_of(asked, "two") == 0
    assert screen.number_of([_hash("three")], "") == 1
    now = 3600.0
    assert screen.number_of([_hash("three")], "") == 0
    assert screen.number_of([_hash("four")], "") == 1, "it is still there"


def test_it_keeps_no_more_than_can_be_looked_at() -> None:
    screen = Screen(lambda: 0.0)
    for number in range(1000):
        screen.shows(f"{number}")
    assert len(screen._texts) == 256
    for number in range(10):
        screen.shows(str(number) * (1 << 20))
    assert len(screen._texts) == 4
    screen.shows("x" * (8 << 20))
    assert len(screen._texts) == 1
    screen.shows("y")
    assert screen.number_of([_hash("y")], "") == 1

"""What a file of a program notes while no daemon is there."""

from __future__ import annotations

from hashlib import sha256

from yp2p.client.away import AwayTexts
from yp2p.protocol.channel import MAX_SHOWN


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


def test_what_the_daemon_had_is_not_noted() -> None:
    away = AwayTexts()
    away.begin("first", is_stored=True)
    for text in ("first", "first and", "first", "first and more"):
        away.note(text)
    assert away.hashes == (_hash("first and"), _hash("first and more"))


def test_what_the_daemon_may_not_have_is_noted() -> None:
    away = AwayTexts()
    away.begin("typed", is_stored=False)
    assert away.hashes == (_hash("typed"),)


def test_what_was_not_stored_is_still_noted_when_the_daemon_goes_again() -> None:
    away = AwayTexts()
    away.begin("first", is_stored=True)
    away.note("second")
    away.begin("third", is_stored=True)
    assert away.hashes == (_hash("second"), _hash("third"))
    away.forget()
    away.begin("third", is_stored=True)
    assert away.hashes == ()


def test_of_many_texts_the_last_are_all_there_and_some_of_those_before() -> None:
    away = AwayTexts()
    away.begin("", is_stored=True)
    texts = [str(number) for number in range(3 * MAX_SHOWN)]
    for text in texts:
        away.note(text)
    hashes = list(map(_hash, texts))
    assert len(away.hashes) <= MAX_SHOWN
    assert list(away.hashes[-MAX_SHOWN // 2 :]) == hashes[-MAX_SHOWN // 2 :]
    before = [hashes.index(one) for one in away.hashes[: -MAX_SHOWN // 2]]
    assert before == sorted(before)
    assert before[0] < MAX_SHOWN


def test_when_each_came_is_noted_with_it_and_no_later_one_is_earlier() -> None:
    now = iter([1.0, 3.0, 2.0, *map(float, range(4, 4 + 2 * MAX_SHOWN))])
    away = AwayTexts(lambda: next(now))
    away.begin("first", is_stored=True)
    for text in ("second", "third", "fourth"):
        away.note(text)
    assert away.since_ms == (1000, 3000, 3000)
    for number in range(2 * MAX_SHOWN):
        away.note(f"{number}")
        assert len(away.since_ms) == len(away.hashes)
    assert away.since_ms[-1] == 1000 * (3 + 2 * MAX_SHOWN)
    away.forget()
    assert away.since_ms == ()

"""Codes and tokens: a code is good once and for a minute, a token until it is ended, and nobody locks anybody out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from yp2p.page.sessions import CODE_LIFETIME_S, MOST_CODES, MOST_SESSIONS, Session, Sessions


def _sessions() -> Sessions:
    return Sessions(os.urandom)


def test_a_code_is_exchanged_once_and_its_token_shows_who_asks() -> None:
    sessions = _sessions()
    number, code = sessions.new_code(0.0, may_write=True)
    assert sessions.is_waiting(number, 1.0)
    found = sessions.exchange(code, 1.0)
    assert found is not None
    token, session = found
    assert session.may_write
    assert sessions.of(token) == session
    assert sessions.was_used(number)
    assert not sessions.is_waiting(number, 1.0)
    assert sessions.exchange(code, 1.0) is None
    assert sessions.of(token) == session


def test_a_code_is_good_for_a_minute() -> None:
    sessions = _sessions()
    _, early = sessions.new_code(0.0, may_write=True)
    assert sessions.exchange(early, CODE_LIFETIME_S) is None
    number, late = sessions.new_code(100.0, may_write=False)
    found = sessions.exchange(late, 99.9 + CODE_LIFETIME_S)
    assert found is not None
    assert not found[1].may_write
    assert not sessions.is_waiting(number, 100.0)


@pytest.mark.parametrize("wrong", ["", "a", "\ud800", "é" * 22, "x" * 10_000])
def test_what_is_no_secret_is_none(wrong: str) -> None:
    sessions = _sessions()
    _, code = sessions.new_code(0.0, may_write=True)
    assert sessions.exchange(wrong, 1.0) is None
    found = sessions.exchange(code, 1.0)
    assert found is not None
    for near in (wrong, found[0][:-1], found[0] + "a", found[0].swapcase(), code):
        assert sessions.of(near) is None


def test_codes_and_tokens_have_their_bits_and_are_all_different() -> None:
    sessions = _sessions()
    codes = [sessions.new_code(0.0, may_write=True)[1] for _ in range(MOST_CODES)]
    tokens = [found[0] for code in codes if (found := sessions.exchange(code, 0.0)) is not None]
    assert {len(code) for code in codes} == {22}  # of six bits each
    assert {len(token) for token in tokens} == {43}
    assert len({*codes, *tokens}) == 2 * MOST_CODES


def test_of_many_the_oldest_give_way() -> None:
    sessions = _sessions()
    codes = [sessions.new_code(0.0, may_write=True)[1] for _ in range(MOST_CODES + 1)]
    assert sessions.exchange(codes[0], 0.0) is None
    tokens: list[str] = []
    for _ in range(MOST_SESSIONS + 1):
        found = sessions.exchange(sessions.new_code(0.0, may_write=True)[1], 0.0)
        assert found is not None
        tokens.append(found[0])
    assert len(sessions) == MOST_SESSIONS
    assert sessions.of(tokens[0]) is None
    assert all(sessions.of(token) is not None for token in tokens[1:])


def test_a_proof_is_made_with_each_token_and_says_not_how_many_there_are() -> None:
    found = Sessions(lambda size: b"\7" * size)
    found._tokens[hashlib.sha256(b"a token of a tab").digest()] = Session(1, may_write=True)
    proofs = found.proofs("0123")
    # web/tests/proof.test.mjs has the same one
    assert "eb0783037118f70fa25bc6f74f92975c2d859dc276f0f249e1b8e50b5d1bbb21" in proofs
    assert len(proofs) == MOST_SESSIONS
    assert set(proofs).isdisjoint(set(found.proofs("0124")))
    assert len(Sessions(os.urandom).proofs("0123")) == MOST_SESSIONS
    assert proofs == sorted(proofs), "their order does not say whose they are"


def test_a_session_that_was_ended_is_none() -> None:
    sessions = _sessions()
    one, other = (sessions.exchange(sessions.new_code(0.0, may_write=True)[1], 0.0) for _ in range(2))
    assert one is not None
    assert other is not None
    sessions.end(one[1])
    assert sessions.of(one[0]) is None
    assert sessions.of(other[0]) == other[1]


def test_failed_attempts_are_answered_up_to_a_rate_and_what_is_right_is_not_kept_waiting() -> None:
    sessions = _sessions()
    _, code = sessions.new_code(0.0, may_write=True)
    told = [sessions.failed(10.0) for _ in range(1000)]
    assert told.count(False) == 20
    assert sum(1 for _ in _answered(sessions, until=20.0)) == 200
    assert sessions.exchange(code, 20.0) is not None


def _answered(sessions: Sessions, until: float) -> Iterator[float]:
    """When attempts were answered, of a hundred a second for ten seconds."""
    for step in range(1000):
        now = until - 10.0 + (step + 1) / 100
        if not sessions.failed(now):
            yield now

"""Requests to remove the past of files, and answers: what is signed, and what nobody can have signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import MessageFault
from yp2p.identity import EntryID, FolderID, Identity
from yp2p.protocol.messages import MAX_PURGE_REQUEST_BYTES
from yp2p.trust.purges import (
    MAX_ENTRIES,
    Outcome,
    Seen,
    in_requests,
    make_answer,
    make_request,
    read_answer,
    read_request,
    request_of,
)

FOLDER, OTHER_FOLDER = FolderID(b"f" * 16), FolderID(b"g" * 16)
ONE, OTHER = Identity(b"1" * 32), Identity(b"2" * 32)
_ENTRIES = st.dictionaries(
    st.binary(min_size=16, max_size=16).map(EntryID),
    st.builds(Seen, st.booleans(), st.binary(max_size=40)),
    min_size=1,
    max_size=5,
)
_REQUEST = make_request(ONE, FOLDER, b"r" * 16, {EntryID(b"e" * 16): Seen(True, b"\x00")})
_ANSWER = make_answer(ONE, FOLDER, b"r" * 16, Outcome.DONE)


@given(_ENTRIES, st.binary(min_size=16, max_size=16))
def test_what_was_signed_is_read(entries: dict[EntryID, Seen], request_id: bytes) -> None:
    made = make_request(ONE, FOLDER, request_id, entries)
    assert read_request(made.body, FOLDER) == made
    assert (made.issuer_id, made.entries) == (ONE.device_id, entries)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_answer_is_read_with_the_keys_of_whose_it_is(outcome: Outcome) -> None:
    made = make_answer(ONE, FOLDER, b"r" * 16, outcome)
    assert request_of(made.body) == (b"r" * 16, ONE.device_id)
    assert read_answer(made.body, FOLDER, ONE.public) == made
    for folder, device in ((OTHER_FOLDER, ONE), (FOLDER, OTHER)):
        with pytest.raises(MessageFault):
            read_answer(made.body, folder, device.public)


@given(st.integers(0, len(_REQUEST.body) - 1), st.integers(1, 255), st.integers(0, 150))
def test_a_request_that_was_changed_or_cut_is_nobodys(place: int, by: int, cut: int) -> None:
    changed = bytearray(_REQUEST.body)
    changed[place] ^= by
    for body in (bytes(changed), _REQUEST.body[:cut], _REQUEST.body + b"\x00"):
        with pytest.raises(MessageFault):
            read_request(body, FOLDER)
    with pytest.raises(MessageFault):
        read_request(_REQUEST.body, OTHER_FOLDER)


@given(st.integers(0, len(_ANSWER.body) - 1), st.integers(1, 255), st.integers(0, 120))
def test_an_answer_that_was_changed_or_cut_is_nobodys(place: int, by: int, cut: int) -> None:
    changed = bytearray(_ANSWER.body)
    changed[place] ^= by
    for body in (bytes(changed), _ANSWER.body[:cut], _ANSWER.body + b"\x00"):
        with pytest.raises(MessageFault):
            read_answer(body, FOLDER, ONE.public)


@given(st.binary(max_size=300))
def test_garbage_gives_only_our_errors(body: bytes) -> None:
    for read in (lambda: read_request(body, FOLDER), lambda: read_answer(body, FOLDER, ONE.public)):
        with pytest.raises(MessageFault):
            read()


def test_a_request_names_so_many_entries_and_has_so_many_bytes() -> None:
    many = {EntryID(number.to_bytes(16, "big")): Seen(True, b"\x00") for number in range(2 * MAX_ENTRIES + 1)}
    parts = list(in_requests(many))
    assert [len(part) for part in parts] == [MAX_ENTRIES, MAX_ENTRIES, 1]
    long = {EntryID(number.to_bytes(16, "big")): Seen(True, bytes(30_000)) for number in range(3)}
    too_long = {EntryID(b"x" * 16): Seen(True, bytes(MAX_PURGE_REQUEST_BYTES))}
    parts = list(in_requests(long | too_long))
    assert [len(part) for part in parts] == [2, 1]
    for part in parts:
        assert len(make_request(ONE, FOLDER, bytes(16), part).body) <= MAX_PURGE_REQUEST_BYTES
    assert not list(in_requests({}))

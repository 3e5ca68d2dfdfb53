"""Signed statements: what is read is what was signed, for this folder, in one way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.errors import MessageFault
from yp2p.identity import FolderID, Identity, PublicIdentity
from yp2p.trust.statements import (
    MAX_PREDECESSORS,
    Kind,
    Role,
    Signer,
    Statement,
    StatementHash,
    read_statement,
)

FOLDER = FolderID(b"f" * 16)
A, B = Identity(bytes([1]) * 32), Identity(bytes([2]) * 32)


def _granted(subject: PublicIdentity = B.public, issuer: Identity = A) -> Statement:
    return Signer(issuer, FOLDER).grant([StatementHash(bytes(32))], subject, Role.MEMBER, "b")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_statement_does_not_verify(position: int, change: int) -> None:
    data = bytearray(_granted().encode())
    assert read_statement(bytes(data), FOLDER) == _granted()
    data[position % len(data)] ^= change
    with pytest.raises(MessageFault):
        read_statement(bytes(data), FOLDER)


def test_a_statement_is_for_one_folder() -> None:
    with pytest.raises(MessageFault, match="another folder"):
        read_statement(_granted().encode(), FolderID(b"g" * 16))


def _resigned(kind: Kind, previous: Iterable[bytes], role: int) -> bytes:
    """A statement as somebody with a key can sign it, whatever it says."""
    unsigned = Statement(
        kind, FOLDER, A.public, tuple(map(StatementHash, previous)), B.public, cast(Role, role), "b", b""
    )
    return unsigned.body() + A.sign(b"yp2p membership v2" + unsigned.body())


@pytest.mark.parametrize(("kind", "role"), [(Kind.GRANT, 0), (Kind.GRANT, 4), (Kind.REMOVAL, 3), (Kind.REMOVAL, 200)])
def test_a_role_that_a_statement_cannot_have_is_refused(kind: Kind, role: int) -> None:
    with pytest.raises(MessageFault, match="role"):
        read_statement(_resigned(kind, (), role), FOLDER)


@pytest.mark.parametrize(
    "previous",
    [
        [b"b" * 32, b"a" * 32],
        [b"a" * 32, b"a" * 32],
        [number.to_bytes(32, "big") for number in range(MAX_PREDECESSORS + 1)],
    ],
    ids=["not in order", "twice", "too many"],
)
def test_predecessors_are_named_in_one_way(previous: list[bytes]) -> None:
    with pytest.raises(MessageFault, match="predecessors"):
        read_statement(_resigned(Kind.ACKNOWLEDGEMENT, previous, 0), FOLDER)


def test_each_kind_of_statement_is_read_as_it_was_signed() -> None:
    signer = Signer(A, FOLDER)
    for made in (
        signer.grant((), B.public, Role.READER, "é"),
        signer.remove([StatementHash(b"x" * 32)], B.public, Role.MEMBER),
        signer.acknowledge([StatementHash(b"y" * 32), StatementHash(b"x" * 32)]),
    ):
        assert read_statement(made.encode(), FOLDER) == made


_SMALL = PublicIdentity(A.public.signing_key, bytes(32)), PublicIdentity(b"\x01" + bytes(31), A.public.noise_key)


@pytest.mark.parametrize("weak", _SMALL)
def test_a_statement_about_a_key_without_an_owner_is_refused(weak: PublicIdentity) -> None:
    statement = _granted(weak)
    with pytest.raises(MessageFault, match="small order"):
        read_statement(statement.encode(), FOLDER)


def test_a_statement_by_a_key_without_an_owner_is_refused() -> None:
    """With R = A of small order and S = 0 every message verifies."""
    point = b"\x01" + bytes(31)
    issuer = PublicIdentity(point, A.public.noise_key)
    forged = Statement(Kind.GRANT, FOLDER, issuer, (), B.public, Role.MEMBER, "b", point + bytes(32))
    with pytest.raises(MessageFault, match="small order"):
        read_statement(forged.encode(), FOLDER)

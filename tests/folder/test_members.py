"""The statements of a folder: what is too much is nobody's fault, and all devices leave out the same."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from yp2p.folder.members import Membership, Removal
from yp2p.identity import FolderID, Identity
from yp2p.store import tables
from yp2p.store.database import Database, open_database
from yp2p.trust import membership
from yp2p.trust.membership import Role, sign_statement

FOLDER = FolderID(b"f" * 16)
FOUNDER, MEMBER, STRANGER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


def _statement(issuer: Identity, subject: Identity, role: Role, counter: int, name: str = "") -> bytes:
    return sign_statement(issuer, FOLDER, subject.public, role, counter, name).encode()


ROOM = (
    _statement(FOUNDER, FOUNDER, Role.ADMINISTRATOR, 1),
    _statement(FOUNDER, MEMBER, Role.MEMBER, 2, "laptop"),
)


def _run(test: Callable[[Callable[[], Membership], Database], Awaitable[None]]) -> None:
    async def run(base: Path) -> None:
        async with open_database(base / "store", make_room=False) as database:

            def open_membership() -> Membership:
                opened = Membership(FOLDER, FOUNDER.device_id, database)
                opened.add(ROOM)
                return opened

            await test(open_membership, database)

    with tempfile.TemporaryDirectory() as base:
        trio.run(run, Path(base))


@pytest.mark.parametrize("issuer", [STRANGER, MEMBER], ids=["a stranger", "a member"])
def test_two_that_were_told_too_much_agree_and_blame_nobody(monkeypatch: pytest.MonkeyPatch, issuer: Identity) -> None:
    monkeypatch.setattr(membership, "MAX_STATEMENTS", 40)
    monkeypatch.setattr(membership, "MAX_STATEMENTS_OF_ONE", 30)

    async def test(open_membership: Callable[[], Membership], database: Database) -> None:
        one, other = open_membership(), open_membership()
        one.add([_statement(issuer, issuer, Role.MEMBER, number) for number in range(10, 50)])
        other.add([_statement(issuer, issuer, Role.MEMBER, number) for number in range(50, 90)])
        one.add(other.statements())
        other.add(one.statements())
        assert one.digest() == other.digest()
        one.add([_statement(FOUNDER, STRANGER, Role.MEMBER, 5, "the next one")])
        assert STRANGER.device_id in one.members, "pairing goes on"

    _run(test)


def test_what_no_longer_counts_is_not_stored_either() -> None:
    async def test(open_membership: Callable[[], Membership], database: Database) -> None:
        one = open_membership()
        one.add(
            [
                _statement(MEMBER, MEMBER, Role.MEMBER, 1000 + number)
                for number in range(membership.MAX_STATEMENTS_OF_ONE)
            ]
        )
        one.add([_statement(MEMBER, MEMBER, Role.MEMBER, 10)])  # it goes first, and the last one goes
        await database.pending().wait()
        assert sorted(tables.statement.read_all(database.rows, FOLDER)) == list(one.statements())
        assert len(one.statements()) == len(ROOM) + membership.MAX_STATEMENTS_OF_ONE
        again = Membership(FOLDER, FOUNDER.device_id, database)
        again.load()
        assert again.digest() == one.digest()

    _run(test)


def test_who_is_removed_is_told_with_who_said_so() -> None:
    async def test(open_membership: Callable[[], Membership], database: Database) -> None:
        one, told = open_membership(), list[Removal]()
        one.on_removed = told.append
        removal = _statement(FOUNDER, MEMBER, Role.REMOVED, 7)
        one.add([removal])
        one.add([removal])
        assert told == [Removal(MEMBER.device_id, "laptop", FOUNDER.device_id)]

    _run(test)


def test_somebody_may_take_the_last_counter() -> None:
    async def test(open_membership: Callable[[], Membership], _: Database) -> None:
        one = open_membership()
        one.add([_statement(MEMBER, MEMBER, Role.MEMBER, (1 << 64) - 1, "last")])
        statement = _statement(FOUNDER, STRANGER, Role.MEMBER, one.next_counter(), "new")
        one.add([statement])
        assert STRANGER.device_id in one.members

    _run(test)


def test_what_a_peer_sends_is_checked_in_slices() -> None:
    async def test(open_membership: Callable[[], Membership], database: Database) -> None:
        one = open_membership()
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        said = [_statement(STRANGER, STRANGER, Role.MEMBER, number) for number in range(100)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            assert await one.receive(said) is None
            assert turns >= 5, "others had their turns"
            assert await one.receive([*said, _statement(FOUNDER, STRANGER, Role.MEMBER, 5)]) is not None
            nursery.cancel_scope.cancel()
        assert STRANGER.device_id in one.members

    _run(test)

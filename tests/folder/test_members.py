"""The statements of a folder: what is too much is nobody's fault, and what comes is acknowledged."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from room import FOLDER, Peer, evaluated, identity

from yp2p.errors import FolderError
from yp2p.folder import members, own_statements
from yp2p.folder.members import Membership, Removal
from yp2p.folder.notices import Notices
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import DeviceID
from yp2p.protocol import messages
from yp2p.store import tables
from yp2p.store.database import Database, open_database
from yp2p.trust import limits, recovery
from yp2p.trust.membership import Evaluation, Member, evaluate
from yp2p.trust.statements import Kind, Role, Signer, Statement, read_statement

Opened = Callable[[str], Awaitable[Membership]]


@asynccontextmanager
async def _store() -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory() as base:
        async with open_database(Path(base) / "store", make_room=False) as database:
            yield database


def _run(test: Callable[[Opened, Peer], Awaitable[None]]) -> None:
    """With the copies of devices of a room that `founder` founded, by their names."""

    async def run() -> None:
        founder = Peer.founder("founder")
        async with _store() as database:

            async def opened(name: str) -> Membership:
                copy = Membership(FOLDER, founder.identity.device_id, database, identity(name))
                await copy.receive(_bodies(founder))
                return copy

            await test(opened, founder)

    trio.run(run)


def _bodies(peer: Peer) -> list[bytes]:
    return [statement.encode() for statement in peer.known]


def _read(copy: Membership) -> list[Statement]:
    return [read_statement(body, FOLDER) for body in copy.statements()]


async def _exchange(*copies: Membership) -> None:
    for _ in range(3):
        for one in copies:
            for other in copies:
                await one.receive(other.statements())


@pytest.mark.parametrize("issuer", ["stranger", "member"])
def test_two_that_were_told_too_much_agree_and_blame_nobody(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS", 40)
    monkeypatch.setattr(limits, "MAX_STATEMENTS_OF_ONE", 30)

    async def test(opened: Opened, founder: Peer) -> None:
        member = Peer("member")
        founder.grant(member)
        one, other = await opened("founder"), await opened("other")
        known = set(founder.known)
        said = [Peer(issuer, known).grant(Peer(f"x {number}")).encode() for number in range(80)]
        await one.receive(said[:40])
        await other.receive(said[40:])
        await _exchange(one, other)
        assert one.digest() == other.digest()
        await OwnStatements(one).grant(identity("next").public, Role.MEMBER, "the next one")
        assert identity("next").device_id in one.members, "pairing goes on"

    _run(test)


def test_what_is_not_kept_is_not_stored_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENTS_OF_ONE", 10)

    async def test(opened: Opened, founder: Peer) -> None:
        async with _store() as database:
            founder.grant(member := Peer("member"))
            one = Membership(FOLDER, founder.identity.device_id, database)
            known = set(founder.known)
            await one.receive(
                [*_bodies(founder), *(Peer("member", known).grant(Peer(f"{n}")).encode() for n in range(60))]
            )
            await database.pending().wait()
            assert sorted(tables.statement.read_all(database.rows, FOLDER)) == sorted(one.statements())
            assert len(one.statements()) == len(founder.known) + 4 * 10
            again = Membership(FOLDER, founder.identity.device_id, database)
            await again.load()
            assert again.digest() == one.digest()
            assert member.identity.device_id in again.members

    _run(test)


def test_who_comes_and_who_is_removed_is_told_once_with_who_said_so() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        one, gone, come = await opened("other"), list[Removal](), list[Member]()
        one.on_removed, one.on_admitted = gone.append, come.append
        member = Peer("member")
        founder.grant(member, Role.MEMBER)
        await one.receive(_bodies(founder))
        founder.remove(member)
        await one.receive(_bodies(founder))
        await one.receive(_bodies(founder))
        assert [(found.name, found.role) for found in come] == [("member", Role.MEMBER)]
        assert gone == [Removal(member.identity.device_id, "member", founder.identity.device_id)]

    _run(test)


@pytest.mark.parametrize("before", [Role.READER, Role.REMOVED])
def test_whom_a_recovery_key_makes_an_administrator_is_told_on_the_other_devices(before: Role) -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        one, told, key = await opened("founder"), list[str](), identity("words")
        notices = Notices(one._database, FOLDER, DeviceID(identity("founder").device_id), lambda one_: "its name")
        notices.on_added = lambda notice: told.append(notice.text)
        await OwnStatements(one).grant(identity("member").public, Role.READER, "phone")
        await OwnStatements(one).grant(key.public, Role.ADMINISTRATOR, recovery.NAME)
        other = await opened("member")
        await other.receive(one.statements())
        if before is Role.REMOVED:
            await OwnStatements(one).remove(identity("member").device_id)
            await other.receive(one.statements())
        one.on_admitted, one.on_raised = notices.tell_admission, lambda before, member: notices.tell_raised(member)
        await OwnStatements(other).restore_right(key, "phone")
        for _ in range(2):
            await one.receive(other.statements())
        assert one.members[identity("member").device_id].role is Role.ADMINISTRATOR
        (text,) = told
        assert "its name" in text
        assert "'phone'" in text
        assert "administrator" in text

    _run(test)


@pytest.mark.parametrize("left", [Role.READER, Role.REMOVED])
def test_who_may_more_as_what_took_it_away_counts_no_more_is_told_as_that(left: Role) -> None:
    """Nobody made it an administrator now: whoever took that away was removed before that was heard of."""

    async def test(opened: Opened, founder: Peer) -> None:
        thief, phone = Peer("thief"), Peer("phone")
        founder.grant(thief)
        founder.grant(phone)
        one, told = await opened("other"), list[str]()
        notices = Notices(one._database, FOLDER, DeviceID(identity("other").device_id), one.name_of)
        notices.on_added = lambda notice: told.append(notice.text)
        one.on_admitted, one.on_restored = notices.tell_admission, notices.tell_restored
        one.on_raised = lambda before, member: notices.tell_raised(member)
        thief.remove(phone, left)
        await one.receive(_bodies(thief))
        assert phone.identity.device_id not in one.members or one.members[phone.identity.device_id].role is left
        founder.remove(thief)
        await one.receive(_bodies(founder))
        assert one.members[phone.identity.device_id].role is Role.ADMINISTRATOR
        (text,) = told
        assert "'phone'" in text
        assert "is an administrator of the folder again" in text
        assert "founder" not in text

    _run(test)


def test_a_removal_is_acknowledged_with_what_was_known_before_it() -> None:
    """What comes together with it is not made older by that."""

    async def test(opened: Opened, founder: Peer) -> None:
        thief, member, friend = Peer("thief"), Peer("member"), Peer("friend")
        founder.grant(thief)
        founder.grant(member)
        copy = await opened("member")
        thief.known |= founder.known
        founder.remove(thief)
        thief.grant(friend)
        await copy.receive([*_bodies(founder), *_bodies(friend)])
        made = [one for one in _read(copy) if one.issuer_id == member.identity.device_id]
        assert [one.kind for one in made].count(Kind.ACKNOWLEDGEMENT) == len(made) >= 1
        names = {found.name for found in copy.members.values()}
        assert names == {"founder", "member"}
        before = copy.statements()
        await copy.receive([*_bodies(founder), *_bodies(friend)])
        assert copy.statements() == before, "said once"

    _run(test)


def test_administrators_acknowledge_who_is_let_in_and_acknowledgements_are_not_acknowledged() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        for name, role in (("admin", Role.ADMINISTRATOR), ("member", Role.MEMBER)):
            founder.grant(Peer(name), role)
        copies = [await opened(name) for name in ("founder", "admin", "member")]
        founder.grant(Peer("new"), Role.MEMBER)
        for copy in copies:
            await copy.receive(_bodies(founder))
        for _ in range(3):
            await _exchange(*copies)
        assert len({copy.digest() for copy in copies}) == 1
        said = [one.issuer_id for one in _read(copies[0]) if one.kind is Kind.ACKNOWLEDGEMENT]
        assert said == [identity("admin").device_id]

    _run(test)


def test_a_device_that_may_not_says_so_and_changes_nothing() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        founder.grant(Peer("member"), Role.MEMBER)
        copy = await opened("member")
        for change in (
            lambda: OwnStatements(copy).grant(identity("x").public, Role.MEMBER, "x"),
            lambda: OwnStatements(copy).remove(founder.identity.device_id),
        ):
            with pytest.raises(FolderError, match=r"only an administrator.*'founder'"):
                await change()
        with pytest.raises(FolderError, match="no member"):
            await OwnStatements(copy).remove(identity("x").device_id)
        await OwnStatements(copy).remove(identity("member").device_id)
        assert identity("member").device_id not in copy.members, "it may leave"

    _run(test)


def test_a_device_that_has_a_folder_alone_stays_its_administrator_or_leaves() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        copy = await opened("founder")
        for role in (Role.MEMBER, Role.READER):
            with pytest.raises(FolderError, match="only administrator"):
                await OwnStatements(copy).remove(founder.identity.device_id, role)
        await OwnStatements(copy).remove(founder.identity.device_id)
        assert copy.members == {}

    _run(test)


def test_a_device_that_left_sees_who_has_heard_of_it() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        member = Peer("member")
        founder.grant(member, Role.ADMINISTRATOR)
        mine, theirs = await opened("founder"), await opened("member")
        assert not mine.has_left()
        await OwnStatements(mine).remove(founder.identity.device_id)
        assert mine.has_left()
        assert mine.heard_of_departure() == set()
        await theirs.receive(mine.statements())
        await mine.receive(theirs.statements())
        assert mine.heard_of_departure() == {member.identity.device_id}
        assert not theirs.has_left()
        assert theirs.heard_of_departure() == set()  # it did not leave

    _run(test)


def test_the_last_administrator_names_another_one_before_it_leaves() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        founder.grant(Peer("member"), Role.MEMBER)
        copy = await opened("founder")
        for role in (Role.REMOVED, Role.MEMBER):
            with pytest.raises(FolderError, match="only administrator"):
                await OwnStatements(copy).remove(founder.identity.device_id, role)
        await OwnStatements(copy).grant(identity("member").public, Role.ADMINISTRATOR, "member")
        await OwnStatements(copy).remove(founder.identity.device_id)
        assert {found.name: found.role for found in copy.members.values()} == {"member": Role.ADMINISTRATOR}

    _run(test)


def test_a_recovery_key_is_an_administrator_and_no_device() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        founder.grant(Peer("member"), Role.MEMBER)
        key = identity("on paper")
        copy = await opened("founder")
        await OwnStatements(copy).grant(key.public, Role.ADMINISTRATOR, recovery.NAME)
        await OwnStatements(copy).remove(identity("founder").device_id)
        member = Membership(FOLDER, founder.identity.device_id, copy._database, identity("member"))
        await member.receive(copy.statements())
        assert not member.may(Role.ADMINISTRATOR)
        assert key.device_id in member.members
        assert member.devices.keys() == {identity("member").device_id}
        with pytest.raises(FolderError, match="none of this folder"):
            await OwnStatements(member).restore_right(identity("another one"), "member")
        await OwnStatements(member).restore_right(key, "member")
        assert member.may(Role.ADMINISTRATOR)

    _run(test)


def test_our_own_statements_follow_each_other_however_many_heads_there_are() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        founder.grant(member := Peer("member"))
        known = set(founder.known)
        copy = await opened("founder")
        await copy.receive([Peer("member", known).grant(Peer(f"x {number}")).encode() for number in range(40)])
        await OwnStatements(copy).remove(member.identity.device_id)
        assert len(copy.members) == 1 + 40, "what the removal names stays"
        signer = Signer(identity("member"), FOLDER)
        await copy.receive(
            [signer.grant([one.hash for one in known][:1], identity("late").public, Role.MEMBER, "l").encode()]
        )
        assert len(copy.members) == 1 + 40

    _run(test)


def test_what_a_peer_sends_is_checked_in_slices() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        one = await opened("founder")
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        known = set(founder.known)
        said = [Peer("stranger", known).grant(Peer(f"x {number}")).encode() for number in range(100)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            assert await one.receive(said) is None
            assert turns >= 5, "others had their turns"
            founder.grant(Peer("stranger"))
            assert await one.receive([*said, *_bodies(founder)]) is not None
            nursery.cancel_scope.cancel()
        assert identity("stranger").device_id in one.members

    _run(test)


def test_who_is_a_member_follows_from_what_this_device_says_of_it_as_well() -> None:
    """Somebody whom a removed device had let in throws out its remover, dated back: that this device knew better counts
    at once."""

    async def test(opened: Opened, founder: Peer) -> None:
        thief, remover, member, friend = Peer("thief"), Peer("remover"), Peer("member"), Peer("friend")
        for peer in (thief, remover, member, friend):
            founder.grant(peer)
        copy = await opened("member")
        friend.known |= founder.known
        remover.known |= founder.known
        remover.remove(thief)
        await copy.receive(_bodies(remover))
        friend.remove(remover)
        await copy.receive(_bodies(friend))
        assert copy.members == evaluated(founder, _read(copy)).members
        assert thief.identity.device_id not in copy.members

    _run(test)


def test_no_administrator_makes_a_recovery_key_of_a_device_by_calling_it_so() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        founder.grant(Peer("member"), Role.MEMBER)
        copy = await opened("founder")
        await OwnStatements(copy).grant(identity("member").public, Role.ADMINISTRATOR, recovery.NAME)
        await OwnStatements(copy).grant(identity("words").public, Role.ADMINISTRATOR, recovery.NAME)
        assert set(copy.members) - set(copy.devices) == {identity("words").device_id}

    _run(test)


def test_statements_are_sent_in_parts_of_which_each_is_kept_with_what_came_before() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        one, other = await opened("founder"), await opened("other")
        signer, last = Signer(identity("founder"), FOLDER), next(iter(founder.known)).hash
        said: list[bytes] = []
        for number in range(250):
            for made in (
                signer.grant([last], identity(f"x {number}").public, Role.MEMBER, "x"),
                signer.remove([last], identity(f"x {number}").public, Role.READER),
                signer.acknowledge([last]),
            ):
                said.append(made.encode())
            last = made.hash
        await one.receive(said)
        parts = list(messages.Membership.parts(FOLDER, one.statements()))
        assert len(parts) == 2
        for number, part in enumerate(parts, 1):
            await other.receive(part.statements)
            assert len(other.statements()) == sum(len(sent.statements) for sent in parts[:number])
        assert other.digest() == one.digest()

    _run(test)


def test_what_this_device_says_while_much_is_worked_out_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its turn: who sends without end keeps nobody here from removing him."""
    monkeypatch.setattr(members, "_AT_ONCE", 0)

    async def test(opened: Opened, founder: Peer) -> None:
        one = await opened("founder")
        begun, go_on, order = trio.Event(), threading.Event(), list[str]()
        received = one._received

        def slow(*args: Any) -> Any:
            trio.from_thread.run_sync(begun.set)
            go_on.wait()
            return received(*args)

        async def say() -> None:
            await OwnStatements(one).grant(identity("meanwhile").public, Role.MEMBER, "meanwhile")
            order.append("said")

        async def take() -> None:
            await one.receive(_bodies(founder))
            order.append("taken")

        monkeypatch.setattr(one, "_received", slow)
        founder.grant(Peer("member"), Role.MEMBER)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await begun.wait()
            nursery.start_soon(say)
            await trio.testing.wait_all_tasks_blocked()
            founder.grant(Peer("later"), Role.MEMBER)
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        assert order[0] == "taken"
        names = {found.name for found in one.members.values()}
        assert names == {"founder", "member", "meanwhile", "later"}

    _run(test)


def test_a_second_beginning_by_who_has_the_founders_device_puts_nobody_out() -> None:
    """Once that device was removed it signs another branch, and a friend whom it lets in there removes it as well."""

    async def test(opened: Opened, founder: Peer) -> None:
        forged, friend = founder.fork(founder.known), Peer("friend")
        for name in ("a", "b"):
            founder.grant(Peer(name))
        a, b = await opened("a"), await opened("b")
        await OwnStatements(a).remove(founder.identity.device_id)
        await _exchange(a, b)
        forged.grant(friend)
        friend.remove(founder)
        await b.receive(_bodies(friend))
        await OwnStatements(b).grant(identity("late").public, Role.ADMINISTRATOR, "late")
        late = await opened("late")
        await _exchange(a, b, late)
        for copy in (a, b, late):
            assert {member.name for member in copy.members.values()} == {"a", "b", "late"}

    _run(test)


def test_nothing_of_what_follows_from_many_statements_is_worked_out_on_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = threading.get_ident()
    monkeypatch.setattr(members, "_AT_ONCE", 3)
    worked_out = list[bool]()

    def evaluated_in(founder: DeviceID, statements: Iterable[Statement], asking: DeviceID | None = None) -> Evaluation:
        found = list(statements)
        if len(found) > 3:
            worked_out.append(threading.get_ident() == loop)
        return evaluate(founder, found, asking)

    monkeypatch.setattr(members, "evaluate", evaluated_in)

    async def test(opened: Opened, founder: Peer) -> None:
        copy = await opened("founder")
        for name in ("a", "b", "c"):
            founder.grant(Peer(name))
        await copy.receive(_bodies(founder))
        say = OwnStatements(copy)
        await say.grant(identity("d").public, Role.ADMINISTRATOR, "d")
        await say.remove(identity("a").device_id)
        await say.replace(identity("b").device_id, identity("e").public, "e")
        await say.confirm_removal(identity("a").public)
        await say.restore_right(identity("c"), "founder")
        async with copy.alone:
            commit = copy.take(await say.departure())
        await commit.wait()
        assert {found.name for found in copy.members.values()} == {"c", "d", "e"}
        again = Membership(FOLDER, founder.identity.device_id, copy._database)
        await again.load()
        assert again.digest() == copy.digest()

    _run(test)
    assert len(worked_out) >= 8
    assert not any(worked_out)


@pytest.mark.parametrize("role", [Role.READER, Role.MEMBER, Role.ADMINISTRATOR])
@pytest.mark.parametrize("before", [None, Role.READER, Role.ADMINISTRATOR])
def test_a_device_takes_the_place_of_another_one_at_once(role: Role, before: Role | None) -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        old, new, founder_copy = identity("old"), identity("new"), await opened("founder")
        await OwnStatements(founder_copy).grant(old.public, role, "old")
        if before is not None:
            await OwnStatements(founder_copy).grant(new.public, before, "new")
        told = len(founder_copy.statements())
        await OwnStatements(founder_copy).replace(old.device_id, new.public, "its name")
        member = founder_copy.members[new.device_id]
        assert member.role is max(role, before or Role.REMOVED)
        assert member.name == ("new" if before is not None else "its name")
        assert old.device_id not in founder_copy.members
        assert len(founder_copy.statements()) - told == (1 if before is not None and before >= role else 2)
        copy = await opened("old")
        await copy.receive(founder_copy.statements())
        with pytest.raises(FolderError, match="only an administrator"):
            await OwnStatements(copy).replace(new.device_id, old.public, "old")

    _run(test)


def test_the_only_administrator_may_be_replaced_and_replace_itself() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        copy, new = await opened("founder"), identity("new")
        await OwnStatements(copy).grant(identity("member").public, Role.MEMBER, "member")
        await OwnStatements(copy).replace(founder.identity.device_id, new.public, "founder")
        assert copy.members[new.device_id].role is Role.ADMINISTRATOR
        assert founder.identity.device_id not in copy.members
        with pytest.raises(FolderError):
            await OwnStatements(copy).replace(new.device_id, founder.identity.public, "founder")

    _run(test)


def test_nothing_is_said_where_not_both_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        copy, old = await opened("founder"), identity("old")
        await OwnStatements(copy).grant(old.public, Role.MEMBER, "old")
        before = copy.statements()
        monkeypatch.setattr(
            own_statements, "kept", lambda founder, all_: {one.hash: one for one in list(all_)[: len(before)]}
        )
        with pytest.raises(FolderError, match="as many statements"):
            await OwnStatements(copy).replace(old.device_id, identity("new").public, "new")
        assert copy.statements() == before
        assert old.device_id in copy.members

    _run(test)


def test_who_was_removed_is_told_by_what_and_nothing_of_later() -> None:
    async def test(opened: Opened, founder: Peer) -> None:
        lost, later = Peer("lost"), Peer("later")
        founder.grant(lost)
        copy = await opened("founder")
        await OwnStatements(copy).remove(lost.identity.device_id)
        await OwnStatements(copy).grant(later.identity.public, Role.MEMBER, "later")
        told = [read_statement(body, FOLDER) for body in copy.about_removal(lost.identity.device_id)]
        assert Kind.REMOVAL in {statement.kind for statement in told}
        assert later.identity.device_id not in {statement.subject_id for statement in told}
        assert lost.identity.device_id not in evaluated(founder, told).members
        assert copy.about_removal(later.identity.device_id) == ()

    _run(test)

"""Invites: a token lets in as many machines as it was made for, as long as it is good, and is nothing afterwards."""

from __future__ import annotations

import string
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import open_bridge
from hypothesis import given
from hypothesis import strategies as st

from yp2p.discovery.addresses import Address
from yp2p.errors import HandshakeFailed, InviteRefused, NotShown, PairingError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import FolderID, Identity, PublicIdentity
from yp2p.pairing import invited, invites
from yp2p.pairing.exchange import Listed
from yp2p.pairing.invited import Invited
from yp2p.pairing.invites import InviteHost, Standing
from yp2p.pairing.joiner import Joined
from yp2p.pairing.standing import token_for, token_of
from yp2p.pairing.tokens import Token, is_token, parse_token
from yp2p.protocol.entries import Kind
from yp2p.protocol.wire import Writer
from yp2p.transport.dialer import connect
from yp2p.transport.handshake import Secured, initiate_invited
from yp2p.transport.listener import Listener, open_listeners
from yp2p.transport.secure import SecureMessages
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.statements import Role, Signer

OWN, MACHINE, OTHER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
TOKEN = Token(OWN.public.noise_key, bytes(range(20)))


@dataclass
class Room:
    folder: Folder
    host: InviteHost
    address: Address

    async def join(
        self, token: str | Token, by: Identity = MACHINE, name: str = "machine", limit_s: float = 5.0
    ) -> Joined:
        async def accept(joined: Joined) -> None:
            pass

        return await self.invited(token, by, name).join(accept, limit_s)

    def invited(self, token: str | Token, by: Identity = MACHINE, name: str = "machine") -> Invited:
        held = parse_token(token) if isinstance(token, str) else token
        return Invited(by, name, held, lambda: [self.address], trio.sleep_forever)

    def role(self, of: Identity) -> Role | None:
        member = self.folder.membership.members.get(of.device_id)
        return member.role if member is not None else None


@asynccontextmanager
async def _room(base: Path) -> AsyncIterator[Room]:
    async with open_bridge(base) as bridge, trio.open_nursery() as nursery:
        folder = bridge.folder
        folder.membership = Membership(folder.id, OWN.device_id, folder.database, OWN)
        await folder.membership.receive(
            [Signer(OWN, folder.id).grant((), OWN.public, Role.ADMINISTRATOR, "own").encode()]
        )
        host = InviteHost(OWN, "own", folder.database, {folder.id: folder})
        folder.membership.on_removed = partial(host.heard_of_removal, folder.id)

        async def pair(secured: object) -> None:
            await host.handle(secured)  # type: ignore[arg-type]

        async def nobody(*_: object) -> None:
            raise AssertionError("no device is known")

        listener = Listener(
            OWN, nobody, pair, is_known=lambda key: False, pairing_open=lambda: False, psk_of=host.psk_of
        )
        listeners = open_listeners(["127.0.0.1"], 0, 0).listeners
        nursery.start_soon(listener.serve, listeners)
        yield Room(folder, host, Address("127.0.0.1", listeners[0].socket.getsockname()[1]))
        nursery.cancel_scope.cancel()


def _run(test: Callable[[Room], Awaitable[None]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as base:
            async with _room(Path(base)) as room:
                await test(room)

    trio.run(run)


def test_a_machine_is_let_in_with_the_role_of_the_invite() -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        joined = await room.join(str(invite.token))
        assert room.role(MACHINE) is Role.MEMBER
        assert joined.sharer == OWN.public
        assert joined.grant.label == room.folder.label
        assert joined.grant.statements == room.folder.membership.statements()

    _run(test)


def test_who_holds_one_may_look_first_and_no_use_is_taken_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yp2p.pairing.listing.list_entries", lambda folder: [Listed("a", Kind.TEXT, bytes(32), 7)])

    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        for _ in range(2):
            shown = await room.invited(str(invite.token)).look(5.0)
            assert (shown.label, shown.name) == (room.folder.label, "own")
            assert [(entry.path, entry.size) for entry in shown.entries] == [("a", 7)]
            assert room.role(MACHINE) is None
        again = InviteHost(OWN, "own", room.folder.database, {})
        again.load()
        assert again.psk_of(invite.token.look_id) == invite.token.psk, "also after a restart"
        await room.join(str(invite.token))
        with pytest.raises(PairingError, match="used already"):
            await room.invited(str(invite.token), OTHER).look(5.0)
        room.host.forget(room.folder)
        assert room.host.psk_of(invite.token.look_id) is None

    _run(test)


def test_one_handshake_that_breaks_off_makes_nobody_older(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[bytes] = []

    async def breaks_off_once(stream: Any, identity: Any, inviter: Any, invite_id: bytes, psk: bytes) -> Secured:
        tries.append(invite_id)
        if len(tries) == 1:
            raise trio.BrokenResourceError("a glitch")
        return await initiate_invited(stream, identity, inviter, invite_id, psk)

    monkeypatch.setattr(invited, "initiate_invited", breaks_off_once)
    monkeypatch.setattr("yp2p.pairing.listing.list_entries", lambda folder: [Listed("a", Kind.TEXT, bytes(32), 7)])

    async def test(room: Room) -> None:
        token = (await room.host.make(room.folder, Role.MEMBER, 1, 60.0)).token
        with trio.fail_after(60):
            shown = await room.invited(token).look(30.0)
        assert [entry.path for entry in shown.entries] == ["a"]
        assert tries == [token.look_id, token.id, token.look_id]
        assert room.role(MACHINE) is None

    _run(test)


def test_a_folder_that_is_too_large_to_look_at_is_joined_without(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Listed(f"a{number}", Kind.TEXT, bytes(32), 7) for number in range(20)]
    monkeypatch.setattr("yp2p.pairing.listing.list_entries", lambda folder: many)
    monkeypatch.setattr("yp2p.pairing.listing.MAX_LISTED", 10)

    async def test(room: Room) -> None:
        token = (await room.host.make(room.folder, Role.MEMBER, 1, 60.0)).token
        with pytest.raises(NotShown, match="more than 10 entries"):
            await room.invited(token).look(30.0)
        await room.join(token, limit_s=30.0)
        assert room.role(MACHINE) is Role.MEMBER

    _run(test)


def test_a_list_that_takes_too_long_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(folder: Folder, name: str, messages: SecureMessages) -> None:
        await messages.send(Writer().text(folder.label).text(name).finish())
        await trio.sleep_forever()

    monkeypatch.setattr(invites, "show", slow)
    monkeypatch.setattr("yp2p.pairing.listing._LIST_LIMIT_S", 0.1)

    async def test(room: Room) -> None:
        token = (await room.host.make(room.folder, Role.MEMBER, 1, 60.0)).token
        with pytest.raises(NotShown, match=r"broke off while it said what .* has"):
            await room.invited(token).look(30.0)

    _run(test)


def test_an_older_yp2p_cannot_be_looked_at_and_lets_in_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def known_by_id_alone(host: InviteHost, invite_id: bytes) -> bytes | None:
        invite = host._invites.get(invite_id)
        return invite.token.psk if invite is not None else None

    monkeypatch.setattr(InviteHost, "psk_of", known_by_id_alone)

    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        invited = room.invited(str(invite.token))
        with trio.fail_after(30):
            with pytest.raises(NotShown, match="runs an older yp2p"):
                await invited.look(60.0)

        async def accept(joined: Joined) -> None:
            pass

        await invited.join(accept, 60.0)
        assert room.role(MACHINE) is Role.MEMBER

    _run(test)


def test_a_used_one_and_one_that_ran_out_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(room: Room) -> None:
        once = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        await room.join(str(once.token))
        with pytest.raises(PairingError, match="used already"):
            await room.join(str(once.token), OTHER)
        short = await room.host.make(room.folder, Role.MEMBER, 5, 60.0)
        now = invites.time.time()
        with monkeypatch.context() as later:
            later.setattr(invites.time, "time", lambda: now + 61)
            with pytest.raises(PairingError, match="ran out on"):
                await room.join(str(short.token), OTHER)
        assert room.role(OTHER) is None

    _run(test)


def test_as_many_are_let_in_as_it_was_made_for_also_at_once_and_after_a_restart() -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 3, 60.0)
        machines = [Identity(bytes([number]) * 32) for number in range(10, 15)]
        outcomes: list[bool] = []

        async def attempt(machine: Identity) -> None:
            try:
                await room.join(str(invite.token), machine)
                outcomes.append(True)
            except PairingError:
                outcomes.append(False)

        async with trio.open_nursery() as nursery:
            for machine in machines:
                nursery.start_soon(attempt, machine)
        assert sorted(outcomes) == [False, False, True, True, True]
        assert sum(room.role(machine) is not None for machine in machines) == 3
        again = InviteHost(OWN, "own", room.folder.database, {})
        again.load()
        assert again.psk_of(invite.token.id) == invite.token.psk, "it still says why not"

    _run(test)


def test_what_was_taken_back_lets_nobody_in_and_says_so() -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 3, 60.0)
        assert room.host.hint_keys() == [invite.token.hint_key]
        assert await room.host.revoke({FolderID(b"x" * 16)}) == 0, "of another folder"
        assert await room.host.revoke_all() == 1
        assert await room.host.revoke_all() == 0
        with pytest.raises(PairingError, match="was taken back"):
            await room.join(str(invite.token))
        again = InviteHost(OWN, "own", room.folder.database, {})
        again.load()
        kept = again._invites[invite.token.id]
        assert "was taken back" in kept.problem(0.0), "also after a restart"
        assert (kept.uses_left, kept.expires_at) == (0, invite.expires_at)

    _run(test)


def test_one_that_is_forgotten_while_it_is_used_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        handle = room.host.handle

        async def handle_later(secured: Secured) -> PublicIdentity | None:
            room.host._invites.clear()
            return await handle(secured)

        monkeypatch.setattr(room.host, "handle", handle_later)
        with pytest.raises(PairingError, match="forgotten meanwhile"):
            await room.join(str(invite.token))

    _run(test)


def test_who_holds_no_token_gets_no_byte() -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        for invite_id, psk in ((bytes(16), bytes(32)), (invite.token.id[:8], invite.token.psk)):
            async with await connect(room.address.host, room.address.port) as stream:
                with pytest.raises(HandshakeFailed, match="closed"):
                    await initiate_invited(stream, OTHER, OWN.public.noise_key, invite_id, psk)
        async with await connect(room.address.host, room.address.port) as stream:
            with pytest.raises(HandshakeFailed, match="does not authenticate"):
                await initiate_invited(stream, OTHER, OWN.public.noise_key, invite.token.id, bytes(32))
        assert room.role(OTHER) is None

    _run(test)


def test_a_device_that_may_let_nobody_in_honours_none() -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.MEMBER, 1, 60.0)
        membership = room.folder.membership
        await OwnStatements(membership).grant(OTHER.public, Role.ADMINISTRATOR, "other")
        await OwnStatements(membership).remove(OWN.device_id, Role.MEMBER)
        with pytest.raises(PairingError, match="may let nobody in"):
            await room.join(str(invite.token))
        assert room.role(MACHINE) is None

    _run(test)


@given(st.integers(0, 87), st.sampled_from(string.ascii_lowercase + "234567"))
def test_a_mistyped_token_is_noticed(place: int, character: str) -> None:
    text = str(TOKEN)
    at = len("yp2p-") + place
    changed = text[:at] + character + text[at + 1 :]
    if changed == text:
        assert parse_token(changed.upper()) == TOKEN
    else:
        with pytest.raises(UsageError):
            parse_token(changed)


@pytest.mark.parametrize("text", ["", "yp2p-", "yp2p-" + "a" * 87, "47-K7M-X2Q", "yp2p-" + "1" * 88])
def test_what_is_no_token_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match="no whole invite"):
        parse_token(text)
    assert is_token(text) is text.startswith("yp2p-")


def test_both_sides_of_the_settings_come_to_one_secret_and_nobody_else_does() -> None:
    token = token_for(OWN, MACHINE.public, "notes")
    assert token_of(MACHINE, OWN.public, "notes") == token
    others = [
        token_for(OWN, MACHINE.public, "other"), token_for(OWN, MACHINE.public, ""),
        token_for(MACHINE, OWN.public, "notes"), token_for(OWN, OTHER.public, "notes"),
        token_of(OTHER, OWN.public, "notes"),
    ]  # fmt: skip
    assert token.secret not in {other.secret for other in others}
    assert len({other.secret for other in others}) == 4, "the last two are one pair"


def _stand(room: Room) -> Token:
    """The settings let the machine in."""
    token = token_for(OWN, MACHINE.public, "")
    room.host.stand([Standing(token, MACHINE.public, room.folder.id)])
    return token


def test_whom_the_settings_name_fetches_the_folder_as_often_as_it_likes() -> None:
    async def test(room: Room) -> None:
        token = _stand(room)
        with pytest.raises(InviteRefused, match="may not"):  # it is no member yet: the settings did not let it in
            await room.join(token)
        await OwnStatements(room.folder.membership).grant(MACHINE.public, Role.MEMBER, "machine")
        before = room.folder.membership.statements()
        for _ in range(2):
            joined = await room.join(token_of(MACHINE, OWN.public, ""))
            assert joined.grant.statements == before
        assert room.host.hint_keys() == [token.hint_key]
        room.host.stand([])
        with pytest.raises(PairingError, match="no device in reach honours"):
            await room.join(token, limit_s=0.5)

    _run(test)


def test_the_secret_is_of_no_use_to_another_device() -> None:
    async def test(room: Room) -> None:
        token = _stand(room)
        await OwnStatements(room.folder.membership).grant(MACHINE.public, Role.MEMBER, "machine")
        await OwnStatements(room.folder.membership).grant(OTHER.public, Role.MEMBER, "other")
        with pytest.raises(InviteRefused, match="for another device"):
            await room.join(token, OTHER)

    _run(test)


def test_whom_a_person_removed_is_told_and_stays_out() -> None:
    async def test(room: Room) -> None:
        token, membership = _stand(room), room.folder.membership
        await OwnStatements(membership).grant(MACHINE.public, Role.MEMBER, "machine")
        await OwnStatements(membership).remove(MACHINE.device_id)
        before = membership.statements()
        with pytest.raises(InviteRefused, match="was removed from"):
            await room.join(token)
        assert membership.statements() == before

    _run(test)


def test_a_replayed_beginning_gets_one_message_and_changes_nothing() -> None:
    async def test(room: Room) -> None:
        token = _stand(room)
        await OwnStatements(room.folder.membership).grant(MACHINE.public, Role.MEMBER, "machine")
        ours, theirs = trio.testing.memory_stream_pair()
        async with theirs, trio.open_nursery() as nursery:
            nursery.start_soon(_fails_to_finish, ours, token)
            said = bytes(await theirs.receive_some())
            await theirs.aclose()
        before = room.folder.membership.statements()
        for _ in range(3):
            async with await connect(room.address.host, room.address.port) as stream:
                await stream.send_all(said)
                answer = await stream.receive_some()
                assert 0 < len(answer) < 200
                await stream.send_eof()
                assert await stream.receive_some() == b""
        assert room.folder.membership.statements() == before

    _run(test)


async def _fails_to_finish(stream: Any, token: Token) -> None:
    with pytest.raises(HandshakeFailed, match="closed"):
        await initiate_invited(stream, MACHINE, OWN.public.noise_key, token.id, token.psk)


@pytest.mark.parametrize("by", ["another administrator", "itself", "this device"])
def test_invites_are_taken_back_when_another_administrator_removes_a_member(by: str) -> None:
    """Whoever was removed may have one. What is removed here takes them back as well, where it is said."""

    async def test(room: Room) -> None:
        membership, say = room.folder.membership, OwnStatements(room.folder.membership)
        await say.grant(OTHER.public, Role.ADMINISTRATOR, "other")
        await say.grant(MACHINE.public, Role.MEMBER, "lost")
        invite = await room.host.make(room.folder, Role.MEMBER, 5, 60.0)
        if by == "this device":
            await say.remove(MACHINE.device_id)
        else:
            signer = Signer(OTHER if by == "another administrator" else MACHINE, room.folder.id)
            heads = sorted(Ancestry(membership._statements.values()).heads())
            commit = await membership.receive([signer.remove(heads, MACHINE.public, Role.REMOVED).encode()])
            assert commit is not None
            await commit.wait()
        assert room.role(MACHINE) is None
        if by == "another administrator":
            with pytest.raises(PairingError, match="was taken back"):
                await room.join(str(invite.token))
            again = InviteHost(OWN, "own", room.folder.database, {})
            again.load()
            assert "was taken back" in again._invites[invite.token.id].problem(0.0)
        else:
            await room.join(str(invite.token))
        assert (room.role(MACHINE) is None) is (by == "another administrator")

    _run(test)


@pytest.mark.parametrize("name", ["recovery key", " Recovery  KEY", "recovery\u200b key", "\uff52ecovery key"])
def test_no_machine_is_let_in_under_the_name_of_recovery_keys(name: str) -> None:
    async def test(room: Room) -> None:
        invite = await room.host.make(room.folder, Role.ADMINISTRATOR, 1, 60.0)
        with pytest.raises(PairingError, match="recovery keys are"):
            await room.join(str(invite.token), name=name)
        assert room.role(MACHINE) is None
        await room.join(str(invite.token), name="recovery")
        assert room.role(MACHINE) is Role.ADMINISTRATOR

    _run(test)

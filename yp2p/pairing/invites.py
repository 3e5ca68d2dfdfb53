"""Invites: a token that lets a machine in where no person can type a code.

A token holds the Noise key of the device that made it, and a secret of 20 random bytes. From the secret come the
invite's ID, the pre-shared key of the handshake, and the key of a hint by which only its holder recognises that device
over mDNS. The device that made it honours it, as often and as long as it was made for, by its own clock.

The handshake is Noise IKpsk2 with the ID as payload of its first message, which is encrypted for the device: whoever
does not hold the token gets no byte. Inside::

    joiner  -> inviter   signing key (32)  proof (64)  name
    inviter -> joiner    0  signing key (32)  proof (64), and a grant as in pairing; or 1 and the reason why not
    joiner  -> inviter   done

Whoever holds the token may look before joining: with another ID, which comes from the secret as well, everything is the
same up to the proofs, and then the inviter tells what the folder has (`listing.py`). No use is taken for that. A yp2p
that is older does not know this ID, and knows the other one: what it has cannot be looked at.

A use is written down before the grant goes out, so that no crash makes one use two. Tokens that are used up or have run
out are remembered for a while, to tell their holders.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import (
    FolderError,
    HandshakeFailed,
    InviteRefused,
    MessageFault,
    NotShown,
    PairingError,
    PeerFault,
    UsageError,
)
from yp2p.folder.folder import Folder
from yp2p.folder.members import Removal
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import KEY_BYTES, SIGNATURE_BYTES, FolderID, Identity, PublicIdentity
from yp2p.pairing.exchange import Grant
from yp2p.pairing.joiner import Joined
from yp2p.pairing.listing import Shown, receive_shown, show
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES, MAX_LABEL_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.transport.dialer import connect
from yp2p.transport.handshake import Secured, initiate_invited
from yp2p.transport.secure import MAX_GRANT_BYTES, SecureMessages
from yp2p.trust import recovery
from yp2p.trust.statements import Role

# Without a cap, a program that makes invites and never uses them would make every start and announcement longer.
MAX_INVITES = 64
MAX_USES = 1000
LONGEST_S = 365 * 86_400.0
_SECRET_BYTES, _CHECK_BYTES = 20, 2
_FORMAT = 1
_PREFIX = "yp2p-"
_TOKEN = re.compile(_PREFIX + r"[a-z2-7]{88}")
# Devices that are known share the hints of an announcement with them.
_MAX_ANNOUNCED = 16
# How long one that ended is remembered.
_REMEMBERED_S = 30 * 86_400.0
_RUN_LIMIT_S, _TRY_LIMIT_S = 20.0, 10.0
_WELCOME, _REFUSED = 0, 1
_DONE = b"done"
T = TypeVar("T")

log = structlog.get_logger()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"yp2p invite v1 " + purpose, "sha256")


@dataclass(frozen=True, slots=True)
class Token:
    """What is handed to the machine: `str` of it is what a person copies."""

    inviter: bytes  # its Noise key
    secret: bytes

    def __str__(self) -> str:
        body = bytes([_FORMAT]) + self.inviter + self.secret
        body += hashlib.sha256(body).digest()[:_CHECK_BYTES]
        return _PREFIX + base64.b32encode(body).decode().lower()

    def __repr__(self) -> str:
        return "Token(...)"

    @property
    def id(self) -> bytes:
        """16 bytes, which the inviter knows the invite by."""
        return _derived(self.secret, b"id")[:16]

    @property
    def look_id(self) -> bytes:
        """16 bytes by which the inviter knows it of somebody who wants to look, and not to join yet."""
        return _derived(self.secret, b"look")[:16]

    @property
    def psk(self) -> bytes:
        """The pre-shared key of the handshake, 32 bytes."""
        return _derived(self.secret, b"psk")

    @property
    def hint_key(self) -> bytes:
        """What the hint is made with that the inviter announces."""
        return _derived(self.secret, b"hint")


def is_token(text: str) -> bool:
    """Whether somebody meant a token, and no code."""
    return text.strip().lower().startswith(_PREFIX)


def parse_token(text: str) -> Token:
    """Raises UsageError: it is none."""
    bare = text.strip().lower()
    if not _TOKEN.fullmatch(bare):
        raise UsageError(
            f"this is no whole invite: that is {_PREFIX} and 88 letters and digits; copy all that `yp2p invite` prints"
        )
    try:
        data = base64.b32decode(bare.removeprefix(_PREFIX).upper())
    except binascii.Error:
        data = b""
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if hashlib.sha256(body).digest()[:_CHECK_BYTES] != check:
        raise UsageError("this invite is mistyped: its check characters do not match")
    if body[0] != _FORMAT:
        raise UsageError("this invite was made by a newer yp2p; install that version here")
    return Token(body[1 : 1 + KEY_BYTES], body[1 + KEY_BYTES :])


@dataclass(frozen=True, slots=True)
class Invite:
    """One invite of this device. Times are seconds since 1970."""

    token: Token
    folder: FolderID
    role: Role
    uses_left: int
    expires_at: float

    def problem(self, now: float) -> str:
        """Why it lets nobody in; empty where it does."""
        if not self.uses_left:
            return "it was used already, as often as it was made for"
        if now >= self.expires_at:
            return f"it ran out on {time.strftime('%Y-%m-%d at %H:%M', time.localtime(self.expires_at))}"
        return ""


@dataclass(frozen=True, slots=True)
class Standing:
    """An invite that the settings stand for (`standing.py`), for one device, which is a member by now."""

    token: Token
    joiner: PublicIdentity
    folder: FolderID


class InviteHost:
    """The invites of this device: makes them, and lets in who holds one.

    Attributes:
        changed: is set, and replaced, when there are others to announce.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        database: Database,
        folders: Mapping[FolderID, Folder],
    ) -> None:
        self._identity = identity
        self.name = name
        self._database = database
        self._folders = folders
        self.changed = trio.Event()
        self._invites: dict[bytes, Invite] = {}
        self._looks: dict[bytes, bytes] = {}  # the ID of an invite, by that of a look
        self._standing: dict[bytes, Standing] = {}

    def load(self) -> None:
        """Read what is stored; call once, before use."""
        for secret, folder, role, uses, expires_at in tables.invite.read_all(self._database.rows):
            token = Token(self._identity.public.noise_key, secret)
            self._add(Invite(token, FolderID(folder), Role(role), uses, expires_at))

    def _add(self, invite: Invite) -> None:
        self._invites[invite.token.id] = invite
        self._looks[invite.token.look_id] = invite.token.id

    def hint_keys(self) -> list[bytes]:
        """What the newest invites are announced with: those that are good, then others, to tell their holders."""
        now = time.time()
        newest = sorted(self._invites.values(), key=lambda invite: (bool(invite.problem(now)), -invite.expires_at))
        tokens = [*(invite.token for invite in newest), *(one.token for one in self._standing.values())]
        return [token.hint_key for token in tokens[:_MAX_ANNOUNCED]]

    def _touch(self) -> None:
        event, self.changed = self.changed, trio.Event()
        event.set()

    def psk_of(self, invite_id: bytes) -> bytes | None:
        """The pre-shared key of an invite, by its ID or that of a look; None where there is none."""
        invite_id = self._looks.get(invite_id, invite_id)
        invite = self._invites.get(invite_id) or self._standing.get(invite_id)
        return invite.token.psk if invite is not None else None

    def stand(self, invites: Iterable[Standing]) -> None:
        """Honour these from now on, of those that the settings stand for."""
        before, self._standing = self._standing, {invite.token.id: invite for invite in invites}
        if self._standing != before:
            self._touch()

    async def make(self, folder: Folder, role: Role, uses: int, lifetime_s: float) -> Invite:
        """Make an invite. Raises FolderError, UsageError: it cannot be made."""
        if not 1 <= uses <= MAX_USES:
            raise UsageError(f"an invite is good for 1 to {MAX_USES} uses, not {uses}")
        if not 1 <= lifetime_s <= LONGEST_S:
            raise UsageError(f"an invite is good for a second to a year, not {lifetime_s:.0f} s")
        OwnStatements(folder.membership).check_administrator()
        await self._forget_old()
        if len(self._invites) >= MAX_INVITES:
            raise FolderError(f"there are {MAX_INVITES} invites already; `yp2p invite --revoke-all` takes them back")
        token = Token(self._identity.public.noise_key, secrets.token_bytes(_SECRET_BYTES))
        invite = Invite(token, folder.id, role, uses, time.time() + lifetime_s)
        await self._save(invite)
        self._touch()
        return invite

    async def revoke_all(self) -> int:
        """Take back all invites that are still good; gives how many there were."""
        return await self.revoke({invite.folder for invite in self._invites.values()})

    async def revoke(self, folders: Collection[FolderID]) -> int:
        """Take back the invites to some folders: whoever was removed may have one."""
        now = time.time()
        good = [one for one in self._invites.values() if one.folder in folders and not one.problem(now)]
        for invite in good:
            await self._save(replace(invite, uses_left=0))
        self._touch()
        return len(good)

    def heard_of_removal(self, folder: FolderID, removal: Removal) -> None:
        """Take back the invites to a folder when another device removed a member: that may have one of them.

        In the commit of the removal. What is removed here takes them back with `revoke`, which counts them.
        """
        if removal.by in (None, removal.device, self._identity.device_id):
            return
        now = time.time()
        good = [one for one in self._invites.values() if one.folder == folder and not one.problem(now)]
        for invite in good:
            self._submit(replace(invite, uses_left=0))
        if good:
            log.warning(
                "invites_revoked", count=len(good), advice="another device removed a member, which may have one"
            )
            self._touch()

    def forget(self, folder: Folder) -> None:
        """A folder was left, and the store has forgotten its invites."""
        self._invites = {one: invite for one, invite in self._invites.items() if invite.folder != folder.id}
        self._looks = {look: one for look, one in self._looks.items() if one in self._invites}
        self._touch()

    async def _save(self, invite: Invite) -> None:
        await self._submit(invite).wait()

    def _submit(self, invite: Invite) -> Commit:
        self._add(invite)
        row = tables.invite.save(invite.token.secret, invite.folder, invite.role, invite.uses_left, invite.expires_at)
        return self._database.submit([row])

    async def _forget_old(self) -> None:
        now = time.time()
        old = [
            invite for invite in self._invites.values()
            if invite.problem(now) and (now > invite.expires_at + _REMEMBERED_S or len(self._invites) >= MAX_INVITES)
        ]  # fmt: skip
        for invite in old:
            del self._invites[invite.token.id]
            del self._looks[invite.token.look_id]
        if old:
            await self._database.submit([tables.invite.delete(invite.token.secret) for invite in old]).wait()

    async def handle(self, secured: Secured) -> PublicIdentity | None:
        """Let in who connected with an invite; gives the new member."""
        async with SecureMessages(secured) as messages:
            try:
                with trio.fail_after(_RUN_LIMIT_S):
                    return await self._let_in(secured, messages)
            except (PeerFault, FolderError, trio.TooSlowError, trio.BrokenResourceError) as error:
                log.info("invite_failed", reason=str(error) or "it took too long")
                return None

    async def _let_in(self, secured: Secured, messages: SecureMessages) -> PublicIdentity | None:
        reader = Reader(await messages.receive())
        peer = PublicIdentity.received(reader.raw(KEY_BYTES), secured.remote_noise_key)
        proof, name = reader.raw(SIGNATURE_BYTES), reader.text(MAX_DEVICE_NAME_BYTES)
        reader.end()
        if not secured.is_proved_by(peer, proof):
            raise MessageFault("a device did not prove its keys")
        try:
            if recovery.is_called_so(name):
                raise InviteRefused(f"no device can be called {name!r}: recovery keys are")
            looks_at = self._looks.get(secured.invite)
            if looks_at is None:
                folder = await self._admit(secured.invite, peer, name)
            else:
                folder = self._good(looks_at)[1]
        except InviteRefused as error:
            await messages.send(Writer().u8(_REFUSED).text(str(error)).finish())
            return None
        own = self._identity.public
        await messages.send(Writer().u8(_WELCOME).raw(own.signing_key).raw(secured.proof).finish())
        if looks_at is not None:
            await show(folder, self.name, messages)
            return None
        grant = Grant(folder.id, folder.membership.founder, folder.label, self.name, folder.membership.statements())
        await messages.send(grant.encode())
        log.info("device_invited", name=name, folder=folder.label)
        await messages.receive()
        return peer

    async def _admit(self, invite_id: bytes, peer: PublicIdentity, name: str) -> Folder:
        """Make who came with an invite a member. Raises InviteRefused: the text says why not."""
        if invite_id in self._standing:
            return self._standing_folder(self._standing[invite_id], peer)
        invite, folder = self._good(invite_id)
        await self._save(replace(invite, uses_left=invite.uses_left - 1))
        await OwnStatements(folder.membership).grant(peer, invite.role, name)
        folder.state.touch()
        self._touch()
        return folder

    def _good(self, invite_id: bytes) -> tuple[Invite, Folder]:
        """An invite that lets somebody in now, and where. Raises InviteRefused: the text says why it does not."""
        invite = self._invites.get(invite_id)
        folder = self._folders.get(invite.folder) if invite is not None else None
        problem = invite.problem(time.time()) if invite is not None else "it was forgotten meanwhile"
        if folder is None:
            problem = problem or "the folder is not here any more"
        elif not folder.membership.may(Role.ADMINISTRATOR):
            problem = "the device that made it may let nobody in any more"
        if problem or folder is None or invite is None:
            raise InviteRefused(problem)
        return invite, folder

    def _standing_folder(self, standing: Standing, peer: PublicIdentity) -> Folder:
        """The folder that a member fetches. Raises InviteRefused: it is none."""
        folder = self._folders.get(standing.folder)
        if folder is None or peer != standing.joiner:
            raise InviteRefused("it is for another device, or the folder is not here any more")
        membership = folder.membership
        if peer.device_id in membership.members:
            return folder
        if membership.was_removed(peer.device_id):
            raise InviteRefused(
                f"this device was removed from {folder.label!r}, and settings do not take that back; a person can, with"
                " `yp2p share` there and `yp2p join` here"
            )
        raise InviteRefused(f"nobody let this device into {folder.label!r}: the device that was asked may not")


_Take = Callable[[Secured, SecureMessages, Address], Awaitable[T]]


class Invited:
    """Joins with a token.

    Args:
        candidates: where the device that made it may be.
        wait_for_more: returns when there may be another place.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        token: Token,
        candidates: Callable[[], Iterable[Address]],
        wait_for_more: Callable[[], Awaitable[None]],
    ) -> None:
        self._identity = identity
        self.name = name
        self._token = token
        self._candidates = candidates
        self._wait_for_more = wait_for_more
        self._found: tuple[Secured, Address] | None = None
        self._reached = 0
        self._is_look = False
        self._is_older = False  # who was found: it cannot be looked at

    async def look(self, limit_s: float) -> Shown:
        """What the folder of the device that made the token has. No use is taken.

        Raises:
            NotShown: that yp2p is older, and does not say it, or the folder is too large. PairingError: as `join`.
        """

        async def take(secured: Secured, messages: SecureMessages, _: Address) -> Shown:
            if self._is_older:
                raise NotShown(
                    "the device that made this invite runs an older yp2p, which does not say what the folder has before"
                    " somebody joins"
                )
            await self._introduce(secured, messages)
            return await receive_shown(messages)

        self._is_look = True
        try:
            return await self._meet(take, limit_s)
        finally:
            self._is_look, self._found = False, None

    async def join(self, accept: Callable[[Joined], Awaitable[None]], limit_s: float) -> Joined:
        """Find the device that made the token, and be let in.

        Args:
            accept: stores what was granted before the other device is told that it worked.

        Raises:
            PairingError: it is not found, or refuses; the text says why.
        """

        async def take(secured: Secured, messages: SecureMessages, address: Address) -> Joined:
            inviter = await self._introduce(secured, messages)
            joined = Joined(Grant.decode(await messages.receive(MAX_GRANT_BYTES)), inviter, address)
            await accept(joined)
            await messages.send(_DONE)
            return joined

        return await self._meet(take, limit_s)

    async def _meet(self, take: _Take[T], limit_s: float) -> T:
        """Find the device that made the token, and let `take` do the rest. Raises PairingError."""
        with trio.move_on_after(limit_s):
            await self._search()
        if self._found is None:
            raise PairingError(self._why())
        secured, address = self._found
        try:
            async with SecureMessages(secured) as messages:
                with trio.fail_after(_RUN_LIMIT_S):
                    return await take(secured, messages, address)
        except (PeerFault, trio.BrokenResourceError, trio.TooSlowError) as error:
            reason = str(error) or "it did not answer in time"
            raise PairingError(f"the device that made the invite broke off ({reason}); try again") from error

    async def _search(self) -> None:
        tried: set[Address] = set()
        async with trio.open_nursery() as nursery:
            while True:
                for address in self._candidates():
                    if address not in tried:
                        tried.add(address)
                        nursery.start_soon(self._reach, address, nursery.cancel_scope)
                await self._wait_for_more()

    async def _reach(self, address: Address, scope: trio.CancelScope) -> None:
        """A handshake that only the device that made the token can finish."""
        looking = await self._handshake(address, self._token.look_id) if self._is_look else None
        secured = looking or await self._handshake(address, self._token.id)
        if secured is None:
            return
        if self._is_look and looking is None and self._found is None:
            # Who knows the one ID and not the other is older; one handshake can have broken off by chance.
            looking = await self._handshake(address, self._token.look_id)
            if looking is not None:
                secured.stream.socket.close()
                secured = looking
        if self._found is not None:  # no await since the handshake: one of its addresses is enough
            secured.stream.socket.close()
            return
        self._found, self._is_older = (secured, address), looking is None
        scope.cancel()

    async def _handshake(self, address: Address, invite_id: bytes) -> Secured | None:
        """None where there is nobody who knows this ID."""
        try:
            with trio.fail_after(_TRY_LIMIT_S):
                stream = await connect(address.host, address.port)
                self._reached += 1
                try:
                    return await initiate_invited(
                        stream, self._identity, self._token.inviter, invite_id, self._token.psk
                    )
                except BaseException:
                    stream.socket.close()
                    raise
        except (OSError, HandshakeFailed, trio.BrokenResourceError, trio.TooSlowError) as error:
            log.info("invite_failed", address=str(address), reason=str(error) or "it did not answer in time")
            return None

    async def _introduce(self, secured: Secured, messages: SecureMessages) -> PublicIdentity:
        """Say who we are. Raises PairingError: the invite is not good any more."""
        own = self._identity.public
        await messages.send(Writer().raw(own.signing_key).raw(secured.proof).text(self.name).finish())
        reader = Reader(await messages.receive())
        if reader.u8() != _WELCOME:
            raise InviteRefused(f"this invite lets nobody in: {reader.text(MAX_LABEL_BYTES)}")
        inviter = PublicIdentity.received(reader.raw(KEY_BYTES), secured.remote_noise_key)
        proof = reader.raw(SIGNATURE_BYTES)
        reader.end()
        if not secured.is_proved_by(inviter, proof):
            raise MessageFault("it did not prove its keys")
        return inviter

    def _why(self) -> str:
        if self._reached:
            return (
                "no device in reach honours this invite: the one that made it took it back long ago, or runs another"
                " version of yp2p"
            )
        return (
            "the device that made this invite was not found: is its daemon running, and is it on the same network?"
            " Where mDNS does not reach, say `--at HOST:PORT`"
        )

"""Invites: who holds a token is let in, where no person can type a code.

The device that made an invite honours it, as often and as long as it was made for, by its own clock. `tokens.py` has
what is handed over, `invited.py` the other side of the conversation.

The handshake is Noise IKpsk2 with the ID as payload of its first message, which is encrypted for the device: whoever
does not hold the token gets no byte. Inside::

    joiner  -> inviter   signing key (32)  proof (64)  name
    inviter -> joiner    0  signing key (32)  proof (64), and a grant as in pairing; or 1 and the reason why not
    joiner  -> inviter   done

Whoever holds the token may look before joining: with another ID, which comes from the secret as well, everything is the
same up to the proofs, and then the inviter tells what the folder has (`listing.py`). No use is taken for that. A yp2p
that is older does not know this ID, and knows the other one: what it has cannot be looked at.

A use is written down before the grant goes out, so that no crash makes one use two. Tokens that are used up, were taken
back or have run out are remembered for a while, to tell their holders which of these it is: "used up" would mean that
somebody else came with it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog
import trio

from yp2p.errors import FolderError, InviteRefused, MessageFault, PeerFault, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.members import Removal
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import KEY_BYTES, SIGNATURE_BYTES, FolderID, Identity, PublicIdentity
from yp2p.pairing.exchange import Grant
from yp2p.pairing.listing import show
from yp2p.pairing.tokens import Token, new_token
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.transport.handshake import Secured
from yp2p.transport.secure import SecureMessages
from yp2p.trust import recovery
from yp2p.trust.statements import Role

# Without a cap, a program that makes invites and never uses them would make every start and announcement longer.
MAX_INVITES = 64
MAX_USES = 1000
LONGEST_S = 365 * 86_400.0
# The first byte of the answer: let in, or why not.
WELCOME, _REFUSED = 0, 1
# Devices that are known share the hints of an announcement with them.
_MAX_ANNOUNCED = 16
# How long one that ended is remembered.
_REMEMBERED_S = 30 * 86_400.0
_RUN_LIMIT_S = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Invite:
    """One invite of this device. Times are seconds since 1970."""

    token: Token
    folder: FolderID
    role: Role
    uses_left: int
    expires_at: float
    is_taken_back: bool = False

    def problem(self, now: float) -> str:
        """Why it lets nobody in; empty where it does."""
        if self.is_taken_back:
            return "it was taken back on the device that made it"
        if not self.uses_left:
            return "it was used already, as often as it was made for"
        if now >= self.expires_at:
            return f"it ran out on {time.strftime('%Y-%m-%d at %H:%M', time.localtime(self.expires_at))}"
        return ""

    def taken_back(self) -> Invite:
        """The same, for nobody."""
        return replace(self, uses_left=0, is_taken_back=True)


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
            self._add(Invite(token, FolderID(folder), Role(role), uses, abs(expires_at), expires_at < 0))

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
        token = new_token(self._identity.public.noise_key)
        invite = Invite(token, folder.id, role, uses, time.time() + lifetime_s)
        await self._save(invite)
        self._touch()
        return invite

    async def revoke_all(self) -> int:
        """Take back all invites that are still good; gives how many there were."""
        return await self.revoke({invite.folder for invite in self._invites.values()})

    def count_good(self, folders: Collection[FolderID]) -> int:
        """How many invites to some folders let somebody in now."""
        return len(self._good_ones(folders))

    def _good_ones(self, folders: Collection[FolderID]) -> list[Invite]:
        now = time.time()
        return [one for one in self._invites.values() if one.folder in folders and not one.problem(now)]

    async def revoke(self, folders: Collection[FolderID]) -> int:
        """Take back the invites to some folders: whoever was removed may have one."""
        good = self._good_ones(folders)
        for invite in good:
            await self._save(invite.taken_back())
        self._touch()
        return len(good)

    def heard_of_removal(self, folder: FolderID, removal: Removal) -> None:
        """Take back the invites to a folder when another device removed a member: that may have one of them.

        In the commit of the removal. What is removed here takes them back with `revoke`, which counts them.
        """
        if removal.by in (None, removal.device, self._identity.device_id):
            return
        good = self._good_ones({folder})
        for invite in good:
            self._submit(invite.taken_back())
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
        expires_at = -invite.expires_at if invite.is_taken_back else invite.expires_at
        row = tables.invite.save(invite.token.secret, invite.folder, invite.role, invite.uses_left, expires_at)
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
        await messages.send(Writer().u8(WELCOME).raw(own.signing_key).raw(secured.proof).finish())
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

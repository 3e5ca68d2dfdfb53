"""Who holds the token of an invite: finds the device that made it, looks, and joins.

Any device in reach may be the one: a handshake with each of them is begun, and only the device that made the token can
finish it. The first that does is talked to; the conversation is that of `invites.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import HandshakeFailed, InviteRefused, MessageFault, NotShown, PairingError, PeerFault
from yp2p.identity import KEY_BYTES, SIGNATURE_BYTES, Identity, PublicIdentity
from yp2p.pairing.exchange import Grant
from yp2p.pairing.invites import WELCOME
from yp2p.pairing.joiner import Joined
from yp2p.pairing.listing import Shown, receive_shown
from yp2p.pairing.tokens import Token
from yp2p.protocol.messages import MAX_LABEL_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.transport.dialer import connect
from yp2p.transport.handshake import Secured, initiate_invited
from yp2p.transport.secure import MAX_GRANT_BYTES, SecureMessages

_RUN_LIMIT_S, _TRY_LIMIT_S = 20.0, 10.0
_DONE = b"done"
T = TypeVar("T")

log = structlog.get_logger()

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
        if reader.u8() != WELCOME:
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

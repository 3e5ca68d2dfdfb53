"""The handshake over a TCP stream.

The first byte on the wire names the handshake (pattern and major number) and is part of the prologue; every message
after it has its length (2 bytes) in front. For whoever accepts a connection, an IK handshake is complete only when the
first transport message of the initiator decrypts: message 1 alone can be a replay, so before that nothing is
counted, replaced or sent beyond message 2.

The Noise handshake proves the X25519 key of either side. A device has two keys, and anybody can name a device that has
the Noise key of another one. So each side also signs the handshake hash with its Ed25519 key; the signature is in its
Hello (`link.py`). A link is with the device whose both keys were proved.

Nothing is said to a key we do not know (invariant 11): the connection is closed without a byte.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import trio

from yp2p.errors import ConnectionEnded, HandshakeFailed, UnknownKey
from yp2p.identity import Identity, PublicIdentity
from yp2p.protocol.noise import IK, IK_PSK2, XX, HandshakeState, Pattern, Transport

# Programs that dial speak at once; who has not after this long only holds a place.
FIRST_MESSAGE_LIMIT_S = 2.0
HANDSHAKE_LIMIT_S = 10.0
# The longest handshake message (XX, second) has 96 bytes. A stranger gets no more of our memory than this.
MAX_HANDSHAKE_BYTES = 4096
_PROLOGUE = b"yp2p/"
_PROOF_CONTEXT = b"yp2p link v1"


class HandshakeType(IntEnum):
    """The first byte of a connection."""

    KNOWN = 0x11  # Noise_IK, major 1
    PAIRING = 0x21  # Noise_XX, major 1
    INVITED = 0x31  # Noise_IKpsk2, major 1


_PATTERNS: dict[HandshakeType, Pattern] = {
    HandshakeType.KNOWN: IK, HandshakeType.PAIRING: XX, HandshakeType.INVITED: IK_PSK2,
}  # fmt: skip
# The ID of an invite, the payload of the first message of who holds it.
INVITE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Secured:
    """A stream with the keys that were agreed on it.

    Attributes:
        proof: this device's signature over the handshake.
        invite: the ID of the invite that it was made with.
    """

    stream: trio.SocketStream
    transport: Transport
    remote_noise_key: bytes
    proof: bytes
    is_initiator: bool
    leftover: bytes = b""
    invite: bytes = b""

    def is_proved_by(self, keys: PublicIdentity, proof: bytes) -> bool:
        """Whether the device at the other end has these keys, both, as its `proof` (64 bytes) says."""
        signed = _signed(self.transport.handshake_hash, by_initiator=not self.is_initiator)
        return keys.noise_key == self.remote_noise_key and keys.verify(proof, signed)


class _Framed:
    """Length-prefixed handshake messages over a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self._stream.receive_some(MAX_HANDSHAKE_BYTES)
            if not data:
                raise ConnectionEnded("the connection was closed during the handshake")
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def receive(self) -> bytes:
        size = int.from_bytes(await self.take(2), "big")
        if size > MAX_HANDSHAKE_BYTES:
            raise HandshakeFailed(f"a handshake message of {size} bytes")
        return await self.take(size)

    async def send(self, message: bytes) -> None:
        await self._stream.send_all(len(message).to_bytes(2, "big") + message)

    def leftover(self) -> bytes:
        return bytes(self._buffer)


def _new_key() -> bytes:
    return secrets.token_bytes(32)


def _state(
    kind: HandshakeType,
    identity: Identity,
    *,
    initiator: bool,
    remote: bytes | None = None,
    psk: bytes | None = None,
) -> HandshakeState:
    return HandshakeState(
        _PATTERNS[kind],
        initiator=initiator,
        ephemeral=_new_key,
        static=identity.noise_private,
        remote_static=remote,
        prologue=_PROLOGUE + bytes([kind]),
        psk=psk,
    )


def _read(state: HandshakeState, message: bytes) -> None:
    """Take a handshake message. Raises HandshakeFailed: it is none, or it carries a payload."""
    payload = state.read_message(message)
    if payload:
        raise HandshakeFailed(f"a handshake message with a payload of {len(payload)} bytes, where there is none")


def _signed(handshake_hash: bytes, *, by_initiator: bool) -> bytes:
    """What a side signs: the hash covers both Noise keys and both fresh ones, so it is of this connection alone."""
    return _PROOF_CONTEXT + (b"i" if by_initiator else b"r") + handshake_hash


def _secured(
    stream: trio.SocketStream, framed: _Framed, state: HandshakeState, identity: Identity, *, initiator: bool
) -> Secured:
    transport = state.finish()
    if transport.remote_static is None:
        raise HandshakeFailed("the peer gave no static key")
    proof = identity.sign(_signed(transport.handshake_hash, by_initiator=initiator))
    return Secured(stream, transport, transport.remote_static, proof, initiator, framed.leftover())


async def initiate(stream: trio.SocketStream, identity: Identity, remote_noise_key: bytes) -> Secured:
    """Run IK as the one who dials a device it knows. Raises HandshakeFailed, trio.BrokenResourceError."""
    framed = _Framed(stream)
    state = _state(HandshakeType.KNOWN, identity, initiator=True, remote=remote_noise_key)
    message = state.write_message()
    await stream.send_all(bytes([HandshakeType.KNOWN]) + len(message).to_bytes(2, "big") + message)
    _read(state, await framed.receive())
    return _secured(stream, framed, state, identity, initiator=True)


async def initiate_pairing(stream: trio.SocketStream, identity: Identity) -> Secured:
    """Run XX as the one who joins. Raises HandshakeFailed, trio.BrokenResourceError."""
    framed = _Framed(stream)
    state = _state(HandshakeType.PAIRING, identity, initiator=True)
    message = state.write_message()
    await stream.send_all(bytes([HandshakeType.PAIRING]) + len(message).to_bytes(2, "big") + message)
    _read(state, await framed.receive())
    await framed.send(state.write_message())
    return _secured(stream, framed, state, identity, initiator=True)


async def initiate_invited(
    stream: trio.SocketStream, identity: Identity, remote_noise_key: bytes, invite: bytes, psk: bytes
) -> Secured:
    """Run IKpsk2 as the holder of an invite. Raises HandshakeFailed, trio.BrokenResourceError.

    Args:
        invite: its ID, which goes out encrypted for the device that made it; `psk` is its key.
    """
    framed = _Framed(stream)
    state = _state(HandshakeType.INVITED, identity, initiator=True, remote=remote_noise_key, psk=psk)
    message = state.write_message(invite)
    await stream.send_all(bytes([HandshakeType.INVITED]) + len(message).to_bytes(2, "big") + message)
    _read(state, await framed.receive())
    return _secured(stream, framed, state, identity, initiator=True)


async def respond(
    stream: trio.SocketStream,
    identity: Identity,
    *,
    is_known: Callable[[bytes], bool],
    pairing_open: Callable[[], bool],
    psk_of: Callable[[bytes], bytes | None] = lambda invite: None,
    heard: Callable[[], None] = lambda: None,
) -> tuple[HandshakeType, Secured]:
    """Answer whoever connected.

    Args:
        is_known: whether a Noise key belongs to a device that may connect.
        pairing_open: whether a pairing window is open now.
        psk_of: the pre-shared key of an invite by its ID; None where there is no such invite.
        heard: is told when the first message is here whole.

    Raises:
        HandshakeFailed: not for us, not known, or not in a pairing window. Nothing was sent then.
    """
    framed = _Framed(stream)
    first = (await framed.take(1))[0]
    if first == HandshakeType.KNOWN:
        state = _state(HandshakeType.KNOWN, identity, initiator=False)
        message = await framed.receive()
        heard()
        _read(state, message)
        if state.remote_static is None or not is_known(state.remote_static):
            raise UnknownKey(state.remote_static or b"")
        await framed.send(state.write_message())
        return HandshakeType.KNOWN, _secured(stream, framed, state, identity, initiator=False)
    if first == HandshakeType.PAIRING and pairing_open():
        state = _state(HandshakeType.PAIRING, identity, initiator=False)
        message = await framed.receive()
        heard()
        _read(state, message)
        await framed.send(state.write_message())
        _read(state, await framed.receive())
        return HandshakeType.PAIRING, _secured(stream, framed, state, identity, initiator=False)
    if first == HandshakeType.INVITED:
        state = _state(HandshakeType.INVITED, identity, initiator=False)
        message = await framed.receive()
        heard()
        invite = state.read_message(message)
        psk = psk_of(invite) if len(invite) == INVITE_ID_BYTES else None
        if psk is None:
            raise HandshakeFailed("an invite that is not known")
        state.use_psk(psk)
        await framed.send(state.write_message())
        return HandshakeType.INVITED, replace(_secured(stream, framed, state, identity, initiator=False), invite=invite)
    raise HandshakeFailed(f"a handshake of type {first:#04x} that is not welcome now")

"""Dialling: which address next, how long to wait, and one attempt."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from yp2p.errors import HandshakeFailed
from yp2p.identity import Identity
from yp2p.transport.handshake import HANDSHAKE_LIMIT_S, Secured, initiate
from yp2p.transport.link import keep_alive

CONNECT_LIMIT_S = 4.0
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt: doubles, with jitter so that two ends do not keep colliding."""

    failures: int = 0

    def failed(self) -> Backoff:
        return Backoff(self.failures + 1)

    def delay_s(self, random: float) -> float:
        """The wait, for a random number from 0 to 1: half of it is fixed, half is jitter."""
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self.failures, 16))
        return longest * (0.5 + 0.5 * random)


async def connect(host: str, port: int) -> trio.SocketStream:
    """Open a TCP connection. Raises OSError."""
    try:
        with trio.fail_after(CONNECT_LIMIT_S):
            return await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise OSError(f"no answer from {host} port {port}") from None


async def dial(host: str, port: int, identity: Identity, noise_key: bytes) -> Secured:
    """Connect to a device we know and run the handshake.

    Raises:
        OSError: it cannot be reached there, or something else answers.
    """
    stream = await connect(host, port)
    try:
        keep_alive(stream)
        with trio.fail_after(HANDSHAKE_LIMIT_S):
            return await initiate(stream, identity, noise_key)
    except (HandshakeFailed, trio.BrokenResourceError, trio.TooSlowError) as error:
        await trio.aclose_forcefully(stream)
        raise OSError(f"not the device we look for: {error}") from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise

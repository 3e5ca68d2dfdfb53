"""Dialling: which address next, how long to wait, and one attempt."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import trio

from yp2p.errors import ConnectionEnded, HandshakeFailed
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


class Outcome(IntEnum):
    """How an attempt to reach a device ended. Of several attempts the larger one says more about the device."""

    NO_NAME = 0  # the name of the host means nothing here
    NO_WAY = 1  # this machine has no way to such an address
    NOT_ALLOWED = 2  # a firewall on this machine, or a rule of its routes, lets nothing out there
    NO_ANSWER = 3  # nothing came back: the machine is off, or a firewall drops what is sent to the port
    REFUSED = 4  # the machine answers: nothing listens on the port, or a firewall says so
    SILENT = 5  # something listens, and said nothing
    SOMETHING_ELSE = 6  # what answered does not have the key that was looked for
    CUT_OFF = 7  # the device is there, and ended the connection before a link was up
    NOT_KNOWN = 8  # yp2p closes the connection without a byte for whom it does not know


class NotReached(OSError):
    """A device cannot be reached at an address, or is not there; `outcome` says in which way."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


_NO_WAY = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


def outcome_of(error: BaseException) -> Outcome:
    """What a failed attempt says of the place."""
    if isinstance(error, NotReached):
        return error.outcome
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
    if errno.ECONNREFUSED in numbers:
        return Outcome.REFUSED
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Outcome.NO_NAME
    if numbers & {errno.EPERM, errno.EACCES}:
        return Outcome.NOT_ALLOWED
    if numbers & _NO_WAY:
        return Outcome.NO_WAY
    return Outcome.NO_ANSWER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from: trio gives the errors of several addresses as a group."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__


async def connect(host: str, port: int) -> trio.SocketStream:
    """Open a TCP connection. Raises OSError."""
    try:
        with trio.fail_after(CONNECT_LIMIT_S):
            return await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise NotReached(Outcome.NO_ANSWER, f"no answer from {host} port {port}") from None
    except UnicodeError:  # nobody can be asked for it: two dots in a row, or a part that is too long
        raise NotReached(Outcome.NO_NAME, f"{host!r} is the name of no host") from None


async def dial(host: str, port: int, identity: Identity, noise_key: bytes) -> Secured:
    """Connect to a device we know and run the handshake.

    Raises:
        OSError: it cannot be reached there, or something else answers.
    """
    return await dial_over(await connect(host, port), identity, noise_key, HANDSHAKE_LIMIT_S)


async def dial_over(stream: trio.SocketStream, identity: Identity, noise_key: bytes, limit_s: float) -> Secured:
    """Run the handshake with a device we know on an open connection, which is closed if that fails. Raises OSError."""
    try:
        keep_alive(stream)
        with trio.fail_after(limit_s):
            return await initiate(stream, identity, noise_key)
    except (HandshakeFailed, trio.BrokenResourceError, trio.TooSlowError) as error:
        await trio.aclose_forcefully(stream)
        raise NotReached(_of_handshake(error), f"not the device we look for: {error}") from error
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


def _of_handshake(error: BaseException) -> Outcome:
    if isinstance(error, trio.TooSlowError):
        return Outcome.SILENT
    if isinstance(error, ConnectionEnded | trio.BrokenResourceError):
        return Outcome.NOT_KNOWN
    return Outcome.SOMETHING_ELSE

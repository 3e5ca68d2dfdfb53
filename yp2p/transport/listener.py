"""Accepting connections, within limits that a stranger cannot use up for others."""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
import trio

from yp2p.errors import ListenError, PeerFault, UnknownKey, YpError, first_of
from yp2p.identity import Identity
from yp2p.machine import Patience
from yp2p.transport.half_open import HalfOpen, Place
from yp2p.transport.handshake import (
    FIRST_MESSAGE_LIMIT_S,
    HANDSHAKE_LIMIT_S,
    HandshakeType,
    Secured,
    respond,
)
from yp2p.transport.link import Link, LinkClosed, confirm, keep_alive
from yp2p.transport.refusals import Refusals

log = structlog.get_logger()

_BACKLOG = 64
# An address that no interface has may come with a boot, a cable or a network: a look costs nothing.
_ADDRESS_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
NO_INTERFACE = "no interface has it: it is listened on as soon as one has; see [listen] address"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind((host, port) if family == socket.AF_INET else socket.getaddrinfo(host, port)[0][4])
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_everywhere(port: int) -> list[socket.socket]:
    try:
        return [_listen("::", port)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        return [_listen("0.0.0.0", port)]


@dataclass(frozen=True, slots=True)
class Listening:
    """What is listened on, and the addresses that no interface has yet: those at the same port, once one has."""

    listeners: list[trio.SocketListener]
    missing: list[str]
    port: int


def _listen_on(addresses: Sequence[str], port: int) -> Listening:
    """Raises OSError, UnicodeError."""
    missing: list[str] = []
    if not addresses or list(addresses) == ["*"]:
        sockets = _listen_everywhere(port)
    else:
        sockets = []
        for address in addresses:
            try:
                sockets.append(_listen(address, sockets[0].getsockname()[1] if sockets else port))
            except (OSError, UnicodeError) as error:  # of a text that is no address
                if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
                    missing.append(address)
                    continue
                for sock in sockets:
                    sock.close()
                raise
    listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in sockets]
    return Listening(listeners, missing, sockets[0].getsockname()[1] if sockets else port)


def _listen_anywhere(addresses: Sequence[str], default_port: int) -> Listening:
    """The same, at any free port where the default one is taken."""
    try:
        return _listen_on(addresses, default_port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return _listen_on(addresses, 0)


def open_listeners(addresses: Sequence[str], port: int, default_port: int) -> Listening:
    """Bind the listening sockets. An address may come later: at a boot, or with a network that is joined.

    Args:
        addresses: IP addresses; none means all.
        port: 0 takes `default_port`, or any free port where that is taken.

    Raises:
        ListenError: with the setting that would help.
    """
    try:
        return _listen_anywhere(addresses, default_port) if port == 0 else _listen_on(addresses, port)
    except UnicodeError as error:
        raise ListenError(
            f"cannot listen on {', '.join(addresses)}: that is no address; see [listen] address (YP2P_LISTEN__ADDRESS)"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"port {port} is in use by another program; choose another one with [listen] port "
                "or YP2P_LISTEN__PORT (0 takes any free port)"
            ) from error
        raise ListenError(
            f"cannot listen on {', '.join(addresses) or 'any address'} port {port}: {error.strerror}; "
            "see [listen] address (YP2P_LISTEN__ADDRESS)"
        ) from error


class Listener:
    """Runs the handshakes of incoming connections.

    Args:
        serve_known: takes the link of a device that is known, once its Hello proved the handshake.
        pair: takes a connection inside a pairing window, or with an invite; as long as that runs it is half-open.
        psk_of: the pre-shared key of an invite by its ID.
        is_known_host: whether a known device was at an address.
    """

    def __init__(
        self,
        identity: Identity,
        serve_known: Callable[[Secured, Link], Awaitable[None]],
        pair: Callable[[Secured], Awaitable[None]],
        *,
        is_known: Callable[[bytes], bool],
        pairing_open: Callable[[], bool],
        psk_of: Callable[[bytes], bytes | None] = lambda invite: None,
        is_known_host: Callable[[str], bool] = lambda host: False,
    ) -> None:
        self._identity = identity
        self._serve_known = serve_known
        self._pair = pair
        self._is_known = is_known
        self._pairing_open = pairing_open
        self._psk_of = psk_of
        self._is_known_host = is_known_host
        self._half_open = HalfOpen()
        self.refusals = Refusals()

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Accept until cancelled."""
        if listeners:
            await trio.serve_listeners(self._connection, listeners)

    async def serve_missing(self, listening: Listening) -> None:
        """Listen on the addresses that no interface had at the start once one has, and accept; until cancelled."""
        if listening.missing:
            log.warning("address_missing", addresses=list(listening.missing), advice=NO_INTERFACE)
        patience = Patience(_ADDRESS_RETRY_S, _LONGEST_RETRY_S)
        async with trio.open_nursery() as nursery:
            while listening.missing:
                await trio.sleep(patience.next_s())
                for address in list(listening.missing):
                    with suppress(OSError):
                        sock = _listen(address, listening.port)
                        listening.missing.remove(address)
                        log.info("address_found", address=address, port=listening.port)
                        found = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
                        nursery.start_soon(self.serve, [found])

    async def _connection(self, stream: trio.SocketStream) -> None:
        """Serve whoever connected. The last catch: what is wrong with one connection is wrong with no other."""
        try:
            await self._serve(stream)
        except* PeerFault as fault:
            self.refusals.note(str(first_of(fault)))
        except* YpError:
            raise  # the store's
        except* Exception:
            log.exception("connection_failed")

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            host = str(stream.socket.getpeername()[0])
        except OSError:
            return
        confirmed: tuple[Secured, Link] | None = None
        with trio.CancelScope() as scope:
            place = self._half_open.take(host, scope.cancel, is_known=self._is_known_host(host))
            if place is None:
                self.refusals.note("too many half-open connections")
                return
            try:
                confirmed = await self._authenticate(stream, place)
            finally:
                self._half_open.leave(place)
        if scope.cancelled_caught:
            self.refusals.note("its place went to another one: too many half-open connections")
        elif confirmed is not None:
            await self._serve_known(*confirmed)

    async def _authenticate(self, stream: trio.SocketStream, place: Place) -> tuple[Secured, Link] | None:
        """The handshake, and what proves it: the peer's Hello, or the whole of a pairing. Half-open until then."""
        try:
            keep_alive(stream)
            with trio.fail_after(FIRST_MESSAGE_LIMIT_S) as limit:

                def heard() -> None:
                    place.has_spoken = True
                    limit.deadline += HANDSHAKE_LIMIT_S

                kind, secured = await respond(
                    stream,
                    self._identity,
                    is_known=self._is_known,
                    pairing_open=self._pairing_open,
                    psk_of=self._psk_of,
                    heard=heard,
                )
                if kind is HandshakeType.KNOWN:
                    return secured, await confirm(secured)
                limit.deadline = math.inf  # pairing has a limit of its own
            await self._pair(secured)
        except UnknownKey as unknown:
            self.refusals.note_unknown(unknown.key, place.source)
        except (PeerFault, LinkClosed, trio.TooSlowError) as error:
            self.refusals.note(str(error) or "it took too long")
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            self.refusals.note("the connection broke")
        return None

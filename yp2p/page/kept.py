"""Keeps the port of an open page while the daemon is started anew, so that its tabs go on.

Theory of operation
    A daemon is started anew by an update, after a fault, or because its key is another one. What listens at the port of
    its page is then kept open: by this process, where that goes on, and by the supervisor, where it keeps open files
    for its services (systemd's file descriptor store). So nobody else can have the number in between, browsers that
    connect meanwhile wait, and the opening of the page is one. With the port are kept the digests of the tokens that
    are good at it, in a file that is in memory alone.

    Where nothing keeps the port it goes with the process, and with it the tokens. The number is not asked for again: of
    who has it in between may stay what a browser keeps of a page for its address, such as a service worker, and that
    would have the next page of this address in its hands.

Invariants
    * What is taken up was never let go of: the port was open all the time since a person opened the page.
    * It is taken up within the time that nobody has to use the page until it closes, counted through the restart.
    * A page that was closed leaves nothing, wherever it was kept: nobody listens at its port from then on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from yp2p.page.sessions import Session

# Names of what is kept, for a supervisor.
PORT, TOKENS = "yp2p-page", "yp2p-page-tokens"
_HOST = "127.0.0.1"
_DIGEST_BYTES = 32
_MAX_BYTES = 64 << 10

log = structlog.get_logger()


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    digest: bytes
    number: int
    may_write: bool


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    used_at: float
    tokens: list[_Token]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An opening of an earlier run; nobody has used it for so long."""

    sock: socket.socket
    tokens: Mapping[bytes, Session]
    unused_s: float


class Keeper:
    """Keeps the port of one page.

    Args:
        store: has a supervisor keep an open file under a name.
        unstore: it needs not any more.
        stored: what it kept for an earlier run.
    """

    def __init__(
        self,
        store: Callable[[str, int], None] = lambda name, descriptor: None,
        unstore: Callable[[str], None] = lambda name: None,
        stored: Mapping[str, int] | None = None,
    ) -> None:
        self._store = store
        self._unstore = unstore
        self._sock: socket.socket | None = None
        self._memory: int | None = None
        if stored:
            self._take_stored(stored)

    def _take_stored(self, stored: Mapping[str, int]) -> None:
        for name, descriptor in stored.items():
            try:
                if name == PORT:
                    self._sock = socket.socket(fileno=descriptor)
                elif name == TOKENS:
                    self._memory = descriptor
                else:
                    os.close(descriptor)
            except OSError:
                os.close(descriptor)  # no socket

    def hold(self, sock: socket.socket) -> None:
        """Keep this port from now on, at which no token is good yet."""
        self.forget()
        self._sock = sock.dup()
        self._memory = os.memfd_create(TOKENS)
        self.save({})
        self._store(PORT, self._sock.fileno())
        self._store(TOKENS, self._memory)

    def save(self, tokens: Mapping[bytes, Session]) -> None:
        """These tokens are good at it, and it is used now."""
        self._write([_Token(digest, one.number, one.may_write) for digest, one in tokens.items()], 0.0)

    def used(self, unused_s: float) -> None:
        """It was used so long ago."""
        record = self._read()
        if record is not None:
            self._write(record.tokens, unused_s)

    def _write(self, tokens: list[_Token], unused_s: float) -> None:
        if self._memory is not None:
            data = msgspec.msgpack.encode(_Record(_now() - unused_s, tokens))
            os.ftruncate(self._memory, 0)
            os.pwrite(self._memory, data, 0)

    def _read(self) -> _Record | None:
        if self._memory is None:
            return None
        with suppress(OSError, msgspec.DecodeError):
            found = msgspec.msgpack.decode(os.pread(self._memory, _MAX_BYTES, 0), type=_Record)
            if all(len(one.digest) == _DIGEST_BYTES for one in found.tokens):
                return found
        return None

    def take(self, idle_s: float) -> Earlier | None:
        """What was kept, if it was used within this time; else nothing is kept any more."""
        record, sock = self._read(), self._sock
        if record is not None and sock is not None and _is_ours(sock):
            unused_s = _now() - record.used_at
            if 0 <= unused_s < idle_s:
                tokens = {one.digest: Session(one.number, one.may_write) for one in record.tokens}
                return Earlier(sock.dup(), tokens, unused_s)
        self.forget()
        return None

    def forget(self) -> None:
        """The page is closed: nobody listens there any more, whoever keeps it."""
        if self._sock is None and self._memory is None:
            return
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        if self._memory is not None:
            with suppress(OSError):
                os.ftruncate(self._memory, 0)
        self.close()
        for name in (PORT, TOKENS):
            self._unstore(name)

    def close(self) -> None:
        """This process ends; what a supervisor has it keeps."""
        if self._sock is not None:
            self._sock.close()
        if self._memory is not None:
            os.close(self._memory)
        self._sock = self._memory = None


def _now() -> float:
    """Of this boot, also while the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_ours(sock: socket.socket) -> bool:
    """Whether it listens at the loopback interface."""
    try:
        is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return sock.family == socket.AF_INET and bool(is_listening) and sock.getsockname()[0] == _HOST
    except OSError:
        return False

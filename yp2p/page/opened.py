"""The page while it is open: its port, its sessions and files, and the connections to it.

Invariants
    * When it was closed there is no port, no connection, no secret and no file of it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Protocol

import trio

from yp2p.control.routes import Finder, Routes
from yp2p.control.server import Connection
from yp2p.page import assets
from yp2p.page.sessions import Session, Sessions

HOST = "127.0.0.1"


class HasSession(Protocol):
    """Whoever is at the other end of a connection.

    Attributes:
        session: whose token was shown on it.
    """

    session: Session | None


class OpenedPage:
    """The page while it is open.

    Attributes:
        used_at: when somebody with a token asked last.
        visitors: the connection of each, the oldest first.
        changed: is set, and another one from then on, when a code was exchanged.
    """

    def __init__(
        self, sock: socket.socket, sessions: Sessions, files: Mapping[str, assets.File], unused_s: float = 0.0
    ) -> None:
        self.port = int(sock.getsockname()[1])
        self.address = f"{HOST}:{self.port}"
        self.listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        self.sessions = sessions
        self.files: Finder = Routes(assets.routes(files, self.address))
        self.used_at = trio.current_time() - unused_s
        self.visitors: dict[HasSession, Connection] = {}
        self.scope = trio.CancelScope()
        self.changed = trio.Event()

    def known(self) -> list[HasSession]:
        """The connections on which a token was shown."""
        return [one for one in self.visitors if one.session is not None]

    def end_others(self) -> None:
        """End the connections whose session is no more."""
        for visitor, connection in list(self.visitors.items()):
            if visitor.session is not None and not self.sessions.has(visitor.session):
                connection.end()

    def close(self) -> None:
        """There is no port, no connection, no secret and no file of it any more."""
        self.scope.cancel()
        self.listener.socket.close()
        self.sessions, self.files = Sessions(lambda size: b""), Routes([])
        for connection in list(self.visitors.values()):
            connection.end()

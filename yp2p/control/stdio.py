"""Standard input and output as one end of a link: what comes goes to the daemon's port, and what it says goes out."""

from __future__ import annotations

import os
import socket
import threading

from yp2p.errors import NotRunning

_READ_BYTES = 1 << 16
_CONNECT_LIMIT_S = 5.0


def carry(addresses: list[str], port: int) -> None:
    """Carry bytes between standard input and output and the daemon that listens there, until one end is closed.

    Raises:
        NotRunning: nobody answers at any of these addresses.
    """
    with _connect(addresses, port) as daemon:
        threading.Thread(target=_send, args=(daemon,), daemon=True).start()
        while data := daemon.recv(_READ_BYTES):
            _write(data)


def _connect(addresses: list[str], port: int) -> socket.socket:
    for address in addresses:
        try:
            found = socket.create_connection((address, port), _CONNECT_LIMIT_S)
        except OSError:
            continue
        found.settimeout(None)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found
    raise NotRunning(f"the daemon does not answer on port {port} at {', '.join(addresses)}; see [listen] address")


def _send(daemon: socket.socket) -> None:
    try:
        while data := os.read(0, _READ_BYTES):
            daemon.sendall(data)
        daemon.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has gone; whoever reads from it ends


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]

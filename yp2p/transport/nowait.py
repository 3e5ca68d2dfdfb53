"""Sending and receiving without waiting for a task to wake."""

from __future__ import annotations

import os

import trio


def write_nowait(stream: trio.SocketStream, data: bytes) -> int:
    """How many of the bytes the kernel takes now; none also of a broken stream: whoever sends the rest is told.

    Nobody may be in `stream.send_all` meanwhile.
    """
    try:
        return os.write(stream.socket.fileno(), data)
    except OSError:
        return 0


def read_nowait(stream: trio.SocketStream, limit: int) -> bytes:
    """What has arrived, at most so many bytes; nothing also of a broken or ended stream: whoever reads on is told.

    Nobody may be in `stream.receive_some` meanwhile.
    """
    try:
        return os.read(stream.socket.fileno(), limit)
    except OSError:
        return b""

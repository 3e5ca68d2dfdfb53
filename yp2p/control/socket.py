"""The control socket's place in the file system.

A Unix socket's path has at most 107 bytes, and homes may be deep. So both ends go through a descriptor of the
directory, which makes the path short whatever the directory is called.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path


def bind_control_socket(path: Path) -> socket.socket:
    """Listen at `path`, for this user only. Whoever holds the lock of the home may replace a left-over socket."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    mask = os.umask(0o177)
    try:
        sock.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.umask(mask)
        os.close(directory)
    sock.listen(16)
    return sock


def connect_control_socket(path: Path, timeout_s: float | None) -> socket.socket:
    """Connect to a daemon. Raises OSError when none listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.settimeout(timeout_s)
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            sock.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except OSError:
        sock.close()
        raise
    return sock

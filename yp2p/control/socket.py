"""The control socket's place in the file system.

A Unix socket's path has at most 107 bytes, and homes may be deep. So both ends go through a descriptor of the
directory, which makes the path short whatever the directory is called.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Mapping
from pathlib import Path

NAME = "control.sock"
LOCK = "lock"
# A process ID and a path.
_LOCK_BYTES = 8192


def lock_text(socket_path: Path) -> bytes:
    """What a daemon writes into the lock of its home: its process ID, and where it answers."""
    return f"{os.getpid()}\n".encode() + os.fsencode(socket_path) + b"\n"


def open_lock(path: Path, owner: int | None = None) -> int | None:
    """A descriptor for reading a lock, or None: there is none, or what is there is no lock.

    Root looks at the locks of persons, who may put anything in the place: neither a pipe nor a device keeps it waiting,
    no link leads it elsewhere, and a file of somebody else is not read.

    Args:
        owner: whose file it is, or else this process's; None where that is not known.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and (owner is None or found.st_uid in (owner, os.geteuid())):
        return descriptor
    os.close(descriptor)
    return None


def read_lock(path: Path) -> tuple[str, Path | None]:
    """The process ID that a lock holds, and the socket; the lock may be left from a daemon that is no more."""
    descriptor = open_lock(path)
    if descriptor is None:
        return "", None
    try:
        return read_open_lock(descriptor)
    finally:
        os.close(descriptor)


def read_open_lock(descriptor: int) -> tuple[str, Path | None]:
    """The same, of a lock that is open."""
    try:
        lines = os.pread(descriptor, _LOCK_BYTES, 0).split(b"\n")
    except OSError:
        return "", None
    pid = lines[0].decode("ascii", "replace").strip()
    return pid, Path(os.fsdecode(lines[1])) if len(lines) > 2 and lines[1].startswith(b"/") else None


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:  # somebody else's
        return False


def find_control_socket(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon of this home answers, or would.

    The lock of the home names it, because a daemon may have been started with another environment: by systemd, by cron,
    after `su`. The rules are those of `yp2p.config`, without the time that it takes to import it.
    """
    home = environment.get("YP2P_HOME")
    if home:
        state = runtime = Path(os.path.abspath(os.path.expanduser(home)))
    else:
        state = Path(environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")) / "yp2p"
        runtime_home = environment.get("XDG_RUNTIME_DIR")
        runtime = Path(runtime_home) / "yp2p" if runtime_home else state
    _, named = read_lock(state / LOCK)
    return named if named is not None and _is_socket(named) else runtime / NAME


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


def daemon_at(path: Path) -> int | None:
    """The process that listens there, as the kernel says; None: it cannot be told."""
    try:
        with connect_control_socket(path, 1.0) as connection:
            (process,) = struct.unpack_from("i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return None
    return process or None

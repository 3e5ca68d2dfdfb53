"""Reading a file so that what is read is one version of it.

A file is read under a read lease (fcntl(2), F_SETLEASE): the kernel grants it only while nobody has the file open
for writing, which is exactly when its content is whole. Where leases are not to be had (another owner, some file
systems) the status before and after must agree. A file is text when it is UTF-8 without NUL and not too long.

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from yp2p.files.root import Root

# A file changed this shortly before we looked may change again within the same tick of the clock.
RACY_NS = 20_000_000
_SIGNED_64 = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one version of a file from another without reading it."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return cls(*(number & _SIGNED_64 for number in numbers))  # what the store can hold


NO_STAMP = Stamp(0, 0, 0, 0)


class Found(Enum):
    """What is at a path."""

    MISSING = auto()
    UNCHANGED = auto()
    TEXT = auto()
    NOT_TEXT = auto()
    TOO_BIG = auto()
    OTHER = auto()
    BUSY = auto()
    DENIED = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a path. `text` and `content` (SHA-256) only for TEXT; `reason` for people."""

    path: str
    found: Found
    stamp: Stamp = NO_STAMP
    text: str = ""
    content: bytes = b""
    executable: bool = False
    reason: str = ""
    has_nul: bool = False


def decode(data: bytes) -> str | None:
    """The text of a file, or None when it is not text."""
    if b"\x00" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


class Busy(Exception):
    """Somebody has the file open for writing."""


@contextmanager
def read_lease(descriptor: int) -> Iterator[None]:
    """Hold a read lease where the file system and the owner allow one. Raises Busy."""
    held = False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        held = True
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise Busy from None
    try:
        yield
    finally:
        if held:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def read_whole(descriptor: int, size: int) -> bytes:
    """Up to `size` + 1 bytes from the start: one more than expected shows that the file grew."""
    parts: list[bytes] = []
    at = 0
    while at <= size:
        part = os.pread(descriptor, size + 1 - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _is_racy(stamp: Stamp) -> bool:
    return time.time_ns() - max(stamp.mtime_ns, stamp.ctime_ns) < RACY_NS


def inspect(root: Root, path: str, known: Stamp | None, max_text_bytes: int, *, trust_stamp: bool) -> Finding:
    """Look at one path.

    Args:
        known: the stamp at which our base was taken, or None.
        trust_stamp: whether an equal stamp is enough to call the file unchanged even when it changed just now.
    """
    try:
        descriptor = root.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return _not_opened(root, path, error)
    try:
        status = os.fstat(descriptor)
        stamp = Stamp.of(status)
        if not stat.S_ISREG(status.st_mode):
            return Finding(path, Found.OTHER, stamp, reason="not a regular file")
        if stamp == known and (trust_stamp or not _is_racy(stamp)):
            return Finding(path, Found.UNCHANGED, stamp)
        if status.st_size > max_text_bytes:
            return Finding(path, Found.TOO_BIG, stamp, reason=f"{status.st_size} bytes, too big for text")
        with read_lease(descriptor):
            stamp = Stamp.of(os.fstat(descriptor))
            data = read_whole(descriptor, stamp.size)
            after = Stamp.of(os.fstat(descriptor))
        if after != stamp or len(data) != stamp.size:
            return Finding(path, Found.BUSY, stamp, reason="it is being written")
        text = decode(data)
        if text is None:
            return Finding(path, Found.NOT_TEXT, stamp, reason="not UTF-8 text", has_nul=b"\x00" in data)
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Finding(path, Found.TEXT, stamp, text, hashlib.sha256(data).digest(), executable)
    except Busy:
        return Finding(path, Found.BUSY, stamp, reason="another program has it open for writing")
    finally:
        os.close(descriptor)


def _not_opened(root: Root, path: str, error: OSError) -> Finding:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Finding(path, Found.MISSING)
    if error.errno in (errno.EACCES, errno.EPERM):
        return Finding(path, Found.DENIED, reason="permission denied")
    try:
        status = root.lstat(path)
    except OSError as failure:
        return Finding(path, Found.DENIED, reason=failure.strerror or str(failure))
    if status is None:
        return Finding(path, Found.MISSING)
    return Finding(path, Found.OTHER, Stamp.of(status), reason="not a regular file")


def inspect_all(root: Root, paths: Iterable[tuple[str, Stamp | None, bool]], max_text_bytes: int) -> list[Finding]:
    """`inspect` for many paths in one go: path, known stamp, whether to trust it."""
    return [inspect(root, path, known, max_text_bytes, trust_stamp=trust) for path, known, trust in paths]

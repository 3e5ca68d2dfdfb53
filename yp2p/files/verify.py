"""Reading a file only to find out whether it still holds what it is known to hold: bit rot changes bytes, and no stamp.

Theory of operation
    The stamp of a file (inode, size, times) tells that nobody has written to it. A file whose stamp is the known one
    and whose bytes are others was damaged by its disk, its controller or its cable. Only what was read from the disk
    says so: the page cache may have the good bytes for weeks, so what it holds of the file is dropped first, and again
    afterwards, as nobody else needs it.

    A file that a program has open for writing, or has mapped, can change without its stamp: of such a file nothing is
    said. A read lease tells (fcntl(2), F_SETLEASE); where none is to be had (another owner, some file systems) a
    difference is seen, but not certain.

    A long file is read in steps of `STEP_BYTES`, so that whoever reads can rest between them. No lease is held
    meanwhile: nobody who wants to write waits for us.

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from yp2p.files.inspect import Stamp
from yp2p.files.root import Root, reopen_file
from yp2p.protocol.blobs import CHUNK_BYTES, blob_hash, chunk_hash
from yp2p.protocol.entries import Kind, symlink_hash

STEP_BYTES = 4 * CHUNK_BYTES


class Look(Enum):
    """What came of reading a file."""

    READ = auto()  # `content` is what it holds
    CHANGED = auto()  # its stamp is another one: it was saved, and that is to be taken as a save
    MISSING = auto()
    BUSY = auto()  # a program has it open for writing
    UNREADABLE = auto()  # the disk does not give it; `reason` says why


@dataclass(frozen=True, slots=True)
class Held:
    """What a file holds: the hash of its content, as its kind has it.

    `is_certain`: nobody can have written to it while it was read.
    """

    look: Look
    content: bytes = b""
    is_certain: bool = False
    reason: str = ""


def held(root: Root, path: str, stamp: Stamp, kind: Kind) -> Held:
    """What the file at a path holds, read from the disk in one go."""
    steps = reading(root, path, stamp, kind)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Held = done.value
            return found


def reading(root: Root, path: str, stamp: Stamp, kind: Kind) -> Generator[int, None, Held]:
    """The same in steps: gives after each how many bytes were read, and in the end (`StopIteration.value`) a `Held`."""
    if kind is Kind.SYMLINK:
        return _read_link(root, path, stamp)
    return _read_file(root, path, stamp, kind)


def _read_link(root: Root, path: str, stamp: Stamp) -> Generator[int, None, Held]:
    yield 0
    try:
        status, target = root.lstat(path), root.read_link(path)
    except OSError as error:
        return Held(Look.UNREADABLE, reason=error.strerror or str(error))
    if status is None:
        return Held(Look.MISSING)
    if Stamp.of(status) != stamp or target is None:
        return Held(Look.CHANGED)
    return Held(Look.READ, symlink_hash(target), is_certain=True)


def _read_file(root: Root, path: str, stamp: Stamp, kind: Kind) -> Generator[int, None, Held]:
    try:
        descriptor = _open(root, path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Held(Look.MISSING)
        if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            return Held(Look.CHANGED)
        busy = error.errno == errno.EAGAIN
        return Held(Look.BUSY if busy else Look.UNREADABLE, reason=error.strerror or str(error))
    try:
        if Stamp.of(os.fstat(descriptor)) != stamp:
            return Held(Look.CHANGED)
        before = _is_quiet(descriptor)
        content = yield from _hashed(descriptor, stamp.size, kind)
        after = _is_quiet(descriptor)
        if before is False or after is False:
            return Held(Look.BUSY, reason="a program has it open for writing")
        if Stamp.of(os.fstat(descriptor)) != stamp:
            return Held(Look.CHANGED)
        return Held(Look.READ, content, is_certain=bool(before and after))
    except OSError as error:
        return Held(Look.UNREADABLE, reason=error.strerror or str(error))
    finally:
        os.close(descriptor)


def _open(root: Root, path: str) -> int:
    """Open a file without that it looks read (`disk/ingest/read_tracker.py`), where it is ours. Raises OSError."""
    found = root.open(path, os.O_PATH)
    try:
        try:
            return reopen_file(found, path, os.O_RDONLY | os.O_NOATIME)
        except PermissionError:
            return reopen_file(found, path, os.O_RDONLY)
    finally:
        os.close(found)


def _is_quiet(descriptor: int) -> bool | None:
    """Whether no program has a file open for writing; None where that cannot be told."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return False if error.errno == errno.EAGAIN else None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def _hashed(descriptor: int, size: int, kind: Kind) -> Generator[int, None, bytes]:
    """Read a file from the disk in steps; gives in the end the hash of what it holds. Raises OSError."""
    whole, chunks = hashlib.sha256(), []
    _drop_cache(descriptor)
    at = 0
    while at < size:
        unyielded = 0
        while at < size and unyielded < STEP_BYTES:
            data = _read_at(descriptor, at, min(CHUNK_BYTES, size - at))
            if not data:
                break
            if kind is Kind.BLOB:
                chunks.append(chunk_hash(data))
            else:
                whole.update(data)
            at, unyielded = at + len(data), unyielded + len(data)
        if not unyielded:
            break  # it is shorter by now: its stamp tells
        _drop_cache(descriptor)
        yield unyielded
    return blob_hash(at, chunks) if kind is Kind.BLOB else whole.digest()


def _read_at(descriptor: int, at: int, size: int) -> bytes:
    data = os.pread(descriptor, size, at)
    while len(data) < size and (more := os.pread(descriptor, size - len(data), at + len(data))):
        data += more
    return data


def _drop_cache(descriptor: int) -> None:
    with suppress(OSError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

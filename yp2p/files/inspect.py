"""Reading a file so that what is read is one version of it.

A file is read under a read lease (fcntl(2), F_SETLEASE): the kernel grants it only while nobody has the file open
for writing, which is exactly when its content is whole. Where leases are not to be had (another owner, some file
systems), and where a program keeps the file open and has not written to it for some time (`quiet`), the status before
and after must agree. A file is text when it is UTF-8 without NUL and not too long.

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto

from yp2p.files.holes import next_data
from yp2p.files.root import Root, has_other_names
from yp2p.machine import is_shortage
from yp2p.machine import reason as reason_of
from yp2p.protocol.blobs import CHUNK_BYTES, MAX_BLOB_BYTES, blob_hash, chunk_hash, nul_hash
from yp2p.protocol.entries import DIRECTORY_HASH, Kind, Mode, symlink_hash

# No text is longer, whatever the settings of the devices.
MAX_TEXT_BYTES = 64 << 20
# Reading more takes so long that nobody should wait for it.
LONG_BYTES = 32 << 20
# A file that long is hashed by so many threads, each of which takes a slice at a time: hashing needs no lock of Python.
_HASHERS = min(2, os.cpu_count() or 1)
_SLICE_BYTES = 4 << 20
# The hashes of the chunks of one, and the error that ended it.
_Slice = tuple[list[bytes], OSError | None]
# A file changed this shortly before we looked may change again within the same tick of the clock.
RACY_NS = 20_000_000
# Why a file cannot be opened: somebody has a lease on it (fcntl(2)), and was told to give it up.
LEASED = "another program keeps others from opening it"
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
        times = (max(-_SIGNED_64, min(_SIGNED_64, at)) for at in (status.st_mtime_ns, status.st_ctime_ns))
        return cls(status.st_ino & _SIGNED_64, status.st_size, *times)  # what the store can hold

    @property
    def is_doubted(self) -> bool:
        """Whether a power cut may have changed the file since: no file has such an inode."""
        return self.inode < 0

    def doubted(self) -> Stamp:
        """The stamp of a file that a power cut may have changed since: with its times, which tell what is younger."""
        return replace(self, inode=~self.inode)


NO_STAMP = Stamp(0, 0, 0, 0)


class Found(Enum):
    """What is at a path."""

    MISSING = auto()
    UNCHANGED = auto()
    TEXT = auto()
    BLOB = auto()
    SYMLINK = auto()
    DIRECTORY = auto()
    OTHER = auto()
    BUSY = auto()
    DENIED = auto()
    LONG = auto()  # it has to be read beside


KINDS = {Found.TEXT: Kind.TEXT, Found.BLOB: Kind.BLOB, Found.SYMLINK: Kind.SYMLINK, Found.DIRECTORY: Kind.DIRECTORY}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a path.

    `content` is the hash of what is there, as its kind has it; `text` only for TEXT, `chunks` (their hashes) only for
    BLOB, `target` only for SYMLINK; `reason` for people.
    """

    path: str
    found: Found
    stamp: Stamp = NO_STAMP
    text: str = ""
    content: bytes = b""
    mode: Mode = Mode.PLAIN
    reason: str = ""
    has_nul: bool = False
    is_nul: bool = False  # nothing but NUL bytes
    chunks: tuple[bytes, ...] = ()
    target: bytes = b""
    is_open: bool = False  # it was read although a program has it open for writing
    is_linked: bool = False  # whether the same file has other names
    is_short: bool = False  # BUSY only because no descriptor or memory was left
    is_out_of_sight: bool = False  # whether its place cannot be looked at: nobody can say if it is there

    @property
    def kind(self) -> Kind | None:
        """The kind of entry that this can be."""
        return KINDS.get(self.found)


def mode_of(status: os.stat_result) -> Mode:
    """What is kept of the permissions of a file."""
    executable = Mode.EXECUTABLE if status.st_mode & stat.S_IXUSR else Mode.PLAIN
    return executable if status.st_mode & 0o077 else executable | Mode.PRIVATE


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
def read_lease(descriptor: int, *, may_be_open: bool = False) -> Iterator[bool]:
    """Hold a read lease where the file system and the owner allow one; tells whether the file is open for writing.

    Raises Busy: it is, and may not be.
    """
    held = is_open = False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        held = True
    except OSError as error:
        is_open = error.errno == errno.EAGAIN
        if is_open and not may_be_open:
            raise Busy from None
    try:
        yield is_open
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


def inspect(
    root: Root,
    path: str,
    known: Stamp | None,
    max_text_bytes: int,
    *,
    trust_stamp: bool,
    base: tuple[Kind, bytes] | None = None,
    read_beside: Mapping[str, Finding] | None = None,
    quiet: Stamp | None = None,
) -> Finding:
    """Look at one path.

    Args:
        known: the stamp at which our base was taken, or None.
        trust_stamp: whether an equal stamp is enough to call the file unchanged even when it changed just now.
        base: kind and content hash of what is known of the file: what still has this content stays of that kind,
            however long a text may be here. A blob becomes a text at half that length, and so does not go back and
            forth.
        read_beside: where given, what is longer than `LONG_BYTES` is not read: it is what was found here before, by
            its stamp, or `Found.LONG`.
        quiet: with this stamp the file is read although a program has it open for writing: it was quiet.
    """
    try:
        descriptor = root.open_file(path)
    except OSError as error:
        return _not_opened(root, path, known, error)
    if root.is_twin(path):
        os.close(descriptor)
        return Finding(path, Found.MISSING)
    try:
        status = os.fstat(descriptor)
        stamp = Stamp.of(status)
        if stamp == known and (trust_stamp or not _is_racy(stamp)):
            return Finding(path, Found.UNCHANGED, stamp)
        if status.st_size > MAX_BLOB_BYTES:
            return Finding(path, Found.OTHER, stamp, reason=f"{status.st_size} bytes, more than {MAX_BLOB_BYTES}")
        if read_beside is not None and status.st_size > LONG_BYTES:
            ready = read_beside.get(path)
            return ready if ready is not None and ready.stamp == stamp else Finding(path, Found.LONG, stamp)
        kind, content = base if base is not None else (None, b"")
        if status.st_size > (MAX_TEXT_BYTES if kind is Kind.TEXT else max_text_bytes):
            return replace(_long_blob(path, descriptor, quiet), is_linked=has_other_names(status))
        with read_lease(descriptor, may_be_open=stamp == quiet) as is_open:
            stamp = Stamp.of(os.fstat(descriptor))
            data = read_whole(descriptor, stamp.size)
            after = Stamp.of(os.fstat(descriptor))
        if after != stamp or len(data) != stamp.size or (is_open and stamp != quiet):
            return Finding(path, Found.BUSY, stamp, reason="it is being written")
        found = _found_in(path, stamp, data, mode_of(status), max_text_bytes, kind, content)
        return replace(found, is_linked=has_other_names(status), is_open=is_open)
    except Busy:
        return Finding(path, Found.BUSY, stamp, reason="another program has it open for writing")
    except OSError as error:
        return _denied(path, known, error, "it cannot be read")
    finally:
        os.close(descriptor)


def _denied(
    path: str, known: Stamp | None, error: OSError, what: str = "", *, is_out_of_sight: bool = False
) -> Finding:  # fmt: skip
    """What is there is not known. Where no descriptor or memory was left, nothing is wrong with it, and it is looked at
    again."""
    words = reason_of(error)
    if is_shortage(error):
        return Finding(path, Found.BUSY, known or NO_STAMP, reason=words, is_short=True)
    text = f"{what}: {words}" if what else words
    return Finding(path, Found.DENIED, reason=text, is_out_of_sight=is_out_of_sight)


def _found_in(
    path: str, stamp: Stamp, data: bytes, mode: Mode, max_text_bytes: int, kind: Kind | None, content: bytes
) -> Finding:
    """What a file with these bytes is, that was of this kind and content before."""
    blob: tuple[bytes, tuple[bytes, ...]] | None = None
    if kind is Kind.BLOB:
        blob = _hashes_of(data)
    if blob is None or blob[0] != content:
        hash_ = hashlib.sha256(data).digest()
        limit = max_text_bytes // 2 if kind is Kind.BLOB else max_text_bytes
        is_short = len(data) <= limit or (kind is Kind.TEXT and hash_ == content)
        text = decode(data) if is_short else None
        if text is not None:
            return Finding(path, Found.TEXT, stamp, text, hash_, mode)
    hash_, chunks = blob or _hashes_of(data)
    return Finding(
        path, Found.BLOB, stamp, "", hash_, mode, has_nul=b"\x00" in data, is_nul=not data.strip(b"\x00"),
        chunks=chunks,
    )  # fmt: skip


def _hashes_of(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The hash of a blob, and those of its chunks."""
    chunks = tuple(chunk_hash(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES))
    return blob_hash(len(data), chunks), chunks


def _long_blob(path: str, descriptor: int, quiet: Stamp | None) -> Finding:
    """Raises Busy."""
    is_quiet = Stamp.of(os.fstat(descriptor)) == quiet
    with read_lease(descriptor, may_be_open=is_quiet) as was_open:
        status = os.fstat(descriptor)
    chunks = tuple(read_chunk_hashes(descriptor))
    with read_lease(descriptor, may_be_open=is_quiet) as is_open:
        after = Stamp.of(os.fstat(descriptor))
    stamp = Stamp.of(status)
    if after != stamp or (was_open and stamp != quiet):
        return Finding(path, Found.BUSY, stamp, reason="it is being written")
    is_nul = all(chunk == nul_hash(CHUNK_BYTES) for chunk in chunks[:-1])
    return Finding(
        path, Found.BLOB, stamp, "", blob_hash(stamp.size, chunks), mode_of(status), is_nul=is_nul, chunks=chunks,
        is_open=was_open or is_open,
    )  # fmt: skip


def read_chunk_hashes(descriptor: int) -> Iterator[bytes]:
    """The hash of each chunk of a file, up to where it ends now. What is in a hole is not read."""
    if os.fstat(descriptor).st_size <= LONG_BYTES or _HASHERS == 1:
        yield from _chunk_hashes(descriptor, 0, None)
        return
    # Each slice is hashed in a thread; they are read nearly in order, as disks like it.
    at = 0
    with ThreadPoolExecutor(_HASHERS, "hash") as pool:
        begun: deque[Future[_Slice]] = deque()
        while _begin_slices(pool, begun, descriptor, at):
            hashes, error = begun.popleft().result()
            yield from hashes
            if error is not None:
                raise error
            if len(hashes) < _SLICE_BYTES // CHUNK_BYTES:
                return  # what was begun is behind the end
            at += _SLICE_BYTES
        pool.shutdown(cancel_futures=True)
    yield from _chunk_hashes(descriptor, at, None)


def _begin_slices(pool: ThreadPoolExecutor, begun: deque[Future[_Slice]], descriptor: int, at: int) -> bool:
    """Have the slices from a place on hashed, some ahead; False where no thread can be started."""
    try:
        while len(begun) < 2 * _HASHERS:
            begun.append(pool.submit(_slice_hashes, descriptor, at + len(begun) * _SLICE_BYTES))
    except RuntimeError:
        return False
    return True


def _slice_hashes(descriptor: int, start: int) -> _Slice:
    """Also those before what cannot be read."""
    hashes: list[bytes] = []
    try:
        hashes.extend(_chunk_hashes(descriptor, start, start + _SLICE_BYTES))
    except OSError as error:
        return hashes, error
    return hashes, None


def _chunk_hashes(descriptor: int, start: int, stop: int | None) -> Iterator[bytes]:
    """The hash of each chunk between two places of a file, or up to where it ends now."""
    buffer = memoryview(bytearray(CHUNK_BYTES))
    at, data_at = start, 0
    while at < (end := os.fstat(descriptor).st_size) and (stop is None or at < stop):
        if data_at <= at:
            data_at = next_data(descriptor, at, end)
        size = min(CHUNK_BYTES, end - at)
        if data_at >= at + size:
            yield nul_hash(size)
        else:
            size = _read_into(descriptor, buffer, at)
            if not size:
                return
            yield chunk_hash(buffer[:size])
        at += size


def _read_into(descriptor: int, buffer: memoryview, at: int) -> int:
    """Fill a buffer from a place in a file; gives how much of it there was."""
    size = 0
    while size < len(buffer) and (more := os.preadv(descriptor, [buffer[size:]], at + size)):
        size += more
    return size


def _not_opened(root: Root, path: str, known: Stamp | None, error: OSError) -> Finding:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Finding(path, Found.MISSING)
    try:
        status = root.lstat(path)
    except OSError as failure:
        return _denied(path, known, failure, "its place cannot be looked at", is_out_of_sight=True)
    if error.errno == errno.EXDEV or is_shortage(error):
        return _denied(path, known, error, is_out_of_sight=True)
    if error.errno in (errno.EACCES, errno.EPERM):
        return Finding(path, Found.DENIED, reason="permission denied")
    try:
        if status is not None and stat.S_ISDIR(status.st_mode):
            return _directory(root, path)
    except OSError as failure:
        return _denied(path, known, failure)
    if status is None:
        return Finding(path, Found.MISSING)
    stamp = Stamp.of(status)
    if stat.S_ISREG(status.st_mode):
        return _not_opened_file(path, stamp, error)
    if not stat.S_ISLNK(status.st_mode):
        return Finding(path, Found.OTHER, stamp, reason="not a regular file")
    if stamp == known:
        return Finding(path, Found.UNCHANGED, stamp)
    target = root.read_link(path)
    if target is None:
        return Finding(path, Found.MISSING)
    return Finding(path, Found.SYMLINK, stamp, content=symlink_hash(target), target=target)


def _not_opened_file(path: str, stamp: Stamp, error: OSError) -> Finding:
    if error.errno == errno.EAGAIN:
        return Finding(path, Found.BUSY, stamp, reason=LEASED)
    if error.errno in (errno.ENXIO, errno.ELOOP, errno.EISDIR):
        return Finding(path, Found.BUSY, stamp, reason="it is being replaced")  # it was something else a moment before
    return Finding(path, Found.DENIED, stamp, reason=f"it cannot be opened: {reason_of(error)}")


def _directory(root: Root, path: str) -> Finding:
    """Raises OSError: it is not ours to read."""
    if root.is_twin(path):
        return Finding(path, Found.MISSING)
    os.close(root.open(path, os.O_DIRECTORY | os.O_RDONLY))
    return Finding(path, Found.DIRECTORY, NO_STAMP, content=DIRECTORY_HASH)


def inspect_all(
    root: Root,
    paths: Iterable[tuple[str, Stamp | None, bool]],
    max_text_bytes: int,
    bases: Mapping[str, tuple[Kind, bytes]],
    read_beside: Mapping[str, Finding],
    quiet: Mapping[str, Stamp],
) -> list[Finding]:
    """`inspect` for many paths in one go: path, known stamp, whether to trust it; `bases` and `quiet` by path."""
    return [
        inspect(
            root,
            path,
            known,
            max_text_bytes,
            trust_stamp=trust,
            base=bases.get(path),
            read_beside=read_beside,
            quiet=quiet.get(path),
        )
        for path, known, trust in paths
    ]

"""Blobs in files: reading chunks to send, writing those that came, finding what is here already.

A blob on its way is assembled in `.yp2p/tmp` under a name that says which, and put in place when it is whole. Should
the connection or the machine go down, what is there is hashed and the fetch goes on from there. A long one goes past
the page cache where the file system can do that: everything else stays in there, and little is left to be forced to the
disk. A chunk that is nothing but NUL bytes becomes a hole: it is neither fetched nor written.

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from yp2p.files.inspect import Stamp, read_chunk_hashes
from yp2p.files.new_files import NewFiles
from yp2p.files.permissions import open_own
from yp2p.files.root import TMP, Root
from yp2p.files.shifted import Shifted
from yp2p.protocol.blobs import (
    CHUNK_BYTES,
    SAMPLED_BYTES,
    chunk_count,
    chunk_hash,
    chunk_size,
    nul_chunks,
    sample_of,
    sampled_chunks,
)

PREFIX = f"{TMP}/blob-"
# Shorter ones are likely to be looked at soon, and gain nothing.
_DIRECT_BYTES = 64 << 20
# What is written at a time past the page cache, and the unit in which that has to be.
_BUFFER_BYTES = 4 << 20
_BLOCK_BYTES = 4096


def name_of(blob: bytes) -> str:
    """Where a blob is assembled."""
    return f"{PREFIX}{blob.hex()}"


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """Chunks `first` to `first + count` of a file that has this stamp."""

    path: str
    stamp: Stamp
    first: int
    count: int


def read_chunks(root: Root, wanted: ChunkRange) -> list[bytes]:
    """The chunks, empty where the file is not what it was."""
    nothing = [b""] * wanted.count
    try:
        descriptor = root.open_file(wanted.path)
    except OSError:
        return nothing
    try:
        if Stamp.of(os.fstat(descriptor)) != wanted.stamp:
            return nothing
        found = [
            _read_at(descriptor, index * CHUNK_BYTES, max(0, chunk_size(wanted.stamp.size, index)))
            for index in range(wanted.first, wanted.first + wanted.count)
        ]
        return found if Stamp.of(os.fstat(descriptor)) == wanted.stamp else nothing
    except OSError:
        return nothing
    finally:
        os.close(descriptor)


def read_samples_of(root: Root, path: str, stamp: Stamp, until: float) -> bytes:
    """Samples of a file that has this stamp; none where it is not what it was, or they are not read in time.

    Args:
        until: by the monotonic clock.
    """
    try:
        descriptor = root.open_file(path)
    except OSError:
        return b""
    try:
        if Stamp.of(os.fstat(descriptor)) != stamp:
            return b""
        chunks = sampled_chunks(chunk_count(stamp.size))
        samples: list[bytes] = []
        for index in chunks:
            if time.monotonic() >= until:
                return b""
            samples.append(sample_of(os.pread(descriptor, SAMPLED_BYTES, index * CHUNK_BYTES)))
        return b"".join(samples) if Stamp.of(os.fstat(descriptor)) == stamp else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _read_at(descriptor: int, at: int, size: int) -> bytes:
    data = os.pread(descriptor, size, at)
    while len(data) < size and (more := os.pread(descriptor, size - len(data), at + len(data))):
        data += more
    return data


def _open_assembly(root: Root, blob: bytes, path: str, new_files: NewFiles) -> int:
    """The file in which a blob for `path` is assembled, made where there is none. Raises OSError."""
    try:
        return new_files.make(name_of(blob), path, os.O_RDWR)
    except FileExistsError:
        return open_own(root, name_of(blob), os.O_RDWR)


@dataclass(frozen=True, slots=True)
class WholeBlob:
    """A blob that came in one piece, and the path that it is for."""

    hash: bytes
    data: bytes
    path: str


def write_blobs(root: Root, blobs: Sequence[WholeBlob]) -> None:
    """Write whole blobs, each under its own name. Raises OSError."""
    new_files = NewFiles(root)
    for blob in blobs:
        descriptor = _open_assembly(root, blob.hash, blob.path, new_files)
        try:
            os.ftruncate(descriptor, 0)
            if blob.data.strip(b"\0"):
                _write_at(descriptor, blob.data, 0)
            else:
                os.ftruncate(descriptor, len(blob.data))
        finally:
            os.close(descriptor)


def _hashes_that_can_be_read(descriptor: int) -> Iterator[bytes]:
    """Those of the chunks up to where a file cannot be read: the others come from elsewhere."""
    with suppress(OSError):
        yield from read_chunk_hashes(descriptor)


def _write_at(descriptor: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view, at = view[done:], at + done


class Assembly:
    """A blob of several chunks that is being put together. `close` when done.

    Args:
        hashes: of its chunks, in order.
        path: which it is for.

    Raises:
        OSError: from every method, when the disk is full or fails.
    """

    def __init__(self, root: Root, blob: bytes, size: int, hashes: Sequence[bytes], path: str) -> None:
        self._root = root
        self._hashes = hashes
        self._size = size
        self.name = name_of(blob)
        self._descriptor = _open_assembly(root, blob, path, NewFiles(root))
        self._past_cache: int | None = None
        self.missing = set(range(len(hashes)))
        self._buffer = mmap.mmap(-1, _BUFFER_BYTES)  # O_DIRECT wants memory that begins at a page
        if size >= _DIRECT_BYTES:
            with suppress(OSError):  # the file system cannot
                self._past_cache = root.open(self.name, os.O_WRONLY | os.O_DIRECT)

    def close(self) -> None:
        self._write_through_cache()
        os.close(self._descriptor)

    def _write_through_cache(self) -> None:
        if self._past_cache is not None:
            os.close(self._past_cache)
            self._past_cache = None

    def force(self) -> None:
        """Bring what was written to the disk, so that nobody has to wait for that when it is put in place."""
        os.fdatasync(self._descriptor)

    def find(self) -> None:
        """Take what is here already of an assembly that was broken off, and what is to be holes."""
        started = os.fstat(self._descriptor).st_size
        for index, found in enumerate(read_chunk_hashes(self._descriptor)):
            if index < len(self._hashes) and found == self._hashes[index]:
                self.missing.discard(index)
        os.ftruncate(self._descriptor, self._size)
        for index in nul_chunks(self._size, self._hashes) & self.missing:
            if index * CHUNK_BYTES < started:  # something else was written there
                _write_at(self._descriptor, bytes(chunk_size(self._size, index)), index * CHUNK_BYTES)
            self.missing.discard(index)

    def size_of(self, index: int) -> int:
        return chunk_size(self._size, index)

    @property
    def missing_bytes(self) -> int:
        """How much is still to come."""
        return sum(chunk_size(self._size, index) for index in self.missing)

    def missing_hashes(self) -> set[bytes]:
        return {self._hashes[index] for index in self.missing}

    def copy_from(self, old: str) -> None:
        """Take what is missing, as far as another file has it, wherever it has it where one of its chunks begins."""
        with self._opened(old) as source:
            if source is None:
                return
            place: dict[bytes, list[int]] = {}
            for index in self.missing:
                place.setdefault(self._hashes[index], []).append(index)
            for number, found in enumerate(_hashes_that_can_be_read(source)):
                if found in place:
                    data = _read_at(source, number * CHUNK_BYTES, CHUNK_BYTES)
                    for index in place[found]:
                        self.put(index, data)

    def copy_shifted(
        self, old: str, samples: Mapping[int, tuple[int, bytes]], may_go_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Take what is missing, as far as an older file has it, wherever it is; arguments as of `Shifted`."""
        with self._opened(old) as source:
            if source is not None:
                Shifted(source, self, self._size, samples, may_go_on).find()

    @contextmanager
    def _opened(self, path: str) -> Iterator[int | None]:
        """A file of the folder, to read; None where it cannot be."""
        descriptor: int | None = None
        with suppress(OSError):
            descriptor = self._root.open_file(path)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def put(self, index: int, data: bytes) -> bool:
        """Write a chunk; False when it is not the one that belongs there."""
        return self.put_all([(index, data)])

    def put_all(self, chunks: Sequence[tuple[int, bytes]]) -> bool:
        """Write chunks; False when one is not what belongs there."""
        wanted = [(index, data) for index, data in chunks if index in self.missing]
        good = [(index, data) for index, data in wanted if chunk_hash(data) == self._hashes[index]]
        for first, run in _runs(sorted(good)):
            self._write(run, first * CHUNK_BYTES)
            self.missing.difference_update(range(first, first + len(run)))
        return len(good) == len(wanted)

    def _write(self, run: list[bytes], at: int) -> None:
        for data in run:
            if self._past_cache is None or len(data) % _BLOCK_BYTES:
                at = self._flush(at)
                _write_at(self._descriptor, data, at)
                at += len(data)
            else:
                if self._buffer.tell() + len(data) > _BUFFER_BYTES:
                    at = self._flush(at)
                self._buffer.write(data)
        self._flush(at)

    def _flush(self, at: int) -> int:
        """Write what is in the buffer to a place in the file; gives where it ends."""
        size = self._buffer.tell()
        self._buffer.seek(0)
        with memoryview(self._buffer)[:size] as data:
            done = 0
            if size and self._past_cache is not None:
                try:
                    done = os.pwrite(self._past_cache, data, at)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    self._write_through_cache()  # the file system said that it can, and cannot
            _write_at(self._descriptor, data[done:], at + done)
        return at + size


def _runs(chunks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Chunks that follow each other, with the index of the first."""
    first, run = 0, list[bytes]()
    for index, data in chunks:
        if run and index != first + len(run):
            yield first, run
            run = []
        first = first if run else index
        run.append(data)
    if run:
        yield first, run

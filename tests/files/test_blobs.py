"""Blobs in files: chunks are read as long as the file is the same, and put together from whatever is here."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from yp2p.files import blobs
from yp2p.files import inspect as files_inspect
from yp2p.files.blobs import Assembly, ChunkRange, WholeBlob, name_of, read_chunks, write_blobs
from yp2p.files.inspect import Found, Stamp, inspect, read_chunk_hashes
from yp2p.files.root import Root
from yp2p.identity import FolderID
from yp2p.protocol.blobs import CHUNK_BYTES, blob_hash, chunk_hash
from yp2p.protocol.entries import Kind

DATA = random.Random(1).randbytes(3 * CHUNK_BYTES + 100)
CHUNKS = [DATA[at : at + CHUNK_BYTES] for at in range(0, len(DATA), CHUNK_BYTES)]
HASHES = [chunk_hash(chunk) for chunk in CHUNKS]
BLOB = blob_hash(len(DATA), HASHES)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path)
    made.prepare(FolderID(bytes(16)))
    yield made
    made.close()


@pytest.mark.parametrize("limit", [100, 10 * len(DATA)])
def test_a_blob_has_one_hash_however_it_is_read(root: Root, limit: int) -> None:
    (root.path / "f").write_bytes(DATA)
    finding = inspect(root, "f", None, limit, trust_stamp=False)
    assert (finding.found, finding.content, list(finding.chunks)) == (Found.BLOB, BLOB, HASHES)


def test_chunks_are_read_from_the_very_file(root: Root) -> None:
    path = root.path / "f"
    path.write_bytes(DATA)
    stamp = Stamp.of(path.stat())
    assert read_chunks(root, ChunkRange("f", stamp, 1, 3)) == CHUNKS[1:]
    assert read_chunks(root, ChunkRange("f", stamp, 3, 2)) == [CHUNKS[3], b""]
    assert read_chunks(root, ChunkRange("nothing", stamp, 0, 1)) == [b""]
    os.utime(path, ns=(1, 1))
    assert read_chunks(root, ChunkRange("f", stamp, 0, 2)) == [b"", b""]


def test_an_assembly_goes_on_where_it_was(root: Root) -> None:
    first = Assembly(root, BLOB, len(DATA), HASHES, "f")
    first.find()
    assert first.missing == {0, 1, 2, 3}
    assert first.put(2, CHUNKS[2])
    assert not first.put(1, CHUNKS[0])
    assert not first.put(3, b"")
    first.close()
    second = Assembly(root, BLOB, len(DATA), HASHES, "f")
    second.find()
    assert second.missing == {0, 1, 3}
    assert second.put_all([(0, CHUNKS[0]), (1, CHUNKS[1]), (2, b"not looked at"), (3, CHUNKS[3])])
    second.close()
    assert (root.path / name_of(BLOB)).read_bytes() == DATA


def test_an_assembly_takes_what_the_file_before_has(root: Root) -> None:
    (root.path / "old").write_bytes(CHUNKS[3] + b"x" + DATA[: 2 * CHUNK_BYTES])  # nothing where a chunk begins
    moved = Assembly(root, BLOB, len(DATA), HASHES, "f")
    moved.find()
    moved.copy_from("old")
    assert moved.missing == {0, 1, 2, 3}
    moved.close()
    (root.path / "old").write_bytes(CHUNKS[1] + CHUNKS[0] + b"changed" + CHUNKS[2][7:])
    swapped = Assembly(root, BLOB, len(DATA), HASHES, "f")
    swapped.find()
    swapped.copy_from("old")
    assert swapped.missing == {2, 3}
    swapped.close()


def test_small_blobs_are_written_whole(root: Root) -> None:
    write_blobs(root, [WholeBlob(BLOB, b"abc", "f"), WholeBlob(bytes(32), b"", "g")])
    write_blobs(root, [WholeBlob(BLOB, b"z", "f")])
    assert (root.path / name_of(BLOB)).read_bytes() == b"z"
    assert (root.path / name_of(bytes(32))).read_bytes() == b""


@pytest.mark.parametrize(("base", "found"), [(Kind.TEXT, Found.TEXT), (Kind.BLOB, Found.BLOB), (None, Found.TEXT)])
def test_what_was_not_changed_stays_of_its_kind_whatever_the_limit(root: Root, base: Kind | None, found: Found) -> None:
    data = b"a line\n" * 1000
    (root.path / "f").write_bytes(data)
    content = hashlib.sha256(data).digest() if base is Kind.TEXT else blob_hash(len(data), [chunk_hash(data)])
    limit = 100 if base is Kind.TEXT else 1 << 20
    known = (base, content) if base is not None else None
    assert inspect(root, "f", None, limit, trust_stamp=False, base=known).found is found
    (root.path / "f").write_bytes(data + b"x")
    changed = inspect(root, "f", None, limit, trust_stamp=False, base=known)
    assert changed.found is (Found.BLOB if base is Kind.TEXT else Found.TEXT)


def test_a_long_blob_becomes_a_text_at_half_the_limit(root: Root) -> None:
    known = (Kind.BLOB, bytes(32))
    for size, found in ((51, Found.BLOB), (50, Found.TEXT)):
        (root.path / "f").write_bytes(b"x" * size)
        assert inspect(root, "f", None, 100, trust_stamp=False, base=known).found is found


def test_times_before_1970_are_what_they_are(root: Root) -> None:
    (root.path / "f").write_bytes(b"\0")
    os.utime(root.path / "f", ns=(0, -(10**9)))
    assert inspect(root, "f", None, 100, trust_stamp=False).stamp.mtime_ns == -(10**9)


@pytest.mark.parametrize("refuses", ["nothing", "to open", "to write"])
def test_a_long_one_is_put_together_past_the_page_cache(
    root: Root, refuses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_DIRECT_BYTES", 0)
    monkeypatch.setattr(blobs, "_BUFFER_BYTES", 2 * CHUNK_BYTES)
    direct: set[int] = set()
    written: list[bool] = []
    real_open, real_write = root.open, os.pwrite

    def opened(path: str, flags: int, mode: int = 0) -> int:
        if not flags & os.O_DIRECT:
            return real_open(path, flags, mode)
        if refuses == "to open":
            raise OSError(errno.EINVAL, "no O_DIRECT here")
        descriptor = real_open(path, flags & ~os.O_DIRECT, mode)  # the directory of the test may be in memory
        direct.add(descriptor)
        return descriptor

    def write(descriptor: int, data: memoryview, at: int) -> int:
        written.append(descriptor in direct)
        if descriptor in direct:
            assert len(data) % 4096 == at % 4096 == 0
            if refuses == "to write":
                raise OSError(errno.EINVAL, "no O_DIRECT here")
        return real_write(descriptor, data, at)

    monkeypatch.setattr(root, "open", opened)
    monkeypatch.setattr(os, "pwrite", write)
    assembly = Assembly(root, BLOB, len(DATA), HASHES, "f")
    assembly.find()
    assert assembly.put_all([(3, CHUNKS[3]), (1, CHUNKS[1]), (0, CHUNKS[0])])
    assert assembly.missing == {2}
    assert assembly.put_all([(2, CHUNKS[2])])
    assembly.close()
    assert (root.path / name_of(BLOB)).read_bytes() == DATA
    assert any(written) is (refuses != "to open")


def test_holes_are_not_read_and_have_the_hash_of_what_is_in_them(root: Root) -> None:
    written = {5 * CHUNK_BYTES + 3: b"data", 9 * CHUNK_BYTES - 2: b"over a border"}
    size = 11 * CHUNK_BYTES + 100
    for name, is_sparse in (("sparse", True), ("whole", False)):
        with (root.path / name).open("wb") as file:
            if not is_sparse:
                file.write(bytes(size))
            file.truncate(size)
            for at, data in written.items():
                file.seek(at)
                file.write(data)
    sparse, whole = (inspect(root, name, None, 0, trust_stamp=False) for name in ("sparse", "whole"))
    assert (sparse.chunks, sparse.content) == (whole.chunks, whole.content)


def test_what_was_written_where_a_hole_is_to_be_is_taken_out(root: Root) -> None:
    hashes = [HASHES[0], chunk_hash(bytes(CHUNK_BYTES)), chunk_hash(bytes(7))]
    size = 2 * CHUNK_BYTES + 7
    blob = blob_hash(size, hashes)
    (root.path / name_of(blob)).write_bytes(CHUNKS[0] + b"something else")
    assembly = Assembly(root, blob, size, hashes, "f")
    assembly.find()
    assert (assembly.missing, assembly.missing_bytes) == (set(), 0)
    assembly.close()
    assert (root.path / name_of(blob)).read_bytes() == CHUNKS[0] + bytes(CHUNK_BYTES + 7)


_SLICE = 2 * CHUNK_BYTES


@pytest.mark.parametrize("size", [5 * CHUNK_BYTES, 6 * CHUNK_BYTES, 6 * CHUNK_BYTES + 1, 7 * CHUNK_BYTES + 100])
@pytest.mark.parametrize("hole", [None, 2 * CHUNK_BYTES])
def test_a_long_file_is_hashed_by_several_threads_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, hole: int | None
) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.write(random.Random(2).randbytes(hole or size))
        file.truncate(size)
    data = path.read_bytes()
    expected = [chunk_hash(data[at : at + CHUNK_BYTES]) for at in range(0, size, CHUNK_BYTES)]
    for hashers in (1, 2, 3):
        with path.open("rb") as file:
            for name, value in {"_HASHERS": hashers, "LONG_BYTES": CHUNK_BYTES, "_SLICE_BYTES": _SLICE}.items():
                monkeypatch.setattr(files_inspect, name, value)
            assert list(read_chunk_hashes(file.fileno())) == expected


@pytest.mark.parametrize("readable", [0, 3, 4])
def test_an_error_of_a_thread_that_hashes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: int
) -> None:
    """What was read before it counts, in the same slice as well, as without threads."""
    path = tmp_path / "f"
    path.write_bytes(random.Random(2).randbytes(9 * CHUNK_BYTES))
    for name, value in {"_HASHERS": 2, "LONG_BYTES": CHUNK_BYTES, "_SLICE_BYTES": _SLICE}.items():
        monkeypatch.setattr(files_inspect, name, value)
    preadv = os.preadv

    def fails(descriptor: int, buffers: list[memoryview], at: int) -> int:
        if at >= readable * CHUNK_BYTES:
            raise OSError(errno.EIO, "no")
        return preadv(descriptor, buffers, at)

    monkeypatch.setattr(os, "preadv", fails)
    with path.open("rb") as file:
        hashes = read_chunk_hashes(file.fileno())
        assert len(list(islice(hashes, readable))) == readable
        with pytest.raises(OSError, match="no"):
            next(hashes)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hash")]


@pytest.mark.parametrize("threads", [0, 1])
def test_a_long_file_is_hashed_where_no_more_threads_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    path = tmp_path / "f"
    data = random.Random(2).randbytes(9 * CHUNK_BYTES + 5)
    path.write_bytes(data)
    for name, value in {"_HASHERS": 2, "LONG_BYTES": CHUNK_BYTES, "_SLICE_BYTES": _SLICE}.items():
        monkeypatch.setattr(files_inspect, name, value)
    started, start = [], threading.Thread.start

    def starts(thread: threading.Thread) -> None:
        if len(started) == threads:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts)
    with path.open("rb") as file:
        expected = [chunk_hash(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)]
        assert list(read_chunk_hashes(file.fileno())) == expected
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hash")]


def test_a_long_file_that_shrinks_while_it_is_hashed_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(random.Random(2).randbytes(20 * CHUNK_BYTES))
    for name, value in {"_HASHERS": 2, "LONG_BYTES": CHUNK_BYTES, "_SLICE_BYTES": _SLICE}.items():
        monkeypatch.setattr(files_inspect, name, value)
    with path.open("rb") as file:
        hashes = read_chunk_hashes(file.fileno())
        first = next(hashes)
        os.truncate(path, 3 * CHUNK_BYTES)
        assert 1 <= len([first, *hashes]) < 20

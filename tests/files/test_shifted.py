"""What a blob has in common with an older file is found wherever it stands there; wrong samples cost little."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from yp2p.files import shifted
from yp2p.files.blobs import Assembly, read_samples_of
from yp2p.files.inspect import Stamp
from yp2p.files.root import Root
from yp2p.files.shifted import Shifted
from yp2p.identity import FolderID
from yp2p.protocol.blobs import (
    CHUNK_BYTES,
    MAX_SAMPLES,
    SAMPLE_BYTES,
    SAMPLE_ENTRY_BYTES,
    blob_hash,
    chunk_count,
    chunk_hash,
    read_samples,
    sample_of,
    sample_step,
    sampled_chunks,
)

_CHUNKS = 24
_RNG = random.Random(5)
OLD = _RNG.randbytes(_CHUNKS * CHUNK_BYTES + 1000)
_TEXT = b"".join(b"INSERT INTO t VALUES (%d, 'name', %d);\n" % (n, n * 7919 % 100003) for n in range(120_000))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path)
    made.prepare(FolderID(bytes(16)))
    yield made
    made.close()


def _assembly(root: Root, data: bytes) -> Assembly:
    hashes = [chunk_hash(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)]
    made = Assembly(root, blob_hash(len(data), hashes), len(data), hashes, "new")
    made.find()
    return made


def _samples(root: Root, data: bytes) -> dict[int, tuple[int, bytes]]:
    path = root.path / "sampled"
    path.write_bytes(data)
    return read_samples(len(data), read_samples_of(root, "sampled", Stamp.of(path.stat()), math.inf))


def _lacking(root: Root, old: bytes, new: bytes) -> int:
    """How many chunks of a new content have to be sent to who has an old one; what is taken is checked."""
    (root.path / "old").write_bytes(old)
    assembly = _assembly(root, new)
    assembly.copy_shifted("old", _samples(root, new))
    written = (root.path / assembly.name).read_bytes()
    for index in set(range(chunk_count(len(new)))) - assembly.missing:
        part = slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
        assert written[part] == new[part]
    assembly.close()
    return len(assembly.missing)


def _edited(data: bytes, edits: int) -> bytes:
    """With some bytes inserted, or left out, in so many places."""
    rng, parts, at = random.Random(edits), [], 0
    for place in sorted(rng.sample(range(len(data)), edits)):
        parts += [data[at:place], rng.randbytes(rng.choice((0, 1, 3000)))]
        at = place + rng.randrange(2000)
    return b"".join([*parts, data[at:]])


@pytest.mark.parametrize(
    ("old", "new", "lacking"),
    [
        (OLD, b"x" + OLD, 1),
        (OLD, _RNG.randbytes(3 * CHUNK_BYTES + 7) + OLD, 4),
        (OLD, OLD[5:], 0),
        (OLD, OLD[: 9 * CHUNK_BYTES + 5] + b"inserted" + OLD[9 * CHUNK_BYTES + 5 :], 1),
        (OLD, OLD + b"appended", 1),
        (OLD, _edited(OLD, 6), 12),
        (OLD, OLD[11 * CHUNK_BYTES + 9 :] + OLD[: 11 * CHUNK_BYTES + 9], 2),
        (_TEXT, b"-- a line\n" + _TEXT, 1),
        (_TEXT, _edited(_TEXT, 4), 8),
        (OLD, _RNG.randbytes(len(OLD)), _CHUNKS + 1),
        (b"", OLD, _CHUNKS + 1),
        (OLD[:100], OLD, _CHUNKS + 1),
    ],
    ids=[
        "a byte in front", "chunks in front", "without the first bytes", "inside", "appended", "edits", "ends swapped",
        "a line in front", "edits of lines", "nothing in common", "nothing", "less than a chunk",
    ],
)  # fmt: skip
def test_only_what_the_older_file_has_not_is_lacking(root: Root, old: bytes, new: bytes, lacking: int) -> None:
    assert _lacking(root, old, new) <= lacking


def test_what_moved_far_is_looked_for_in_the_whole_file(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifted, "_NEAR_BYTES", 1000)
    assert _lacking(root, OLD, OLD[13 * CHUNK_BYTES + 5 :] + _RNG.randbytes(CHUNK_BYTES) + OLD[: 12 * CHUNK_BYTES]) <= 4


@pytest.mark.parametrize("kind", ["random", "moved", "common"])
def test_samples_that_are_wrong_cost_no_more_than_they_may(
    root: Root, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Effort is bounded by the older file, not by what a member sends."""
    monkeypatch.setattr(shifted, "_LEEWAY_BYTES", 1 << 20)
    text = OLD if kind != "common" else (b"the same line over and over\n" * (len(OLD) // 28))
    new = _RNG.randbytes(len(OLD)) if kind != "moved" else OLD[7:]
    samples = {
        "random": {index: (0, _RNG.randbytes(SAMPLE_BYTES)) for index in range(_CHUNKS)},
        "moved": {index: (77, sample) for index, (_, sample) in _samples(root, new).items()},
        "common": dict.fromkeys(range(_CHUNKS), (0, text[:SAMPLE_BYTES])),
    }[kind]
    (root.path / "old").write_bytes(text)
    read = 0

    class Counting(Shifted):
        def _read(self, at: int, size: int) -> bytes:
            nonlocal read
            data = super()._read(at, size)
            read += len(data)
            return data

    assembly = _assembly(root, new)
    descriptor = os.open(root.path / "old", os.O_RDONLY)
    Counting(descriptor, assembly, len(new), samples).find()
    os.close(descriptor)
    assert read <= len(text) * 3 // 2 + (1 << 20) + (2 << 20), "what was allowed, and the last that was begun"
    assert (len(assembly.missing) == 0) == (kind == "moved"), "of what is the same file moved, both ends tell"
    assembly.close()


def test_a_file_that_shrinks_or_cannot_be_read_gives_nothing(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    new = b"x" + OLD
    (root.path / "old").write_bytes(OLD)
    samples, assembly = _samples(root, new), _assembly(root, new)
    assembly.copy_shifted("nothing", samples)

    def fails(descriptor: int, size: int, at: int) -> bytes:
        raise OSError(5, "no")

    monkeypatch.setattr(shifted.os, "pread", fails)
    assembly.copy_shifted("old", samples)
    monkeypatch.undo()
    descriptor = os.open(root.path / "old", os.O_RDONLY)
    looks = Shifted(descriptor, assembly, len(new), samples)
    os.truncate(root.path / "old", 100)
    looks.find()
    os.close(descriptor)
    assert len(assembly.missing) == _CHUNKS + 1
    assembly.close()


def test_samples_are_of_the_very_file(root: Root) -> None:
    path = root.path / "f"
    path.write_bytes(OLD)
    stamp = Stamp.of(path.stat())
    packed = read_samples_of(root, "f", stamp, math.inf)
    assert len(packed) == (_CHUNKS + 1) * SAMPLE_ENTRY_BYTES
    for index, (place, sample) in read_samples(len(OLD), packed).items():
        assert OLD[index * CHUNK_BYTES + place :][:SAMPLE_BYTES] == sample
    os.utime(path, ns=(1, 1))
    assert read_samples_of(root, "f", stamp, math.inf) == b""
    assert read_samples_of(root, "nothing", stamp, math.inf) == b""


def test_a_sample_is_of_what_stands_nowhere_else() -> None:
    poor = bytes(1024) + b"ab" * 512
    assert sample_of(poor + OLD[:2048]) == len(poor).to_bytes(2, "big") + OLD[:SAMPLE_BYTES]
    assert sample_of(b"short") == bytes(2) + b"short".ljust(SAMPLE_BYTES, b"\0")
    size = CHUNK_BYTES + 33
    entries = [sample_of(poor), sample_of(OLD[:33])]
    assert set(read_samples(size, b"".join(entries))) == {1}, "what may stand anywhere is not looked for"
    assert read_samples(size, entries[0]) == {}, "too few"
    beyond = (2).to_bytes(2, "big") + OLD[:SAMPLE_BYTES]
    assert set(read_samples(size, entries[1] + beyond)) == {0}, "beyond the end of its chunk"


@pytest.mark.parametrize(
    ("count", "step"), [(0, 1), (1, 1), (MAX_SAMPLES, 1), (MAX_SAMPLES + 1, 2), (5 * MAX_SAMPLES, 5), (1 << 20, 64)]
)
def test_of_a_long_blob_some_chunks_are_sampled(count: int, step: int) -> None:
    assert sample_step(count) == step
    assert len(sampled_chunks(count)) <= MAX_SAMPLES
    assert list(sampled_chunks(count))[-1:] == ([(count - 1) // step * step] if count else [])


def test_a_long_file_of_which_few_chunks_are_sampled_is_found(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yp2p.protocol.blobs.MAX_SAMPLES", 4)
    new = b"in front" + OLD
    assert len(_samples(root, new)) <= 4
    assert _lacking(root, OLD, new) == 1


class _Counting(Shifted):
    read_bytes = 0

    def _read(self, at: int, size: int) -> bytes:
        data = super()._read(at, size)
        self.read_bytes += len(data)
        return data


@pytest.mark.parametrize("kind", ["moved", "wrong samples"])
def test_the_holes_of_an_older_file_are_not_read(root: Root, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Nor do they count: there is effort for what the file holds."""
    monkeypatch.setattr(shifted, "_LEEWAY_BYTES", 1 << 20)
    hole = 4 << 30
    with (root.path / "old").open("wb") as file:
        file.seek(hole)
        file.write(OLD)
        file.truncate(2 * hole)
    assembly = _assembly(root, OLD)
    samples = {
        "moved": _samples(root, OLD),
        "wrong samples": {index: (0, _RNG.randbytes(SAMPLE_BYTES)) for index in range(_CHUNKS)},
    }[kind]
    descriptor = os.open(root.path / "old", os.O_RDONLY)
    looks = _Counting(descriptor, assembly, len(OLD), samples)
    looks.find()
    os.close(descriptor)
    assert looks.read_bytes <= 3 * len(OLD) + (3 << 20)
    assert len(assembly.missing) == (0 if kind == "moved" else _CHUNKS + 1)
    assembly.close()


def test_a_sample_is_found_that_begins_in_a_hole(root: Root) -> None:
    """The last bytes of a hole, and the first behind it."""
    data, place = bytes(4096 * 3) + OLD[: 2 * CHUNK_BYTES], 4096 * 3 - 8
    with (root.path / "old").open("wb") as file:
        file.seek(9 * CHUNK_BYTES + 4096 * 3)
        file.write(data.lstrip(b"\0") + b"more")
    assembly = _assembly(root, data)
    assembly.copy_shifted("old", {0: (place, data[place : place + SAMPLE_BYTES])})
    assert not assembly.missing
    assembly.close()


def test_nobody_looks_on_who_may_not(root: Root) -> None:
    (root.path / "old").write_bytes(OLD)
    new, asked = _RNG.randbytes(len(OLD)), 0

    def may_go_on() -> bool:
        nonlocal asked
        asked += 1
        return asked < 10

    assembly = _assembly(root, new)
    descriptor = os.open(root.path / "old", os.O_RDONLY)
    looks = _Counting(descriptor, assembly, len(new), _samples(root, new), may_go_on)
    looks.find()
    os.close(descriptor)
    assert 0 < looks.read_bytes < 10 * 2 * CHUNK_BYTES * 4
    assert asked < 30, "everything comes to its end"
    assembly.close()


def test_what_was_found_from_another_place_is_not_looked_for(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that could not be told by its own sample came with its neighbours: that says nothing of any distance."""
    new = b"in front" + OLD + _RNG.randbytes(100)
    (root.path / "old").write_bytes(OLD)
    assembly, samples = _assembly(root, new), _samples(root, new)
    middle = chunk_count(len(new)) // 2
    samples[middle] = 0, _RNG.randbytes(SAMPLE_BYTES)
    descriptor = os.open(root.path / "old", os.O_RDONLY)
    looks = Shifted(descriptor, assembly, len(new), samples)
    taken, put = [], assembly.put

    def putting(index: int, data: bytes) -> bool:
        taken.append(index in assembly.missing)
        return put(index, data)

    monkeypatch.setattr(assembly, "put", putting)
    looks.find()
    os.close(descriptor)
    assert len(assembly.missing) == 2
    assert all(taken)
    assembly.close()

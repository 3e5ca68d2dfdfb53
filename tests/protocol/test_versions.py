"""The version of a document is a function of what it holds; what is known from the last time is not read again."""

from __future__ import annotations

import hashlib
import random

import pytest

from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate
from yp2p.protocol.deleted_ranges import DeletedRange, encode
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.update_parts import in_parts
from yp2p.protocol.versions import VersionReader, document_version
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Sender, Shape, check

VECTOR = {7: 100_000, 9: 5, 11: 0}


def _snapshot(ranges: list[DeletedRange], vector: dict[int, int] | None = None) -> bytes:
    """As the library could write it: clients and ranges as they come."""
    by_client: dict[int, list[DeletedRange]] = {}
    for one in ranges:
        by_client.setdefault(one[0], []).append(one)
    out = [write_varint(len(by_client))]
    for client, found in by_client.items():
        out += [write_varint(client), write_varint(len(found))]
        out += [write_varint(start) + write_varint(length) for _, start, length in found]
    vector = VECTOR if vector is None else vector
    out.append(write_varint(len(vector)))
    out += [write_varint(client) + write_varint(clock) for client, clock in vector.items()]
    return b"".join(out)


def _expected(ranges: list[DeletedRange]) -> bytes:
    """Written out once more, in the plainest way."""
    operations = sorted({(client, clock) for client, start, size in ranges for clock in range(start, start + size)})
    found: list[list[int]] = []
    for client, clock in operations:
        if found and found[-1][0] == client and found[-1][2] == clock:
            found[-1][2] = clock + 1
        else:
            found.append([client, clock, clock + 1])
    vector = sorted((client, clock) for client, clock in VECTOR.items() if clock)
    return hashlib.sha256(f"({vector!r}, {found!r})".encode()).digest()


@pytest.mark.parametrize("seed", range(6))
def test_a_version_is_a_function_of_what_is_there(seed: int) -> None:
    rng = random.Random(seed)
    reader = VersionReader()
    ranges: list[DeletedRange] = []
    for _ in range(5):  # the reader knows more and more of them
        ranges += [(rng.choice([7, 9]), 3 * rng.randrange(20_000), rng.randrange(1, 4)) for _ in range(300)]
        ordered = sorted(set(ranges))
        assert reader.version(_snapshot(ordered)) == _expected(ranges)
        disordered = random.Random(seed).sample(ordered, len(ordered))
        assert document_version(_snapshot(disordered)) == _expected(ranges), "in any order, touching or not"


def test_what_is_known_of_the_last_version_is_not_read_again() -> None:
    ranges = [(7, 4 * number, 1) for number in range(50_000)]
    reader = VersionReader()
    reader.version(_snapshot(ranges))
    for more in ((7, 2, 1), (7, 100_002, 1), (7, 199_998, 1)):  # the first, one in the middle, the last
        before = reader.ranges_read
        ranges = sorted([*ranges, more])
        assert reader.version(_snapshot(ranges)) == document_version(_snapshot(ranges))
        assert reader.ranges_read - before < 10_000


def test_after_many_deletions_little_is_left_to_read() -> None:
    """They come in parts, each in another place; after each part the version is read."""
    count = 40_000
    text, gone = Insertion.of(7, "ab" * count), [(7, 2 * number, 1) for number in range(count)]
    random.Random(1).shuffle(gone)
    replica = TextReplica(5)
    replica.receive(text.update)
    most = 0
    for part in in_parts(check(b"\x00" + encode(gone), Shape.TEXT, Sender.PROGRAM), replica.clocks(), Shape.TEXT):
        before = replica.versions.ranges_read
        assert part is not None
        replica.take(part)
        most = max(most, replica.versions.ranges_read - before)
    before = replica.versions.ranges_read
    assert replica.version() == TextReplica.from_updates(6, [replica.state()]).version()
    assert (most < 20_000, replica.versions.ranges_read - before) == (True, 0)


@pytest.mark.parametrize("size", [0, 1 << 31])
@pytest.mark.parametrize("others", [1, 100])
def test_a_range_of_no_size_is_refused(size: int, others: int) -> None:
    ranges = [(7, 4 * number, 1) for number in range(others)]
    with pytest.raises(InvalidUpdate):
        document_version(_snapshot([*ranges, (7, 1_000_000, size)]))

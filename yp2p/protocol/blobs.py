"""The hash of a blob: a list of chunks, so that one changed byte of a gigabyte costs one chunk.

A blob is cut into chunks of `CHUNK_BYTES`, the last one shorter. Its hash is that of its size and the SHA-256 of each
chunk, in order (a Merkle tree of two levels): whoever has the list of a blob can check it against the hash, and then
every single chunk against the list, before a byte of it is used.

After an insertion no chunk of the new content stands where one of the old content began, so that none of them is known.
Who has the new content gives a sample of its chunks: some bytes of each, and where in it they stand. Who has the old
content looks for these bytes, and where it finds them hashes what stands around them. A sample says only where to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

# The list of a gigabyte is 128 KiB, and a changed byte costs as much again twice over.
CHUNK_BYTES = 256 << 10
HASH_BYTES = 32
# One list is one message.
MAX_BLOB_BYTES = (32 << 20) // HASH_BYTES * CHUNK_BYTES
# The word of a Hello that says that a device gives samples.
SAMPLES_FEATURE = "samples=1"
# A sample is 32 bytes from the first 4 KiB of a chunk: 32 random bytes stand nowhere else, and are found at many times
# the speed of a disk.
SAMPLE_BYTES, SAMPLED_BYTES = 32, 4096
# With these bytes a place in the chunk (u16).
SAMPLE_ENTRY_BYTES = 2 + SAMPLE_BYTES
# Of a longer blob only every second, third ... chunk is sampled: what a question makes us read, and an answer holds.
MAX_SAMPLES = 1 << 14
# With this many different bytes in it a sample is as good as random; with so few it may stand anywhere.
_GOOD_SAMPLE, _POOR_SAMPLE = 24, 4


def chunk_hash(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()


@lru_cache(maxsize=64)
def nul_hash(size: int) -> bytes:
    """The hash of a chunk of so many NUL bytes: it is known, and so is the chunk."""
    return chunk_hash(bytes(size))


def nul_chunks(size: int, chunks: Sequence[bytes]) -> set[int]:
    """Which chunks of a blob of `size` bytes are nothing but NUL bytes, from their hashes."""
    last = len(chunks) - 1
    nul = nul_hash(CHUNK_BYTES)
    found = {index for index, chunk in enumerate(chunks) if chunk == nul and index < last}
    return found | {last} if chunks and chunks[last] == nul_hash(chunk_size(size, last)) else found


def chunk_count(size: int) -> int:
    return -(-size // CHUNK_BYTES)


def chunk_size(size: int, index: int) -> int:
    """How many bytes chunk `index` of a blob of `size` bytes has."""
    return min(CHUNK_BYTES, size - index * CHUNK_BYTES)


def blob_hash(size: int, chunks: Sequence[bytes]) -> bytes:
    """The hash of a blob, from the hashes of its chunks."""
    return hashlib.sha256(b"yp2p blob v1" + size.to_bytes(8, "big") + b"".join(chunks)).digest()


def sample_step(count: int) -> int:
    """Of a blob of `count` chunks one in so many is sampled, from the first on."""
    return -(-count // MAX_SAMPLES) or 1


def sampled_chunks(count: int) -> range:
    """Which chunks of a blob of `count` chunks are sampled."""
    return range(0, count, sample_step(count))


def sample_of(head: bytes) -> bytes:
    """The sample of a chunk that begins with these `SAMPLED_BYTES`, or is so short: its place, and the bytes."""
    best, most = 0, -1
    for at in range(0, max(1, len(head) - SAMPLE_BYTES + 1), SAMPLE_BYTES):
        different = len(set(head[at : at + SAMPLE_BYTES]))
        if different > most:
            best, most = at, different
        if different >= _GOOD_SAMPLE:
            break
    return best.to_bytes(2, "big") + head[best : best + SAMPLE_BYTES].ljust(SAMPLE_BYTES, b"\0")


def read_samples(size: int, packed: bytes) -> dict[int, tuple[int, bytes]]:
    """The samples of a blob of `size` bytes as they came: by chunk, the place in it and the bytes.

    Those are left out that cannot be in the chunk, or may stand anywhere; all, where there are not as many as belong to
    the blob.
    """
    chunks = sampled_chunks(chunk_count(size))
    if len(packed) != len(chunks) * SAMPLE_ENTRY_BYTES:
        return {}
    found: dict[int, tuple[int, bytes]] = {}
    for number, index in enumerate(chunks):
        entry = packed[number * SAMPLE_ENTRY_BYTES : (number + 1) * SAMPLE_ENTRY_BYTES]
        place, sample = int.from_bytes(entry[:2], "big"), entry[2:]
        if place + SAMPLE_BYTES <= chunk_size(size, index) and len(set(sample)) > _POOR_SAMPLE:
            found[index] = place, sample
    return found

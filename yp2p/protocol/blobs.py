"""The hash of a blob: a list of chunks, so that one changed byte of a gigabyte costs one chunk.

A blob is cut into chunks of `CHUNK_BYTES`, the last one shorter. Its hash is that of its size and the SHA-256 of each
chunk, in order (a Merkle tree of two levels): whoever has the list of a blob can check it against the hash, and then
every single chunk against the list, before a byte of it is used.
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

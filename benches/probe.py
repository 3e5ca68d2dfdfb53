"""What the machine itself does at this moment: the least that a figure beside it could be made of.

    fsync    a page of 4 KiB written and brought to the disk: what a durable step costs, by the clock
    copy     a file of 32 MiB read and written anew, by the clock, without waiting for the disk
    hash     SHA-256 over 32 MiB, by CPU time of this thread
    AEAD     ChaCha20-Poly1305 over 32 MiB in pieces of 64 KiB, by CPU time of this thread

A figure that is compared across machines, or across days, is compared as a ratio to one of these.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_MEBIBYTES = 32
_PIECE_BYTES = 64 << 10
_FSYNCS, _ROUNDS = 15, 5


def _fsync_ms(directory: Path) -> float:
    """Milliseconds from an open file to a page of it on the disk."""
    with (directory / "page").open("wb", buffering=0) as file:
        began = time.perf_counter()
        file.write(os.urandom(4096))
        os.fsync(file.fileno())
        return (time.perf_counter() - began) * 1000


def _copy_mib_per_s(directory: Path, source: Path) -> float:
    target = directory / "copy"
    began = time.perf_counter()
    shutil.copyfile(source, target)
    took_s = time.perf_counter() - began
    target.unlink()
    return _MEBIBYTES / took_s


def _hash_mib_per_s(data: bytes) -> float:
    began = time.thread_time()
    hashlib.sha256(data).digest()
    return _MEBIBYTES / (time.thread_time() - began)


def _aead_mib_per_s(data: bytes) -> float:
    cipher = ChaCha20Poly1305(bytes(32))
    began = time.thread_time()
    for at in range(0, len(data), _PIECE_BYTES):
        cipher.encrypt(at.to_bytes(12, "little"), data[at : at + _PIECE_BYTES], None)
    return _MEBIBYTES / (time.thread_time() - began)


def probe() -> dict[str, list[float]]:
    """Samples of all four; takes about a second. Files are made where those of a bench are."""
    data = os.urandom(1 << 20) * _MEBIBYTES
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        source = directory / "source"
        source.write_bytes(data)
        os.sync()  # or the first fsync pays for it
        return {
            "fsync_ms": [_fsync_ms(directory) for _ in range(_FSYNCS)],
            "copy_mib_per_s": [_copy_mib_per_s(directory, source) for _ in range(_ROUNDS)],
            "hash_mib_per_s": [_hash_mib_per_s(data) for _ in range(_ROUNDS)],
            "aead_mib_per_s": [_aead_mib_per_s(data) for _ in range(_ROUNDS)],
        }

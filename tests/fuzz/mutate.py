"""Bytes that are nearly right: mutated honest ones, and updates built of parts that each may be wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from yp2p.protocol.wire import write_varint

_NUMBERS = (0, 1, 2, 3, 5, 127, 128, 255, 16383, 65535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 53) - 1, 1 << 63)


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """An honest input with a few changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.randrange(256)
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            case 3:
                del data[at : at + rng.randint(1, 6)]
            case 4:
                data[at:at] = write_varint(rng.choice(_NUMBERS) & ((1 << 63) - 1))
            case 5:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
            case _:
                data[at:at] = data[at : at + rng.randint(1, 12)]
    return bytes(data)


class _Builder:
    """Builds updates for a document with this state vector: most parts fit it, and each may be wrong."""

    def __init__(self, rng: random.Random, root: bytes, vector: Mapping[int, int]) -> None:
        self._rng = rng
        self._root = root
        self._vector = vector
        self._wrong = rng.choice((0.0, 0.02, 0.2))

    def _is_wrong(self) -> bool:
        return self._rng.random() < self._wrong

    def _number(self) -> bytes:
        return write_varint(self._rng.choice(_NUMBERS) if self._is_wrong() else self._rng.randrange(1, 6))

    def _place(self) -> bytes:
        """Client and clock of an item that is there, maybe."""
        known = [client for client, clock in self._vector.items() if clock]
        if not known or self._is_wrong():
            return self._number() + self._number()
        client = self._rng.choice(known)
        return write_varint(client) + write_varint(self._rng.randrange(self._vector[client]))

    def _block(self) -> bytes:
        rng = self._rng
        manifest = self._root == b"\x07entries"
        kind = rng.choices((0, 1, 8 if manifest else 4, rng.randrange(32)), (1, 1, 6, 1 if self._is_wrong() else 0))[0]
        if kind == 0:
            return b"\x00" + self._number()
        flags = rng.choice((0x80, 0x20) if manifest else (0x80, 0x80, 0x40, 0xC0, 0x00))
        if self._is_wrong():
            flags = rng.choice((0x80, 0x40, 0xC0, 0x00, 0x20, 0xE0))
        out = bytearray([flags | kind])
        for flag in (0x80, 0x40):
            if flags & flag:
                out += self._place()
        if not flags & 0xC0:
            out += b"\x00" if self._is_wrong() else b"\x01"
            out += b"\x03abc" if self._is_wrong() else self._root
            if flags & 0x20:
                out += b"\x03key"
        return bytes(out) + self._content(kind)

    def _content(self, kind: int) -> bytes:
        rng = self._rng
        if kind == 4:
            texts = ("", "\ud800", "\ud83d\ude00") if self._is_wrong() else ("a", "bc", "é", "😀", "line\n", "x😀y")
            text = rng.choice(texts).encode("utf-8", "surrogatepass")
            return write_varint(rng.randrange(1 << 20) if self._is_wrong() else len(text)) + text
        if kind == 8:
            return b"\x01" + rng.choice(
                (b"\x75\x01\x7e", b"\x77\x01a", b"\x7e") if self._is_wrong() else (b"\x74\x02ab",)
            )
        return self._number()

    def update(self) -> bytes:
        rng = self._rng
        clients = rng.sample(range(2, 9), rng.choice((0, 1, 1, 1, 2, 3)))
        out = bytearray(write_varint(len(clients)))
        for client in clients:
            blocks = rng.choice((1, 1, 2, 3, 0 if self._is_wrong() else 1))
            clock = self._vector.get(client, 0)
            start = self._number() if self._is_wrong() else write_varint(rng.choice((clock, clock, clock // 2)))
            out += write_varint(blocks) + write_varint(client) + start
            for _ in range(blocks):
                out += self._block()
        deleted = rng.sample(range(1, 9), rng.choice((0, 0, 1, 2)))
        out += write_varint(len(deleted))
        for client in deleted:
            ranges = rng.randint(1, 3)
            out += write_varint(client) + write_varint(ranges)
            for _ in range(ranges):
                start = rng.randrange(self._vector.get(client, 0) + 1)
                length = rng.randint(1, 4)
                out += (
                    self._number() + self._number() if self._is_wrong() else write_varint(start) + write_varint(length)
                )
        return bytes(out)


def built(rng: random.Random, root: bytes, vector: Mapping[int, int]) -> bytes:
    """An update for a document with this state vector, of random parts. `root` with its length in front."""
    return _Builder(rng, root, vector).update()

"""Reads the numbers, bytes and strings of a message of Yjs (the encoding of its library lib0), each with its check.

No length is believed beyond the bytes that are there. Everything raises InvalidUpdate.
"""

from __future__ import annotations

from yp2p.errors import InvalidUpdate

MAX_CLIENT = (1 << 53) - 1


class Cursor:
    """Reads varints with one check each."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)

    def varint(self) -> int:
        data, at = self.data, self.at
        if at >= self.end:
            raise InvalidUpdate("the bytes end early", at)
        byte = data[at]
        at += 1
        if byte < 0x80:
            self.at = at
            return byte
        result = byte & 0x7F
        shift = 7
        while True:
            if at >= self.end:
                raise InvalidUpdate("the bytes end early", at)
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 56:
                raise InvalidUpdate("a number is too long", at)
        self.at = at
        return result

    def varints(self, number: int) -> list[int]:
        """So many numbers, in a third of the time."""
        data, at, found = self.data, self.at, []
        try:
            for _ in range(number):
                byte = data[at]
                at += 1
                if byte < 0x80:
                    found.append(byte)
                    continue
                result, shift = byte & 0x7F, 7
                while (byte := data[at]) >= 0x80:
                    result |= (byte & 0x7F) << shift
                    at, shift = at + 1, shift + 7
                    if shift > 56:
                        raise InvalidUpdate("a number is too long", at)
                found.append(result | byte << shift)
                at += 1
        except IndexError:
            raise InvalidUpdate("the bytes end early", at) from None
        self.at = at
        return found

    def count(self, item_bytes: int) -> int:
        count = self.varint()
        if count * item_bytes > self.end - self.at:
            raise InvalidUpdate(f"{count} items announced, more than the bytes allow", self.at)
        return count

    def client(self) -> int:
        client = self.varint()
        if client > MAX_CLIENT:
            raise InvalidUpdate(f"client {client} is too large", self.at)
        return client

    def sized(self) -> bytes:
        """Bytes with their number in front."""
        size, start = self.varint(), self.at
        if size > self.end - start:
            raise InvalidUpdate("the bytes end early", start)
        self.at = start + size
        return self.data[start : self.at]

    def text(self) -> str:
        size = self.varint()
        stop = self.at + size
        if stop > self.end:
            raise InvalidUpdate("the bytes end early", self.at)
        try:
            text = self.data[self.at : stop].decode()
        except UnicodeDecodeError:
            raise InvalidUpdate("text that is not UTF-8", self.at) from None
        self.at = stop
        return text

    def finish(self) -> None:
        if self.at != self.end:
            raise InvalidUpdate(f"{self.end - self.at} bytes too many", self.at)

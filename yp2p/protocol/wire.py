"""Reading and writing of the few shapes that all messages are made of.

Integers are big-endian and fixed in size; `varint` is the LEB128 of Yjs. A `Reader` makes one bounds check
per field and `end()` refuses what is left over.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from yp2p.errors import MessageFault

_ONE_BYTE = [bytes([number]) for number in range(0x80)]


def write_varint(number: int) -> bytes:
    if 0 <= number < 0x80:
        return _ONE_BYTE[number]
    if number < 0:
        raise ValueError(f"a varint cannot be negative: {number}")
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


class Writer:
    """Builds one message."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> Writer:
        self._parts.append(data)
        return self

    def u8(self, number: int) -> Writer:
        return self.raw(number.to_bytes(1, "big"))

    def u32(self, number: int) -> Writer:
        return self.raw(number.to_bytes(4, "big"))

    def u64(self, number: int) -> Writer:
        return self.raw(number.to_bytes(8, "big"))

    def data(self, data: bytes) -> Writer:
        """Bytes with their length (u32) in front."""
        return self.u32(len(data)).raw(data)

    def text(self, text: str) -> Writer:
        return self.data(text.encode("utf-8", "surrogatepass"))

    def finish(self) -> bytes:
        return b"".join(self._parts)


class Reader:
    """Reads one message.

    Raises:
        MessageFault: from every method, when the bytes end early or do not decode.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def raw(self, size: int) -> bytes:
        if size > self.left:
            raise MessageFault(f"a field of {size} bytes at {self._at}, but only {self.left} are left")
        start = self._at
        self._at += size
        return self._data[start : self._at]

    def u8(self) -> int:
        return self.raw(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.raw(8), "big")

    def data(self, cap: int) -> bytes:
        size = self.u32()
        if size > cap:
            raise MessageFault(f"a field of {size} bytes, more than the {cap} allowed")
        return self.raw(size)

    def text(self, cap: int) -> str:
        try:
            return self.data(cap).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MessageFault(f"text that is not UTF-8: {error.reason}") from None

    def count(self, item_bytes: int) -> int:
        """A count of items that each take at least `item_bytes`: never more than the bytes left allow."""
        count = self.u32()
        if count * item_bytes > self.left:
            raise MessageFault(f"{count} items announced, but only {self.left} bytes are left")
        return count

    def items(self, layout: Struct, number: int) -> list[tuple[Any, ...]]:
        """So many items of one fixed layout, in a tenth of the time that their fields take one by one."""
        return list(layout.iter_unpack(self.raw(layout.size * number)))

    def counted(self, layout: Struct, cap: int, what: str) -> list[tuple[Any, ...]]:
        """A count of items of one fixed layout, at most `cap`, and the items; `what` they are, for people."""
        count = self.count(layout.size)
        if count > cap:
            raise MessageFault(f"{count} {what} in one message, more than {cap}")
        return self.items(layout, count)

    def rest(self) -> bytes:
        return self.raw(self.left)

    def end(self) -> None:
        if self.left:
            raise MessageFault(f"{self.left} bytes too many at the end of a message")

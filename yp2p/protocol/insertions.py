"""The first version of most texts, one insertion by one client, written and read without the CRDT library.

By the library each of ten thousand new files would take a document, a transaction and a snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.versions import hash_of
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import STRING, Shape, utf16_length


@dataclass(frozen=True, slots=True)
class Insertion:
    """A text document that is one insertion by one client, in the bytes and values that Yjs has for it."""

    update: bytes
    state_vector: bytes
    version: bytes

    @classmethod
    def of(cls, client: int, text: str) -> Insertion:
        """What a document is into which `client` inserted `text`; the empty document for no text."""
        if not text:
            return cls(b"\x00\x00", b"\x00", hash_of({}, []))
        length = utf16_length(text)
        data, root = text.encode(), Shape.TEXT.value.encode()
        update = b"".join(
            (
                b"\x01\x01", write_varint(client), bytes([0, STRING, 1, len(root)]), root,
                write_varint(len(data)), data, b"\x00",
            )
        )  # fmt: skip
        state_vector = b"\x01" + write_varint(client) + write_varint(length)
        return cls(update, state_vector, hash_of({client: length}, []))


def inserted_text(update: bytes) -> str | None:
    """The text of an update that looks like an `Insertion`; None for any other. Nothing else of it is checked."""
    try:
        cursor = Cursor(update)
        if cursor.varint() != 1 or cursor.varint() != 1:
            return None
        cursor.client()
        root = Shape.TEXT.value
        is_first = cursor.varint() == 0 and cursor.varint() == STRING and cursor.varint() == 1
        if not is_first or cursor.text() != root:
            return None
        text = cursor.text()
        return text if cursor.varint() == 0 and cursor.at == cursor.end else None
    except InvalidUpdate:
        return None

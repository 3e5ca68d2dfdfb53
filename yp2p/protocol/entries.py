"""What an entry is: the content register of the manifest, as a value (docs/protocol.md has the byte table).

A text names its document, in which everything else happens. All other kinds are replaced as a whole, so their register
names the content itself and the contents before it: who holds one of those is merely behind, who holds another one has
made a change of its own meanwhile.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from struct import Struct

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, DocumentID
from yp2p.protocol.blobs import MAX_BLOB_BYTES
from yp2p.protocol.wire import Reader, Writer

HASH_BYTES = 32
# Who was away for more versions than these keeps a copy of what it had beside. They are what the manifest grows by.
MAX_BEFORE = 8
BEFORE_BYTES = 16
# A longer target cannot be made (PATH_MAX).
MAX_TARGET_BYTES = 4095
_SIGNED_64 = 1 << 63


class Kind(IntEnum):
    """What an entry is."""

    TEXT = 1
    BLOB = 2
    DIRECTORY = 3
    SYMLINK = 4


class Mode(IntFlag):
    """What is kept of the permissions."""

    PLAIN = 0
    EXECUTABLE = 1
    PRIVATE = 2  # nobody but the owner may read it


@dataclass(frozen=True, slots=True)
class Content:
    """What an entry is. Use `text`, `blob`, `symlink`, `directory`.

    `document` is the document of a text; of other kinds it is a name of this very version, and `hash` (32 bytes) says
    what it holds. `before` has the beginnings (16 bytes) of the hashes of contents that this one replaced, the newest
    first. `mtime_ns` is when the file was changed, nanoseconds since 1970, 0 when that does not matter.
    """

    kind: Kind
    mode: Mode
    document: DocumentID
    hash: bytes = b""
    size: int = 0
    mtime_ns: int = 0
    target: bytes = b""
    before: tuple[bytes, ...] = ()

    @classmethod
    def text(cls, document: DocumentID, mode: Mode, mtime_ns: int = 0) -> Content:
        return cls(Kind.TEXT, mode, document, mtime_ns=mtime_ns)

    @classmethod
    def blob(cls, content: bytes, size: int, mode: Mode, mtime_ns: int) -> Content:
        return cls(Kind.BLOB, mode, version_id(Kind.BLOB, content), content, size, mtime_ns)

    @classmethod
    def symlink(cls, target: bytes) -> Content:
        content = symlink_hash(target)
        return cls(Kind.SYMLINK, Mode.PLAIN, version_id(Kind.SYMLINK, content), content, len(target), target=target)

    @classmethod
    def directory(cls) -> Content:
        return cls(Kind.DIRECTORY, Mode.PLAIN, version_id(Kind.DIRECTORY, DIRECTORY_HASH), DIRECTORY_HASH)

    def after(self, content: bytes, before: tuple[bytes, ...]) -> Content:
        """This content as what replaced `content`, which had replaced `before`."""
        return replace(self, before=(content[:BEFORE_BYTES], *before)[:MAX_BEFORE]).named()

    def named(self) -> Content:
        """With the name of this very version: a content that comes back is another version than it was."""
        if self.kind is Kind.TEXT:
            return self
        return replace(self, document=version_id(self.kind, self.hash, self.before))

    def replaces(self, content: bytes) -> bool:
        """Whether this content came after another one, by the other one's hash."""
        return content[:BEFORE_BYTES] in self.before

    def encode(self) -> bytes:
        out = Writer().u8(self.kind).u8(self.mode)
        match self.kind:
            case Kind.TEXT:
                out.raw(self.document)
            case Kind.BLOB:
                out.raw(self.hash).u64(self.size)
            case Kind.SYMLINK:
                out.data(self.target)
            case Kind.DIRECTORY:
                pass
        return out.u64(self.mtime_ns % (2 * _SIGNED_64)).raw(b"".join(self.before)).finish()


def before_of(packed: bytes) -> list[bytes]:
    """The beginnings of hashes, one behind the other."""
    return [packed[at : at + BEFORE_BYTES] for at in range(0, len(packed), BEFORE_BYTES)]


DIRECTORY_HASH = hashlib.sha256(b"yp2p directory v1").digest()


def symlink_hash(target: bytes) -> bytes:
    return hashlib.sha256(b"yp2p symlink v1" + target).digest()


def version_id(kind: Kind, content: bytes, before: tuple[bytes, ...] = ()) -> DocumentID:
    """A name for a version of what is not text, by the hash of its content and what it replaced."""
    parts = b"".join((b"yp2p version v1", bytes([kind]), content, *before))
    return DocumentID(hashlib.sha256(parts).digest()[:ID_BYTES])


# A text that replaced nothing: kind, mode, document, time.
_TEXT = Struct(f">BB{ID_BYTES}sq")
_MODE_BITS = Mode.EXECUTABLE | Mode.PRIVATE
_MODES = [Mode(bits) for bits in range(_MODE_BITS + 1)]


def decode_content(value: bytes) -> Content:
    """Read a content register. Raises MessageFault."""
    if len(value) == _TEXT.size and value[0] == Kind.TEXT:  # as almost all are
        _, mode, document, mtime_ns = _TEXT.unpack(value)
        return Content(Kind.TEXT, _MODES[mode & _MODE_BITS], DocumentID(document), mtime_ns=mtime_ns)
    data = Reader(value)
    try:
        kind = Kind(data.u8())
    except ValueError:
        raise MessageFault(f"an entry of a kind that does not exist: {value[0]}") from None
    mode = Mode(data.u8() & (Mode.EXECUTABLE | Mode.PRIVATE))
    match kind:
        case Kind.TEXT:
            content = Content.text(DocumentID(data.raw(ID_BYTES)), mode)
        case Kind.BLOB:
            content = Content.blob(data.raw(HASH_BYTES), data.u64(), mode, 0)
        case Kind.SYMLINK:
            content = Content.symlink(data.data(MAX_TARGET_BYTES))
            if not content.target or b"\x00" in content.target:
                raise MessageFault("a symlink to nowhere")
        case Kind.DIRECTORY:
            content = Content.directory()
    # A text without more is of the first version of the protocol.
    mtime_ns = data.u64() if data.left or kind is not Kind.TEXT else 0
    if content.size > MAX_BLOB_BYTES or data.left % BEFORE_BYTES or data.left > MAX_BEFORE * BEFORE_BYTES:
        raise MessageFault("a content register of another format")
    before = tuple(data.raw(BEFORE_BYTES) for _ in range(data.left // BEFORE_BYTES))
    signed = mtime_ns - 2 * _SIGNED_64 if mtime_ns >= _SIGNED_64 else mtime_ns
    if kind is Kind.TEXT:
        return Content(kind, mode, content.document, mtime_ns=signed, before=before)
    return replace(content, mtime_ns=signed, before=before).named()

"""How a folder is on a device, who is linked, and who is a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, DeviceID, EntryID, FolderID
from yp2p.protocol.messages.layouts import DEVICE, ID, MAX_LEAVES
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.protocol.wire import Reader, Writer

# A statement has about 300 bytes; the cap keeps a list of them in one interactive message.
MAX_STATEMENT_BYTES = 1 << 10
# What a folder is called, or what a device says that it is called.
MAX_LABEL_BYTES = 1 << 10
# Devices that somebody has a link with; a folder has no more members. Without the cap one message could name millions,
# which costs a second to read, and as much memory as it has bytes, thrice over.
MAX_LINKS = 4096
# In one message: to check a statement takes half a millisecond. There may be more than that (`trust/limits.py`); they
# are sent in parts, so that one that is lost with its link does not take all others with it.
MAX_STATEMENTS = 4096
STATEMENTS_OF_PART = 512


@dataclass(frozen=True, slots=True)
class FolderState:
    """One digest each over membership, manifest and entries: equal ones end a session's work.

    `settled` is true when the sender's disk is what the digests say: false while files are being read or written, or
    cannot be. A `nonce` other than 0 asks for an answer that
    carries it in `answers`.
    """

    TYPE: ClassVar[int] = 0x10
    folder: FolderID
    membership: bytes
    manifest: bytes
    tree: bytes
    settled: bool
    nonce: int = 0
    answers: int = 0

    def same_as(self, other: FolderState) -> bool:
        return (self.membership, self.manifest, self.tree) == (other.membership, other.manifest, other.tree)

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.membership).raw(self.manifest).raw(self.tree)
        out.u8(self.settled).u32(self.nonce).u32(self.answers)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        digests = data.raw(HASH_BYTES), data.raw(HASH_BYTES), data.raw(HASH_BYTES)
        return cls(folder, *digests, bool(data.u8()), data.u32(), data.u32())


class Condition(IntEnum):
    """What stands between what a device announces and its disk."""

    NONE = 0
    WORKING = 1  # files are being read or written, for a while by now, or wait for that
    PAUSED = 2  # by a person, or the folder's directory or marker is missing
    AWAITING_CONFIRMATION = 3  # many deletions wait for a person's decision
    CANNOT_STORE = 4  # the disk of the store has no room, or cannot be written
    APART = (
        5  # it has no session with the other device for a while, after a fault: it hears of nothing, and says nothing
    )

    @classmethod
    def _missing_(cls, value: object) -> Condition:
        return cls.PAUSED  # of a later protocol: the disk is not what was announced, and we do not know why


@dataclass(frozen=True, slots=True)
class FolderCondition:
    """What stands between what I announced and my disk; `waiting` are entries whose files wait, the first of them."""

    TYPE: ClassVar[int] = 0x80
    folder: FolderID
    condition: Condition
    waiting: tuple[EntryID, ...] = ()

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u8(self.condition).u32(len(self.waiting)).raw(b"".join(self.waiting))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, condition = FolderID(data.raw(ID_BYTES)), Condition(data.u8())
        waiting = data.counted(ID, MAX_LEAVES, "entries that wait")
        return cls(folder, condition, tuple(EntryID(entry) for (entry,) in waiting))


@dataclass(frozen=True, slots=True)
class FolderLinks:
    """The devices I have a link with for this folder: they need no relay from you."""

    TYPE: ClassVar[int] = 0x11
    folder: FolderID
    devices: tuple[DeviceID, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.devices)).raw(b"".join(self.devices))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        return cls(folder, tuple(DeviceID(device) for (device,) in data.counted(DEVICE, MAX_LINKS, "devices")))


@dataclass(frozen=True, slots=True)
class Membership:
    """Signed statements of the folder; each comes behind those that it names, in this message or an earlier one."""

    TYPE: ClassVar[int] = 0x12
    folder: FolderID
    statements: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.statements))
        for statement in self.statements:
            out.data(statement)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        count = data.count(4)
        if count > MAX_STATEMENTS:
            raise MessageFault(f"{count} statements in one message, more than {MAX_STATEMENTS}")
        return cls(folder, tuple(data.data(MAX_STATEMENT_BYTES) for _ in range(count)))

    @classmethod
    def parts(cls, folder: FolderID, statements: Sequence[bytes]) -> Iterator[Self]:
        """As many messages as it takes."""
        for start in range(0, len(statements), STATEMENTS_OF_PART):
            yield cls(folder, tuple(statements[start : start + STATEMENTS_OF_PART]))

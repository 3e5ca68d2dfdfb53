"""What a link begins and ends with, and whether a way to a device is open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from yp2p.identity import SIGNATURE_BYTES
from yp2p.protocol.messages.layouts import MAX_TIME_MS
from yp2p.protocol.wire import Reader, Writer

# All that this device speaks; of those that a peer speaks as well the highest is used.
PROTOCOL_VERSIONS: tuple[int, ...] = (1,)
# A name is shown in tables; a longer one only breaks them.
MAX_DEVICE_NAME_BYTES = 256
MAX_FEATURES_BYTES = 1 << 10
MAX_REASON_BYTES = 1 << 10
EXTENSIONS_FROM = 0x80


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of both sides: what I speak, and who I am this time.

    `proof` is a signature over the handshake: the Noise key proves itself by it, the signing key by this.
    """

    TYPE: ClassVar[int] = 0x01
    versions: tuple[int, ...]
    boot_id: bytes
    name: str
    listen_port: int
    features: str = ""
    proof: bytes = bytes(SIGNATURE_BYTES)

    def write(self, out: Writer) -> None:
        out.data(bytes(self.versions)).raw(self.boot_id).text(self.name).u32(self.listen_port)
        out.text(self.features).raw(self.proof)

    @classmethod
    def read(cls, data: Reader) -> Self:
        versions = tuple(data.data(255))
        boot_id = data.raw(16)
        name = data.text(MAX_DEVICE_NAME_BYTES)
        return cls(versions, boot_id, name, data.u32(), data.text(MAX_FEATURES_BYTES), data.raw(SIGNATURE_BYTES))


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Why I close the link, for the peer's log; `is_paused` when a person here paused the peer."""

    TYPE: ClassVar[int] = 0x02
    reason: str
    is_paused: bool = False

    def write(self, out: Writer) -> None:
        out.text(self.reason).u8(self.is_paused)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.text(MAX_REASON_BYTES), bool(data.u8()))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a later protocol: to be ignored."""

    TYPE: ClassVar[int] = EXTENSIONS_FROM
    type: int


class Reached(IntEnum):
    """Whether the sender of a LinkCheck could be connected to; a number that is none of these is as if not tried."""

    NOT_TRIED = 0
    YES = 1
    NO_ANSWER = 2
    REFUSED = 3
    NO_WAY = 4


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """A person wants to know how this device looks from there; `connect` asks to try its listen port."""

    TYPE: ClassVar[int] = 0x85
    number: int
    connect: bool

    def write(self, out: Writer) -> None:
        out.u32(self.number).u8(self.connect)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.u32(), bool(data.u8()))


@dataclass(frozen=True, slots=True)
class LinkChecked:
    """How the other device looks from here: `at` is what the clock says here (ms since 1970), `has_clone` whether two
    machines have its key.
    """

    TYPE: ClassVar[int] = 0x86
    number: int
    at: int
    reached: Reached
    has_clone: bool

    def write(self, out: Writer) -> None:
        out.u32(self.number).u64(self.at).u8(self.reached).u8(self.has_clone)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, at, reached = data.u32(), data.u64(), data.u8()
        return cls(
            number, min(at, MAX_TIME_MS), Reached(reached) if reached in list(Reached) else Reached.NOT_TRIED,
            bool(data.u8()),
        )  # fmt: skip

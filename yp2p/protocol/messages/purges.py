"""Requests that the past of files be removed, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, FolderID
from yp2p.protocol.wire import Reader, Writer

# A request to remove the past of files; how many of these and of answers to them are in one message: to check each
# signature takes a tenth of a millisecond.
MAX_PURGE_REQUEST_BYTES = 64 << 10
MAX_PURGE_ANSWER_BYTES = 256
MAX_PURGE_REQUESTS, MAX_PURGE_ANSWERS = 16, 256


@dataclass(frozen=True, slots=True)
class PurgeNews:
    """Signed requests to remove the past of files, and signed answers to such (`trust/purges.py`)."""

    TYPE: ClassVar[int] = 0x8A
    folder: FolderID
    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder)
        for bodies in (self.requests, self.answers):
            out.u32(len(bodies))
            for body in bodies:
                out.data(body)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        found: list[tuple[bytes, ...]] = []
        for most, cap in (
            (MAX_PURGE_REQUESTS, MAX_PURGE_REQUEST_BYTES), (MAX_PURGE_ANSWERS, MAX_PURGE_ANSWER_BYTES)
        ):  # fmt: skip
            count = data.count(4)
            if count > most:
                raise MessageFault(f"{count} requests to purge or answers in one message, more than {most}")
            found.append(tuple(data.data(cap) for _ in range(count)))
        return cls(folder, found[0], found[1])

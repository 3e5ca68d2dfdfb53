"""A process that decides what becomes of texts that met: `python -m yp2p.threeway.worker`.

Parsers are native code, and the bytes are chosen by members: should one of them end the process, it is this one.
It reads requests from its standard input and answers each on its standard output; every message has its length (four
bytes, big-endian) in front, and is msgpack.
"""

from __future__ import annotations

import resource
import sys
from io import FileIO

import msgspec

from yp2p.threeway.merge import Merged, Told, merge

# A merge of texts of 4 MB takes a third of this.
_MAX_MEMORY_BYTES = 2 << 30
_LENGTH_BYTES = 4


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What `threeway.merge.merge` takes."""

    path: str
    base: str
    ours: str
    theirs: str
    back: list[str] = []


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The merged text, and of each place where a person would have been asked: line, what stands, ours, theirs."""

    text: str
    told: list[tuple[int, str, str, str]]

    def merged(self) -> Merged:
        return Merged(self.text, tuple(Told(*place) for place in self.told))


def framed(message: Request | Answer) -> bytes:
    """A message as it goes through the pipe."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def answer(request: Request) -> Answer:
    """Decide."""
    merged = merge(request.path, request.base, request.ours, request.theirs, frozenset(request.back))
    return Answer(merged.text, [(told.line, told.stands, told.ours, told.theirs) for told in merged.told])


def _write_all(target: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[target.write(rest) or 0 :]


def main() -> None:
    """Answer until the input ends, or nobody takes the answers: whoever asked was killed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = sys.stdin.buffer
    answers = FileIO(sys.stdout.fileno(), "wb", closefd=False)  # which keeps nothing that is flushed at the exit
    while len(head := requests.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        size = int.from_bytes(head, "big")
        data = requests.read(size)
        if len(data) < size:
            break
        try:
            _write_all(answers, framed(answer(msgspec.msgpack.decode(data, type=Request))))
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()

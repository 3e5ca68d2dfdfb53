"""Memory of a daemon that serves 50 live documents of 20 kB to 10 programs, each of which has all of them open.

The programs use Hocuspocus' framing, so that each has one connection; they are in this process, which is not measured.
Every document is typed in by every program. Bar: stated, not set.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import report
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices
from scale import memory_mib
from wsproto import ConnectionType

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.programs.websocket import WebSocket
from yp2p.protocol.channel import Step1, Step2, Updates, decode, encode
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.wire import write_varint

_TEXT = "some words in a line of a text\n" * 660
_AUTH, _SYNC, _STATUS = 2, 0, 8


def _sized(text: str) -> bytes:
    return write_varint(len(text.encode())) + text.encode()


class _Program:
    """One connection, with all documents open."""

    def __init__(self, number: int, names: list[str]) -> None:
        self._socket = WebSocket(ConnectionType.CLIENT)
        self._replicas = {name: TextReplica((number + 1) * 1000 + at) for at, name in enumerate(names)}
        self._waits_for = dict.fromkeys(names, _SYNC)  # its text, then that what was typed is stored
        self._stream: trio.SocketStream | None = None
        self.has_all = trio.Event()

    async def run(self, path: str) -> None:
        self._stream = await trio.open_unix_socket(path)
        await self._stream.send_all(self._socket.ask("/v1/hocuspocus"))
        while True:
            self._socket.receive(await self._stream.receive_some(1 << 16))
            if self._socket.is_open and not self.has_all.is_set() and len(self._waits_for) == len(self._replicas):
                await self._open_all()
            while self._socket.messages:
                await self._take(self._socket.messages.popleft())

    async def _open_all(self) -> None:
        for name in self._replicas:
            if self._waits_for[name] == _SYNC:
                await self._say(name, bytes([_AUTH, 0]) + _sized("") + _sized("bench"))
                await self._say(name, encode(Step1(b"\x00")))
                self._waits_for[name] = _AUTH

    async def _say(self, name: str, message: bytes) -> None:
        assert self._stream is not None
        await self._stream.send_all(self._socket.message(_sized(name) + message))

    async def _take(self, data: bytes) -> None:
        cursor = Cursor(data)
        name = cursor.text()
        message = data[cursor.at :]
        if message[0] == _STATUS:
            self._waits_for.pop(name, None)
            if not self._waits_for:
                self.has_all.set()
        if message[0] != _SYNC or not isinstance(step := decode(message), Step2):
            return
        replica = self._replicas[name]
        replica.receive(step.update)
        update = replica.edit([Hunk(0, 0, "typed\n")])
        assert update is not None
        await self._say(name, encode(Updates((update,))))


async def _measure(device: Device, documents: int, programs: int) -> dict[str, float]:
    names = [f"{device.dir.name}/{number}.md" for number in range(documents)]
    before = memory_mib(device)
    all_of_them = [_Program(number, names) for number in range(programs)]
    async with trio.open_nursery() as nursery:
        for program in all_of_them:
            nursery.start_soon(program.run, str(device.home / "documents.sock"))
        for program in all_of_them:
            await program.has_all.wait()
        await trio.sleep(2)  # what is on its way between them
        after = memory_mib(device)
        nursery.cancel_scope.cancel()
    await trio.sleep(2)
    return {"before_mib": before, "with_programs_mib": after, "afterwards_mib": memory_mib(device)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--programs", type=int, default=10)
    arguments = report.parse(parser)
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one") as (one,):
        for number in range(arguments.documents):
            (one.dir / f"{number}.md").write_text(_TEXT)
        one.cli("share", str(one.dir))
        one.wait()
        found = trio.run(_measure, one, arguments.documents, arguments.programs)
    found = {key: round(value, 1) for key, value in found.items()}
    report.publish(arguments, found)


if __name__ == "__main__":
    main()

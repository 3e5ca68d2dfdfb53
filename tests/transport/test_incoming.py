"""The reading half of a link, while nothing comes and while nobody reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from yp2p.transport import incoming
from yp2p.transport.handshake import Secured
from yp2p.transport.incoming import MAX_TAKEN_BYTES, Incoming


class _Stream:
    """What the kernel keeps, and a reader that waits for more."""

    def __init__(self) -> None:
        self.kept = b""
        self.more = trio.Event()

    async def receive_some(self, limit: int) -> bytes:
        await self.more.wait()
        self.more = trio.Event()
        data, self.kept = self.kept[:limit], self.kept[limit:]
        return data


class _Plain:
    """Every byte is a message."""

    class bulk:  # noqa: N801 (an attribute of a decoder)
        size, head, number = 0, b"", 0

    is_behind = ended = False

    def receive_data(self, data: bytes) -> list[bytes]:
        return [bytes([byte]) for byte in data]


class _Wakes(trio.abc.Instrument):
    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += "take_a_little" in task.name


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> _Stream:
    def take(stream: Any, limit: int) -> bytes:
        data, stream.kept = stream.kept[:limit], stream.kept[limit:]
        return bytes(data)

    monkeypatch.setattr(incoming, "read_nowait", take)
    return _Stream()


def _incoming(stream: _Stream) -> Incoming:
    transport = SimpleNamespace(receiving=None)
    found = Incoming(cast(Secured, SimpleNamespace(stream=stream, transport=transport, leftover=b"")), lambda *_: True)
    found._decoder = cast(Any, _Plain())
    return found


async def test_while_somebody_reads_nobody_is_woken(stream: _Stream, autojump_clock: trio.testing.MockClock) -> None:
    one, wakes, read = _incoming(stream), _Wakes(), list[bytes]()

    async def reads() -> None:
        while True:
            read.append(await one.next())

    trio.lowlevel.add_instrument(wakes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reads)
        nursery.start_soon(one.take_a_little)
        await trio.sleep(3600)
        assert wakes.count <= 2, "its start, and a first look"
        for number in range(20):
            stream.kept += bytes([number])
            stream.more.set()
            await trio.sleep(60)
        assert read == [bytes([number]) for number in range(20)]
        assert wakes.count <= 2, "a message wakes nobody else"
        nursery.cancel_scope.cancel()


async def test_while_nobody_reads_a_little_is_taken_and_comes_in_order(
    stream: _Stream, autojump_clock: trio.testing.MockClock
) -> None:
    one = _incoming(stream)
    stream.kept = bytes(range(250)) * 400
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.take_a_little)
        await trio.sleep(3)
        assert len(stream.kept) == 100_000 - (64 << 10)
        first = [await one.next() for _ in range(250)]
        await trio.sleep(3)
        assert stream.kept == b"", "again, after a read"
        rest = [await one.next() for _ in range(100_000 - 250)]
        assert b"".join([*first, *rest]) == bytes(range(250)) * 400
        stream.kept = bytes(MAX_TAKEN_BYTES * 2)
        await trio.sleep(3600)
        assert MAX_TAKEN_BYTES <= MAX_TAKEN_BYTES * 2 - len(stream.kept) < MAX_TAKEN_BYTES + (64 << 10), "and no more"
        nursery.cancel_scope.cancel()

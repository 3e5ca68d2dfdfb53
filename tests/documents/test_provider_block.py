"""The block of a provider: what leaves it, what is sent at its end, and that it can be started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
import trio.testing
from conditions import until
from documents.test_provider import Document, Pipe, pipes

from yp2p.documents.provider import Provider
from yp2p.protocol import channel as wire


class _Broken:
    """A channel that fails at the n-th thing that is sent, or when something is received."""

    path = "broken"

    def __init__(self, sends: int = 0, *, receives: bool = False) -> None:
        self._sends = sends
        self._receives = receives
        self.sent: list[bytes] = []

    async def send(self, message: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if len(self.sent) == self._sends:
            raise ConnectionError("the network is down")
        self.sent.append(message)

    def __aiter__(self) -> _Broken:
        return self

    async def __anext__(self) -> bytes:
        if self._receives:
            raise ConnectionError("the network is down")
        await trio.sleep_forever()
        raise AssertionError


@asynccontextmanager
async def _nursery_stack_stays_whole() -> AsyncIterator[None]:
    """Afterwards this task has as many nurseries as before, and can be cancelled as ever."""
    nurseries = trio.lowlevel.current_task().child_nurseries
    before = len(nurseries)
    yield
    assert len(nurseries) == before
    with trio.move_on_after(5) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint)
        scope.cancel()
        await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_what_a_channel_raises_at_once_comes_out_of_the_block() -> None:
    document = Document(1)
    ran = False
    async with _nursery_stack_stays_whole():
        with pytest.raises(ConnectionError, match="the network is down"):
            async with Provider(document, _Broken()):
                ran = True
    assert not ran
    assert not document._listeners


@pytest.mark.parametrize("later", [_Broken(1, receives=True), _Broken(1)], ids=["receiving", "sending"])
async def test_what_a_channel_raises_later_ends_the_block_and_comes_out(later: _Broken) -> None:
    document = Document(1)

    async def work(provider: Provider) -> None:
        provider.restart()
        await trio.sleep_forever()

    async with _nursery_stack_stays_whole():
        with trio.fail_after(60), pytest.raises(ConnectionError, match="the network is down"):
            async with Provider(document, later) as provider:
                await work(provider)
    assert not document._listeners


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    left, _ = pipes()
    fault, cause = KeyError("theirs"), ValueError("its cause")
    with pytest.raises(KeyError) as caught:
        async with Provider(Document(1), left):
            raise fault from cause
    assert caught.value is fault
    assert caught.value.__cause__ is cause
    with trio.move_on_after(1) as scope:
        async with Provider(Document(1), left):
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_provider_starts_again_after_it_was_stopped() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, Provider(two, right):
            provider = Provider(one, left)
            for number in range(3):
                one.edit(0, 0, f"{number} apart ")
                await nursery.start(provider.start)
                with pytest.raises(RuntimeError, match="runs already"):
                    await provider.start()
                await provider.synced.wait()
                one.edit(0, 0, f"{number} live ")
                await until(lambda: two.replica.version() == one.replica.version())
                await provider.stop()
                assert not provider.synced.is_set()
                two.edit(0, 0, f"{number} theirs ")
            await provider.stop()  # once more is nothing
            async with provider:
                await until(lambda: two.replica.version() == one.replica.version())
            async with provider:
                one.edit(0, 0, "again ")
                await provider.synced.wait()
    assert one.replica.text().count(" theirs") == 3


async def test_a_provider_starts_again_after_its_channel_failed() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes()

    class Flaky(Pipe):
        def __init__(self) -> None:
            self.is_down = True
            self.__dict__.update(left.__dict__)

        async def send(self, message: bytes) -> None:
            if self.is_down:
                raise ConnectionError("the network is down")
            await super().send(message)

    channel = Flaky()
    provider = Provider(one, channel)
    with pytest.raises(ConnectionError):
        async with provider:
            pass
    channel.is_down = False
    one.edit(0, 0, "text")
    async with provider, Provider(two, right):
        await until(lambda: two.replica.text() == "text")


async def test_what_was_written_at_the_end_of_a_block_is_sent() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes(capacity=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Provider(two, right).start)
        async with Provider(one, left) as provider:
            await provider.synced.wait()
            await until(lambda: provider._live)
            for number in range(20):
                one.edit(0, 0, f"{number} ")
        await until(lambda: two.replica.version() == one.replica.version())
        nursery.cancel_scope.cancel()


async def test_a_peer_that_does_not_read_does_not_hold_up_the_end_of_a_block(
    autojump_clock: trio.testing.MockClock,
) -> None:
    one = Document(1)
    left, right = pipes(capacity=1)
    async with Provider(one, left):
        await right.recv()
        await right.send(wire.encode(wire.Step1(b"\x00")))
        await right.recv()
        for _ in range(3):
            one.edit(0, 0, "x")
            await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
    assert trio.current_time() - started == pytest.approx(5)


def test_a_provider_on_asyncio_says_what_it_needs() -> None:
    async def enter() -> None:
        async with Provider(Document(1), pipes()[0]):
            pass

    async def start() -> None:
        await Provider(Document(1), pipes()[0]).start()

    for way in (enter, start):
        with pytest.raises(RuntimeError, match="runs on trio"):
            asyncio.run(way())

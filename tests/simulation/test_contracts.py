"""What the simulation puts in the place of real things keeps the same promises as these: streams, clocks, the store.

Each test runs with both. (The disk: `test_disk.py`; it is a real one, with a memory of what was forced.)
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from simulation.hooks import installed, simulated_database
from simulation.network import Network, SimulatedListener, SimulatedStream

from yp2p.errors import YpError
from yp2p.store.database import Database, open_database
from yp2p.transport.nowait import read_nowait, write_nowait

Pair = tuple[Any, Any]
_KINDS = ["real", "simulated"]


# --- streams ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _real_pair() -> AsyncIterator[Pair]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        one = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        async with one, await listener.accept() as other:
            yield one, other


@asynccontextmanager
async def _simulated_pair() -> AsyncIterator[Pair]:
    network, listener = Network(random.Random(4), ("partial writes",)), SimulatedListener()
    network.listeners["other"] = (listener, lambda kind: None)
    one = await network.connect("one", "other", lambda kind: None)
    async with one, await listener.accept() as other:  # type: ignore[attr-defined]
        yield one, other


@pytest.fixture(params=_KINDS)
def pair(request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[Pair]]:
    return _real_pair if request.param == "real" else _simulated_pair


def _write_nowait(stream: Any, data: bytes) -> int:
    return stream.take_nowait(data) if isinstance(stream, SimulatedStream) else write_nowait(stream, data)


def _read_nowait(stream: Any, limit: int) -> bytes:
    return stream.give_nowait(limit) if isinstance(stream, SimulatedStream) else read_nowait(stream, limit)


async def _all_from(stream: Any) -> bytes:
    found = bytearray()
    while data := await stream.receive_some(4096):
        assert len(data) <= 4096
        found += data
    return bytes(found)


async def _send_for_ever(stream: Any) -> None:
    while True:
        await stream.send_all(bytes(1 << 16))


async def test_what_is_sent_arrives_whole_and_in_order(pair: Callable[[], AbstractAsyncContextManager[Pair]]) -> None:
    sent = random.Random(1).randbytes(1 << 20)
    async with pair() as (one, other):
        found: list[bytes] = []

        async def read() -> None:
            found.append(await _all_from(other))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for at in range(0, len(sent), 50_000):
                await one.send_all(sent[at : at + 50_000])
            await one.aclose()
        assert found == [sent]


async def test_what_is_written_without_waiting_comes_before_the_rest(
    pair: Callable[[], AbstractAsyncContextManager[Pair]],
) -> None:
    async with pair() as (one, other):
        taken = _write_nowait(one, b"x" * 1000)
        assert 0 <= taken <= 1000
        await one.send_all(b"x" * (1000 - taken) + b"y")
        await one.aclose()
        assert await _all_from(other) == b"x" * 1000 + b"y"
        assert _write_nowait(one, b"more") == 0


async def test_what_is_read_without_waiting_comes_before_the_rest(
    pair: Callable[[], AbstractAsyncContextManager[Pair]],
) -> None:
    async with pair() as (one, other):
        assert _read_nowait(other, 4096) == b""
        await one.send_all(b"x" * 1000)
        with trio.fail_after(60):
            while not (found := _read_nowait(other, 600)):
                await trio.sleep(0.01)  # noqa: ASYNC110 (it is on its way)
        assert len(found) <= 600
        await one.aclose()
        assert found + await _all_from(other) == b"x" * 1000
        assert _read_nowait(other, 4096) == b""


async def test_who_sends_on_a_stream_that_is_closed_is_told(
    pair: Callable[[], AbstractAsyncContextManager[Pair]],
) -> None:
    async with pair() as (one, _):

        async def send() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await _send_for_ever(one)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked(0.05)
                await trio.aclose_forcefully(one)
        with pytest.raises(trio.ClosedResourceError):
            await one.send_all(b"more")


async def test_who_reads_from_a_stream_that_is_closed_is_told(
    pair: Callable[[], AbstractAsyncContextManager[Pair]],
) -> None:
    async with pair() as (one, _):

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await one.receive_some(10)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked(0.05)
                await trio.aclose_forcefully(one)
        with pytest.raises(trio.ClosedResourceError):
            await one.receive_some(10)


async def test_who_sends_to_one_that_is_gone_is_told(pair: Callable[[], AbstractAsyncContextManager[Pair]]) -> None:
    async with pair() as (one, other):
        await trio.aclose_forcefully(other)
        with trio.fail_after(60), pytest.raises(trio.BrokenResourceError):
            await _send_for_ever(one)


# --- the store ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _simulated_store(path: Path) -> AsyncIterator[Database]:
    host: Any = SimpleNamespace(rng=random.Random(1), slow_store=False, is_dead=False, point=lambda kind: None)
    database, writer = simulated_database(path, host)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        nursery.start_soon(writer.watch)
        try:
            yield database
        finally:
            database.close()
            nursery.cancel_scope.cancel()


@pytest.fixture(params=_KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Database]]:
    path = tmp_path / "store.db"
    return (lambda: open_database(path)) if request.param == "real" else (lambda: _simulated_store(path))


_INSERT = "INSERT INTO start VALUES (?, ?, ?)"


async def test_commits_are_done_in_order_and_can_be_read_then(
    store: Callable[[], AbstractAsyncContextManager[Database]],
) -> None:
    async with store() as database:
        done: list[int] = []
        for number in range(200):
            commit = database.submit([(_INSERT, (number, 0, 0.0)), ("DELETE FROM day", ())])
            commit.then(lambda number=number: done.append(number))  # type: ignore[misc]
        assert database.pending() is commit
        await commit.wait()
        assert done == list(range(200))
        assert len(database.rows("SELECT * FROM start")) == 200


async def test_what_was_submitted_last_is_stored_on_closing(
    store: Callable[[], AbstractAsyncContextManager[Database]], tmp_path: Path
) -> None:
    async with store() as database:
        database.submit([(_INSERT, (1, 0, 0.0))])
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("SELECT client FROM start").fetchall() == [(1,)]


async def test_a_commit_is_all_or_nothing_and_none_follows_one_that_failed(
    store: Callable[[], AbstractAsyncContextManager[Database]],
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(YpError, match="could not be written"), flatten_subgroups=True):
        async with store() as database:
            failing = database.submit([(_INSERT, (number, 0, 0.0)) for number in (1, 2, 1)])
            with pytest.raises(YpError, match="UNIQUE"):
                await failing.wait()
            with pytest.raises(YpError, match="UNIQUE"):
                await database.submit([(_INSERT, (3, 0, 0.0))]).wait()
            assert database.rows("SELECT * FROM start") == []
            await trio.sleep_forever()


# --- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", _KINDS)
def test_clocks_go_on_alike_and_never_back(kind: str) -> None:
    near = 5.0 if kind == "real" else 0.04  # between two of these calls a busy machine may do something else

    async def test() -> None:
        before = trio.current_time(), time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
        await trio.sleep(0.05)  # time itself is what is tested
        after = trio.current_time(), time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
        assert after[0] - before[0] >= 0.05
        assert abs((after[0] - before[0]) - (after[1] - before[1])) < near
        assert after[2] / 1e9 == pytest.approx(after[1], abs=near)
        assert after[3] - before[3] == pytest.approx(after[0] - before[0], abs=near)
        assert after[4] - before[4] == pytest.approx(after[0] - before[0], abs=near)
        waited_from = time.monotonic()
        time.sleep(0.01)  # noqa: ASYNC251 (as a worker thread waits)
        assert time.monotonic() - waited_from >= 0.009
        await trio.lowlevel.checkpoint()
        assert trio.current_time() >= after[0]

    if kind == "real":
        trio.run(test)
        return
    network = Network(random.Random(1))
    clock = trio.testing.MockClock(autojump_threshold=0)
    with installed(random.Random(1), lambda host, port: network.connect("one", host, lambda kind: None)):
        trio.run(test, clock=clock)

"""How a program leaves the block of an open file: what it wrote is stored, or it is told how much is not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from lab import Device, devices, eventually

from yp2p.client import NotRunning, connect
from yp2p.client import in_step as client

BACKENDS = ["trio", "asyncio"]
EDITS = [f"<edit {number}>" for number in range(20)]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with devices(tmp_path_factory.mktemp("leaving"), "one") as (one,):
        for number in range(50):
            (one.dir / f"{number}.md").write_text("text\n")
        one.cli("share", str(one.dir))
        one.wait()
        yield one


@pytest.fixture(scope="module")
def paths(device: Device) -> Iterator[Path]:
    return iter(sorted(device.dir.glob("*.md")))


@pytest.fixture
def path(paths: Iterator[Path]) -> Path:
    """A file of its own for each test."""
    return next(paths)


def _run(backend: str, test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with anyio.fail_after(60):
            await test()

    anyio.run(limited, backend=backend)


def _has_all(path: Path) -> bool:
    text = path.read_text()
    return all(text.count(edit) == 1 for edit in EDITS)


async def _write_and_leave(device: Device, path: Path, leave: Callable[[], Awaitable[None]]) -> None:
    async with connect(device.home / "control.sock") as here, here.open(path) as file:
        for edit in EDITS:
            file.insert(len(str(file)), edit)
        await leave()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, BaseExceptionGroup])
def test_what_was_written_is_stored_when_an_exception_leaves_the_block(
    device: Device, path: Path, backend: str, kind: type[BaseException]
) -> None:
    """The exception comes out as it was raised: the same object, in no group, with its own cause."""
    cause = RuntimeError("the cause")
    left_by = BaseExceptionGroup("theirs", [ValueError()]) if kind is BaseExceptionGroup else kind(0)

    async def leave() -> None:
        raise left_by from cause

    with pytest.raises(type(left_by)) as caught:
        _run(backend, partial(_write_and_leave, device, path, leave))
    if isinstance(left_by, BaseExceptionGroup):  # trio copies those
        assert isinstance(caught.value, BaseExceptionGroup)
        assert caught.value.exceptions == left_by.exceptions
    else:
        assert caught.value is left_by
    assert caught.value.__cause__ is cause
    eventually(lambda: _has_all(path))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_written_is_stored_when_the_block_is_cancelled(device: Device, path: Path, backend: str) -> None:
    async def test() -> None:
        with anyio.CancelScope() as scope:

            async def leave() -> None:
                scope.cancel()
                await anyio.sleep_forever()

            await _write_and_leave(device, path, leave)
        assert scope.cancelled_caught

    _run(backend, test)
    eventually(lambda: _has_all(path))


@pytest.mark.parametrize("left_by", [None, ValueError()])
@pytest.mark.parametrize("is_late", [False, True])
def test_what_was_written_is_stored_when_a_task_of_asyncio_is_cancelled_at_the_end_of_the_block(
    device: Device, path: Path, is_late: bool, left_by: Exception | None
) -> None:
    """As by Ctrl-C in a loop that awaits nothing, or by a limit that is reached while the end of the block flushes."""

    async def leave() -> None:
        task = asyncio.current_task()
        assert task is not None
        if is_late:
            asyncio.get_running_loop().call_soon(task.cancel)
        else:
            task.cancel()
        if left_by is not None:
            raise left_by

    async def test() -> None:
        task = asyncio.create_task(_write_and_leave(device, path, leave))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(asyncio.wait_for(test(), 60))
    eventually(lambda: _has_all(path))


_PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
import anyio
from yp2p.client import connect

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored

async def leave_by_another_task():
    sys.exit(3)

async def main():
    async with connect(Path({socket!r})) as device, device.open({path!r}) as file:
        for edit in {edits!r}:
            file.insert(0, 50_000 * "x" + edit)  # more than the kernel takes at once
        if {is_interrupted}:
            signal.raise_signal(signal.SIGINT)
        else:
            task = asyncio.create_task(leave_by_another_task())
        await anyio.sleep_forever()

anyio.run(main, backend={backend!r})
"""


@pytest.mark.parametrize(
    ("backend", "is_interrupted", "codes"),
    [
        pytest.param("trio", True, (1, 130, -signal.SIGINT), id="trio, Ctrl-C"),
        pytest.param("asyncio", True, (1, 130, -signal.SIGINT), id="asyncio, Ctrl-C"),
        pytest.param("asyncio", False, (3,), id="asyncio, another task"),
    ],
)
def test_what_was_written_is_stored_when_the_program_ends(
    device: Device, path: Path, backend: str, is_interrupted: bool, codes: tuple[int, ...]
) -> None:
    """By Ctrl-C, and where asyncio cancels every task because one called `sys.exit`."""
    code = _PROGRAM.format(
        socket=str(device.home / "control.sock"),
        path=str(path),
        edits=EDITS,
        is_interrupted=is_interrupted,
        backend=backend,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert done.returncode in codes, done.stderr.decode()
    eventually(lambda: _has_all(path))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [None, ValueError, SystemExit])
def test_what_is_not_stored_is_told_with_its_number(
    device: Device, path: Path, backend: str, kind: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_LAST_FLUSH_S", 0.2)
    told = f"20 edits of {path} are not known to be stored"

    async def leave() -> None:
        if kind is not None:
            raise kind(0)

    async def test() -> None:
        async with connect(device.home / "control.sock") as here, here.open(path) as file:
            await file.flush()
            assert file.unstored == 0
            os.kill(device.pid, signal.SIGSTOP)
            for edit in EDITS:
                file.insert(0, edit)
            assert file.unstored == len(EDITS)
            await leave()

    try:
        with pytest.raises(kind if kind is ValueError else NotRunning) as caught:
            _run(backend, test)
    finally:
        os.kill(device.pid, signal.SIGCONT)
    if kind is ValueError:
        assert any(told in note for note in caught.value.__notes__)
    else:
        assert told in str(caught.value)
        assert type(caught.value.__cause__) is (kind or type(None))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_block_in_which_nothing_was_written_needs_no_daemon_at_its_end(
    device: Device, path: Path, backend: str
) -> None:
    async def test() -> None:
        async with connect(device.home / "control.sock") as here:
            try:
                async with here.open(path):
                    os.kill(device.pid, signal.SIGSTOP)
            finally:
                os.kill(device.pid, signal.SIGCONT)

    _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("by_hand", [False, True])
def test_what_changes_while_a_slow_body_runs_is_one_more_round(
    device: Device, path: Path, backend: str, by_hand: bool
) -> None:
    async def test() -> None:
        async with connect(device.home / "control.sock") as here, here.open(path) as mine, here.open(path) as theirs:
            seen: list[str] = []

            async def slow_body() -> None:
                seen.append(str(mine))
                if len(seen) <= 3:
                    theirs.insert(0, f"<{len(seen)}>")
                    while f"<{len(seen)}>" not in str(mine):
                        await anyio.sleep(0.005)

            async def write() -> None:
                await anyio.wait_all_tasks_blocked()
                theirs.insert(0, "<0>")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write)
                if by_hand:
                    while not seen or "<3>" not in seen[-1]:
                        await mine.changed()
                        await slow_body()
                else:
                    async for _ in mine.changed():
                        await slow_body()
                        if "<3>" in seen[-1]:
                            break

    _run(backend, test)


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiting_for_a_change_is_a_coroutine_like_any_other(device: Device, path: Path, backend: str) -> None:
    async def test() -> None:
        async with connect(device.home / "control.sock") as here, here.open(path) as mine, here.open(path) as theirs:
            for file in (mine, theirs):
                while not file.awareness:  # that somebody came is a change
                    await file.changed()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(mine.changed)
                await anyio.wait_all_tasks_blocked()
                theirs.insert(0, "x")
            with anyio.move_on_after(0.05) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(theirs.changed)  # what one writes is no change to oneself
            assert scope.cancelled_caught

    _run(backend, test)

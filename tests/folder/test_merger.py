"""The worker that merges: the same answers as here, and what ends it costs one merge its parser, nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from pairs import all_pairs

from yp2p.folder import merger
from yp2p.folder.merger import InlineMerger, WorkerMerger, open_merger
from yp2p.threeway.merge import Merged
from yp2p.threeway.worker import Request, framed

# Both added a member to a list: only with a comma between them does it parse.
PARSED = (
    "package.json", '{\n  "b": 2\n}\n', '{\n  "b": 2,\n  "c": 3\n}\n', '{\n  "b": 2,\n  "d": 4\n}\n'
)  # fmt: skip


@asynccontextmanager
async def _worker() -> AsyncIterator[WorkerMerger]:
    async with open_merger() as found:
        assert isinstance(found, WorkerMerger)
        yield found


def _pid(worker: WorkerMerger) -> int:
    assert worker._process is not None
    return worker._process.pid


async def test_it_answers_as_it_is_answered_here() -> None:
    async with _worker() as worker:
        for pair in all_pairs():
            texts = pair["file"], pair["base"], pair["ours"], pair["theirs"]
            assert await worker.merge(*texts) == await InlineMerger().merge(*texts), pair["name"]


async def test_one_that_was_killed_costs_one_merge_its_parser() -> None:
    right = await InlineMerger().merge(*PARSED)
    async with _worker() as worker:
        assert await worker.merge(*PARSED) == right
        first = _pid(worker)
        os.kill(first, signal.SIGKILL)
        by_words: Merged = await worker.merge(*PARSED)
        assert '"c": 3' in by_words.text
        assert '"d": 4' in by_words.text
        assert await worker.merge(*PARSED) == right
        assert _pid(worker) != first


async def test_one_that_does_not_answer_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _worker() as worker:
        await worker.merge(*PARSED)
        pid = _pid(worker)
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(merger, "_LIMIT_S", 0.05)
        assert '"c": 3' in (await worker.merge(*PARSED)).text
        with trio.fail_after(60):
            while _exists(pid):  # noqa: ASYNC110 (within a limit)
                await trio.sleep(0.01)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_one_that_nobody_needs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merger, "_IDLE_S", 0.05)
    async with _worker() as worker:
        await worker.merge(*PARSED)
        with trio.fail_after(60):
            while worker._process is not None:  # noqa: ASYNC110 (within a limit)
                await trio.sleep(0.01)
        assert await worker.merge(*PARSED) == await InlineMerger().merge(*PARSED)


async def test_merges_that_are_wanted_at_a_time_each_get_their_own_answer() -> None:
    async with _worker() as worker, trio.open_nursery() as nursery:
        for pair in all_pairs():

            async def one(texts: tuple[str, ...] = (pair["file"], pair["base"], pair["ours"], pair["theirs"])) -> None:
                assert await worker.merge(*texts) == await InlineMerger().merge(*texts)

            nursery.start_soon(one)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_one_whose_daemon_was_killed_ends_without_a_word(share: float) -> None:
    """It has the whole of a request then, or a part; and nobody takes the answer."""
    request = framed(Request(*PARSED))
    command = [sys.executable, "-m", "yp2p.threeway.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdout.close()
        worker.stdin.write(request[: round(len(request) * share) or 2])
        worker.stdin.close()
        assert worker.stderr is not None
        said = worker.stderr.read()
    assert (worker.returncode, said) == (0, b"")

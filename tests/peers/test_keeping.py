"""Who keeps a file that another device does not want on its disk: what is answered, and which answers count."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
import trio.testing
from bridge import Bridge, arrive, clock, open_bridge
from peers.sessions import open_session

from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.peers.keeping import AGAIN_S
from yp2p.protocol.messages import Keeping, KeepQuery
from yp2p.protocol.reconcile import Leaf

_OTHER = EntryID(b"n" * 16)


def _fill(base: Path) -> None:
    (base / "dir").mkdir()
    (base / "dir/a.txt").write_text("a\n")
    (base / "dir/b.bin").write_bytes(b"\x00b")


def _record(bridge: Bridge, path: str) -> FileRecord:
    record = bridge.folder.files.by_path(path)
    assert record is not None
    return record


def _leaves(bridge: Bridge) -> dict[EntryID, Leaf]:
    found = {entry: bridge.folder.leaf(entry) for entry in bridge.folder.files}
    return {entry: leaf for entry, leaf in found.items() if leaf is not None}


def _choose(bridge: Bridge, *paths: str) -> None:
    bridge.folder.files.choice.take(paths, bytes(16))
    bridge.folder.note_chosen(list(bridge.folder.catalogue.layout().path_of))
    bridge.folder.state.touch()


def _asked(link: Any) -> list[KeepQuery]:
    return [message for message in link.sent if isinstance(message, KeepQuery)]


async def _until(condition: Callable[[], bool]) -> None:
    """Let threads and the test's clock go on until that holds."""
    for _ in range(1000):
        await trio.testing.wait_all_tasks_blocked()
        if condition():
            return
        await trio.to_thread.run_sync(time.sleep, 0.002)
        clock().jump(0.1)
    raise AssertionError


async def test_only_what_is_here_and_chosen_is_kept(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    _fill(tmp_path)
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        folder = bridge.folder
        leaves, number = _leaves(bridge), 0
        text, blob = _record(bridge, "a.txt").entry, _record(bridge, "b.bin").entry

        async def kept(asked: dict[EntryID, Leaf]) -> set[EntryID]:
            nonlocal number
            number += 1
            await session.deliver(KeepQuery(folder.id, number, tuple(asked.items())))
            await _until(lambda: any(isinstance(it, Keeping) and it.number == number for it in link.sent))
            (answer,) = [it for it in link.sent if isinstance(it, Keeping) and it.number == number]
            assert answer.folder == folder.id
            return set(answer.entries)

        assert not await kept(leaves), "it was not scanned since it is open"
        folder.state.is_scanned = True
        assert await kept(leaves) == {text, blob}
        assert not await kept({_OTHER: leaves[text]}), "nobody knows it"
        older = {entry: dataclasses.replace(leaf, version=bytes(32)) for entry, leaf in leaves.items()}
        assert not await kept(older), "another version"
        folder.state.problem = "paused"
        assert not await kept(leaves)
        folder.state.problem = ""
        _choose(bridge, "a.txt")
        assert await kept(leaves) == {text}, "who has chosen otherwise keeps nothing of it, although it is here still"
        _choose(bridge)
        await bridge.leave_out("*.bin")
        assert await kept(leaves) == {text}
        await bridge.leave_out()
        folder.files.drop(blob)
        assert await kept(leaves) == {text}, "its file is not here"


async def test_an_answer_counts_for_the_question_and_the_choice_that_it_is_about(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    _fill(tmp_path)
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        folder, choice = bridge.folder, bridge.folder.files.choice
        folder.state.is_scanned = True
        text, blob = _record(bridge, "a.txt").entry, _record(bridge, "b.bin").entry

        async def hears(*said: Keeping) -> None:
            for message in said:
                await session.deliver(message)
            await trio.testing.wait_all_tasks_blocked()

        async def next_question(count: int) -> KeepQuery:
            await _until(lambda: len(_asked(link)) >= count)
            assert len(_asked(link)) == count
            return _asked(link)[-1]

        assert not _asked(link), "everything is chosen"
        _choose(bridge, "b.bin")
        first = await next_question(1)
        assert dict(first.leaves) == {text: _leaves(bridge)[text]}
        await hears(
            Keeping(folder.id, first.number ^ 1, (text,)), Keeping(folder.id, 0, (text,)),
            Keeping(folder.id, first.number, (blob, _OTHER)),
        )  # fmt: skip
        assert not choice.kept, "another question, and what nobody asked for"
        _choose(bridge, "a.txt")
        second = await next_question(2)
        _choose(bridge, "b.bin")
        await hears(Keeping(folder.id, second.number, (blob, text)))
        assert not choice.kept, "another choice"
        third = await next_question(3)
        clock().jump(AGAIN_S)
        fourth = await next_question(4)
        await hears(Keeping(folder.id, third.number, (text,)))
        assert not choice.kept, "that came too late"
        await hears(Keeping(folder.id, fourth.number, (text,)))
        assert set(choice.kept) == {text}
        assert choice.kept[text] == (_leaves(bridge)[text], session.peer)
        await bridge.render()
        assert sorted(path.name for path in (tmp_path / "dir").iterdir()) == [".yp2p", "b.bin"]


async def test_another_version_is_asked_for_again(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    _fill(tmp_path)
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        folder = bridge.folder
        _choose(bridge, "b.bin")
        entry = _record(bridge, "a.txt").entry
        await _until(lambda: len(_asked(link)) == 1)
        await arrive(bridge, "a.txt", "a\nof others\n")
        folder.state.is_scanned = True
        await session.deliver(Keeping(folder.id, _asked(link)[0].number, (entry,)))
        await trio.testing.wait_all_tasks_blocked()
        await bridge.render()
        assert (tmp_path / "dir/a.txt").read_text() == "a\nof others\n", "the older one is kept"


async def test_what_a_person_wants_to_know_lets_nothing_leave(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    _fill(tmp_path)
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        bridge.folder.state.is_scanned = True
        leaves, kept = _leaves(bridge), set[EntryID]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.keeping.ask, leaves, kept)
            await _until(lambda: bool(_asked(link)))
            (query,) = _asked(link)
            assert dict(query.leaves) == leaves
            _choose(bridge, "nothing")
            await session.deliver(Keeping(bridge.folder.id, query.number ^ 1, tuple(leaves)))
            await trio.testing.wait_all_tasks_blocked()
            assert not kept, "an answer to no question"
            one = _record(bridge, "b.bin").entry
            await session.deliver(Keeping(bridge.folder.id, query.number, (one, _OTHER)))
        assert kept == {one}
        assert not bridge.folder.files.choice.kept

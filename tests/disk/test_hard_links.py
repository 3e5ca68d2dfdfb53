"""What is written under another name of a file that was replaced is nobody's save of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like
from scenes import Test, as_test

from yp2p.disk.render.displaced_files import KEEP_S
from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change
from yp2p.documents.synced import PeerState
from yp2p.files import trash
from yp2p.files.root import TMP
from yp2p.protocol.entries import Mode

_OLD, _REMOTE = "one\ntwo\n", "one\ntwo\nfrom elsewhere\n"


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        (Path(base) / "dir/a.txt").write_text(_OLD)
        trio.run(test, Path(base), clock=trio.testing.MockClock())


def over_a_file(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with `a.txt`."""
    return as_test(test, 1, _run)


async def _edit_elsewhere(bridge: Bridge) -> None:
    peer = replica_like(bridge, "a.txt", 77)
    update = peer.edit(hunks(_OLD, _REMOTE))
    assert update is not None
    await bridge.document("a.txt").receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
    await bridge.render()


async def _look_again(bridge: Bridge) -> None:
    await bridge.render()
    clock().jump(KEEP_S + 1)
    await bridge.render()
    await bridge.render()  # what was merged comes into the file


@pytest.mark.parametrize("name", ["snapshot.txt", "dir/b.txt"])
@pytest.mark.parametrize("how", ["a", "w"])
@over_a_file
async def test_what_another_name_is_written_to_stays_there(base: Path, name: str, how: str) -> None:
    other = base / name
    os.link(base / "dir/a.txt", other)
    async with open_bridge(base) as bridge:
        await _edit_elsewhere(bridge)
        with other.open(how) as file:
            file.write("SNAP\n")
        await _look_again(bridge)
        assert (base / "dir/a.txt").read_text() == _REMOTE
        assert other.read_text() == ("" if how == "w" else _OLD) + "SNAP\n"


@pytest.mark.parametrize("is_crash", [False, True])
@over_a_file
async def test_what_got_another_name_after_it_was_replaced_is_kept_and_not_merged(base: Path, is_crash: bool) -> None:
    async with open_bridge(base, clean_end=not is_crash) as bridge:
        await _edit_elsewhere(bridge)
        [replaced] = os.listdir(base / "dir" / TMP)
        os.link(base / "dir" / TMP / replaced, base / "snapshot.txt")
        with (base / "snapshot.txt").open("a") as file:
            file.write("SNAP\n")
        if not is_crash:
            await _look_again(bridge)
    async with open_bridge(base) as bridge:
        await bridge.render()
        assert (base / "dir/a.txt").read_text() == _REMOTE
        [kept] = trash.items(bridge.root)
        path = base / "dir/.yp2p/trash" / kept.name
        assert (path.read_text(), path.stat().st_nlink) == (f"{_OLD}SNAP\n", 1)


@over_a_file
async def test_a_mode_from_elsewhere_does_not_reach_the_other_names(base: Path) -> None:
    other = base / "snapshot.txt"
    os.link(base / "dir/a.txt", other)
    async with open_bridge(base) as bridge:
        record = bridge.folder.files.by_path("a.txt")
        assert record is not None
        await bridge.folder.catalogue.write([Change(record.entry, mode=Mode.EXECUTABLE)]).wait()
        bridge.folder.render_queue.want(record.entry)
        await bridge.render()
        assert (base / "dir/a.txt").stat().st_mode & 0o111
        assert not other.stat().st_mode & 0o111
        await _look_again(bridge)
        assert bridge.folder.catalogue.entries[record.entry].mode is Mode.EXECUTABLE
        assert (base / "dir/a.txt").read_text() == _OLD

"""Files that stand at each other's paths were renamed; a save by renaming was not."""

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

from yp2p.documents.diff import Hunk
from yp2p.files.syscalls import RENAME_EXCHANGE, rename
from yp2p.identity import EntryID
from yp2p.protocol.ysync import Shape, check

NAMES = ("p", "q", "r")


def _text(name: str) -> str:
    return "".join(f"line {number} of {name}\n" for number in range(10))


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        for name in NAMES:
            (Path(base) / "dir" / name).write_text(_text(name))
        trio.run(test, Path(base), clock=trio.testing.MockClock())


def over_files(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with those files."""
    return as_test(test, 1, _run)


def _entries(bridge: Bridge) -> dict[str, EntryID]:
    return dict(bridge.folder.catalogue.layout().entry_at)


async def _settle(bridge: Bridge) -> None:
    for _ in range(4):
        await bridge.render()
        clock().jump(1)


def _swap_by_three(files: Path) -> None:
    (files / "p").rename(files / "t")
    (files / "q").rename(files / "p")
    (files / "t").rename(files / "q")


def _swap_at_once(files: Path) -> None:
    directory = os.open(files, os.O_DIRECTORY | os.O_RDONLY)
    try:
        rename(directory, "p", directory, "q", RENAME_EXCHANGE)
    finally:
        os.close(directory)


def _swap_contents(files: Path) -> None:
    """As git does it: new files, with inodes that may be anybody's."""
    for name, other in (("p", "q"), ("q", "p")):
        (files / "new").write_text(_text(other))
        (files / "new").rename(files / name)


SWAPS = [_swap_by_three, _swap_at_once, _swap_contents]


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("is_off", [False, True])
def test_swapped_files_are_renamed_and_keep_what_others_write(swap: Callable[[Path], None], is_off: bool) -> None:
    async def test(base: Path) -> None:
        files = base / "dir"
        async with open_bridge(base) as bridge:
            before = _entries(bridge)
            if not is_off:
                swap(files)
                await bridge.look()
                await _there(bridge)
        if is_off:
            swap(files)
        async with open_bridge(base) as bridge:
            await _there(bridge)
            assert _entries(bridge) == {"p": before["q"], "q": before["p"], "r": before["r"]}

    async def _there(bridge: Bridge) -> None:
        await _settle(bridge)
        assert bridge.document("p").text.text() == _text("q")
        assert bridge.document("q").text.text() == _text("p")
        assert {name: (bridge.folder.path / name).read_text() for name in NAMES} == {
            "p": _text("q"), "q": _text("p"), "r": _text("r"),
        }  # fmt: skip

    _run(test)


@pytest.mark.parametrize("swap", SWAPS)
@over_files
async def test_an_edit_of_another_device_lands_in_the_file_that_it_was_made_of(
    base: Path, swap: Callable[[Path], None]
) -> None:
    files = base / "dir"
    async with open_bridge(base) as bridge:
        theirs = replica_like(bridge, "p", 7)
        update = theirs.edit([Hunk(0, 0, "their line\n")])
        assert update is not None
        live = bridge.document("p")
        swap(files)
        bridge.folder.edits.accept(live, check(update, Shape.TEXT), PEER)
        await _settle(bridge)
        assert (files / "q").read_text() == "their line\n" + _text("p")
        assert (files / "p").read_text() == _text("q")


@over_files
async def test_files_that_go_round_are_renamed(base: Path) -> None:
    files = base / "dir"
    async with open_bridge(base) as bridge:
        before = _entries(bridge)
        for name, new in (("p", "t"), ("q", "p"), ("r", "q"), ("t", "r")):
            (files / name).rename(files / new)
        await _settle(bridge)
        assert _entries(bridge) == {"p": before["q"], "q": before["r"], "r": before["p"]}


@pytest.mark.parametrize("is_new", [False, True])
@over_files
async def test_rotated_logs_are_renamed(base: Path, is_new: bool) -> None:
    """`r` is the oldest one, and goes; with `is_new` it goes on to a new name."""
    files = base / "dir"
    async with open_bridge(base) as bridge:
        before = _entries(bridge)
        moves = [("r", "s")] if is_new else []
        for name, new in (*moves, ("q", "r"), ("p", "q")):
            (files / name).rename(files / new)
        (files / "p").write_text("a new log\n")
        await _settle(bridge)
        found = _entries(bridge)
        assert {name: found[name] for name in "qr"} == {"q": before["p"], "r": before["q"]}
        assert found["p"] not in before.values()
        assert found.get("s") == (before["r"] if is_new else None)
        assert bridge.document("p").text.text() == "a new log\n"


@pytest.mark.parametrize("how", ["over it", "with a backup", "copied"])
@over_files
async def test_a_save_by_renaming_is_an_edit(base: Path, how: str) -> None:
    """`q` is written and takes the place of `p`; `p` becomes the backup `r`; `q` is copied over `p`."""
    files = base / "dir"
    async with open_bridge(base) as bridge:
        before = _entries(bridge)
        if how == "over it":
            (files / "q").rename(files / "p")
            expected = {"p": _text("q"), "r": _text("r")}
        elif how == "with a backup":
            (files / "p").rename(files / "r")
            (files / "p").write_text(_text("p") + "saved\n")
            expected = {"p": _text("p") + "saved\n", "q": _text("q"), "r": _text("p")}
        else:
            (files / "p").write_text(_text("q"))
            expected = {"p": _text("q"), "q": _text("q"), "r": _text("r")}
        await _settle(bridge)
        assert _entries(bridge) == {name: before[name] for name in expected}
        assert {name: bridge.document(name).text.text() for name in expected} == expected

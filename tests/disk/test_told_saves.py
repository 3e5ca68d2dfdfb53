"""What a save takes out of others' changes, or brings back of what they removed, is told once: for as long as a program
may have had an older version open, wherever the knowledge was meanwhile."""

from __future__ import annotations

import time
import unittest.mock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from bridge import Bridge, arrive, clock, open_bridge, run_with_directory, settle
from scenes import Test, as_test

from yp2p.agents import editing, versions
from yp2p.agents.editing import Wanted
from yp2p.folder.notices import Notice, NoticeKind
from yp2p.history.trash import bring_back_removed

NAME = "notes.txt"
TEXT = "".join(f"line {number} of the file\n" for number in range(12))
ADDED = TEXT.replace("line 9 of the file\n", "line 9 of the file\nfrom elsewhere\n")
CUT = TEXT.replace("line 9 of the file\n", "")
SAVED = TEXT.replace("line 3 of the file", "line 3 typed here")
HOUR_S = 3600.0


def over_memory(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes such a directory, where files cost no disk."""
    return as_test(test, 1, partial(run_with_directory, in_memory=True))


@contextmanager
def _later(seconds: float, *, awake: bool = True) -> Iterator[None]:
    """So much later, by the clock on the wall and, where the device was awake, by that which evidence is measured
    with."""
    if awake:
        clock().jump(seconds)
    with unittest.mock.patch("time.time", return_value=time.time() + seconds):
        yield


def _file(base: Path) -> Path:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    return path


async def _comes(bridge: Bridge, text: str) -> None:
    """Another device's version comes, and an indexer reads it, so that nothing tells what an editor had open."""
    path = bridge.folder.path / NAME
    path.read_text()
    await bridge.look()
    await arrive(bridge, NAME, text)
    path.read_text()
    await bridge.take_events()


async def _saved(bridge: Bridge, text: str) -> list[Notice]:
    """The file is saved; gives what was told."""
    path = bridge.folder.path / NAME
    path.write_text(text)
    await settle(bridge)
    assert path.read_text() == text
    told = list(bridge.folder.notices)
    assert {notice.kind for notice in told} <= {NoticeKind.REMOVED_OTHERS_TEXT}
    return told


def _leaves_memory(bridge: Bridge) -> None:
    bridge.folder.texts._open.clear()


@over_memory
async def test_a_line_that_another_device_removed_and_a_save_brings_back_is_told_and_can_be_removed_again(
    base: Path,
) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, CUT)
        (notice,) = await _saved(bridge, SAVED)
        assert notice.text == "a save here brought back 19 characters that another device had removed lately"
        again = SAVED.replace("line 5 of the file", "line 5 typed later")
        assert await _saved(bridge, again) == [notice], "it is told once"
        assert await bring_back_removed([bridge.folder], notice.id) == {"path": NAME}
        await settle(bridge)
        assert (bridge.folder.path / NAME).read_text() == again.replace("line 9 of the file\n", "")


@over_memory
async def test_what_a_save_puts_in_place_of_others_words_is_one_notice(base: Path) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, TEXT.replace("line 9 of the file", "line 9 from elsewhere"))
        (notice,) = await _saved(bridge, TEXT + "typed here\n")
        assert notice.text == (
            "a save here removed 22 characters that another device or program had written lately, and brought back 19"
            " that another device had removed"
        )
        assert await bring_back_removed([bridge.folder], notice.id) == {"path": NAME}
        await settle(bridge)
        assert (bridge.folder.path / NAME).read_text() == TEXT.replace(
            "line 9 of the file", "line 9 from elsewhere"
        ) + "typed here\n"


@pytest.mark.parametrize("came", [ADDED, CUT])
@over_memory
async def test_a_save_eleven_minutes_after_the_document_left_the_memory(base: Path, came: str) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, came)
        with _later(660):
            _leaves_memory(bridge)
            assert len(await _saved(bridge, SAVED)) == 1


@pytest.mark.parametrize("came", [ADDED, CUT])
@over_memory
async def test_a_save_eleven_minutes_after_the_change_that_was_made_in_another_run_of_the_daemon(
    base: Path, came: str
) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, came)
    async with open_bridge(base) as bridge:
        with _later(660):
            assert len(await _saved(bridge, SAVED)) == 1


@pytest.mark.parametrize("came", [ADDED, CUT])
@over_memory
async def test_another_change_that_came_since_does_not_hide_the_one_before(base: Path, came: str) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, came)
        with _later(660):
            await _comes(bridge, came + "line 12 from elsewhere\n")
            assert len(await _saved(bridge, SAVED + "line 12 from elsewhere\n")) == 1


@pytest.mark.parametrize(("hours", "is_told"), [(3.9, True), (4.1, False)])
@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("came", [ADDED, CUT])
@over_memory
async def test_it_is_told_for_four_hours(base: Path, came: str, leaves: bool, hours: float, is_told: bool) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, came)
        with _later(hours * HOUR_S):
            if leaves:
                _leaves_memory(bridge)
            assert len(await _saved(bridge, SAVED)) == is_told


@pytest.mark.parametrize("came", [ADDED, CUT])
@over_memory
async def test_hours_in_which_the_device_slept_do_not_count(base: Path, came: str) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, came)
        with _later(10 * HOUR_S, awake=False):
            _leaves_memory(bridge)
            assert len(await _saved(bridge, SAVED)) == 1


@over_memory
async def test_what_was_typed_here_after_it_came_back_in_other_words_is_not_told(base: Path) -> None:
    """A line that shares a word with one that was removed in its place is a new line."""
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, CUT)
        assert (
            await _saved(bridge, CUT.replace("line 8 of the file\n", "line 8 of the file\nthe wording is ours\n")) == []
        )


@over_memory
async def test_a_line_that_was_removed_here_and_comes_back_here_is_nobodys_business(base: Path) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, CUT)
        without = CUT.replace("line 5 of the file\n", "")
        assert await _saved(bridge, without) == []
        assert await _saved(bridge, CUT) == []


@over_memory
async def test_what_was_written_here_after_others_had_removed_something_and_they_removed_as_well(base: Path) -> None:
    _file(base)
    async with open_bridge(base) as bridge:
        await _comes(bridge, CUT)
        more = CUT + "a line that was typed here\n"
        assert await _saved(bridge, more) == []
        await _comes(bridge, CUT)
        (notice,) = await _saved(bridge, more)
        assert "brought back 27 characters" in notice.text


@pytest.mark.parametrize("restarts", [False, True])
@over_memory
async def test_what_an_agent_of_this_device_wrote_before_the_document_left_the_memory(
    base: Path, restarts: bool
) -> None:
    """It edits by name, and a save that takes its words back is told like one that takes back others'."""
    path = _file(base)
    async with open_bridge(base) as bridge:
        path.read_text()
        await bridge.look()
        bridge.folder.state.settled = True
        _, _, version = await versions.read(bridge.folder, NAME)
        edit = Wanted(bridge.folder, NAME, version, ADDED)
        await editing.edit([edit], "agent", 1 << 16, partly=False, until_on_disk=False)
        await settle(bridge)
        assert path.read_text() == ADDED
        if not restarts:
            _leaves_memory(bridge)
            (notice,) = await _saved(bridge, SAVED)
            assert "removed 15 characters" in notice.text
    if restarts:
        async with open_bridge(base) as bridge:
            (notice,) = await _saved(bridge, SAVED)
            assert "removed 15 characters" in notice.text

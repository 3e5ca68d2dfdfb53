"""Evidence for what a save was made of outlives the daemon: a restart in between changes no decision into a loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from bridge import Bridge, arrive, clock, open_bridge, run_with_directory, settle
from scenes import Test, as_test

from yp2p.folder.notices import NoticeKind
from yp2p.history.undo import undo

NAME = "notes.txt"
TEXT = "".join(f"line {number} of the file\n" for number in range(12))
ARRIVED = TEXT.replace("line 9 of the file\n", "line 9 of the file\nfrom elsewhere\n")
SAVED = TEXT.replace("line 3 of the file", "line 3 typed here")
BOTH = ARRIVED.replace("line 3 of the file", "line 3 typed here")


def over_memory(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes such a directory, where files cost no disk."""
    return as_test(test, 1, partial(run_with_directory, in_memory=True))


def _file(base: Path) -> Path:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    return path


async def _arrive(bridge: Bridge, text: str = ARRIVED) -> None:
    await bridge.look()
    await arrive(bridge, NAME, text)


def _kinds(bridge: Bridge) -> list[NoticeKind]:
    return [notice.kind for notice in bridge.folder.notices]


@pytest.mark.parametrize("clean_end", [True, False])
@pytest.mark.parametrize("saved_while_off", [True, False])
@pytest.mark.parametrize("has_lock", [True, False])
@over_memory
async def test_an_editor_that_was_open_all_the_time(
    base: Path, clean_end: bool, saved_while_off: bool, has_lock: bool
) -> None:
    """With a lock, the file was read by somebody else before the daemon ended."""
    path = _file(base)
    async with open_bridge(base, clean_end=clean_end) as bridge:
        path.read_text()
        if has_lock:
            path.with_name(f".{NAME}.swp").write_bytes(b"swap")
        await _arrive(bridge)
        if has_lock:
            path.read_text()
            await bridge.take_events()
    if saved_while_off:
        path.write_text(SAVED)
    async with open_bridge(base) as bridge:
        if not saved_while_off:
            path.write_text(SAVED)
        await settle(bridge)
        assert bridge.document(NAME).text.text() == BOTH  # not read from the file: that would be evidence
        assert _kinds(bridge) == [NoticeKind.OLDER_SAVE_MERGED]
        second = SAVED.replace("line 5 of the file", "line 5 typed later")  # the editor has loaded nothing yet
        path.write_text(second)
        await settle(bridge)
        assert path.read_text() == BOTH.replace("line 5 of the file", "line 5 typed later")


@over_memory
async def test_what_was_read_before_a_restart_is_read_after_it(base: Path) -> None:
    path = _file(base)
    async with open_bridge(base) as bridge:
        path.read_text()
        await _arrive(bridge)
        path.read_text()
        await bridge.take_events()
    async with open_bridge(base) as bridge:
        path.write_text(SAVED)  # by an editor that has loaded what arrived, and a person who took it out
        await settle(bridge)
        assert path.read_text() == SAVED
        assert _kinds(bridge) == [NoticeKind.REMOVED_OTHERS_TEXT]


@over_memory
async def test_a_lock_that_went_while_the_daemon_was_off_is_no_evidence(base: Path) -> None:
    path = _file(base)
    swap = path.with_name(f".{NAME}.swp")
    async with open_bridge(base) as bridge:
        swap.write_bytes(b"swap")
        await _arrive(bridge)
        path.read_text()
        await bridge.take_events()
    swap.unlink()
    async with open_bridge(base) as bridge:
        path.write_text(SAVED)
        await settle(bridge)
        assert path.read_text() == SAVED


@over_memory
async def test_a_copy_put_back_while_the_daemon_was_off_stays(base: Path) -> None:
    path = _file(base)
    async with open_bridge(base) as bridge:
        path.read_text()
        await _arrive(bridge)
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        await settle(bridge)
        assert path.read_text() == TEXT
        assert bridge.document(NAME).text.text() == TEXT


@over_memory
async def test_what_a_save_replaced_is_one_undo_away_and_what_is_forgotten_needs_no_memory(base: Path) -> None:
    path = _file(base)
    async with open_bridge(base) as bridge:
        await bridge.ingest.readers.last_opened.take_pending()
        clock().jump(5 * 3600)
        await _arrive(bridge)
        path.write_text(SAVED)  # a copy with changes: nobody had the older version open
        await settle(bridge)
        assert path.read_text() == SAVED
        bridge.folder.state.settled = True
        entry = bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]]
        assert (await undo(bridge.folder, entry, NAME, 1)).steps == 1
        await settle(bridge)
        assert path.read_text() == ARRIVED
        assert bridge.ingest.readers.bases()
        clock().jump(4.1 * 3600)
        bridge.ingest.readers.forget_old()
        assert not bridge.ingest.readers.bases()
        assert not bridge.ingest.readers.last_opened._at
        await bridge.folder.database.pending().wait()
        assert bridge.folder.database.rows("SELECT * FROM unread") == []

"""Absence is not deletion: a file is deleted when it was seen to go, in a place that could be looked at."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import Bridge, arrive, clock, open_bridge, over_directory
from kills import killed_at_the_first_move

from yp2p.disk.mass_deletion import Confirmation, end_pause
from yp2p.documents.registers import Change
from yp2p.files.inspect import Found, inspect
from yp2p.files.mounts import MountWatch, mounts_below
from yp2p.files.root import ELSEWHERE, Root
from yp2p.folder.records import Sight

TEXT = "a text\n"
BLOB = b"\x00a blob"


def _fill(directory: Path) -> None:
    directory.mkdir()
    (directory / "text").write_text(TEXT)
    (directory / "blob").write_bytes(BLOB)


async def _settle(bridge: Bridge) -> None:
    for _ in range(4):
        await bridge.render()


def _alive(bridge: Bridge) -> set[str]:
    return set(bridge.folder.catalogue.layout().entry_at)


def _is_here(bridge: Bridge, base: Path, name: str) -> bool:
    """Whether a text is there again; a blob waits for somebody who has it."""
    entry = bridge.folder.catalogue.layout().entry_at[f"{name}/blob"]
    return (base / "dir" / name / "text").read_text() == TEXT and entry not in bridge.folder.files


# --- what is left out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_off", [False, True])
@over_directory
async def test_what_was_left_out_and_is_gone_is_fetched_again(base: Path, is_off: bool) -> None:
    _fill(base / "dir/big")
    async with open_bridge(base) as bridge:
        await bridge.leave_out("big/")
        shutil.rmtree(base / "dir/big")
        await _settle(bridge)
        if not is_off:
            await bridge.leave_out()
            await bridge.scan()
            await _settle(bridge)
            assert _is_here(bridge, base, "big")
        assert _alive(bridge) == {"big/text", "big/blob"}
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert _alive(bridge) == {"big/text", "big/blob"}
        assert _is_here(bridge, base, "big")


@over_directory
async def test_what_went_to_a_path_that_is_left_out_right_before_a_kill_was_deleted_by_nobody(base: Path) -> None:
    _fill(base / "dir/d")
    async with open_bridge(base) as bridge:
        await bridge.leave_out("big/")
    with killed_at_the_first_move(base):
        async with open_bridge(base, clean_end=False, scan=False) as bridge:
            await bridge.leave_out("big/")
            await bridge.scan()
            entry = bridge.folder.files.at["d/text"]
            bridge.folder.catalogue.write([Change(entry, path="big/text")])
            await bridge.render()
    assert (base / "dir/big/text").exists()
    async with open_bridge(base, scan=False) as bridge:
        await bridge.leave_out("big/")
        await bridge.scan()
        await _settle(bridge)
        assert _alive(bridge) == {"big/text", "d/blob"}


@over_directory
async def test_what_is_seen_again_can_be_deleted(base: Path) -> None:
    _fill(base / "dir/big")
    async with open_bridge(base) as bridge:
        await bridge.leave_out("big/")
    async with open_bridge(base) as bridge:  # nothing is left out any more, and all is there
        assert {record.sight for record in bridge.folder.files.values()} == {Sight.SEEN}
    shutil.rmtree(base / "dir/big")
    async with open_bridge(base) as bridge:
        assert _alive(bridge) == set()


@over_directory
async def test_what_is_changed_while_it_is_left_out_is_a_change(base: Path) -> None:
    _fill(base / "dir/big")
    async with open_bridge(base) as bridge:
        await bridge.leave_out("big/")
        (base / "dir/big/text").write_text("changed\n")
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert bridge.document("big/text").text.text() == "changed\n"
        assert (base / "dir/big/text").read_text() == "changed\n"


# --- other file systems -------------------------------------------------------------------------------------------


@contextmanager
def _mounted(at: Path, *, bind: Path | None = None) -> Iterator[None]:
    how = ["--bind", str(bind)] if bind is not None else ["-t", "tmpfs", "tmpfs"]
    done = subprocess.run(["mount", *how, str(at)], capture_output=True, timeout=20)
    if done.returncode:
        pytest.skip(f"needs to mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True, timeout=20)


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@over_directory
async def test_what_a_mount_hides_is_not_deleted(base: Path, kind: str) -> None:
    _fill(base / "dir/m")
    (base / "other").mkdir()
    (base / "other/text").write_text("of another file system\n")
    bind = base / "other" if kind == "bind" else None
    async with open_bridge(base) as bridge:
        with _mounted(base / "dir/m", bind=bind):
            (base / "dir/m/new").write_text("not of the folder\n")
            await bridge.scan()
            await _settle(bridge)
            assert _alive(bridge) == {"m/text", "m/blob"}
            assert {record.sight for record in bridge.folder.files.values()} == {Sight.LOST}
            assert bridge.folder.files.waiting.entries.keys() == set(bridge.folder.files)
            assert bridge.watcher.passed_over == {"m": ELSEWHERE}
        await bridge.scan()
        await _settle(bridge)
        assert _alive(bridge) == {"m/text", "m/blob"}
        assert bridge.folder.files.waiting.entries == {}
        assert bridge.document("m/text").text.text() == TEXT


@over_directory
async def test_what_went_to_another_disk_is_fetched_again_when_that_is_gone(base: Path) -> None:
    """The directory was emptied and a disk mounted over it, while no daemon ran."""
    _fill(base / "dir/m")
    async with open_bridge(base):
        pass
    shutil.rmtree(base / "dir/m")
    (base / "dir/m").mkdir()
    with _mounted(base / "dir/m"):
        _fill(base / "dir/m/moved")
        async with open_bridge(base) as bridge:
            await _settle(bridge)
            assert _alive(bridge) == {"m/text", "m/blob"}
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert _alive(bridge) - {"m"} == {"m/text", "m/blob"}
        assert _is_here(bridge, base, "m")


def test_nothing_is_reached_through_a_mount(tmp_path: Path) -> None:
    (tmp_path / "dir/m/sub").mkdir(parents=True)
    before = mounts_below(tmp_path / "dir")
    with MountWatch() as watch:
        assert not watch.has_changed()
        with _mounted(tmp_path / "dir/m"):
            assert watch.has_changed()
            assert not watch.has_changed(), "said once"
        assert watch.has_changed(), "it is gone"
    with _mounted(tmp_path / "dir/m"):
        (tmp_path / "dir/m/f").write_text("x\n")
        root = Root(tmp_path / "dir")
        try:
            for path in ("m/f", "m/sub/f", "m"):
                finding = inspect(root, path, None, 1 << 20, trust_stamp=False)
                assert (finding.found, finding.is_out_of_sight) == (Found.DENIED, True)
            with pytest.raises(OSError, match="another file system"):
                root.make_parents("m/x/y")
        finally:
            root.close()
        assert len(mounts_below(tmp_path / "dir") - before) == 1
    assert mounts_below(tmp_path / "dir") == before


# --- places that cannot be looked at ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@over_directory
async def test_a_place_that_gives_errors_says_nothing(base: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A directory that is not ours to read, a disk that breaks, a network share that does not answer."""
    _fill(base / "dir/d")
    async with open_bridge(base) as bridge:
        with monkeypatch.context() as patch:
            really = Root.open

            def broken(self: Root, path: str, flags: int, mode: int = 0o600) -> int:
                if path.startswith("d"):
                    raise OSError(number, os.strerror(number), path)
                return really(self, path, flags, mode)

            patch.setattr(Root, "open", broken)
            await bridge.scan()
            await _settle(bridge)
        shutil.rmtree(base / "dir/d")
        await bridge.scan()
        await _settle(bridge)
        assert _alive(bridge) == {"d/text", "d/blob"}
        assert _is_here(bridge, base, "d")


# --- a marker that went -------------------------------------------------------------------------------------------


@over_directory
async def test_what_is_missing_since_the_marker_was_lost_waits_for_a_person(base: Path) -> None:
    _fill(base / "dir/d")
    async with open_bridge(base) as bridge:
        await bridge.folder.files.lose_sight(list(bridge.folder.files), Sight.UNCONFIRMED).wait()
    (base / "dir/d/text").unlink()
    async with open_bridge(base) as bridge:
        assert "1 of 2 files are missing" in bridge.folder.state.question.reason
        assert _alive(bridge) == {"d/text", "d/blob"}
        confirmation = Confirmation(bridge.folder)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)
        (base / "dir/d/text").write_text(TEXT)
        clock().jump(2)
        assert await confirmation.is_over(bridge.root, bridge.ingest.put_back)


@over_directory
async def test_our_own_directories_are_made_again(base: Path) -> None:
    (base / "dir/a").write_text(TEXT)
    async with open_bridge(base) as bridge:
        for name in ("tmp", "trash"):
            shutil.rmtree(base / "dir/.yp2p" / name)
        await arrive(bridge, "a", "newer\n" + TEXT)
        await _settle(bridge)
        assert (base / "dir/a").read_text() == "newer\n" + TEXT
        assert (base / "dir/.yp2p/tmp").stat().st_mode & 0o777 == 0o700


# --- held, and back -----------------------------------------------------------------------------------------------


def _make(directory: Path, count: int) -> None:
    directory.mkdir(exist_ok=True)
    for number in range(count):
        (directory / f"{number}").write_text(f"file {number}\n")


async def _held(bridge: Bridge) -> None:
    bridge.dirty |= set(bridge.folder.files.at)
    await bridge.look()
    assert bridge.folder.state.question.reason


@pytest.mark.parametrize(("back", "is_over"), [(100, True), (60, True), (40, False)])
@over_directory
async def test_a_folder_is_let_go_when_so_much_is_back_that_nobody_would_be_asked(
    base: Path, back: int, is_over: bool
) -> None:
    _make(base / "dir/d", 100)
    async with open_bridge(base) as bridge:
        shutil.rmtree(base / "dir/d")
        await _held(bridge)
        confirmation = Confirmation(bridge.folder)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)
        _make(base / "dir/d", back)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)  # it was looked at a moment ago
        assert confirmation.next_check_at() < trio.current_time() + 60
        clock().jump(60)
        assert await confirmation.is_over(bridge.root, bridge.ingest.put_back) == is_over


@over_directory
async def test_what_was_deleted_before_counts_however_long_the_folder_waits(base: Path) -> None:
    _make(base / "dir/d", 100)
    async with open_bridge(base) as bridge:
        for number in range(45):
            (base / f"dir/d/{number}").unlink()
        await bridge.scan()
        assert not bridge.folder.state.question.reason
        for number in range(45, 60):
            (base / f"dir/d/{number}").unlink()
        await _held(bridge)
        clock().jump(3600)
        confirmation = Confirmation(bridge.folder)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)
        for number in range(45, 60):
            (base / f"dir/d/{number}").write_text("again\n")
        clock().jump(60)
        assert await confirmation.is_over(bridge.root, bridge.ingest.put_back)


@over_directory
async def test_what_is_back_where_nothing_is_watched_is_found_as_well(base: Path) -> None:
    """A folder that is held when it is opened is not scanned, so nobody reports what is made again beneath it."""
    _make(base / "dir/d", 100)
    async with open_bridge(base) as bridge:
        shutil.rmtree(base / "dir/d")
        await _held(bridge)
        confirmation = Confirmation(bridge.folder)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)
        _make(base / "dir/d", 100)
        assert confirmation.next_check_at() < trio.current_time() + 60
        clock().jump(60)
        assert await confirmation.is_over(bridge.root, bridge.ingest.put_back)


@pytest.mark.parametrize("back", [99, 100])
@over_directory
async def test_after_a_restart_everything_has_to_be_back(base: Path, back: int) -> None:
    _make(base / "dir/d", 100)
    async with open_bridge(base) as bridge:
        shutil.rmtree(base / "dir/d")
        await _held(bridge)
        bridge.folder.state.question.since = None  # as after a start
        _make(base / "dir/d", back)
        assert await Confirmation(bridge.folder).is_over(bridge.root, bridge.ingest.put_back) == (back == 100)
        end_pause(bridge.folder)
        assert not bridge.folder.state.question.reason

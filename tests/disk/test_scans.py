"""When everything is looked at, and what may be done before."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import open_bridge

from yp2p.config import Files
from yp2p.disk import scans as disk_scans
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.rules_in_use import RulesInUse
from yp2p.disk.scans import Phase, Scans
from yp2p.files.changed_paths import ChangedPaths
from yp2p.folder.folder import Folder

_INTERVAL_S = 100.0


@asynccontextmanager
async def _opened(base: Path, *, after_power_cut: bool = False) -> AsyncIterator[tuple[Folder, Scans, OpenRoot]]:
    async with open_bridge(base, scan=False, after_power_cut=after_power_cut) as bridge:
        folder, changed = bridge.folder, ChangedPaths()
        scans = Scans(
            folder, changed, RulesInUse(folder, Files()), interval_s=_INTERVAL_S, after_power_cut=after_power_cut
        )
        scans.begin()
        yield folder, scans, OpenRoot(bridge.root, bridge.watcher, bridge.ingest, bridge.render_actor)


async def test_nothing_is_written_before_the_first_scan_of_a_folder_that_was_compared(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _opened(tmp_path) as (folder, scans, at):
        folder.state.adopted = False
        assert scans.phase is Phase.JOINING
        assert scans.phase.writes
        assert not scans.may_begin(), "what lies here is compared first"
        assert scans.next_deadline() == math.inf
        folder.state.adopted = True
        assert scans.phase is Phase.UNSCANNED
        assert not scans.phase.writes
        await scans.run(at)
        assert scans.phase is Phase.WORKING
        assert scans.phase.writes
        scans.begin()
        assert scans.phase is Phase.UNSCANNED, "the root was away"


async def test_a_first_scan_waits_for_peers_and_a_later_one_for_nobody(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _opened(tmp_path) as (folder, scans, at):
        assert scans.may_begin(), "nobody else is in the folder"
        monkeypatch.setattr(folder.membership, "devices", {"one": 1, "two": 2})
        monkeypatch.setattr(type(folder.observers), "is_compared", lambda _: False)
        assert not scans.may_begin()
        await trio.sleep_until(scans.next_deadline())
        assert scans.may_begin()
        await scans.run(at)
        assert scans.next_deadline() == math.inf, "none is wanted"
        scans.want()
        assert scans.may_begin()


async def test_after_a_while_everything_is_looked_at_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _opened(tmp_path) as (folder, scans, at):
        await scans.run(at)
        folder.render_queue.start()
        scans.want_if_due()
        assert not folder.render_queue.is_woken
        await trio.sleep(_INTERVAL_S)
        scans.want_if_due()
        assert folder.render_queue.is_woken
        folder.render_queue.start()
        scans.want_if_due()
        assert not folder.render_queue.is_woken, "the next one is due later"


async def test_what_a_power_cut_left_is_known_once_a_scan_has_found_all_of_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _opened(tmp_path, after_power_cut=True) as (_, scans, at):
        scans.note_first(at.ingest)
        assert not scans.scanned.is_set()
        at.ingest.pending.missing["a.txt"] = trio.current_time()
        await scans.run(at)
        scans.note_first(at.ingest)
        assert not scans.scanned.is_set(), "what is missing may have moved"
        at.ingest.pending.missing.clear()
        scans.note_first(at.ingest)
        assert scans.scanned.is_set()
        assert not at.ingest.damage.is_expected


async def test_what_a_power_cut_left_is_not_known_while_a_file_of_the_first_scan_is_unread(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _opened(tmp_path, after_power_cut=True) as (_, scans, at):
        damage, busy = at.ingest.damage, at.ingest.pending.busy
        damage.is_expected = True
        await scans.run(at)
        busy["a.txt"] = math.inf
        scans.note_first(at.ingest)
        assert not damage.is_expected
        assert not scans.scanned.is_set()
        assert scans.after_power_cut, "when the root comes back nothing else is known of it"
        busy["b.txt"] = math.inf
        del busy["a.txt"]
        scans.note_first(at.ingest)
        assert scans.scanned.is_set(), "what is busy since is not waited for"
        assert not scans.after_power_cut


async def test_what_is_listed_meanwhile_does_not_put_off_the_scan_for_what_could_not_be_looked_at(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _opened(tmp_path) as (folder, scans, at):
        await scans.run(at)
        folder.render_queue.start()
        at.watcher.was_short = True
        for _ in range(6):
            scans.poll(at.watcher, 0.0)
            await trio.sleep(1.0)
        scans.want_if_due()
        assert folder.render_queue.is_woken


async def test_while_no_descriptor_is_left_scans_become_seldom(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _opened(tmp_path) as (folder, scans, at):
        real = at.watcher.scan

        def scan(path: str = "") -> list[str]:
            found = real(path)
            at.watcher.was_short = True
            return found

        monkeypatch.setattr(at.watcher, "scan", scan)
        await scans.run(at)
        count = 0
        for _ in range(80):
            await trio.sleep(1.0)
            folder.render_queue.start()
            scans.want_if_due()
            if folder.render_queue.is_woken:
                count += 1
                await scans.run(at)
        assert count == 4, "after 5, 15, 35 and 75 s"


async def test_a_directory_that_is_shared_is_imported_as_it_is_found(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir").mkdir()
    for number in range(35):
        (tmp_path / f"dir/{number:02}").write_text(f"text {number}\n")
    monkeypatch.setattr(disk_scans, "BATCH", 10)
    async with _opened(tmp_path) as (folder, scans, at):
        waiting: list[int] = []
        decide = at.ingest.decide

        async def watched() -> None:
            waiting.append(len(at.ingest.pending.fresh))
            await decide()

        monkeypatch.setattr(at.ingest, "decide", watched)
        await scans.run(at)
        assert waiting == [10, 10, 10, 5]
        assert len(folder.files) == 35
        assert not at.ingest.pending.fresh


async def test_where_files_are_known_all_is_found_before_anything_is_new(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file that is found first is the known one that is missed last."""
    (tmp_path / "dir").mkdir()
    for number in range(35):
        (tmp_path / f"dir/{number:02}").write_text(f"text {number}\n")
    monkeypatch.setattr(disk_scans, "BATCH", 10)
    async with _opened(tmp_path) as (folder, scans, at):
        await scans.run(at)
        entry = folder.files.at["34"]
        (tmp_path / "dir/34").rename(tmp_path / "dir/00.new")
        scans.begin()
        await scans.run(at)
        await trio.sleep(10)
        await at.ingest.decide()
        assert folder.files.at["00.new"] == entry

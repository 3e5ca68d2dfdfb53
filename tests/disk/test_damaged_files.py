"""Files whose bytes changed and whose stamps did not: found, made whole, and never taken for an edit."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from bridge import Bridge, arrive, clock, open_bridge, over_directory, settle

from yp2p.config import Scrub
from yp2p.disk.damaged_files import DamagedFiles, Outcome, read_in_steps
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.scrub import Progress, Scrubber, is_due, rest_s
from yp2p.files import verify
from yp2p.files.inspect import Stamp
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord

_BLOB = bytes(range(256)) * 3000  # of several chunks


def rot(bridge: Bridge, path: str, at: int = 5) -> FileRecord:
    """Flip a bit of a file; gives its record, which has the stamp that the file has then: nobody can set the time of
    change, so the record is what goes along."""
    place = bridge.folder.path / path
    data = bytearray(place.read_bytes())
    data[at] ^= 1
    with place.open("r+b") as file:
        file.write(data)
    return same_stamp(bridge, path)


def same_stamp(bridge: Bridge, path: str) -> FileRecord:
    folder = bridge.folder
    record = folder.files.by_path(path)
    assert record is not None
    record = replace(record, stamp=Stamp.of(os.lstat(folder.path / path)))
    folder.files.set(record)
    folder.database.submit([record.save(folder.id)])
    return record


def opened(bridge: Bridge) -> OpenRoot:
    return OpenRoot(bridge.root, bridge.watcher, bridge.ingest, bridge.render_actor)


def trash(bridge: Bridge) -> dict[str, bytes]:
    base = bridge.folder.path / ".yp2p/trash"
    return {
        str(path.relative_to(base)).partition("/")[2]: path.read_bytes() for path in base.rglob("*") if path.is_file()
    }


def told(bridge: Bridge) -> list[str]:
    return [notice.text for notice in bridge.folder.notices if notice.kind is NoticeKind.DAMAGED]


async def _quiet(bridge: Bridge) -> None:
    await settle(bridge)
    for entry in list(bridge.folder.render_queue):
        bridge.folder.render_queue.take(entry)


@over_directory
async def test_a_text_is_made_again_from_its_history(base: Path) -> None:
    text = "first line\nsecond line\n" * 20
    (base / "dir/a.txt").write_text(text)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.txt")
        damaged = (base / "dir/a.txt").read_bytes()
        rows = bridge.folder.database.last_seq
        assert await DamagedFiles(bridge.folder).take(opened(bridge), record) == [Outcome.RESTORED]
        await settle(bridge)
        assert (base / "dir/a.txt").read_text() == text
        assert trash(bridge) == {"a.txt": damaged}
        assert bridge.document("a.txt").text.text() == text
        assert bridge.folder.database.last_seq == rows, "the damage became an edit"
        assert "made again" in told(bridge)[0]


@over_directory
async def test_a_blob_that_another_file_here_has_is_copied(base: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (base / "dir" / name).write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.bin")
        damaged = (base / "dir/a.bin").read_bytes()
        files = DamagedFiles(bridge.folder)
        assert await files.take(opened(bridge), record) == [Outcome.RESTORED]
        assert [one.path for one in files.known()] == ["a.bin"]
        await settle(bridge)
        assert (base / "dir/a.bin").read_bytes() == _BLOB
        assert trash(bridge) == {"a.bin": damaged}
        assert files.known() == []


@over_directory
async def test_a_copy_that_is_damaged_as_well_is_not_copied(base: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (base / "dir" / name).write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.bin")
        rot(bridge, "b.bin", 9)
        files = DamagedFiles(bridge.folder)
        assert await files.take(opened(bridge), record) == [Outcome.FETCHED]
        await settle(bridge)
        assert [one.path for one in files.known()] == ["a.bin", "b.bin"]
        assert len(bridge.folder.files.blobs.wanted) == 2


@over_directory
async def test_a_copy_of_which_nothing_is_certain_is_left_as_it_is(base: Path) -> None:
    """It may be a save: what a program wrote through a mapping shows in no stamp, and no lease is to be had."""
    for name in ("a.bin", "b.bin", "c.bin"):
        (base / "dir" / name).write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.bin")
        others = [rot(bridge, "b.bin", 9), rot(bridge, "c.bin", 11)]
        files = DamagedFiles(bridge.folder)
        await bridge.take_events()
        bridge.dirty.clear()  # nobody wrote
        inode = os.lstat(base / "dir/b.bin").st_ino
        with pytest.MonkeyPatch.context() as patch, (base / "dir/c.bin").open("r+b"):
            real = verify._is_quiet
            patch.setattr(verify, "_is_quiet", lambda at: None if os.fstat(at).st_ino == inode else real(at))
            damaged = (base / "dir/a.bin").read_bytes()
            assert await files.take(opened(bridge), record) == [Outcome.FETCHED]
            assert not {other.entry for other in others} & set(bridge.folder.render_queue)
            await bridge.render()
            assert (base / "dir/a.bin").read_bytes() == damaged, "nothing is made of what holds something else"
        assert [one.path for one in files.known()] == ["a.bin"]
        assert [bridge.folder.files.get(other.entry) for other in others] == others
        assert len(told(bridge)) == 2, "that of the one is not known, of another one nothing is certain"


@over_directory
async def test_what_nobody_has_stays_named_and_no_edit(base: Path) -> None:
    """Also after a restart; and a copy that a person puts in its place ends it."""
    (base / "dir/a.bin").write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        content = bridge.folder.files.by_path("a.bin")
        assert content is not None
        record = rot(bridge, "a.bin")
        damaged = (base / "dir/a.bin").read_bytes()
        assert await DamagedFiles(bridge.folder).take(opened(bridge), record) == [Outcome.FETCHED]
        await settle(bridge)
        assert (base / "dir/a.bin").read_bytes() == damaged
    async with open_bridge(base) as bridge:
        os.utime(base / "dir/a.bin")  # now it is read
        bridge.dirty.add("a.bin")
        await settle(bridge)
        assert bridge.folder.catalogue.entries[record.entry].content.hash == content.content, (
            "the damage became an edit"
        )
        files = DamagedFiles(bridge.folder)
        assert [one.path for one in files.known()] == ["a.bin"]
        assert list(bridge.folder.files.blobs.wanted) == [record.entry]
        assert bridge.folder.leaf(record.entry) is None, "nobody is told that it is here"
        (base / "dir/a.bin").write_bytes(_BLOB)
        bridge.dirty.add("a.bin")
        await settle(bridge)
        assert files.known() == []
        assert not bridge.folder.files.blobs.wanted


@over_directory
async def test_a_file_that_is_open_for_writing_is_not_judged(base: Path) -> None:
    """What is written through a mapping shows in its times late."""
    (base / "dir/a.bin").write_bytes(_BLOB)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.bin")
        with (base / "dir/a.bin").open("r+b"):
            assert await DamagedFiles(bridge.folder).take(opened(bridge), record) == [Outcome.SOUND]
        assert told(bridge) == []


@over_directory
async def test_where_no_lease_is_to_be_had_it_is_told_once_and_left(base: Path) -> None:
    (base / "dir/a.txt").write_text("a line of text\n")
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        record = rot(bridge, "a.txt")
        files = DamagedFiles(bridge.folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("yp2p.files.verify._is_quiet", lambda descriptor: None)
            for _ in range(2):
                assert await files.take(opened(bridge), record) == [Outcome.TOLD]
        assert (base / "dir/a.txt").read_text() != "a line of text\n"
        assert len(told(bridge)) == 1
        assert trash(bridge) == {}


@over_directory
async def test_a_round_reads_every_file_once_and_goes_on_where_it_was(base: Path) -> None:
    for number in range(200):
        (base / f"dir/{number:03}.txt").write_text(f"text of file {number}\n")
    (base / "dir/long.bin").write_bytes(_BLOB * 4)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        clock().autojump_threshold = 0.01
        bridge.folder.state.is_scanned = bridge.folder.state.settled = True
        for path in ("020.txt", "150.txt"):
            rot(bridge, path)
        bridge.folder.database.submit([])
        scrub = Scrubber(bridge.folder, Scrub(interval_days=0.0))
        reads: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            real = Scrubber._read

            async def counted(self: Scrubber, records: list[FileRecord], at: OpenRoot) -> None:
                await real(self, records, at)
                reads.extend(record.path for record in records)
                if len(reads) == 64:
                    scope.cancel()

            patch.setattr(Scrubber, "_read", counted)
            with trio.CancelScope() as scope:
                await scrub.run(opened(bridge))
            await bridge.folder.database.pending().wait()
            assert reads == [f"{number:03}.txt" for number in range(64)]
            await settle(bridge)
            again = Scrubber(bridge.folder, Scrub(interval_days=0.0))
            with trio.CancelScope() as scope:
                while not again.describe()["last_round"]:
                    await again._round(opened(bridge))
        assert len(reads) == len(set(reads)) == 201
        await settle(bridge)
        shown = again.describe()
        assert (shown["files"], shown["found"]) == (201, 2)
        assert (base / "dir/020.txt").read_text() == "text of file 20\n"
        assert (base / "dir/150.txt").read_text() == "text of file 150\n"


def test_when_a_round_is_due_and_how_long_it_rests() -> None:
    week = 7 * 86400.0
    assert not is_due(Progress(ended=1e9), 1e9 + week - 1, week)
    assert is_due(Progress(ended=1e9), 1e9 + week, week)
    assert is_due(Progress(ended=1e9), 1e9 - 1, week), "the clock went back: the age is not known"
    assert is_due(Progress(began=1e9, ended=1e9), 1e9 + 1, week), "it goes on after a restart"
    assert rest_s(0.005, 0.5) == pytest.approx(0.995)


@over_directory
async def test_what_the_scrub_reads_nobody_has_read(base: Path) -> None:
    """Else a save that comes later would look like one that was made of what others wrote."""
    (base / "dir/a.txt").write_text("one\n" * 9)
    async with open_bridge(base) as bridge:
        await _quiet(bridge)
        clock().jump(5 * 3600)
        await arrive(bridge, "a.txt", "two\n" * 9)
        record = bridge.folder.files.by_path("a.txt")
        assert record is not None
        opened_at = bridge.ingest.readers.last_opened.at
        assert opened_at(record.entry) == -math.inf
        before = os.stat(base / "dir/a.txt").st_atime_ns
        for _ in range(2):
            [(_, now)] = await read_in_steps(opened(bridge), [record])
            assert now.content == record.content
        bridge.ingest.readers.last_opened.take_now()
        assert opened_at(record.entry) == -math.inf
        assert os.stat(base / "dir/a.txt").st_atime_ns == before
        assert (base / "dir/a.txt").read_text() == "two\n" * 9
        bridge.ingest.readers.last_opened.take_now()
        assert opened_at(record.entry) == clock().current_time(), "a person's reading is seen"

"""Files that a program keeps open for writing: read once they were quiet, ever less often, and listed until then."""

from __future__ import annotations

import errno
import mmap
import os
import time
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import Bridge, clock, open_bridge

from yp2p.disk.ingest.long_files import LongFiles
from yp2p.files.root import Root


async def _look(bridge: Bridge, path: str, after_s: float = 0.0) -> None:
    """Look at a path; where something is left to be decided, 2.5 s pass (`Bridge.look`)."""
    clock().jump(after_s)
    bridge.dirty.add(path)
    await bridge.look()


def _text(bridge: Bridge, path: str) -> str:
    return bridge.document(path).text.text() if bridge.folder.files.by_path(path) is not None else ""


async def test_a_file_that_stays_open_is_read_once_it_was_quiet(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        skipped = bridge.folder.files.waiting.skipped
        with (tmp_path / "dir/log").open("w") as log:
            log.write("one\n")
            log.flush()
            await _look(bridge, "log")
            assert bridge.ingest.pending.busy, "somebody may be saving"
            await _look(bridge, "log", 0.4)
            assert _text(bridge, "log") == ""
            await _look(bridge, "log", 0.2)
            assert _text(bridge, "log") == "one\n"
            assert not bridge.ingest.pending, "there is nothing to wait for"
            assert not skipped


async def test_what_is_written_to_is_not_read_but_listed_with_the_reason(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/known.txt").write_text("known\n")
    async with open_bridge(tmp_path) as bridge:
        waiting = bridge.folder.files.waiting
        with (tmp_path / "dir/log").open("w") as log, (tmp_path / "dir/known.txt").open("a") as known:
            for number in range(10):
                for file in (log, known):
                    file.write(f"{number}\n")
                    file.flush()
                await _look(bridge, "log")
                await _look(bridge, "known.txt")
                clock().jump(1.0)
            assert _text(bridge, "log") == ""
            assert _text(bridge, "known.txt") == "known\n"
            assert "open for writing" in waiting.skipped["log"]
            assert ["open for writing" in reason for reason in waiting.entries.values()] == [True]
        await bridge.look()
        assert _text(bridge, "log") == "".join(f"{number}\n" for number in range(10))
        assert not waiting.skipped
        assert not waiting.entries


async def test_it_is_read_less_and_less_often_until_it_is_closed(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "dir/log"
    path.parent.mkdir()
    path.write_text("begin\n")
    async with open_bridge(tmp_path) as bridge:
        taken = []
        with path.open("a") as log:
            for number in range(8):
                log.write(f"{number}\n")
                log.flush()
                await _look(bridge, "log")
                began = trio.current_time()
                while f"{number}\n" not in _text(bridge, "log"):
                    clock().jump(1.0)
                    await bridge.look()
                taken.append(trio.current_time() - began)
        assert taken[0] < 8
        assert taken == sorted(taken)
        assert 57 < taken[-1] < 70
        path.write_text("closed\n")
        await _look(bridge, "log")
        with path.open("a") as log:
            log.write("again\n")
            log.flush()
            await _look(bridge, "log")
            await _look(bridge, "log", 3.1)
            assert _text(bridge, "log") == "closed\nagain\n"


async def test_a_file_that_was_just_emptied_is_about_to_be_written(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "dir/report"
    path.parent.mkdir()
    path.write_text("yesterday\n")
    async with open_bridge(tmp_path) as bridge:
        with path.open("w") as report:
            await _look(bridge, "report")
            for _ in range(4):
                await _look(bridge, "report", 4)
            assert _text(bridge, "report") == "yesterday\n", "nothing was written yet"
            await _look(bridge, "report", 15)
            assert _text(bridge, "report") == ""
            report.write("today\n")
        await bridge.look()
        assert _text(bridge, "report") == "today\n"


async def test_an_open_file_costs_little(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Of one that is written to, some looks in the first second, then one when it may be read."""
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        with (tmp_path / "dir/log").open("w") as log:
            log.write("one\n")
            log.flush()
            await _look(bridge, "log")
            looks = 0
            while bridge.ingest.pending.busy:
                looks += 1
                clock().jump(max(0.0, min(bridge.ingest.pending.busy.values()) - trio.current_time()))
                await bridge.ingest.inspect(bridge.ingest.pending.take_due(trio.current_time()))
            assert looks <= 6


async def test_a_long_file_that_stays_open_is_read_as_well(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yp2p.files.inspect.LONG_BYTES", 10)
    asked: list[str] = []
    monkeypatch.setattr(LongFiles, "want", lambda self, path: asked.append(path))
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        with (tmp_path / "dir/log").open("w") as log:
            log.write("a long file\n")
            log.flush()
            await _look(bridge, "log")
            assert asked == ["log"]
            await bridge.ingest.deferred.read("log")
            assert bridge.ingest.pending.busy
            clock().jump(5.1)
            await bridge.ingest.deferred.read("log")
            await _look(bridge, "log")
            assert _text(bridge, "log") == "a long file\n"


async def test_what_was_mapped_is_read_again_once_it_is_closed(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """Writes through a mapping show in the times of a file once, and then no more until the kernel has stored them."""
    (tmp_path / "dir").mkdir()
    place = tmp_path / "dir/mapped.txt"
    place.write_text("nothing\n")
    async with open_bridge(tmp_path) as bridge:
        with place.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            time.sleep(0.05)  # noqa: ASYNC251 (what was made a moment ago is read whatever its times say)
            for _ in range(20):
                mapped[:7] = b"written"
                await _look(bridge, "mapped.txt")
                await _look(bridge, "mapped.txt", 4.0)
                assert _text(bridge, "mapped.txt") == "written\n"
                before = place.stat()
                time.sleep(0.05)  # noqa: ASYNC251
                mapped[:7] = b"changed"
                if place.stat().st_mtime_ns == before.st_mtime_ns:
                    break  # else the kernel has stored the page meanwhile, as after anybody's sync(2)
            else:
                pytest.fail("the kernel stores the page at once: this shows nothing")
        await _look(bridge, "mapped.txt")
        assert _text(bridge, "mapped.txt") == "changed\n"


async def test_while_no_descriptor_is_left_all_files_are_tried_ever_less_often(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = 50
    (tmp_path / "dir").mkdir()
    tried: list[str] = []

    def refused(_: Root, path: str) -> int:
        tried.append(path)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with open_bridge(tmp_path) as bridge:
        names = [f"{number}.txt" for number in range(files)]
        for name in names:
            (tmp_path / "dir" / name).write_text(name)
        with monkeypatch.context() as short:
            short.setattr(Root, "open_file", refused)
            await bridge.ingest.inspect(names)
            for _ in range(60):
                clock().jump(1.0)
                await bridge.ingest.inspect(bridge.ingest.pending.take_due(trio.current_time()))
        assert len(tried) == 6 * files, "at once, and after 1, 3, 7, 15 and 31 s"
        assert bridge.folder.files.waiting.skipped.keys() == set(names), "it takes long, so it is told"
        clock().jump(4.0)
        await bridge.look()
        await bridge.look()
        assert len(bridge.folder.files.at) == files
        assert not bridge.folder.files.waiting.skipped

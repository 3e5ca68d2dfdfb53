"""What the machine does not allow now is said once, with what helps, and goes on by itself."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
import trio.testing
from bridge import open_folder

from yp2p.config import Files, Trash
from yp2p.disk import actor, housekeeping, scans
from yp2p.disk.actor import Disk
from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.errors import FolderError
from yp2p.files.ignore import IgnoreRules
from yp2p.files.root import Root
from yp2p.files.watch import Watcher, open_watcher
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.state import Activity
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.machine import Patience
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_FOLDER = FolderID(bytes(range(16)))
_QUEUED_EVENTS = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
_disks: dict[Path, Disk] = {}  # by the root: those that run


@asynccontextmanager
async def _running(base: Path, before: Callable[[], object] = lambda: None) -> AsyncIterator[Folder]:
    """A folder with its disk actor at work; something is done `before`."""
    path = base / "dir"
    path.mkdir(exist_ok=True)
    async with open_folder(base, _FOLDER) as folder, trio.open_nursery() as nursery:
        disk = Disk(folder, Files(), Trash())
        before()
        await nursery.start(disk.run)
        _disks[folder.path] = disk
        yield folder
        nursery.cancel_scope.cancel()


async def _until(folder: Folder, condition: Callable[[], Any]) -> None:
    with trio.fail_after(20):
        while not condition():
            with trio.move_on_after(0.05):
                await folder.state.changed.wait()


def _error(number: int) -> Callable[..., Any]:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fails


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.EROFS, "remount"), (errno.ENOSPC, "make room"), (errno.EDQUOT, "quota"), (errno.EIO, "dmesg"),
        (errno.EMFILE, "ulimit -n"), (errno.ENOMEM, "memory"), (errno.EACCES, "Permission denied"),
    ],
)  # fmt: skip
async def test_a_root_that_cannot_be_used_pauses_with_one_line(
    number: int, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Patience, "next_s", lambda _: pauses.append(1) or 0.001)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a.txt").write_text("a\n")
    with structlog.testing.capture_logs() as logs, monkeypatch.context() as refused:
        refused.setattr(Root, "make_own_directories", _error(number))
        async with _running_unprepared(tmp_path) as folder:
            await _until(folder, lambda: len(pauses) >= 5)
            assert folder.state.activity is Activity.PAUSED
            assert word in folder.state.problem
            told = [(line["event"], line["log_level"]) for line in logs if line["log_level"] not in ("debug", "info")]
            assert told == [("folder_paused", "warning")]
            refused.undo()
            await _until(folder, lambda: folder.state.activity is Activity.IDLE)
            assert "a.txt" in folder.files.at


async def test_a_root_that_cannot_be_watched_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []
    monkeypatch.setattr(Patience, "next_s", lambda _: tries.append(1) or 0.001)

    def no_instance(*_: Any) -> Any:
        raise FolderError("no inotify instance is left")

    with structlog.testing.capture_logs() as logs, monkeypatch.context() as refused:
        refused.setattr("yp2p.disk.actor.open_watcher", no_instance)
        async with _running(tmp_path) as folder:
            await _until(folder, lambda: len(tries) >= 5)
            assert "no inotify instance" in folder.state.problem
            assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["folder_paused"]
            refused.undo()
            await _until(folder, lambda: folder.state.activity is Activity.IDLE)


@asynccontextmanager
async def _running_unprepared(base: Path) -> AsyncIterator[Folder]:
    """As `_running`, of a root that has its marker already."""
    (base / "dir/.yp2p").mkdir()
    (base / "dir/.yp2p/marker").write_text(_FOLDER.hex() + "\n")
    real, Root.prepare = Root.prepare, lambda *_: None  # type: ignore[method-assign, assignment]
    try:
        async with _running(base) as folder:
            yield folder
    finally:
        Root.prepare = real  # type: ignore[method-assign]


def test_patience_doubles_to_its_limit() -> None:
    patience = Patience(1.0, 5.0)
    assert [patience.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    patience.reset()
    assert patience.next_s() == 1.0


async def test_a_trash_that_cannot_be_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.01)
    pruned: list[int] = []

    def prune(*_: Any) -> list[str]:
        pruned.append(1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("yp2p.files.trash.prune", prune)
    async with _running(tmp_path) as folder:
        await _until(folder, lambda: pruned and folder.state.activity is Activity.IDLE)
        (folder.path / "a.txt").write_text("a\n")
        await _until(folder, lambda: "a.txt" in folder.files.at)
        assert len(pruned) == 1, "once an hour"
        assert not folder.state.problem


async def test_without_enough_watches_the_folder_is_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.02)
    monkeypatch.setattr(scans, "_POLL_S", 0.05)
    monkeypatch.setattr(scans, "_POLL_SHARE", 1)
    add_watch = Watcher._add_watch
    (tmp_path / "dir/d").mkdir(parents=True)

    def few(watcher: Watcher, path: str) -> int:
        if watcher.watched_directories:
            raise OSError(errno.ENOSPC, "No space left on device")
        return add_watch(watcher, path)

    with structlog.testing.capture_logs() as logs, monkeypatch.context() as limited:
        limited.setattr(Watcher, "_add_watch", few)
        async with _running(tmp_path) as folder:
            await _until(folder, lambda: folder.state.limitation)
            assert "sudo sysctl fs.inotify.max_user_watches=" in folder.state.limitation
            assert not folder.state.pause_reason, "it goes on"
            (folder.path / "d/new.txt").write_text("new\n")
            await _until(folder, lambda: "d/new.txt" in folder.files.at)
            (folder.path / "d/new.txt").write_text("newer\n")
            before = folder.files.by_path("d/new.txt")
            await _until(folder, lambda: folder.files.by_path("d/new.txt") != before)
            limited.undo()
            await _until(folder, lambda: not folder.state.limitation)
    assert [line["event"] for line in logs].count("watches_exhausted") == 1


async def test_where_more_changes_than_the_kernel_tells_of_the_folder_says_so_and_is_scanned(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with _running(tmp_path) as folder:
            one, other = folder.path / "a.txt", folder.path / "b.txt"
            one.write_text("a\n")
            other.write_text("b\n")
            await _until(folder, lambda: len(folder.files.at) == 2 and folder.state.activity is Activity.IDLE)
            async with folder.files.writing:  # nothing is looked at meanwhile
                for number in range(_QUEUED_EVENTS):  # in turns: two alike, one behind the other, are one
                    os.utime(one if number % 2 else other)
                (folder.path / "untold.txt").write_text("the kernel has no room for this one\n")
                await _until(folder, lambda: folder.state.limitation)
                assert "max_queued_events" in folder.state.limitation
                assert "every file is looked at again" in folder.state.limitation
                assert not folder.state.pause_reason, "it goes on"
            await _until(folder, lambda: "untold.txt" in folder.files.at and not folder.state.limitation)
    assert [line["event"] for line in logs].count("watch_overflow") == 1


async def test_without_an_inotify_instance_the_folder_says_which_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "Patience", lambda *_: Patience(0.01, 0.01))
    with structlog.testing.capture_logs() as logs, monkeypatch.context() as limited:
        limited.setattr("yp2p.files.watch.INotify", _error(errno.EMFILE))
        async with _running(tmp_path) as folder:
            await _until(folder, lambda: folder.state.problem)
            assert "fs.inotify.max_user_instances" in folder.state.problem
            assert not [line for line in logs if line["log_level"] == "error"]
            limited.undo()
            await _until(folder, lambda: folder.state.activity is Activity.IDLE)


async def test_a_directory_that_cannot_be_read_is_listed_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir/d/e").mkdir(parents=True)
    (tmp_path / "dir/d/e/s.txt").write_text("s\n")
    opened = Root.open

    def refuse(root: Root, path: str, *others: int) -> int:
        if path == "d" or path.startswith("d/"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(root, path, *others)

    with monkeypatch.context() as denied:
        denied.setattr(Root, "open", refuse)
        async with _running(tmp_path) as folder:
            skipped = folder.files.waiting.skipped
            await _until(folder, lambda: skipped)
            assert skipped == {"d": "the directory cannot be read: Permission denied"}
            denied.undo()
            (folder.path / "d").chmod(0o755)  # noqa: ASYNC240
            await _until(folder, lambda: "d/e/s.txt" in folder.files.at)
            assert skipped == {}
            denied.setattr(Root, "open", refuse)
            (folder.path / "d").chmod(0o700)  # noqa: ASYNC240
            await _until(folder, lambda: "d" in skipped)
            assert "d/e/s.txt" in folder.files.at, "what cannot be seen was not deleted"


async def test_modes_of_directories_that_can_be_read_make_no_scan(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    root = Root(tmp_path)
    async with open_watcher(root, IgnoreRules()) as watcher:
        watcher.scan()
        for name in ("d", "d/e", ""):
            (tmp_path / name).chmod(0o755)
        batch = await watcher.next_batch()
        assert batch.changed_directories == {"d", "d/e", ""}
        assert not batch.new_directories
        assert not batch.finished
    root.close()


async def test_while_nothing_can_be_stored_the_folder_is_in_sync_with_nobody(tmp_path: Path) -> None:
    async with _running(tmp_path) as folder:
        await _until(folder, lambda: folder.state.settled)
        changed = folder.state.changed
        folder.database.writability.refused(OSError("database or disk is full"))
        assert changed.is_set(), "whoever tells others is woken"
        assert folder.state.activity is Activity.PAUSED
        assert not folder.state.settled
        assert "full" in folder.state.pause_reason
        with trio.move_on_after(0.01) as waiting:
            await folder.database.writability.wait()
        assert waiting.cancelled_caught
        folder.database.writability.accepted("")
        await folder.database.writability.wait()
        await _until(folder, lambda: folder.state.settled)


async def test_what_comes_in_leaves_the_floor_of_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _running(tmp_path) as folder:
        await _until(folder, lambda: folder.state.settled)
        entry, document = EntryID(b"\x07" * 16), DocumentID(b"\x08" * 16)
        with monkeypatch.context() as full:
            full.setattr("yp2p.disk.render.staged_writes.low_room", lambda _: "No space left on device: ...")
            folder.catalogue.write([Change(entry, "new.txt", Content.text(document, Mode.PLAIN))])
            folder.edits.take_pulled(document, check(imported("new\n"), Shape.TEXT), DeviceID(b"p" * 32))
            await _until(folder, lambda: entry in folder.files.waiting.entries)
            assert folder.files.waiting.entries[entry].startswith("No space left on device")
            (folder.path / "own.txt").write_text("own\n")
            await _until(folder, lambda: "own.txt" in folder.files.at)
        folder.render_queue.want(entry)
        await _until(folder, lambda: "new.txt" in folder.files.at)
        assert entry not in folder.files.waiting.entries


def _open_below(path: Path) -> list[str]:
    """What this process has open in a directory, itself included."""
    found = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    return [name for name in found if name == str(path) or name.startswith(f"{path}/")]


async def test_a_folder_that_a_person_paused_has_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "dir/d").mkdir(parents=True)
    async with _running(tmp_path) as folder:
        pause = _disks[folder.path].pause
        await _until(folder, lambda: folder.state.settled)
        assert _open_below(folder.path)
        with trio.fail_after(60):
            await pause.begin()
            await pause.begin()  # it is so already
        assert _open_below(folder.path) == []
        assert folder.state.activity is Activity.PAUSED
        assert "yp2p folder unpause" in folder.state.problem
        (folder.path / "d/a.txt").write_text("a\n")
        pause.end()
        await _until(folder, lambda: folder.state.settled)
        assert "d/a.txt" in folder.files.at
        with trio.fail_after(60):
            await pause.begin()
        folder.path.rename(folder.path.with_name("unmounted"))  # noqa: ASYNC240
        pause.end()
        await _until(folder, lambda: "is not there; put its disk back" in folder.state.problem)
        with trio.fail_after(60):
            await pause.begin()
        folder.path.with_name("unmounted").rename(folder.path)  # noqa: ASYNC240
        pause.end()
        await _until(folder, lambda: folder.state.settled)
        assert set(folder.files.at) >= {"d/a.txt"}


@pytest.mark.parametrize("name", ["tmp", "trash"])
async def test_what_stands_where_an_own_directory_has_to_be_makes_way(tmp_path: Path, name: str) -> None:
    own, elsewhere = tmp_path / "dir/.yp2p", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for make in (lambda path: path.write_text("somebody's\n"), os.mkfifo, lambda path: path.symlink_to(elsewhere)):

        def damage(make: Callable[[Path], object] = make) -> None:
            shutil.rmtree(own / name)
            make(own / name)

        async with _running(tmp_path, damage) as folder:
            (folder.path / "new.txt").write_text("new\n")
            await _until(folder, lambda: folder.state.settled)
            told = [notice.path for notice in folder.notices if notice.kind is NoticeKind.SET_ASIDE]
            assert told[-1].startswith(f".yp2p/{name}.aside-")
    assert len(list(own.glob(f"{name}.aside-*"))) == 3, "nothing of it is lost"
    assert list(elsewhere.iterdir()) == [], "and nothing was put elsewhere"


@pytest.mark.parametrize("opens", ["open_file", "open"])
@pytest.mark.parametrize("path", ["new.txt", "deep/new.txt"])
async def test_what_no_descriptor_is_left_for_is_looked_at_again(
    opens: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the file: nobody reports of it again."""
    monkeypatch.setattr(scans, "_SHORT_S", 0.2)
    async with _running(tmp_path) as folder:
        await _until(folder, lambda: folder.state.activity is Activity.IDLE)
        with monkeypatch.context() as refused:
            refused.setattr(Root, opens, _error(errno.EMFILE))
            (tmp_path / "dir" / path).parent.mkdir(exist_ok=True)
            (tmp_path / "dir" / path).write_text("new\n")
            await trio.sleep(1.5)  # what it cannot do in that time is what is tested
            assert path not in folder.files.at
        await _until(folder, lambda: path in folder.files.at and folder.state.activity is Activity.IDLE)
        assert not folder.files.waiting.skipped

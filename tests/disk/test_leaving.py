"""What leaving does to a directory, step by step: a crash after any of them deletes nothing of anybody."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import Bridge, open_bridge

from yp2p.disk import leaving
from yp2p.files import trash
from yp2p.files.root import PARKED

TEXTS = {"a.txt": "a\n", "sub/b.txt": "b\n", "sub/deep/c.txt": "c\n"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "dir"
    for name, text in TEXTS.items():
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_text(text)
    (found / "link").symlink_to("a.txt")
    (found / "empty").mkdir()
    return found


def _clear(bridge: Bridge, *parked: tuple[str, str], with_files: bool = True) -> leaving.Cleared:
    files = bridge.folder.files
    return leaving.clear(bridge.root, list(files.values()), files.ignored.entries, parked, with_files=with_files)


def _there(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


async def test_the_files_stay(autojump_clock: trio.testing.MockClock, directory: Path) -> None:
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        before = _there(directory)
        assert _clear(bridge, with_files=False) == leaving.Cleared()
        assert _there(directory) == {name for name in before if not name.startswith(".yp2p")}
        assert bridge.root.marker() is None


async def test_what_is_known_goes_and_what_is_not_stays(
    autojump_clock: trio.testing.MockClock, directory: Path
) -> None:
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        (directory / "a.txt").write_text("b\n")  # of the same length
        (directory / "sub" / "new.txt").write_text("new\n")
        os.utime(directory / "sub" / "b.txt")  # touched, and the same
        done = _clear(bridge)
        assert sorted(record.path for record in done.removed) == ["link", "sub/b.txt", "sub/deep/c.txt"]
        assert list(done.stays) == ["a.txt"]
        assert _there(directory) == {"a.txt", "sub", "sub/new.txt"}
        assert leaving.others(bridge.root, {record.path for record in bridge.folder.files.values()}) == 1


async def test_what_is_ignored_stays(autojump_clock: trio.testing.MockClock, directory: Path) -> None:
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        await bridge.leave_out("*.txt")
        done = _clear(bridge)
        assert set(done.stays.values()) == {"it is ignored"}
        assert done.stays.keys() == TEXTS.keys()
        assert _there(directory) == {*TEXTS, "sub", "sub/deep"}


async def test_what_is_saved_while_it_is_looked_at_stays(
    autojump_clock: trio.testing.MockClock, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = leaving._look

    def save(root: Any, record: Any) -> Any:
        found = look(root, record)
        if record.path == "a.txt":
            (directory / "a.txt").write_text("saved in between\n")
        return found

    monkeypatch.setattr(leaving, "_look", save)
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        assert list(_clear(bridge).stays) == ["a.txt"]
        assert (directory / "a.txt").read_text() == "saved in between\n"


async def test_a_file_on_its_way_is_put_where_it_belongs(
    autojump_clock: trio.testing.MockClock, directory: Path
) -> None:
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        for name in (f"{PARKED}1", f"{PARKED}2"):
            (directory / name).write_text(name)
        done = _clear(bridge, (f"{PARKED}1", "there/moved.txt"), (f"{PARKED}2", "a.txt"), with_files=False)
        assert (directory / "there" / "moved.txt").read_text() == f"{PARKED}1"
        assert list(done.stays) == [f"{PARKED}2"]
        assert (directory / f"{PARKED}2").read_text() == f"{PARKED}2"
        assert (directory / "a.txt").read_text() == TEXTS["a.txt"]


async def test_the_trash_is_counted_and_goes(autojump_clock: trio.testing.MockClock, directory: Path) -> None:
    async with open_bridge(directory.parent, clean_end=False) as bridge:
        place = directory / trash.new_place()
        place.mkdir(parents=True)
        (place / "old.txt").write_text("12345")
        assert leaving.trash_size(bridge.root) == (1, 5)
        _clear(bridge, with_files=False)
        assert leaving.trash_size(bridge.root) == (0, 0)


class _Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("steps", range(1, 12))
async def test_the_marker_goes_before_any_file(
    autojump_clock: trio.testing.MockClock, directory: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """However far it came: where a file is missing, the directory is no folder any more, so it is nobody's deletion."""
    left = [steps]

    def counted(call: Any) -> Any:
        def step(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise _Crash
            return call(*arguments, **more)

        return step

    async with open_bridge(directory.parent, clean_end=False) as bridge:
        root = bridge.root
        with monkeypatch.context() as crash:
            for module, name in ((os, "unlink"), (os, "rmdir"), (os, "rename"), (shutil, "rmtree")):
                crash.setattr(module, name, counted(getattr(module, name)))
            crash.setattr("yp2p.files.replace.rename", counted(__import__("yp2p.files.replace").files.replace.rename))
            try:
                _clear(bridge)
            except _Crash:
                pass
        is_whole = all((directory / name).exists() for name in (*TEXTS, "link"))
        assert is_whole or root.marker() is None
        assert not is_whole or steps < 9
        before = _there(directory)
        _clear(bridge, with_files=False)  # leaving again does the rest
        assert _there(directory) == {name for name in before if not name.startswith(".yp2p")}

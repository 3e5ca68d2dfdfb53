"""What a power cut did to a file that could not be looked at then is no edit when it can be: damage, an old version."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from bridge import FOLDER, Bridge, open_bridge, open_folder, over_directory, settle

from yp2p.config import Files, Trash
from yp2p.disk.actor import Disk
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind

FIRST, LAST = "one\n", "one\ntwo\n"
# What a cut can leave of a file that holds LAST, beside the version that was forced to the disk before.
LEFT = {"nothing": b"", "zeros": bytes(8), "the former version": FIRST.encode()}
TOLD = {
    "nothing": NoticeKind.DAMAGED,
    "zeros": NoticeKind.DAMAGED,
    "the former version": NoticeKind.OLDER_VERSION,
}


@asynccontextmanager
async def _running(base: Path, *ignored: str, after_power_cut: bool = False) -> AsyncIterator[Folder]:
    """A daemon's part of the folder from start to stop, with settings that leave this out; at rest."""
    async with open_folder(base, FOLDER) as folder, trio.open_nursery() as nursery:
        disk = Disk(folder, Files(ignore=list(ignored)), Trash(), after_power_cut=after_power_cut)
        await nursery.start(disk.run)
        with trio.fail_after(60):
            await disk.scanned.wait()
            while not (folder.state.is_scanned and folder.state.settled):
                with trio.move_on_after(0.02):
                    await folder.state.changed.wait()
        yield folder
        nursery.cancel_scope.cancel()


async def _with_two_versions(base: Path) -> Path:
    """A text that was saved twice, and is known."""
    path = base / "dir" / "notes" / "a.txt"
    path.parent.mkdir(parents=True)
    for text in (FIRST, LAST):
        path.write_text(text)
        async with _running(base):
            pass
    return path


def _text(folder: Folder) -> str:
    record = folder.files.by_path("notes/a.txt")
    assert record is not None
    return folder.texts.open(record.document).text.text()


def _told(folder: Folder) -> list[NoticeKind]:
    return [notice.kind for notice in folder.notices]


@pytest.mark.parametrize("starts_between", [0, 2])
@pytest.mark.parametrize("left", LEFT)
async def test_what_was_left_out_when_the_power_was_cut_is_put_right(
    tmp_path: Path, left: str, starts_between: int
) -> None:
    """However often the daemon stops in order before the rule goes."""
    path = await _with_two_versions(tmp_path)
    async with _running(tmp_path, "notes/"):
        pass
    path.write_bytes(LEFT[left])
    os.utime(path, (0, 0))
    async with _running(tmp_path, "notes/", after_power_cut=True):
        pass
    for _ in range(starts_between):
        async with _running(tmp_path, "notes/"):
            assert path.read_bytes() == LEFT[left], "it is left alone"
    async with _running(tmp_path) as folder:
        assert _text(folder) == path.read_text() == LAST
        assert _told(folder) == [TOLD[left]]


@pytest.mark.parametrize("after_power_cut", [False, True])
async def test_what_a_person_wrote_into_what_is_left_out_is_an_edit(tmp_path: Path, after_power_cut: bool) -> None:
    path = await _with_two_versions(tmp_path)
    async with _running(tmp_path, "notes/", after_power_cut=after_power_cut):
        path.write_text("three\n" + LAST)
    async with _running(tmp_path) as folder:
        assert _text(folder) == path.read_text() == "three\n" + LAST
        assert not _told(folder)


@pytest.mark.parametrize("left", ["nothing", "the former version"])
async def test_without_a_power_cut_it_is_an_edit_also_of_what_was_left_out(tmp_path: Path, left: str) -> None:
    path = await _with_two_versions(tmp_path)
    async with _running(tmp_path, "notes/"):
        path.write_bytes(LEFT[left])
    async with _running(tmp_path) as folder:
        assert _text(folder) == path.read_text() == LEFT[left].decode()
        assert not _told(folder)


async def test_what_was_found_whole_is_doubted_no_more(tmp_path: Path) -> None:
    """What a person empties after that is empty."""
    path = await _with_two_versions(tmp_path)
    async with _running(tmp_path, "notes/", after_power_cut=True):
        pass
    async with _running(tmp_path):
        pass
    path.write_text("")
    async with _running(tmp_path) as folder:
        assert _text(folder) == path.read_text() == ""
        assert not _told(folder)


@pytest.mark.parametrize("what", ["the file", "its directory"])
@pytest.mark.parametrize("left", LEFT)
@over_directory
async def test_what_could_not_be_read_after_the_cut_is_put_right(
    base: Path, monkeypatch: pytest.MonkeyPatch, left: str, what: str
) -> None:
    """The daemon starts anew before it can be read: the first scan was through, and nothing was expected any more."""
    path = base / "dir" / "d" / "a.txt"
    path.parent.mkdir()
    path.write_text(FIRST)
    async with open_bridge(base) as bridge:
        path.write_text(LAST)
        await bridge.look()
    path.write_bytes(LEFT[left])
    os.utime(path, (0, 0))
    with monkeypatch.context() as patch:
        _deny(patch, what)
        for after_power_cut in (True, False):
            async with open_bridge(base, after_power_cut=after_power_cut) as bridge:
                await settle(bridge)
    async with open_bridge(base) as bridge:
        await settle(bridge)
        assert _document(bridge) == path.read_text() == LAST
        assert _told(bridge.folder) == [TOLD[left]]


def _document(bridge: Bridge) -> str:
    return bridge.document("d/a.txt").text.text()


def _deny(patch: pytest.MonkeyPatch, what: str) -> None:
    """Nobody may read the file, or look into its directory."""
    name = "open_file" if what == "the file" else "open"
    really = getattr(Root, name)

    def denied(self: Root, path: str, *arguments: int) -> int:
        if path.startswith("d/") or (path == "d" and name == "open"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        found: int = really(self, path, *arguments)
        return found

    patch.setattr(Root, name, denied)

"""What a folder was at a moment: told in slices, and nothing is told of what is as it was."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from yp2p.config import Config
from yp2p.device.device import Device
from yp2p.errors import UsageError
from yp2p.folder.folder import Folder
from yp2p.history import point_in_time
from yp2p.history.point_in_time import restore_directory
from yp2p.identity import Identity
from yp2p.store.database import open_database

_COUNT = 64


async def _until(folder: Folder, is_so: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not (is_so() and folder.state.settled):
            await folder.state.changed.wait()


@asynccontextmanager
async def _folder(tmp_path: Path) -> AsyncIterator[Folder]:
    root = tmp_path / "dir"
    root.mkdir()
    for number in range(_COUNT):
        (root / f"{number:02}.md").write_text(f"{number}\n")
    async with open_database(tmp_path / "store.db", make_room=False) as database, trio.open_nursery() as nursery:
        device = Device(Config(), Identity(b"i" * 32), database, ())
        await nursery.start(device.run)
        await device.share(str(root), None)
        (folder,) = device.home.by_id.values()
        await _until(folder, lambda: len(folder.catalogue.layout().path_of) == _COUNT)
        yield folder
        nursery.cancel_scope.cancel()


async def test_others_work_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that has ten thousand files to look at does not look at them in one go."""
    async with _folder(tmp_path) as folder:
        at = time.time()
        (folder.path / "03.md").write_text("other\n")
        (folder.path / "04.md").unlink()
        await _until(folder, lambda: len(folder.catalogue.layout().path_of) == _COUNT - 1)
        rounds = 0

        async def others() -> None:
            nonlocal rounds
            while True:
                await trio.lowlevel.checkpoint()
                rounds += 1

        monkeypatch.setattr(point_in_time, "_SLICE_S", 0.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            found = await restore_directory(folder, "", at, dry_run=True)
            nursery.cancel_scope.cancel()
        assert found == [{"path": "03.md", "action": "change"}, {"path": "04.md", "action": "bring back"}]
        # for what the manifest said, for which of it was in the directory, and for what was in each
        assert rounds >= 3 * _COUNT
        with pytest.raises(UsageError, match="was a file then"):
            await restore_directory(folder, "03.md", at, dry_run=True)


async def test_one_file_of_a_moment_is_brought_back_and_no_other(tmp_path: Path) -> None:
    async with _folder(tmp_path) as folder:
        at = time.time()
        for name in ("03.md", "05.md"):
            (folder.path / name).write_text("other\n")
        (folder.path / "04.md").unlink()
        await _until(folder, lambda: len(folder.catalogue.layout().path_of) == _COUNT - 1)
        both = [{"path": "03.md", "action": "change"}, {"path": "04.md", "action": "bring back"}]
        assert await restore_directory(folder, "", at, dry_run=True, only=["03.md", "04.md"]) == both
        assert await restore_directory(folder, "", at, dry_run=False, only=["04.md"]) == both[1:]
        await _until(folder, lambda: len(folder.catalogue.layout().path_of) == _COUNT)
        left = await restore_directory(folder, "", at, dry_run=True)
        assert [one["path"] for one in left] == ["03.md", "05.md"]


async def test_of_two_exchanged_names_both_are_given_back_or_none(tmp_path: Path) -> None:
    async with _folder(tmp_path) as folder:
        at, entry = time.time(), folder.catalogue.layout().entry_at["03.md"]
        one, other, aside = (folder.path / name for name in ("03.md", "05.md", "aside"))
        for source, target in ((one, aside), (other, one), (aside, other)):
            source.rename(target)
        await _until(folder, lambda: folder.catalogue.layout().path_of.get(entry) == "05.md")
        (folder.path / "07.md").write_text("other\n")
        both = [{"path": "03.md", "action": "change"}, {"path": "05.md", "action": "change"}]
        told = await restore_directory(folder, "", at, dry_run=True)
        assert [one for one in told if one["path"] != "07.md"] == both
        for is_dry in (True, False):
            (only,) = await restore_directory(folder, "", at, dry_run=is_dry, only=["03.md"])
            assert (only["path"], only["action"]) == ("03.md", "skipped")
            assert "it is 05.md now" in only["reason"]
        assert folder.catalogue.layout().path_of[entry] == "05.md"
        assert await restore_directory(folder, "", at, dry_run=False, only=["03.md", "05.md"]) == both
        await _until(folder, lambda: folder.catalogue.layout().path_of[entry] == "03.md")
        assert (folder.path / "07.md").read_text() == "other\n"
        assert "03.md" not in [one["path"] for one in await restore_directory(folder, "", at, dry_run=True)]


async def test_a_text_that_was_changed_back_is_as_it_was(tmp_path: Path) -> None:
    async with _folder(tmp_path) as folder:
        at, entry = time.time(), folder.catalogue.layout().entry_at["05.md"]
        document = folder.catalogue.entries[entry].document
        for text in ("for a while\n", "5\n"):
            (folder.path / "05.md").write_text(text)
            await _until(folder, lambda text=text: folder.texts.head(document)[1] == text)
        assert await restore_directory(folder, "", at, dry_run=True) == []
        (folder.path / "05.md").rename(folder.path / "elsewhere.md")
        await _until(folder, lambda: "elsewhere.md" in folder.catalogue.layout().entry_at)
        assert await restore_directory(folder, "", at, dry_run=True) == []

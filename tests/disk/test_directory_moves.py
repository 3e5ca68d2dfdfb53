"""A directory that was renamed: one rename, one sync and one commit, on either side."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import Bridge, clock, open_bridge

from yp2p.disk.ingest import departures
from yp2p.disk.render import directory_moves, moves
from yp2p.disk.render.directory_moves import whole_directories
from yp2p.documents.registers import Change, Deletion
from yp2p.files.directories import move_directory
from yp2p.folder.catalogue import Catalogue
from yp2p.protocol.entries import Kind

_FILES = 40


def _moved(source: str, target: str, *names: str) -> dict[str, str]:
    return {f"{source}/{name}": f"{target}/{name}" for name in names}


@pytest.mark.parametrize(
    ("moving", "others", "expected"),
    [
        (_moved("a", "b", "1", "2", "x/3"), ["c/1"], [("a", "b")]),
        (_moved("a/b", "c/d/e", "1", "2", "3"), ["a/1"], [("a/b", "c/d/e")]),
        (_moved("a/x", "b/x", "1", "2", "3"), [], [("a", "b")]),
        (_moved("a/x", "b/x", "1", "2", "3"), ["a/y"], [("a/x", "b/x")]),
        (_moved("a", "b", "1", "2", "3") | _moved("c/d", "c/e", "1", "2", "3"), [], [("a", "b"), ("c/d", "c/e")]),
        ({**_moved("a", "b", "1", "2"), "a/3": "b/4"}, [], []),
        (_moved("a", "b", "1", "2", "3"), ["a/4"], []),
        (_moved("a", "b", "1", "2", "3"), ["b/4"], []),
        (_moved("a", "b", "1", "2", "3"), ["b"], []),
        (_moved("a", "b", "1", "2"), [], []),
        (_moved("a", "a/b", "1", "2", "3"), [], []),
        (_moved("a/b", "a", "1", "2", "3"), [], []),
        (_moved("a", "b", "1", "2", "3") | _moved("b", "a", "1", "2", "3"), [], []),
        ({"1": "d/1", "2": "d/2", "3": "d/3"}, [], []),
        ({"d/1": "1", "d/2": "2", "d/3": "3"}, [], []),
        (_moved("a/d", "b/d", "1", "2") | {"a/d": "b/d"}, [], [("a", "b")]),
    ],
)
def test_which_directories_move_as_a_whole(
    moving: dict[str, str], others: list[str], expected: list[tuple[str, str]]
) -> None:
    assert whole_directories(moving, [*moving, *others]) == expected


class _Counts:
    """How often something is forced to the disk, and registers are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = self.writes = 0
        write = Catalogue.write

        def sync(descriptor: int) -> None:
            self.syncs += 1

        def counted(catalogue: Catalogue, *args: Any) -> Any:
            self.writes += 1
            return write(catalogue, *args)

        for module in (departures, directory_moves, moves):
            monkeypatch.setattr(module, "sync_file_system", sync)
        monkeypatch.setattr(Catalogue, "write", counted)


def _run(test: Callable[[Bridge, Path], Awaitable[None]], empty: str = "", files: int = _FILES) -> None:
    async def run(base: Path) -> None:
        async with open_bridge(base) as bridge:
            await test(bridge, base / "dir")

    with tempfile.TemporaryDirectory() as base:
        for number in range(files):
            path = Path(base) / f"dir/top/old/{number % 3}/{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\xff %d" % number if number % 2 else b"%d\n" % number)
        if empty:
            (Path(base) / "dir" / empty).mkdir(parents=True)
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def _beneath(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def _rename_elsewhere(bridge: Bridge, source: str, target: str) -> None:
    files = bridge.folder.files
    renamed = [
        Change(entry, path=f"{target}/{path.removeprefix(f'{source}/')}")
        for path, entry in files.at.items()
        if path.startswith(f"{source}/")
    ]
    await bridge.folder.catalogue.write(renamed).wait()


async def _settle(bridge: Bridge) -> None:
    for _ in range(6):
        await bridge.render()
        clock().jump(5)


def test_a_directory_that_others_renamed_is_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        inode, before = (root / "top/old").stat().st_ino, _beneath(root / "top/old")
        await _rename_elsewhere(bridge, "top/old", "new/place")
        counts = _Counts(monkeypatch)
        await bridge.render()
        assert not (root / "new").exists(), "there may be more to come"
        clock().jump(1)
        await bridge.render()
        assert (root / "new/place").stat().st_ino == inode
        assert (counts.syncs, counts.writes) == (1, 0)
        await _settle(bridge)
        assert _beneath(root) == {f"new/place/{name}": data for name, data in before.items()} | _own(root)
        assert set(bridge.folder.files.at) == {f"new/place/{name}" for name in before}
        assert not (root / "top").exists()
        assert counts.writes == 0, "nobody here changed anything"

    _run(test)


def test_the_news_of_a_rename_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        inode = (root / "top/old/0").stat().st_ino
        files = {path: entry for path, entry in bridge.folder.files.at.items() if path.startswith("top/old/0/")}
        counts = _Counts(monkeypatch)
        for path, entry in files.items():
            await bridge.folder.catalogue.write([Change(entry, path=path.replace("top/old/0", "new"))]).wait()
            await bridge.render()  # in which 0.2 s pass
            assert not (root / "new").exists()
        clock().jump(1)
        await bridge.render()
        assert ((root / "new").stat().st_ino, counts.syncs) == (inode, 1)

    monkeypatch.setattr(directory_moves, "_LONGEST_S", 60)
    _run(test)


def test_files_that_leave_a_directory_do_not_wait_for_ever() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        path, entry = next(iter(bridge.folder.files.at.items()))
        await bridge.folder.catalogue.write([Change(entry, path="new/f")]).wait()
        await bridge.render()
        assert (root / "new/f").exists(), "another name: no directory was renamed"
        path, entry = list(bridge.folder.files.at.items())[1]
        target = path.replace("top/old", "new")
        await bridge.folder.catalogue.write([Change(entry, path=target)]).wait()
        await bridge.render()
        assert not (root / target).exists()
        clock().jump(1)
        await bridge.render()
        assert (root / target).exists()

    _run(test)


def _own(root: Path) -> dict[str, bytes]:
    return {f".yp2p/{name}": data for name, data in _beneath(root / ".yp2p").items()}


def test_with_anything_else_in_it_only_the_files_move() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        (root / "top/old/unknown").write_text("nobody looked at it")
        await bridge.take_events()
        bridge.dirty.clear()
        await _rename_elsewhere(bridge, "top/old", "new")
        await _settle(bridge)
        assert list(_beneath(root / "top")) == ["old/unknown"]
        assert len(_beneath(root / "new")) == _FILES

    _run(test)


def test_what_was_saved_a_moment_before_is_an_edit_where_the_file_is_then() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        (root / "top/old/0/0").write_text("saved\n")
        await bridge.take_events()
        bridge.dirty.clear()
        await _rename_elsewhere(bridge, "top/old", "new")
        for _ in range(3):
            await bridge.render_actor.run()
            clock().jump(1)
        assert (root / "new/0/0").read_text() == "saved\n"
        bridge.dirty.add("new/0/0")  # the watcher lists a directory that came
        await _settle(bridge)
        assert bridge.document("new/0/0").text.text() == "saved\n"  # type: ignore[attr-defined]

    _run(test)


def test_a_directory_with_an_entry_of_its_own_goes_with_what_is_in_it() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        entry = bridge.folder.files.at["top/old/empty"]
        assert bridge.folder.files[entry].kind is Kind.DIRECTORY
        await _rename_elsewhere(bridge, "top/old", "new")
        await _settle(bridge)
        assert (root / "new/empty").is_dir()
        assert bridge.folder.files[entry].path == "new/empty"
        assert not (root / "top").exists()

    _run(test, "top/old/empty")


def test_a_directory_whose_entry_went_does_not_hold_it() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        folder, inode = bridge.folder, (root / "top/old/0").stat().st_ino
        directory = folder.files[folder.files.at["top/old/0"]]
        assert directory.kind is Kind.DIRECTORY
        for number in range(3):
            (root / f"top/old/0/{number}").write_text(f"{number}\n")
            bridge.dirty.add(f"top/old/0/{number}")
        await _settle(bridge)
        await folder.catalogue.write([Change(directory.entry, deletion=Deletion(directory.document, b"\x00"))]).wait()
        await _rename_elsewhere(bridge, "top/old/0", "top/new")
        await _settle(bridge)
        assert not (root / "top/old/0").exists()
        assert len(_beneath(root / "top/new")) == 3
        assert (root / "top/new").stat().st_ino == inode
        assert directory.entry not in folder.files

    _run(test, "top/old/0", 0)


def test_a_directory_that_a_person_renamed_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        before, known = _beneath(root / "top/old"), dict(bridge.folder.files.at)
        (root / "top/old").rename(root / "new")
        bridge.dirty |= {*bridge.folder.files.at, *(f"new/{name}" for name in before)}
        counts = _Counts(monkeypatch)
        await bridge.look()
        assert (counts.syncs, counts.writes) == (1, 1)
        assert bridge.folder.files.at == {path.replace("top/old", "new"): entry for path, entry in known.items()}
        await _settle(bridge)
        assert _beneath(root / "new") == before

    _run(test)


def test_what_stands_at_the_new_place_stays() -> None:
    async def test(bridge: Bridge, root: Path) -> None:
        files = {f"top/old/{name}" for name in _beneath(root / "top/old")}
        (root / "new").mkdir()
        assert not move_directory(bridge.root, "top/old", "new", files)
        assert not move_directory(bridge.root, "top/old", "other/new", files - {"top/old/0/0"})
        assert not move_directory(bridge.root, "top/none", "other/new", set())
        assert not (root / "other").exists()
        assert move_directory(bridge.root, "top/old", "other/new", files)
        assert len(_beneath(root / "other/new")) == _FILES

    _run(test)

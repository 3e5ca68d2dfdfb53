"""Files and directories that take each other's names, and files that take that of a directory around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bridge import Bridge, clock, open_bridge, over_directory
from kills import killed_at_the_first_move

from yp2p.documents.registers import Change

# What was where, and where it is to be.
_CROSSINGS = [
    {"t": "d", "d/f": "t/f"},
    {"t": "d", "d/f": "t/f", "d/e/g": "t/e/g", "d/e/h": "h"},
    {"t": "t/t"},
    {"t/t": "t"},
    {"t": "t/u/t", "u": "t/u/u"},
    {"t/u/t": "t", "t/u/u": "u"},
    {"a": "b/a", "b": "a/b"},
    {"a/b": "b", "b/a": "a"},
    {"a": "b", "b": "c", "c/f": "a/f"},
    {"a/b/f": "b/a/f", "b/a/g": "a/b/g", "c": "a/c", "d/x": "c"},
]  # fmt: skip


def _content(name: str) -> bytes:
    return f"what {name} holds\n".encode() if len(name) % 2 else b"\x00 what " + name.encode()


def _files(root: Path) -> dict[str, bytes]:
    """Without what is ours, and that there is nothing beside."""
    assert not [
        path for path in root.rglob("*") if path.is_dir() and ".yp2p" not in path.parts and not any(path.iterdir())
    ]
    paths = [path for path in root.rglob("*") if path.is_file() and ".yp2p" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def _make(root: Path, names: dict[str, str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(_content(name))


async def _settled(bridge: Bridge) -> None:
    for _ in range(12):
        await bridge.render()
        clock().jump(5)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("names", _CROSSINGS, ids=str)
@over_directory
async def test_what_others_renamed_comes_to_its_names(base: Path, names: dict[str, str], backwards: bool) -> None:
    root = base / "dir"
    _make(root, names)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entries = [(folder.files.at[name], path) for name, path in names.items()]
        folder.catalogue.write([Change(entry, path=path) for entry, path in (entries[::-1] if backwards else entries)])
        await _settled(bridge)
        assert _files(root) == {path: _content(name) for name, path in names.items()}
        assert not folder.files.waiting.entries
        assert {folder.files[entry].path for entry, _ in entries} == set(names.values())
        assert not list(root.glob(".yp2p/tmp/*"))
        assert not list(root.glob(".yp2p/trash/*"))
    async with open_bridge(base) as bridge:
        await _settled(bridge)
        assert {entry: bridge.folder.files[entry].path for entry, _ in entries} == dict(entries)


@over_directory
async def test_what_waits_for_something_that_nobody_knows_stays_where_people_see_it(base: Path) -> None:
    root, names = base / "dir", {"t": "d", "d/f": "t/f"}
    _make(root, names)
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        entries = [(folder.files.at[name], path) for name, path in names.items()]
        os.mkfifo(root / "d/pipe")
        folder.catalogue.write([Change(entry, path=path) for entry, path in entries])
        await _settled(bridge)
        assert _files(root) == {name: _content(name) for name in names}
        (root / "d/pipe").unlink()
        await _settled(bridge)
        assert _files(root) == {path: _content(name) for name, path in names.items()}


# What others renamed when the kill came, and what they rename before it is looked at again.
_RENAMED_TWICE = [
    ({"a": "b"}, {"a": "c"}),
    ({"d/a": "e/a", "d/b": "e/b", "d/c/x": "e/c/x"}, {"d/a": "f/a", "d/b": "f/b", "d/c/x": "f/c/x"}),
    ({"a": "a/a"}, {"a": "c/a/a"}),
]


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize(("names", "later"), _RENAMED_TWICE, ids=str)
@over_directory
async def test_what_was_renamed_here_when_a_kill_came_is_no_rename_of_a_persons(
    base: Path, names: dict[str, str], later: dict[str, str], is_moved: bool
) -> None:
    root = base / "dir"
    _make(root, names)
    async with open_bridge(base) as bridge:
        entries = {name: bridge.folder.files.at[name] for name in names}
    with killed_at_the_first_move(base, is_moved=is_moved):
        async with open_bridge(base, clean_end=False) as bridge:
            await bridge.folder.catalogue.write([Change(entries[name], path=to) for name, to in names.items()]).wait()
            await _settled(bridge)
    async with open_bridge(base, clean_end=False, scan=False) as bridge:
        bridge.folder.catalogue.write([Change(entries[name], path=to) for name, to in later.items()])
        await bridge.scan()
        await _settled(bridge)
        assert _files(root) == {path: _content(name) for name, path in later.items()}
        assert {bridge.folder.files[entries[name]].path for name in names} == set(later.values())
        assert not list(root.glob(".yp2p/tmp/*"))
    async with open_bridge(base) as bridge:
        await _settled(bridge)
        assert {bridge.folder.files[entries[name]].path for name in names} == set(later.values())
        assert not bridge.folder.database.rows("SELECT * FROM intent", ())

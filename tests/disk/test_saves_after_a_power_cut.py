"""After a power cut a file can have gone back, and been saved over before anybody looked: no line is lost by that."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from bridge import PEER, Bridge, long_ago, open_bridge, over_directory, replica_like

from yp2p.documents.diff import hunks, split_lines
from yp2p.documents.synced import PeerState
from yp2p.folder.notices import NoticeKind

NAME = "a.txt"


def _lines(*names: str) -> str:
    return "".join(f"line <{name}> end\n" for name in names)


def _kinds(bridge: Bridge) -> list[NoticeKind]:
    return [notice.kind for notice in bridge.folder.notices]


async def _remote(bridge: Bridge, text: str, name: str = NAME) -> None:
    peer = replica_like(bridge, name, 77)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(name).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


async def _saved(bridge: Bridge, text: str, name: str = NAME) -> None:
    (bridge.folder.path / name).write_text(text)
    await bridge.look()


BEGIN, FINISH = "begin\n", "finish\n"

# What was saved at a time, each stored as one row; what the disk has after the cut; what stands then; what is told.
SITUATIONS: dict[str, tuple[list[str], str, str, list[NoticeKind]]] = {
    "a line in the place of a lost one": (
        [BEGIN + FINISH, BEGIN + FINISH + _lines("1", "2")],
        BEGIN + FINISH + _lines("3", "2"),
        BEGIN + FINISH + _lines("1", "3", "2"),
        [NoticeKind.BOTH_CHANGED],
    ),
    "a line elsewhere": (
        [BEGIN + FINISH, _lines("1") + BEGIN + FINISH + _lines("2")],
        BEGIN + _lines("3") + FINISH + _lines("2"),
        _lines("1") + BEGIN + _lines("3") + FINISH + _lines("2"),
        [NoticeKind.OLDER_VERSION],
    ),
    "nothing saved over it": (
        [BEGIN + FINISH, BEGIN + FINISH + _lines("1", "2")],
        BEGIN + FINISH + _lines("2"),
        BEGIN + FINISH + _lines("1", "2"),
        [NoticeKind.OLDER_VERSION],
    ),
    "the first that is known of the file": (
        [BEGIN + _lines("1", "2") + FINISH],
        BEGIN + _lines("3", "2") + FINISH,
        BEGIN + _lines("1", "3", "2") + FINISH,
        [NoticeKind.BOTH_CHANGED],
    ),
    "a changed word": (
        ["one bar two\nkept\n" + FINISH, "one baz two\nkept\n" + _lines("1") + FINISH],
        "one bar two\nkept\n" + _lines("1", "2") + FINISH,
        "one baz two\nkept\n" + _lines("1", "2") + FINISH,
        [NoticeKind.OLDER_VERSION],
    ),
    "a changed word, in a line that was gone on with": (
        ["one bar two\nkept\n" + FINISH, "one baz two\nkept\n" + _lines("1") + FINISH],
        "one bar two three\nkept\n" + _lines("1") + FINISH,
        "one baz two three\nkept\n" + _lines("1") + FINISH,
        [NoticeKind.BOTH_CHANGED],
    ),
    "a line that was gone on with": (
        [BEGIN + FINISH, BEGIN + _lines("1", "2") + FINISH],
        BEGIN + "line <1> end, and more\n" + _lines("2") + FINISH,
        BEGIN + "line <1> end, and more\n" + _lines("2") + FINISH,
        [],
    ),
    "a line that was moved": (
        [BEGIN + FINISH, BEGIN + _lines("1", "2") + FINISH],
        BEGIN + _lines("2") + FINISH + _lines("1"),
        BEGIN + _lines("2") + FINISH + _lines("1"),
        [],
    ),
    "a box that was ticked": (
        [BEGIN + FINISH, BEGIN + "- [ ] milk\n" + FINISH],
        BEGIN + "- [x] milk\n" + FINISH,
        BEGIN + "- [x] milk\n" + FINISH,
        [],
    ),
    "many saves": (
        [BEGIN + FINISH, *(BEGIN + _lines(*map(str, range(many))) + FINISH for many in range(2, 20, 2))],
        BEGIN + _lines("0", "1", "2", "3", "x", "5") + FINISH,
        BEGIN + _lines("0", "1", "2", "3", "x", "4", *map(str, range(5, 18))) + FINISH,
        [NoticeKind.BOTH_CHANGED],
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
@over_directory
async def test_no_line_is_lost_that_was_saved_before_the_power_cut(base: Path, name: str) -> None:
    saves, found, right, told = SITUATIONS[name]
    path = base / "dir" / NAME
    path.write_text(saves[0])
    async with open_bridge(base, clean_end=False) as bridge:
        for text in saves[1:]:
            await _saved(bridge, text)
    path.write_text(found)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        assert path.read_text() == bridge.document(NAME).text.text()
        assert sorted(path.read_text().splitlines()) == sorted(right.splitlines())
        assert _kinds(bridge) == told


@pytest.mark.parametrize("name", sorted(SITUATIONS.keys() - {"many saves"}))  # which is nearest to an older version
@over_directory
async def test_what_was_saved_long_before_is_changed_as_ever(base: Path, name: str) -> None:
    saves, found, _, _ = SITUATIONS[name]
    path = base / "dir" / NAME
    path.write_text(saves[0])
    async with open_bridge(base, clean_end=False) as bridge:
        for text in saves[1:]:
            await _saved(bridge, text)
    long_ago(base)
    path.write_text(found)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        assert path.read_text() == found
        assert _kinds(bridge) == []


@over_directory
async def test_what_was_written_long_before_where_others_wrote_is_changed_as_ever(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(BEGIN + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        await _remote(bridge, BEGIN + _lines("far") + FINISH)
        await bridge.render()
        await _saved(bridge, BEGIN + _lines("far", "mine") + FINISH)
    long_ago(base)
    path.write_text(BEGIN + _lines("far", "changed") + FINISH)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        assert path.read_text() == BEGIN + _lines("far", "changed") + FINISH


@over_directory
async def test_a_line_in_the_place_of_a_lost_one_while_others_wrote(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(BEGIN + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        await _saved(bridge, BEGIN + FINISH + _lines("b10", "b3"))
        await _remote(bridge, BEGIN + _lines("a10") + FINISH + _lines("b10", "b3"))
    path.write_text(BEGIN + FINISH + _lines("b15", "b3"))
    async with open_bridge(base, after_power_cut=True) as bridge:
        await _remote(bridge, bridge.document(NAME).text.text().replace(FINISH, FINISH + _lines("a11")))
        await bridge.render()
        lines = path.read_text().splitlines(keepends=True)
        assert sorted(lines) == sorted([BEGIN, FINISH, *(_lines(one) for one in ("a10", "a11", "b10", "b15", "b3"))])


@over_directory
async def test_the_next_save_after_that_is_an_edit_as_any(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(BEGIN + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        await _saved(bridge, BEGIN + FINISH + _lines("1", "2"))
    path.write_text(BEGIN + FINISH + _lines("3", "2"))
    async with open_bridge(base, after_power_cut=True) as bridge:
        # before the file has what came back
        await _saved(bridge, BEGIN + FINISH + _lines("3", "2", "4"))
        await bridge.render()
        assert sorted(path.read_text().splitlines(keepends=True)) == sorted(
            [BEGIN, FINISH, *(_lines(one) for one in "1234")]
        )
        await _saved(bridge, BEGIN + FINISH + _lines("3"))
        await bridge.render()
        assert path.read_text() == BEGIN + FINISH + _lines("3")


@over_directory
async def test_a_store_that_went_back_and_the_file_did_not(base: Path) -> None:
    """What the other device has of it stands once, and what was saved since as well."""
    path = base / "dir" / NAME
    path.write_text(BEGIN + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        await _saved(bridge, BEGIN + _lines("1") + FINISH)
    shutil.copy(base / "store", base / "former")
    async with open_bridge(base, clean_end=False) as bridge:
        await _saved(bridge, BEGIN + _lines("1") + FINISH + _lines("2", "3"))
        peer = replica_like(bridge, NAME, 77)
        await _saved(bridge, BEGIN + _lines("1") + FINISH + _lines("2", "3", "4"))
    shutil.copy(base / "former", base / "store")
    path.write_text(BEGIN + _lines("1") + FINISH + _lines("2", "5", "3", "4"))
    async with open_bridge(base, after_power_cut=True) as bridge:
        state = PeerState(peer.clocks(), is_answer=True)
        await bridge.document(NAME).receive(peer.state(), PEER, state)
        await bridge.render()
        lines = path.read_text().splitlines(keepends=True)
        assert sorted(lines) == sorted([BEGIN, FINISH, *(_lines(one) for one in "12345")])


@over_directory
async def test_two_files_that_went_back(base: Path) -> None:
    names = ("a.txt", "b.txt")
    for name in names:
        (base / "dir" / name).write_text(name + "\n" + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        for name in names:
            await _saved(bridge, name + "\n" + _lines("1" + name, "2") + FINISH, name)
    for name in names:
        (base / "dir" / name).write_text(name + "\n" + _lines("3" + name, "2") + FINISH)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        for name in names:
            lines = (base / "dir" / name).read_text().splitlines(keepends=True)
            assert sorted(lines) == sorted([name + "\n", _lines("1" + name), _lines("3" + name), _lines("2"), FINISH])


class _Random:
    """Saves at random, several in one look, beside another device, then a power cut and a save of what it left."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.names: list[str] = []
        self.texts: list[str] = []  # that the file held

    def with_line(self, text: str) -> str:
        lines = split_lines(text)
        self.names.append(f"{len(self.names)}")
        lines.insert(self.rng.randrange(len(lines) + 1), _lines(self.names[-1]))
        return "".join(lines)

    async def write(self, bridge: Bridge) -> None:
        path = bridge.folder.path / NAME
        if self.rng.random() < 0.3:
            await bridge.render()
            await _remote(bridge, self.with_line(bridge.document(NAME).text.text()))
        for _ in range(self.rng.randrange(1, 4)):
            if self.rng.random() < 0.3:
                await bridge.render()
            self.texts.append(path.read_text())
            path.write_text(self.with_line(self.texts[-1]))
        self.texts.append(path.read_text())
        await bridge.look()


@pytest.mark.parametrize("seed", range(12))
@over_directory
async def test_whatever_version_was_saved_over(base: Path, seed: int) -> None:
    at_random = _Random(seed)
    path = base / "dir" / NAME
    path.write_text(BEGIN + FINISH)
    async with open_bridge(base, clean_end=False) as bridge:
        for _ in range(at_random.rng.randrange(2, 7)):
            await at_random.write(bridge)
    found = at_random.rng.choice(at_random.texts[-6:])
    for _ in range(at_random.rng.randrange(3)):
        found = at_random.with_line(found)
    path.write_text(found)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        lines = path.read_text().splitlines(keepends=True)
        assert sorted(lines) == sorted([BEGIN, FINISH, *map(_lines, at_random.names)])

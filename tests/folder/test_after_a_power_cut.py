"""After a power cut: what a save that nobody saw was made of, and that it takes out nothing its writer had not seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import trio
from bridge import PEER, Bridge, long_ago, open_bridge, over_directory, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.folder import old_versions
from yp2p.folder import turns as turns_module
from yp2p.folder.turns import SLICE_S
from yp2p.protocol.clients import Writer

NAME = "a.txt"
_START = "begin\nline <a> end\nfinish\n"
_NEW, _OWN = "line <b> end\n", "line <c> end\n"  # another device's line, and what its place is taken by here


class _Other:
    """Another device, which writes with one client ID for as long as it runs."""

    def __init__(self, bridge: Bridge, writer: Writer = Writer.SAVED) -> None:
        self._bridge = bridge
        self._replica = replica_like(bridge, NAME, 77, writer)

    async def write(self, old: str, new: str, *, singly: bool = False) -> None:
        """Replace a text; or put `new` before it, a keystroke at a time."""
        replica, live = self._replica, self._bridge.document(NAME)
        replica.load([live.replica.update_since(replica.state_vector())])
        for step in [new] if not singly else [*new]:
            before = replica.text()
            after = before.replace(old, step) if not singly else before.replace(old, step + old)
            update = replica.edit(hunks(before, after))
            assert update is not None
            await live.receive(update, PEER, PeerState(replica.clocks(), is_answer=False))


async def _after(base: Path, saved: str) -> str:
    """What stands after a power cut that left this."""
    (base / "dir" / NAME).write_text(saved)
    async with open_bridge(base, after_power_cut=True) as bridge:
        await bridge.render()
        text = (base / "dir" / NAME).read_text()
        assert bridge.document(NAME).text.text() == text
        return text


def _lines(text: str, *others: str) -> Sequence[str]:
    return sorted([*text.splitlines(keepends=True), *others])


@over_directory
async def test_a_line_that_had_come_stands_where_an_older_one_of_the_same_device_was_changed_too(base: Path) -> None:
    """A device writes all with one client ID: that the version before has some of it says nothing of the line."""
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base, clean_end=False) as bridge:
        other = _Other(bridge)
        await other.write("begin\n", "begin\nan old line from there\n")
        await bridge.render()
        path.write_text(path.read_text() + "seen here, with much more behind it than that line\n")
        await bridge.look()
    long_ago(base)
    async with open_bridge(base, clean_end=False) as bridge:
        mine = path.read_text()
        await _Other(bridge).write("finish\n", _NEW + "finish\n")
        await bridge.render()
    saved = mine.replace("an old line from there", "an old line, changed here").replace("finish\n", _OWN + "finish\n")
    assert _lines(await _after(base, saved)) == _lines(saved, _NEW)


@over_directory
async def test_a_line_that_was_typed_key_by_key_stands(base: Path) -> None:
    """The version before it is as many rows of the log back."""
    keystrokes = 220
    path = base / "dir" / NAME
    path.write_text(_START)
    new = f"line <{'b' * keystrokes}> end\n"
    async with open_bridge(base, clean_end=False) as bridge:
        await _Other(bridge, Writer.TYPED).write("finish\n", new, singly=True)
        await bridge.render()
        assert path.read_text() == _START.replace("finish\n", new + "finish\n")
        await bridge.look()  # that it was read
    saved = _START.replace("finish\n", f"line <{'b' * (keystrokes - 3)}ccc> end\nfinish\n")
    assert _lines(await _after(base, saved)) == _lines(saved, new)


@over_directory
async def test_a_line_that_had_come_stands_in_a_large_file(base: Path) -> None:
    """Of a large file few versions are compared."""
    path = base / "dir" / NAME
    start = _START + "".join(f"{number} {'of many ' * 60}\n" for number in range(1300))
    path.write_text(start)
    async with open_bridge(base, clean_end=False) as bridge:
        other = _Other(bridge)
        await other.write("finish\n", _NEW + "finish\n")
        for number in range(3):
            await other.write(f"\n{number} of", f"\n{number} there of")
        await bridge.render()
        now = path.read_text()
        await bridge.look()
    saved = start.replace("finish\n", _OWN + "finish\n")
    assert _lines(await _after(base, saved)) == _lines(now, _OWN)


@pytest.mark.parametrize("end", ["", "\n"])
@over_directory
async def test_words_that_had_come_stand_in_the_only_line(base: Path, end: str) -> None:
    path = base / "dir" / NAME
    path.write_text("milk bread" + end)
    async with open_bridge(base, clean_end=False) as bridge:
        await _Other(bridge).write("bread", "bread eggs")
        await bridge.render()
    text = await _after(base, "milk bread salt" + end)
    assert sorted(text.split()) == ["bread", "eggs", "milk", "salt"]
    assert text.count("\n") == len(end)


@pytest.mark.parametrize("writer", [Writer.REPAIR, Writer.TYPED])
@over_directory
async def test_a_line_that_came_to_the_file_from_a_document_stands_whoever_made_it(base: Path, writer: Writer) -> None:
    """A repair that was made here is nobody's edit: it has others' lines. And what a program types here comes to the
    file as others' text does."""
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base, clean_end=False) as bridge:
        if writer is Writer.REPAIR:
            await _Other(bridge).write("begin\n", _NEW + "begin\n")
        live = bridge.document(NAME)
        maker = replica_like(bridge, NAME, 9, writer)
        update = maker.edit(hunks(maker.text(), _START.replace("finish\n", _NEW + "finish\n")))
        assert update is not None
        news = bridge.folder.edits.apply_own(live, update)
        assert news is not None
        await bridge.folder.edits.record(live, news, None).wait()
        record = bridge.folder.files.by_path(NAME)
        assert record is not None
        bridge.folder.render_queue.want(record.entry)
        await bridge.render()
        assert _NEW in path.read_text()
        await bridge.look()
    saved = _START.replace("finish\n", _OWN + "finish\n")
    assert _lines(await _after(base, saved)) == _lines(saved, _NEW)


@over_directory
async def test_what_another_device_imported_is_changed_as_ever(base: Path) -> None:
    """There is no version without it."""
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base, clean_end=False):
        pass
    long_ago(base)
    saved = _START.replace("<a>", "<changed>")
    assert await _after(base, saved) == saved


@over_directory
async def test_what_was_saved_here_in_an_earlier_run_is_changed_as_ever(base: Path) -> None:
    """Its client ID is one of an earlier start."""
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base) as bridge:
        await _Other(bridge).write("begin", "begins there")
        await bridge.render()
        path.write_text(path.read_text().replace("finish\n", _NEW + "finish\n"))
        await bridge.look()
    async with open_bridge(base, clean_end=False):
        pass
    long_ago(base)
    saved = path.read_text().replace(_NEW, _OWN)
    assert await _after(base, saved) == saved


@over_directory
async def test_what_others_removed_stays_gone(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base, clean_end=False) as bridge:
        await _Other(bridge).write("line <a> end\n", "")
        await bridge.render()
        assert path.read_text() == "begin\nfinish\n"
    assert await _after(base, _START + "more here\n") == "begin\nfinish\nmore here\n"


@over_directory
async def test_what_others_replaced_stays_replaced_where_a_line_of_theirs_had_its_place_taken(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(_START)
    async with open_bridge(base, clean_end=False) as bridge:
        other = _Other(bridge)
        await other.write("line <a> end\n", "")
        await other.write("finish\n", _NEW + "finish\n")
        await bridge.render()
        now = path.read_text()
    saved = _START.replace("finish\n", _OWN + "finish\n")
    assert _lines(await _after(base, saved)) == _lines(now, _OWN)


class _Steps(trio.abc.Instrument):
    """The longest step of the loop, in versions that were made: the time by which slices end is counted in them too."""

    longest = made = 0
    _before = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._before = self.made

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest = max(self.longest, self.made - self._before)

    def thread_time(self) -> float:
        return self.made * SLICE_S / 10


@over_directory
async def test_a_long_log_of_two_who_took_turns_does_not_hold_up_the_loop(base: Path) -> None:
    """There are as many stretches of others' rows as they had turns: each is a version that may have been changed."""
    turns = 250
    path = base / "dir" / NAME
    path.write_text("begin\nfinish\n")
    async with open_bridge(base, clean_end=False) as bridge:
        other, live = _Other(bridge), bridge.document(NAME)
        mine = replica_like(bridge, NAME, 78, Writer.TYPED)
        for number in range(turns):
            await other.write("begin\n", f"begin\n{chr(0x4E00 + number)}\n")
            mine.load([live.replica.update_since(mine.state_vector())])
            update = mine.edit(hunks(mine.text(), mine.text() + f"{chr(0x6E00 + number)}\n"))
            assert update is not None
            news = bridge.folder.edits.apply_own(live, update)
            assert news is not None
            await bridge.folder.edits.record(live, news, None).wait()
        await bridge.render()
        rows = len(bridge.folder.texts.rows(live.id))
        assert rows >= 2 * turns
    own = "".join(f"{chr(0x6E00 + number)}\n" for number in range(turns - 1))
    path.write_text("begin\n" + own + "more\n")
    loaded = compared = 0
    load, looks_made_of = TextReplica.load, old_versions.looks_made_of

    def loading(replica: TextReplica, updates: Iterable[bytes]) -> None:
        nonlocal loaded
        known = list(updates)
        loaded += len(known)
        steps.made += 1
        load(replica, known)

    def comparing(older: str, newer: str, save: str) -> bool:
        nonlocal compared
        compared += 1
        return looks_made_of(older, newer, save)

    steps = _Steps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextReplica, "load", loading)
        patch.setattr(old_versions, "looks_made_of", comparing)
        patch.setattr(turns_module, "time", steps)
        trio.lowlevel.add_instrument(steps)
        async with open_bridge(base, after_power_cut=True) as bridge:
            await bridge.render()
            trio.lowlevel.remove_instrument(steps)
            text = bridge.document(NAME).text.text()
    assert loaded < 10 * rows, "each version is not made from the beginning"
    assert compared <= 2 * old_versions._VERSIONS_COMPARED
    assert steps.made > rows
    assert steps.longest <= 20, "a slice is ten"
    assert sorted(text.split()) == sorted(
        ["begin", "finish", "more"] + [chr(0x4E00 + n) for n in range(turns)] + own.split() + [chr(0x6E00 + turns - 1)]
    )

"""A path that belonged to another file a moment ago: who had that one open and saves there means that one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import trio
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like, run_with_directory
from scenes import Test, as_test

from yp2p.disk.ingest.local_edits import is_made_of
from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

OLD = "alpha line one\nalpha line two\nalpha line three\n"
OTHER = "the other file, quite different\n"
SAVED = OLD + "typed in an old editor\n"
_ENTRY, _DOCUMENT = EntryID(b"\x07" * 16), DocumentID(b"\x08" * 16)


class Place:
    """The directory of a test, with `out.txt` in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.out = base / "dir" / "out.txt"
        self.out.write_text(OLD)

    def texts(self) -> dict[str, str]:
        """The files that are there."""
        return {path.name: path.read_text() for path in self.out.parent.glob("*.txt")}

    async def save(self, bridge: Bridge, text: str = SAVED) -> None:
        """An editor saves into `out.txt`."""
        self.out.write_text(text)
        await _settle(bridge)


def on_a_file(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a place."""
    return as_test(test, 1, lambda test: run_with_directory(lambda base: test(Place(base))))


def on_two_files(test: Test) -> Callable[..., None]:
    """The same, with `other.txt` beside."""

    async def run(test: Test, base: Path) -> None:
        (base / "dir" / "other.txt").write_text(OTHER)
        await test(Place(base))

    return as_test(test, 1, lambda test: run_with_directory(partial(run, test)))


async def _replaced(bridge: Bridge) -> None:
    """Another device moves out.txt away and makes a new file there."""
    await _moved_away(bridge)
    await _another_came(bridge)


async def _moved_away(bridge: Bridge) -> None:
    folder = bridge.folder
    record = folder.files.by_path("out.txt")
    assert record is not None
    folder.catalogue.write([Change(record.entry, path="old.txt")])
    folder.render_queue.want(record.entry)
    await bridge.render()
    await bridge.render()


async def _another_came(bridge: Bridge) -> None:
    folder = bridge.folder
    folder.catalogue.write([Change(_ENTRY, "out.txt", Content.text(_DOCUMENT, Mode.PLAIN))])
    folder.edits.take_pulled(_DOCUMENT, check(imported(OTHER), Shape.TEXT), PEER)
    folder.render_queue.want(_ENTRY)
    await bridge.render()


async def _swapped(bridge: Bridge) -> None:
    """Another device lets out.txt and other.txt change places."""
    await _renamed(bridge, {"out.txt": "other.txt", "other.txt": "out.txt"})


async def _renamed(bridge: Bridge, names: Mapping[str, str]) -> None:
    """Another device gives files other names."""
    folder = bridge.folder
    entries = {folder.files.at[path]: new for path, new in names.items()}
    folder.catalogue.write([Change(entry, path=new) for entry, new in entries.items()])
    folder.render_queue.want_all(entries)
    for _ in range(20):  # files that leave a directory wait for more of it
        await bridge.render()
        if all(folder.files[entry].path == new for entry, new in entries.items()):
            return
        clock().jump(0.5)
    raise AssertionError(f"not renamed: {names}")


async def _settle(bridge: Bridge) -> None:
    await bridge.look()
    for _ in range(4):
        await bridge.render()


@on_a_file
async def test_an_editor_that_had_the_former_file_open_saves_that_one(place: Place) -> None:
    async with open_bridge(place.base) as bridge:
        await _replaced(bridge)
        place.out.write_text(SAVED)
        await bridge.look()
        place.out.read_text()  # somebody looks at it before it is rendered again
        await bridge.take_events()
        await place.save(bridge, SAVED + "and saved once more\n")
    assert place.texts() == {"out.txt": OTHER, "old.txt": SAVED + "and saved once more\n"}


@pytest.mark.parametrize("clean_end", [True, False])
@on_a_file
async def test_it_does_so_when_the_other_file_comes_after_a_restart(place: Place, clean_end: bool) -> None:
    async with open_bridge(place.base, clean_end=clean_end) as bridge:
        await _moved_away(bridge)
        await bridge.folder.database.pending().wait()
    async with open_bridge(place.base) as bridge:
        await _another_came(bridge)
        await place.save(bridge)
    assert place.texts() == {"out.txt": OTHER, "old.txt": SAVED}


@on_a_file
async def test_it_does_so_across_a_restart(place: Place) -> None:
    async with open_bridge(place.base) as bridge:
        await _replaced(bridge)
    place.out.write_text(SAVED)
    async with open_bridge(place.base) as bridge:
        await _settle(bridge)
    assert place.texts() == {"out.txt": OTHER, "old.txt": SAVED}


@pytest.mark.parametrize("is_restarted", [False, True])
@on_two_files
async def test_so_does_an_editor_of_one_of_two_files_that_changed_places(place: Place, is_restarted: bool) -> None:
    async with open_bridge(place.base) as bridge:
        await _swapped(bridge)  # nobody reads what is there now
        if not is_restarted:
            await place.save(bridge)
    if is_restarted:
        place.out.write_text(SAVED)
        async with open_bridge(place.base) as bridge:
            await _settle(bridge)
    assert place.texts() == {"out.txt": OTHER, "other.txt": SAVED}


@on_two_files
async def test_so_does_one_that_saves_after_a_restart_though_the_file_that_came_there_was_read_where_it_was_before(
    place: Place,
) -> None:
    place.texts()
    async with open_bridge(place.base) as bridge:
        await _swapped(bridge)
    async with open_bridge(place.base) as bridge:
        await place.save(bridge)
    assert place.texts() == {"out.txt": OTHER, "other.txt": SAVED}


@on_two_files
async def test_whoever_has_read_the_file_that_came_there_before_a_restart_means_that_one(place: Place) -> None:
    async with open_bridge(place.base) as bridge:
        await _swapped(bridge)
    place.out.read_text()
    async with open_bridge(place.base) as bridge:
        await place.save(bridge)
    assert place.texts() == {"out.txt": SAVED, "other.txt": OLD}


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("after_h", [1, 3, 5])
@on_two_files
async def test_an_editor_of_a_file_that_went_elsewhere_counts_for_as_long_as_one_of_an_older_version(
    place: Place, after_h: int, is_restarted: bool
) -> None:
    async with open_bridge(place.base) as bridge:
        await _forget_first_scan(bridge)
        place.out.read_text()  # by the editor
        await _swapped(bridge)
        if not is_restarted:
            await _save_later(bridge, place, after_h)
    if is_restarted:
        async with open_bridge(place.base) as bridge:
            await _save_later(bridge, place, after_h)
    is_of_former = after_h < 4
    assert place.texts() == (
        {"out.txt": OTHER, "other.txt": SAVED} if is_of_former else {"out.txt": SAVED, "other.txt": OLD}
    )


async def _forget_first_scan(bridge: Bridge) -> None:
    await bridge.ingest.readers.last_opened.take_pending()
    clock().jump(8 * 3600)


async def _save_later(bridge: Bridge, place: Place, after_h: int) -> None:
    clock().jump(after_h * 3600)
    await trio.lowlevel.checkpoint()
    await place.save(bridge)


@on_two_files
async def test_where_nobody_opened_the_file_that_went_elsewhere_a_save_an_hour_later_means_the_one_that_is_there(
    place: Place,
) -> None:
    async with open_bridge(place.base) as bridge:
        await _forget_first_scan(bridge)
        await _swapped(bridge)
        await _save_later(bridge, place, 1)
    assert place.texts() == {"out.txt": SAVED, "other.txt": OLD}


@pytest.mark.parametrize("after_h", [0, 1, 3, 5])
@on_two_files
async def test_such_an_editor_may_have_an_older_version_open_as_well(place: Place, after_h: int) -> None:
    """What others made of the file was put in place here, and nobody has read that."""
    async with open_bridge(place.base) as bridge:
        await _forget_first_scan(bridge)
        place.out.read_text()
        update = replica_like(bridge, "out.txt", 9).edit([Hunk(0, 0, "of another device\n")])
        assert update is not None
        bridge.folder.edits.accept(bridge.document("out.txt"), check(update, Shape.TEXT), PEER)
        bridge.folder.render_queue.want(bridge.folder.files.at["out.txt"])
        await bridge.render()
        await _swapped(bridge)
        await _save_later(bridge, place, after_h)
    is_of_former = after_h < 4
    of_peer = "of another device\n"
    assert place.texts() == (
        {"out.txt": OTHER, "other.txt": of_peer + SAVED}
        if is_of_former
        else {"out.txt": SAVED, "other.txt": of_peer + OLD}
    )


@over_directory
async def test_so_does_an_editor_of_a_file_whose_directory_another_one_replaced(base: Path) -> None:
    for directory, text in (("one", OLD), ("two", OTHER)):
        (base / "dir" / directory).mkdir()
        (base / "dir" / directory / "out.txt").write_text(text)
    async with open_bridge(base) as bridge:
        await _renamed(bridge, {"one/out.txt": "three/out.txt"})
        await _renamed(bridge, {"two/out.txt": "one/out.txt"})
        one, three = base / "dir" / "one" / "out.txt", base / "dir" / "three" / "out.txt"
        one.write_text(SAVED)
        bridge.dirty.add("one/out.txt")  # in a directory that was moved as a whole
        await _settle(bridge)
        assert (one.read_text(), three.read_text()) == (OTHER, SAVED)


@on_two_files
async def test_whoever_has_read_the_file_that_came_there_means_that_one(place: Place) -> None:
    async with open_bridge(place.base) as bridge:
        await _swapped(bridge)
        place.out.read_text()
        await bridge.take_events()
        await place.save(bridge, OLD)
    assert place.texts() == {"out.txt": OLD, "other.txt": OLD}


@on_a_file
async def test_an_appender_means_the_file_that_is_there(place: Place) -> None:
    async with open_bridge(place.base) as bridge:
        await _replaced(bridge)
        with place.out.open("a") as file:
            file.write("appended\n")
        await _settle(bridge)
    assert place.texts() == {"out.txt": OTHER + "appended\n", "old.txt": OLD}


def test_whole_lines_tell_first_of_which_file_a_save_is() -> None:
    own, was = "c from two\nb from two\n", "d from one\n"
    assert is_made_of(own, was, "a from one\nb from two\n")  # though it takes less to make it of the other
    assert not is_made_of(own, was, "d from one\na\n")
    assert is_made_of("one two\n", "three four\n", "one two three\n")
    assert not is_made_of("one two\n", "three four\n", "one three four\n")


@pytest.mark.parametrize("former", ["", "x\n", OLD])
@on_a_file
async def test_so_does_a_program_that_writes_it_anew_much_later(place: Place, former: str) -> None:
    place.out.write_text(former)
    async with open_bridge(place.base) as bridge:
        await _replaced(bridge)
        clock().jump(8 * 3600)
        await place.save(bridge, former + "a report\n")
    assert place.texts() == {"out.txt": former + "a report\n", "old.txt": former}

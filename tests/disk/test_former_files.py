"""A path that belonged to another file a moment ago: who had that one open and saves there means that one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like, run_with_directory

from yp2p.disk.ingest.local_edits import is_made_of
from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Change
from yp2p.documents.text import imported
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

OLD = "alpha line one\nalpha line two\nalpha line three\n"
OTHER = "the other file, quite different\n"
_ENTRY, _DOCUMENT = EntryID(b"\x07" * 16), DocumentID(b"\x08" * 16)


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
    for _ in range(4):
        await bridge.render()


def test_an_editor_that_had_the_former_file_open_saves_that_one() -> None:
    async def test(base: Path) -> None:
        out, old = base / "dir" / "out.txt", base / "dir" / "old.txt"
        out.write_text(OLD)
        async with open_bridge(base) as bridge:
            await _replaced(bridge)
            out.write_text(OLD + "typed in an old editor\n")
            await bridge.look()
            out.read_text()  # somebody looks at it before it is rendered again
            await bridge.take_events()
            out.write_text(OLD + "typed in an old editor\nand saved once more\n")
            await bridge.look()
            await _settle(bridge)
            assert out.read_text() == OTHER
            assert old.read_text() == OLD + "typed in an old editor\nand saved once more\n"

    run_with_directory(test)


@pytest.mark.parametrize("clean_end", [True, False])
def test_it_does_so_when_the_other_file_comes_after_a_restart(clean_end: bool) -> None:
    async def test(base: Path) -> None:
        out, old = base / "dir" / "out.txt", base / "dir" / "old.txt"
        out.write_text(OLD)
        async with open_bridge(base, clean_end=clean_end) as bridge:
            await _moved_away(bridge)
            await bridge.folder.database.pending().wait()
        async with open_bridge(base) as bridge:
            await _another_came(bridge)
            out.write_text(OLD + "typed in an old editor\n")
            await bridge.look()
            await _settle(bridge)
            assert out.read_text() == OTHER
            assert old.read_text() == OLD + "typed in an old editor\n"

    run_with_directory(test)


def test_it_does_so_across_a_restart() -> None:
    async def test(base: Path) -> None:
        out, old = base / "dir" / "out.txt", base / "dir" / "old.txt"
        out.write_text(OLD)
        async with open_bridge(base) as bridge:
            await _replaced(bridge)
        out.write_text(OLD + "typed in an old editor\n")
        async with open_bridge(base) as bridge:
            await _settle(bridge)
            assert out.read_text() == OTHER
            assert old.read_text() == OLD + "typed in an old editor\n"

    run_with_directory(test)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_so_does_an_editor_of_one_of_two_files_that_changed_places(is_restarted: bool) -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            await _swapped(bridge)  # nobody reads what is there now
            if not is_restarted:
                out.write_text(OLD + "typed in an old editor\n")
                await bridge.look()
                await _settle(bridge)
        if is_restarted:
            out.write_text(OLD + "typed in an old editor\n")
            async with open_bridge(base) as bridge:
                await _settle(bridge)
        assert (out.read_text(), other.read_text()) == (OTHER, OLD + "typed in an old editor\n")

    run_with_directory(test)


def test_so_does_one_that_saves_after_a_restart_though_the_file_that_came_there_was_read_where_it_was_before() -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        other.read_text()
        async with open_bridge(base) as bridge:
            await _swapped(bridge)
        async with open_bridge(base) as bridge:
            out.write_text(OLD + "typed in an old editor\n")
            await bridge.look()
            await _settle(bridge)
        assert (out.read_text(), other.read_text()) == (OTHER, OLD + "typed in an old editor\n")

    run_with_directory(test)


def test_whoever_has_read_the_file_that_came_there_before_a_restart_means_that_one() -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            await _swapped(bridge)
        out.read_text()
        async with open_bridge(base) as bridge:
            out.write_text(OLD + "typed\n")
            await bridge.look()
            await _settle(bridge)
        assert (out.read_text(), other.read_text()) == (OLD + "typed\n", OLD)

    run_with_directory(test)


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("after_h", [1, 3, 5])
def test_an_editor_of_a_file_that_went_elsewhere_counts_for_as_long_as_one_of_an_older_version(
    after_h: int, is_restarted: bool
) -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            await bridge.ingest.readers.last_opened.take_pending()  # of the first scan
            clock().jump(8 * 3600)
            out.read_text()  # by the editor
            await _swapped(bridge)
            if not is_restarted:
                await _save_later(bridge, out, after_h)
        if is_restarted:
            async with open_bridge(base) as bridge:
                await _save_later(bridge, out, after_h)
        saved = OLD + "typed in an old editor\n"
        is_of_former = after_h < 4
        assert (out.read_text(), other.read_text()) == ((OTHER, saved) if is_of_former else (saved, OLD))

    run_with_directory(test)


async def _save_later(bridge: Bridge, out: Path, after_h: int) -> None:
    clock().jump(after_h * 3600)
    await trio.to_thread.run_sync(out.write_text, OLD + "typed in an old editor\n")
    await bridge.look()
    await _settle(bridge)


def test_where_nobody_opened_the_file_that_went_elsewhere_a_save_an_hour_later_means_the_one_that_is_there() -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            await bridge.ingest.readers.last_opened.take_pending()  # of the first scan
            clock().jump(8 * 3600)
            await _swapped(bridge)
            await _save_later(bridge, out, 1)
        assert (out.read_text(), other.read_text()) == (OLD + "typed in an old editor\n", OLD)

    run_with_directory(test)


def test_such_an_editor_may_have_an_older_version_open_as_well() -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            out.read_text()
            update = replica_like(bridge, "out.txt", 9).edit([Hunk(0, 0, "of another device\n")])
            assert update is not None
            bridge.folder.edits.accept(bridge.document("out.txt"), check(update, Shape.TEXT), PEER)
            bridge.folder.render_queue.want(bridge.folder.files.at["out.txt"])
            await bridge.render()
            await _swapped(bridge)
            out.write_text(OLD + "typed in an old editor\n")
            await bridge.look()
            await _settle(bridge)
            assert out.read_text() == OTHER
            assert other.read_text() == "of another device\n" + OLD + "typed in an old editor\n"

    run_with_directory(test)


def test_so_does_an_editor_of_a_file_whose_directory_another_one_replaced() -> None:
    async def test(base: Path) -> None:
        for directory, text in (("one", OLD), ("two", OTHER)):
            (base / "dir" / directory).mkdir()
            (base / "dir" / directory / "out.txt").write_text(text)
        async with open_bridge(base) as bridge:
            await _renamed(bridge, {"one/out.txt": "three/out.txt"})
            await _renamed(bridge, {"two/out.txt": "one/out.txt"})
            one, three = base / "dir" / "one" / "out.txt", base / "dir" / "three" / "out.txt"
            one.write_text(OLD + "typed in an old editor\n")
            bridge.dirty.add("one/out.txt")  # in a directory that was moved as a whole
            await bridge.look()
            await _settle(bridge)
            assert (one.read_text(), three.read_text()) == (OTHER, OLD + "typed in an old editor\n")

    run_with_directory(test)


def test_whoever_has_read_the_file_that_came_there_means_that_one() -> None:
    async def test(base: Path) -> None:
        out, other = base / "dir" / "out.txt", base / "dir" / "other.txt"
        out.write_text(OLD)
        other.write_text(OTHER)
        async with open_bridge(base) as bridge:
            await _swapped(bridge)
            out.read_text()
            await bridge.take_events()
            out.write_text(OLD)
            await bridge.look()
            await _settle(bridge)
            assert (out.read_text(), other.read_text()) == (OLD, OLD)

    run_with_directory(test)


def test_an_appender_means_the_file_that_is_there() -> None:
    async def test(base: Path) -> None:
        out, old = base / "dir" / "out.txt", base / "dir" / "old.txt"
        out.write_text(OLD)
        async with open_bridge(base) as bridge:
            await _replaced(bridge)
            with out.open("a") as file:
                file.write("appended\n")
            await bridge.look()
            await _settle(bridge)
            assert out.read_text() == OTHER + "appended\n"
            assert old.read_text() == OLD

    run_with_directory(test)


def test_whole_lines_tell_first_of_which_file_a_save_is() -> None:
    own, was = "c from two\nb from two\n", "d from one\n"
    assert is_made_of(own, was, "a from one\nb from two\n")  # though it takes less to make it of the other
    assert not is_made_of(own, was, "d from one\na\n")
    assert is_made_of("one two\n", "three four\n", "one two three\n")
    assert not is_made_of("one two\n", "three four\n", "one three four\n")


@pytest.mark.parametrize("former", ["", "x\n", OLD])
def test_so_does_a_program_that_writes_it_anew_much_later(former: str) -> None:
    async def test(base: Path) -> None:
        out, old = base / "dir" / "out.txt", base / "dir" / "old.txt"
        out.write_text(former)
        async with open_bridge(base) as bridge:
            await _replaced(bridge)
            clock().jump(8 * 3600)
            out.write_text(former + "a report\n")
            await bridge.look()
            await _settle(bridge)
            assert out.read_text() == former + "a report\n"
            assert old.read_text() == former

    run_with_directory(test)

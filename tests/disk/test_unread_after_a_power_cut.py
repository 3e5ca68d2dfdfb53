"""What the first scan after a power cut could not read is looked at as that scan would have, and nothing else is."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bridge import Bridge, clock, open_bridge, over_directory

from yp2p.files.root import Root

NAME, OTHER = "a.txt", "b.txt"
_TEXT = "what a person wrote\n"


@contextmanager
def _no_descriptor_left(*paths: str) -> Iterator[None]:
    """None is left whenever one of these is opened."""
    real = Root.open_file

    def open_file(self: Root, path: str, *args: Any, **options: Any) -> int:
        if path in paths:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(self, path, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Root, "open_file", open_file)
        yield


@asynccontextmanager
async def _after_the_cut(base: Path, left: str | None) -> AsyncIterator[Bridge]:
    """The first scan after it is still to come; `left` is what the disk has of the first file, None for nothing."""
    for name in (NAME, OTHER):
        (base / "dir" / name).write_text(_TEXT)
    async with open_bridge(base, clean_end=False):
        pass
    if left is None:
        (base / "dir" / NAME).unlink()
    else:
        (base / "dir" / NAME).write_text(left)
    async with open_bridge(base, scan=False) as bridge:
        bridge.ingest.damage.is_expected = True
        yield bridge


async def _first_scan(bridge: Bridge) -> None:
    await bridge.scan()
    bridge.ingest.damage.end()


async def _go_on(bridge: Bridge) -> None:
    for _ in range(4):
        clock().jump(5)
        await bridge.look()
        await bridge.render()


@over_directory
async def test_a_file_that_no_descriptor_was_left_for(base: Path) -> None:
    path = base / "dir" / NAME
    async with _after_the_cut(base, "") as bridge:
        with _no_descriptor_left(NAME):
            await _first_scan(bridge)
        assert bridge.ingest.damage.unread == {NAME}
        clock().jump(60)
        await _go_on(bridge)
        assert bridge.document(NAME).text.text() == path.read_text() == _TEXT
        assert not bridge.ingest.damage.unread
        path.write_text("")  # by a person, after it was read
        await bridge.look()
        assert bridge.document(NAME).text.text() == ""


@over_directory
async def test_a_file_that_a_program_had_open(base: Path) -> None:
    path = base / "dir" / NAME
    async with _after_the_cut(base, "") as bridge:
        with path.open("r+"):
            await _first_scan(bridge)
        await _go_on(bridge)
        assert bridge.document(NAME).text.text() == path.read_text() == _TEXT


@over_directory
async def test_what_is_damaged_and_stays_open_waits_until_it_is_closed(base: Path) -> None:
    """Moved away while it is open it would take along what its program writes next."""
    path = base / "dir" / NAME
    async with _after_the_cut(base, "") as bridge:
        with path.open("a") as program:
            await _first_scan(bridge)
            for _ in range(3):
                clock().jump(60)  # quiet for long
                await _go_on(bridge)
            assert bridge.document(NAME).text.text() == _TEXT
            assert path.read_text() == ""
            assert bridge.folder.files.waiting.entries
            program.write("a line of the program\n")
        await _go_on(bridge)
        assert "a line of the program\n" in bridge.document(NAME).text.text()
        assert "a line of the program\n" in path.read_text()
        assert not bridge.folder.files.waiting.entries


@over_directory
async def test_what_is_damaged_and_was_open_is_made_again_when_it_is_closed(base: Path) -> None:
    path = base / "dir" / NAME
    async with _after_the_cut(base, "") as bridge:
        with path.open("r+"):
            await _first_scan(bridge)
            clock().jump(60)
            await _go_on(bridge)
        await _go_on(bridge)
        assert bridge.document(NAME).text.text() == path.read_text() == _TEXT
        assert not bridge.folder.files.waiting.entries
        assert not bridge.ingest.damage.unread


@over_directory
async def test_what_was_read_is_a_persons_again_while_another_is_not(base: Path) -> None:
    async with _after_the_cut(base, _TEXT) as bridge:
        with _no_descriptor_left(NAME):
            await _first_scan(bridge)
            (base / "dir" / OTHER).write_text("")
            await bridge.look()
            assert bridge.ingest.damage.unread == {NAME}
            assert bridge.document(OTHER).text.text() == ""


@over_directory
async def test_a_file_that_was_gone_is_made_again_once_that_is_seen_and_then_a_person_can_delete_it(base: Path) -> None:
    path = base / "dir" / NAME
    async with _after_the_cut(base, None) as bridge:
        with _no_descriptor_left(NAME):
            await _first_scan(bridge)
        clock().jump(60)
        await _go_on(bridge)
        assert path.read_text() == _TEXT
        path.unlink()
        await _go_on(bridge)
        assert not path.exists()
        assert bridge.folder.files.by_path(NAME) is None

"""What a crash left in `.yp2p/tmp`, and what a copy of such a disk looks like."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, arrive, open_bridge, over_directory, settle
from kills import killed_at_the_first_move

from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.files import replace
from yp2p.files.temporary_names import parked_name
from yp2p.folder.new_texts import document_id_for
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

NAME = "notes.txt"
TEXT = "line one\nline two\n"
ARRIVED = TEXT + "from elsewhere\n"


class _Crash(BaseException):
    """The daemon is no more."""


def _with_other_inodes(directory: Path) -> None:
    """The directory as a copy, file by file."""
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy, symlinks=True)
    shutil.rmtree(directory)
    copy.rename(directory)


def _run(test: object, *arguments: object) -> None:
    trio.run(test, *arguments, clock=trio.testing.MockClock(autojump_threshold=0.01))  # type: ignore[arg-type]


_ENTRY = "ab" * 16
FOREIGN = [
    "park-x", "park-", f"park-{_ENTRY}", f"park-{_ENTRY}00", "notes.txt", "a-b-c-d", f"{_ENTRY}-{'f' * 16}-00-1",
    f"{_ENTRY}-{'0' * 16}-00-{'f' * 17}", "---", "1_0-1_0-00-1_0", ".aside", "park-x.aside", "\udcff", "x" * 255,
]  # fmt: skip


def test_what_is_not_ours_in_our_directory_is_set_aside_and_stops_nothing() -> None:
    async def run(base: Path) -> None:
        directory = base / "dir"
        directory.mkdir()
        (directory / NAME).write_text(TEXT)
        async with open_bridge(base):
            pass
        ours = directory / ".yp2p" / "tmp"
        for name in FOREIGN:
            (ours / name).write_text(f"what {name!r} holds")
        (ours / "a directory").mkdir()
        os.mkfifo(ours / "park-fifo")
        os.symlink("/etc/passwd", ours / "park-link")
        async with open_bridge(base) as bridge:
            await settle(bridge)
            assert (directory / NAME).read_text() == TEXT
            told = {notice.path.rpartition("/")[2] for notice in bridge.folder.notices}
            assert told >= {*FOREIGN, "a directory", "park-link"}
            kept = {item.read_text() for item in (directory / ".yp2p" / "trash").rglob("*") if item.is_file()}
            assert kept >= {f"what {name!r} holds" for name in FOREIGN}
        async with open_bridge(base) as bridge:
            assert len(told) == len(list(bridge.folder.notices)), "it is told once"

    with tempfile.TemporaryDirectory() as base:
        _run(run, Path(base))


def test_what_is_parked_is_known_to_people_by_its_own_path() -> None:
    async def run(base: Path) -> None:
        (base / "dir").mkdir()
        (base / "dir" / NAME).write_text(TEXT)
        async with open_bridge(base) as bridge:
            (record,) = bridge.folder.files.values()
            parked = dataclasses.replace(record, path=parked_name(record.entry))
            assert bridge.folder.shown_path(record) == bridge.folder.shown_path(parked) == NAME

    with tempfile.TemporaryDirectory() as base:
        _run(run, Path(base))


@pytest.mark.parametrize("is_copied", [False, True])
@pytest.mark.parametrize("is_exchanged", [False, True])
def test_what_was_arriving_is_nobody_s_edit(
    is_copied: bool, is_exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = replace.exchange

    def exchange(*arguments: object) -> object:
        if is_exchanged:
            real(*arguments)  # type: ignore[arg-type]
        raise _Crash

    async def run(base: Path) -> None:
        path = base / "dir" / NAME
        path.parent.mkdir()
        path.write_text(TEXT)
        with pytest.RaisesGroup(_Crash, flatten_subgroups=True), monkeypatch.context() as patched:
            async with open_bridge(base, clean_end=False) as bridge:
                patched.setattr(replace, "exchange", exchange)
                await arrive(bridge, NAME, ARRIVED)
        assert path.read_text() == (ARRIVED if is_exchanged else TEXT)
        assert len(list((base / "dir" / ".yp2p" / "tmp").iterdir())) == 1
        if is_copied:
            _with_other_inodes(base / "dir")
        async with open_bridge(base) as bridge:
            await settle(bridge)
            assert bridge.document(NAME).text.text() == ARRIVED
            assert path.read_text() == ARRIVED
            assert list(bridge.folder.notices) == []

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as base:
        _run(run, Path(base))


async def _becomes_a_text(bridge: Bridge) -> None:
    (record,) = bridge.folder.files.values()
    document = document_id_for(record.entry)
    catalogue, theirs = bridge.folder.catalogue, Manifest(78)
    for index, replica in enumerate(catalogue.manifest.replicas):
        theirs.load(index, [replica.state()])
    content = Content.text(document, Mode.PLAIN).after(record.content, ())
    for index, update in theirs.write([Change(record.entry, content=content)]).items():
        await catalogue.documents[index].receive(update, PEER)
    bridge.folder.edits.take_pulled(document, check(imported(TEXT), Shape.TEXT), PEER)


async def _is_a_text_and_nothing_else(base: Path) -> None:
    async with open_bridge(base) as bridge:
        await settle(bridge)
        await bridge.folder.database.pending().wait()
        assert {path.name for path in (base / "dir").iterdir()} == {NAME, ".yp2p"}
        assert (base / "dir" / NAME).read_text() == bridge.document(NAME).text.text() == TEXT
        kept = [item.read_bytes() for item in (base / "dir" / ".yp2p" / "trash").rglob("*") if item.is_file()]
        assert kept == [b"\0 a blob"]


@over_directory
async def test_what_replaced_another_kind_is_known_before_that_is_in_the_trash(base: Path) -> None:
    (base / "dir" / NAME).write_bytes(b"\0 a blob")
    with killed_at_the_first_move(base):
        async with open_bridge(base, clean_end=False) as bridge:
            await _becomes_a_text(bridge)
            await bridge.render()
    await _is_a_text_and_nothing_else(base)


@over_directory
async def test_it_is_known_as_well_when_the_start_after_a_crash_is_cut_short(base: Path) -> None:
    (base / "dir" / NAME).write_bytes(b"\0 a blob")
    real = replace.exchange

    def exchange(*arguments: object) -> object:
        real(*arguments)  # type: ignore[arg-type]
        raise _Crash

    with pytest.RaisesGroup(_Crash, flatten_subgroups=True), pytest.MonkeyPatch.context() as monkeypatch:
        async with open_bridge(base, clean_end=False) as bridge:
            monkeypatch.setattr(replace, "exchange", exchange)
            await _becomes_a_text(bridge)
            await bridge.render()
    with killed_at_the_first_move(base):
        async with open_bridge(base, clean_end=False):
            pass
    await _is_a_text_and_nothing_else(base)

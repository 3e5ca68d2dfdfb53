"""Former versions that are in files after a start: edits, if they are few; else a person is asked."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import Bridge, open_bridge, over_directory

from yp2p.disk.mass_deletion import Confirmation, decide
from yp2p.folder.notices import NoticeKind

COUNT = 60


def _content(number: int, version: str) -> bytes:
    """Every other file is a blob."""
    return (b"\x00" if number % 2 else b"") + f"file {number}, version {version}\n".encode()


def _write(base: Path, count: int, version: str) -> None:
    for number in range(count):
        (base / f"dir/{number}").write_bytes(_content(number, version))


def _held(base: Path, count: int) -> list[bytes]:
    return [(base / f"dir/{number}").read_bytes() for number in range(count)]


async def _two_versions(base: Path, count: int) -> None:
    _write(base, count, "one")
    async with open_bridge(base) as bridge:
        _write(base, count, "two")
        bridge.dirty |= set(bridge.folder.files.at)
        await bridge.look()
        await bridge.folder.database.pending().wait()


async def _settle(bridge: Bridge) -> None:
    for _ in range(4):
        await bridge.render()


@pytest.mark.parametrize("how", ["cp", "cp -p"])
@over_directory
async def test_a_file_that_was_put_back_while_the_daemon_was_off_is_an_edit(base: Path, how: str) -> None:
    await _two_versions(base, 2)
    _write(base, 2, "one")
    if how == "cp -p":
        for number in range(2):
            os.utime(base / f"dir/{number}", (1000, 1000))
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert _held(base, 2) == [_content(number, "one") for number in range(2)]
        assert list(bridge.folder.notices) == []


@pytest.mark.parametrize("accept", [True, False])
@over_directory
async def test_of_a_mass_return_a_person_is_asked(base: Path, accept: bool) -> None:
    await _two_versions(base, COUNT)
    _write(base, COUNT, "one")
    async with open_bridge(base, scan=False) as bridge:
        folder, put_back = bridge.folder, bridge.ingest.put_back
        reason = await bridge.ingest.preview(list(folder.files.at))
        assert reason == f"{COUNT} of {COUNT} files were put back to former versions"
        folder.state.pause_for_confirmation(reason)
        assert not await Confirmation(folder).is_over(bridge.root, put_back)
        put_back.answer(accept=accept)
        assert await bridge.ingest.preview(list(folder.files.at)) == ""
        await bridge.scan()
        await decide(folder, bridge.ingest, accept=accept)
        await _settle(bridge)
        texts = {bridge.document(str(number)).text.text() for number in range(0, COUNT, 2)}
        version = "one" if accept else "two"
        assert texts == {_content(number, version).decode() for number in range(0, COUNT, 2)}
        blobs = [folder.catalogue.entries[folder.catalogue.layout().entry_at[str(n)]] for n in range(1, COUNT, 2)]
        if accept:
            assert _held(base, COUNT) == [_content(number, "one") for number in range(COUNT)]
        else:  # blobs wait for a device that has the newest
            assert {entry.id for entry in blobs} == set(folder.files.blobs.wanted)
            assert folder.notices.counts()[NoticeKind.OLDER_VERSION] == COUNT


@over_directory
async def test_it_is_over_when_the_newest_versions_are_back(base: Path) -> None:
    await _two_versions(base, COUNT)
    _write(base, COUNT, "one")
    async with open_bridge(base, scan=False) as bridge:
        folder, put_back = bridge.folder, bridge.ingest.put_back
        folder.state.pause_for_confirmation(await bridge.ingest.preview(list(folder.files.at)))
        _write(base, COUNT, "two")
        assert await Confirmation(folder).is_over(bridge.root, put_back)


@over_directory
async def test_new_content_in_many_files_is_nobodys_question(base: Path) -> None:
    await _two_versions(base, COUNT)
    _write(base, COUNT, "three")
    async with open_bridge(base, scan=False) as bridge:
        assert await bridge.ingest.preview(list(bridge.folder.files.at)) == ""
        await bridge.scan()
        assert bridge.document("0").text.text() == _content(0, "three").decode()


@over_directory
async def test_what_a_backup_cannot_have_is_made_again(base: Path) -> None:
    await _two_versions(base, 1)
    await trio.to_thread.run_sync(time.sleep, 0.01)  # the clock tells which came first
    async with open_bridge(base) as bridge:
        (base / "dir/young").write_text("came after the backup\n")
        await bridge.look()
    _write(base, 1, "one")
    (base / "dir/young").unlink()
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert (base / "dir/young").read_text() == "came after the backup\n"
        assert (base / "dir/0").read_bytes() == _content(0, "one")
        assert [notice.path for notice in bridge.folder.notices] == ["young"]
        (base / "dir/young").unlink()  # and that is a deletion
        await bridge.look()
        assert set(bridge.folder.catalogue.layout().entry_at) == {"0"}


@pytest.mark.parametrize("put_back", [False, True])
@over_directory
async def test_what_is_removed_while_the_daemon_is_off_is_deleted(base: Path, put_back: bool) -> None:
    """Also where a file was put back that came later."""
    (base / "dir/old").write_text("older than every version of the others\n")
    async with open_bridge(base):
        pass
    await trio.to_thread.run_sync(time.sleep, 0.01)
    await _two_versions(base, 1)
    (base / "dir/old").unlink()
    if put_back:
        _write(base, 1, "one")
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert set(bridge.folder.catalogue.layout().entry_at) == {"0"}
        assert list(bridge.folder.notices) == []

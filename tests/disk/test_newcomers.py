"""The first mass deletion of a device that was let in lately waits, also where it is few files."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge

from yp2p.disk import mass_deletion
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Deletion
from yp2p.history import settling
from yp2p.identity import DeviceID


def _run(test: Callable[[Bridge, Path], Awaitable[None]], files: int) -> None:
    async def run(base: Path) -> None:
        async with open_bridge(base) as bridge:
            newcomers = bridge.folder.observers.newcomers
            newcomers.came_lately = lambda device: True
            bridge.folder.membership.came_later = lambda device: device == PEER
            await test(bridge, base / "dir")

    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        for number in range(files):
            (Path(base) / f"dir/{number:03}").write_text(f"text {number}\n")
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def _count(directory: Path) -> int:
    """How many files there are."""
    return len(list(directory.glob("[0-9]*")))


async def _delete_elsewhere(bridge: Bridge, count: int, by: DeviceID = PEER) -> None:
    """Another device deletes the first ones of the files that there are."""
    folder, other = bridge.folder, Manifest(4711)
    for index, live in enumerate(folder.catalogue.documents):
        other.load(index, [live.replica.state()])
    records = [folder.files[folder.files.at[path]] for path in sorted(folder.files.at)[:count]]
    changes = [
        Change(one.entry, deletion=Deletion(one.document, folder.texts.open(one.document).state_vector()))
        for one in records
    ]
    for index, update in other.write(changes).items():
        await folder.catalogue.documents[index].receive(update, by)
    for _ in range(4):
        if not folder.state.question.reason:
            await bridge.render()
        clock().jump(1)


@pytest.mark.parametrize(("files", "count"), [(100, 30), (40, 20), (12, 11)])
def test_a_quarter_of_a_folder_waits(files: int, count: int) -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        await _delete_elsewhere(bridge, count)
        assert f"{count} of {files} files were deleted" in bridge.folder.state.question.reason
        assert "new here" in bridge.folder.state.question.reason
        assert _count(directory) == files
        # Nobody said anything, and nothing has changed: it does not go on by itself.
        confirmation = mass_deletion.Confirmation(bridge.folder)
        clock().jump(60)
        assert not await confirmation.is_over(bridge.root, bridge.ingest.put_back)
        await mass_deletion.decide(bridge.folder, bridge.ingest, accept=False)
        assert all(map(bridge.folder.catalogue.is_alive, bridge.folder.catalogue.entries.values()))

    _run(test, files)


def test_what_takes_back_a_flood_leaves_a_conflict_settled_that_a_person_settled_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(folder: object) -> None:
        """The rounds of the disk are this test's."""

    monkeypatch.setattr(settling, "settle", nothing)

    async def test(bridge: Bridge, directory: Path) -> None:
        folder = bridge.folder
        (directory / "z.txt").write_text("this\n")
        copy = "z.conflict-desk-2026-11-29-1f2e3d4c.txt"
        (directory / copy).write_text("the other\n")
        await bridge.scan()
        entry = folder.files.at[copy]
        await settling.settle_files(folder, "z.txt", "this")
        bridge.dirty.add(copy)
        for _ in range(4):
            clock().jump(5)
            await bridge.look()
            await bridge.render()
        assert not folder.catalogue.is_alive(folder.catalogue.entries[entry])
        await _delete_elsewhere(bridge, 30)
        assert folder.state.question.reason.startswith("30 of 101 files")
        await mass_deletion.decide(folder, bridge.ingest, accept=False)
        dead = [one.id for one in folder.catalogue.entries.values() if not folder.catalogue.is_alive(one)]
        assert dead == [entry]

    _run(test, 100)


def test_somebody_who_tidies_up_a_little_waits_for_nobody() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        await _delete_elsewhere(bridge, 10)
        assert not bridge.folder.state.question.reason
        assert _count(directory) == 30

    _run(test, 40)


def test_what_goes_a_few_at_a_time_is_counted_together() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        for _ in range(6):
            await _delete_elsewhere(bridge, 2)
        assert "new here" in bridge.folder.state.question.reason
        assert _count(directory) == 30

    _run(test, 40)


def test_a_device_that_a_person_let_delete_much_is_asked_about_no_more() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        await _delete_elsewhere(bridge, 20)
        await mass_deletion.decide(bridge.folder, bridge.ingest, accept=True)
        await _delete_elsewhere(bridge, 0)
        assert _count(directory) == 40
        await _delete_elsewhere(bridge, 20)
        assert not bridge.folder.state.question.reason
        assert _count(directory) == 20

    _run(test, 60)


@pytest.mark.parametrize("is_new", [True, False], ids=["came back", "was never away"])
def test_a_device_that_was_let_in_again_is_new(is_new: bool) -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        newcomers = bridge.folder.observers.newcomers
        newcomers.came_lately = lambda device: False
        if is_new:
            newcomers.came(PEER)
        await _delete_elsewhere(bridge, 20)
        assert ("new here" in bridge.folder.state.question.reason) == is_new
        assert _count(directory) == (40 if is_new else 20)

    _run(test, 40)


@pytest.mark.parametrize(("days", "is_new"), [(6, True), (8, False)])
def test_a_device_that_came_while_this_ran_is_new_for_a_week(days: int, is_new: bool) -> None:
    """However long the daemon runs."""

    async def test(bridge: Bridge, directory: Path) -> None:
        newcomers = bridge.folder.observers.newcomers
        newcomers.came_lately = lambda device: False
        newcomers.came(PEER)
        clock().jump(days * 86400)
        await _delete_elsewhere(bridge, 20)
        assert ("new here" in bridge.folder.state.question.reason) == is_new

    _run(test, 40)


def test_another_device_and_a_person_here_delete_as_many_as_ever() -> None:
    async def test(bridge: Bridge, directory: Path) -> None:
        await _delete_elsewhere(bridge, 20, by=DeviceID(b"q" * 32))
        assert not bridge.folder.state.question.reason
        for number in range(20, 40):
            (directory / f"{number:03}").unlink()
            bridge.dirty.add(f"{number:03}")
        for _ in range(4):
            await bridge.render()
            clock().jump(1)
        assert not bridge.folder.state.question.reason
        assert _count(directory) == 60

    _run(test, 100)

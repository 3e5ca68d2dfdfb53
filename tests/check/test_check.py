"""`check` finds what is planted, names it, mends what has one right answer, and loses nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from bridge import PEER

from check.planted import BLOBS, FAULTS, TEXTS, Place, open_place
from yp2p.check import checker, gather, repairs
from yp2p.check.findings import Finding, Kind
from yp2p.config import Scrub
from yp2p.disk import scrub
from yp2p.disk.damaged_files import DamagedFiles
from yp2p.documents.registers import Change, index_of
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.store import tables


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "_AGAIN_S", 0.05)
    monkeypatch.setattr(checker, "_SETTLE_LIMIT_S", 0.2)


def _expected(place: Place, names: list[str]) -> set[tuple[str, str]]:
    stands = {"STORE": str(place.home / "store"), "KEY": str(place.checker.key)}
    return {(FAULTS[name].kind.value, stands.get(path, path)) for name in names for path in FAULTS[name].paths}


async def test_where_all_is_well_nothing_is_found(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        assert await place.check(read=True, peers=True) == []
        assert await place.check(read=True, repair=True) == []


async def test_everything_that_is_planted_is_found_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_place(tmp_path) as place:
        await place.plant(*FAULTS.values())
        monkeypatch.setattr(gather, "RECENT_S", 0.0)
        await place.folder.database.pending().wait()
        files = {name: place.path(name).read_bytes() for name in ("rotten.txt", "here.bin", "nobody.bin")}
        found = await place.check(read=True)
        assert {(one["kind"], one["path"]) for one in found} == _expected(place, list(FAULTS))
        for one in found:
            assert len(one["text"]) > 20, one
            assert one["repair"] or one["help"], one
        assert {one["result"] for one in found} == {"found"}

        mended = [name for name, fault in FAULTS.items() if fault.is_mended]
        repaired = await place.check(read=True, repair=True)
        done = {(one["kind"], one["path"]) for one in repaired if one["result"] == "repaired"}
        assert done == _expected(place, mended)
        again = await place.check(read=True)
        left = {(one["kind"], one["path"]) for one in again}
        assert left == _expected(place, [name for name in FAULTS if name not in mended]), again

        for name, data in {**{name: text.encode() for name, text in TEXTS.items()}, **BLOBS}.items():
            if name != "nobody.bin":
                assert place.path(name).read_bytes() == data, name
        assert place.path("nobody.bin").read_bytes() == files["nobody.bin"]
        kept = {
            str(path.relative_to(place.path(".yp2p/trash"))).partition("/")[2]: path.read_bytes()
            for path in place.path(".yp2p/trash").rglob("*")
            if path.is_file()
        }
        assert kept["rotten.txt"] == files["rotten.txt"]
        assert kept["here.bin"] == files["here.bin"]
        assert kept["kept.txt"] == b"put here by hand\n"
        aside = [row for (row,) in place.folder.database.rows("SELECT row FROM aside")]
        assert {row.partition("(")[0] for row in aside} == {"pack", "step", "notice", "chunks", "statement", "served"}


async def test_what_is_on_its_way_is_nothing_that_was_found(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place, trio.open_nursery() as nursery:

        async def save_on() -> None:
            number = 0
            while True:
                number += 1
                place.path("fine.txt").write_text(f"version {number}\n" * 5)
                place.path(f"new{number}.txt").write_text(f"new {number}\n")
                await trio.sleep(0.02)

        nursery.start_soon(save_on)
        for _ in range(2):
            assert await place.check(read=True) == []
        nursery.cancel_scope.cancel()


def test_the_document_has_what_is_planted() -> None:
    text = (Path(__file__).parents[2] / "docs/check.md").read_text()
    for name, fault in FAULTS.items():
        assert f"| {name} | `{fault.kind.value}` | {'yes' if fault.is_mended else 'no'}" in text, name
    assert len(FAULTS) >= 20
    assert sum(fault.is_mended for fault in FAULTS.values()) >= 15


class _Session:
    """A device that is connected, and has everything that is here."""

    compared = True

    def __init__(self) -> None:
        self.peer = PEER
        self.agreement = SimpleNamespace(behind={})
        self.pulled = 0

    def pull(self) -> None:
        self.pulled += 1


async def test_a_list_of_entries_that_only_the_store_had_comes_from_another_device(tmp_path: Path) -> None:
    """Nobody has it in memory; until it has come no file is touched."""
    async with open_place(tmp_path) as place:
        folder = place.folder
        manifest = folder.catalogue.manifest
        entry = place.record("fine.txt").entry
        index = index_of(entry)
        state, before = manifest.replicas[index].state(), dict(folder.catalogue.entries)
        while not manifest.replicas[index].is_resting:
            manifest.rest()
        place.sql("UPDATE log SET crc = crc + 1 WHERE document = ?", folder.catalogue.documents[index].id)
        (found,) = await place.check()
        assert (found["kind"], found["result"]) == ("damaged-manifest", "found")
        (left,) = await place.check(repair=True)
        assert left["result"] == "left", "without a device that has it nothing is taken away"
        assert folder.catalogue.entries == before

        place.connect(_Session())
        await place.check(repair=True)
        assert entry not in folder.catalogue.entries
        await place.settled()
        assert {name: place.path(name).read_text() for name in TEXTS} == TEXTS
        live = folder.catalogue.documents[index]
        await live.receive(state, PEER)
        await place.settled()
        place.connect()
        assert await place.check(read=True) == []
        assert folder.catalogue.entries == before
        assert {name: place.path(name).read_text() for name in TEXTS} == TEXTS
        assert not list(place.folder.path.glob("*.conflict-*"))


async def test_a_text_that_is_not_here_is_asked_of_the_devices_that_are_connected(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        document = place.record("fine.txt").document
        entry = place.record("lost.txt").entry
        change = Change(
            EntryID(b"one more entry.."), "more.txt", Content.text(DocumentID(b"no such document"), Mode.PLAIN)
        )
        await place.folder.catalogue.write([change]).wait()
        (found,) = await place.check(repair=True)
        assert (found["kind"], found["path"], found["result"]) == ("missing-document", "more.txt", "left")
        session = _Session()
        place.connect(session)
        (found,) = await place.check(repair=True)
        assert found["result"] == "started"
        assert session.pulled
        assert (document, entry) == (place.record("fine.txt").document, place.record("lost.txt").entry)


class _Follower(_Session):
    """A device that is told of every change, and has not said of any that it has it."""

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None) -> None:
        self.agreement.behind[entry] = None

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


@pytest.mark.parametrize("is_saved", [False, True])
async def test_a_history_that_is_saved_to_before_it_goes_stays(tmp_path: Path, is_saved: bool) -> None:
    """The repair waits for other work on the folder's texts; what is saved meanwhile nobody else has."""
    async with open_place(tmp_path) as place, trio.open_nursery() as nursery:
        folder, session, record = place.folder, _Follower(), place.record("fine.txt")
        folder.observers.sessions[PEER] = session  # type: ignore[assignment]
        where: Any = repairs.Place(folder, place.disk, (session,))  # type: ignore[arg-type]
        found = Finding(Kind.DAMAGED_HISTORY, folder.label, "fine.txt", "it is damaged", record.document)
        done: list[bool] = []

        async def repair() -> None:
            done.append(await repairs.of_folder(where, found))

        async with folder.texts.rewriting:
            nursery.start_soon(repair)
            with trio.fail_after(20):
                while not folder.texts.rewriting.statistics().tasks_waiting:
                    await trio.sleep(0.01)
                if is_saved:
                    place.path("fine.txt").write_text("saved meanwhile\n")
                    while folder.texts.head(record.document)[1] != "saved meanwhile\n":
                        await trio.sleep(0.01)
        with trio.fail_after(20):
            while not done:
                await trio.sleep(0.01)
        assert done == [not is_saved]
        assert bool(list(folder.database.rows("SELECT row FROM aside"))) is not is_saved
        if is_saved:
            assert folder.texts.head(record.document)[1] == "saved meanwhile\n"


async def test_a_file_that_holds_something_else_is_not_listed_as_one_to_copy(tmp_path: Path) -> None:
    async with open_place(tmp_path) as place:
        blobs, record = place.folder.files.blobs, place.record("nobody.bin")
        where = repairs.Place(place.folder, place.disk, ())
        found = Finding(
            Kind.LOST_BLOB, place.folder.label, "nobody.bin", "it is not listed", record.entry + record.content
        )
        blobs.remove_file(record.content, record.entry)
        assert await repairs.of_folder(where, found)
        assert blobs.files_with(record.content) == [record.entry]
        async with place.folder.files.writing:
            place.rot("nobody.bin")
            place.same_stamp("nobody.bin")
            blobs.remove_file(record.content, record.entry)
            assert not await repairs.of_folder(where, found)
            assert blobs.files_with(record.content) == []


@pytest.mark.parametrize(
    ("place_of", "name", "faults"),
    [
        (repairs, "of_folder", ("a file that was never written", "a digest that is wrong")),
        (DamagedFiles, "_take", ("a bit of a text", "a bit of a file that is here twice")),
    ],
)
async def test_who_stops_a_repair_waits_for_one_step_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place_of: object, name: str, faults: tuple[str, ...]
) -> None:
    async with open_place(tmp_path) as place:
        await place.plant(*(FAULTS[fault] for fault in faults))
        real, ended = getattr(place_of, name), list[object]()

        async def stopped(*args: Any) -> Any:
            scope.cancel()
            await trio.lowlevel.checkpoint()
            ended.append(await real(*args))
            return ended[-1]

        monkeypatch.setattr(place_of, name, stopped)
        with trio.CancelScope() as scope:
            await place.check(read=True, repair=True)
        assert scope.cancelled_caught
        assert len(ended) == 1, "what was begun is done, and nothing more is begun"


async def test_the_scrub_mends_by_itself_and_a_round_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "_FIRST_S", 0.1)
    monkeypatch.setattr(scrub, "_LOOK_S", 0.1)
    async with open_place(tmp_path, Scrub(percent=50, interval_days=0)) as place:
        faults = [FAULTS[name] for name in ("a bit of a text", "a bit of a file that is here twice")]
        await place.plant(*faults)
        damaged = place.path("rotten.txt").read_bytes()
        with trio.fail_after(20):
            while [place.path(name).read_bytes() for name in ("rotten.txt", "here.bin")] != [
                TEXTS["rotten.txt"].encode(), BLOBS["here.bin"],
            ]:  # fmt: skip
                await place.folder.state.changed.wait()
            rounds = place.disk.scrub._progress.rounds
            while place.disk.scrub._progress.rounds < rounds + 2:
                await place.folder.state.changed.wait()
        assert damaged in [path.read_bytes() for path in place.path(".yp2p/trash").rglob("rotten.txt")]
        assert place.disk.scrub.describe()["damaged"] == []
        assert await place.check(read=True) == []
        await place.folder.database.pending().wait()
        row = tables.scrub.read_row(place.folder.database.rows, place.folder.id)
        assert row is not None
        assert row[-1] >= rounds + 2

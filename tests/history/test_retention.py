"""Retention: which versions stay, and that thinning changes nothing but the past, with the real store."""

from __future__ import annotations

import math
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import FOLDER, OWN, PEER, Bridge, clock, open_bridge, replica_like
from scenes import Test, as_test

from yp2p.config import Files, History, Trash
from yp2p.disk.actor import Disk
from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Change, Deletion, Entry
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica, imported
from yp2p.documents.thinning import joined
from yp2p.errors import DamagedError, UsageError
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.history.ages import DAY_S, HOUR_S, Ages, versions_that_stay
from yp2p.history.file_log import log
from yp2p.history.point_in_time import deleted
from yp2p.history.retention import Retention
from yp2p.history.thinning_rule import Log, Mark, Row, before_others, senders, thinned
from yp2p.history.undo import undo
from yp2p.history.versions import When, blame_lines, show
from yp2p.identity import DeviceID
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, check
from yp2p.store.database import open_database

NAME = "a.txt"
NOW = 1_790_000_000.0


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        trio.run(test, Path(base), clock=trio.testing.MockClock(autojump_threshold=0.01))


def over_directory(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with an empty `dir`, on a clock that jumps where all wait."""
    return as_test(test, 1, _run)


def _write(path: Path, text: str) -> None:
    path.read_text() if path.exists() else None
    path.write_text(text)


async def _save(bridge: Bridge, path: Path, text: str) -> None:
    await bridge.take_events()
    _write(path, text)
    await bridge.look()
    await bridge.folder.database.pending().wait()
    bridge.folder.state.settled = True


async def _delete(bridge: Bridge, entry: Entry) -> None:
    """Another device deletes the file, having seen all of it."""
    seen = Deletion(entry.document, bridge.folder.texts.open(entry.document).replica.state_vector())
    await bridge.folder.catalogue.write([Change(entry.id, deletion=seen)]).wait()
    await bridge.render()


async def _happened(bridge: Bridge, seconds_ago: Callable[[int], float]) -> None:
    """Let all rows be of the past, and this daemon have run on every day since."""
    folder, now = bridge.folder, time.time()
    folder.state.settled = True
    rows = folder.database.rows("SELECT seq FROM log ORDER BY seq")
    times: list[Any] = [("UPDATE log SET received = ? WHERE seq = ?", (now - seconds_ago(seq), seq)) for (seq,) in rows]
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - day * DAY_S)) for day in range(800)]
    began: list[Any] = [("INSERT OR IGNORE INTO day VALUES (?, ?)", (day, folder.database.last_seq)) for day in days]
    await folder.database.submit([*times, *began]).wait()


async def _thin(bridge: Bridge, **settings: int) -> int:
    folder = bridge.folder
    retention = Retention(folder, History(**settings), bridge.ingest.readers.bases)
    clock().jump(3 * HOUR_S)
    folder.state.settled = folder.state.is_scanned = True
    count = await retention.thin(time.time())
    await folder.database.pending().wait()
    return count


def _by_the_clock(seq: int, at: float) -> float:
    return NOW - at


def test_of_a_year_the_last_version_of_each_hour_day_and_week_stays() -> None:
    rng = random.Random(1)
    times = sorted(NOW - rng.random() * 500 * DAY_S for _ in range(200_000))
    rows = list(enumerate(times, 1))
    stay = versions_that_stay(rows, _by_the_clock, 365 * DAY_S)
    kept = [at for seq, at in rows if seq in stay]
    by_age = Counter(
        "all" if age < DAY_S else "hour" if age < 7 * DAY_S else "day" if age < 30 * DAY_S else "week"
        for age in (NOW - at for at in kept)
    )
    assert by_age["all"] == sum(NOW - at < DAY_S for at in times)
    assert 6 * 24 <= by_age["hour"] <= 6 * 24 + 2
    assert 23 <= by_age["day"] <= 25
    assert 335 // 7 <= by_age["week"] <= 335 // 7 + 3
    assert sum(NOW - at > 365 * DAY_S for at in kept) == 1  # what everything older came to
    for until in (30, 6.5, 1):  # thinning again later finds the same and no gaps
        later = [(seq, at) for seq, at in rows if seq in stay]
        assert versions_that_stay(later, _by_the_clock, 365 * DAY_S) == stay
        before = [at for at in kept if NOW - at > until * DAY_S]
        assert max(before) > NOW - until * DAY_S - 7 * DAY_S


def test_what_is_in_use_or_young_stays_and_the_newest_always_does() -> None:
    rows = [(seq, NOW - 400 * DAY_S + seq) for seq in range(1, 21)]
    old = _by_the_clock
    assert versions_that_stay(rows, old, 365 * DAY_S) == {20}
    assert versions_that_stay(rows, old, 365 * DAY_S, in_use={3, 4, 99}) == {3, 4, 20}
    assert versions_that_stay(rows, old, 365 * DAY_S, young=17) == {17, 18, 19, 20}
    assert versions_that_stay([], old, 365 * DAY_S) == set()


def test_a_clock_that_jumps_or_was_wrong_ages_nothing() -> None:
    midnight = NOW - NOW % DAY_S
    days = [0, 10, 20]  # when the third day began, there were 20 rows
    ages = Ages(midnight + 4000 * DAY_S, days)
    assert ages(21, midnight + 60) == DAY_S  # ten years by the clock, and no day since
    assert ages(15, midnight + 60) == 2 * DAY_S
    assert ages(5, 60.0) == 3 * DAY_S  # written in 1970, by a clock that was not set yet
    assert Ages(midnight, [])(1, midnight + 5000) == 0.0


def test_rows_of_which_only_their_senders_tell_are_not_joined_with_other_senders() -> None:
    def row(seq: int, client: int, origin: bytes) -> Row:
        update = TextReplica(client).edit([Hunk(0, 0, "x")])
        assert update is not None
        return Row(seq, 0.0, origin, update)

    rows = [row(1, 5, b"laptop"), row(2, 6, b"pi"), row(3, 7, b"pi"), row(4, 8, b"desktop")]
    assert senders(rows, {4}, Shape.TEXT, {5, 6, 7, 8}) == {4: b"desktop"}
    assert senders(rows, {4}, Shape.TEXT, {6, 7, 8}) == {4: b"laptop"}
    assert senders(rows, {4}, Shape.TEXT, {7}) == {1: b"laptop", 3: b"pi", 4: b"desktop"}


def test_rows_that_may_come_to_be_doubted_are_not_joined_with_other_senders() -> None:
    def row(seq: int, client: int, origin: bytes) -> Row:
        update = TextReplica(client).edit([Hunk(0, 0, "x")])
        assert update is not None
        return Row(seq, 0.0, origin, update)

    rows = [row(1, 5, b""), row(2, 6, b"pi"), row(3, 6, b"pi"), row(4, 5, b""), row(5, 5, b"")]
    assert senders(rows, {5}, Shape.TEXT, {5, 6}, {2, 3, 4, 5}) == {1: b"", 3: b"pi", 5: b""}
    assert senders(rows, {5}, Shape.TEXT, {5, 6}, {4, 5}) == {3: b"pi", 5: b""}
    assert senders(rows, {5}, Shape.TEXT, {5, 6}, {5}) == {4: b"", 5: b""}
    assert senders(rows, {5}, Shape.TEXT, {5, 6}, set()) == {5: b""}
    assert senders(rows, {5}, Shape.TEXT, {5}, {2, 3, 4, 5}) == {1: b"", 3: b"pi", 5: b""}
    repair = Writer.REPAIR.client_id(4)
    rows = [row(1, 6, b"pi"), row(2, repair, b""), row(3, 5, b""), row(4, 5, b"")]
    assert senders(rows, {4}, Shape.TEXT, {5, 6, repair}, {1, 2, 3, 4}) == {1: b"pi", 2: b"", 4: b""}


_OLD_S, _WEEK_S = 400 * DAY_S, 8 * DAY_S


def _log(ages_s: list[float], **known: Any) -> tuple[Log, list[Mark]]:
    """A log whose rows are so old; the number of each is ten times its place."""
    marks = [Mark(10 * place, NOW - age_s, 10 * place) for place, age_s in enumerate(ages_s, 1)]
    days = [1000] * 800  # so many on which a daemon ran since
    what: dict[str, Any] = {
        "shape": Shape.TEXT, "size": 0, "limit": 1 << 20, "ages": Ages(NOW, days), "max_age_s": 365 * DAY_S,
        "squeeze": 1, "young": 1000, "in_use": set(), "claimed": set(), "certain": 1000,
    }  # fmt: skip
    return Log(**what | known), marks


def _rows(marks: list[Mark]) -> list[Row]:
    """What one client typed, a row a character; nobody tells whose it is but this device."""
    replica = TextReplica(7)
    return [Row(mark.seq, mark.at, b"", replica.edit([Hunk(0, 0, "x")]) or b"") for mark in marks]


@pytest.mark.parametrize(
    ("ages_s", "known", "stay"),
    [
        ([1.0, 1.0, 1.0], {}, {10, 20, 30}),  # all are young
        ([_OLD_S, _OLD_S, 1.0], {}, {20, 30}),  # what is too old is joined with the last that is
        ([_OLD_S, _OLD_S, _OLD_S], {}, {30}),
        ([_OLD_S, _OLD_S, _OLD_S], {"in_use": {10}}, {10, 30}),
        ([_OLD_S, _OLD_S, _OLD_S], {"young": 10}, {10, 20, 30}),
        ([_WEEK_S, _WEEK_S - 60, 1.0], {}, {20, 30}),  # two of one day
        ([_WEEK_S, _WEEK_S - DAY_S - 60, 1.0], {}, {10, 20, 30}),
        ([_WEEK_S, _WEEK_S - 60, 1.0], {"certain": 0}, {20, 30}),  # of one sender: nothing is held apart
        ([2 * HOUR_S, 2 * HOUR_S - 10, 1.0], {"limit": 0, "size": 1}, {20, 30}),  # too large: spans are halved
        ([2 * HOUR_S, 2 * HOUR_S - 10, 1.0], {"limit": 0, "size": 1, "shape": Shape.MANIFEST}, {10, 20, 30}),
    ],
)
def test_which_rows_of_a_log_stay(ages_s: list[float], known: dict[str, Any], stay: set[int]) -> None:
    log, marks = _log(ages_s, **known)
    rows = _rows(marks)
    found = thinned(log, marks, lambda: rows)
    if found is None:
        assert stay == {10, 20, 30}
    else:
        assert {row.seq for row in rows} - found.removed == {seq for seq, _, _ in found.new} == stay


def test_single_rows_of_old_packs_go_though_the_packs_stay() -> None:
    log, marks = _log([_WEEK_S, _WEEK_S - DAY_S - 60, 1.0])
    marks[0] = Mark(10, marks[0].at, 5, packed=500)
    found = thinned(replace(log, squeeze=2), marks, lambda: _rows(marks))
    assert found is not None
    assert (found.removed, list(found.going)) == (set(), [marks[0]])
    assert found.bytes_gained == 500
    assert not found.needs({10, 20, 30})
    assert found.needs({7}), "a row in the middle of the pack"


@over_directory
async def test_thinning_keeps_the_text_what_is_today_and_who_wrote_it(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("title\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        for number in range(60):
            await _save(bridge, path, f"{path.read_text()}ours {number}\n")
            if number % 5 == 0:
                peer = replica_like(bridge, NAME, 1000 + number)
                update = peer.edit([Hunk(0, 0, f"theirs {number}\n")])
                assert update is not None
                await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
                await bridge.render()
        await folder.edits.own_claims.publish()
        newest = folder.database.last_seq
        await _happened(bridge, lambda seq: (newest - seq) * 2 * HOUR_S)
        text = path.read_text()
        before = (await log(folder, NAME, 100))["versions"]
        lines = await blame_lines(folder, NAME, When())
        shown = {v["version"]: await show(folder, NAME, When(version=v["version"])) for v in before}
        assert await _thin(bridge) == 0  # one an hour is what there is
        await _happened(bridge, lambda seq: 2 * DAY_S + (newest - seq) * 600)
        assert await _thin(bridge) > 20
        assert await _thin(bridge) == 0
        after = (await log(folder, NAME, 100))["versions"]
        assert 5 < len(after) < len(before)
        for version in after:
            number = version["version"]
            assert await show(folder, NAME, When(version=number)) == shown.get(number, text)
        assert [(line["text"], line["device"]) for line in await blame_lines(folder, NAME, When())] == [
            (line["text"], line["device"]) for line in lines
        ]
        assert path.read_text() == text
    async with open_bridge(base) as bridge:
        assert bridge.document(NAME).text.text() == text  # type: ignore[attr-defined]
        await _save(bridge, path, text + "more\n")
        await bridge.render()
        assert path.read_text() == text + "more\n"


@over_directory
async def test_what_there_was_when_a_device_was_removed_stays_what_it_was(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("title\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        for number in range(40):
            await _save(bridge, path, f"{path.read_text()}ours {number}\n")
            if number == 17:
                boundary, text = folder.database.last_seq, path.read_text()
        folder.observers.uncounted.boundaries = lambda: {boundary}  # type: ignore[method-assign]
        newest = folder.database.last_seq
        await _happened(bridge, lambda seq: 40 * DAY_S + newest - seq)
        assert await _thin(bridge) > 20
        record = folder.files.by_path(NAME)
        assert record is not None
        rows = [data for seq, data in folder.texts.rows(record.document, boundary) if seq <= boundary]
        assert TextReplica.from_updates(1, rows).text() == text


@pytest.mark.parametrize("seed", range(8))
@over_directory
async def test_a_stale_editor_still_saves_on_what_it_had_read(base: Path, seed: int) -> None:
    """The base of what nobody has read since is of last year, and stays for the save that was made of it."""
    rng = random.Random(seed)
    path = base / "dir" / NAME
    path.write_text("".join(f"line {number}\n" for number in range(20)))
    async with open_bridge(base) as bridge:
        for number in range(rng.randint(1, 4)):
            await _save(bridge, path, f"{path.read_text()}more {number}\n")
        had = path.read_text()
        for number in range(rng.randint(1, 6)):
            peer = replica_like(bridge, NAME, 1000 + number)
            update = peer.edit([Hunk(0, 0, f"theirs {number}\n")])
            assert update is not None
            await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
            if rng.random() < 0.7:
                await bridge.render()
        await bridge.folder.database.pending().wait()
        await bridge.render()
        theirs = path.read_bytes().decode()  # reading through the kernel would count as somebody's reading
        await bridge.take_events()
        newest = bridge.folder.database.last_seq
        await _happened(bridge, lambda seq: 100 * DAY_S + newest - seq)
        await _thin(bridge)
        record = bridge.folder.files.by_path(NAME)
        assert record is not None
        rows = {seq for seq, _ in bridge.folder.texts.rows(record.document)}
        in_use = {b.base_seq for b in [record, *bridge.ingest.readers.bases()] if b.base_state is None}
        assert in_use <= rows
        assert bridge.folder.texts.at(record.document, record.base_seq).text() == theirs
        for unread in bridge.ingest.readers.bases():
            if unread.base_state is None:
                assert theirs.endswith(bridge.folder.texts.at(record.document, unread.base_seq).text())
    assert had in theirs


@over_directory
async def test_undo_needs_what_is_not_thinned_and_says_so(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        for text in ("two\n", "three\n", "four\n"):
            await _save(bridge, path, text)
        last_old = folder.database.last_seq
        for text in ("five\n", "six\n"):
            await _save(bridge, path, text)
        await _happened(bridge, lambda seq: 40 * DAY_S - seq if seq <= last_old else HOUR_S - seq)
        assert await _thin(bridge) > 0
        entry = folder.catalogue.entries[folder.files.at[NAME]]
        for text in ("five\n", "four\n"):
            folder.state.settled = True
            await undo(folder, entry, NAME, 1)
            await bridge.render()
            assert path.read_text() == text
        folder.state.settled = True
        with pytest.raises(UsageError, match="no longer in its history"):
            await undo(folder, entry, NAME, 1)


@over_directory
async def test_a_text_that_is_rewritten_again_and_again_costs_a_mebibyte(base: Path) -> None:
    rng = random.Random(7)
    path = base / "dir" / NAME
    path.write_text("first\n")
    async with open_bridge(base) as bridge:
        for _ in range(200):
            await _save(bridge, path, "".join(f"{rng.randbytes(24).hex()}\n" for _ in range(205)))
        newest = bridge.folder.database.last_seq
        await _happened(bridge, lambda seq: (newest - seq) * 130)
        cost = "SELECT sum(length(data)) FROM log WHERE document = ?"
        document = (bridge.document(NAME).id,)
        assert bridge.folder.database.rows(cost, document)[0][0] > 2_000_000
        text = path.read_text()
        assert await _thin(bridge) > 0
        assert bridge.folder.database.rows(cost, document)[0][0] < 1 << 20
        assert len((await log(bridge.folder, NAME, 100))["versions"]) > 50
        assert await show(bridge.folder, NAME, When()) == text


def test_which_versions_others_changed_within_a_day() -> None:
    ages = {1: 9 * DAY_S, 2: 3 * DAY_S, 3: 900.0, 4: 800.0, 5: 700.0, 6: 600.0, 7: 500.0}
    origins = {1: b"", 2: b"p", 3: b"p", 4: b"", 5: b"", 6: b"p", 7: b"q"}
    rows = [Row(seq, 0.0, origin, b"") for seq, origin in origins.items()]
    assert before_others(rows, lambda seq, _: ages[seq]) == {2, 5}
    assert before_others(rows[3:], lambda seq, _: ages[seq]) == {5}
    assert before_others(rows, lambda *_: 2 * DAY_S) == set()


@over_directory
async def test_what_others_replaced_within_a_day_stays_however_much_they_write(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(7)
    path = base / "dir" / NAME
    path.write_text("first\n")
    async with open_bridge(base) as bridge:
        await _save(bridge, path, "written here\n")
        ours = bridge.folder.database.last_seq
        document = bridge.document(NAME)
        peer = replica_like(bridge, NAME, 77)
        for _ in range(60):
            text = peer.text()
            update = peer.edit([Hunk(0, len(text), f"{rng.randbytes(12_000).hex()}\n")])
            assert update is not None
            await document.receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        await bridge.render()
        newest = bridge.folder.database.last_seq
        await _happened(bridge, lambda seq: (newest - seq) * 300.0)
        monkeypatch.setattr(bridge.ingest.readers, "bases", list)
        assert await _thin(bridge, max_bytes=1, max_age_days=1) > 0
        assert bridge.folder.texts.at(document.id, ours).text() == "written here\n"
        kept = bridge.folder.database.rows("SELECT 1 FROM log WHERE document = ? AND seq = ?", (document.id, ours))
        assert kept == [(1,)]


@pytest.mark.long
@over_directory
async def test_a_log_that_is_too_large_is_thinned_sooner_and_its_room_given_back(base: Path) -> None:
    rng = random.Random(7)
    async with open_bridge(base) as bridge:
        for _ in range(30):
            for name in range(10):
                path = base / "dir" / f"{name}.txt"
                await _save(bridge, path, "".join(f"{rng.randbytes(24).hex()}\n" for _ in range(100)))
                await _save(bridge, path, path.read_text() + "end\n")
        newest = bridge.folder.database.last_seq
        await _happened(bridge, lambda seq: (newest - seq) * 120)
        assert await _thin(bridge) == 0
        await _happened(bridge, lambda seq: (newest - seq) * 400)
        assert await _thin(bridge, max_bytes=1_100_000) > 0
        assert bridge.folder.database.rows("SELECT sum(length(data)) FROM log")[0][0] < 1_100_000
        assert bridge.folder.database.rows("PRAGMA freelist_count")[0][0] == 0
    async with open_bridge(base) as bridge:
        assert bridge.document("3.txt").text.text() == (base / "dir/3.txt").read_text()  # type: ignore[attr-defined]


@over_directory
async def test_a_file_that_was_deleted_long_ago_is_forgotten_and_comes_back_with_a_peer_that_edits_it(
    base: Path,
) -> None:
    path = base / "dir" / NAME
    path.write_text("secret\n")
    (base / "dir" / "kept.txt").write_text("kept\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        peer = replica_like(bridge, NAME, 4711)
        entry = folder.catalogue.entries[folder.files.at[NAME]]
        await _delete(bridge, entry)
        assert not path.exists()
        await _happened(bridge, lambda seq: 100 * DAY_S - seq)
        await _thin(bridge)
        assert [item["path"] for item in await deleted(folder)] == [NAME]
        await _happened(bridge, lambda seq: 600 * DAY_S - seq)
        await _thin(bridge)
        assert entry.document not in folder.texts.digests
        assert await deleted(folder) == []
        assert bridge.document("kept.txt").id in folder.texts.digests
        with pytest.raises(UsageError, match="is kept no longer"):
            await show(folder, NAME, When())
        update = peer.edit([Hunk(0, 0, "edited ")])
        assert update is not None
        folder.catalogue.named.wanted.add(entry.document)
        commit = folder.edits.take_pulled(entry.document, check(peer.state(), Shape.TEXT), PEER)
        assert commit is not None
        await commit.wait()
        await bridge.render()
        assert path.read_text() == "edited secret\n"
    async with open_bridge(base) as bridge:
        assert bridge.document(NAME).text.text() == "edited secret\n"


@pytest.mark.parametrize("how", ["pull", "channel"])
@over_directory
async def test_what_a_peer_brings_while_a_text_is_forgotten_is_all_of_it(base: Path, how: str) -> None:
    """Its rows can still be read for a moment: what is built on them would be nothing after a restart."""
    path = base / "dir" / NAME
    path.write_text("precious lines\n")
    async with open_bridge(base) as bridge:
        folder = bridge.folder
        peer = replica_like(bridge, NAME, 4711)
        entry = folder.catalogue.entries[folder.files.at[NAME]]
        await _delete(bridge, entry)
        peer.edit([Hunk(0, 0, "edited ")])
        folder.catalogue.named.wanted.add(entry.document)
        assert folder.texts.forget(entry.document)
        if how == "channel":
            folder.live_document(entry.document)
            await folder.database.pending().wait()
        folder.edits.take_pulled(entry.document, check(peer.state(), Shape.TEXT), PEER)
        await folder.database.pending().wait()
    async with open_bridge(base) as bridge:
        await bridge.render()
        assert path.read_text() == "edited precious lines\n"


def test_nothing_is_thinned_before_the_files_have_been_looked_at(tmp_path: Path) -> None:
    """A held folder is not: its disk may have gone back to a version that only its row can tell."""

    async def before(base: Path) -> None:
        path, gone = base / "dir" / NAME, base / "dir" / "gone.txt"
        path.write_text("first\n")
        async with open_bridge(base) as bridge:
            await _save(bridge, path, "second\n")
            await _save(bridge, path, "third\n")
            await _save(bridge, gone, "other\n")
            await _happened(bridge, lambda seq: 40 * DAY_S - seq)
        gone.unlink()

    async def test() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            folder = Folder(
                FOLDER, "test", tmp_path / "dir", DeviceID(bytes(32)),
                database=database, clients=ClientIDs.fresh(OWN), adopted=True, confirmation_reason="too many deletions",
            )  # fmt: skip
            await folder.load()
            disk = Disk(folder, Files(), Trash())
            retention = Retention(folder, History(), disk.bases)
            retention._marks = [(-math.inf, database.last_seq)]
            async with trio.open_nursery() as nursery:
                await nursery.start(disk.run)
                assert await retention.thin(time.time()) == 0
                disk.decide(accept=True)
                with trio.fail_after(60):
                    while not folder.state.is_scanned:
                        await folder.state.changed.wait()
                assert await retention.thin(time.time()) > 0
                nursery.cancel_scope.cancel()

    (tmp_path / "dir").mkdir()
    trio.run(before, tmp_path, clock=trio.testing.MockClock(autojump_threshold=0.01))
    trio.run(test)


@over_directory
async def test_a_log_that_cannot_be_read_ends_nothing(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base) as bridge:
        await _save(bridge, path, "two\n")
        await _save(bridge, path, "three\n")
        await _happened(bridge, lambda seq: 40 * DAY_S - seq)
        store, document = bridge.folder.database, bridge.document(NAME).id
        await store.submit([("UPDATE log SET data = x'ff' WHERE document = ? AND seq = 1", (document,))]).wait()
        assert await _thin(bridge) in (0, 1)
        missing = store.path.with_name("elsewhere")
        store.path.rename(missing)
        try:
            assert await _thin(bridge) == 0
        finally:
            missing.rename(store.path)


def test_a_log_with_a_gap_is_left_as_it_is() -> None:
    replica = TextReplica(5)
    rows = [(number, replica.edit([Hunk(number, number, "x")])) for number in range(6)]
    with pytest.raises(DamagedError, match="wait for one"):
        joined([(number, update) for number, update in rows if update is not None and number != 2], {0}, Shape.TEXT)


@over_directory
async def test_a_store_of_before_is_thinned_as_well(base: Path, tmp_path: Path) -> None:
    """One that was made without the room to give back."""
    async with open_bridge(base):
        pass
    store = sqlite3.connect(base / "store")
    store.execute("PRAGMA journal_mode = DELETE")
    store.execute("PRAGMA auto_vacuum = NONE")
    store.execute("VACUUM")
    store.close()
    path = base / "dir" / NAME
    path.write_text("one\n")
    async with open_bridge(base) as bridge:
        await _save(bridge, path, "two\n")
        await _save(bridge, path, "three\n")
        await _happened(bridge, lambda seq: 100 * DAY_S - seq)
        assert await _thin(bridge) > 0
        assert await show(bridge.folder, NAME, When()) == "three\n"


def test_an_import_is_not_taken_apart() -> None:
    assert senders([Row(1, 0.0, b"", imported("x"))], {1}, Shape.TEXT, set()) == {1: b""}

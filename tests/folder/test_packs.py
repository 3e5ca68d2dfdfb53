"""Keystrokes that are packed: few rows to read, and every row is still to be had."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, clock, open_bridge, replica_like

from yp2p.config import History
from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Claim, Entry
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import UsageError, YpError
from yp2p.folder import packs
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.old_versions import older_version
from yp2p.folder.packs import MAX_ROWS, MIN_ROWS, SPAN_S, Single, packs_of, singles_in_pages, stored_rows
from yp2p.folder.recent import recall
from yp2p.history import packing
from yp2p.history.ages import DAY_S, HOUR_S
from yp2p.history.file_log import log
from yp2p.history.packing import Packing
from yp2p.history.retention import Retention
from yp2p.history.undo import redo, undo
from yp2p.history.versions import When, blame_lines, restore, show
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, check
from yp2p.store.sql import Read
from yp2p.store.tables.log import ALL

NAME = "a.txt"
_PROGRAM = object()
_PACK = 50


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (packing, packs):
        monkeypatch.setattr(module, "MAX_ROWS", _PACK)


def _run(test: Callable[[Bridge], Awaitable[None]], *, text: str = "first\n") -> None:
    async def start(base: Path) -> None:
        (base / "dir").mkdir()
        (base / "dir" / NAME).write_text(text)
        async with open_bridge(base) as bridge:
            bridge.folder.state.settled = True
            await test(bridge)

    with tempfile.TemporaryDirectory() as base:
        trio.run(start, Path(base), clock=trio.testing.MockClock(autojump_threshold=0.01))


def _live(bridge: Bridge) -> LiveDocument:
    return bridge.document(NAME)


def _entry(bridge: Bridge) -> Entry:
    return bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]]


class Program:
    """Types into the file, like a program that has it open."""

    def __init__(self, bridge: Bridge, client: int = 4711) -> None:
        self._bridge = bridge
        self._client = client
        bridge.folder.edits.own_claims.to_publish.add(client)

    def edit(self, start: int, stop: int, text: str, *, gap_s: float = 10.0) -> int:
        """Gives the number of the row."""
        bridge = self._bridge
        live = _live(bridge)
        update = replica_like(bridge, NAME, self._client, Writer.TYPED).edit([Hunk(start, stop, text)])
        assert update is not None
        bridge.folder.edits.accept_from_program(live, check(update, Shape.TEXT), _PROGRAM, gap_s, self._client)
        return live.last_seq

    def type(self, text: str, *, gap_s: float = 10.0) -> list[int]:
        """At the end, letter by letter; gives the numbers of the rows."""
        size = len(_live(self._bridge).text.text())
        return [self.edit(at, at, letter, gap_s=gap_s) for at, letter in enumerate(text, size)]


async def _peer_types(bridge: Bridge, text: str, client: int = 1000) -> None:
    """Another device types at the beginning."""
    peer = replica_like(bridge, NAME, client, Writer.TYPED)
    for at, letter in enumerate(text):
        update = peer.edit([Hunk(at, at, letter)])
        assert update is not None
        await _live(bridge).receive(update, PEER, None)


async def _claim(bridge: Bridge, *clients: int) -> None:
    """The other device says with which client IDs it writes."""
    await bridge.folder.catalogue.write([Claim(client, PEER[:8], bytes(64)) for client in clients]).wait()


async def _pack(bridge: Bridge) -> int:
    await bridge.folder.edits.own_claims.publish()
    await bridge.folder.database.pending().wait()
    return await Packing(bridge.folder).pack()


def _counts(bridge: Bridge) -> tuple[int, int, int]:
    """Rows of the log, of undo steps and packs of the file."""
    where = "folder = ? AND document = ?"
    tables = ("log", "step", "pack")
    parameters = (bridge.folder.id, _live(bridge).id) * len(tables)
    query = ", ".join(f"(SELECT count(*) FROM {table} WHERE {where})" for table in tables)
    [(rows, steps, found)] = bridge.folder.database.rows(f"SELECT {query}", parameters)
    return rows, steps, found


async def _again(bridge: Bridge) -> TextReplica:
    """The document as the next start has it."""
    await bridge.folder.database.pending().wait()
    bridge.folder.texts._open.clear()
    return _live(bridge).text


def test_what_is_typed_needs_few_rows_and_steps() -> None:
    async def test(bridge: Bridge) -> None:
        Program(bridge).type("one letter after the other\n" * 20)
        text, version = _live(bridge).text.text(), _live(bridge).text.version()
        await bridge.folder.database.pending().wait()
        assert _counts(bridge) == (541, 540, 0)
        assert await _pack(bridge) == 10
        assert _counts(bridge) == (51, 50, 10)
        assert await _pack(bridge) == 0  # the rest goes on
        found = await _again(bridge)
        assert (found.text(), found.version()) == (text, version)
        versions = (await log(bridge.folder, NAME, 100))["versions"]
        assert [(v["added"], v["removed"], v["devices"]) for v in versions][1:] == [(540, 0, versions[0]["devices"])]
        await undo(bridge.folder, _entry(bridge), NAME, 1)
        assert _live(bridge).text.text() == "first\n"
        await redo(bridge.folder, _entry(bridge), NAME, 1)
        assert _live(bridge).text.text() == text

    _run(test)


def test_a_log_is_read_in_pages_and_what_is_packed_between_two_of_them_comes_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packs, "_PAGE", 8)

    async def test(bridge: Bridge) -> None:
        Program(bridge).type("one letter after the other\n" * 6)
        await bridge.folder.database.pending().wait()
        rows, document, sizes = bridge.folder.database.rows, _live(bridge).id, list[int]()
        every = [row for stored in stored_rows(rows, bridge.folder.id, document) for row in stored.singles()]

        def read(query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            found = rows(query, parameters)
            sizes.append(len(found))
            return found

        pages = singles_in_pages(read, bridge.folder.id, document)
        found = [next(pages) for _ in range(20)]
        assert await _pack(bridge) == 3
        found += pages
        assert [(row.seq, row.data) for row in found] == [(row.seq, row.data) for row in every]
        assert max(sizes) <= 8
        assert len(sizes) > 3

    _run(test)


def test_every_version_in_a_pack_is_still_what_it_was() -> None:
    async def test(bridge: Bridge) -> None:
        rng = random.Random(3)
        program, texts = Program(bridge), dict[int, str]()
        for _ in range(230):
            size = len(_live(bridge).text.text())
            at = rng.randint(0, size)
            is_removal = rng.random() < 0.3 and at < size
            seq = program.edit(at, min(size, at + 2), "") if is_removal else program.edit(at, at, rng.choice("aé😀\n"))
            texts[seq] = _live(bridge).text.text()
        assert await _pack(bridge) == 4
        assert _counts(bridge)[0] < 40
        document = _live(bridge).id
        for seq, text in texts.items():
            assert bridge.folder.texts.at(document, seq).text() == text
        for seq in (*rng.sample(sorted(texts), 8), max(texts)):
            assert await show(bridge.folder, NAME, When(version=seq)) == texts[seq]
        seq = sorted(texts)[75]
        rows = stored_rows(bridge.folder.database.rows, bridge.folder.id, document, ALL)
        [at] = [one.at for stored in rows for one in stored.singles() if one.seq == seq]
        assert await show(bridge.folder, NAME, When(at=at)) == texts[seq]
        with pytest.raises(UsageError, match="no version"):
            await show(bridge.folder, NAME, When(version=max(texts) + 1000))
        await restore(bridge.folder, NAME, When(version=seq))
        assert _live(bridge).text.text() == texts[seq]

    _run(test)


@pytest.mark.parametrize("with_others", [False, True])
def test_each_group_of_a_pack_is_undone_by_itself(with_others: bool) -> None:
    async def test(bridge: Bridge) -> None:
        program = Program(bridge)
        texts = [_live(bridge).text.text()]
        for number in range(12):
            bridge.folder.edits.end_undo_group(_live(bridge).id)
            program.type(f"word {number} 😀 ")
            if with_others:
                await _peer_types(bridge, f"<{number}>", 1000 + number)
            texts.append(_live(bridge).text.text().rpartition(">")[2])
        await _claim(bridge, *range(1000, 1012))
        await _pack(bridge)
        assert _counts(bridge)[1] <= 12 + 5 + _PACK
        assert _counts(bridge)[2] >= 2
        for _ in range(2):
            for text in reversed(texts[:-1]):
                await undo(bridge.folder, _entry(bridge), NAME, 1)
                assert _live(bridge).text.text().rpartition(">")[2] == text
            for text in texts[1:]:
                await redo(bridge.folder, _entry(bridge), NAME, 1)
                assert _live(bridge).text.text().rpartition(">")[2] == text
        assert _live(bridge).text.text().count("<") == (12 if with_others else 0)

    _run(test)


def test_what_others_wrote_in_between_and_we_removed_comes_back_with_undo() -> None:
    async def test(bridge: Bridge) -> None:
        program = Program(bridge)
        program.type("x" * 20)
        await _peer_types(bridge, "theirs and ", 1000)
        await _claim(bridge, 1000)
        bridge.folder.edits.end_undo_group(_live(bridge).id)
        for _ in range(6):
            program.edit(0, 1, "")
        bridge.folder.edits.end_undo_group(_live(bridge).id)
        program.type("y" * 20)
        assert await _pack(bridge) == 1
        assert len(stored_rows(bridge.folder.database.rows, bridge.folder.id, _live(bridge).id)) < 12
        await undo(bridge.folder, _entry(bridge), NAME, 2)
        assert _live(bridge).text.text() == "theirs and first\n" + "x" * 20

    _run(test)


def test_a_file_that_holds_a_version_in_a_pack_has_its_base() -> None:
    """A save of an editor that has it, and a disk that went back to it."""

    async def test(bridge: Bridge) -> None:
        program = Program(bridge)
        seqs = program.type("abcdefghij" * 12)
        then = bridge.folder.texts.at(_live(bridge).id, seqs[0] - 1).text() + ("abcdefghij" * 12)[:30]
        await _pack(bridge)
        record = bridge.folder.files[_entry(bridge).id]
        found = await older_version(bridge.folder, record, TextReplica.from_updates(1, []).content(), 0)
        assert found is None
        had = bridge.folder.texts.at(record.document, seqs[29])
        assert had.text() == then
        found = await older_version(bridge.folder, record, had.content(), had.size())
        assert found is not None
        assert found.base_seq == seqs[29]
        fork = bridge.folder.texts.fork_at_base(replace(record, base_seq=seqs[29]), 99)
        assert fork.text() == then
        update = fork.edit([Hunk(len(then), len(then), "!")])
        assert update is not None
        assert _live(bridge).replica.apply(update) is not None
        assert _live(bridge).text.text().count("!") == 1

    _run(test)


async def _recall(bridge: Bridge) -> None:
    with _live(bridge).being_changed():
        await recall(bridge.folder, _live(bridge))


def test_who_typed_at_the_same_time_is_known_and_what_is_recent() -> None:
    async def test(bridge: Bridge) -> None:
        program = Program(bridge)
        for number in range(10):
            program.type(f"ours {number}\n")
            await _peer_types(bridge, f"theirs {number}\n", 1000)
        before = await blame_lines(bridge.folder, NAME, When())
        await _again(bridge)
        await _recall(bridge)
        recent = _live(bridge).recent.overlap([(1000, 0, 90)])
        await _pack(bridge)
        # As long as only the sender of a row tells who wrote it, it is packed with nobody else's.
        kinds = stored_rows(bridge.folder.database.rows, bridge.folder.id, _live(bridge).id, ALL)
        assert all(stored.alike for stored in kinds)
        await _claim(bridge, 1000)
        assert await _pack(bridge) >= 3
        assert _counts(bridge)[0] < 60
        after = await blame_lines(bridge.folder, NAME, When())
        assert [(line["text"], line["device"]) for line in after] == [(line["text"], line["device"]) for line in before]
        await _again(bridge)
        await _recall(bridge)
        assert _live(bridge).recent.overlap([(1000, 0, 90)]) == recent == 90
        assert _live(bridge).recent.overlap([(4711, 0, 80)]) == 0
        devices = {tuple(sorted(v["devices"])) for v in (await log(bridge.folder, NAME, 100))["versions"][1:]}
        assert len(set.union(*(set(names) for names in devices))) == 2

    _run(test)


def test_where_histories_meet_the_rows_of_a_pack_are_read_also_of_a_file_that_is_new() -> None:
    """A new file may be typed into for longer than a pack takes before it is looked at whether its first row is there:
    who takes the sum for one update takes what was removed for what still stands with the other device."""

    async def test(bridge: Bridge) -> None:
        assert bridge.folder.texts._unstored, "the file is not new any more"
        peer = replica_like(bridge, NAME, 1000, Writer.SAVED)
        program = Program(bridge)
        word = "one"
        for number in range(_PACK):
            size = len(word)
            word = f"word {number}"
            program.edit(0, size if number else 0, word)
            if number == _PACK // 2:
                update = replica_like(bridge, NAME, 4711, Writer.TYPED).update_since(peer.state_vector())
                peer.receive(update)  # the other device does not hear of what comes after
        assert await _pack(bridge) == 1
        update = peer.edit([Hunk(0, len(f"word {_PACK // 2}"), "their word")])
        assert update is not None
        await _live(bridge).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        assert _live(bridge).text.text() == f"their wordfirst\n{word}first\n"  # both changed the line

    _run(test)


def test_rows_that_are_no_keystrokes_stay_by_themselves() -> None:
    def row(seq: int, at: float, data: bytes = b"", origin: bytes = b"") -> Single:
        update = data or typist.edit([Hunk(0, 0, "x")])
        assert update is not None
        return Single(seq, at, origin, 0, update)

    def packed(rows: list[Single], now: float, claimed: frozenset[int] = frozenset()) -> list[list[int]]:
        found = [pack for _, pack in packs_of(rows, now, claimed) if pack is not None]
        return [[one.seq for one in pack.rows] for pack in found]

    typist = TextReplica(1)
    assert (MAX_ROWS, MIN_ROWS) == (2000, 32)
    rows = [row(seq, float(seq) / 2) for seq in range(1, 41)]
    assert packed(rows, 21.0) == []  # it may go on
    assert packed(rows, 21.0 + SPAN_S) == [list(range(1, 41))]
    assert list(packs_of([], 0.0, frozenset())) == []
    large = TextReplica(2).edit([Hunk(0, 0, "pasted " * 400)])
    assert large is not None
    later = [row(seq, float(seq) / 2) for seq in range(42, 80)]
    assert packed([*rows, row(41, 20.5, large), *later], 120.0) == [list(range(1, 41)), list(range(42, 80))]
    gap = [one for one in rows if one.seq != 35]
    assert packed(gap, 120.0) == [list(range(1, 35))]  # what follows waits for a row that is missing
    assert packed([*rows[:10], Single(11, 5.0, b"", 0, b"\xff"), *rows[11:]], 120.0) == []
    typist = TextReplica(3)
    others = [row(seq, 1.0 + seq / 100, origin=b"p" * 32) for seq in range(1, 31)]
    typist = TextReplica(4)
    ours = [row(seq, 2.0 + seq / 100) for seq in range(31, 61)]
    assert packed([*others, *ours], 120.0, frozenset({3})) == []
    assert packed([*others, *ours], 120.0, frozenset({3, 4})) == [list(range(1, 51))]


def test_a_pack_that_is_damaged_is_told() -> None:
    async def test(bridge: Bridge) -> None:
        seqs = Program(bridge).type("abc" * 30)
        assert await _pack(bridge) == 1
        text = _live(bridge).text.text()
        await bridge.folder.database.submit([("UPDATE pack SET rows = x'00ff'", ())]).wait()
        coarse = bridge.folder.texts.at(_live(bridge).id, seqs[3]).text()
        assert text.startswith(coarse), "as it was where the pack ends"
        assert len(coarse) > 50
        assert (await _again(bridge)).text() == text

    _run(test)


async def _happened(bridge: Bridge, seconds_ago: float) -> None:
    """Let all rows be of the past, and this daemon have run on every day since."""
    database, now = bridge.folder.database, time.time()
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - day * DAY_S)) for day in range(60)]
    await database.submit(
        [
            ("UPDATE log SET received = received - ?", (seconds_ago,)),
            ("UPDATE pack SET since = since - ?", (seconds_ago,)),
            *(("INSERT OR IGNORE INTO day VALUES (?, ?)", (day, database.last_seq)) for day in days),
        ]
    ).wait()


async def _thin(bridge: Bridge) -> int:
    retention = Retention(bridge.folder, History(), bridge.ingest.readers.bases)
    clock().jump(3 * HOUR_S)
    bridge.folder.state.settled = bridge.folder.state.is_scanned = True
    count = await retention.thin(time.time())
    await bridge.folder.database.pending().wait()
    return count


@pytest.mark.parametrize("in_use", [False, True])
def test_the_rows_of_old_packs_go_but_those_that_something_refers_to(in_use: bool) -> None:
    async def test(bridge: Bridge) -> None:
        folder = bridge.folder
        seqs = Program(bridge).type("abcdefghij" * 21)
        text, version = _live(bridge).text.text(), _live(bridge).text.version()
        await _pack(bridge)
        assert await _thin(bridge) == 0
        if in_use:
            record = replace(folder.files[_entry(bridge).id], base_seq=seqs[120], base_state=None)
            folder.files.set(record)
        await _happened(bridge, 3 * DAY_S)
        assert await _thin(bridge) > 0
        assert await _thin(bridge) == 0
        assert _counts(bridge)[2] == (1 if in_use else 0)
        assert ((await _again(bridge)).text(), _live(bridge).text.version()) == (text, version)
        if in_use:
            assert folder.texts.at(_live(bridge).id, seqs[120]).text() == "first\n" + "abcdefghij" * 12 + "a"
        else:
            with pytest.raises(UsageError, match="no version"):
                await show(folder, NAME, When(version=seqs[120]))
        with pytest.raises(UsageError, match="no longer in its history"):
            await undo(folder, _entry(bridge), NAME, 1)

    _run(test)


def test_a_forgotten_text_leaves_no_packs() -> None:
    async def test(bridge: Bridge) -> None:
        Program(bridge).type("abc" * 30)
        assert await _pack(bridge) == 1
        document = _live(bridge).id
        assert bridge.folder.texts.forget(document)
        await bridge.folder.database.pending().wait()
        for table in ("log", "pack", "step"):
            assert not bridge.folder.database.rows(f"SELECT 1 FROM {table} WHERE document = ?", (document,))

    _run(test)


def test_thinning_and_packing_never_work_on_the_same_rows() -> None:
    """A plan to thin is made of rows that packing would take away meanwhile."""

    async def test(bridge: Bridge) -> None:
        Program(bridge).type("abcdefghij" * 12)
        await bridge.folder.edits.own_claims.publish()
        text, version = _live(bridge).text.text(), _live(bridge).text.version()
        await _happened(bridge, 40 * DAY_S)
        rests = bridge.folder.texts.rewriting
        async with trio.open_nursery() as nursery, rests:
            nursery.start_soon(_thin, bridge)
            nursery.start_soon(Packing(bridge.folder).pack)
            until = time.monotonic() + 20
            while rests.statistics().tasks_waiting < 2 and time.monotonic() < until:
                await trio.lowlevel.checkpoint()  # threads read the store
            assert rests.statistics().tasks_waiting == 2
            assert _counts(bridge)[0] == 121
        assert _counts(bridge)[0] < 10
        assert ((await _again(bridge)).text(), _live(bridge).text.version()) == (text, version)

    _run(test)


def test_it_goes_on_while_somebody_types_and_when_they_pause() -> None:
    async def test(bridge: Bridge) -> None:
        program, working = Program(bridge), Packing(bridge.folder)
        await bridge.folder.edits.own_claims.publish()
        done = [await working.pack()]
        for count in (120, 20, 30):
            program.type("x" * count)
            done.append(await working.pack())
        assert done == [0, 2, 0, 1]  # 20 and 40 are left over, then 20 of 170
        program.type("y" * 20)
        assert await working.pack() == 0
        database = bridge.folder.database
        await database.submit([("UPDATE log SET received = received - 70", ())]).wait()
        clock().jump(61)
        assert await working.pack() == 1  # a minute later 40 are worth it
        assert _counts(bridge) == (1 + 4, 4, 4)
        assert await working.pack() == 0
        assert (await _again(bridge)).text() == "first\n" + "x" * 170 + "y" * 20

    _run(test)


def test_it_wakes_only_while_something_can_become_due() -> None:
    async def test(bridge: Bridge) -> None:
        def wakes_in_s() -> float:
            return trio.lowlevel.current_statistics().seconds_to_next_deadline

        program, working = Program(bridge), Packing(bridge.folder)
        await bridge.folder.edits.own_claims.publish()
        await working.pack()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(working.run)
            for wait_s, is_looking in ((5.3, False), (0, False), (5.3, True), (70, False)):
                await trio.sleep(wait_s)  # of a clock that jumps: when it looks is what is tested
                assert (wakes_in_s() <= 1) == is_looking, wait_s
                if wait_s == 0:
                    program.type("slow")  # what was just written is looked at, and a minute later no more
                    await bridge.folder.database.pending().wait()
            nursery.cancel_scope.cancel()

    _run(test)


def test_a_store_that_cannot_be_read_is_tried_again_later(capsys: pytest.CaptureFixture[str]) -> None:
    async def test(bridge: Bridge) -> None:
        Program(bridge).type("abc" * 30)
        await bridge.folder.edits.own_claims.publish()
        await bridge.folder.database.pending().wait()
        database, began = bridge.folder.database, trio.current_time()
        read = database.reader

        @contextmanager
        def reader() -> Iterator[Read]:
            if trio.from_thread.run_sync(trio.current_time) < began + 30:
                raise YpError("the store could not be read: a test")
            with read() as found:
                yield found

        database.reader = reader  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Packing(bridge.folder).run)
            until = time.monotonic() + 20
            while not _counts(bridge)[2] and time.monotonic() < until:
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert _counts(bridge) == (42, 41, 1)
        assert capsys.readouterr().out.count("rows_not_packed") == 1

    _run(test)

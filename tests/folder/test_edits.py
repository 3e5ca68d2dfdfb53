"""What the log of a text says of what peers sent."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import OWN, PEER, clock, open_bridge, replica_like
from pycrdt import Doc, Text
from scenes import Test, as_test

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.meeting import Decision
from yp2p.documents.registers import Change, index_of
from yp2p.documents.removals import deleted_at
from yp2p.documents.synced import FOLLOWS, PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic
from yp2p.folder import texts
from yp2p.folder.authors import Maker
from yp2p.folder.meetings import Settled
from yp2p.folder.turns import Slice
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check, deleted_ranges, parse_update
from yp2p.threeway.merge import merge


def _run(test: Callable[[Path], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "dir").mkdir()
        (Path(base) / "dir" / "a.txt").write_text("one\ntwo\nthree\n")
        trio.run(test, Path(base), clock=trio.testing.MockClock())


def over_a_file(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes a directory with `a.txt`."""
    return as_test(test, 1, _run)


@over_a_file
async def test_an_update_that_removes_what_another_removed_before_says_so_in_the_log(base: Path) -> None:
    """Who has only the second one has it removed as well: meetings are decided of that."""
    async with open_bridge(base) as bridge:
        live = bridge.document("a.txt")
        first, second = replica_like(bridge, "a.txt", 7), replica_like(bridge, "a.txt", 8)
        known = second.clocks()
        removing = [first.edit([Hunk(4, 8, "2\n")]), second.edit([Hunk(4, 8, "ii\n")])]
        for update in removing:
            assert update is not None
            bridge.folder.edits.accept(live, check(update, Shape.TEXT), PEER)
        await bridge.folder.database.pending().wait()
        log = bridge.folder.texts.updates_as_made(live, known)
        assert log[-2:] == removing
        gone = live.replica.deleted()
        assert set(deleted_ranges(log[-1])) <= set(gone)
        for replica in (first, second):
            assert deleted_at(replica.clocks(), log, gone) == deleted_ranges(log[-1])
        assert deleted_at(known, log, gone) == []


@over_a_file
async def test_a_save_of_an_older_version_says_in_the_log_what_it_removes(base: Path) -> None:
    """Also what a peer had removed by then: who makes the next save of that version has not heard of the peer's."""
    async with open_bridge(base) as bridge:
        live, other = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7)
        known = other.clocks()
        (update,) = [other.edit([Hunk(4, 8, "ii\n")])]
        assert update is not None
        await live.receive(update, PEER)  # and the file is not rendered
        (base / "dir/a.txt").write_text("one\n2222222\nthree\n")
        await bridge.look()
        await bridge.folder.database.pending().wait()
        log = bridge.folder.texts.updates_as_made(live, known)
        there, save, *_ = [row for row in log if parse_update(row).sections.keys() - known.keys()]
        assert there == update
        assert set(deleted_ranges(save)) >= set(deleted_ranges(there))


@over_a_file
async def test_an_update_that_only_removes_says_no_more_than_was_news(base: Path) -> None:
    """It counts as known to everybody."""
    async with open_bridge(base) as bridge:
        live = bridge.document("a.txt")
        other = replica_like(bridge, "a.txt", 7)
        known = other.clocks()
        first = other.edit([Hunk(4, 8, "2\n")])
        assert first is not None
        bridge.folder.edits.accept(live, check(first, Shape.TEXT), PEER)
        other.apply(_deleting(other, 0, 4))  # without an operation of its own, as a program may
        bridge.folder.edits.accept(live, check(other.update_since(other.state_vector()), Shape.TEXT), PEER)
        await bridge.folder.database.pending().wait()
        log = bridge.folder.texts.updates_as_made(live, known)
        assert [(start, length) for _, start, length in deleted_ranges(log[-1])] == [(0, 4)]
        assert live.text.text() == "2\nthree\n"


@over_a_file
async def test_a_step_is_durable_and_told_as_one(base: Path) -> None:
    """A third device that is told of what met, and not of what repairs it, takes the union for somebody's text."""
    async with open_bridge(base) as bridge:
        live, database = bridge.document("a.txt"), bridge.folder.database
        first, second = replica_like(bridge, "a.txt", 7), replica_like(bridge, "a.txt", 8)
        updates = [first.edit([Hunk(0, 0, "zero\n")]), second.edit([Hunk(14, 14, "four\n")])]
        heard: list[tuple[bytes, object, bytes | None]] = []
        live.subscribe(lambda update, source, vector: heard.append((update, source, vector)))
        with bridge.folder.edits.as_one(live):
            commits = [
                bridge.folder.edits.accept(live, check(update, Shape.TEXT), PEER)
                for update in updates
                if update is not None
            ]
            assert live.untold_updates() == updates, "so a panic loads them as well"
            assert database.pending() is commits[0] is commits[1]
            assert heard == []
        assert commits[0] is not None
        await commits[0].wait()
        assert heard == [(updates[0], PEER, FOLLOWS), (updates[1], PEER, live.state_vector())]
        with bridge.folder.edits.as_one(live):
            pass
        alone = first.edit([Hunk(0, 0, "one more\n")])
        assert alone is not None
        with bridge.folder.edits.as_one(live):
            bridge.folder.edits.accept(live, check(alone, Shape.TEXT), PEER)
        await database.pending().wait()
        assert heard[2:] == [(alone, PEER, live.state_vector())]


@over_a_file
async def test_programs_hear_of_what_met_together_with_its_repair(base: Path) -> None:
    """A program that goes on from the union alone goes on from a text that nobody wrote."""
    async with open_bridge(base) as bridge:
        live, there = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7)
        (base / "dir/a.txt").write_text("one\ntwo 22\nthree\n")
        await bridge.look()
        await bridge.folder.database.pending().wait()
        update = there.edit(hunks(there.text(), "one\ntwo 333\nthree\n"))
        assert update is not None
        program = TextReplica.from_updates(8, [live.replica.state()])
        seen: list[tuple[str, bool]] = []

        def hear(update: bytes, source: object, vector: bytes | None) -> None:
            program.apply(update)
            seen.append((program.text(), vector is FOLLOWS))

        live.subscribe(hear, early=True)
        await live.receive_all([update], PEER, PeerState(there.clocks(), is_answer=True, has_diverged=True))
        assert live.text.text() == seen[-1][0]
        assert [follows for _, follows in seen] == [True, False]


@pytest.mark.parametrize("changes", [0, 1, 50])
def test_a_meeting_with_much_that_is_deleted_lets_others_go_on_meanwhile(
    changes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed while it is gathered what was deleted is in the union that is decided on."""
    in_between: list[Callable[[], None]] = []

    class Short:
        is_long = True

        async def end(self) -> None:
            if in_between:
                in_between.pop()()

    monkeypatch.setattr("yp2p.folder.meetings.Slice", Short)
    monkeypatch.setattr("yp2p.protocol.deleted_ranges.RANGES_AT_ONCE", 2)

    async def test(base: Path) -> None:
        async with open_bridge(base) as bridge:
            live, there = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7)
            (base / "dir/a.txt").write_text("one\ntwo 22\nthree\n")
            await bridge.look()
            for _ in range(10):  # ranges apart
                live.applied(live.text.edit([Hunk(0, 0, "ab")]) or b"", None, bridge.folder.database.pending())
                live.applied(live.text.edit([Hunk(0, 1, "")]) or b"", None, bridge.folder.database.pending())
            await bridge.folder.database.pending().wait()
            update = there.edit(hunks(there.text(), "one\ntwo 333\nthree\n"))
            assert update is not None

            def type_something() -> None:
                typed = live.text.edit([Hunk(0, 0, "t")])
                assert typed is not None
                bridge.folder.edits.record(live, typed, None)

            in_between.extend([type_something] * changes)
            await live.receive_all([update], PEER, PeerState(there.clocks(), is_answer=True, has_diverged=True))
            typed = "t" * (changes - len(in_between))
            assert (typed == "") == (changes == 0)
            assert live.text.text() == f"{typed}{'b' * 10}one\ntwo 22 333\nthree\n"

    _run(test)


def test_texts_that_are_large_together_are_let_go_of_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(base: Path) -> None:
        async with open_bridge(base) as bridge:
            folder, first = bridge.folder, bridge.document("a.txt")
            await folder.database.pending().wait()
            clock().jump(2)
            assert not folder.close_idle_documents(), "it may be used again"
            assert first.bytes > 0
            monkeypatch.setattr("yp2p.folder.texts.MAX_IDLE_BYTES", first.bytes - 1)
            assert folder.close_idle_documents()
            again = bridge.document("a.txt")
            assert again is not first
            update = replica_like(bridge, "a.txt", 7).edit([Hunk(0, 0, "more\n")])
            assert update is not None
            before = again.bytes
            await again.receive(update, PEER)
            assert again.bytes > before
            unsubscribe = again.subscribe(lambda *_: None)
            clock().jump(2)
            assert not folder.close_idle_documents(), "somebody listens"
            unsubscribe()
            assert folder.close_idle_documents()

    _run(test)


def test_texts_take_no_more_memory_the_longer_they_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were used last stay; how many that are follows from how large they are."""
    monkeypatch.setattr("yp2p.folder.texts.MAX_IDLE_BYTES", most := 32 << 10)

    async def test(base: Path) -> None:
        for number in range(20):
            (base / f"dir/{number}.txt").write_text("a line\n" * 500)
        async with open_bridge(base) as bridge:
            open_bytes = []
            for edits in range(200):
                live = bridge.document(f"{edits % 20}.txt")
                update = live.text.edit([Hunk(7 * edits, 7 * edits, f"another line {edits} of some length\n")])
                assert update is not None
                bridge.folder.edits.record(live, update, PEER)
                await bridge.folder.database.pending().wait()
                clock().jump(1.1)  # so that it is in use no more: twenty of them would all be open
                bridge.folder.close_idle_documents()
                assert bridge.folder.texts.in_memory(live.id) is live
                found = [bridge.folder.texts.in_memory(document) for document in bridge.folder.catalogue.entry_of]
                open_bytes.append(sum(one.bytes for one in found if one is not None))
            assert max(open_bytes) <= most
            assert max(open_bytes[100:]) <= 1.1 * max(open_bytes[20:100])

    _run(test)


def test_texts_of_many_pieces_are_let_go_of_sooner_than_their_bytes_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory each edit is a structure of its own. Some stay in any case: they may be saved again and again."""
    monkeypatch.setattr("yp2p.folder.texts.MAX_IDLE_MEMORY", most := 130 << 10)

    async def test(base: Path) -> None:
        for number in range(30):
            (base / f"dir/{number}.txt").write_text("a line\n" * 200)
        async with open_bridge(base) as bridge:
            folder, counts = bridge.folder, []
            for edits in range(720):
                live = bridge.document(f"{edits % 30}.txt")
                update = live.text.edit([Hunk(7 * (edits % 200), 7 * (edits % 200), f"edit {edits}\n")])
                assert update is not None
                folder.edits.record(live, update, PEER)
                if edits % 30 == 29:
                    await folder.database.pending().wait()
                    for number in range(30):  # they are used one after the other
                        bridge.document(f"{number}.txt")
                        clock().jump(1.1)
                    folder.close_idle_documents()
                    found = [folder.texts.in_memory(document) for document in folder.catalogue.entry_of]
                    counts.append(len(idle := [one for one in found if one is not None]))
                    taken = sum(24 * (one.bytes - one.text.size()) + one.text.size() for one in idle)
                    assert taken <= most or len(idle) == texts.ALWAYS_IDLE
            assert counts[0] == 30, "few edits are little"
            assert counts == sorted(counts, reverse=True)
            assert counts[-1] == texts.ALWAYS_IDLE

    _run(test)


def test_a_document_stays_in_memory_until_what_is_decided_on_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is applied to a document that nobody has: in the log, and in no digest, answer or base."""
    monkeypatch.setattr("yp2p.folder.texts.MAX_OPEN_DOCUMENTS", 0)  # many are open: a second makes one idle

    async def test(base: Path) -> None:
        async with open_bridge(base) as bridge:
            live, there, folder = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7), bridge.folder
            update = there.edit(hunks(there.text(), "one\ntwo\nfour\n"))
            assert update is not None
            await live.receive(update, PEER)
            meet = folder.edits.meetings.meet_save

            async def meet_slowly(*given: Any, **named: Any) -> Any:
                found = await meet(*given, **named)
                await folder.database.pending().wait()
                clock().jump(2)
                assert not folder.close_idle_documents()
                return found

            monkeypatch.setattr(folder.edits.meetings, "meet_save", meet_slowly)
            (base / "dir/a.txt").write_text("zero\ntwo\nthree\n")
            await bridge.look()
            await folder.database.pending().wait()
            assert bridge.document("a.txt") is live
            assert live.text.text() == "zero\ntwo\nfour\n"
            clock().jump(100)
            assert folder.close_idle_documents()
            assert bridge.document("a.txt").text.text() == "zero\ntwo\nfour\n"

    _run(test)


@over_a_file
async def test_a_document_of_which_parts_come_stays_in_memory_until_all_are_there(base: Path) -> None:
    """Else what comes after a rest is in a copy that nobody has. Nobody need listen: it may be pulled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yp2p.folder.texts.MAX_OPEN_DOCUMENTS", 0)  # many are open: a second makes one idle
        async with open_bridge(base) as bridge:
            live, there, folder, rests = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7), bridge.folder, 0

            class LongSlice(Slice):
                is_long = True

                async def end(self) -> None:
                    nonlocal rests
                    rests += 1
                    await folder.database.pending().wait()
                    clock().jump(2)
                    folder.close_idle_documents()
                    assert folder.texts.in_memory(live.id) is live

            async def rest() -> None:
                await LongSlice().end()

            patch.setattr("yp2p.folder.live_document.Slice", LongSlice)
            patch.setattr("yp2p.folder.incoming.turn", rest)
            parts = [there.edit([Hunk(0, 0, f"{number}\n")]) or b"" for number in range(4)]
            await live.take_all([check(part, Shape.TEXT) for part in parts[:2]], PEER)
            assert rests >= 2
            rests = 0
            for module in ("incoming", "live_document"):
                patch.setattr(f"yp2p.folder.{module}.SLICED_BYTES", 0)
            await live.receive_all(parts[2:], PEER)
            assert rests >= 4, "while they are checked, and while they are applied"
            assert bridge.document("a.txt").text.text() == there.text()
            await folder.database.pending().wait()
            clock().jump(2)
            assert folder.close_idle_documents()
            assert folder.texts.in_memory(live.id) is None
            assert bridge.document("a.txt").text.text() == there.text()


def _deleting(replica: TextReplica, start: int, stop: int) -> bytes:
    """The update of a library's client that deletes some characters of a replica's text."""
    doc: Doc[Any] = Doc(client_id=99)
    text = doc.get("source", type=Text)
    doc.apply_update(replica.state())
    before = doc.get_state()
    del text[start:stop]
    return doc.get_update(before)


@over_a_file
async def test_a_text_that_panicked_is_loaded_anew_by_the_next_update(base: Path) -> None:
    async with open_bridge(base) as bridge:
        live = bridge.document("a.txt")
        update = replica_like(bridge, "a.txt", 7).edit([Hunk(0, 0, "zero\n")])
        assert update is not None
        live.replica._panicked, live.replica._clocks = True, None
        with pytest.raises(CrdtPanic):
            bridge.folder.edits.accept(live, check(update, Shape.TEXT), PEER)
        bridge.folder.edits.accept(live, check(update, Shape.TEXT), PEER)
        assert live.text.text() == "zero\none\ntwo\nthree\n"


@over_a_file
async def test_what_met_in_a_document_that_is_no_entrys_any_more_is_told_to_nobody(base: Path) -> None:
    """Its file is a blob by now. A message about no entry is none: the session with whoever got it ended on it."""
    async with open_bridge(base) as bridge:
        folder, live = bridge.folder, bridge.document("a.txt")
        entry = folder.catalogue.entry_of[live.id]
        met = merge("a.txt", "one\ntwo\n", "one\n2\n", "one\nII\n")
        assert met.told
        decision, makers = Decision(met.text, met.told), (Maker((OWN,), time.time()), Maker((PEER,), time.time()))
        repair = replica_like(bridge, "a.txt", 7).edit([Hunk(0, 0, "zero\n")])
        await folder.catalogue.write([Change(entry, content=Content.blob(bytes(32), 9, Mode.PLAIN, 1))]).wait()
        del folder.catalogue.entry_of[live.id]  # as after a start: the manifest does not name it
        before = len(list(folder.notices))
        assert folder.edits.settle_meeting(live, Settled(repair, decision, makers)) is not None
        assert live.text.text().startswith("zero\n")
        assert len(list(folder.notices)) == before
        assert folder.notices.of_maker(PEER) == []
        assert EntryID(b"") not in folder.render_queue


@over_a_file
async def test_what_somebody_forged_with_our_client_id_is_taken_and_we_write_with_another_one(base: Path) -> None:
    async with open_bridge(base) as bridge:
        folder, path = bridge.folder, base / "dir" / "a.txt"
        live = bridge.document("a.txt")
        path.write_text("ours\n" + path.read_text())
        await bridge.look()
        await folder.database.pending().wait()
        own = folder.clients.own
        forger, bearer = TextReplica.from_updates(own, [live.replica.state()]), replica_like(bridge, "a.txt", 8)
        forged = forger.edit([Hunk(0, 0, "forged\n")])
        assert forged is not None
        bearer.receive(forged)  # it cannot know
        update = check(bearer.update_since(live.state_vector()), Shape.TEXT)
        assert folder.edits.accept(live, update, PEER) is not None
        await bridge.render()
        path.write_text(path.read_text() + "more of ours\n")
        await bridge.look()
        wrote = live.replica.clocks().keys() - bearer.clocks().keys()
        assert wrote == {folder.clients.own_of(live.id)} != {own}
        assert wrote <= folder.edits.own_claims.to_publish
        bearer.receive(live.replica.update_since(bearer.state_vector()))
        assert bearer.version() == live.replica.version()
        assert bearer.text() == live.text.text() == path.read_text()
        assert {"ours", "forged", "more of ours"} <= set(path.read_text().split("\n"))
        assert folder.clients.own_of(DocumentID(bytes(16))) == own, "elsewhere it is ours alone"


@over_a_file
async def test_a_register_that_somebody_forged_with_our_client_id_is_taken(base: Path) -> None:
    async with open_bridge(base) as bridge:
        catalogue, own = bridge.folder.catalogue, bridge.folder.clients.own
        entry = next(iter(catalogue.entries))
        live = catalogue.documents[index_of(entry)]
        forger = ManifestReplica(own)
        forger.load([live.replica.state()])
        forged = forger.write({entry.hex() + "p": b"\x01moved.txt"})
        assert forged is not None
        await live.receive(forged, PEER)
        assert catalogue.layout().path_of[entry] == "moved.txt"
        before = live.replica.clocks()
        catalogue.write([Change(entry, path="back.txt")])
        wrote = {c for c, clock in live.replica.clocks().items() if clock > before.get(c, 0)}
        assert wrote == {bridge.folder.clients.own_of(live.id)} != {own}
        assert catalogue.layout().path_of[entry] == "back.txt"
        forger.receive(live.replica.update_since(forger.state_vector()))
        assert forger.version() == live.replica.version()

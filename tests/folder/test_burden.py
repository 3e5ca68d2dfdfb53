"""What a member brings that is no content comes slowly, beyond some of it; all of it comes, and nobody else waits."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge, replica_like
from structlog.testing import capture_logs

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change
from yp2p.documents.text import TextReplica, imported
from yp2p.folder import burden as module
from yp2p.folder import texts
from yp2p.folder.budget import Budget, bring, charged
from yp2p.folder.burden import (
    CONTENT_BYTES,
    FORGIVEN_BYTES_S,
    KEYSTROKES,
    KEYSTROKES_S,
    PAID_BYTES,
    PIECE_BYTES,
    RANGE_BYTES,
    REGISTER_BYTES,
    Awaited,
    Burden,
    of_registers,
    of_text,
)
from yp2p.identity import DeviceID, DocumentID, EntryID, Identity
from yp2p.peers.blob_exchange import BlobExchange
from yp2p.peers.contact import Contact
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Checked, Shape, check
from yp2p.store.writer import Commit
from yp2p.trust.statements import Role, Signer

OTHER = DeviceID(bytes([9]) * 32)
_TYPIST = (1 << 52) + 8


def _pieces(count: int, client: int = 1) -> bytes:
    """So many insertions of one client, each behind its first character."""
    behind = b"\x84" + write_varint(client) + b"\x00\x01x"
    head = b"\x01" + write_varint(count) + write_varint(client) + b"\x00\x04\x01\x06source\x01x"
    return head + behind * (count - 1) + b"\x00"


def _register(manifest: Manifest, entry: EntryID, path: str) -> bytes:
    (update,) = manifest.write([Change(entry, path=path)]).values()
    return update


def test_what_people_type_and_save_weighs_nothing() -> None:
    rng = random.Random(1)
    replica = TextReplica(rng.getrandbits(53))
    replica.edit([Hunk(0, 0, "a line of some length\n" * 300)])
    for _ in range(300):  # typed and taken out, anywhere
        at = rng.randrange(len(replica.text()))
        update = replica.edit([rng.choice((Hunk(at, at, "x"), Hunk(at, at + 1, "")))])
        assert update is not None
        assert of_text(check(update, Shape.TEXT)) == 0
    hunks = [Hunk(22 * line, 22 * line, "    ") for line in range(200)]  # a formatter
    update = replica.fork(rng.getrandbits(53)).edit(hunks)
    assert update is not None
    assert of_text(check(update, Shape.TEXT)) < PIECE_BYTES * len(hunks) // 2


@pytest.mark.parametrize("client", [7, (1 << 32) - 1, (1 << 53) - 1])
async def test_one_keystroke_weighs_nothing_whoever_types_it_and_wherever(client: int) -> None:
    """Those of stock programs, which have short client IDs, have fewer bytes than others."""
    replica = TextReplica(5)
    replica.edit([Hunk(0, 0, "one\n")])
    typist = replica.fork(client)
    for at in (0, 2, 4):
        for hunk in (Hunk(at, at, "x"), Hunk(at - 1, at, "") if at else Hunk(0, 1, ""), Hunk(at, at, "z")):
            update = typist.edit([hunk])
            assert update is not None
            assert Burden().text_came(check(update, Shape.TEXT)) == 0, hunk


def test_pieces_that_no_text_comes_with_weigh_what_they_take() -> None:
    update = check(_pieces(1000), Shape.TEXT)
    assert update.parsed.pieces == 1000
    assert of_text(update) > 1000 * PIECE_BYTES // 2


async def test_no_more_than_a_keystroke_is_free() -> None:
    """Two pieces at a time, in updates as small as can be, would take memory that nobody pays for."""
    replica = TextReplica(5)
    replica.edit([Hunk(0, 0, "one line\n")])
    typed = replica.fork(7).edit([Hunk(1, 2, "x")])
    assert typed is not None
    one, two = check(typed, Shape.TEXT), check(_pieces(2), Shape.TEXT)
    assert (one.parsed.pieces, len(one.deleted), Burden().text_came(one)) == (1, 1, 0), "one letter over another one"
    assert (two.parsed.pieces, len(two.deleted)) == (2, 0)
    assert Burden().text_came(two) > PIECE_BYTES // 2
    apart = replica.fork(8).edit([Hunk(1, 2, ""), Hunk(5, 6, "")])
    assert apart is not None
    taken_out = check(apart, Shape.TEXT)
    assert (taken_out.parsed.pieces, len(taken_out.deleted)) == (0, 2)
    assert of_text(taken_out) == 2 * RANGE_BYTES - PAID_BYTES * len(taken_out.data) > 0


def _keystroke(client: int = 7) -> Checked:
    """One that weighs something."""
    replica = TextReplica(5)
    replica.edit([Hunk(0, 0, "one line\n")])
    update = replica.fork(client).edit([Hunk(1, 2, "x")])
    assert update is not None
    assert of_text(check(update, Shape.TEXT)) > 0
    return check(update, Shape.TEXT)


async def test_keystrokes_are_free_as_fast_as_people_type_only(mock_clock: trio.testing.MockClock) -> None:
    """Else the smallest updates there are, as many as the link takes, have us hold ten times what they are long."""
    burden, typed = Burden(), _keystroke()
    for keystrokes, seconds in ((20, 600), (5 * 40, 50)):  # and with forty cursors, each of which makes an update
        for _ in range(seconds):
            assert [burden.text_came(typed) for _ in range(keystrokes)] == [0] * keystrokes
            mock_clock.jump(1.0)
    mock_clock.jump(60.0)
    came = [burden.text_came(typed) for _ in range(100_000)]
    assert came.count(0) == KEYSTROKES
    assert set(came[KEYSTROKES:]) == {of_text(typed)}
    mock_clock.jump(1.0)
    assert [burden.text_came(typed) for _ in range(1000)].count(0) == KEYSTROKES_S
    mock_clock.jump(3600.0)
    assert burden.free_keystrokes == KEYSTROKES, "no more is saved up"


async def test_what_weighs_nothing_takes_no_keystroke_away(mock_clock: trio.testing.MockClock) -> None:
    burden = Burden()
    paid = check(imported("a line of some length\n"), Shape.TEXT)
    assert [burden.text_came(paid) for _ in range(100)] == [0] * 100
    assert burden.text_came(check(_pieces(100), Shape.TEXT)) > 0
    assert burden.free_keystrokes == KEYSTROKES


async def test_who_floods_with_keystrokes_owes_what_they_take_and_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.02  # the store has a thread of its own
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    monkeypatch.setattr(module, "FORGIVEN_BYTES_S", 100)
    monkeypatch.setattr(module, "KEYSTROKES", 100)
    monkeypatch.setattr(module, "KEYSTROKES_S", 1)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a.txt").write_text("one\n")
    async with open_bridge(tmp_path) as bridge:
        budget, live, flood = Budget(PEER), bridge.document("a.txt"), replica_like(bridge, "a.txt", 8)
        updates = [flood.edit([Hunk(0, 0, "x")]) or b"" for _ in range(500)]
        weight = sum(of_text(check(update, Shape.TEXT)) for update in updates[100:])
        assert weight > module.MOST_BYTES
        began = trio.current_time()
        for update in updates:
            await charged(budget, live.receive, update, PEER)
        assert trio.current_time() - began > 20
        assert live.text.text() == "x" * 500 + "one\n", "nothing is left out"
        budget.burden.add(module.MOST_BYTES + 1_000_000)
        await trio.sleep(1)
        began = trio.current_time()
        await charged(budget, live.receive, flood.edit([Hunk(0, 0, "y")]) or b"", PEER)
        assert trio.current_time() - began < 1, "a keystroke is live also while more comes in"


async def test_small_texts_that_are_pulled_take_no_keystroke_away(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """A first synchronisation has thousands, while its entries weigh: who types meanwhile would wait for them."""
    async with _wanting(tmp_path) as (_, budget, wanting):
        contents = wanting.texts(1)
        await wanting.write(contents)
        await wanting.pull(contents, budget)
        assert budget.burden.free_keystrokes == KEYSTROKES


def test_registers_weigh_with_their_values() -> None:
    manifest = Manifest(7)
    path = "x" * 200
    update = check(_register(manifest, EntryID(bytes(16)), path), Shape.MANIFEST)
    assert of_registers(update) == REGISTER_BYTES + len(update.data)
    assert len(update.data) > len(path)


async def test_a_debt_is_forgiven_as_time_passes_and_told_once_an_hour(autojump_clock: trio.testing.MockClock) -> None:
    burden = Burden()
    with capture_logs() as logs:
        for _ in range(3):
            burden.add(module.MOST_BYTES + 60 * FORGIVEN_BYTES_S - int(burden.owed))
            began = trio.current_time()
            await burden.until_light()
            assert trio.current_time() - began == pytest.approx(60.0, abs=0.1)
    assert [line["event"] for line in logs] == ["member_slowed"]
    burden.add(-10 * module.MOST_BYTES)
    assert burden.owed == 0, "nothing is saved up"


async def _write_over(bridge: Bridge, budget: Budget, source: DeviceID, manifest: Manifest, count: int) -> None:
    entry = EntryID(bytes(16))
    live = bridge.folder.catalogue.documents[0]
    for number in range(count):
        await charged(budget, live.receive, _register(manifest, entry, f"name {number}"), source)


async def test_who_brings_too_much_is_slowed_and_all_of_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a.txt").write_text("one\n")
    async with open_bridge(tmp_path) as bridge:
        budget, manifest = Budget(PEER), Manifest(7)
        began = trio.current_time()
        await _write_over(bridge, budget, PEER, manifest, 100)
        assert trio.current_time() - began < 1
        assert not Contact(budget).problem(trio.current_time())
        await _write_over(bridge, budget, PEER, manifest, 900)
        took = trio.current_time() - began
        assert took > 35, "some half a mebibyte at eight kibibytes a second"
        budget.burden.add(1 << 20)
        assert "comes slowly" in Contact(budget).problem(trio.current_time())
        assert bridge.folder.catalogue.manifest.replicas[0].version() == manifest.replicas[0].version()
        before = trio.current_time()
        other = replica_like(bridge, "a.txt", 8)
        update = other.edit([Hunk(0, 0, "of another member\n")])
        assert update is not None
        assert bridge.document("a.txt").receive_nowait([update], OTHER)
        await charged(Budget(OTHER), bridge.document("a.txt").receive, other.edit([Hunk(0, 0, "x")]) or b"", OTHER)
        assert trio.current_time() - before < 1, "another member waits for nothing"


async def test_what_is_typed_waits_for_no_account_and_what_weighs_does(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a.txt").write_text("one\n")
    async with open_bridge(tmp_path) as bridge:
        budget, live, replica = Budget(PEER), bridge.document("a.txt"), replica_like(bridge, "a.txt", _TYPIST)

        def typed(text: str) -> bytes:
            update = replica.edit([Hunk(0, 0, text)])
            assert update is not None
            return update

        async def take(update: bytes) -> bool:
            await trio.lowlevel.checkpoint()
            return live.receive_nowait([update], PEER)

        budget.burden.add(module.MOST_BYTES + 1_000_000)
        began = trio.current_time()
        assert await charged(budget, take, typed("typed"))
        await charged(budget, live.receive, typed("and "), PEER)
        assert trio.current_time() - began < 1
        assert live.text.text() == "and typedone\n"
        heavy = _pieces(100)
        assert not await charged(budget, take, heavy)
        await charged(budget, live.receive, heavy, PEER)
        assert trio.current_time() - began > 100
        budget.burden.add(-1_000_000_000)
        assert await charged(budget, take, _pieces(100, 2))


def _scattered(bridge: Bridge, path: str, rng: random.Random) -> bytes:
    """What somebody brings who was away for long: hundreds of characters taken out, anywhere."""
    away = replica_like(bridge, path, rng.getrandbits(53))
    before = away.state_vector()
    for _ in range(500):
        at = rng.randrange(len(away.text()))
        away.edit([Hunk(at, at + 1, "")])
    return away.update_since(before)


async def test_who_comes_back_with_the_edits_of_months_waits_for_the_texts_that_are_done_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = 0.02  # the store has a thread of its own
    monkeypatch.setattr(module, "MOST_BYTES", 50_000)
    monkeypatch.setattr(module, "FORGIVEN_BYTES_S", 100)
    monkeypatch.setattr(texts, "MAX_IDLE_BYTES", 0)
    paths, rng = [f"{number}.txt" for number in range(6)], random.Random(1)
    (tmp_path / "dir").mkdir()
    for path in paths:
        (tmp_path / "dir" / path).write_text("a line of some length\n" * 100)
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        folder, budget = bridge.folder, Budget(PEER)
        updates = [_scattered(bridge, path, rng) for path in paths]
        assert sum(of_text(check(update, Shape.TEXT)) for update in updates) > 3 * module.MOST_BYTES

        async def keep_house() -> None:
            while True:
                await trio.sleep(5)
                folder.close_idle_documents()

        nursery.start_soon(keep_house)
        began = trio.current_time()
        for path, update in zip(paths, updates, strict=True):
            live = bridge.document(path)
            with live.being_changed():  # as long as a channel listens
                await charged(budget, live.receive, update, PEER)
        assert trio.current_time() - began < 60, "twenty minutes, if all were owed until it is forgiven"
        with trio.fail_after(60):
            while budget.burden.owed:  # noqa: ASYNC110 (it is time that is waited for)
                await trio.sleep(1)
        nursery.cancel_scope.cancel()
        bridge.document(paths[0])
        weight = of_text(check(updates[0], Shape.TEXT))
        assert budget.burden.owed == pytest.approx(weight, abs=2_000), "it is held again"


class _Wanting:
    """A folder, and a member that brings entries into it, each with a content of its own.

    The clock stands still meanwhile: what is owed is forgiven as time passes.
    """

    def __init__(self, bridge: Bridge, budget: Budget, count: int = 50) -> None:
        self.folder = bridge.folder
        self.budget = budget
        self.entries = [EntryID(bytes([0, number]) + bytes(14)) for number in range(count)]
        self._manifest = Manifest(7)
        text = TextReplica(8).edit([Hunk(0, 0, "the text, of one piece\n")])
        assert text is not None
        self._text = check(text, Shape.TEXT)

    async def write(self, contents: list[Content]) -> None:
        for entry, content in zip(self.entries, contents, strict=True):
            (update,) = self._manifest.write([Change(entry, f"{entry[1]}.txt", content)]).values()
            await charged(self.budget, self.folder.catalogue.documents[0].receive, update, PEER)

    def texts(self, number: int) -> list[Content]:
        names = (DocumentID(bytes([number, at + 1]) * 8) for at in range(len(self.entries)))
        return [Content.text(name, Mode.PLAIN) for name in names]

    async def pull(self, contents: list[Content], budget: Budget) -> None:
        async def pulled() -> None:
            for content in contents:
                commit = self.folder.edits.take_pulled(content.document, self._text, PEER)
                assert commit is not None
                await commit.wait()

        await charged(budget, pulled)


@asynccontextmanager
async def _wanting(base: Path, count: int = 50) -> AsyncIterator[tuple[Bridge, Budget, _Wanting]]:
    """An empty folder, into which a member brings so many entries."""
    (base / "dir").mkdir()
    async with open_bridge(base) as bridge:
        budget = Budget(PEER)
        yield bridge, budget, _Wanting(bridge, budget, count)


async def test_entries_weigh_until_their_content_comes(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with _wanting(tmp_path) as (_, budget, wanting):
        contents = wanting.texts(1)
        await wanting.write(contents)
        assert budget.burden.owed > len(wanting.entries) * 2 * REGISTER_BYTES
        await wanting.pull(contents, budget)
        assert budget.burden.owed == 0, CONTENT_BYTES
        bring(1)  # nobody's: no task of a member does this


async def test_a_text_that_is_pulled_weighs_as_one_that_is_sent(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with _wanting(tmp_path, 1) as (bridge, budget, wanting):
        contents = wanting.texts(1)
        await wanting.write(contents)
        state = check(_pieces(1000), Shape.TEXT)

        async def take(state: Checked) -> Commit | None:
            return bridge.folder.edits.take_pulled(contents[0].document, state, PEER)

        assert await charged(budget, take, state) is not None
        assert budget.burden.owed == pytest.approx(of_text(state), abs=2 * CONTENT_BYTES)
        assert await charged(budget, take, state) is None
        assert budget.burden.owed < of_text(state) + 2 * CONTENT_BYTES, "it is held once"
        await bridge.folder.database.pending().wait()
        bridge.folder.texts.open(contents[0].document).used_at -= 100
        assert bridge.folder.texts.close_idle()
        assert budget.burden.owed < of_text(state) // 10, "it is not in memory any more"


async def test_content_of_an_entry_is_paid_for_once(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Else whoever writes tiny contents over and over has more and more to its credit."""
    async with _wanting(tmp_path) as (_, budget, wanting):
        for number in range(4):
            contents = wanting.texts(number + 1)
            await wanting.write(contents)
            await wanting.pull(contents, budget)
        assert budget.burden.owed > 3 * len(wanting.entries) * REGISTER_BYTES * 0.9


async def test_one_blob_that_many_entries_want_pays_for_each_once(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with _wanting(tmp_path) as (bridge, budget, wanting):
        exchange = BlobExchange(bridge.folder, cast(Any, None), PEER, cast(Any, None))

        async def came(blob: bytes) -> None:
            exchange.note_downloaded([blob])

        for number in range(4):
            blob = bytes([number + 1]) * 32
            await wanting.write([Content.blob(blob, 1, Mode.PLAIN, 0)] * len(wanting.entries))
            assert len(bridge.folder.files.blobs.who_wants([blob])) == len(wanting.entries)
            await charged(budget, came, blob)
        assert budget.burden.owed > 3 * len(wanting.entries) * REGISTER_BYTES * 0.9


async def test_content_pays_for_who_brought_its_entry_whoever_brings_it(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with _wanting(tmp_path) as (_, budget, wanting):
        other = Budget(OTHER)
        contents = wanting.texts(1)
        await wanting.write(contents)
        other.burden.add(1_000_000)
        await wanting.pull(contents, other)
        assert budget.burden.owed == 0
        assert other.burden.owed > 900_000, "nothing of its own came"


async def test_no_more_is_forgiven_than_an_entry_weighed(mock_clock: trio.testing.MockClock) -> None:
    burden, awaited, entry = Burden(), Awaited(), EntryID(bytes(16))
    burden.add(10_000)
    awaited.brought([entry], burden, 300)
    awaited.content_came([entry, EntryID(bytes([1]) * 16)])
    assert burden.owed == pytest.approx(9_700, abs=100)
    awaited.brought([entry], burden, 300)
    awaited.content_came([entry])
    assert burden.owed == pytest.approx(9_700, abs=100), "once"
    other = EntryID(bytes([2]) * 16)
    for _ in range(100):
        awaited.brought([other], burden, 300)
    awaited.content_came([other])
    assert burden.owed == pytest.approx(9_700 - CONTENT_BYTES, abs=100), "a register that is written over is held"


async def test_statements_weigh_by_their_number(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        folder, budget = bridge.folder, Budget(PEER)
        founder = Identity(bytes([3]) * 32)
        folder.membership.founder = founder.device_id
        signer = Signer(founder, folder.id)
        made = [signer.grant((), founder.public, Role.ADMINISTRATOR, "founder")]
        for number in range(10):
            device = Identity(bytes([50 + number]) * 32)
            made.append(signer.grant([made[-1].hash], device.public, Role.MEMBER, "x"))
        bodies = [one.encode() for one in made]
        await charged(budget, folder.membership.receive, bodies)
        assert budget.burden.owed == pytest.approx(11 * module.STATEMENT_BYTES, rel=0.05)
        await charged(budget, folder.membership.receive, bodies)
        assert budget.burden.owed == pytest.approx(11 * module.STATEMENT_BYTES, rel=0.05), "these are no news"
        budget.burden.add(module.MOST_BYTES)
        began = trio.current_time()
        await charged(budget, folder.membership.receive, [])
        assert trio.current_time() - began > 1

"""What programs write: what no file can hold is put right and the program goes on; another file's text is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge, replica_like

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate, MissingDependency, OtherFile
from yp2p.folder.live_document import LiveDocument
from yp2p.programs.document import ProgramDocument
from yp2p.programs.programs import Program
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import deleted_ranges

TEXT = "a😀b\n"
# Where the UTF-16 units of TEXT are: the two halves of the emoji are 1 and 2.
HIGH, LOW, AFTER = 1, 2, 3
STOCK = 77  # the client ID of the program
LIMIT = 1000


def on_a_mock_clock(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    @wraps(test)
    def run(tmp_path: Path) -> None:
        (tmp_path / "dir").mkdir()
        (tmp_path / "dir" / "a.txt").write_text(TEXT)
        trio.run(test, tmp_path, clock=trio.testing.MockClock(autojump_threshold=0.01))

    return run


class Stock:
    """What a stock client sends and is sent, without a library: those that divide characters cannot be used here."""

    def __init__(
        self, bridge: Bridge, path: str = "a.txt", *, is_synced: bool = True, client: int | None = None
    ) -> None:
        self.live: LiveDocument = bridge.document(path)
        (self.base, *_) = self.live.replica.clocks()  # of the import
        self.told: list[str] = []
        self.sent: list[bytes] = []
        record = bridge.folder.files.by_path(path)
        assert record is not None
        self.document = ProgramDocument(
            bridge.folder,
            self.live,
            Program(record.entry, client=client),
            LIMIT,
            [],
            is_synced=lambda: is_synced,
            tell=self.told.append,
        )
        self.document.subscribe(lambda update, source, _: self.sent.append(update) if source is not self else None)
        self._clock = 0

    @property
    def text(self) -> str:
        return self.live.text.text()

    async def write(
        self,
        text: str | bytes,
        origin: tuple[int, int] | None,
        right: tuple[int, int] | None,
        *deleted: tuple[int, int],
        root: bytes = b"source",
    ) -> None:
        """One item (bytes: the content as it is on the wire, of one unit), and deletions of units of the import."""
        content = text if isinstance(text, bytes) else b"\x04" + write_varint(len(text.encode())) + text.encode()
        places = [write_varint(client) + write_varint(clock) for client, clock in filter(None, (origin, right))]
        info = content[0] | (0x80 if origin else 0) | (0x40 if right else 0)
        parent = b"" if places else b"\x01" + write_varint(len(root)) + root
        item = bytes([info]) + b"".join(places) + parent + content[1:]
        blocks = b"\x01\x01" + write_varint(STOCK) + write_varint(self._clock) + item
        self._clock += 1 if isinstance(text, bytes) else len(text.encode("utf-16-le")) // 2
        await self.send(blocks, *deleted)

    async def send(self, blocks: bytes, *deleted: tuple[int, int]) -> None:
        ranges = b"".join(write_varint(start) + write_varint(length) for start, length in deleted)
        of_base = b"\x01" + write_varint(self.base) + write_varint(len(deleted)) + ranges
        await self.document.receive_all([blocks + (of_base if deleted else b"\x00")], self, None)


@asynccontextmanager
async def _program(base: Path, **settings: bool) -> AsyncIterator[tuple[Bridge, Stock, TextReplica]]:
    """A program that has the file open, and a peer that hears of everything."""
    async with open_bridge(base) as bridge:
        peer = replica_like(bridge, "a.txt", 4711)
        stock = Stock(bridge, **settings)
        stock.live.subscribe(lambda update, source, _: peer.receive(update) and None)
        yield bridge, stock, peer
        await bridge.folder.database.pending().wait()
        await trio.testing.wait_all_tasks_blocked()
        assert peer.text() == stock.text, "the same update is taken by every device"


def _deleted_of(updates: list[bytes], client: int) -> set[int]:
    """Which operations of a client these updates delete."""
    ranges = [one for update in updates for one in deleted_ranges(update)]
    return {clock + n for owner, clock, length in ranges if owner == client for n in range(length)}


@on_a_mock_clock
async def test_half_a_character_that_was_replaced_comes_back_whole(tmp_path: Path) -> None:
    """CodeMirror replaces one emoji by another of its block like that."""
    async with _program(tmp_path) as (bridge, stock, _):
        await stock.write("\ufffd", (stock.base, LOW), (stock.base, AFTER), (LOW, 1))
        assert stock.text == TEXT
        await bridge.folder.database.pending().wait()
        assert _deleted_of(stock.sent, STOCK) == {0}, "the program is told to take out what it wrote"
        assert _deleted_of(stock.sent, stock.base) == {HIGH, LOW}, "and what it holds of the character"
        assert "half of a surrogate pair" in stock.told[-1]
        await stock.write("!", (stock.base, 0), (stock.base, HIGH))
        assert stock.text == "a!😀b\n"
        assert len(stock.told) == 1


@on_a_mock_clock
async def test_what_was_written_between_two_halves_comes_behind_them(tmp_path: Path) -> None:
    async with _program(tmp_path) as (bridge, stock, _):
        await stock.write("xy", (stock.base, HIGH), (stock.base, LOW))
        assert stock.text == "a😀xyb\n"
        # what it wrote before it heard of that has the refused item for a neighbour
        await stock.write("z", (STOCK, 1), (stock.base, AFTER))
        await stock.write("!", (STOCK, 2), (stock.base, AFTER))
        assert stock.text == "a😀xyz!b\n"
        await bridge.folder.database.pending().wait()
        assert _deleted_of(stock.sent, STOCK) == {0, 1, 2, 3}, "the program holds what came back instead"
        await stock.write("\ufffd", (stock.base, HIGH), (stock.base, LOW), (HIGH, 1))
        assert stock.text == "a😀xyz!b\n", "a second time, of what is gone"


@on_a_mock_clock
async def test_formats_and_embedded_objects_are_taken_out_and_the_program_goes_on(tmp_path: Path) -> None:
    async with _program(tmp_path) as (bridge, stock, _):
        await stock.write(b"\x06\x04bold\x04true", (stock.base, 0), (stock.base, HIGH))
        await stock.write(b"\x05\x02{}", (STOCK, 0), (stock.base, HIGH))
        assert stock.text == TEXT
        assert "no formats" in stock.told[-1]
        await stock.write("x", (STOCK, 1), (stock.base, HIGH))
        assert stock.text == "ax😀b\n"
        await bridge.folder.database.pending().wait()
        assert _deleted_of(stock.sent, STOCK) == {0, 1}


@on_a_mock_clock
async def test_half_a_pair_that_nobody_can_tell_from_a_replacement_character_is_the_same_everywhere(
    tmp_path: Path,
) -> None:
    async with _program(tmp_path) as (bridge, stock, _):
        await stock.write("x\ufffdy", (stock.base, 0), (stock.base, HIGH))
        assert stock.text == "ax\ufffdy😀b\n"
        await bridge.folder.database.pending().wait()
        assert _deleted_of(stock.sent, STOCK) == {0, 1, 2}
        assert stock.told == []


@on_a_mock_clock
async def test_what_no_file_can_hold_is_taken_back_with_what_it_replaced(tmp_path: Path) -> None:
    async with _program(tmp_path) as (bridge, stock, _):
        await stock.write("x\x00y", (stock.base, 0), (stock.base, AFTER), (HIGH, 2))
        assert stock.text == TEXT
        assert "NUL" in stock.told[-1]
        await stock.write("x" * LIMIT, (stock.base, 0), (stock.base, AFTER), (0, 3))
        assert stock.text == TEXT
        assert f"{LIMIT} bytes" in stock.told[-1]
        await bridge.folder.database.pending().wait()
        assert _deleted_of(stock.sent, STOCK) == set(range(3 + LIMIT))
        await stock.write("fine", (stock.base, AFTER), (stock.base, AFTER + 1))
        assert stock.text.replace("fine", "") == TEXT
        await bridge.render()
        assert (tmp_path / "dir" / "a.txt").read_text() == stock.text


@on_a_mock_clock
async def test_a_text_that_is_too_large_already_may_become_smaller(tmp_path: Path) -> None:
    async with _program(tmp_path) as (_, stock, _peer):
        own = TextReplica.from_updates(5, [stock.live.replica.state()])
        large = own.edit([Hunk(0, 0, "x" * LIMIT)])
        assert large is not None
        await stock.live.receive(large, "a peer")
        smaller = own.edit([Hunk(0, 10, "y")])
        assert smaller is not None
        await stock.document.receive_all([smaller], stock, None)
        assert stock.text == own.text()
        assert stock.told == []


@on_a_mock_clock
async def test_what_a_program_wrote_meanwhile_and_is_too_large_stays_with_it(tmp_path: Path) -> None:
    async with _program(tmp_path, is_synced=False) as (_, stock, _peer):
        with pytest.raises(InvalidUpdate, match=f"{LIMIT} bytes"):
            await stock.write("x" * LIMIT, (stock.base, 0), (stock.base, HIGH))
        assert stock.text == TEXT


@on_a_mock_clock
async def test_what_cannot_be_put_right_is_refused(tmp_path: Path) -> None:
    async with _program(tmp_path) as (_, stock, _peer):
        before = stock.live.state_vector()
        for wrong, reason in (
            (stock.write("x", None, None, root=b"codemirror"), "root 'source', and not 'codemirror'"),
            (stock.write(b"\x07\x01", (stock.base, 0), None), "kind 7"),
            (stock.send(b"\xff\xff\xff"), "early|more than"),
            (stock.send(b"\x01\x01" + write_varint(STOCK) + b"\x00\x00\x01"), "a GC block"),
        ):
            with pytest.raises(InvalidUpdate, match=reason):
                await wrong
        with pytest.raises(MissingDependency):
            await stock.write("\ufffd", (12345, 6), (stock.base, LOW), (LOW, 1))
        assert stock.live.state_vector() == before


@on_a_mock_clock
async def test_a_client_of_another_document_is_refused_and_a_new_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "dir" / "b.txt").write_text("another text\n")
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        old, new = Stock(bridge, "a.txt"), Stock(bridge, "b.txt")
        await old.write("typed ", (old.base, 0), (old.base, HIGH))
        vector = old.document.state_vector()
        with pytest.raises(OtherFile, match=r"a\.txt"):
            new.document.cut(vector)
        with pytest.raises(OtherFile):
            await new.document.receive_all([old.live.replica.state()], new, None)
        # Something was typed before the daemon was there: nobody has it.
        own = TextReplica.from_updates(4712, [new.live.replica.state()])
        typed = own.edit([Hunk(0, 0, "new ")])
        assert typed is not None
        new.document.cut(own.state_vector())
        await new.document.receive_all([typed], new, None)
        assert new.text == "new another text\n"
        # What this device wrote here last was lost after a program heard of it; elsewhere it wrote as well.
        await folder.edits.record(old.live, old.live.text.edit([Hunk(0, 0, "saved ")]) or b"", None).wait()
        process = TextReplica.from_updates(folder.clients.own, [new.live.replica.state()])
        process.edit([Hunk(0, 0, "lost ")])
        new.document.cut(process.state_vector())


@on_a_mock_clock
async def test_a_program_that_has_nothing_of_a_document_and_something_of_another_is_refused(tmp_path: Path) -> None:
    """Whoever wrote it: this device's process, and no program."""
    (tmp_path / "dir" / "b.txt").write_text("another text\n")
    async with open_bridge(tmp_path) as bridge:
        old, new = bridge.document("a.txt"), Stock(bridge, "b.txt")
        saved = TextReplica(bridge.folder.clients.own)
        saved.edit([Hunk(0, 0, "x")])
        await bridge.folder.edits.record(old, old.text.edit([Hunk(0, 0, "saved ")]) or b"", None).wait()
        with pytest.raises(OtherFile):
            new.document.cut(saved.state_vector())


@on_a_mock_clock
async def test_whose_client_id_somebody_else_writes_with_is_told_and_loses_nothing_in_silence(tmp_path: Path) -> None:
    async with open_bridge(tmp_path) as bridge:
        stock = Stock(bridge, client=STOCK)
        stock.document.cut(stock.document.state_vector())
        await stock.write("mine ", (stock.base, 0), (stock.base, HIGH))
        forger = TextReplica.from_updates(STOCK, [stock.live.replica.state()])
        forged = forger.edit([Hunk(0, 0, "forged ")])
        assert forged is not None
        await stock.live.receive(forged, PEER, None)
        before = stock.text
        with pytest.raises(OtherFile, match="another device writes with the client ID of this program"):
            await stock.write("typed ", (stock.base, 0), (stock.base, HIGH))
        assert stock.text == before
        again = Stock(bridge, client=STOCK)
        with pytest.raises(OtherFile, match="open the file again with an empty document"):
            again.document.cut(write_varint(1) + write_varint(STOCK) + write_varint(5))

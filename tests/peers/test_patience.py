"""A peer that does not answer keeps nothing from the others: all who have something are asked for it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import Bridge, open_bridge
from conditions import until
from scenes import Test, as_test

from yp2p.documents.registers import Change
from yp2p.documents.text import imported
from yp2p.files.blobs import name_of
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.blob_exchange import NOBODY_HAS
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.peers.pulls import Pulls
from yp2p.peers.questions import Questions
from yp2p.protocol.blobs import CHUNK_BYTES, blob_hash, chunk_hash
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Documents, Fetch, Pull
from yp2p.transport.pacing import Pace, Pacing
from yp2p.trust.statements import Role

HOSTILE, HONEST = DeviceID(b"h" * 32), DeviceID(b"g" * 32)


class _Session:
    """What the folder tells the fetcher of one peer, and the link that it asks over."""

    def __init__(self, bridge: Bridge, peer: DeviceID, blobs: dict[bytes, list[bytes]], answers: float = 1.0) -> None:
        self.peer = peer
        self.asked: list[Any] = []
        self._blobs = blobs
        self._answers = answers  # which share of its requests it answers
        self._random = random.Random(1)
        self._folder = bridge.folder.id
        link: Any = self
        self.fetcher = BlobFetcher(bridge.folder, link, peer, self._says_whether_it_rests)
        self.is_at_rest = True
        self.pace = Pace(Pacing())
        bridge.folder.observers.sessions[peer] = self  # type: ignore[assignment]

    def fetch(self) -> None:
        self.fetcher.wake()

    async def _says_whether_it_rests(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.is_at_rest

    async def send(self, message: Any, limit: int = 0) -> None:
        self.asked.append(message)
        await trio.lowlevel.checkpoint()
        if self._random.random() >= self._answers:
            return
        if isinstance(message, ChunkHashesQuery):
            hashes = b"".join(chunk_hash(chunk) for chunk in self._blobs[message.blob])
            await self.fetcher.deliver(ChunkHashes(self._folder, message.blob, hashes))
        elif isinstance(message, Fetch):
            for blob, first, count in message.wanted:
                for index in range(first, first + count):
                    await self.fetcher.deliver(Chunks(self._folder, ((blob, index, self._blobs[blob][index]),)))


def _blobs(count: int, chunks: int) -> dict[bytes, list[bytes]]:
    """Blobs of so many chunks, by hash."""
    source = random.Random(7)
    found = {}
    for _ in range(count):
        parts = [source.randbytes(CHUNK_BYTES) for _ in range(chunks - 1)] + [source.randbytes(99)]
        size = sum(len(part) for part in parts)
        found[blob_hash(size, [chunk_hash(part) for part in parts])] = parts
    return found


def _want(bridge: Bridge, blobs: dict[bytes, list[bytes]]) -> None:
    for number, (blob, parts) in enumerate(blobs.items()):
        content = Content.blob(blob, sum(map(len, parts)), Mode.PLAIN, 1)
        bridge.folder.catalogue.write([Change(EntryID(number.to_bytes(16, "big")), f"{number}.bin", content)])


def on_a_clock(rate: int) -> Callable[[Test], Callable[..., None]]:
    """Makes a test of a coroutine that takes a bridge over an empty folder and a nursery, on a clock so fast."""

    def play(test: Test) -> None:
        async def run() -> None:
            with tempfile.TemporaryDirectory() as base:
                async with open_bridge(Path(base)) as bridge, trio.open_nursery() as nursery:
                    await test(bridge, nursery)
                    nursery.cancel_scope.cancel()

        trio.run(run, clock=trio.testing.MockClock(rate=rate))

    return lambda test: as_test(test, 2, play)


async def _until(condition: Callable[[], bool]) -> None:
    await until(condition, 40, 0.1)  # of a clock that runs faster


@pytest.mark.parametrize(("count", "chunks"), [(40, 1), (1, 100), (3, 4)])
@pytest.mark.parametrize("share", [0.0, 0.4])
@on_a_clock(10)
async def test_blobs_come_from_whoever_answers(
    bridge: Bridge, nursery: trio.Nursery, count: int, chunks: int, share: float
) -> None:
    blobs = _blobs(count, chunks)
    _want(bridge, blobs)
    sessions = [_Session(bridge, HOSTILE, blobs, share), _Session(bridge, HONEST, blobs)]
    for session in sessions:  # the hostile one is asked first
        nursery.start_soon(session.fetcher.run)
        session.fetch()
        await _until(lambda session=session: bool(session.asked or bridge.folder.files.blobs.downloaded))
    assert sessions[0].asked
    await _until(lambda: blobs.keys() <= bridge.folder.files.blobs.downloaded.keys())
    for blob, parts in blobs.items():
        assert (bridge.folder.path / name_of(blob)).read_bytes() == b"".join(parts)


@on_a_clock(1)
async def test_two_that_answer_share_a_long_blob(bridge: Bridge, nursery: trio.Nursery) -> None:
    blobs = _blobs(1, 200)
    _want(bridge, blobs)
    sessions = [_Session(bridge, peer, blobs) for peer in (HOSTILE, HONEST)]
    for session in sessions:
        nursery.start_soon(session.fetcher.run)
        session.fetch()
    await _until(lambda: bool(bridge.folder.files.blobs.downloaded))
    asked = [
        index
        for session in sessions
        for message in session.asked
        if isinstance(message, Fetch)
        for _, first, count in message.wanted
        for index in range(first, first + count)
    ]
    assert sorted(asked) == list(range(200)), "each chunk was asked for once"
    assert not bridge.folder.observers.long_blobs


@on_a_clock(20)
async def test_documents_are_asked_of_the_next_one_as_well(bridge: Bridge, nursery: trio.Nursery) -> None:
    folder = bridge.folder
    documents = [DocumentID(bytes([number]) * 16) for number in range(1, 9)]
    for number, document in enumerate(documents):
        content = Content.text(document, Mode.PLAIN)
        folder.catalogue.write([Change(EntryID(bytes([number]) * 16), f"{number}.txt", content)])
    asked: dict[DeviceID, list[Pull]] = {HOSTILE: [], HONEST: []}

    class Asking(Questions):
        peer: DeviceID

        async def tell(self, message: Any) -> None:
            asked[self.peer].append(message)
            self._is_open = True
            await trio.lowlevel.checkpoint()
            if self.peer == HONEST:
                states = tuple((document, imported(document.hex())) for document in message.documents)
                await self.deliver(Documents(folder.id, states))

    pulls = []
    link: Any = None
    for peer in (HOSTILE, HONEST):
        questions = Asking(link)
        questions.peer = peer
        pulls.append(Pulls(folder, peer, questions, link))
    nursery.start_soon(pulls[0].missing)
    await trio.testing.wait_all_tasks_blocked()
    assert asked[HOSTILE]
    await pulls[1].missing()
    assert not asked[HONEST], "they are left to the first one for a while"
    assert pulls[1].next_lapse() - trio.current_time() <= 5
    await trio.sleep_until(pulls[1].next_lapse())
    await pulls[1].missing()
    assert not folder.catalogue.named.missing()
    assert folder.observers.document_claims.is_late(HOSTILE)


@on_a_clock(20)
async def test_documents_are_not_asked_again_of_who_may_not_write_any_more(
    bridge: Bridge, nursery: trio.Nursery
) -> None:
    folder, document = bridge.folder, DocumentID(b"\x01" * 16)
    folder.catalogue.write([Change(EntryID(b"\x01" * 16), "1.txt", Content.text(document, Mode.PLAIN))])
    asked: list[Pull] = []

    class Asking(Questions):
        async def tell(self, message: Any) -> None:
            asked.append(message)
            self._is_open = True
            await trio.lowlevel.checkpoint()
            member = SimpleNamespace(role=Role.READER, name="peer")
            folder.membership.members[HOSTILE] = cast(Any, member)  # what it answers is not taken
            await self.deliver(Documents(folder.id, ((document, imported("a line\n")),)))

    link: Any = None
    with trio.fail_after(60):
        await Pulls(folder, HOSTILE, Asking(link), link).missing()
    assert len(asked) == 1
    assert not folder.observers.document_claims.is_held(document, HONEST, trio.current_time()), "others are asked"


@on_a_clock(10)
async def test_what_no_connected_device_has_is_said_until_somebody_has_it(
    bridge: Bridge, nursery: trio.Nursery
) -> None:
    blobs = _blobs(1, 1) | _blobs(2, 3)
    _want(bridge, blobs)
    waiting, index = bridge.folder.files.waiting.entries, bridge.folder.files.blobs
    nothing = {blob: [b""] * len(parts) for blob, parts in blobs.items()}
    sessions = [_Session(bridge, peer, nothing) for peer in (HOSTILE, HONEST)]
    nursery.start_soon(sessions[0].fetcher.run)
    sessions[0].fetch()
    await _until(lambda: len(index.lacking) == len(blobs))
    assert waiting == {}, "the other one was not asked yet"
    nursery.start_soon(sessions[1].fetcher.run)
    sessions[1].fetch()
    await _until(lambda: len(waiting) == len(blobs))
    assert set(waiting.values()) == {NOBODY_HAS}
    assert index.given_by_none({HOSTILE, HONEST}) == blobs.keys()
    sessions[1]._blobs = blobs
    await _until(lambda: blobs.keys() <= index.downloaded.keys())
    assert index.lacking == {}


def _asked(session: _Session) -> int:
    return sum(isinstance(message, Fetch) for message in session.asked)


@on_a_clock(10)
async def test_what_a_peer_has_not_while_it_is_at_work_may_still_come_from_it(
    bridge: Bridge, nursery: trio.Nursery
) -> None:
    """It reads, renames or puts in place the file that has it, or fetches it itself."""
    blobs = _blobs(1, 1)
    _want(bridge, blobs)
    waiting, index = bridge.folder.files.waiting.entries, bridge.folder.files.blobs
    session = _Session(bridge, HONEST, {blob: [b""] for blob in blobs})
    session.is_at_rest = False
    nursery.start_soon(session.fetcher.run)
    session.fetch()
    await _until(lambda: _asked(session) >= 3)
    assert index.given_by_none({HONEST}) == set()
    assert waiting == {}
    session.is_at_rest = True
    await _until(lambda: bool(waiting))
    assert index.given_by_none({HONEST}) == blobs.keys()
    session.fetcher.wake(anew=True)  # it tells of something that we do not know yet
    assert index.given_by_none({HONEST}) == set()
    await _until(lambda: bool(index.lacking))
    session.fetcher.note_held(blobs.keys())
    assert index.given_by_none({HONEST}) == set()


@on_a_clock(10)
async def test_what_a_peer_has_not_for_a_moment_is_not_taken_to_be_nowhere(
    bridge: Bridge, nursery: trio.Nursery
) -> None:
    """Its file was touched: looked at again it is the same, of which nothing is told."""
    blobs = _blobs(1, 1)
    _want(bridge, blobs)
    index = bridge.folder.files.blobs
    session = _Session(bridge, HONEST, {blob: [b""] for blob in blobs})
    nursery.start_soon(session.fetcher.run)
    session.fetch()
    await _until(lambda: _asked(session) == 1)
    session._blobs = blobs
    await _until(lambda: blobs.keys() <= index.downloaded.keys() or bool(index.lacking))
    assert index.lacking == {}
    assert bridge.folder.files.waiting.entries == {}


@on_a_clock(10)
async def test_who_connects_is_asked_before_a_blob_is_on_no_device(bridge: Bridge, nursery: trio.Nursery) -> None:
    blobs = _blobs(1, 1)
    _want(bridge, blobs)
    waiting, index = bridge.folder.files.waiting.entries, bridge.folder.files.blobs
    nothing = {blob: [b""] for blob in blobs}
    before = _Session(bridge, HONEST, nothing)
    nursery.start_soon(before.fetcher.run)
    before.fetch()
    await _until(lambda: bool(waiting))
    again = _Session(bridge, HONEST, nothing)  # over a newer link: what it said before says nothing
    nursery.start_soon(again.fetcher.run)
    again.fetch()
    await _until(lambda: bool(again.asked))
    assert index.given_by_none({HONEST}) == set()
    assert waiting == {}
    await _until(lambda: bool(waiting))

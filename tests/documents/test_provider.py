"""The provider: two ends of a channel converge, without echo; the stock pycrdt provider does too over our channel."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from conditions import until
from pycrdt import Doc, Text
from pycrdt import Provider as StockProvider

from yp2p.documents.diff import Hunk
from yp2p.documents.outgoing import MAX_WAITING_UPDATES
from yp2p.documents.provider import Provider
from yp2p.documents.synced import FOLLOWS, Listener, PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate, MissingCharacters, MissingDependency
from yp2p.identity import DocumentID, FolderID, Identity
from yp2p.protocol import channel as wire
from yp2p.protocol.messages import ChannelData, Hello
from yp2p.protocol.state_vectors import encode_state_vector, read_state_vector
from yp2p.transport.channel import LinkChannel
from yp2p.transport.handshake import HandshakeType, Secured, initiate, respond
from yp2p.transport.link import Link, LinkClosed, open_link

_TRACES = Path(os.environ.get("YP2P_TRACES", Path(__file__).parents[3] / "shared" / "traces"))


class _Durable:
    async def wait(self) -> None:
        await trio.lowlevel.checkpoint()


class Document:
    """A document in memory, as a provider needs it."""

    def __init__(self, client_id: int) -> None:
        self.replica = TextReplica(client_id)
        self._listeners: list[Listener] = []

    def state_vector(self) -> bytes:
        return self.replica.state_vector()

    def cut(self, state_vector: bytes) -> tuple[bytes, _Durable]:
        return self.replica.update_since(state_vector), _Durable()

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        for update in updates:
            await self.receive(update, source)

    def receive_nowait(self, updates: Sequence[bytes], source: object) -> bool:
        try:
            for update in updates:
                if (news := self.replica.receive(update)) is not None:
                    self._tell(news, source)
        except (MissingDependency, InvalidUpdate):
            return False
        return True

    async def receive(self, update: bytes, source: object) -> None:
        news = self.replica.receive(update)
        await trio.lowlevel.checkpoint()
        if news is not None:
            self._tell(news, source)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def edit(self, start: int, stop: int, text: str) -> None:
        update = self.replica.edit([Hunk(start, stop, text)])
        if update is not None:
            self._tell(update, None)

    def _tell(self, update: bytes, source: object, vector: bytes | None = None) -> None:
        for listener in list(self._listeners):
            listener(update, source, vector)


class _Slow(Document):
    """A document whose store takes its time, and which notes what it hears of its peer."""

    def __init__(self, client_id: int) -> None:
        super().__init__(client_id)
        self.is_stored = trio.Event()
        self.peers: list[PeerState | None] = []

    def cut(self, state_vector: bytes) -> tuple[bytes, Any]:
        return self.replica.update_since(state_vector), self.is_stored

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        self.peers.append(theirs)
        await super().receive_all(updates, source, theirs)


class _Lacking(Document):
    """A document that lacks characters until they are said, with whose text it is the peer has."""

    def __init__(self, client_id: int, lacks: set[int]) -> None:
        super().__init__(client_id)
        self.lacks = lacks
        self.taken: list[PeerState | None] = []

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        if self.lacks and theirs is not None and theirs.may_be_asked:
            raise MissingCharacters(self.lacks)
        self.taken.append(theirs)
        await super().receive_all(updates, source, theirs)


class Pipe:
    """One end of a channel in memory; counts what it sends."""

    path = "pipe"

    def __init__(self, out: trio.MemorySendChannel[bytes], into: trio.MemoryReceiveChannel[bytes]) -> None:
        self._out, self._in = out, into
        self.sent: list[wire.ProviderMessage] = []

    async def send(self, message: bytes) -> None:
        self.sent.append(wire.decode(message))
        await self._out.send(message)

    async def recv(self) -> bytes:
        return await self._in.receive()

    def __aiter__(self) -> Pipe:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._in.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


def pipes(capacity: int = 1000) -> tuple[Pipe, Pipe]:
    a_out, b_in = trio.open_memory_channel[bytes](capacity)
    b_out, a_in = trio.open_memory_channel[bytes](1000)
    return Pipe(a_out, a_in), Pipe(b_out, b_in)


async def test_both_ends_converge_and_nothing_is_echoed() -> None:
    one, two = Document(1), Document(2)
    one.edit(0, 0, "from one ")
    two.edit(0, 0, "from two ")
    left, right = pipes()
    async with Provider(one, left) as a, Provider(two, right) as b:
        await a.synced.wait()
        await b.synced.wait()
        await until(lambda: one.replica.version() == two.replica.version())
        for number in range(20):
            one.edit(0, 0, f"{number} ")
            await until(lambda: one.replica.version() == two.replica.version())
    assert one.replica.text() == two.replica.text()
    assert sum(isinstance(m, wire.Updates) for m in left.sent) == 20
    assert not any(isinstance(m, wire.Updates) for m in right.sent), "no echo"


@pytest.mark.parametrize("batches", [True, False])
async def test_updates_that_waited_go_as_a_list_only_to_who_reads_lists(batches: bool) -> None:
    writer, reader = Document(1), Document(2)
    left, right = pipes(capacity=0)  # the reader is behind all the time
    async with trio.open_nursery() as nursery:
        provider = Provider(writer, left, batches=batches)
        nursery.start_soon(provider.start)
        nursery.start_soon(Provider(reader, right).start)
        await provider.synced.wait()
        for number in range(50):
            writer.edit(0, 0, f"{number} ")
        await until(lambda: reader.replica.version() == writer.replica.version())
        nursery.cancel_scope.cancel()
    sizes = [len(message.updates) for message in left.sent if isinstance(message, wire.Updates)]
    assert sum(sizes) == 50
    assert (max(sizes) > 1) == batches


async def test_the_last_gap_is_closed_however_soon_after_another_it_came(
    autojump_clock: trio.testing.MockClock,
) -> None:
    writer, reader = Document(1), Document(2)
    lost = [writer.replica.edit([Hunk(0, 0, text)]) for text in "ab"]
    gaps = [writer.replica.edit([Hunk(0, 0, text)]) for text in "cd"]
    left, right = pipes()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Provider(reader, right).start)
        assert isinstance(wire.decode(await left.recv()), wire.Step1)
        for update in gaps:
            assert update is not None
            await left.send(wire.encode(wire.Updates((update,))))
        with trio.fail_after(60):
            for _ in gaps:
                assert isinstance(wire.decode(await left.recv()), wire.Step1)
        assert trio.current_time() >= 1
        nursery.cancel_scope.cancel()
    assert all(lost)


async def test_random_edits_on_both_sides() -> None:
    rng = random.Random(5)
    one, two = Document(1), Document(2)
    left, right = pipes()
    async with Provider(one, left), Provider(two, right):
        for _ in range(300):
            document = rng.choice([one, two])
            size = len(document.replica.text())
            start = rng.randint(0, size)
            document.edit(start, min(size, start + rng.choice([0, 2])), rng.choice(["é", "ab\n", "😀"]))
            if rng.random() < 0.3:
                await trio.lowlevel.checkpoint()
        await until(lambda: one.replica.version() == two.replica.version())
    assert one.replica.text() == two.replica.text()


async def test_what_came_from_others_goes_in_front_of_our_next_own_update() -> None:
    hub, other = Document(1), Document(2)
    left, right = pipes()
    async with Provider(hub, left, must_relay=lambda source: source == "unlinked") as a, Provider(other, right) as b:
        await a.synced.wait()
        await b.synced.wait()
        third = TextReplica(3)
        first = third.edit([Hunk(0, 0, "third ")])
        assert first is not None
        await hub.receive(first, "linked")
        assert not any(isinstance(m, wire.Updates) for m in left.sent), "the third device sends it itself"
        hub.edit(6, 6, "hub ")
        await until(lambda: other.replica.text() == "third hub ")
        lists = [m for m in left.sent if isinstance(m, wire.Updates)]
        assert [len(m.updates) for m in lists] == [2]
        second = third.edit([Hunk(0, 0, "again ")])
        assert second is not None
        await hub.receive(second, "unlinked")
        await until(lambda: other.replica.text() == "again third hub ")


async def test_what_is_one_step_is_one_message_with_what_we_have_after_it() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes()
    parts: list[bytes] = []
    left.send_nowait = lambda message: bool(parts.append(message))  # type: ignore[attr-defined]
    async with Provider(one, left, tells_state=True) as a, Provider(two, right) as b:
        await a.synced.wait()
        await b.synced.wait()
        updates = [TextReplica(client).edit([Hunk(0, 0, f"{client} ")]) for client in (3, 4)]
        for update, vector in zip(updates, (FOLLOWS, b"\x01\x03\x02"), strict=True):
            assert update is not None
            one.replica.apply(update)
            one._tell(update, None, vector)
        await until(lambda: two.replica.version() == one.replica.version())
    assert parts == []
    said = [message for message in left.sent if isinstance(message, wire.Updates | wire.Have)]
    assert said[-2:] == [wire.Have(b"\x01\x03\x02"), wire.Updates(tuple(u for u in updates if u is not None))]


async def test_too_much_for_a_slow_peer_becomes_one_update_and_no_answer_to_what_nobody_asked() -> None:
    one, two = Document(1), TextReplica(2)
    left, right = pipes(capacity=1)
    async with Provider(one, left) as provider:
        assert isinstance(wire.decode(await right.recv()), wire.Step1)
        await right.send(wire.encode(wire.Step1(two.state_vector())))
        assert isinstance(wire.decode(await right.recv()), wire.Step2)
        for _ in range(3 * MAX_WAITING_UPDATES):  # nobody reads
            one.edit(0, 0, "x")
            await trio.lowlevel.checkpoint()
        got: list[wire.ProviderMessage] = []
        while two.text() != one.replica.text():
            got.append(wire.decode(await right.recv()))
            assert isinstance(got[-1], wire.Updates), "step 2 is the answer to step 1, which a program counts on"
            for update in got[-1].updates:
                two.receive(update)
        assert len(got) < 4
        assert provider.is_idle


async def test_a_gap_is_mended_by_a_new_step_1() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes()
    async with Provider(two, right):
        first = one.replica.edit([Hunk(0, 0, "a")])
        second = one.replica.edit([Hunk(1, 1, "b")])
        assert first is not None
        assert second is not None
        await left.send(wire.encode(wire.Updates((second,))))
        steps = [wire.decode(await left.recv()), wire.decode(await left.recv())]
        assert steps == [wire.Step1(b"\x00"), wire.Step1(b"\x00")]
        await left.send(wire.encode(wire.Step2(one.replica.state())))
        await until(lambda: two.replica.text() == "ab")


@pytest.mark.parametrize("is_program", [False, True])
async def test_who_lacks_characters_asks_for_them_once_and_takes_nothing_before(
    autojump_clock: trio.testing.MockClock, is_program: bool
) -> None:
    """A program says what it has with its first answer alone."""
    reader = _Lacking(2, {7})
    for client, text in ((7, "seven"), (8, "eight")):
        writer = TextReplica(client)
        update = writer.edit([Hunk(0, 0, text)])
        assert update is not None
        reader.replica.apply(update)
    news, live = (TextReplica(client).edit([Hunk(0, 0, "news")]) for client in (9, 10))
    assert news is not None
    assert live is not None
    left, right = pipes()

    async def asked() -> dict[int, int]:
        message = wire.decode(await left.recv())
        assert isinstance(message, wire.Step1)
        return read_state_vector(message.state_vector)

    with trio.fail_after(60):
        async with Provider(reader, right, batches=True, tells_state=not is_program) as provider:
            assert await asked() == {7: 5, 8: 5}
            await left.send(wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4}))))
            await left.send(wire.encode(wire.Step2(news)))
            assert await asked() == {8: 5}, "as if nothing of that writer were here"
            await left.send(wire.encode(wire.Updates((live,))))
            await left.send(wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4, 10: 4}))))
            await left.send(wire.encode(wire.Updates((live,))))
            await trio.testing.wait_all_tasks_blocked()
            assert reader.taken == []
            assert not provider.take_nowait(wire.encode(wire.Updates((live,)))), "it is for the task, which drops it"
            assert not provider.synced.is_set()
            if not is_program:
                await left.send(wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4}))))
            await left.send(wire.encode(wire.Step2(news)))
            await provider.synced.wait()
            assert [state.vector for state in reader.taken if state] == [{7: 5, 9: 4}]
            assert [(state.has_diverged, state.may_be_asked) for state in reader.taken if state] == [(True, False)]
            await left.send(wire.encode(wire.Updates((live,))))
            await until(lambda: len(reader.taken) == 2)
    assert reader.replica.clocks().keys() == {7, 8, 9, 10}


async def test_an_answer_that_was_on_its_way_is_not_the_one_that_was_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = _Lacking(2, {7})
    news = TextReplica(9).edit([Hunk(0, 0, "news")])
    assert news is not None
    left, right = pipes()

    async def answer() -> None:
        await left.send(wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4}))))
        await left.send(wire.encode(wire.Step2(news)))

    with trio.fail_after(60):
        async with Provider(reader, right, batches=True, tells_state=True) as provider:
            assert isinstance(wire.decode(await left.recv()), wire.Step1)
            provider.restart()  # somebody found that both differ
            assert isinstance(wire.decode(await left.recv()), wire.Step1)
            await answer()
            assert isinstance(wire.decode(await left.recv()), wire.Step1), "it is asked, also right after a restart"
            await answer()  # of the restart
            await trio.testing.wait_all_tasks_blocked()
            assert reader.taken == []
            await answer()
            await provider.synced.wait()
            assert [state.repeats for state in reader.taken if state] == [{7}]
            assert len(reader.taken) == 1


async def test_an_answer_that_does_not_come_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    reader = _Lacking(2, {7})
    news = TextReplica(9).edit([Hunk(0, 0, "news")])
    assert news is not None
    left, right = pipes()
    with trio.fail_after(60):
        async with Provider(reader, right, batches=True, tells_state=True):
            await left.send(wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4}))))
            await left.send(wire.encode(wire.Step2(news)))
            await trio.sleep(20)
            await left.send(wire.encode(wire.Updates((news,))))
            await until(lambda: len(reader.taken) == 1)


async def test_who_lacks_characters_again_asks_again_after_a_second(autojump_clock: trio.testing.MockClock) -> None:
    reader = _Lacking(2, {7})
    news = TextReplica(9).edit([Hunk(0, 0, "news")])
    assert news is not None
    left, right = pipes()
    have = wire.encode(wire.Have(encode_state_vector({7: 5, 9: 4})))
    asked_at: list[float] = []
    with trio.fail_after(60):
        async with Provider(reader, right, batches=True, tells_state=True):
            assert isinstance(wire.decode(await left.recv()), wire.Step1)
            for number in range(3):
                await left.send(have)
                await left.send(wire.encode(wire.Updates((news,))))
                assert isinstance(wire.decode(await left.recv()), wire.Step1)
                asked_at.append(trio.current_time())
                for _ in range(2 if number == 0 else 1):  # the first step 1 has its answer as well
                    await left.send(have)
                    await left.send(wire.encode(wire.Step2(news)))
                await until(lambda number=number: len(reader.taken) == number + 1)  # type: ignore[misc]
    assert all(later - earlier >= 1 for earlier, later in pairwise(asked_at))


async def test_no_live_update_overtakes_a_second_answer() -> None:
    one, two = _Slow(1), Document(2)
    one.edit(0, 0, "a")
    one.is_stored.set()
    left, right = pipes()
    async with Provider(one, left), Provider(two, right) as reader:
        await reader.synced.wait()
        left.sent.clear()
        one.is_stored = trio.Event()
        reader.restart()
        await trio.testing.wait_all_tasks_blocked()
        one.edit(1, 1, "b")
        await trio.testing.wait_all_tasks_blocked()
        assert left.sent == []
        one.is_stored.set()
        await until(lambda: two.replica.text() == "ab")
    assert [type(message) for message in left.sent] == [wire.Step2, wire.Updates]


@pytest.mark.parametrize("was_away", [True, False])
async def test_only_the_first_answer_of_a_peer_that_was_away_is_of_a_history_made_apart(was_away: bool) -> None:
    one, two = Document(1), _Slow(2)
    two.is_stored.set()
    left, right = pipes()
    async with (
        Provider(one, left, tells_state=True) as writer,
        Provider(two, right, tells_state=True, was_away=was_away) as reader,
    ):
        await reader.synced.wait()
        await writer.synced.wait()
        reader.restart()  # a gap, or a comparison while something is typed
        await until(lambda: len(two.peers) == 2)
    assert [peer is not None and peer.is_answer for peer in two.peers] == [True, True]
    assert [peer is not None and peer.has_diverged for peer in two.peers] == [was_away, False]


async def test_what_a_peer_has_is_not_parted_from_the_update_it_came_with() -> None:
    one, two = Document(1), _Slow(2)
    left, right = pipes()
    async with Provider(two, right) as provider:
        update = one.replica.edit([Hunk(0, 0, "a")])
        assert update is not None
        await left.send(wire.encode(wire.Have(one.replica.state_vector())))
        await trio.testing.wait_all_tasks_blocked()
        assert not provider.take_nowait(wire.encode(wire.Updates((update,))))
        await left.send(wire.encode(wire.Updates((update,))))
        await until(lambda: two.replica.text() == "a")
    assert two.peers == [PeerState({1: 1}, is_answer=False, may_be_asked=True)]


async def test_what_is_too_much_while_the_first_answer_waits_comes_after_it() -> None:
    one, two = _Slow(1), Document(2)
    one.edit(0, 0, "a")
    left, right = pipes()
    async with Provider(one, left) as writer, Provider(two, right):
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(MAX_WAITING_UPDATES + 2):
            one.edit(1, 1, "b")
        await trio.testing.wait_all_tasks_blocked()
        one.is_stored.set()
        await until(lambda: one.replica.version() == two.replica.version())
        await until(lambda: writer.is_idle)


async def test_a_provider_that_was_stopped_in_its_first_answer_gives_it_when_it_starts_again() -> None:
    one, two = _Slow(1), Document(2)
    one.edit(0, 0, "a")
    left, right = pipes()
    async with trio.open_nursery() as nursery:
        writer = Provider(one, left)
        nursery.start_soon(Provider(two, right).start)
        await nursery.start(writer.start)
        await trio.testing.wait_all_tasks_blocked()
        await writer.stop()
        one.is_stored.set()
        nursery.start_soon(writer.start)
        await until(lambda: two.replica.text() == "a")
        nursery.cancel_scope.cancel()


async def test_hostile_bytes_end_the_provider() -> None:
    two = Document(2)
    left, right = pipes()
    await left.send(b"\x00\x02\x0b" + bytes.fromhex("0101010007017401750175017e00")[:11])
    with pytest.RaisesGroup(InvalidUpdate):
        await Provider(two, right).start()


async def test_a_slow_peer_costs_no_memory() -> None:
    one, two = Document(1), Document(2)
    left, right = pipes(capacity=0)
    async with trio.open_nursery() as nursery:
        provider = Provider(one, left)
        nursery.start_soon(provider.start)
        assert isinstance(wire.decode(await right.recv()), wire.Step1)
        await right.send(wire.encode(wire.Step1(b"\x00")))
        assert isinstance(wire.decode(await right.recv()), wire.Step2)
        for number in range(2000):
            one.edit(0, 0, f"{number} ")
        assert len(provider._outgoing) <= 256, "what a peer does not read is dropped"
        nursery.start_soon(Provider(two, right).start)
        await until(lambda: one.replica.version() == two.replica.version())
        nursery.cancel_scope.cancel()


def _trace() -> tuple[str, list[list[Any]], str]:
    """A real editing trace (josephg/editing-traces, CC BY 4.0) where it is at hand, else one made here."""
    path = _TRACES / "sveltecomponent.json.gz"
    if path.is_file():
        data = json.loads(gzip.decompress(path.read_bytes()))
        return data["startContent"], [t["patches"] for t in data["txns"]], data["endContent"]
    rng = random.Random(1)
    text, patches = "", []
    for _ in range(3000):
        at = rng.randint(0, len(text))
        removed = min(len(text) - at, rng.choice([0, 0, 0, 1, 5]))
        inserted = rng.choice(["x", "word ", "é", "\n", ""])
        text = text[:at] + inserted + text[at + removed :]
        patches.append([[at, removed, inserted]])
    return "", patches, text


@pytest.mark.long
async def test_a_real_trace_arrives_exactly() -> None:
    start, transactions, end = _trace()
    one, two = Document(1), Document(2)
    one.edit(0, 0, start)
    left, right = pipes()
    async with Provider(one, left), Provider(two, right):
        for number, patches in enumerate(transactions):
            for at, removed, inserted in patches:
                one.edit(at, at + removed, inserted)
            if number % 50 == 0:
                await trio.lowlevel.checkpoint()
        await until(lambda: two.replica.version() == one.replica.version())
    assert one.replica.text() == two.replica.text() == end


async def _link_pair(nursery: trio.Nursery) -> tuple[Link, Link]:
    """Two ends of a real link over loopback."""
    one, two = Identity(b"1" * 32), Identity(b"2" * 32)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stream = await trio.open_tcp_stream("127.0.0.1", listeners[0].socket.getsockname()[1])
    accepted = await listeners[0].accept()
    await listeners[0].aclose()
    ends: dict[str, Secured] = {}

    async def answer() -> None:
        kind, ends["two"] = await respond(
            accepted, two, is_known=lambda key: key == one.public.noise_key, pairing_open=lambda: False
        )
        assert kind is HandshakeType.KNOWN

    async with trio.open_nursery() as handshakes:
        handshakes.start_soon(answer)
        ends["one"] = await initiate(stream, one, two.public.noise_key)
    links: dict[str, Link] = {}

    async def keep(name: str, *, task_status: trio.TaskStatus[None]) -> None:
        async with open_link(ends[name], Hello((1,), bytes(16), name, 1)) as link:
            links[name] = link
            task_status.started()
            await trio.sleep_forever()

    async with trio.open_nursery() as starting:
        starting.start_soon(nursery.start, lambda task_status: keep("one", task_status=task_status))
        starting.start_soon(nursery.start, lambda task_status: keep("two", task_status=task_status))
    return links["one"], links["two"]


async def _deliver(link: Link, channel: LinkChannel) -> None:
    while True:
        try:
            message = await link.receive()
        except LinkClosed:
            return
        if isinstance(message, ChannelData):
            await channel.deliver(message.payload)


async def test_what_is_sent_at_once_and_what_has_to_wait_comes_in_order() -> None:
    """The peer does not read: the kernel takes a part of a frame, and the rest waits for the writer."""
    folder, document = FolderID(bytes(16)), DocumentID(b"d" * 16)
    async with trio.open_nursery() as nursery:
        left, right = await _link_pair(nursery)
        payloads = [number.to_bytes(4, "big") * 1000 for number in range(3000)]
        for number, payload in enumerate(payloads):
            assert left.send_nowait(ChannelData(folder, document, payload))
            if number % 100 == 0:
                await trio.sleep(0.001)  # the tasks have their turn between two bursts
        with trio.fail_after(60):
            for payload in payloads:
                message = await right.receive()
                assert isinstance(message, ChannelData)
                assert message.payload == payload
            assert left.send_nowait(ChannelData(folder, document, b"last"))
            message = await right.receive()
        assert isinstance(message, ChannelData)
        assert message.payload == b"last"
        nursery.cancel_scope.cancel()


async def test_the_stock_provider_works_over_our_channel() -> None:
    folder, document = FolderID(bytes(16)), DocumentID(b"d" * 16)
    one: Doc[Text] = Doc(client_id=1)
    two: Doc[Text] = Doc(client_id=2)
    texts = [doc.get("source", type=Text) for doc in (one, two)]
    texts[0].insert(0, "hello from one ")
    async with trio.open_nursery() as nursery:
        links = await _link_pair(nursery)
        channels = [LinkChannel(link, folder, document) for link in links]
        for link, channel in zip(links, channels, strict=True):
            nursery.start_soon(_deliver, link, channel)
        assert channels[0].path == f"{folder.hex()}/{document.hex()}"
        providers = [StockProvider(doc, channel) for doc, channel in zip((one, two), channels, strict=True)]
        async with trio.open_nursery() as running:  # they end before their links do
            for provider in providers:
                await running.start(provider.start)
            await until(lambda: str(texts[1]) == "hello from one ")
            texts[1].insert(0, "and two: ")
            await until(lambda: str(texts[0]) == "and two: hello from one ")
            for provider in providers:
                await provider.stop()
        nursery.cancel_scope.cancel()


async def test_ours_and_the_stock_provider_understand_each_other() -> None:
    ours = Document(1)
    ours.edit(0, 0, "ours ")
    theirs: Doc[Text] = Doc(client_id=2)
    text = theirs.get("source", type=Text)
    left, right = pipes()
    async with trio.open_nursery() as nursery:
        async with Provider(ours, left) as provider:
            stock = StockProvider(theirs, right)  # type: ignore[arg-type]
            await nursery.start(stock.start)
            await provider.synced.wait()
            await until(lambda: str(text) == "ours ")
            text.insert(0, "theirs ")
            await until(lambda: ours.replica.text() == "theirs ours ")
            await stock.stop()
        nursery.cancel_scope.cancel()


async def test_what_is_typed_is_taken_at_once_and_everything_else_is_for_the_task() -> None:
    one, two = Document(1), Document(2)
    _, right = pipes()
    async with Provider(two, right) as provider:
        first, second = one.replica.edit([Hunk(0, 0, "a")]), one.replica.edit([Hunk(1, 1, "b")])
        assert first is not None
        assert second is not None
        assert not provider.take_nowait(wire.encode(wire.Updates((second,)))), "a gap has to be asked about"
        assert not provider.take_nowait(wire.encode(wire.Step1(one.state_vector())))
        assert not provider.take_nowait(wire.encode(wire.Step2(first)))
        assert not provider.take_nowait(b"\x00\x02\xff")
        assert two.replica.text() == ""
        assert not provider.take_nowait(wire.encode(wire.Have(b"\xff"))), "that is no state vector"
        assert provider.take_nowait(wire.encode(wire.Updates((first, second))))
        assert two.replica.text() == "ab"
        assert provider.take_nowait(wire.encode(wire.Have(one.state_vector())))
        assert not provider.take_nowait(wire.encode(wire.Updates((first,)))), "two histories may have met"

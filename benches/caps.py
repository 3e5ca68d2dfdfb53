"""What a member can make a daemon do: every type of message at its cap, on a real link, alone and in sums.

For each: the longest stretch of the loop (bar 250 ms) by CPU time and by the clock, and the CPU seconds of the daemon
until it rests again. What is measured is the time of the loop's thread (`loop_watch.py`): what else the machine does
does not count. `answers` is a peer that answers each question with as much as fits a message.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import report
import trio
from hostile_member import HostileMember, watched_room
from loop_watch import LoopWatch, cpu_s, loop_busy_s

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from integration.test_hostile_peer import Attacker

from yp2p.errors import first_reason
from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID, Identity
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.protocol import awareness, channel, messages
from yp2p.protocol.blobs import CHUNK_BYTES, MAX_SAMPLES, SAMPLE_ENTRY_BYTES
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.reconcile import BRANCH_HASH_BYTES, BRANCHES, BUCKETS, Leaf
from yp2p.protocol.state_vectors import MAX_CLOCK, MAX_VECTOR_CLIENTS
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import MAX_BLOCKS, MAX_CLIENTS, MAX_DELETED_RANGES
from yp2p.transport.link import Link, LinkClosed
from yp2p.trust.purges import MAX_ENTRIES, Outcome, Seen, make_answer, make_request
from yp2p.trust.statements import Role, Signer

BAR_MS = 250.0
_QUIET_S, _LIMIT_S, _IDLE_SHARE = 0.5, 20.0, 0.1
_MIB = 1 << 20

# What ends a link, as it should.
_ENDING = frozenset(
    {
        "goodbye", "links, too many", "documents, too many", "membership, too many", "awareness, too much",
        "chunks, too many", "a deleted block", "offers, too many",
    }
)  # fmt: skip

# What makes every later message about the same text take long, and so is measured after all the others.
_LASTING = frozenset({"clients alike"})

Message = messages.Message
Case = tuple[str, list[Message]]


def _text_with(ranges: range) -> list[bytes]:
    """An insertion, and a deletion of every second character, in this order."""
    numbers = b"".join(write_varint(2 * number) + b"\x01" for number in ranges)
    gone = b"\x00\x01" + write_varint(1 << 33) + write_varint(len(ranges)) + numbers
    return [Insertion.of(1 << 33, "ab" * (max(ranges) + 1)).update, gone]


def _inserted_and_deleted(ranges: range) -> bytes:
    """The same in one update, of another client."""
    numbers = b"".join(write_varint(2 * number) + b"\x01" for number in ranges)
    gone = b"\x01" + write_varint(1 << 39) + write_varint(len(ranges)) + numbers
    return Insertion.of(1 << 39, "ab" * (max(ranges) + 1)).update[:-1] + gone


def _pieces(count: int, client: int) -> bytes:
    """So many insertions of one client, each behind its first character."""
    behind = b"\x84" + write_varint(client) + b"\x00\x01x"
    return (
        b"\x01"
        + write_varint(count)
        + write_varint(client)
        + b"\x00\x04\x01\x06source\x01x"
        + behind * (count - 1)
        + b"\x00"
    )


def _row(count: int, first: int) -> bytes:
    """One character of each of so many clients, each behind that of the one before."""
    out = [write_varint(count)]
    for number in range(count):
        head = b"\x84" + write_varint(first + number - 1) + b"\x00" if number else b"\x04\x01\x06source"
        out.append(b"\x01" + write_varint(first + number) + b"\x00" + head + b"\x01x")
    return b"".join(out) + b"\x00"


def _chain(count: int, first: int) -> bytes:
    """One character of each of so many clients, each behind that of the next one."""
    out = [write_varint(count)]
    for number in range(count):
        head = b"\x04\x01\x06source" if number == count - 1 else b"\x84" + write_varint(first + number + 1) + b"\x00"
        out.append(b"\x01" + write_varint(first + number) + b"\x00" + head + b"\x01x")
    return b"".join(out) + b"\x00"


def _crowd_of_clients(count: int) -> bytes:
    """As `_row`, of clients that have the lower bits of their IDs in common, by which the library looks for them."""
    out = [write_varint(count)]
    for number in range(count):
        head = b"\x84" + write_varint((number - 1 << 32) + (1 << 31)) + b"\x00" if number else b"\x04\x01\x06source"
        out.append(b"\x01" + write_varint((number << 32) + (1 << 31)) + b"\x00" + head + b"\x01x")
    return b"".join(out) + b"\x00"


def _registers(count: int) -> bytes:
    """Paths of so many entries, all the same one, in one update of the first document of the manifest."""
    out = [b"\x01", write_varint(2 * count), write_varint(1 << 35), b"\x00"]
    for number in range(count):
        name = (bytes(1) + number.to_bytes(15, "big")).hex().encode()
        values = ((b"p", b"\x01" + b"a/" * 100 + b"same"), (b"c", b"\x02\x04" + bytes(64)))
        for letter, value in values:
            key = name + letter
            out += [b"\x28\x01\x07entries", write_varint(len(key)), key, b"\x01\x74", write_varint(len(value)), value]
    return b"".join(out) + b"\x00"


def _deletions(count: int) -> bytes:
    """So many entries, each deleted by somebody who saw as many clients as fit a register."""
    seen = _vector(6500)
    out = [b"\x01", write_varint(3 * count), write_varint(1 << 36), b"\x00"]
    for number in range(count):
        name = (bytes(1) + (1 << 100 | number).to_bytes(15, "big")).hex().encode()
        path = b"\x01" + b"gone/%d" % number
        for letter, value in ((b"p", path), (b"c", b"\x01\x00" + bytes(16)), (b"d", b"\x01" + bytes(16) + seen)):
            key = name + letter
            out += [b"\x28\x01\x07entries", write_varint(len(key)), key, b"\x01\x74", write_varint(len(value)), value]
    return b"".join(out) + b"\x00"


def _vector(clients: int, apart: int = 1) -> bytes:
    numbers = range(1 << 40, (1 << 40) + clients * apart, apart)
    return write_varint(clients) + b"".join(write_varint(number) + b"\x01" for number in numbers)


def _devices(count: int) -> tuple[DeviceID, ...]:
    return tuple(DeviceID(os.urandom(32)) for _ in range(count))


def _hashes(count: int) -> tuple[bytes, ...]:
    data = os.urandom(32 * count)
    return tuple(data[at : at + 32] for at in range(0, len(data), 32))


def _leaves(count: int) -> tuple[tuple[EntryID, Leaf], ...]:
    return tuple((EntryID(os.urandom(16)), Leaf(DocumentID(bytes(16)), bytes(32), bytes(32))) for _ in range(count))


def _documents(count: int, size: int) -> tuple[tuple[DocumentID, bytes], ...]:
    return tuple((DocumentID(os.urandom(16)), bytes(size)) for _ in range(count))


def _purge_news(folder: FolderID) -> Message:
    """As many requests and answers as there are in a message, each of a device that nobody knows."""
    identity = Identity(os.urandom(32))
    entries = {EntryID(os.urandom(16)): Seen(True, b"\x00") for _ in range(MAX_ENTRIES)}
    requests = [make_request(identity, folder, os.urandom(16), entries).body for _ in range(16)]
    answers = [make_answer(identity, folder, os.urandom(16), Outcome.DONE).body for _ in range(256)]
    return messages.PurgeNews(folder, tuple(requests), tuple(answers))


@dataclass(frozen=True, slots=True)
class _Room:
    """What the messages are about."""

    folder: FolderID
    text: DocumentID
    blob: bytes

    def data(self, document: DocumentID, *said: channel.ProviderMessage) -> list[Message]:
        return [messages.ChannelData(self.folder, document, channel.encode(one)) for one in said]

    def updates(self, document: DocumentID, *found: bytes) -> list[Message]:
        return self.data(document, *(channel.Updates((one,)) for one in found))

    def state(self) -> Message:
        return messages.FolderState(self.folder, os.urandom(32), os.urandom(32), os.urandom(32), True)


def link_cases(room: _Room) -> Iterator[Case]:
    """What a link and a session begin with, and what compares."""
    folder, buckets = room.folder, tuple((number, bytes(BRANCHES * BRANCH_HASH_BYTES)) for number in range(BUCKETS))
    yield "hello", [messages.Hello(tuple(range(255)), bytes(16), "x" * 256, 1, "x " * 500)] * 200
    yield "goodbye", [messages.Goodbye("x" * 1000)]
    yield "folder state", [room.state() for _ in range(200)]
    yield (
        "folder condition",
        [messages.FolderCondition(folder, messages.Condition.PAUSED, tuple(entry for entry, _ in _leaves(4096)))] * 20,
    )
    yield "links", [messages.FolderLinks(folder, _devices(4096))] * 20
    yield "links, too many", [messages.FolderLinks(folder, _devices(500_000))]
    yield "manifest query", [messages.ManifestQuery(folder)] * 200
    yield "manifest versions", [messages.ManifestVersions(folder, _hashes(64))] * 200
    yield "tree query", [messages.TreeQuery(folder)] * 200
    yield "tree buckets", [messages.TreeBuckets(folder, _hashes(256))] * 20
    yield "leaves query", [messages.LeavesQuery(folder, buckets)] * 20
    yield "leaves", [messages.Leaves(folder, _leaves(4096), True)] * 10
    yield "acks", [messages.Ack(folder, _leaves(4096))] * 10
    yield "keep queries", [messages.KeepQuery(folder, 1, _leaves(4096))] * 10
    yield "keeping", [messages.Keeping(folder, 1, tuple(entry for entry, _ in _leaves(4096)))] * 10
    yield "purge news", [_purge_news(folder)] * 4
    yield "pull", [messages.Pull(folder, (room.text,) * messages.MAX_PULL)] * 4
    yield "counted query", [messages.CountedQuery(folder, DeviceID(bytes(32)), (room.text,) * messages.MAX_PULL)] * 4
    yield "documents", [messages.Documents(folder, _documents(1024, 1000))] * 10
    yield "documents, one of 60 MiB", [messages.Documents(folder, _documents(1, 60 * _MIB))]
    yield "documents, too many", [messages.Documents(folder, _documents(500_000, 0))]


def blob_cases(room: _Room) -> Iterator[Case]:
    folder, unknown = room.folder, bytes(32)
    chunk = os.urandom(CHUNK_BYTES)
    yield "chunk hashes query", [messages.ChunkHashesQuery(folder, blob) for blob in (room.blob, unknown) * 100]
    yield "chunk hashes", [messages.ChunkHashes(folder, unknown, bytes(32 * (messages.MAX_CHUNKS - 10)))]
    yield "samples query", [messages.SamplesQuery(folder, blob) for blob in (room.blob, unknown) * 100]
    yield "samples", [messages.Samples(folder, unknown, bytes(SAMPLE_ENTRY_BYTES * MAX_SAMPLES))] * 20
    yield "fetch", [messages.Fetch(folder, tuple((blob, 0, 1) for blob in _hashes(messages.MAX_FETCH)))] * 4
    yield "fetch, a file", [messages.Fetch(folder, ((room.blob, 0, 12),) * 85)] * 4
    yield "chunks", [messages.Chunks(folder, tuple((unknown, number, chunk) for number in range(7)))] * 20
    yield "chunks, too many", [messages.Chunks(folder, ((unknown, 0, b""),) * 50_000)] * 4


def channel_cases(room: _Room) -> Iterator[Case]:
    folder, text = room.folder, room.text
    unknown = [DocumentID(os.urandom(16)) for _ in range(1000)]
    ranges = range(MAX_DELETED_RANGES)
    deleted = b"\x01\x01" + write_varint(1 << 36) + b"\x00\x01\x01\x06source" + write_varint(MAX_CLOCK) + b"\x00"
    yield "awareness", room.data(AWARENESS_CHANNEL, *[channel.AwarenessUpdate(_crowd(7))] * 200)
    yield "awareness, too much", room.data(AWARENESS_CHANNEL, *[channel.AwarenessUpdate(_crowd(256))] * 20)
    yield "channel close", [messages.ChannelClose(folder, document) for document in (text, *unknown)]
    yield "unknown documents", [one for document in unknown for one in room.data(document, channel.Step1(b"\x00"))]
    yield "step 1", room.data(text, *[channel.Step1(b"\x00")] * 200)
    yield "step 1, a large vector", room.data(text, *[channel.Step1(_vector(MAX_VECTOR_CLIENTS))] * 4)
    alike = _vector(MAX_VECTOR_CLIENTS, apart=1 << 36)
    yield "step 1, clients alike", room.data(text, *[channel.Step1(alike)] * 4)
    yield "have", room.data(text, *[channel.Have(_vector(MAX_VECTOR_CLIENTS))] * 4)
    yield (
        "manifest channels",
        [one for index in range(64) for one in room.data(manifest_document_id(index), *[channel.Step1(b"\x00")] * 4)],
    )
    yield "a list of updates", room.data(text, *[channel.Updates((b"\x00\x00",) * 1024)] * 50)
    yield "a large insertion", room.updates(text, Insertion.of(1 << 37, "x\n" * 400_000).update)
    yield "a deleted block", room.updates(text, deleted)
    yield "deletions in order", room.updates(text, *_text_with(ranges))
    yield "inserted and deleted", room.updates(text, _inserted_and_deleted(ranges))
    yield "a chain of clients", room.updates(text, _chain(MAX_CLIENTS, first=1 << 34))
    yield "clients in a row", room.updates(text, _row(MAX_CLIENTS, first=1 << 44))
    yield "many blocks", room.updates(text, _pieces(MAX_BLOCKS, client=1 << 38))
    yield "registers", room.updates(manifest_document_id(0), _registers(2000))
    yield "registers of deletions", room.updates(manifest_document_id(0), _deletions(100))
    yield "tiny updates", room.updates(text, *[b"\x00\x00"] * 4000)
    yield from _offer_cases(folder)
    yield "unknown messages", [messages.ChannelClose(FolderID(bytes(16)), text)] * 8000
    yield "names", [_named(folder, text)] * 20


def _offer_cases(folder: FolderID) -> Iterator[Case]:
    """Folders that nobody has, and answers to offers that nobody made."""

    def offers(count: int) -> Message:
        return messages.FolderOffers(
            tuple(
                messages.Offer(os.urandom(16), FolderID(os.urandom(16)), DeviceID(bytes(32)), 1, "x" * 1000)
                for _ in range(count)
            )
        )

    yield "offers", [offers(messages.MAX_OFFERS) for _ in range(200)]
    yield "offers, too many", [offers(messages.MAX_OFFERS + 1)]
    for reply in messages.Reply:
        yield f"offer reply, {reply.name.lower()}", [messages.OfferReply(os.urandom(16), folder, reply)] * 4000
    yield "offer granted", [messages.OfferGranted(os.urandom(16), False, (bytes(1000),) * 512)] * 20
    yield "link checks", [messages.LinkCheck(number, True) for number in range(4000)]
    yield "offer listing", [messages.OfferListing(os.urandom(16), bytes(messages.MAX_LISTING_BYTES))] * 8


def _crowd(clients: int) -> bytes:
    """So many clients, each with as much as fits a state, in as many small pieces."""
    state = {"device": "x", "id": "x", "files": [{"path": "a", "since": 1}] * 330}
    return awareness.encode([awareness.Presence(number, 1, state) for number in range(1, 1 + clients)])


def cases(attacker: Attacker, blob: bytes) -> Iterator[Case]:
    """What is sent, by name."""
    room = _Room(attacker.folder, attacker.document, blob)
    for group in (link_cases, blob_cases, channel_cases):
        yield from group(room)
    yield "membership", [_membership(attacker, 256)]
    yield "membership, too many", [_membership(attacker, 4096)]
    yield "clients alike", room.updates(room.text, _crowd_of_clients(MAX_CLIENTS))


def _membership(attacker: Attacker, count: int) -> Message:
    """Statements of one issuer about one device each."""
    subjects = (Identity(os.urandom(32)).public for _ in range(count))
    signer = Signer(attacker.identity, attacker.folder)
    said = (signer.grant(attacker.heads, subject, Role.MEMBER, "x" * 200) for subject in subjects)
    return messages.Membership(attacker.folder, tuple(statement.encode() for statement in said))


def _named(folder: FolderID, text: DocumentID) -> Message:
    long = "x\n" * (messages.MAX_PLACE_BYTES // 2 - 1)
    sides = messages.Side(long, (DeviceID(bytes(32)),), 1), messages.Side(long, (DeviceID(bytes(32)),), 2)
    return messages.BothChanged(folder, EntryID(text), False, 1, long, long, long, sides)


class _Answering:
    """Answers every question with as much as fits."""

    def __init__(self, folder: FolderID) -> None:
        hashes = bytes(32 * (messages.MAX_CHUNKS - 10))
        leaves = tuple(messages.Leaves(folder, _leaves(4096), last) for last in (False,) * 9 + (True,))
        self._answers: dict[type, tuple[Message, ...]] = {
            messages.ManifestQuery: (messages.ManifestVersions(folder, _hashes(64)),),
            messages.TreeQuery: (messages.TreeBuckets(folder, _hashes(256)),),
            messages.LeavesQuery: leaves,
            messages.Pull: (messages.Documents(folder, _documents(1024, 1000)),),
            messages.CountedQuery: (messages.Documents(folder, _documents(1024, 1000)),),
            messages.ChunkHashesQuery: (messages.ChunkHashes(folder, bytes(32), hashes),),
            messages.SamplesQuery: (messages.Samples(folder, bytes(32), bytes(SAMPLE_ENTRY_BYTES * MAX_SAMPLES)),),
            messages.Fetch: (messages.Chunks(folder, ((bytes(32), 0, bytes(CHUNK_BYTES)),) * 7),),
        }

    async def run(self, link: Link) -> None:
        while True:
            for answer in self._answers.get(type(await link.receive()), ()):
                await link.send(answer)


async def _send(
    member: HostileMember, identity: Identity, sent: list[Message], rests: Callable[[], bool], *, answers: bool
) -> str:
    """Gives why the link ended, where it did: it was refused, which is an answer."""
    reason = ""
    try:
        async with member.attacker.link(identity) as link, trio.open_nursery() as nursery:
            nursery.start_soon(_Answering(member.attacker.folder).run if answers else member.drain, link)
            for message in sent:
                await link.send(message)
            await link.send(messages.ManifestQuery(member.attacker.folder), limit=0)  # when all went out
            await _wait(rests)
            nursery.cancel_scope.cancel()
    except* (LinkClosed, OSError, trio.BrokenResourceError) as group:
        reason = first_reason(group)
    await _wait(rests)
    return reason


async def _wait(rests: Callable[[], bool]) -> None:
    rests()  # from now on
    with trio.move_on_after(_LIMIT_S):
        await trio.sleep(_QUIET_S)
        while not rests():  # noqa: ASYNC110 (the daemon is another process)
            await trio.sleep(_QUIET_S)


class _Rests:
    """Whether the loop has done nearly nothing since it was asked last."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = (time.monotonic(), loop_busy_s(pid))

    def __call__(self) -> bool:
        before, self._before = self._before, (time.monotonic(), loop_busy_s(self._pid))
        passed, worked = (now - then for now, then in zip(self._before, before, strict=True))
        return passed > _QUIET_S / 2 and worked / passed < _IDLE_SHARE


def _in_turns(everything: list[Case]) -> Case:
    """One message of each type after the other, without those that end a link."""
    kept = [sent for name, sent in everything if name not in _ENDING]
    longest = max(map(len, kept))
    return "all of them in turns", [sent[number] for number in range(longest) for sent in kept if number < len(sent)]


def measure(only: str) -> Iterator[dict[str, object]]:
    with (
        tempfile.TemporaryDirectory() as base,
        watched_room(Path(base), YP2P_LOG__LEVEL="warning") as (record, victim, _, attacker),
    ):
        everything = list(cases(attacker, attacker.blob))
        answered = [("answers", [_Room(attacker.folder, attacker.document, b"").state()])]
        lasting = [case for case in everything if case[0] in _LASTING]
        everything = [case for case in everything if case[0] not in _LASTING]
        everything_and_turns = [*everything, *answered, _in_turns(everything), *lasting]
        member = HostileMember(attacker)
        trio.run(member.let_in, 2 * len(everything_and_turns))
        at_once = [("all at once", [sent for _, sent in everything])]
        alone = [(name, [sent]) for name, sent in everything_and_turns]
        for name, groups in [*alone[: -len(lasting)], *at_once, *alone[-len(lasting) :]]:
            if _is_meant(name, only):
                member.next()
                yield _measured(name, member, groups, victim.pid, record)
        assert victim.exit_code() is None, "the daemon ended"


def _is_meant(name: str, only: str) -> bool:
    return any(part in name for part in only.split(","))


def _measured(
    name: str, member: HostileMember, groups: list[list[Message]], pid: int, record: LoopWatch
) -> dict[str, object]:
    """Send groups of messages at the same time, each as another device and over a link of its own."""
    ended = ""

    async def send_all() -> None:
        async with trio.open_nursery() as nursery:
            for sent in groups:
                identity = member.attacker.identity
                nursery.start_soon(send_one, identity, sent)
                if len(groups) > 1:
                    member.next()

    async def send_one(identity: Identity, sent: list[Message]) -> None:
        nonlocal ended
        ended = await _send(member, identity, sent, _Rests(pid), answers=name == "answers")

    worked, _ = cpu_s(pid), record.reset()
    trio.run(send_all)
    found = record.read()
    return {
        "what": name,
        "messages": sum(map(len, groups)),
        "stretch_ms": round(found.cpu_s * 1e3),
        "clock_ms": round(found.clock_s * 1e3),
        "cpu_s": round(cpu_s(pid) - worked, 2),
        "task": found.task,
        "ended": ended,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts of the names of what to send, with commas")
    options = report.parse(parser)
    found = {}
    for row in measure(options.only):
        name = str(row.pop("what"))
        print(f"{name}: {row['stretch_ms']} ms, {row['task']}", file=sys.stderr, flush=True)
        found[name] = row
    bars = {f"{name} stretch": BAR_MS for name in found}
    sys.exit(bool(report.publish(options, found, bars)))


if __name__ == "__main__":
    main()

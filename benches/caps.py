"""What a member can make a daemon do: each message at its cap, on a real link, and many of them at a time.

For each: the longest stretch of the loop (bar 250 ms), and the CPU seconds of the daemon until it answers quickly
again. `/v1/status` is asked again and again meanwhile; a stretch is what the thread of the loop worked until there was
an answer, so that what else the machine does does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from integration.test_hostile_peer import Attacker
from lab import Device, devices

from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID, Identity
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.protocol import awareness, channel, messages
from yp2p.protocol.reconcile import Leaf
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import MAX_CLOCK, MAX_DELETED_RANGES, Insertion
from yp2p.transport.link import Link, LinkClosed
from yp2p.trust.membership import Role, sign_statement

BAR_MS = 250.0
_QUIET_S, _LIMIT_S = 0.5, 15.0
_TICKS = os.sysconf("SC_CLK_TCK")

Message = messages.Message


def _text_with(ranges: range) -> list[bytes]:
    """An insertion, and a deletion of every second character, in this order."""
    numbers = b"".join(write_varint(2 * number) + b"\x01" for number in ranges)
    gone = b"\x00\x01" + write_varint(1 << 33) + write_varint(len(ranges)) + numbers
    return [Insertion.of(1 << 33, "ab" * (max(ranges) + 1)).update, gone]


def _chain(count: int) -> bytes:
    """One character of each of so many clients, each behind that of the next one."""
    first = 1 << 34
    out = [write_varint(count)]
    for number in range(count):
        head = b"\x04\x01\x06source" if number == count - 1 else b"\x84" + write_varint(first + number + 1) + b"\x00"
        out.append(b"\x01" + write_varint(first + number) + b"\x00" + head + b"\x01x")
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


def cases(attacker: Attacker) -> Iterator[tuple[str, list[Message]]]:
    """What is sent, by name."""
    folder, text = attacker.folder, attacker.document
    leaves = tuple((EntryID(os.urandom(16)), Leaf(DocumentID(bytes(16)), bytes(32), bytes(32))) for _ in range(4096))

    def data(document: DocumentID, *said: channel.ProviderMessage) -> list[Message]:
        return [messages.ChannelData(folder, document, channel.encode(one)) for one in said]

    def updates(document: DocumentID, *found: bytes) -> list[Message]:
        return data(document, *(channel.Updates((one,)) for one in found))

    ranges = range(MAX_DELETED_RANGES // 2)
    deleted = b"\x01\x01" + write_varint(1 << 36) + b"\x00\x01\x01\x06source" + write_varint(MAX_CLOCK) + b"\x00"
    state = {"device": "x", "id": "x", "files": [{"path": "a", "since": 1}] * 300}
    said = awareness.encode([awareness.Presence(number, 1, state) for number in range(1, 60)])
    yield "folder state", [messages.FolderState(folder, os.urandom(32), os.urandom(32), os.urandom(32), True)] * 200
    yield "links", [messages.FolderLinks(folder, tuple(DeviceID(os.urandom(32)) for _ in range(1000)))]
    yield "membership", [_membership(attacker.identity, folder)]
    yield "manifest query", [messages.ManifestQuery(folder)] * 200
    yield "tree query", [messages.TreeQuery(folder)] * 200
    yield "tree buckets", [messages.TreeBuckets(folder, tuple(os.urandom(8) for _ in range(256)))] * 20
    yield "leaves", [messages.Leaves(folder, leaves, True)] * 10
    yield "acks", [messages.Ack(folder, leaves)] * 10
    yield "pull", [messages.Pull(folder, (text,) * messages.MAX_PULL)] * 4
    yield "fetch", [messages.Fetch(folder, tuple((os.urandom(32), 0, 1) for _ in range(messages.MAX_FETCH)))] * 4
    yield "chunk hashes", [messages.ChunkHashes(folder, bytes(32), tuple(os.urandom(32) for _ in range(10_000)))]
    yield "awareness", data(AWARENESS_CHANNEL, *[channel.AwarenessUpdate(said)] * 200)
    yield "step 1", data(text, *[channel.Step1(b"\x00")] * 200)
    yield "a large insertion", updates(text, Insertion.of(1 << 37, "x\n" * 400_000).update)
    yield "a deleted block", updates(text, deleted)
    yield "deletions in order", updates(text, *_text_with(ranges))
    yield "a chain of clients", updates(text, _chain(20_000))
    yield "registers", updates(manifest_document_id(0), _registers(2000))
    yield "names", [_named(folder, text)] * 20


def _membership(identity: Identity, folder: FolderID) -> Message:
    subjects = (Identity(os.urandom(32)).public for _ in range(256))
    said = (
        sign_statement(identity, folder, subject, Role.MEMBER, 1000 + number, "x" * 200)
        for number, subject in enumerate(subjects)
    )
    return messages.Membership(folder, tuple(statement.encode() for statement in said))


def _named(folder: FolderID, text: DocumentID) -> Message:
    long = "x\n" * (messages.MAX_PLACE_BYTES // 2 - 1)
    sides = messages.Side(long, (DeviceID(bytes(32)),), 1), messages.Side(long, (DeviceID(bytes(32)),), 2)
    return messages.BothChanged(folder, EntryID(text), False, 1, long, long, long, sides)


class Watch:
    """Asks a daemon for its status again and again, and notes the longest stretch."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._stop = threading.Event()
        self.longest_s = 0.0
        self.quiet_since = time.monotonic()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            started = _loop_s(self._device.pid)
            self._device.status()
            took = _loop_s(self._device.pid) - started
            self.longest_s = max(self.longest_s, took)
            if took > 0.02:
                self.quiet_since = time.monotonic()
            time.sleep(0.005)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _loop_s(pid: int) -> float:
    """What the main thread has worked, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def _send(attacker: Attacker, sent: list[Message], is_quiet: Callable[[], bool]) -> None:
    try:
        async with attacker.link() as link, trio.open_nursery() as nursery:
            nursery.start_soon(_drain, link)
            for message in sent:
                await link.send(message)
            with trio.move_on_after(_LIMIT_S):
                await trio.sleep(_QUIET_S)
                while not is_quiet():  # noqa: ASYNC110 (the daemon is another process)
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
    except* (LinkClosed, trio.BrokenResourceError):
        pass  # it was refused, which is an answer


async def _drain(link: Link) -> None:
    while True:
        await link.receive()


def measure(only: str) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("text of the room\n")
        two.join(one)
        one.wait()
        attacker = Attacker(two, one)
        two.stop()
        everything = list(cases(attacker))
        everything.append(("all of them", [message for _, sent in everything for message in sent]))
        for name, sent in everything:
            if not any(part in name for part in only.split(",")):
                continue
            cpu = _cpu_s(one.pid)
            with Watch(one) as watch:
                trio.run(_send, attacker, sent, lambda: time.monotonic() - watch.quiet_since > _QUIET_S)
            row = {"what": name, "messages": len(sent), "stretch_ms": round(watch.longest_s * 1e3)}
            yield {**row, "cpu_s": round(_cpu_s(one.pid) - cpu, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="parts of the names of what to send, with commas")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for row in measure(options.only):
        if options.json:
            print(json.dumps(row), flush=True)
            continue
        verdict = "" if float(str(row["stretch_ms"])) <= BAR_MS else f"   NOT MET: bar {BAR_MS:.0f} ms"
        print(
            f"{row['what']:22} {row['messages']:5} messages {row['stretch_ms']:6} ms {row['cpu_s']:7} CPU s{verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()

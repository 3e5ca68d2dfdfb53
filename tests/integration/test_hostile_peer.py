"""A paired device that was taken over: it authenticates, and then sends what kills an unguarded CRDT library.

The link is real and so is the daemon. It has to live, tell who sent what, keep its memory, and go on with the others.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from documents.test_replica import CRASHERS
from lab import Device, devices, eventually, tree, unexpected_lines

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.folder.catalogue import manifest_document_id
from yp2p.identity import DocumentID, FolderID, Identity, short_id
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.protocol import channel
from yp2p.protocol.messages import ChannelData, ChunkHashesQuery, Documents, Fetch, Hello, Pull
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import parse_update
from yp2p.transport.dialer import dial
from yp2p.transport.link import Link, LinkClosed, open_link
from yp2p.trust.ancestry import Ancestry
from yp2p.trust.keyfile import load_identity
from yp2p.trust.membership import evaluate
from yp2p.trust.statements import read_statement

pytestmark = pytest.mark.long

_STATE_VECTOR = bytes.fromhex("8080808002")


def _awareness(count: int, state: bytes) -> bytes:
    one = write_varint(77) + b"\x01" + write_varint(len(state)) + state
    return write_varint(count) + one


AWARENESS = {
    "no JSON": _awareness(1, b"{not json"),
    "no object": _awareness(1, b"[1,2,3]"),
    "nested": _awareness(1, b"[" * 3000 + b"]" * 3000),
    "not UTF-8": _awareness(1, b"\xff\xfe{}"),
    "too many": _awareness(100_000, b"{}"),
    "cut off": b"\x05\x01",
}


class Attacker:
    """What a stolen disk gives: the identity of a member, and what its store says of the room."""

    def __init__(self, stolen: Device, victim: Device) -> None:
        self.identity: Identity = load_identity(stolen.home / "device.key")
        self._store = stolen.home / "store.db"
        self._port = int(victim.status()["device"]["port"])
        with sqlite3.connect(self._store) as store:
            (folder, founder) = store.execute("SELECT id, founder FROM folder").fetchone()
            bodies = [body for (body,) in store.execute("SELECT body FROM statement WHERE folder = ?", (folder,))]
            (document,) = store.execute("SELECT document FROM file ORDER BY path").fetchone()
            (self.blob,) = store.execute("SELECT content FROM file ORDER BY path DESC").fetchone()
        store.close()
        self.folder, self.document = FolderID(folder), DocumentID(document)
        self.statements = tuple(bodies)
        statements = [read_statement(body, self.folder) for body in bodies]
        self.heads = Ancestry(statements).heads()
        members = evaluate(founder, statements).members
        self._victim_key = members[founder].identity.noise_key

    def updates(self, document: DocumentID) -> list[bytes]:
        """What the stolen store has of a document."""
        with sqlite3.connect(self._store) as store:
            found = store.execute("SELECT data FROM log WHERE document = ? ORDER BY seq", (document,)).fetchall()
        store.close()
        return [data for (data,) in found]

    @asynccontextmanager
    async def link(self, identity: Identity | None = None) -> AsyncIterator[Link]:
        """A link, where it says so as another device that it let in."""
        secured = await dial("127.0.0.1", self._port, identity or self.identity, self._victim_key)
        async with open_link(secured, Hello((1,), bytes(16), "taken over", 1)) as link:
            yield link

    def send(self, document: DocumentID, payload: bytes) -> None:
        """Connect, and send something of a document, which is no fault."""
        reason = self.run(lambda link: link.send_nowait(ChannelData(self.folder, document, payload)) and None)
        assert not reason, reason

    def run(self, send: Callable[[Link], None]) -> str:
        """Connect, send, and give the reason with which the victim ends the link; empty when it goes on."""

        async def attack() -> str:
            reason = ""
            try:
                async with self.link() as link:
                    send(link)
                    with trio.move_on_after(1):
                        while True:
                            await link.receive()
            except* LinkClosed as group:
                reason = str(group.exceptions[0]) or "closed"
            return reason

        return trio.run(attack)


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def test_everything_that_kills_the_library_from_a_member(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("text of the room\n")
        for device in (two, three):
            device.join(one)
        other = [tmp_path / name / "other" for name in ("one", "three")]
        for path in other:
            path.mkdir()
        three.cli("join", one.cli("share", str(other[0])), str(other[1]))
        for device in (one, two, three):
            device.wait()
        attacker = Attacker(two, one)
        two.stop()
        before, pid = _rss_mib(one.pid), one.pid

        def sends(document: DocumentID, payload: bytes) -> Callable[[Link], None]:
            return lambda link: link.send_nowait(ChannelData(attacker.folder, document, payload)) and None

        refused = 0
        for document in (attacker.document, manifest_document_id(3)):
            for update in CRASHERS.values():
                payload = channel.encode(channel.Updates((bytes.fromhex(update),)))
                refused += bool(attacker.run(sends(document, payload)))
        assert refused >= 8, "only a gap is no fault"
        assert attacker.run(sends(attacker.document, channel.encode(channel.Step1(_STATE_VECTOR))))
        log = one.log.read_text()
        told = [line for line in log.splitlines() if "peer_fault" in line]
        assert len(told) >= 9
        assert all(short_id(attacker.identity.device_id) in line for line in told)
        assert any("an empty block" in line or "a client section without blocks" in line for line in told)
        assert all("at byte" in line for line in told)
        # Everybody else goes on meanwhile, in both folders and both ways.
        (one.dir / "a.txt").write_text("text of the room\nfrom one\n")
        eventually(lambda: "from one" in (three.dir / "a.txt").read_text(), what="an edit of one arriving")
        (other[1] / "b.txt").write_text("another folder\n")
        eventually((other[0] / "b.txt").exists, what="a file of the other folder arriving")
        for state in AWARENESS.values():
            attacker.run(sends(AWARENESS_CHANNEL, channel.encode(channel.AwarenessUpdate(state))))
        attacker.run(
            lambda link: link.send_nowait(Documents(attacker.folder, ((attacker.document, b"\x00" * 1000),))) and None
        )
        assert one.pid == pid
        one.wait()
        status = one.status()
        (taken_over,) = [device for device in status["devices"] if device["faults"]]
        assert taken_over["last_error"]
        growth = _rss_mib(one.pid) - before
        print(f"refused {refused} of 12, memory {before:.0f} MiB, {growth:+.1f} MiB afterwards")
        assert growth < 20
        assert unexpected_lines(one, "peer_fault") == []


def test_who_writes_in_the_name_of_another_device_is_told_to_that_one(tmp_path: Path) -> None:
    """With a client ID that it signed for, and wrote with before its last start: nothing tells that from its own."""
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("text of the room\n")
        two.join(one)
        two.wait()
        (one.dir / "a.txt").write_text("text of the room\nand a line of one\n")
        eventually(lambda: "of one" in (two.dir / "a.txt").read_text())
        for device in (one, two):
            device.wait()
        two.stop()
        one.stop()
        one.start()
        attacker = Attacker(two, one)
        updates = attacker.updates(attacker.document)
        (client,) = parse_update(updates[-1]).sections
        forger = TextReplica.from_updates(client, updates)
        for number in range(2):
            update = forger.edit([Hunk(0, 0, f"line {number} of a thief\n")])
            assert update is not None
            attacker.send(attacker.document, channel.encode(channel.Updates((update,))))
        eventually(lambda: "line 1 of a thief" in (one.dir / "a.txt").read_text(), what="the text of the thief")
        told = [notice for notice in json.loads(one.cli("notices", "--json")) if notice["kind"] == "in-our-name"]
        assert [notice["path"] for notice in told] == ["a.txt"], "once a start"
        assert "somebody writes in its name" in told[0]["text"]
        assert "line 0 of a thief" in one.cli("blame", str(one.dir / "a.txt"))


def test_a_device_that_does_not_read_costs_no_memory(tmp_path: Path) -> None:
    """It connects and never takes a byte: what is for it is dropped in the end, and it is brought up to date later."""
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line\n" * 20_000)
        two.join(one)
        one.wait()
        two.wait()
        attacker = Attacker(two, one)
        two.stop()

        async def stall() -> tuple[float, float]:
            secured = await dial("127.0.0.1", attacker._port, attacker.identity, attacker._victim_key)
            async with open_link(secured, Hello((1,), bytes(16), "deaf", 1)) as link:
                # A step 1 makes the channel live; after that nothing is read any more.
                step = channel.encode(channel.Step1(b"\x00"))
                link.send_nowait(ChannelData(attacker.folder, attacker.document, step))
                await link.receive()
                before = _rss_mib(one.pid)
                for number in range(120):
                    # 200 KB of new text each: 24 MB in all, more than the link may hold.
                    text = "".join(f"{number} {row} some words to fill a line\n" for row in range(5000))
                    await trio.to_thread.run_sync((one.dir / "a.txt").write_text, text)
                    await trio.sleep(0.1)  # the pace of the one who saves: each is a version of its own
                after = _rss_mib(one.pid)
                await trio.aclose_forcefully(secured.stream)
                return before, after

        before, after = 0.0, 0.0
        try:
            before, after = trio.run(stall)
        except* (LinkClosed, trio.ClosedResourceError):
            pass
        print(f"memory {before:.0f} MiB, {after:.0f} MiB after 24 MB that nobody read")
        assert after - before < 60, "a queue of 16 MiB, and what the edits themselves take"
        two.start()
        for device in (one, two):
            device.wait()
        assert (one.dir / "a.txt").read_text() == (two.dir / "a.txt").read_text()


def test_a_device_that_never_answers_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    """Its session is the older one, so it is asked first for all that another device brings."""
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("line 1\n")
        for device in (two, three):
            device.join(one)
        for device in (one, two, three):
            device.wait()
        attacker = Attacker(two, one)
        two.stop()
        three.stop()
        for number in range(300):
            (three.dir / f"{number}.txt").write_text(f"text {number}\n")
            (three.dir / f"{number}.bin").write_bytes(b"\0\xff" + number.to_bytes(4, "big"))
        (three.dir / "long.bin").write_bytes(os.urandom(16 << 20))
        asked: set[type] = set()

        async def listen(link: Link) -> None:
            while True:
                asked.add(type(await link.receive()))

        async def attack() -> None:
            async with attacker.link() as link, trio.open_nursery() as nursery:
                nursery.start_soon(listen, link)
                await trio.to_thread.run_sync(three.start)
                await trio.to_thread.run_sync(lambda: eventually(lambda: tree(one.dir) == tree(three.dir)))
                nursery.cancel_scope.cancel()

        trio.run(attack)
        assert asked & {Pull, Fetch, ChunkHashesQuery}, "it was asked, too"

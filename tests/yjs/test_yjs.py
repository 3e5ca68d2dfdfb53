"""Positions are what the real Yjs makes of them, both ways (`make yjs` fetches it from npm and runs this)."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from yjs.node import NodeProcess

from yp2p.documents.diff import Hunk
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.text import TextReplica

pytestmark = pytest.mark.yjs

POSITIONS = 10_000
_LETTERS = "ab \ne\u0301é漢字😀👩‍👩‍👧🇩🇪\r\n"


class Yjs(NodeProcess):
    """A Yjs document in a process of its own."""


@pytest.fixture
def yjs() -> Iterator[Yjs]:
    modules = Path(os.environ["YP2P_YJS"])
    peer = modules / "peer.mjs"
    peer.write_text(Path(__file__).with_name("peer.mjs").read_text())
    with subprocess.Popen(["node", peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Yjs(process)
        assert process.stdin is not None
        process.stdin.close()


class Device:
    """One of ours: a document with its positions."""

    def __init__(self, client: int) -> None:
        self.replica = TextReplica(client)
        self.index = PositionIndex(self.replica.state())

    def edit(self, rng: random.Random) -> bytes:
        text = self.replica.text()
        start = rng.randint(0, len(text))
        stop = min(len(text), start + rng.choice([0, 0, 0, 1, 5]))
        added = "".join(rng.choices(_LETTERS, k=rng.randint(0 if stop > start else 1, 6)))
        update = self.replica.edit([Hunk(start, stop, added)]) or b"\x00\x00"
        self.index.apply(update)
        return update

    def take(self, update: bytes) -> None:
        self.replica.apply(update)
        self.index.apply(update)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.timeout(300)
def test_ten_thousand_positions_under_concurrent_edits(yjs: Yjs) -> None:
    rng = random.Random(1)
    devices = [Device(1), Device(2)]
    held: list[Position] = []
    for _ in range(POSITIONS // 5):
        updates = [device.edit(rng) for device in devices]
        # one device is behind now and then: the two edit apart
        devices[0].take(updates[1])
        devices[1].take(updates[0])
        for update in updates:
            yjs.ask("apply", update=update.hex())
        text = devices[0].replica.text()
        assert text == devices[1].replica.text() == yjs.ask("text")
        for _ in range(5):
            index, assoc = rng.randint(0, len(text)), rng.choice(list(Assoc))
            ours = devices[0].index.create(text, index, assoc)
            theirs = yjs.ask("create", index=_units(text[:index]), assoc=int(assoc))
            assert ours.to_json() == theirs["json"]
            assert ours.encode().hex() == theirs["bytes"]
            assert Position.from_json(theirs["json"]) == Position.decode(bytes.fromhex(theirs["bytes"])) == ours
            held.append(ours)
        for position in rng.sample(held, min(len(held), 5)):
            there = yjs.ask("resolve", json=position.to_json())
            assert there == yjs.ask("resolve", bytes=position.encode().hex())
            for device in devices:
                assert _units(text[: device.index.resolve(text, position)]) == there
    assert len(held) == POSITIONS


def test_what_yjs_writes_is_taken(yjs: Yjs) -> None:
    device = Device(1)
    device.take(bytes.fromhex(yjs.ask("edit", at=0, remove=0, insert="a😀b")))
    theirs = yjs.ask("create", index=3, assoc=0)
    position = Position.from_json(theirs["json"])
    assert device.index.resolve("a😀b", position) == 2
    device.take(bytes.fromhex(yjs.ask("edit", at=0, remove=0, insert="漢字")))
    assert device.index.resolve("漢字a😀b", position) == 4

"""Unmodified stock clients over the documents socket: npm's y-websocket under Node.js, and `pycrdt.Provider`.

Whatever they, saves on the disk and restarts of the daemon do, in the end all have the same text.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from lab import Device, devices, eventually
from pycrdt import Doc, Provider, Text
from wsproto import ConnectionType
from yjs.node import Node, stock_clients

from yp2p.programs.websocket import WebSocket, WebSocketClosed

pytestmark = [pytest.mark.yjs, pytest.mark.timeout(400)]

SEEDS = int(os.environ.get("YP2P_YJS_SEEDS", "20"))
STEPS = 30
LATE_S, LATE_BYTES = 2.0, 360 << 10
_WORDS = ["a", "é", "漢字 ", "😀", "word ", "\n", "a line\n", "👍🏽"]
_REST_LIMIT_S = 30.0


@pytest.fixture
def node() -> Iterator[Node]:
    with stock_clients() as clients:
        yield clients


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "a.md").write_text("a😀b\nline two\n")
        one.cli("share", str(one.dir))
        one.wait()
        yield one


class _Channel:
    """What `pycrdt.Provider` needs of a connection; `is_reading` makes it a late reader."""

    def __init__(self, stream: trio.SocketStream, path: str) -> None:
        self.path = path
        self._stream = stream
        self._socket = WebSocket(ConnectionType.CLIENT)
        self._sending = trio.Lock()  # the provider sends from two tasks
        self.is_reading = trio.Event()
        self.is_reading.set()

    async def shake_hands(self) -> None:
        await self._stream.send_all(self._socket.ask(f"/v1/documents?path={quote(self.path)}"))
        while not self._socket.is_open:
            await self._receive()

    async def _receive(self) -> None:
        self._socket.receive(await self._stream.receive_some(1 << 16))
        if self._socket.closed is not None:
            raise self._socket.closed

    async def send(self, message: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(self._socket.message(message))

    async def recv(self) -> bytes:
        await self.is_reading.wait()
        while not self._socket.messages:
            await self._receive()
        return self._socket.messages.popleft()

    def __aiter__(self) -> _Channel:
        return self

    async def __anext__(self) -> bytes:
        return await self.recv()


class Stock:
    """A document that `pycrdt.Provider` keeps in step, over one connection after the other."""

    def __init__(self, device: Device, file: str) -> None:
        self._device = device
        self._path = str(device.dir / file)
        self.doc: Doc[Any] = Doc()
        self.text = self.doc.get("source", type=Text)
        self.channel: _Channel | None = None

    async def run(self) -> None:
        while True:
            try:
                async with await trio.open_unix_socket(str(self._device.home / "documents.sock")) as stream:
                    self.channel = _Channel(stream, self._path)
                    await self.channel.shake_hands()
                    await Provider(self.doc, self.channel).start()  # type: ignore[arg-type]
            except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError, WebSocketClosed):
                await trio.sleep(0.05)  # before it connects again

    def edit(self, rng: random.Random) -> None:
        before = str(self.text)
        at = rng.randint(0, len(before))
        stop = min(len(before), at + rng.choice([0, 0, 1, 4]))
        start = len(before[:at].encode())
        with self.doc.transaction():
            if stop > at:
                del self.text[start : start + len(before[at:stop].encode())]
            self.text.insert(start, rng.choice(_WORDS))


@asynccontextmanager
async def _stocks(device: Device, file: str) -> AsyncIterator[list[Stock]]:
    stocks = [Stock(device, file) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        for stock in stocks:
            nursery.start_soon(stock.run)
        yield stocks
        nursery.cancel_scope.cancel()


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _edit(node: Node, name: str, rng: random.Random) -> None:
    """An edit as editors make them that count UTF-16 units; now and then of half a character."""
    text = node.text(name)
    astral = [number for number, character in enumerate(text) if ord(character) > 0xFFFF]
    if astral and rng.random() < 0.3:
        at = _units(text[: rng.choice(astral)])
        place, remove, insert = rng.choice(
            [(at + 1, 1, "\ude01"), (at, 1, "\ud83c"), (at + 1, 1, ""), (at + 1, 0, "between")]
        )
        node.ask("splice", name=name, at=place, remove=remove, insert=insert)
        return
    at = rng.randint(0, len(text))
    stop = min(len(text), at + rng.choice([0, 0, 1, 4]))
    node.ask("splice", name=name, at=_units(text[:at]), remove=_units(text[at:stop]), insert=rng.choice(_WORDS))


def _save(path: Path, rng: random.Random) -> None:
    lines = path.read_text().splitlines(keepends=True) or [""]
    lines[rng.randrange(len(lines))] = rng.choice(["saved\n", "", "saved again 😀\n"])
    path.write_text("".join(lines))


async def _until_all_are_equal(texts: Callable[[], list[str]], what: str) -> None:
    deadline = time.monotonic() + _REST_LIMIT_S
    rested = 0
    while rested < 3:
        found = await trio.to_thread.run_sync(texts)
        rested = rested + 1 if len(set(found)) == 1 else 0
        assert time.monotonic() < deadline, f"{what}: not equal after {_REST_LIMIT_S} s: {[t[:300] for t in found]}"
        await trio.sleep(0.1)


async def _be_late(node: Node, stocks: list[Stock], rng: random.Random) -> None:
    """All of Node.js and one provider read nothing while the other writes."""
    channel = stocks[1].channel
    if channel is not None:
        channel.is_reading = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, lambda: node.ask("sleep", ms=int(LATE_S * 1000)))
        for _ in range(24):
            stocks[0].text.insert(0, rng.choice("xyz\n") * (LATE_BYTES // 24))
            await trio.sleep(LATE_S / 30)  # the pace of the one who writes
    if channel is not None:
        channel.is_reading.set()


async def _seed(node: Node, device: Device, seed: int) -> None:
    rng, file = random.Random(seed), f"{seed}.md"
    path, names = device.dir / file, (f"{seed}A", f"{seed}B")
    path.write_text(f"seed {seed} 😀\n" * 3)
    async with _stocks(device, file) as stocks:
        node.open(device, file, *names)
        for step in range(STEPS):
            what = rng.random()
            if what < 0.4:
                await trio.to_thread.run_sync(_edit, node, rng.choice(names), rng)
            elif what < 0.8:
                rng.choice(stocks).edit(rng)
            elif what < 0.9:
                _save(path, rng)
            if step == STEPS // 3 and seed % 5 == 0:
                await _be_late(node, stocks, rng)
            if step == STEPS // 2 and seed % 4 == 1:
                await trio.to_thread.run_sync(device.kill if seed % 8 == 1 else device.stop)
                for _ in range(3):
                    rng.choice(stocks).edit(rng)
                    _edit(node, rng.choice(names), rng)
                await trio.to_thread.run_sync(device.start)
            await trio.sleep(rng.choice([0, 0, 0.005, 0.05]))  # the pace of who writes
        everybody = [lambda name=name: node.text(name) for name in names]
        await _until_all_are_equal(
            lambda: [*(text() for text in everybody), *(str(stock.text) for stock in stocks), path.read_text()],
            f"seed {seed}",
        )
        for name in names:
            assert node.ask("look", name=name)["closed"] is None
            node.ask("destroy", name=name)


def test_all_have_the_same_in_the_end(node: Node, device: Device) -> None:
    async def test() -> None:
        for seed in range(SEEDS):
            await _seed(node, device, seed)

    trio.run(test)


def test_an_edit_that_no_file_can_hold_is_put_right_in_the_client(node: Node, device: Device) -> None:
    path = device.dir / "a.md"
    node.open(device, "a.md", "A", "B")

    def settled(text: str) -> None:
        eventually(lambda: {node.text("A"), node.text("B"), path.read_text()} == {text}, what=text)

    settled("a😀b\nline two\n")
    for at, remove, insert in ((2, 1, "\ude01"), (1, 1, "\ud83c"), (2, 1, "")):
        node.ask("splice", name="A", at=at, remove=remove, insert=insert)
        settled("a😀b\nline two\n")
    node.ask("format", name="A", at=0, length=3)
    node.ask("embed", name="A", at=1)
    eventually(lambda: bool(node.ask("look", name="A")["delta"] == [{"insert": "a😀b\nline two\n"}]))
    node.ask("splice", name="B", at=0, remove=1, insert="NUL \0")
    settled("a😀b\nline two\n")
    node.ask("splice", name="B", at=0, remove=1, insert="x" * (5 << 20))
    settled("a😀b\nline two\n")
    node.ask("splice", name="B", at=0, remove=1, insert="fine")
    settled("fine😀b\nline two\n")
    looks = [node.ask("look", name=name) for name in ("A", "B")]
    assert [(look["connects"], look["closed"]) for look in looks] == [(1, None), (1, None)]
    assert any("formats" in reason for reason in looks[0]["denied"])
    assert any("NUL" in reason for reason in looks[1]["denied"])


def test_a_client_that_is_refused_does_not_come_back(node: Node, device: Device) -> None:
    node.open(device, "nothing.md", "A")
    node.open(device, "a.md", "B", root="codemirror")
    eventually(lambda: bool(node.ask("look", name="B")["synced"]))
    node.ask("splice", name="B", at=0, remove=0, insert="text")
    for name, code, reason in (("A", 4404, "nothing.md"), ("B", 4400, "codemirror")):
        eventually(lambda name=name: node.ask("look", name=name)["closed"] is not None)  # type: ignore[misc]
        look = node.ask("look", name=name)
        assert look["closed"]["code"] == code
        assert any(reason in said for said in look["denied"])
        assert not look["connected"]
    assert (device.dir / "a.md").read_text() == "a😀b\nline two\n"


def _seen_by(node: Node, name: str) -> dict[str, int | None]:
    """Where somebody sees the others."""
    others = node.ask("look", name=name)["others"].values()
    places = {o["user"]["name"]: (o.get("cursor") or {}).get("head") for o in others if "user" in o}
    return {who: place and node.ask("place", name=name, position=place) for who, place in places.items()}


def test_two_tabs_of_a_browser_are_seen_where_they_went_last(node: Node, device: Device) -> None:
    rng = random.Random(1)
    for number in range(SEEDS):
        names = (f"{number}A", f"{number}B")
        node.open(device, "a.md", *names)
        for name in names:
            eventually(lambda name=name: node.text(name) != "")  # type: ignore[misc]
        at = {}
        for step in range(rng.randint(2, 30)):
            name = names[step] if step < 2 else rng.choice(names)
            at[name] = rng.randint(0, 12)
            node.ask("cursor", name=name, at=at[name])
            time.sleep(rng.choice([0, 0, 0.004, 0.03, 0.06]))  # the pace of who moves
            if rng.random() < 0.1:
                for what in ("disconnect", "connect"):
                    node.ask(what, name=name)
        for name, other in (names, names[::-1]):
            wanted = {f"person {other}": at[other]}
            eventually(lambda name=name, wanted=wanted: _seen_by(node, name) == wanted, what=f"{name}: {wanted}")  # type: ignore[misc]
        for name in names:
            node.ask("destroy", name=name)


def test_people_see_each_other_by_name_and_place_across_devices(node: Node, tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.md").write_text("a😀b\nline two\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        node.open(one, "a.md", "A", "B")
        node.open(two, "a.md", "C")
        for name in "ABC":
            eventually(lambda name=name: node.text(name) != "")  # type: ignore[misc]
        for name, at in (("A", 3), ("B", 7), ("C", 14)):
            node.ask("cursor", name=name, at=at)

        for name, wanted in (
            ("A", {"person B": 7, "person C": 14}),
            ("B", {"person A": 3, "person C": 14}),
            ("C", {"person A": 3, "person B": 7}),
        ):
            eventually(lambda name=name, wanted=wanted: _seen_by(node, name) == wanted, what=f"{name}: {wanted}")  # type: ignore[misc]
        node.ask("destroy", name="A")
        for name, who in (("B", "person C"), ("C", "person B")):
            eventually(lambda name=name, who=who: set(_seen_by(node, name)) == {who}, 20)  # type: ignore[misc]

"""What a client keeps in a map beside its text is in no file, makes no gap, and moves nothing of the text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import Bridge, open_bridge, replica_like
from pycrdt import Doc, Map, Text

from yp2p.errors import InvalidUpdate
from yp2p.programs.document import ProgramDocument
from yp2p.programs.programs import Program

TEXT = "a😀b\n"


class Client:
    """A stock client of the library; `state` is what jupyter_ydoc has beside its text."""

    def __init__(self, bridge: Bridge, client: int, told: list[str]) -> None:
        record = bridge.folder.files.by_path("a.txt")
        assert record is not None
        self.live = bridge.document("a.txt")
        program = Program(record.entry, client=client)
        self.document = ProgramDocument(bridge.folder, self.live, program, 1 << 20, [], tell=told.append)
        self.doc: Doc[Any] = Doc(client_id=client)
        self.text, self.state = self.doc.get("source", type=Text), self.doc.get("state", type=Map)
        self.doc.apply_update(self.live.cut(b"\x00")[0])
        self.came: list[bytes] = []
        self.document.subscribe(lambda update, source, _: self.came.append(update) if source is not self else None)
        self._made: list[bytes] = []
        self._is_ours = False
        self._subscription = self.doc.observe(self._note)

    def _note(self, event: Any) -> None:
        if not self._is_ours:
            self._made.append(bytes(event.update))

    async def say(self) -> None:
        made, self._made = self._made, []
        await self.document.receive_all(made, self, None)

    def hear(self) -> None:
        came, self.came = self.came, []
        self._is_ours = True
        for update in came:
            self.doc.apply_update(update)
        self._is_ours = False

    async def come_back(self) -> None:
        """What was on its way is lost; both say what the other one lacks."""
        self._made.clear()
        self.came.append(self.document.cut(self.doc.get_state())[0])
        await self.document.receive_all([self.doc.get_update(self.live.state_vector())], self, None)

    def type(self, rng: random.Random) -> None:
        before = str(self.text)
        at = rng.choice([0, len(before), rng.randint(0, len(before))])
        stop = min(len(before), at + rng.choice([0, 0, 0, 2]))
        start = len(before[:at].encode())
        with self.doc.transaction():
            if stop > at:
                del self.text[start : start + len(before[at:stop].encode())]
            self.text.insert(start, rng.choice(["x", "é", "😀", "a line\n"]))


def _run(tmp_path: Path, test: Any) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text(TEXT)

    async def main() -> None:
        async with open_bridge(tmp_path) as bridge:
            await test(bridge)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


@pytest.mark.parametrize("seed", range(8))
def test_all_have_the_same_text_whatever_is_in_maps(tmp_path: Path, seed: int) -> None:
    async def test(bridge: Bridge) -> None:
        rng, told = random.Random(seed), []  # type: ignore[var-annotated]
        peer = replica_like(bridge, "a.txt", 4711)
        clients = [Client(bridge, 70 + number, told) for number in range(3)]
        clients[0].live.subscribe(lambda update, source, _: peer.receive(update) and None)
        for _ in range(120):
            client = rng.choice(clients)
            what = rng.random()
            if what < 0.3 and client is not clients[2]:  # that one has no map
                client.state[rng.choice(["dirty", "path", "hash"])] = rng.choice([True, "a.txt", 1.5, {"a": [1]}, None])
            elif what < 0.35 and len(client.state):
                del client.state[rng.choice(sorted(client.state.keys()))]
            elif what < 0.8:
                client.type(rng)
            elif what < 0.88:
                await client.say()
            elif what < 0.9:
                await client.come_back()
            else:
                client.hear()
        for client in clients:
            await client.say()
        await bridge.folder.database.pending().wait()
        await trio.testing.wait_all_tasks_blocked()
        for client in clients:
            client.hear()
        texts = [*(str(client.text) for client in clients), clients[0].live.text.text(), peer.text()]
        assert len(set(texts)) == 1, texts
        clocks = clients[0].live.replica.clocks()
        for client in clients:
            assert client.live.replica.clocks().keys() >= {client.doc.client_id} & clocks.keys()
        assert told == [], "nobody is bothered with it"
        late: Doc[Any] = Doc()
        late.apply_update(clients[0].live.cut(b"\x00")[0])
        assert str(late.get("source", type=Text)) == texts[0], "nothing waits for what is not there"

    _run(tmp_path, test)


def test_a_type_in_a_map_and_attributes_of_the_text_are_refused(tmp_path: Path) -> None:
    async def test(bridge: Bridge) -> None:
        client = Client(bridge, 70, [])
        client.state["text"] = Text("inside")
        with pytest.raises(InvalidUpdate):
            await client.say()

    _run(tmp_path, test)

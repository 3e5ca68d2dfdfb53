"""Random orders of saving, remote edits, rendering and restarting, against an oracle that knows every token."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge, replica_like
from effort import many

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica

NAME = "a.txt"
# RAM where there is some: the schedules test the order of things, the power cuts test the disk.
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Schedule:
    """One random run: a person with an editor here, a peer elsewhere."""

    def __init__(self, seed: int, base: Path) -> None:
        self.rng = random.Random(seed)
        self.base = base
        self.path = base / "dir" / NAME
        self.tokens: list[str] = []
        self.buffer = ""
        self.style = self.rng.choice(("in place", "rename"))
        self.peer: TextReplica | None = None
        self.queue: list[tuple[bytes, dict[int, int]]] = []

    def token(self, who: str) -> str:
        self.tokens.append(f"<{who}{len(self.tokens)}>")
        return self.tokens[-1]

    def insert(self, text: str, who: str) -> str:
        lines = text.splitlines(keepends=True)
        at = self.rng.randrange(len(lines) + 1)
        if self.rng.random() < 0.3 and lines:
            at = min(at, len(lines) - 1)
            lines[at] = lines[at].rstrip("\n") + f" {self.token(who)}\n"
        else:
            lines.insert(at, f"{self.token(who)} {self.rng.random()}\n")
        return "".join(lines)

    # --- steps ---------------------------------------------------------------------------------------------------

    async def open_editor(self, bridge: Bridge) -> None:
        self.buffer = self.path.read_text()

    async def save(self, bridge: Bridge) -> None:
        """Save what the editor has, with something new: it may not have seen what was rendered since it read."""
        await bridge.take_events()
        self.buffer = self.insert(self.buffer, "e")
        if self.style == "in place":
            self.path.write_text(self.buffer)
        else:
            temporary = self.path.with_name(".a.txt.swp")
            temporary.write_text(self.buffer)
            temporary.rename(self.path)

    async def remote_edit(self, bridge: Bridge) -> None:
        assert self.peer is not None
        text = self.peer.text()
        update = self.peer.edit(hunks(text, self.insert(text, "r")))
        if update is not None:
            self.queue.append((update, self.peer.clocks()))

    async def deliver(self, bridge: Bridge) -> None:
        """What the peer made arrives here, in order."""
        for update, clocks in self.queue:
            await bridge.document(NAME).receive(update, PEER, PeerState(clocks, is_answer=False))
        self.queue.clear()

    async def send(self, bridge: Bridge) -> None:
        """What was made here arrives at the peer."""
        assert self.peer is not None
        self.peer.receive(bridge.document(NAME).replica.update_since(self.peer.state_vector()))

    async def look(self, bridge: Bridge) -> None:
        await bridge.look()

    async def render(self, bridge: Bridge) -> None:
        await bridge.render()

    # --- the run -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self.path.parent.mkdir()
        self.path.write_text("first line\nsecond line\nthird line\n")
        steps: list[Callable[[Bridge], Awaitable[None]]] = [
            self.open_editor, self.save, self.save, self.remote_edit, self.remote_edit, self.deliver, self.deliver,
            self.send, self.look, self.look, self.render, self.render,
        ]  # fmt: skip
        for part in range(self.rng.randint(2, 4)):
            async with open_bridge(self.base, clean_end=self.rng.random() < 0.5) as bridge:
                if part == 0:
                    self.peer = replica_like(bridge, NAME, 77)
                    await self.open_editor(bridge)
                for _ in range(self.rng.randint(3, 10)):
                    await self.rng.choice(steps)(bridge)
        async with open_bridge(self.base) as bridge:
            for _ in range(3):
                await bridge.look()
                await self.deliver(bridge)
                await self.send(bridge)
                await bridge.render()
            text = self.path.read_text()
            assert self.peer is not None
            assert bridge.document(NAME).text.text() == text
            assert self.peer.text() == text
            counts = {token: text.count(token) for token in self.tokens}
            assert set(counts.values()) <= {1}, {t: c for t, c in counts.items() if c != 1}


def run_schedule(seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as base:
        trio.run(Schedule(seed, Path(base)).run, clock=trio.testing.MockClock())


def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    first, count = (int(number) for number in os.environ.get("YP2P_SCHEDULES", f"0:{many(25)}").split(":"))
    for seed in range(first, first + count):
        try:
            run_schedule(seed)
        except BaseException as error:
            error.add_note(f"YP2P_SCHEDULES={seed}:1 shows it again")
            raise


def test_two_saves_between_two_renders_with_a_remote_edit_in_flight() -> None:
    async def run(base: Path) -> None:
        schedule = Schedule(1, base)
        schedule.path.parent.mkdir()
        schedule.path.write_text("one\ntwo\nthree\n")
        async with open_bridge(base) as bridge:
            schedule.peer = replica_like(bridge, NAME, 77)
            await schedule.open_editor(bridge)
            await schedule.remote_edit(bridge)
            await schedule.save(bridge)
            await schedule.look(bridge)
            await schedule.deliver(bridge)
            await schedule.save(bridge)
            await schedule.look(bridge)
            await schedule.render(bridge)
            text = schedule.path.read_text()
            assert [text.count(token) for token in schedule.tokens] == [1, 1, 1]

    with tempfile.TemporaryDirectory(dir=FAST) as base:
        trio.run(run, Path(base), clock=trio.testing.MockClock())

"""Programs on two devices that write the same file in turns, each without reading what the other one wrote."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import OWN, PEER, Bridge, clock, open_bridge
from effort import many

from yp2p.documents.synced import PeerState
from yp2p.folder import packs
from yp2p.folder.notices import NoticeKind
from yp2p.history.packing import Packing

NAME = "state.txt"
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Between two turns, in seconds: from as fast as a file is rendered to beyond the minute that replaced files are kept.
PAUSES_S = (0.1, 0.3, 1.0, 5.0, 20.0, 70.0)
# All of them mixed in the ordinary tests, each for itself in the long ones (make long); with the number of rounds.
PACES = [pytest.param(PAUSES_S, many(150), id="mixed")] + [
    pytest.param((pause_s,), 200, id=f"{pause_s}s", marks=pytest.mark.long) for pause_s in PAUSES_S
]
# To ask git costs three times as much as the round.
_ASK_GIT = 20


class Pair:
    """Two devices with one file, connected; what one has goes to the other at once."""

    def __init__(self, bridges: tuple[Bridge, Bridge], directories: tuple[Path, Path]) -> None:
        self.bridges = bridges
        self.paths = tuple(directory / NAME for directory in directories)

    async def turn(self, device: int, text: str, pause_s: float) -> str:
        """A program on one device writes the whole file; gives what the file holds in the end on both.

        The files are not read for that: it would look as if the programs had.
        """
        self.paths[device].write_text(text)
        for _ in range(2):
            await self.bridges[device].look()
            await self._send(device)
            clock().jump(pause_s / 2)
            await self.bridges[1 - device].render()
            await self._send(1 - device)
            await self.bridges[device].render()
        held = [bridge.document(NAME).text for bridge in self.bridges]
        assert held[0].text() == held[1].text()
        for bridge, text in zip(self.bridges, held, strict=True):
            record = bridge.folder.files.by_path(NAME)
            assert record is not None
            assert record.content == text.content()
            assert bridge.root.lstat(NAME).st_size == text.size()  # type: ignore[union-attr]
        return held[0].text()

    async def _send(self, device: int) -> None:
        documents = [bridge.document(NAME) for bridge in self.bridges]
        update = documents[device].replica.update_since(documents[1 - device].replica.state_vector())
        source = (OWN, PEER)[device]
        theirs = PeerState(documents[device].replica.clocks(), is_answer=True, has_diverged=True)
        await documents[1 - device].receive(update, source, theirs)

    async def pack(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """What was written so far becomes packs, as after a minute; gives how many packs there are then."""
        monkeypatch.setattr(packs, "MIN_ROWS", 4)
        for bridge in self.bridges:
            folder, live = bridge.folder, bridge.document(NAME)
            await folder.database.pending().wait()
            packing = Packing(folder)
            later, claimed = time.time() + 120, set(live.replica.clocks())
            _, decided = packing._decided(live.id, later, claimed)
            for _, found in decided:
                if found is not None:
                    await folder.database.submit(found.statements(folder.id, live.id)).wait()
        return sum(bridge.folder.database.rows("SELECT count(*) FROM pack")[0][0] for bridge in self.bridges)

    def told(self, kind: NoticeKind) -> int:
        return sum(bridge.folder.notices.counts()[kind] for bridge in self.bridges)


def run_pair(text: str, test: Callable[[Pair], Awaitable[None]]) -> None:
    """The second device begins with a copy of the first one's store and file."""

    async def run(base: Path) -> None:
        directories = base / "one" / "dir", base / "two" / "dir"
        directories[0].mkdir(parents=True)
        (directories[0] / NAME).write_text(text)
        async with open_bridge(base / "one"):
            pass
        shutil.copytree(base / "one", base / "two")
        async with open_bridge(base / "one") as one, open_bridge(base / "two") as two:
            await test(Pair((one, two), directories))

    with tempfile.TemporaryDirectory(dir=FAST) as base:
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def _merge_of_git(base: Path, ours: str, common: str, theirs: str) -> str | None:
    """What git makes of three texts; None where it leaves a conflict."""
    for name, text in (("ours", ours), ("common", common), ("theirs", theirs)):
        (base / name).write_text(text)
    done = subprocess.run(
        ["git", "merge-file", "-p", "ours", "common", "theirs"], cwd=base, capture_output=True, text=True, timeout=20
    )
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize(("pauses_s", "rounds"), PACES)
def test_of_programs_that_write_the_same_lines_the_last_one_stands(pauses_s: tuple[float, ...], rounds: int) -> None:
    """As many lines each time as the program likes."""
    rng = random.Random(len(pauses_s))

    async def test(pair: Pair) -> None:
        for number in range(rounds):
            rows = rng.randint(1, 6)
            text = "state\n" + "".join(f"{key} = {rng.randrange(10**6)} ({number})\n" for key in range(rows))
            device = number % 2 if rng.random() < 0.7 else rng.randrange(2)
            assert await pair.turn(device, text, rng.choice(pauses_s)) == text, number

    run_pair("state\n0 = 1 (0)\n", test)


@pytest.mark.parametrize(("pauses_s", "rounds"), PACES)
def test_of_programs_that_write_different_lines_both_stand(
    pauses_s: tuple[float, ...], rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program has the file as it wrote it last: it becomes git's merge of the two, and that is told.

    Also where what was written before is a pack by now, so that what both know is in one row with what one knows.
    """
    rng = random.Random(len(pauses_s))
    keys = [f"{who}{key}" for key in range(4) for who in "ab"]

    def written(values: dict[str, int]) -> str:
        return "".join(f"{key} = {values[key]}\n\n# comment {key}\n\n" for key in keys)

    async def test(pair: Pair) -> None:
        everything = dict.fromkeys(keys, 0)
        own = [dict(everything), dict(everything)]
        held = written(everything)
        for number in range(rounds):
            device = number % 2
            common = written(own[device])
            key = f"{'ab'[device]}{number // 2 % 4}"
            own[device][key] = everything[key] = number + 1
            if number % _ASK_GIT == 0:
                assert _merge_of_git(tmp_path, held, common, written(own[device])) == written(everything)
            held = await pair.turn(device, written(own[device]), rng.choice(pauses_s))
            assert held == written(everything), number
            if number % 11 == 10:
                with monkeypatch.context() as patch:
                    assert await pair.pack(patch), "something was packed"
        assert pair.told(NoticeKind.OLDER_SAVE_MERGED) >= 1

    run_pair(written(dict.fromkeys(keys, 0)), test)


def test_an_editor_that_never_loads_what_comes_keeps_both_sides_lines() -> None:
    """20 rounds, with a lock beside the file and somebody who reads everything."""
    common = "".join(f"line {number} of the file\n" for number in range(100))

    async def test(pair: Pair) -> None:
        buffer = common
        (pair.paths[0].with_name(f".{NAME}.swp")).write_bytes(b"swap")
        for number in range(20):
            theirs = (
                pair.paths[1].read_text().replace(f"line {2 * number + 41} of", f"line {2 * number + 41} from afar,")
            )
            theirs = theirs.replace(
                f"line {2 * number + 42} of", f"added elsewhere {number}\nline {2 * number + 42} of"
            )
            await pair.turn(1, theirs, 1.0)
            assert "afar" in pair.paths[0].read_text()  # the file is read: by an indexer, not by the editor
            await pair.bridges[0].take_events()
            buffer = buffer.replace(f"line {2 * number} of", f"typed here {number}\nline {2 * number} here, of")
            held = await pair.turn(0, buffer, 1.0)
        for number in range(20):
            for words in (f"typed here {number}\n", f"added elsewhere {number}\n", f"line {2 * number} here, of"):
                assert held.count(words) == 1, words
            assert held.count(f"line {2 * number + 41} from afar, the file") == 1

    run_pair(common, test)

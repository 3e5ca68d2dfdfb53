"""Undo and redo of one device's saves, with the real store, also in the middle of others' edits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge, over_directory, replica_like, run_with_directory
from effort import many

from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Entry
from yp2p.documents.synced import PeerState
from yp2p.errors import UsageError
from yp2p.history.undo import redo, undo
from yp2p.history.versions import When, restore

NAME = "a.txt"


def _entry(bridge: Bridge) -> Entry:
    return bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]]


async def _undo(bridge: Bridge, steps: int = 1) -> None:
    bridge.folder.state.settled = True
    await undo(bridge.folder, _entry(bridge), NAME, steps)
    await bridge.render()


async def _redo(bridge: Bridge, steps: int = 1) -> None:
    bridge.folder.state.settled = True
    await redo(bridge.folder, _entry(bridge), NAME, steps)
    await bridge.render()


async def _remote(bridge: Bridge, line: str, client: int) -> None:
    """Another device writes a line in front of all others."""
    peer = replica_like(bridge, NAME, client)
    update = peer.edit([Hunk(0, 0, line)])
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
    await bridge.render()


async def _save(bridge: Bridge, path: Path, text: str) -> None:
    _read(path)
    await bridge.take_events()
    _write(path, text)
    await bridge.look()


def _read(path: Path) -> str:
    return path.read_text()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize(
    "texts", [["one\n", "two\n", "xyz\n", "qqq\n"], ["base\n", "base\nfoo\n", "base\n", "base\nbar\n"]]
)
@over_directory
async def test_texts_that_were_replaced_come_back_one_by_one(base: Path, texts: list[str]) -> None:
    path = base / "dir" / NAME
    path.write_text(texts[0])
    async with open_bridge(base) as bridge:
        for text in texts[1:]:
            await _save(bridge, path, text)
        for _ in range(2):
            for text in reversed(texts[:-1]):
                await _undo(bridge)
                assert path.read_text() == text
            for text in texts[1:]:
                await _redo(bridge)
                assert path.read_text() == text
    async with open_bridge(base) as bridge:
        await _undo(bridge, len(texts) - 1)
        assert path.read_text() == texts[0]
        with pytest.raises(UsageError, match="there is nothing to undo"):
            await _undo(bridge)


@pytest.mark.parametrize("seed", range(many(12)))
def test_going_back_and_forth_is_exact_and_leaves_what_others_wrote(seed: int) -> None:
    rng = random.Random(seed)

    def ours(text: str) -> str:
        lines = text.splitlines(keepends=True)
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(lines))
            if rng.random() < 0.5 and at < len(lines) and not lines[at].startswith("theirs"):
                del lines[at]
            else:
                lines.insert(at, f"ours {rng.random()} 😀\n")
        return "".join(lines)

    async def test(base: Path) -> None:
        path = base / "dir" / NAME
        path.write_text("".join(f"line {number}\n" for number in range(8)))
        async with open_bridge(base) as bridge:
            texts = [path.read_text()]
            at, added = 0, 0
            for number in range(40):
                choice = rng.random()
                if choice < 0.35:
                    new = ours(path.read_text())
                    if new == path.read_text():
                        continue
                    await _save(bridge, path, new)
                    at += 1
                    texts = [*texts[:at], path.read_text()]
                elif choice < 0.6 and at:
                    at -= 1
                    await _undo(bridge)
                elif choice < 0.8 and at + 1 < len(texts):
                    at += 1
                    await _redo(bridge)
                else:
                    added += 1
                    await _remote(bridge, f"theirs {number}\n", 1000 + number)
                own = [line for line in path.read_text().splitlines() if not line.startswith("theirs")]
                assert own == [line for line in texts[at].splitlines() if not line.startswith("theirs")]
            assert sum(line.startswith("theirs") for line in path.read_text().splitlines()) == added

    run_with_directory(test)


@over_directory
async def test_several_at_a_time_undo_each_step_once(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text("0\n")
    async with open_bridge(base) as bridge:
        for number in range(1, 7):
            await _save(bridge, path, f"{number}\n")
        bridge.folder.state.settled = True
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(undo, bridge.folder, _entry(bridge), NAME, 1)
        await bridge.render()
        assert path.read_text() == "2\n"


async def _meet(bridges: list[Bridge]) -> None:
    """What each of two devices has comes to the other one, as over a link."""
    documents = [bridge.document(NAME) for bridge in bridges]
    vectors = [document.replica.clocks() for document in documents]
    updates = [
        documents[1].replica.update_since(documents[0].state_vector()),
        documents[0].replica.update_since(documents[1].state_vector()),
    ]
    for document, update, known in zip(documents, updates, reversed(vectors), strict=True):
        await document.receive(update, PEER, PeerState(known, is_answer=True, has_diverged=True))
    for bridge in bridges:
        await bridge.render()


@pytest.mark.parametrize("how", ["undo", "redo", "restore"])
def test_two_devices_that_bring_back_the_same_apart_have_it_once(how: str) -> None:
    lines = [f"{number}\n" for number in range(1, 7)]

    async def test(base: Path) -> None:
        bases = [base / "one", base / "two"]
        for one in bases:
            (one / "dir").mkdir(parents=True)
            (one / "dir" / NAME).write_text("".join(lines))
        paths = [one / "dir" / NAME for one in bases]
        async with open_bridge(bases[0]) as one, open_bridge(bases[1]) as other:
            version = one.folder.texts.rows(one.document(NAME).id)[-1][0]
            await _save(one, paths[0], "".join([*lines[:1], *lines[3:]]))
            await _save(other, paths[1], "".join([*lines[:2], *lines[4:]]))
            await _meet([one, other])
            assert not set(lines[1:4]) & set(_read(paths[0]).splitlines(keepends=True))
            rounds = 2 if how == "redo" else 1
            for number in range(rounds):
                await _undo(one)
                if how == "restore":
                    other.folder.state.settled = True
                    await restore(other.folder, NAME, When(version=version))
                    await other.render()
                else:
                    await _undo(other)
                await _meet([one, other])
                assert [_read(path) for path in paths] == ["".join(lines)] * 2
                if number < rounds - 1:
                    await _redo(one)
                    await _redo(other)
                    await _meet([one, other])
                    assert [_read(path) for path in paths] == ["".join([lines[0], *lines[4:]])] * 2

    run_with_directory(test)

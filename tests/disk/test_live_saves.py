"""An editor that shows a text live, and saves it as well."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like

from yp2p.documents.diff import hunks
from yp2p.documents.provider import PeerState

NAME = "a.txt"
TEXT = "one\ntwo\nthree\n"
TYPED = TEXT.replace("two\n", "two\ntyped here\n")
BOTH = TYPED.replace("three\n", "three\nof another device\n")


async def _comes(bridge: Bridge, text: str, client: int) -> None:
    """Somebody makes a text of what the document says; nothing of it is on the disk yet."""
    peer = replica_like(bridge, NAME, client)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


@over_directory
async def test_a_save_of_what_is_live_is_no_second_change(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True)
        await _comes(bridge, TYPED, 1 << 32 | 5)
        await _comes(bridge, BOTH, 1 << 32 | 6)
        path.write_text(TYPED)  # it has not heard of the other device yet
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == BOTH
        assert not list(bridge.folder.notices)
        path.write_text(BOTH + "saved\n")
        await bridge.render()
        assert path.read_text() == BOTH + "saved\n"
        unsubscribe()


@over_directory
async def test_random_saves_of_what_is_live_are_no_changes(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    rng = random.Random(1)
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True)
        for round_ in range(20):
            wanted, versions = bridge.document(NAME).text.text(), []
            for number in range(8):
                lines = wanted.splitlines(keepends=True)
                lines.insert(rng.randint(0, len(lines)), f"<{round_}.{number}> 😀\n")
                if rng.random() < 0.3:
                    del lines[rng.randrange(len(lines))]
                wanted = "".join(lines)
                await _comes(bridge, wanted, 1 << 32 | (5 + number % 2))
                versions.append(wanted)
            path.write_text(rng.choice(versions))
            await bridge.render()
            assert bridge.document(NAME).text.text() == wanted
            assert not list(bridge.folder.notices)
        unsubscribe()


@over_directory
@pytest.mark.parametrize("is_live", [False, True])
async def test_what_the_file_held_before_is_put_back_also_while_it_is_live(base: Path, is_live: bool) -> None:
    path = base / "dir" / NAME
    path.write_text(TEXT)
    async with open_bridge(base) as bridge:
        unsubscribe = bridge.document(NAME).subscribe(lambda *told: None, early=True) if is_live else None
        await _comes(bridge, TYPED, 1 << 32 | 5)
        await bridge.render()
        await _comes(bridge, BOTH, 1 << 32 | 6)
        clock().jump(5)  # what is typed is written less often
        await bridge.render()
        assert path.read_text() == BOTH
        path.write_text(TYPED)  # as `cp` of a former version
        await bridge.render()
        assert bridge.document(NAME).text.text() == path.read_text() == TYPED
        if unsubscribe is not None:
            unsubscribe()

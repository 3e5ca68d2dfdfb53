"""A peer's text has a line of which only the deletion is known here: nothing is taken before the line is."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import MissingCharacters
from yp2p.protocol.state_vectors import encode_state_vector

NAME = "a.txt"


def _edit(replica: TextReplica, text: str) -> bytes:
    update = replica.edit(hunks(replica.text(), text))
    assert update is not None
    return update


@pytest.mark.parametrize("may_be_asked", [True, False])
def test_nothing_is_taken_before_it_is_known(tmp_path: Path, may_be_asked: bool) -> None:
    async def run() -> None:
        path = tmp_path / "dir" / NAME
        path.parent.mkdir()
        path.write_text("a one\nz last\n")
        async with open_bridge(tmp_path) as bridge:
            live = bridge.document(NAME)
            remover, holder = replica_like(bridge, NAME, 77), replica_like(bridge, NAME, 78)
            known = live.state_vector()
            holder.apply(_edit(remover, "a one\nb two\nz last\n"))
            _edit(remover, "a one\nz last\n")
            await live.receive(remover.update_since(known), PEER, PeerState(remover.clocks(), is_answer=True))
            holder.edit([Hunk(len("a one\nb two"), 0, " and more")])
            path.write_text("a one\nz last\nlate\n")
            await bridge.take_events()
            await bridge.look()

            before = live.text.text()
            known, theirs = live.state_vector(), PeerState(holder.clocks(), True, True, may_be_asked)
            if not may_be_asked:
                await live.receive(holder.update_since(known), PEER, theirs)
                assert live.text.text() != "a one\nb two and more\nz last\nlate\n"
                return
            with pytest.raises(MissingCharacters) as missing:
                await live.receive(holder.update_since(known), PEER, theirs)
            assert live.text.text() == before
            vector = {
                client: clock for client, clock in live.replica.clocks().items() if client not in missing.value.clients
            }
            asked_for = holder.update_since(encode_state_vector(vector))
            repeats = frozenset(missing.value.clients)
            await live.receive(asked_for, PEER, PeerState(holder.clocks(), True, True, False, repeats))
            assert live.text.text() == "a one\nb two and more\nz last\nlate\n"

    trio.run(run, clock=trio.testing.MockClock())

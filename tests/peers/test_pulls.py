"""Documents that were pulled from a peer."""

from __future__ import annotations

from types import SimpleNamespace

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.pulls import Pulls

_DOCUMENT = DocumentID(b"d" * 16)


async def test_a_state_with_a_gap_is_not_taken_and_ends_no_session() -> None:
    author, here = TextReplica(5), TextReplica(1)
    author.edit([Hunk(0, 0, "one\n")])
    later = author.edit([Hunk(4, 4, "two\n")])
    assert later is not None
    pulls = Pulls.__new__(Pulls)
    pulls._peer, pulls._lacking = DeviceID(b"p" * 32), set()
    pulls._folder = SimpleNamespace(  # type: ignore[assignment]
        edits=SimpleNamespace(take_pulled=lambda document, state, peer: here.take(state))
    )
    await pulls._take(_DOCUMENT, later)
    assert (here.text(), pulls._lacking) == ("", {_DOCUMENT})
    await pulls._take(_DOCUMENT, author.state())
    assert here.text() == "one\ntwo\n"

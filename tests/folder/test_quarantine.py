"""Documents that panic and devices that lie: loaded anew, kept off for longer each time, told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like

from yp2p.documents.diff import Hunk
from yp2p.documents.registers import index_of
from yp2p.errors import CrdtPanic
from yp2p.folder.budget import Budget
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.quarantine import Quarantine
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.contact import Contact

PanicException = type("PanicException", (BaseException,), {})


def _poison(replica: Any) -> None:
    """The library panics on the next update."""

    def apply(update: bytes) -> None:
        with replica._calling_pycrdt():
            raise PanicException("called `Option::unwrap()` on a `None` value")

    replica.apply = apply


def test_the_wait_grows_and_concerns_one_peer_and_one_document() -> None:
    quarantine = Quarantine()
    one, two = DocumentID(b"1" * 16), DocumentID(b"2" * 16)
    other = DeviceID(b"o" * 32)
    assert quarantine.add(PEER, one, 0.0).until == 10.0
    assert quarantine.is_quarantined(PEER, one, 9.0)
    assert not quarantine.is_quarantined(PEER, one, 10.0)
    assert not quarantine.is_quarantined(PEER, two, 1.0)
    assert not quarantine.is_quarantined(other, one, 1.0)
    assert quarantine.add(PEER, one, 10.0).until == 30.0
    for _ in range(20):
        last = quarantine.add(PEER, one, 100.0)
    assert last.until == 3700.0
    assert [held.failures for held in quarantine.current(200.0)] == [22]


def test_a_document_that_panicked_is_loaded_from_the_store() -> None:
    async def run(base: Path) -> None:
        (base / "dir").mkdir()
        (base / "dir" / "a.txt").write_text("text\n")
        async with open_bridge(base) as bridge:
            live = bridge.document("a.txt")
            peer = replica_like(bridge, "a.txt", 77)
            first, second = peer.edit([Hunk(0, 0, "one ")]), peer.edit([Hunk(0, 0, "two ")])
            assert first is not None
            assert second is not None
            await live.receive(first, PEER)
            _poison(live.replica)
            with pytest.raises(CrdtPanic):
                await live.receive(second, PEER)
            assert live.text.text() == "one text\n", "what was there before is still there"
            await live.receive(second, PEER)
            assert live.text.text() == "two one text\n"
            # The manifest as well, with all its entries.
            (entry,) = bridge.folder.catalogue.entries
            index = index_of(entry)
            manifest = bridge.folder.catalogue.documents[index]
            assert manifest.id == manifest_document_id(index)
            state = manifest.replica.state()
            _poison(manifest.replica)
            with pytest.raises(CrdtPanic):
                await manifest.receive(state, PEER)
            assert set(bridge.folder.catalogue.entries) == {entry}
            await manifest.receive(state, PEER)

    with tempfile.TemporaryDirectory() as base:
        trio.run(run, Path(base), clock=trio.testing.MockClock())


def test_two_machines_with_one_key_are_noticed() -> None:
    contact = Contact(Budget(DeviceID(bytes(32))))
    assert not contact.saw(b"one", 0.0)
    assert not contact.saw(b"one", 1.0), "a link that broke"
    assert not contact.saw(b"two", 2.0), "a restart"
    assert not contact.is_cloned(2.0)
    assert contact.saw(b"one", 3.0), "only another machine can be the one before"
    assert contact.is_cloned(3.0)
    assert not contact.is_cloned(3000.0)

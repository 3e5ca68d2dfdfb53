"""The same deleted file made again on two devices at once: one of them hears of the other before it has looked."""

from __future__ import annotations

from pathlib import Path

import pytest
from bridge import PEER, Bridge, clock, open_bridge, replica_like, run_with_directory, settle

from yp2p.documents.diff import hunks
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, index_of
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.protocol.cursor import MAX_CLIENT

_OLD = "".join(f"{number}\n" for number in range(9, 40))
_NEW = "".join(f"{number}\n" for number in range(6, 30))


class _Peer:
    """Another device, which knows that `a` was deleted, and what was in it."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.entry = bridge.folder.catalogue.layout().entry_at["a"]
        self.document = bridge.document("a")
        self.text: TextReplica = replica_like(bridge, "a", 77)

    async def revives(self) -> None:
        live = self._bridge.folder.catalogue.documents[index_of(self.entry)]
        replica = ManifestReplica(MAX_CLIENT)
        replica.load([live.replica.state()])
        update = replica.write(Change(self.entry, "a", revive=True).registers())
        assert update is not None
        await live.receive(update, PEER)

    async def writes(self, text: str) -> None:
        update = self.text.edit(hunks(self.text.text(), text))
        assert update is not None
        await self.document.receive(update, PEER, PeerState(self.text.clocks(), is_answer=False))


async def _deleted(bridge: Bridge, base: Path) -> _Peer:
    peer = _Peer(bridge)
    (base / "dir/a").unlink()
    await bridge.look()
    clock().jump(3)
    await bridge.look()
    assert "a" not in bridge.folder.catalogue.layout().entry_at
    return peer


def _files(base: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (base / "dir").iterdir() if path.is_file()}


@pytest.mark.parametrize("is_rendered_first", [False, True])
def test_a_file_that_is_made_again_on_two_devices_has_no_copy(*, is_rendered_first: bool) -> None:
    """Its entry lives again before the new text of the other device is here: that is no other file of this name."""

    async def test(base: Path) -> None:
        (base / "dir/a").write_text(_OLD)
        async with open_bridge(base) as bridge:
            peer = await _deleted(bridge, base)
            (base / "dir/a").write_text(_NEW)
            await peer.revives()
            if is_rendered_first:
                await bridge.render_actor.run()
            await settle(bridge)
            assert _files(base) == {"a": _NEW}
            await peer.writes(_NEW)
            await settle(bridge)
            assert _files(base) == {"a": _NEW}
            assert bridge.folder.catalogue.layout().entry_at == {"a": peer.entry}

    run_with_directory(test)


def test_what_others_wrote_into_it_meanwhile_is_not_replaced() -> None:
    async def test(base: Path) -> None:
        (base / "dir/a").write_text(_OLD)
        async with open_bridge(base) as bridge:
            peer = await _deleted(bridge, base)
            (base / "dir/a").write_text(_NEW)
            await peer.revives()
            await peer.writes("theirs\n" + _OLD)
            await settle(bridge)
            assert sorted(_files(base).values()) == sorted(["theirs\n" + _OLD, _NEW])

    run_with_directory(test)

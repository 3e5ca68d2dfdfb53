"""Comparing with another device: what it lacks, what it has otherwise, and whether it sends what it says it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from bridge import Bridge, clock, open_bridge, over_directory, settle
from peers.sessions import open_session

from yp2p.check.findings import Kind
from yp2p.check.offline import check_offline
from yp2p.check.others import of_audit
from yp2p.config import Paths
from yp2p.documents.text import imported
from yp2p.errors import YpError
from yp2p.identity import DocumentID, EntryID
from yp2p.peers import audit
from yp2p.peers.session import FolderSession
from yp2p.protocol.messages import Documents, Leaves, LeavesQuery, Pull, TreeBuckets, TreeQuery
from yp2p.protocol.reconcile import BRANCHES, Leaf, ReconcileTree
from yp2p.store.examine import reader

_TEXTS = {"a.txt": "a text\n", "b.txt": "another text\n", "c.txt": "a third text\n"}


class _Peer:
    """A device that says that it has these leaves, and sends these texts."""

    def __init__(self, bridge: Bridge, session: FolderSession, link: Any) -> None:
        self._folder = bridge.folder
        self._session = session
        self._link = link
        own = bridge.folder.leaves.tree()
        self.leaves = {entry: leaf for bucket in range(256) for entry, leaf in own.leaves(bucket).items()}
        self.sends: Mapping[DocumentID, bytes] = {
            leaf.document: bridge.folder.document_state(leaf.document) for leaf in self.leaves.values()
        }

    async def run(self) -> None:
        at = 0
        while True:
            while at < len(self._link.sent):
                await self._answer(self._link.sent[at])
                at += 1
            await trio.lowlevel.checkpoint()

    async def _answer(self, message: object) -> None:
        folder = self._folder.id
        tree = ReconcileTree()
        for entry, leaf in self.leaves.items():
            tree.set(entry, leaf)
        match message:
            case TreeQuery():
                await self._session.deliver(TreeBuckets(folder, tuple(tree.buckets())))
            case LeavesQuery(buckets=buckets):
                leaves = tuple((e, leaf) for bucket, _ in buckets for e, leaf in tree.leaves(bucket).items())
                masks = tuple((bucket, (1 << BRANCHES) - 1) for bucket, _ in buckets)
                await self._session.deliver(Leaves(folder, leaves, True, masks))
            case Pull(documents=documents):
                sent = tuple((document, self.sends.get(document, b"")) for document in documents)
                await self._session.deliver(Documents(folder, sent))


@asynccontextmanager
async def _meet(base: Path) -> AsyncIterator[tuple[Bridge, FolderSession, _Peer]]:
    for name, text in _TEXTS.items():
        (base / "dir" / name).write_text(text)
    async with open_bridge(base) as bridge:
        await settle(bridge)
        async with open_session(bridge) as (session, link), trio.open_nursery() as nursery:
            peer = _Peer(bridge, session, link)
            nursery.start_soon(peer.run)
            yield bridge, session, peer
            nursery.cancel_scope.cancel()


def _entry(bridge: Bridge, path: str) -> EntryID:
    record = bridge.folder.files.by_path(path)
    assert record is not None
    return record.entry


async def _told(bridge: Bridge, session: FolderSession, *, read: bool) -> set[tuple[Kind, str]]:
    found = await session.audit(read=read)
    assert found is not None
    paths = bridge.folder.catalogue.layout().path_of
    return {(one.kind, one.path) for one in of_audit("test", "desktop", found, paths)}


@over_directory
async def test_of_a_device_that_has_the_same_nothing_is_said(base: Path) -> None:
    async with _meet(base) as (bridge, session, _):
        assert await _told(bridge, session, read=True) == set()
        assert (await session.audit(read=True)) == audit.Audit(texts=3)


@over_directory
async def test_a_device_that_sends_something_else_than_it_says_is_named(base: Path) -> None:
    """Its digests are ours: without its texts nothing shows."""
    async with _meet(base) as (bridge, session, peer):
        leaf = bridge.folder.leaf(_entry(bridge, "b.txt"))
        gone = bridge.folder.leaf(_entry(bridge, "c.txt"))
        assert leaf is not None
        assert gone is not None
        peer.sends = {**peer.sends, leaf.document: imported("a lie\n"), gone.document: b""}
        assert await _told(bridge, session, read=False) == set()
        assert await _told(bridge, session, read=True) == {(Kind.LYING_DEVICE, "b.txt"), (Kind.LYING_DEVICE, "c.txt")}
        assert bridge.document("b.txt").text.text() == _TEXTS["b.txt"], "nothing of it is taken"


@over_directory
async def test_what_a_device_lacks_or_has_otherwise_is_named(base: Path) -> None:
    async with _meet(base) as (bridge, session, peer):
        lacks, other, forged = (_entry(bridge, name) for name in ("a.txt", "b.txt", "c.txt"))
        del peer.leaves[lacks]
        peer.leaves[other] = Leaf(peer.leaves[other].document, bytes(32), bytes(32))
        peer.leaves[forged] = Leaf(peer.leaves[forged].document, peer.leaves[forged].version, bytes(32))
        assert await _told(bridge, session, read=False) == {
            (Kind.BEHIND, "a.txt"), (Kind.BEHIND, "b.txt"), (Kind.DIVERGED, "c.txt"),
        }  # fmt: skip


@over_directory
async def test_a_device_that_does_not_answer_is_not_waited_for(base: Path) -> None:
    (base / "dir/a.txt").write_text("a text\n")
    async with open_bridge(base) as bridge:
        await settle(bridge)
        async with open_session(bridge) as (session, link), trio.open_nursery() as nursery:
            found: list[object] = []

            async def ask() -> None:
                found.append(await session.audit(read=False))

            nursery.start_soon(ask)
            with trio.fail_after(1e6):
                while not any(isinstance(message, TreeQuery) for message in link.sent):
                    await trio.lowlevel.checkpoint()
            clock().jump(31)
            while not found:
                await trio.lowlevel.checkpoint()
            assert found == [None]


def test_to_look_for_a_store_makes_none(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    with pytest.raises(YpError, match="nothing is shared here"):
        check_offline(paths, None, read=False)
    assert not paths.store.exists()
    with pytest.raises(YpError, match="could not be read"), reader(tmp_path / "none.db"):
        pass
    assert not (tmp_path / "none.db").exists()

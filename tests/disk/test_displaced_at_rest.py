"""The look at what was replaced a minute ago is no work that anybody has to hear of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from bridge import PEER, open_folder

from yp2p.config import Files, Trash
from yp2p.disk.actor import Disk
from yp2p.disk.render import displaced_files
from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.files.root import TMP
from yp2p.folder.folder import Folder
from yp2p.identity import FolderID
from yp2p.protocol.clients import Writer

_OLD, _NEW = "one\n", "one\nfrom elsewhere\n"


async def _until(condition: Callable[[], object]) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.01)


def _displaced(folder: Folder) -> list[Path]:
    return list((folder.path / TMP).iterdir())


async def _edit_elsewhere(folder: Folder, path: str) -> None:
    entry = folder.catalogue.entries[folder.catalogue.layout().entry_at[path]]
    live = folder.texts.open(entry.document)
    peer = TextReplica.from_updates(Writer.SAVED.client_id(77), [live.replica.state()])
    update = peer.edit(hunks(_OLD, _NEW))
    assert update is not None
    await live.receive(update, PEER, PeerState(peer.clocks(), is_answer=False))


async def test_what_was_replaced_is_looked_at_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(displaced_files, "KEEP_S", 1.0)
    paths = [tmp_path / "dir" / name for name in ("a.txt", "b.txt")]
    (tmp_path / "dir").mkdir()
    for path in paths:
        path.write_text(_OLD)
    async with open_folder(tmp_path, FolderID(bytes(16))) as folder, trio.open_nursery() as nursery:
        await nursery.start(Disk(folder, Files(), Trash()).run)
        await _until(lambda: folder.state.settled)
        for path in paths:
            await _edit_elsewhere(folder, path.name)
            await _until(lambda path=path: path.read_text() == _NEW)  # type: ignore[misc]
        await _until(lambda: folder.state.settled)
        assert len(_displaced(folder)) == len(paths)
        changed = folder.state.changed
        await _until(lambda: len(_displaced(folder)) < len(paths))
        await _until(lambda: not _displaced(folder))
        assert not changed.is_set()
        nursery.cancel_scope.cancel()

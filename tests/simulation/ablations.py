"""The rules that hold it all together, taken out one at a time: the simulation has to notice each."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from simulation.hooks import SimulatedDatabase, current_host

from yp2p.documents.manifest import Deletion
from yp2p.documents.provider import Provider
from yp2p.documents.text import TextReplica
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.records import FileRecord
from yp2p.folder.texts import Texts
from yp2p.identity import DeviceID, DocumentID
from yp2p.store.database import Commit


def _without_persisting_first() -> AbstractContextManager[Any]:
    """Invariant 1: nobody waits for what was submitted to be durable, before it is sent or rendered.

    On slow disks, where that matters: what a device lost was gone on with by others.
    """
    wait = Commit.wait

    async def go_on(commit: Commit) -> None:
        host = current_host.get()
        if host is None or not host.is_watching:  # what makes a folder is read back from the store
            await wait(commit)

    def tell(live: LiveDocument, update: bytes, source: object, commit: Commit) -> None:
        for listener in list(live._listeners.values()):
            listener(update, source, None)

    stack = ExitStack()
    stack.enter_context(patch.object(Commit, "wait", go_on))
    stack.enter_context(patch.object(LiveDocument, "applied", tell))
    stack.enter_context(patch.object(SimulatedDatabase, "delays_s", (3.0,)))
    return stack


def _without_forking_at_the_base() -> AbstractContextManager[Any]:
    """Invariant 2: a save is taken to be made of what the document says now."""

    def fork_at_head(texts: Texts, record: FileRecord, client_id: int) -> TextReplica:
        return texts.open(record.document).text.fork(client_id)

    return patch.object(Texts, "fork_at_base", fork_at_head)


def _with_echo() -> AbstractContextManager[Any]:
    """Invariant 16: what came from a peer is sent back to it, and on to everybody."""
    on_update = Provider._on_update

    def echo(provider: Provider, update: bytes, source: object, vector: bytes | None = None) -> None:
        on_update(provider, update, None, vector)

    return patch.object(Provider, "_on_update", echo)


def _with_old_client_ids() -> AbstractContextManager[Any]:
    """Invariant 6: a device writes with the same client IDs after every start, and so does a copy of it."""

    def same_as_ever(device: DeviceID) -> ClientIDs:
        host = current_host.get()
        number = zlib.crc32(host.identity.device_id) if host is not None else 1
        return ClientIDs(number, number ^ 1, device)

    return patch.object(ClientIDs, "fresh", same_as_ever)


def _with_deletes_that_win() -> AbstractContextManager[Any]:
    """Invariant 7: a delete counts whatever was written meanwhile."""

    def counts(deletion: Deletion, document: DocumentID, clocks: Any) -> bool:
        return deletion.document == document

    return patch.object(Deletion, "counts", counts)


ABLATIONS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "persist-before-send": _without_persisting_first,
    "fork-at-the-base": _without_forking_at_the_base,
    "no-echo": _with_echo,
    "fresh-client-ids": _with_old_client_ids,
    "edit-beats-delete": _with_deletes_that_win,
}

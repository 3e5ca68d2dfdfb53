"""The state of a document as far as it counts, for a peer that asks because a device was removed (`uncounted.py`)."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID
from yp2p.store import tables


def can_tell(folder: Folder, device: DeviceID) -> bool:
    """Whether this device knows what counts of a removed one: it has heard of the removal, and doubts nothing."""
    membership = folder.membership
    has_heard = not membership.takes_from(device) and not membership.is_reader
    return has_heard and folder.state.adopted and not folder.observers.uncounted.doubted


async def counted_state(folder: Folder, device: DeviceID, document: DocumentID) -> bytes:
    """The state of a document as far as it counts for who asks because of a removal; empty where nothing does.

    Call when this device `can_tell`.
    """
    uncounted, index = folder.observers.uncounted, MANIFEST_INDEX.get(document)
    if index is None and (document not in folder.catalogue.entry_of or document not in folder.texts.digests):
        return b""
    seq = uncounted.last_counted(device)
    if seq is None:
        return folder.catalogue.documents[index].replica.state() if index is not None else folder.texts.state(document)
    # Of a long text that takes seconds.
    if index is None:
        rows = [data for number, data in folder.texts.rows(document, seq) if number <= seq]
        return await trio.to_thread.run_sync(_state_of_text, rows, abandon_on_cancel=True)
    rows = [data for number, _, _, data in tables.log.rows(folder.database.rows, folder.id, document) if number <= seq]
    return await trio.to_thread.run_sync(_state_of_manifest, rows, abandon_on_cancel=True)


def _state_of_text(rows: Sequence[bytes]) -> bytes:
    return TextReplica.from_updates(1, rows).state()


def _state_of_manifest(rows: Sequence[bytes]) -> bytes:
    replica = ManifestReplica(1)
    replica.load(rows)
    return replica.state()

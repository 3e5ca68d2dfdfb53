"""What of a document counts, for a device that has to know that because another one was removed (`uncounted.py`)."""

from __future__ import annotations

from yp2p.documents.manifest import ManifestReplica
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID
from yp2p.store import tables


def counted_state(folder: Folder, device: DeviceID, document: DocumentID) -> bytes:
    """The state of a document as far as it counts for who asks because of a removal; empty where nothing does."""
    uncounted, index = folder.observers.uncounted, MANIFEST_INDEX.get(document)
    if uncounted.doubted:
        return b""
    if index is None and (document not in folder.catalogue.entry_of or document not in folder.texts.digests):
        return b""
    seq = uncounted.last_counted(device)
    if seq is None:
        return folder.catalogue.documents[index].replica.state() if index is not None else folder.texts.state(document)
    if index is None:
        return folder.texts.at(document, seq).state()
    replica = ManifestReplica(1)
    rows = tables.log.rows(folder.database.rows, folder.id, document)
    replica.load(data for number, _, _, data in rows if number <= seq)
    return replica.state()

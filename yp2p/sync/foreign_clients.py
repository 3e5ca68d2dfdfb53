"""Whether what a program holds is the text of another file.

A stock client knows a file by its path. When the file is renamed and another one takes the path, a client that comes
back would merge the old text into the new file, on all devices. Its state vector tells: a client ID belongs to the
document that it wrote in.

Evidence, of client IDs that the document does not have:
    * One that wrote in one other document of the folder and in no more: that of a program or an import.
    * Any that wrote in another document, where the program holds nothing that the document has.

A client ID that is nowhere is merely new: something was typed while nobody listened. One that wrote in many documents
is that of a process of a device, or of equal imports; what it wrote here last may have been lost in a crash after a
program heard of it, and comes back with that program. So do the client IDs of this device's own processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from yp2p.errors import OtherFile
from yp2p.identity import DocumentID
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import read_state_vector
from yp2p.sync.folder import Folder


def check_clients(folder: Folder, document: DocumentID, vector: Mapping[int, int], *, is_all: bool) -> None:
    """Raise when some of these client IDs are those of another document.

    Args:
        vector: client IDs and clocks, of a state vector or of an update.
        is_all: whether the program has nothing else.

    Raises:
        OtherFile: they are.
    """
    clocks = folder.clocks(document)
    strangers = {client for client, clock in vector.items() if clock and client not in clocks}
    if not strangers:
        return
    holders = _documents_of(folder, document, strangers)
    processes = folder.own_clients.union(*folder.database.rows("SELECT client, fork FROM start")) if holders else set()
    has_nothing_of_this = is_all and not any(clock and client in clocks for client, clock in vector.items())
    if any(has_nothing_of_this or (len(of) == 1 and client not in processes) for client, of in holders.items()):
        (other, _), *_ = Counter(document for of in holders.values() for document in of).most_common(1)
        where = folder.layout().path_of.get(folder.entry_of[other])
        raise OtherFile(
            "what this program holds is the text of another file"
            + (f", which is at {where} now" if where is not None else ", which was deleted")
            + "; open that one, or start with an empty document"
        )


def _documents_of(folder: Folder, besides: DocumentID, clients: set[int]) -> dict[int, list[DocumentID]]:
    """In which other documents these client IDs wrote."""
    marks = {client: write_varint(client) for client in clients}
    found: dict[int, list[DocumentID]] = {}
    for document in folder.entry_of:
        if document == besides or document not in folder.digests:
            continue
        digest = folder.digests.at_hand(document)
        # of ten thousand documents next to none has to be read: a client ID is four bytes or more
        if digest is not None and not any(mark in digest.clocks for mark in marks.values()):
            continue
        clocks = read_state_vector(digest.clocks) if digest is not None else folder.clocks(document)
        for client in clients & clocks.keys():
            found.setdefault(client, []).append(document)
    return found

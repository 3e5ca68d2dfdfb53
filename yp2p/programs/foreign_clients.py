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

Where a process of a device wrote in both files, their client IDs are the same and what they wrote is not. So it is
noted which documents clients were given under a path (`Served`). A document that is like an earlier one of them gets an
operation of its own before it is given to a client (`is_alike`), so that who reads it can be told from who has the
earlier one. What may be the earlier one, all of it, is refused. What was typed in it meanwhile stays in its program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from yp2p.errors import OtherFile
from yp2p.folder.folder import Folder
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.names import encode_path
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.wire import write_varint
from yp2p.store import tables


class Served:
    """Which documents clients of one folder that know a file by its path alone were given under that path."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        rows = tables.served.read_all(folder.database.rows, folder.id)
        self._documents: dict[bytes, set[DocumentID]] = {}
        for path, document in rows:
            self._documents.setdefault(path, set()).add(DocumentID(document))

    def at(self, path: str) -> frozenset[DocumentID]:
        """What clients were given under this path."""
        return frozenset(self._documents.get(encode_path(path), ()))

    def note(self, path: str, document: DocumentID) -> frozenset[DocumentID]:
        """A client is given this document; gives those that clients were given under this path before."""
        documents = self._documents.setdefault(encode_path(path), set())
        if document not in documents:
            documents.add(document)
            self._folder.database.submit([tables.served.insert(self._folder.id, encode_path(path), document)])
        return frozenset(documents - {document})


def check_clients(
    folder: Folder,
    document: DocumentID,
    vector: Mapping[int, int],
    *,
    is_all: bool,
    earlier: frozenset[DocumentID] = frozenset(),
) -> None:
    """Raise when some of these client IDs are those of another document.

    Args:
        vector: client IDs and clocks, of a state vector or of an update.
        is_all: whether the program has nothing else.
        earlier: what clients were given under the same path before.

    Raises:
        OtherFile: they are, or may as well be.
    """
    clocks = folder.texts.clocks(document)
    for other in sorted(earlier):
        if is_all and _may_be_of(folder, other, clocks, vector):
            _refuse(folder, other)
    strangers = {client for client, clock in vector.items() if clock and client not in clocks}
    if not strangers:
        return
    holders = _documents_of(folder, document, strangers)
    processes = folder.clients.ids.union(*tables.start.clients(folder.database.rows)) if holders else set()
    has_nothing_of_this = is_all and not any(clock and client in clocks for client, clock in vector.items())
    if any(has_nothing_of_this or (len(of) == 1 and client not in processes) for client, of in holders.items()):
        (other, _), *_ = Counter(document for of in holders.values() for document in of).most_common(1)
        _refuse(folder, other)


def is_alike(folder: Folder, document: DocumentID, other: DocumentID) -> bool:
    """Whether everybody who wrote in a document also wrote in another one."""
    return (
        other in folder.catalogue.entry_of and folder.texts.clocks(document).keys() <= folder.texts.clocks(other).keys()
    )


def _may_be_of(folder: Folder, other: DocumentID, clocks: Mapping[int, int], vector: Mapping[int, int]) -> bool:
    """Whether all that a program has may be of another document, and what a process wrote there is taken for ours."""
    theirs = folder.texts.clocks(other) if other in folder.catalogue.entry_of else {}
    known = {client: clock for client, clock in vector.items() if clock and (client in clocks or client in theirs)}
    processes = folder.clients.ids | folder.catalogue.authorship.claims.keys()
    return any(client in processes and client in clocks for client in known) and all(
        clock <= theirs.get(client, 0) for client, clock in known.items()
    )


def _refuse(folder: Folder, other: DocumentID) -> None:
    where = folder.catalogue.layout().path_of.get(folder.catalogue.entry_of.get(other, EntryID(b"")))
    raise OtherFile(
        "what this program holds is the text of another file"
        + (f", which is at {where} now" if where is not None else ", which was deleted")
        + "; open that one, or start with an empty document, with a copy of what was typed"
    )


def _documents_of(folder: Folder, besides: DocumentID, clients: set[int]) -> dict[int, list[DocumentID]]:
    """In which other documents these client IDs wrote."""
    marks = {client: write_varint(client) for client in clients}
    found: dict[int, list[DocumentID]] = {}
    for document in folder.catalogue.entry_of:
        if document == besides or document not in folder.texts.digests:
            continue
        digest = folder.texts.digests.at_hand(document)
        # of ten thousand documents next to none has to be read: a client ID is four bytes or more
        if digest is not None and not any(mark in digest.clocks for mark in marks.values()):
            continue
        clocks = read_state_vector(digest.clocks) if digest is not None else folder.texts.clocks(document)
        for client in clients & clocks.keys():
            found.setdefault(client, []).append(document)
    return found

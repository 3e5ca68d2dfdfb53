"""The documents of a folder's text entries: which entry each one belongs to, and which are not here yet."""

from __future__ import annotations

from yp2p.documents.registers import Entry
from yp2p.folder.texts import Texts
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind


class NamedDocuments:
    """What the manifest names, beside what is here (`texts`).

    Attributes:
        entry_of: the entry of each text document that the manifest names.
        wanted: documents that a peer has and that may revive a deleted entry.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self.entry_of: dict[DocumentID, EntryID] = {}
        self.wanted: set[DocumentID] = set()
        self._lacking: dict[EntryID, DocumentID] = {}  # live texts whose document may not be here

    def put(self, entry: EntryID, found: Entry | None, *, is_alive: bool) -> None:
        """An entry may be another, or dead or alive, by now."""
        self._lacking.pop(entry, None)
        if found is not None and found.kind is Kind.TEXT:
            self.entry_of[found.document] = entry
            if found.document not in self._texts.digests and is_alive:
                self._lacking[entry] = found.document

    def missing(self) -> list[DocumentID]:
        """Those that live entries name, and those that are wanted, as far as they are not here yet."""
        digests = self._texts.digests
        self._lacking = {entry: doc for entry, doc in self._lacking.items() if doc not in digests}
        named = [*self._lacking.values(), *(document for document in self.wanted if document in self.entry_of)]
        return [document for document in dict.fromkeys(named) if document not in digests]

"""The documents of a folder's text entries: which entry each one belongs to, and which are not here yet."""

from __future__ import annotations

import math
from collections.abc import Callable

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

    def missing(self, most: float = math.inf, but: Callable[[DocumentID], bool] = lambda _: False) -> list[DocumentID]:
        """Those that live entries name, and those that are wanted, as far as they are not here yet.

        Args:
            most: so many at most; those that were named first are looked at first, and no more than are needed.
            but: which ones are not meant.
        """
        digests = self._texts.digests
        came: list[EntryID] = []
        found: dict[DocumentID, None] = {}
        for entry, document in self._lacking.items():
            if len(found) >= most:
                break
            if document in digests:
                came.append(entry)
            elif not but(document):
                found[document] = None
        for entry in came:
            del self._lacking[entry]
        for document in self.wanted:
            if len(found) < most and document in self.entry_of and document not in digests and not but(document):
                found[document] = None
        return list(found)

    def is_complete(self) -> bool:
        """Whether none is missing."""
        return not self.missing(1)

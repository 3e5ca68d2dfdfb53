"""Digests of a folder's documents, and the Merkle tree of leaves that devices compare.

Invariants
    * A document is in `Digests` exactly when something of it is in the log, or on its way there.
    * A digest that is given is up to date: it contains every update that was applied.
    * The tree holds up to date leaves whenever it is given; what changed since the last time is made anew then.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from yp2p.folder.live_document import LiveDocument
from yp2p.folder.records import Digest, Values, load_digests
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.protocol.reconcile import Leaf, ReconcileTree
from yp2p.store.database import Database
from yp2p.store.sql import Statement


class Digests:
    """Version, content and clocks of every text document that is here.

    Args:
        open_text: gives a document in memory.
    """

    def __init__(self, folder: FolderID, database: Database, open_text: Callable[[DocumentID], LiveDocument]) -> None:
        self._folder = folder
        self._database = database
        self._open_text = open_text
        self._known: dict[DocumentID, Digest] = {}
        self._outdated: set[DocumentID] = set()
        self._unsaved: dict[DocumentID, Statement] = {}

    def load(self, values: Values, other: Container[DocumentID]) -> None:
        """Read them from the store, but for `other` documents, which are no texts."""
        known, outdated = load_digests(self._database, self._folder, values)
        self._known = {document: digest for document, digest in known.items() if document not in other}
        self._outdated = {document for document in outdated if document not in other}

    def __contains__(self, document: DocumentID) -> bool:
        return document in self._known or document in self._outdated

    def get(self, document: DocumentID) -> Digest | None:
        """The digest of a document that is here. Opens the document when it changed."""
        if document in self._outdated:
            live = self._open_text(document)
            replica = live.text
            digest = Digest(replica.version(), replica.content(), replica.state_vector())
            self._outdated.discard(document)
            self._known[document] = digest
            self._unsaved[document] = digest.save(self._folder, document, live.last_seq)
        return self._known.get(document)

    def at_hand(self, document: DocumentID) -> Digest | None:
        """The digest of a document, if it is known without opening the document."""
        return self._known.get(document) if document not in self._outdated else None

    def documents(self) -> list[DocumentID]:
        """All that are here."""
        return [*self._known, *(self._outdated - self._known.keys())]

    def learn(self, document: DocumentID, digest: Digest) -> None:
        """The digest of a document that was just made here."""
        self._known[document] = digest

    def document_changed(self, document: DocumentID) -> None:
        self._outdated.add(document)

    def forget(self, document: DocumentID) -> None:
        self._known.pop(document, None)
        self._unsaved.pop(document, None)
        self._outdated.discard(document)

    def save(self) -> None:
        """Store the digests computed since the last time; a crash only costs computing them again."""
        if self._unsaved:
            self._database.submit(self._unsaved.values())
            self._unsaved = {}


class Leaves:
    """The reconcile tree of a folder, kept incrementally.

    Args:
        leaf: gives the leaf that an entry has now, or None.
    """

    def __init__(self, leaf: Callable[[EntryID], Leaf | None]) -> None:
        self._leaf = leaf
        self._tree = ReconcileTree()
        self._changed: set[EntryID] = set()

    def entry_changed(self, entry: EntryID) -> None:
        """Have its leaf made anew when the tree is asked for."""
        self._changed.add(entry)

    def set(self, entry: EntryID) -> None:
        """Make its leaf anew now."""
        self._changed.discard(entry)
        leaf = self._leaf(entry)
        if leaf is None:
            self._tree.remove(entry)
        else:
            self._tree.set(entry, leaf)

    def tree(self) -> ReconcileTree:
        """The tree with all leaves up to date."""
        changed, self._changed = self._changed, set()
        for entry in changed:
            self.set(entry)
        return self._tree

"""Undoing one's own changes, though others went on editing.

Theory of operation
    The log has every update of a document, so what is to be undone need not be watched while it is made: a change *is*
    the operations and deletions of its rows. To undo it, the whole log is loaded into a document that keeps what was
    deleted (`skip_gc`), a stack item is made of those operations, and the library's undo manager takes it back: it
    removes what the change inserted and inserts again what it removed, where that was. The update that this makes is an
    ordinary edit to everybody, and undoing *it* is the redo.

Sources: `UndoManager` of Yjs 13.6; `StackItem` and `IdSet` of pycrdt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pycrdt import Doc, IdSet, StackItem, Text, TransactionEvent, UndoManager

from yp2p.documents.replica import raising_panics
from yp2p.protocol.delete_sets import encode
from yp2p.protocol.ysync import DeletedRange, Shape, UpdateParser


def undone(log: Iterable[bytes], change: Iterable[bytes], client: int) -> bytes | None:
    """The update that takes a change back; None when nothing of it is left to take back.

    Args:
        log: all updates of the document, in order.
        change: those of them that made the change.
        client: what to write with, an ID that is nowhere in the document.

    Raises:
        DocumentPoisoned: the library panicked.
    """
    inserted: list[DeletedRange] = []
    deleted: list[DeletedRange] = []
    for update in change:
        parser = UpdateParser(update, Shape.TEXT)
        parsed = parser.parse()
        inserted += [(writer, start, stop - start) for writer, (start, stop) in parsed.sections.items()]
        deleted += parser.ranges
    news: list[bytes] = []

    def note(event: TransactionEvent) -> None:
        news.append(bytes(event.update))

    with raising_panics():
        doc: Doc[Any] = Doc(client_id=client, skip_gc=True)
        text = doc.get(Shape.TEXT.value, type=Text)
        with doc.transaction():
            for update in log:
                doc.apply_update(update)
        item: StackItem[Any] = StackItem(doc._doc, IdSet.decode(encode(deleted)), IdSet.decode(encode(inserted)))
        manager = UndoManager(scopes=[text], undo_stack=[item])
        subscription = doc.observe(note)
        try:
            manager.undo()
        finally:
            doc.unobserve(subscription)
    return news[-1] if news else None

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
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import DeletedRange, Shape, UpdateParser


def _id_set(ranges: Iterable[DeletedRange]) -> IdSet:
    """Operations as the library has them: by client, first clock and number."""
    by_client: dict[int, list[tuple[int, int]]] = {}
    for client, start, length in sorted(ranges):
        known = by_client.setdefault(client, [])
        if known and known[-1][0] + known[-1][1] >= start:
            before, size = known.pop()
            known.append((before, max(size, start + length - before)))
        else:
            known.append((start, length))
    out = [write_varint(len(by_client))]
    for client, found in by_client.items():
        out += [write_varint(client), write_varint(len(found))]
        out += [write_varint(number) for pair in found for number in pair]
    return IdSet.decode(b"".join(out))


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
        item: StackItem[Any] = StackItem(doc._doc, _id_set(deleted), _id_set(inserted))
        manager = UndoManager(scopes=[text], undo_stack=[item])
        subscription = doc.observe(note)
        try:
            manager.undo()
        finally:
            doc.unobserve(subscription)
    return news[-1] if news else None

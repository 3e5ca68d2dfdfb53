"""Undoing one's own changes, though others went on editing.

Theory of operation
    The log has every update of a document, so what is to be undone need not be watched while it is made: a change *is*
    the operations and deletions of its rows. To undo it, what it inserted is deleted and what it deleted is brought
    back where that was (`restoring.py`): by operations that another device makes as well when it brings back the same.
    The update is an ordinary edit to everybody, and undoing *it* is the redo.

    What somebody did over a long time (`agents/taking_back.py`) is undone so that lines stay whole (`whole_lines.py`).

    In a log with a gap, or of a text with too many pieces to be put in order here, the library's undo manager does it,
    on a document that keeps what was deleted (`skip_gc`); its operations are nobody else's.

Sources: `UndoManager` of Yjs 13.6; `StackItem` and `IdSet` of pycrdt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pycrdt import Doc, IdSet, StackItem, Text, TransactionEvent, UndoManager

from yp2p.documents.order import Order
from yp2p.documents.replica import raising_panics
from yp2p.documents.restoring import brought_back, has_copies, taken_out
from yp2p.documents.whole_lines import whole_lines
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import encode, without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.update_merge import UpdateMerge
from yp2p.protocol.ysync import Shape, UpdateParser, deleted_ranges


def undone(log: Iterable[bytes], change: Iterable[bytes], client: int) -> bytes | None:
    """The update that takes a change back; None when nothing of it is left to take back.

    Args:
        log: all updates of the document, in order.
        change: those of them that made the change.
        client: what to write with, an ID that is nowhere in the document.

    Raises:
        CrdtPanic: the library panicked.
    """
    log, change = list(log), list(change)
    inserted: list[DeletedRange] = []
    deleted: list[DeletedRange] = []
    is_save = False
    for update in change:
        parser = UpdateParser(update, Shape.TEXT)
        parsed = parser.parse()
        inserted += operations(parsed.sections)
        deleted += parser.ranges
        is_save = is_save or any(Writer.of(client) is Writer.SAVED for client in parsed.sections)
    if is_save and deleted:
        deleted = without(deleted, _gone_before(log, change))
    return taken_back(log, inserted, deleted, client)


def _gone_before(log: Sequence[bytes], change: Iterable[bytes]) -> list[DeletedRange]:
    """What was deleted before a change: a save of an older version says it removes that as well (`removals.py`)."""
    rows = set(change)
    first = next((number for number, update in enumerate(log) if update in rows), 0)
    return [item for update in log[:first] for item in deleted_ranges(update)]


def taken_back(
    log: Iterable[bytes],
    inserted: Sequence[DeletedRange],
    deleted: Sequence[DeletedRange],
    client: int,
    change: Collection[int] = (),
) -> bytes | None:
    """`undone`, of a change that is known by what it inserted and deleted. Raises CrdtPanic.

    Args:
        change: which updates deleted something, by number, so that lines stay whole; nothing where that is not known.
    """
    log = list(log)
    merge = UpdateMerge(with_repeats=True)
    is_known = all(merge.add(update) for update in log)
    needs_no_order = is_known and not without(deleted, inserted) and not has_copies(merge)
    if needs_no_order and not change:
        return taken_out(merge, inserted)
    order = Order.of_sum(merge) if is_known else None
    if order is None:
        return taken_out(merge, inserted) if needs_no_order else _undone_by_library(log, inserted, deleted, client)
    if not change:
        return brought_back(order, deleted, inserted, client)
    lines = whole_lines(order, log, frozenset(change), inserted, deleted)
    return brought_back(order, lines.back, lines.out, client, lines.starts)


def returned(log: Iterable[bytes], then: Iterable[bytes], client: int) -> bytes | None:
    """The update that makes a text what it was, of what was there then; None where that cannot be told or is nothing.

    Args:
        log: all updates of the document, in order.
        then: those that there were by then.
        client: as for `undone`.

    Raises:
        CrdtPanic: the library panicked.
    """
    order, was = Order.of(log), UpdateMerge(with_repeats=True)
    if order is None or not all(was.add(update) for update in then):
        return None
    there_then = without(operations(was.sections), was.ranges)
    there_now = without(operations(order.sections), order.ranges)
    return brought_back(order, without(there_then, there_now), without(there_now, there_then), client)


def operations(sections: Mapping[int, tuple[int, int]]) -> list[DeletedRange]:
    """The sections of an update as ranges."""
    return [(client, start, stop - start) for client, (start, stop) in sections.items()]


def _undone_by_library(
    log: Iterable[bytes], inserted: Iterable[DeletedRange], deleted: Iterable[DeletedRange], client: int
) -> bytes | None:
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

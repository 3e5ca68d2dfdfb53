"""A program's own `pycrdt.Doc` as a provider needs it, behind the wall: every byte of a peer is checked.

It takes documents of one text, under any name. A document of more roots, or of an Array or a Map, is refused: nothing
here reads nested types strictly enough to give a peer's bytes of them to the library, which they can crash or hang.

While the program has not made its text, what comes for it is a gap: the provider asks again.

The document is in memory and nowhere else, so what it has is as durable as it gets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pycrdt import Doc, Text, TransactionEvent

from yp2p.documents.replica import is_being_changed, raising_panics
from yp2p.documents.updates import TextParser
from yp2p.errors import InvalidUpdate, MissingDependency, UsageError
from yp2p.protocol.dependencies import check_dependencies
from yp2p.protocol.state_vectors import read_state_vector

# The origin of changes that came from a peer, which no undo manager takes for the program's own.
FROM_PEER = "yp2p peer"
_FOUR_BYTES = re.compile(rb"[\xf0-\xf4]")

PlainDoc = Doc[Any]
Listener = Callable[[bytes, object, bytes | None], None]
_Other = TypeVar("_Other")


class _InMemory:
    async def wait(self) -> None:
        """Nothing is to be waited for."""


class PlainDocument:
    """What a provider needs of a `pycrdt.Doc` (`SyncedDocument`).

    Raises:
        UsageError: out of every method that takes or gives updates: the document has other roots than one text.
    """

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._listeners: list[Listener] = []
        self._source: object = None  # whose update is being applied
        self._halves: set[tuple[int, int]] = set()  # second halves of surrogate pairs, as the wall needs them

    def state_vector(self) -> bytes:
        return self._doc.get_state()

    def cut(self, state_vector: bytes) -> tuple[bytes, _InMemory]:
        self._root()
        read_state_vector(state_vector)
        return self._doc.get_update(state_vector), _InMemory()

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: object) -> None:
        for update in updates:
            self._receive(update, source)

    def receive_nowait(self, updates: Sequence[bytes], source: object) -> bool:
        try:
            for update in updates:
                self._receive(update, source)
        except (InvalidUpdate, MissingDependency):
            return False
        return True

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._root()
        self._note_halves(self._doc.get_update())

        def changed(event: TransactionEvent) -> None:
            update = bytes(event.update)
            self._note_halves(update)
            listener(update, self._source, None)

        subscription = self._doc.observe(changed)
        return lambda: self._doc.unobserve(subscription)

    def _receive(self, update: bytes, source: object) -> None:
        root = self._root()
        parsed = TextParser(update, root).parse()
        if root is None and parsed.sections:
            raise MissingDependency("the program has not made its text yet: doc.get(NAME, type=Text)")
        check_dependencies(parsed, read_state_vector(self.state_vector()), self._halves)
        self._halves |= parsed.halves
        if is_being_changed(self._doc):
            # The program has a transaction open, of which this becomes a part: the peer gets it back, which is nothing.
            with raising_panics():
                self._doc.apply_update(update)
            return
        self._source = source
        try:
            with raising_panics(), self._doc.transaction(origin=FROM_PEER):
                self._doc.apply_update(update)
        finally:
            self._source = None

    def _root(self) -> str | None:
        """The name of the text; None while there is none."""
        roots = dict(self._doc.items())
        if len(roots) > 1 or any(not isinstance(root, Text) for root in roots.values()):
            names = ", ".join(f"{type(root).__name__} {name!r}" for name, root in sorted(roots.items()))
            raise UsageError(f"a provider takes a document of one Text, and this one has: {names}")
        return next(iter(roots), None)

    def _note_halves(self, update: bytes) -> None:
        if _FOUR_BYTES.search(update):
            with suppress(InvalidUpdate):  # formats of the program's own
                self._halves |= TextParser(update).parse().halves


def as_document(document: PlainDoc | _Other) -> PlainDocument | _Other:
    """What a provider needs of a document: itself, unless it is one of the library."""
    return PlainDocument(document) if isinstance(document, Doc) else document

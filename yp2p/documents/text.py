"""The text of one file as a document.

Positions in this module are code points, as everywhere in Python. pycrdt counts UTF-8 bytes, and an index inside
a character silently corrupts the document on other devices; `replace_in` is the one gateway between the two,
and `self_test` refuses to start on a release that counts otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from pycrdt import Doc, Subscription, Text

from yp2p.documents.diff import Hunk
from yp2p.documents.replica import Replica
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.insertions import Insertion, inserted_text
from yp2p.protocol.ysync import Shape

# More edits than this in one transaction make pycrdt slow (0.9 k/s at 250,000, 20 k/s at 1,000).
MAX_HUNKS = 1000
# What only removes text does not show whose it is, but for a mark.
_LEAVE_MARKS = (Writer.SAVED, Writer.TAKEN_BACK)


class TextReplica(Replica):
    """A replica of a text document."""

    shape = Shape.TEXT

    def __init__(self, client_id: int) -> None:
        super().__init__(client_id)
        self._text = self._doc.get(Shape.TEXT.value, type=Text)
        self._read = (-1, "")  # after how many changes, and what the text was then
        self._measured = (-1, 0)  # and how large

    @classmethod
    def from_updates(cls, client_id: int, updates: Iterable[bytes]) -> Self:
        replica = cls(client_id)
        replica.load(updates)
        return replica

    def observe(self, callback: Callable[[list[dict[str, Any]]], None]) -> Subscription:
        """Call back with what each transaction changes, as a Yjs delta that counts UTF-8 bytes."""
        subscription: Subscription = self._text.observe(lambda event: callback(event.delta))
        return subscription

    def unobserve(self, subscription: Subscription) -> None:
        self._text.unobserve(subscription)

    def text(self) -> str:
        """The whole text, exactly as decoded from the file."""
        if self._read[0] != self._changes:
            with self._calling_pycrdt():
                self._read = self._changes, str(self._text)
        return self._read[1]

    def size(self) -> int:
        """How many bytes the file has that this text stands for."""
        if self._measured[0] != self._changes:
            with self._calling_pycrdt():
                self._measured = self._changes, len(self._text)  # pycrdt counts UTF-8 bytes
        return self._measured[1]

    def content(self) -> bytes:
        """SHA-256 of the bytes of the file that this text stands for."""
        return hashlib.sha256(self.text().encode()).digest()

    def fork(self, client_id: int) -> TextReplica:
        """An independent copy that writes as `client_id`."""
        return TextReplica.from_updates(client_id, [self.state()])

    def edit(self, hunks: Sequence[Hunk]) -> bytes | None:
        """Make these replacements in one transaction; gives the update, None when they change nothing.

        Args:
            hunks: replacements in the current text, in order and without overlap; at most `MAX_HUNKS`.
        """
        if len(hunks) > MAX_HUNKS:
            raise ValueError(f"{len(hunks)} hunks in one edit, more than {MAX_HUNKS}")
        before = self.text()
        with self._changing(), self._doc.transaction():
            replace_in(self._text, before, hunks)
            if hunks and not any(hunk.text for hunk in hunks) and Writer.of(self.client_id) in _LEAVE_MARKS:
                self._leave_mark(before, hunks[0].start)
        return self._take_news()

    def apply_marked(self, update: bytes) -> bytes | None:
        """Apply an update that this device made, with a mark of its own; gives both as one update."""
        with self._changing(), self._doc.transaction():
            self._doc.apply_update(update)
            self._leave_mark("", 0)
        return self._take_news()

    def _leave_mark(self, before: str, place: int) -> None:
        """Write a character and remove it: a save that only removes text would not show in a state vector."""
        (offset,) = _byte_offsets(before, [place])
        self._text.insert(offset, "|")
        del self._text[offset : offset + 1]


def first_import(text: str) -> Insertion:
    """The document of a first import: equal texts give equal bytes on every device (invariant 5).

    Made without the library, which takes longer to make an empty document than all else that an import takes.
    """
    return Insertion.of(import_client(text), text)


def import_client(text: str) -> int:
    """The client ID of the first import of a text."""
    return client_id_from(Writer.SAVED, b"import", text.encode())


def imported(text: str) -> bytes:
    """The update of a first import."""
    return first_import(text).update


def read_first_import(update: bytes) -> tuple[str, Insertion] | None:
    """The text of which an update is the first import, to the byte, and that import; None for any other update."""
    text = inserted_text(update)
    made = first_import(text) if text is not None else None
    return (text, made) if text is not None and made is not None and made.update == update else None


def replace_in(text: Text, before: str, hunks: Sequence[Hunk]) -> None:
    """Replace code points of `before`, which is what a text of the library says: in order and without overlap."""
    offsets = _byte_offsets(before, [place for hunk in hunks for place in (hunk.start, hunk.stop)])
    for number in range(len(hunks) - 1, -1, -1):
        start, stop = offsets[2 * number], offsets[2 * number + 1]
        if stop > start:
            del text[start:stop]
        if hunks[number].text:
            text.insert(start, hunks[number].text)


def _byte_offsets(text: str, places: Sequence[int]) -> list[int]:
    """UTF-8 offsets of ascending code point positions."""
    if text.isascii():
        return list(places)
    offsets: list[int] = []
    at = offset = 0
    for place in places:
        offset += len(text[at:place].encode())
        at = place
        offsets.append(offset)
    return offsets


def self_test() -> None:
    """Raise RuntimeError when the installed pycrdt does not count positions as this module expects."""
    doc: Doc[Text] = Doc(client_id=1)
    text = doc.get(Shape.TEXT.value, type=Text)
    text.insert(0, "aé😀z")
    del text[1:3]
    text.insert(5, "!")
    if str(text) != "a😀!z":
        raise RuntimeError(
            "this release of pycrdt counts positions in another unit than UTF-8 bytes, which would corrupt "
            "documents; install the version that pyproject.toml names"
        )

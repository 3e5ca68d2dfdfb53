"""What programs showed of a text while no daemon ran, and what was saved meanwhile.

Theory of operation
    What is written in a program while no daemon runs, and saved by it or beside it, comes twice afterwards: the file is
    read and found to be edited, and the program brings its own operations. Both are changes of what was stored last, so
    merged as two histories they would stand twice, and what was saved half done would meet what became of it.

    But the saved text was on the program's screen. So a program that comes back says which texts it showed, as hashes.
    A save that is one of them has nothing that the program does not bring, and what the program shows now is a change
    of it: it is the base of their meeting (`meetings.py`), whichever of the two comes first.

    That holds for a save of who had seen what is on the disk. Where the file had something that the program did not
    know, an operation or a deletion of another device, a save with the same text may be a copy that somebody put back,
    which takes back what came. Nobody can tell, so it is an edit: what stands twice can be deleted, what is gone not.

Invariants
    * A save counts only if the program knows what the save was made of: all its operations, and all its deletions.
    * A text counts for what was saved while the program was away, and for nothing later: a file that is put back when
      the file has had what the program brought is an edit.
    * A text counts only while the document has what the program wrote. What was refused is in the save alone.
    * What is forgotten, as this is in memory alone, costs no text: then the two meet as any histories do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from yp2p.documents.joined import Side
from yp2p.documents.text import TextReplica
from yp2p.folder.records import FileRecord
from yp2p.protocol.deleted_ranges import DeletedRange, in_order
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.protocol.ysync import Shape, UpdateParser

# Of an editor that saves again and again while a daemon starts, the last ones.
_MOST_SAVES = 4
# Programs that had the text open when the daemon went.
_MOST_PROGRAMS = 16


@dataclass(frozen=True, slots=True)
class Save:
    """A save that was found."""

    record: FileRecord  # with it
    update: bytes  # what it changed in what the file said before


@dataclass(frozen=True, slots=True)
class _Program:
    contents: frozenset[bytes]
    known: Side  # what it had when it came back
    wrote: StateVector  # who has all of that has seen what it showed


class ShownTexts:
    """Of one text."""

    def __init__(self) -> None:
        self._saves: deque[Save] = deque(maxlen=_MOST_SAVES)  # since the start
        self._programs: deque[_Program] = deque(maxlen=_MOST_PROGRAMS)

    def found(self, save: Save) -> None:
        """A save was found, and is in the document."""
        self._saves.append(save)

    def add(self, contents: Sequence[bytes], known: Side, wrote: StateVector) -> None:
        """What a program brought is in the document: it showed texts with these hashes, and wrote this meanwhile."""
        if not contents:
            return  # it was not away, or shows no texts: it takes the place of none that did
        self._programs.append(_Program(frozenset(contents), known, wrote))

    def has(self, save: TextReplica, update: bytes, there: StateVector) -> bool:
        """Whether a save is what a program showed, made before the file had what that program wrote.

        Args:
            update: what the save changed.
            there: what the document has.
        """
        clocks = save.clocks()
        return any(
            contains(there, one.wrote) and not contains(clocks, one.wrote) and save.content() in one.contents
            and _is_made_on(one.known, save, update)
            for one in self._programs
        )  # fmt: skip

    def last_saved(
        self, known: Side, contents: Sequence[bytes], with_save: Callable[[FileRecord], TextReplica]
    ) -> str | None:
        """What a program showed last of what was then saved; None where nothing was that it has not seen.

        A save that was made of a save which counts does so as well.

        Args:
            known: what the program has.
            contents: the hashes of the texts that it showed, the oldest first.
            with_save: gives the text with a save.
        """
        number = {content: at for at, content in enumerate(contents)}
        last, text, seen = -1, None, known
        for save in self._saves:
            at = number.get(save.record.content)
            if at is None:
                continue
            replica = with_save(save.record)
            if not _is_made_on(seen, replica, save.update):
                continue
            clocks = replica.clocks()
            if at > last and not contains(known.vector, clocks):
                last, text = at, replica.text()
            seen = Side(_joined(seen.vector, clocks), [*seen.deleted, *replica.deleted()])
        return text


def _is_made_on(known: Side, save: TextReplica, update: bytes) -> bool:
    """Whether who has this knows all that a save was made of: what is there with the save, but for the save."""
    parser = UpdateParser(update, Shape.TEXT)
    own = parser.parse().sections
    before = {client: own[client][0] if client in own else clock for client, clock in save.clocks().items()}
    return contains(known.vector, before) and _covers([*known.deleted, *parser.ranges], save.deleted())


def _covers(outer: Sequence[DeletedRange], inner: Iterable[DeletedRange]) -> bool:
    return in_order([*outer, *inner]) == in_order(outer)


def _joined(one: StateVector, other: StateVector) -> StateVector:
    return {client: max(one.get(client, 0), other.get(client, 0)) for client in {*one, *other}}

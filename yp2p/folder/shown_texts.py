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

    Nor can anybody tell a save from a copy that somebody put back while the program was away, but by the time: the
    program says when it showed which text, and a file of another moment (`Shown.is_saved_at`) was put back. Whether the
    program's newer text was on the disk by then is not known, so that stands all the same, and a notice tells of it.

    What a program brought is in the document at once, and its file may be looked at much later, by another daemon. So
    what it showed is stored before what it brought is. A save that was found is stored as the base of its file.

Invariants
    * A save counts only if the program knows what the save was made of: all its operations, and all its deletions.
    * A text counts for what was saved while the program was away, and for nothing later: a file that is put back when
      the file has had what the program brought is an edit.
    * A text counts only while the document has what the program wrote. What was refused is in the save alone.
    * What a program showed is stored no later than what it brought, and for a day.
    * What is forgotten costs no text that was not written twice: then the two meet as any histories do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from yp2p.documents.joined import Side
from yp2p.documents.text import TextReplica
from yp2p.folder.records import FileRecord
from yp2p.folder.screens import Screens
from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.channel import HASH_BYTES
from yp2p.protocol.deleted_ranges import DeletedRange, encode, in_order
from yp2p.protocol.state_vectors import StateVector, contains, encode_state_vector, read_state_vector
from yp2p.protocol.ysync import Shape, UpdateParser, deleted_ranges
from yp2p.store import tables
from yp2p.store.sql import Read, Statement

# Of an editor that saves again and again while a daemon starts, the last ones.
_MOST_SAVES = 4
# Programs that had the text open when the daemon went.
_MOST_PROGRAMS = 16
# Between the moment in which a text is on the screen and that of its file: editors tell of what was typed after up to
# half a second, and save in the background on slow disks.
_SAVING_S = 10.0
_NO_OPERATIONS = b"\x00"
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Save:
    """A save that was found."""

    record: FileRecord  # with it
    update: bytes  # what it changed in what the file said before


@dataclass(frozen=True, slots=True)
class Shown:
    """What a program showed while it was away.

    Attributes:
        contents: the hashes of the texts, the oldest first.
        since_ms: when each came to the screen, in milliseconds since 1970; nothing where that is not known.
        until_ms: when the program was back.
    """

    contents: tuple[bytes, ...] = ()
    since_ms: tuple[int, ...] = ()
    until_ms: int = 0

    def is_saved_at(self, content: bytes, at_s: float) -> bool:
        """Whether a text was on the screen when a file with it was written, as far as is known."""
        if len(self.since_ms) != len(self.contents):
            return True
        times = pairwise([*self.since_ms, max(self.until_ms, self.since_ms[-1])])
        return any(
            since / 1000 - _SAVING_S <= at_s <= until / 1000 + _SAVING_S
            for one, (since, until) in zip(self.contents, times, strict=True)
            if one == content
        )


@dataclass(frozen=True, slots=True)
class WentOnFrom:
    """The text that a program went on from; `is_put_back`: where it was not on its screen when the file got it."""

    text: str
    is_put_back: bool = False


@dataclass(frozen=True, slots=True)
class _Program:
    shown: Shown
    known: Side  # what it had when it came back
    wrote: StateVector  # who has all of that has seen what it showed

    def stored(self, folder: FolderID, document: DocumentID) -> list[Statement]:
        """What keeps it beyond a restart."""
        contents, times = b"".join(self.shown.contents), [*self.shown.since_ms, self.shown.until_ms]
        known = encode_state_vector(self.known.vector), _NO_OPERATIONS + encode(self.known.deleted)
        return [
            tables.shown.save(
                folder, document, time.time(), (contents, b"".join(at.to_bytes(_TIME_BYTES, "big") for at in times)),
                known, encode_state_vector(self.wrote),
            ),
            tables.shown.keep_last(folder, document, _MOST_PROGRAMS),
        ]  # fmt: skip

    @classmethod
    def of(cls, contents: bytes, times: bytes, known: bytes, gone: bytes, wrote: bytes) -> _Program:
        """Args: as `tables.shown.read_all` gives them."""
        hashes = tuple(contents[at : at + HASH_BYTES] for at in range(0, len(contents), HASH_BYTES))
        *since, until = (
            int.from_bytes(times[at : at + _TIME_BYTES], "big") for at in range(0, len(times), _TIME_BYTES)
        )
        side = Side(read_state_vector(known), deleted_ranges(gone))
        return cls(Shown(hashes, tuple(since), until), side, read_state_vector(wrote))


class ShownTexts:
    """Of one text."""

    def __init__(self) -> None:
        self._saves: deque[Save] = deque(maxlen=_MOST_SAVES)  # since the start
        self._programs: deque[_Program] = deque(maxlen=_MOST_PROGRAMS)
        self._is_loaded = False
        self.screens = Screens()

    def found(self, save: Save) -> None:
        """A save was found, and is in the document."""
        self._saves.append(save)

    @property
    def has_saves(self) -> bool:
        return bool(self._saves)

    def load(self, read: Read, folder: FolderID, document: DocumentID) -> None:
        """Once: what the store knows of programs that came before this text was in memory."""
        if not self._is_loaded:
            self._is_loaded = True
            here = [one.wrote for one in self._programs]
            stored = [_Program.of(*row) for row in tables.shown.read_all(read, folder, document)]
            before = [one for one in stored if one.wrote not in here]
            self._programs = deque([*before, *self._programs], maxlen=_MOST_PROGRAMS)

    def add(
        self, shown: Shown, known: Side, wrote: StateVector, folder: FolderID, document: DocumentID
    ) -> list[Statement]:
        """What a program brings comes into the document now: it showed these texts, and wrote this meanwhile.

        Returns:
            What is to be stored before what it brings is.
        """
        if not shown.contents:
            return []  # it was not away, or shows no texts: it takes the place of none that did
        program = _Program(shown, known, wrote)
        self._programs.append(program)
        return program.stored(folder, document)

    def of_save(self, save: TextReplica, update: bytes, at_s: float, there: StateVector) -> WentOnFrom | None:
        """What a program went on from, where that is this save: it showed its text, and the save was made before the
        file had what that program wrote.

        Args:
            update: what the save changed.
            at_s: when the file was written, in seconds since 1970.
            there: what the document has.
        """
        clocks, content, seen = save.clocks(), save.content(), self.screens.on_screen
        if seen is not None and seen.content == content:
            return WentOnFrom(seen.text)
        found = [
            one.shown.is_saved_at(content, at_s)
            for one in self._programs
            if contains(there, one.wrote) and not contains(clocks, one.wrote) and content in one.shown.contents
            and _is_made_on(one.known, save, update)
        ]  # fmt: skip
        return WentOnFrom(save.text(), not any(found)) if found else None

    def last_saved(
        self, known: Side, shown: Shown, with_save: Callable[[FileRecord], TextReplica]
    ) -> WentOnFrom | None:
        """What a program showed last of what was then saved; None where nothing was that it has not seen.

        A save that was made of a save which counts does so as well.

        Args:
            known: what the program has.
            with_save: gives the text with a save.
        """
        number = {content: at for at, content in enumerate(shown.contents)}
        last, found, seen = -1, None, known
        for save in self._saves:
            at = number.get(save.record.content)
            if at is None:
                continue
            replica = with_save(save.record)
            if not _is_made_on(seen, replica, save.update):
                continue
            clocks = replica.clocks()
            if at > last and not contains(known.vector, clocks):
                is_saved = shown.is_saved_at(save.record.content, save.record.stamp.ctime_ns / 1e9)
                last, found = at, WentOnFrom(replica.text(), not is_saved)
            seen = Side(_joined(seen.vector, clocks), [*seen.deleted, *replica.deleted()])
        return found


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

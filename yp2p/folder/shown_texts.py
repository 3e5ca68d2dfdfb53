"""What programs showed of a text while no daemon ran, and what was saved meanwhile.

Theory of operation
    What is written in a program while no daemon runs, and saved by it or beside it, comes twice afterwards: the file is
    read and found to be edited, and the program brings its own operations. Both are changes of what was stored last, so
    merged as two histories they would stand twice, and what was saved half done would meet what became of it.

    But the saved text was on the program's screen. So a program that comes back says which texts it showed, as hashes.
    A save that is one of them has nothing that the program does not bring, and what the program shows now is a change
    of it: it is the base of their meeting (`meetings.py`), whichever of the two comes first.

Invariants
    * A text counts for what was saved while the program was away, and for nothing later: a file that is put back when
      the file has had what the program brought is an edit.
    * What is forgotten, as this is in memory alone, costs no text: then the two meet as any histories do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from yp2p.documents.text import TextReplica
from yp2p.folder.records import FileRecord
from yp2p.protocol.state_vectors import StateVector, contains

# Of an editor that saves again and again while a daemon starts, the last ones.
_MOST_SAVES = 2
# Programs that had the text open when the daemon went.
_MOST_PROGRAMS = 16


@dataclass(frozen=True, slots=True)
class _Program:
    contents: frozenset[bytes]
    wrote: StateVector  # who has all of that has seen what it showed


class ShownTexts:
    """Of one text."""

    def __init__(self) -> None:
        self.saves: deque[FileRecord] = deque(maxlen=_MOST_SAVES)  # that were found since the start
        self._programs: deque[_Program] = deque(maxlen=_MOST_PROGRAMS)

    def add(self, contents: Sequence[bytes], wrote: StateVector) -> None:
        """A program is back that showed texts with these hashes, and that wrote this meanwhile."""
        if not contents:
            return  # it was not away, or shows no texts: it takes the place of none that did
        self._programs.append(_Program(frozenset(contents), wrote))

    def has(self, save: TextReplica) -> bool:
        """Whether a save is what a program showed, made before the file had what that program wrote."""
        clocks = save.clocks()
        return any(
            not contains(clocks, one.wrote) and save.content() in one.contents for one in self._programs
        )  # fmt: skip

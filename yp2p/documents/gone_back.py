"""A file that a power cut took back, and that was saved over since: which text its writer had before him.

Theory of operation
    After a power cut a file holds what had reached the disk: some version of it, which need not be one that was ever
    looked at. Two saves that were taken in one look are one version of the document, and the disk may have the first
    alone. What is then saved over it looks like a change of the whole: a new line like another wording of a lost one.

    So three texts are compared: a version *before* all that can have been lost, the version that is *known* to have
    been there, and the *save*. Where the save has what was there before, the disk had gone back to that. Where it has
    what is known, it had not. Where it has something else, what it has in common with the known version was there, and
    nothing else of that. The text made so is what both went on from: the save is merged with the known version as a
    change of it.

    A line is *lost* where the save takes some of it out, and has it nowhere else; and only if it was not there before.
    Who changed a line after the power cut that had come shortly before it looks the same. Then both lines stand, and
    that is told: what stands twice can be deleted, what is gone not.

Invariants
    * A save that only adds to the known version, or moves its lines, has lost none.
    * What both versions have and the save has not was taken out by somebody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from yp2p.documents.diff import Hunk, hunks, split_lines
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector
from yp2p.threeway.lines import Three, groups, side_of
from yp2p.threeway.sequences import differences


@dataclass(frozen=True, slots=True)
class GoneBack:
    """What a file lacked when it was saved, though its document has it.

    Attributes:
        base: the text that was on the disk.
        lost: the operations that the lost lines are.
    """

    base: str
    lost: Sequence[DeletedRange]

    def seen(self, clocks: StateVector) -> StateVector:
        """What of these operations the writer of the save can have seen."""
        seen = dict(clocks)
        for client, start, _ in self.lost:
            seen[client] = min(start, seen.get(client, 0))
        return seen


def lost_lines(before: str, known: str, save: str) -> list[Hunk]:
    """The lines of `known` that a save has lost, each as what takes it out, in order."""
    changes = [hunk for hunk in hunks(known, save) if known[hunk.start : hunk.stop].strip()]
    lines, old = split_lines(known), set(split_lines(before))
    more = Counter(split_lines(save))
    more.subtract(lines)  # how many of each line the save has more
    found: list[Hunk] = []
    start = number = 0
    for line in lines if changes else ():
        stop = start + len(line)
        while number < len(changes) and changes[number].stop <= start:
            number += 1
        if number < len(changes) and changes[number].start < stop and more[line] < 0 and line not in old:
            found.append(Hunk(start, stop, ""))
        start = stop
    return found


def base_between(before: str, known: str, save: str) -> str:
    """The text that a save was made of, on a disk that had gone back to somewhere between two versions."""
    three = Three(split_lines(before), split_lines(known), split_lines(save))
    lines: list[str] = []
    at = 0
    for (start, stop), by_known, by_save in groups(three.by_ours, three.by_theirs):
        lines += three.base[at:start]
        at = stop
        had = three.base[start:stop]
        if by_known and by_save:
            in_known, in_save = (
                side_of(side, changes, start, stop)
                for side, changes in ((three.ours, by_known), (three.theirs, by_save))
            )
            had = _common(in_known, in_save) or (had if in_known != in_save else ())
        lines += had
    return "".join([*lines, *three.base[at:]])


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The lines that both have, in order."""
    lines: list[str] = []
    at = 0
    for block in differences(one, other):
        lines += one[at : block.old_start]
        at = block.old_stop
    return [*lines, *one[at:]]

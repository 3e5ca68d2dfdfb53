"""Where two histories of one text meet that were made apart: what becomes of it.

Theory of operation
    Yjs merges operations, character by character: where two people changed one line apart, that makes lines that
    nobody wrote. So devices that meet look at three texts: what both had, what we have, what they have (`joined.py`).
    What stands afterwards is decided of the texts (`threeway/merge.py`), and where the union of the operations says
    something else, a *repair* is applied to it: an update that is nobody's edit.

    Keystrokes of programs that cross are no histories apart: they are merged as Yjs does, and cost what they change.
    Everything else that a daemon writes is known by its client ID (`protocol/clients.py`). With each such update a
    device says what it had then (`Have`, docs/protocol.md), so whoever gets it knows all three texts.

    Among many. Each device that sees two histories meet repairs them by itself, at once. Two devices that saw the same
    make the same update, to the byte, so it comes once. Two that saw different parts of what was written at a time make
    different ones, and those meet as well:

    * A side that has all edits of the other one, and more, is right.
    * Where both have all edits of the other, one of both texts stands: the one that comes later in an order of texts
      that all agree on, also where the union happens to say the other one.
    * Where both have edits that the other lacks, the three texts decide as ever, with what was repaired on either side.

    So every meeting is decided by the texts and the sets of operations alone, the same wherever it happens. After the
    last edit no device makes a text that did not stand on some device already: it only takes one side or the other.
    Once all have all edits, each takes only texts that come later in the order than its own, so soon all have the same.
    From then on it is only settled which operations make that text, which comes to an end as well (`kept_lines.py`).

    All of this needs the three texts as they were, to the character: what a device takes for the text of another one
    and never stood there it puts in again, as a copy. What stands where depends on who removed what (`removals.py`).

Invariants
    * Repairs are made for the exact union of two histories that were seen whole; whoever cannot see them makes none.
      Who lacks characters of a peer's text asks for them before anything of it is applied (`Meetings`): the union
      without its repair would go to others, who would take it for a text that somebody made.
    * What decides: three texts, the name's ending, sets of operations. Not time, place, or who is who.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from yp2p.documents.diff import hunks
from yp2p.documents.joined import Joined, Side, join, lacking, repair
from yp2p.documents.kept_lines import kept_by_first_operations
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.threeway import merge as threeway
from yp2p.threeway.lines import split_lines

__all__ = ["Decision", "Joined", "Meeting", "Side", "decide", "join", "lacking", "meeting_of", "repair_for"]


# What a device says of its rules: two that have different ones repair nothing where they meet.
MERGE_RULES = f"merge-rules={threeway.VERSION}"


class Meeting(Enum):
    """How two histories meet: who is right where both changed something."""

    THREE_TEXTS = auto()
    OURS = auto()
    THEIRS = auto()
    ONE_OF_BOTH = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What stands, and the places where a person would have been asked."""

    text: str
    told: Sequence[threeway.Told] = ()


def meeting_of(ours: StateVector, theirs: StateVector, *, apart: bool) -> Meeting | None:
    """How two histories meet; None where one of them has all of the other, or only keystrokes cross.

    Args:
        apart: whether the devices did not see each other: then keystrokes count as well.
    """
    only_ours = {client for client, clock in ours.items() if clock > theirs.get(client, 0)}
    only_theirs = {client for client, clock in theirs.items() if clock > ours.get(client, 0)}
    kinds = {Writer.of(client) for client in only_ours | only_theirs}
    if not only_ours or not only_theirs or (kinds == {Writer.TYPED} and not apart):
        return None
    edits = [{client for client in side if Writer.of(client) is not Writer.REPAIR} for side in (only_ours, only_theirs)]
    if edits[0] and edits[1]:
        return Meeting.THREE_TEXTS
    if edits[0] or edits[1]:
        return Meeting.OURS if edits[0] else Meeting.THEIRS
    return Meeting.ONE_OF_BOTH


def decide(path: str, joined: Joined, meeting: Meeting) -> Decision:
    """What stands after a meeting. `path` is the name of the file; its ending tells the language."""
    if meeting is Meeting.THREE_TEXTS:
        merged = threeway.merge(path, joined.base, joined.ours, joined.theirs, joined.back)
        return Decision(merged.text, merged.told)
    if meeting is Meeting.ONE_OF_BOTH:
        return Decision(max(joined.ours, joined.theirs, key=_rank))
    return Decision(joined.ours if meeting is Meeting.OURS else joined.theirs)


def _rank(text: str) -> tuple[int, int, str]:
    """An order of texts that all agree on: the one with the most different lines, and then the shortest one."""
    return len(set(split_lines(text))), -len(text), text


def repair_for(joined: Joined, text: str, meeting: Meeting) -> bytes | None:
    """The update that makes `text` of the union; None where it is that already.

    Of repairs alone lines are made whole again: their pieces, which many put in differently, would be mended for ever.
    Which of several equal lines stay is the same everywhere then (`kept_lines.py`).
    """
    if joined.text == text:
        return None
    changes = kept_by_first_operations(joined, text) if meeting is Meeting.ONE_OF_BOTH else None
    if changes is None:
        changes = hunks(joined.text, text, limit=10_000, by_words=meeting is not Meeting.ONE_OF_BOTH)
    return repair(joined, changes, threeway.VERSION)


def are_whole(ours: StateVector, theirs: StateVector, union: StateVector) -> bool:
    """Whether two histories are all that there is in their union, and are in it."""
    either = {client: max(ours.get(client, 0), theirs.get(client, 0)) for client in {*ours, *theirs}}
    return contains(either, union) and contains(union, either)


def meet(
    path: str, updates: Iterable[bytes], ours: Side, theirs: Side, *, apart: bool = True, said: Iterable[bytes] = ()
) -> tuple[bytes | None, Decision | None]:
    """The repair of a meeting, and what was decided; None and None where nothing is to be decided, or cannot be.

    Args:
        updates: all of both histories, with the content of what was deleted.
        said: as for `join`.

    Raises:
        CrdtPanic: the library panicked.
    """
    meeting = meeting_of(ours.vector, theirs.vector, apart=apart)
    joined = join(updates, ours, theirs, said) if meeting is not None else None
    if meeting is None or joined is None:
        return None, None
    decision = decide(path, joined, meeting)
    return repair_for(joined, decision.text, meeting), decision

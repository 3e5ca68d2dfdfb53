"""Merging where both sides may have worked apart (theory: `merge.py`)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from yp2p.documents.diff import Hunk
from yp2p.documents.merge import look_at_merge
from yp2p.documents.replica import client_id_from
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.protocol.labels import MAX_PIECES, Side, labelled
from yp2p.protocol.ysync import Parsed, check_update, contains, deleted_ranges

# Looking at a merge costs as much as loading the text. In a large one a few keystrokes are not worth that: the changes
# that come twice there, a formatter's or a pull's, are larger.
_LARGE_CHARS = 200_000
_KEYSTROKES_BYTES = 1024
_MARK = "|"


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge brought: `news`, the update that takes out what it doubled, and lines that both sides changed."""

    news: bytes | None
    repair: bytes | None = None
    lines: tuple[str, ...] = ()


def receive_from_peer(
    replica: TextReplica,
    update: bytes,
    own_clients: Set[int],
    known: dict[int, int],
    parsed: Parsed | None = None,
    *,
    is_equal: bool = False,
) -> Merged:
    """Apply a peer's update, and take out again what was there already.

    Args:
        known: the state vector that the peer is known to have had; brought up to date.
        parsed: as in `Replica.receive`.
        is_equal: whether the peer announced the content that we have.

    Raises:
        InvalidUpdate, MissingDependency, DocumentPoisoned: as `Replica.receive`.
    """
    ours = replica.clocks()
    if parsed is None:
        parsed = check_update(update, replica.shape, ours, own_clients, replica.halves)
    for client in _surprises(parsed, known):
        known[client] = max(ours.get(client, 0), known.get(client, 0))
    for client, clock in parsed.vector().items():
        known[client] = max(known.get(client, 0), clock)
    apart = not contains(known, ours) and (len(update) >= _KEYSTROKES_BYTES or len(replica.text()) <= _LARGE_CHARS)
    side = Side(ours, replica.deleted()) if apart else None
    before = replica.text() if is_equal else None
    news = replica.receive(update, own_clients, parsed)
    if news is None or side is None:
        return Merged(news)
    return settle(replica, news, side, Side(known, deleted_ranges(update)), before)


def _surprises(parsed: Parsed, known: dict[int, int]) -> set[int]:
    """Client IDs of which the sender has had more than we knew: as channels are ordered, then all that there is."""
    return {
        client
        for needs in (parsed.origins, parsed.deletes)
        for client, clock in needs.items()
        if clock > known.get(client, 0) and (client not in parsed.sections or clock <= parsed.sections[client][0])
    }


def settle(replica: TextReplica, news: bytes, ours: Side, theirs: Side, wanted: str | None = None) -> Merged:
    """Look at what was just merged into `replica`, and repair it.

    Args:
        ours, theirs: what each side had; where something else is in the document, nobody can tell and nothing is done.
        wanted: the text of both sides, where both had the same.
    """
    now = replica.clocks()
    either = {client: max(ours.vector.get(client, 0), theirs.vector.get(client, 0)) for client in now}
    if contains(ours.vector, now) or not contains(either, now):
        return Merged(news)
    update, sides = labelled(replica.state(), ours, theirs)
    if len(sides) > MAX_PIECES:
        return Merged(news)
    letters = TextReplica.from_updates(replica.client_id, [update]).text()
    meeting = look_at_merge(replica.text(), letters, sides, wanted)
    repair = _update_for(replica, meeting.repair) if meeting.repair else None
    return Merged(news, replica.apply(repair) if repair is not None else None, tuple(meeting.lines))


def _update_for(replica: TextReplica, repair: list[Hunk]) -> bytes:
    """The update that makes these replacements: the same on every device that sees this document (invariant 5).

    Taking out a second copy leaves a mark behind the first one, a character that is there and gone at once. Whoever
    gets the update sees by what the mark follows that its maker had both copies; else the rest of a run could look
    like one more twin.
    """
    fork = replica.fork(client_id_from(b"twins", replica.version(), repr(repair).encode()))
    for stop in range(len(repair), 0, -MAX_HUNKS):  # from the end, so that places before stay what they are
        part = repair[max(0, stop - MAX_HUNKS) : stop]
        if any(hunk.text for hunk in part):
            fork.edit(part)
        else:
            fork.edit([Hunk(hunk.start, hunk.start, _MARK) for hunk in part])
            fork.edit([Hunk(hunk.start + n, hunk.stop + n + 1, "") for n, hunk in enumerate(part)])
    return fork.update_since(replica.state_vector())

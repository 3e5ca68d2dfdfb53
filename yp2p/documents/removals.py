"""Who has removed what: what a state vector tells of deletions.

Theory of operation
    A state vector says which operations a device has, not what is deleted there. Who has all operations of an update
    has had that update, and so removed what it removes.

    A repair is nobody's update: what it puts in others may have from another repair that puts in the same, and it may
    never come to a device that has all of it already, in a larger repair. So what a repair removes has a *mark*: a
    character that it removes as well, with a client ID derived from what is removed. Who has the mark has removed all
    that it names, whatever update brought it; who lacks it has not, by this repair.

    What a save of an older version removes counts in the same way, so the log has it as it was made (`as_logged`).

Invariants
    * A mark counts only where it names what the update removes, to the operation: of a sum of updates it tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from yp2p.protocol import delete_sets
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.protocol.update_merge import Place, read_blocks
from yp2p.protocol.ysync import Checked, Parsed, Shape, UpdateParser
from yp2p.threeway.merge import VERSION

# Deletions that an update names again take some bytes each. An answer names all that ever were.
_MAX_REPEATED_BYTES = 512


def mark_for(left: Place | None, right: Place | None, removed: Sequence[DeletedRange], rules: int) -> int:
    """The client ID of the mark between two characters that names these removals, by this version of the rules."""
    name = delete_sets.encode(removed)
    return client_id_from(Writer.REPAIR, b"mark", str(rules).encode(), repr((left, right)).encode(), name)


def is_repair(parsed: Parsed) -> bool:
    """Whether an update has operations of repairs and no others."""
    return bool(parsed.sections) and all(Writer.of(client) is Writer.REPAIR for client in parsed.sections)


def mark_of(update: bytes, parsed: Parsed, removed: Sequence[DeletedRange]) -> int | None:
    """The client ID of the mark that names what an update removes; None where it has none.

    Args:
        parsed, removed: of this update.
    """
    if not removed or not is_repair(parsed):
        return None
    ranges = set(removed)
    for block in read_blocks(update):
        own = (block.client, 0, 1)
        if own in ranges and block.client == mark_for(block.origin, block.right, list(ranges - {own}), VERSION):
            return block.client
    return None


def teller_of(update: bytes, parser: UpdateParser, parsed: Parsed) -> StateVector:
    """Who has these operations has removed what an update removes: its mark, or else all operations that it has.

    Args:
        parser, parsed: of this update.
    """
    mark = mark_of(update, parsed, parser.ranges)
    return {mark: 1} if mark is not None else {client: stop for client, (_, stop) in parsed.sections.items()}


def as_logged(received: Checked, before: StateVector, news: bytes) -> bytes:
    """What the log gets of an update: the update as it was made, or its new part alone.

    What it deletes may have been deleted here already, by another update. The log has to say that this one did as well:
    who has this one and not the other has it deleted, and takes part in meetings with that. So it does of a repair; and
    of others where all their operations are new, and little is said again. An update without operations counts as known
    to everybody, so it must not say more than it has to.

    Args:
        before: the state vector without it.
    """
    sections = received.parsed.sections
    if mark_of(received.data, received.parsed, received.deleted) is not None:
        return received.data
    is_new = bool(sections) and all(start >= before.get(client, 0) for client, (start, _) in sections.items())
    return received.data if is_new and len(received.data) <= len(news) + _MAX_REPEATED_BYTES else news


def deleted_at(vector: StateVector, log: Iterable[bytes], deleted: Iterable[DeletedRange]) -> list[DeletedRange]:
    """The part of our deletions that a device with this state vector has as well.

    An update that a program made and that only deletes does not show in a state vector: all devices count as having it.

    Args:
        log: all updates of the document.
        deleted: what is deleted in it.
    """
    unknown: list[DeletedRange] = []
    known: list[DeletedRange] = []
    for update in log:
        parser = UpdateParser(update, Shape.TEXT)
        parsed = parser.parse()
        if not contains(vector, teller_of(update, parser, parsed)):
            unknown += parser.ranges
        elif parsed.sections:
            known += parser.ranges
    return delete_sets.without(deleted, delete_sets.without(unknown, known))  # two updates may remove the same

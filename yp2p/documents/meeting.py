"""Merging where both sides may have worked apart (theory: `merge.py`)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from yp2p.documents.merge import look_at_merge
from yp2p.documents.replica import client_id_from
from yp2p.documents.text import TextReplica
from yp2p.protocol.labels import labelled
from yp2p.protocol.ysync import Parsed, StateVector, contains


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
) -> Merged:
    """Apply a peer's update, and take out again what was there already.

    Args:
        known: the state vector that the peer is known to have had; brought up to date.
        parsed: as in `Replica.receive`.

    Raises:
        InvalidUpdate, MissingDependency, DocumentPoisoned: as `Replica.receive`.
    """
    ours = replica.clocks()
    news = replica.receive(update, own_clients, parsed)
    sender = replica.received.vector() if replica.received is not None else {}
    for client, clock in sender.items():
        known[client] = max(known.get(client, 0), clock)
    if news is None or contains(known, ours):
        return Merged(news)
    return settle(replica, news, ours, known)


def settle(replica: TextReplica, news: bytes, ours: StateVector, theirs: StateVector) -> Merged:
    """Look at what was just merged into `replica`, and repair it.

    Args:
        ours, theirs: what each side had; where something else is in the document, nobody can tell and nothing is done.
    """
    now = replica.clocks()
    if contains(ours, now) or any(max(ours.get(c, 0), theirs.get(c, 0)) < clock for c, clock in now.items()):
        return Merged(news)
    letters = TextReplica.from_updates(replica.client_id, [labelled(replica.state(), ours, theirs)]).text()
    meeting = look_at_merge(replica.text(), letters)
    update = None
    if meeting.repair:
        # Every device that sees this document makes the same update of it (invariant 5).
        fork = replica.fork(client_id_from(b"twins", replica.version(), repr(meeting.repair).encode()))
        update = fork.edit(meeting.repair)
    return Merged(news, replica.apply(update) if update is not None else None, tuple(meeting.lines))

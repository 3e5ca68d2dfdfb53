"""What came from a device that was removed: the operations of its rows of the log, and which of these are not its own.

A removed device also passed on what others wrote. Their operations are told by their client IDs, as far as devices
have said which are theirs. A deletion has no author: what came as deleted together with operations of others may be
either's, and only what stands beside these, which they replaced, is taken for theirs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import trio

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.order import Order
from yp2p.documents.registers import Claim
from yp2p.documents.text import import_client
from yp2p.documents.undo import operations
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Single
from yp2p.folder.turns import Slice, turn
from yp2p.folder.uncounted import KEPT_APART_S
from yp2p.identity import DeviceID
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.update_merge import UpdateMerge
from yp2p.protocol.ysync import Checked, Shape, UpdateParser, parse_update

# A day less: ages are counted in days on which the daemon ran.
_FORGED_WITHIN_S = KEPT_APART_S - 86400.0


class Counted:
    """What counts of a document: what a member has of it.

    Attributes:
        states: of a manifest document, what it has.
        is_there: whether it has anything.
    """

    def __init__(self) -> None:
        self.states: list[Checked] = []
        self.is_there = False
        self._clocks: dict[int, int] = {}
        self._deleted: list[DeletedRange] = []

    def add(self, state: Checked, shape: Shape) -> None:
        """The member has this."""
        self.is_there = self.is_there or bool(state.parsed.sections)
        if shape is Shape.MANIFEST:
            self.states.append(state)
        for client, (_, stop) in state.parsed.sections.items():
            self._clocks[client] = max(stop, self._clocks.get(client, 0))
        self._deleted += state.deleted

    def lacks(self, row: Single) -> bool:
        """Whether anything may be news in a row. Of what only deletes something that is not known."""
        sections = parse_update(row.data).sections
        return not sections or any(stop > self._clocks.get(client, 0) for client, (_, stop) in sections.items())

    def has_deleted(self, operations: Operations) -> bool:
        """Whether it has deleted all that they inserted."""
        return bool(operations.inserted) and not without(operations.inserted, self._deleted)

    def beyond(self, operations: Operations) -> Operations:
        """What is not among it."""
        known = [(client, 0, clock) for client, clock in self._clocks.items()]
        return Operations(
            without(operations.inserted, known),
            without(operations.deleted, self._deleted),
            without(operations.by_either, self._deleted),
            operations.of_others,
        )


@dataclass(slots=True)
class Operations:
    """What some rows of a text inserted and deleted.

    Attributes:
        by_either: deleted by rows in which others have a part; `of_others` is what these inserted.
    """

    inserted: list[DeletedRange] = field(default_factory=list)
    deleted: list[DeletedRange] = field(default_factory=list)
    by_either: list[DeletedRange] = field(default_factory=list)
    of_others: list[DeletedRange] = field(default_factory=list)

    def __add__(self, other: Operations) -> Operations:
        return Operations(
            self.inserted + other.inserted,
            self.deleted + other.deleted,
            self.by_either + other.by_either,
            self.of_others + other.of_others,
        )

    def extend(self, other: Operations) -> None:
        """As `+=`, without a copy."""
        self.inserted += other.inserted
        self.deleted += other.deleted
        self.by_either += other.by_either
        self.of_others += other.of_others

    def __bool__(self) -> bool:
        return bool(self.inserted or self.deleted or self.by_either)

    def settled(self, updates: Sequence[bytes]) -> Operations:
        """With what was deleted by either, but for what others replaced. Args: `updates` are all of the text."""
        if not self.by_either:
            return self
        order = Order.of(updates)
        replaced = order.replaced(self.by_either, self.of_others, self.inserted) if order is not None else []
        return Operations(self.inserted, self.deleted + without(self.by_either, replaced))


def operations_of(
    folder: Folder, rows: Iterable[Single], device: DeviceID, imports: Set[int] = frozenset()
) -> Operations:
    """What rows inserted and deleted, but for what a removed device only passed on, by the claims of others.

    Args:
        imports: the client IDs with which others, who made the file, imported it.
    """
    found = Operations()
    for row in rows:
        parser = UpdateParser(row.data, Shape.TEXT)
        sections = parser.parse().sections
        of_others = {client for client in sections if client in imports or is_anothers(folder, client, device, row.at)}
        found.inserted += operations({client: sections[client] for client in sections.keys() - of_others})
        found.of_others += operations({client: sections[client] for client in of_others})
        (found.by_either if of_others else found.deleted).extend(parser.ranges)
    return found


async def imports_in(folder: Folder, rows: Sequence[Single]) -> set[int]:
    """The client IDs of saves with which a text begins, as an import does.

    Where the rows have all of its text that has to be what its client ID is computed of. Of a part, what was deleted
    since is not known any more: then nobody may have signed for the ID.
    """
    claimants = folder.catalogue.authorship.claimants
    began = await trio.to_thread.run_sync(_beginnings, [row.data for row in rows])
    return {
        client
        for client, text in began.items()
        if (not claimants(client) if text is None else client == import_client(text))
    }


def _beginnings(rows: Iterable[bytes]) -> dict[int, str | None]:
    """The saves that were written where there was nothing else, with their text as far as all of it is known."""
    merge = UpdateMerge()
    added = [merge.add(row) for row in rows]
    found: dict[int, str | None] = {}
    for client, blocks in merge.blocks.items():
        is_first = blocks[0].clock == 0 and blocks[0].origin is None and blocks[0].right is None
        if is_first and Writer.of(client) is Writer.SAVED:
            texts = [block.text() for block in blocks]
            known = [text for text in texts if text is not None]
            found[client] = "".join(known) if all(added) and len(known) == len(texts) else None
    return found


async def unclaimed(folder: Folder, rows: Iterable[Single], shape: Shape, device: DeviceID) -> set[int]:
    """The client IDs in rows of a removed device that nobody else, who counts, is known to have signed for."""
    found, slice_ = set[int](), Slice()
    for row in rows:
        sections = UpdateParser(row.data, shape).parse().sections
        found |= {client for client in sections if not _is_signed_for(folder, client, device)}
        if slice_.is_long:
            await slice_.end()
    return found


async def claims_of(state: Checked) -> list[Claim]:
    """The claims in what somebody has of a manifest document."""
    replica = ManifestReplica(1)
    replica.take(state)
    await turn()
    return Manifest.claims_in(replica)


def every_operation(rows: Iterable[bytes]) -> Operations:
    """What rows of a text inserted and deleted."""
    found = Operations()
    for data in rows:
        found.extend(operations_in(data, Shape.TEXT))
    return found


def operations_in(data: bytes, shape: Shape) -> Operations:
    """What a row of a document inserted and deleted."""
    parser = UpdateParser(data, shape)
    return Operations(operations(parser.parse().sections), parser.ranges)


def is_repair(row: Single, before: Single) -> bool:
    """Whether a row repairs what came with the one before: it was stored with it, and nobody wrote it."""
    is_next = row.seq == before.seq + 1 and before.origin and not row.origin and not row.group
    sections = parse_update(row.data).sections if is_next else {}
    return bool(sections) and all(Writer.of(client) is Writer.REPAIR for client in sections)


def is_anothers(folder: Folder, client: int, device: DeviceID, at: float) -> bool:
    """Whether operations of a client that came with a row of a removed device, at a time, are not that one's."""
    if folder.clients.device in folder.catalogue.authorship.claimants(client):
        # What we wrote ourselves we have: nobody brings it. A row of long ago may have come to hold it all the same.
        return time.time() - at >= _FORGED_WITHIN_S
    return _is_signed_for(folder, client, device)


def _is_signed_for(folder: Folder, client: int, device: DeviceID) -> bool:
    """Whether somebody else than a removed device, whose content counts, writes with a client ID."""
    authorship = folder.catalogue.authorship
    return any(claimant != device and authorship.counts(claimant) for claimant in authorship.claimants(client))

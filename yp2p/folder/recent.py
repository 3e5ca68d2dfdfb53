"""What was changed in a text lately, by whom it was not read for sure: taking that back is told.

Theory of operation
    Nobody can say for sure that the writer of a save had read what came: an indexer reads everything, and an editor
    that asks to load a file again is told no. So what a save removes of others' text, and what it brings back of the
    text that others had removed, is told, for as long as a program may have an older version open (`OPEN_S`).

    A document in memory remembers it as ranges of operations. What came before it was loaded is in the log, and is read
    at the first save (`recall`), in slices: what others wrote, who edits here by name, and programs of this device.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yp2p.documents.save_evidence import OPEN_S
from yp2p.folder.records import recent_rows
from yp2p.folder.turns import Slice
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import shared
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import Shape, UpdateParser

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder
    from yp2p.folder.live_document import LiveDocument

# What a client goes on with, or removes beside, is kept as one range, forgotten when the last of it is: else an hour of
# somebody's typing would be ten thousand ranges.
_ONE_RANGE_S = 600.0
# 100 KB. Somebody's typing is six ranges an hour; of a flood from a member who wants the memory the oldest go.
_MAX_RANGES = 1024


@dataclass(slots=True)
class _Range:
    since: float
    at: float
    start: int
    stop: int


class _Ranges:
    """Ranges of operations, with the time of their last change; the oldest first."""

    def __init__(self) -> None:
        self._ranges: deque[tuple[int, _Range]] = deque()
        self._last: dict[int, _Range] = {}  # of each client

    def add(self, at: float, client: int, start: int, stop: int) -> None:
        last = self._last.get(client)
        if (
            last is not None
            and last.since <= at < last.since + _ONE_RANGE_S
            and start <= last.stop
            and last.start <= stop
        ):
            last.start, last.stop, last.at = min(last.start, start), max(last.stop, stop), at
            return
        self._last[client] = added = _Range(at, at, start, stop)
        self._ranges.append((client, added))
        if len(self._ranges) > _MAX_RANGES:
            self._forget_first()

    def put_before(self, older: _Ranges) -> None:
        room = max(0, _MAX_RANGES - len(self._ranges))
        self._ranges.extendleft(list(reversed(older._ranges))[:room])

    def forget(self, until: float) -> None:
        while self._ranges and self._ranges[0][1].at < until:
            self._forget_first()

    def _forget_first(self) -> None:
        client, first = self._ranges.popleft()
        if self._last.get(client) is first:
            del self._last[client]

    def all(self) -> list[DeletedRange]:
        return [(client, one.start, one.stop - one.start) for client, one in self._ranges]

    def __bool__(self) -> bool:
        return bool(self._ranges)


class Recent:
    """Which operations were written and removed elsewhere lately; `overlap` tells what of them a save removes."""

    def __init__(self) -> None:
        self._written, self._removed = _Ranges(), _Ranges()
        self._newest: Collection[int] = ()
        self.is_whole = False  # whether what the log has of it is here as well

    def add(
        self, at: float, sections: Mapping[int, tuple[int, int]], removed: Iterable[DeletedRange] = ()
    ) -> None:  # fmt: skip
        """Args: `at` in seconds since 1970; `sections` as in `ysync.Parsed`; `removed` what was not removed before."""
        self._newest = sections.keys()
        for client, (start, stop) in sections.items():
            self._written.add(at, client, start, stop)
        for client, start, length in removed:
            self._removed.add(at, client, start, start + length)

    def put_before(self, older: Recent) -> None:
        """What happened before all that is here."""
        self._written.put_before(older._written)
        self._removed.put_before(older._removed)

    def newest(self) -> set[int]:
        """The client IDs of the last update."""
        return set(self._newest)

    def forget(self, until: float) -> None:
        """Forget what was before this, in seconds since 1970."""
        self._written.forget(until)
        self._removed.forget(until)

    def __bool__(self) -> bool:
        return bool(self._written or self._removed)

    @property
    def removed(self) -> list[DeletedRange]:
        """What was removed elsewhere."""
        return self._removed.all()

    def overlap(self, deleted: Iterable[DeletedRange]) -> int:
        """How many of these operations (client ID, first clock, number) were written elsewhere."""
        return sum(length for _, _, length in shared(deleted, self._written.all()))


def new_sections(sections: Mapping[int, tuple[int, int]], known: StateVector) -> dict[int, tuple[int, int]]:
    """What is new in an update, which may say again what was there: sections as in `ysync.Parsed`."""
    return {
        client: (max(start, known.get(client, 0)), stop)
        for client, (start, stop) in sections.items()
        if stop > known.get(client, 0)
    }


async def recall(folder: Folder, live: LiveDocument) -> None:
    """Have what a document knows of others' recent changes be all that is recent, and nothing else.

    The document has to stay in memory meanwhile (`LiveDocument.being_changed`).
    """
    since = folder.texts.waking_time.ago(OPEN_S)
    live.recent.forget(since)
    live.recent_here.forget(since)
    if live.recent.is_whole:
        return
    older, older_here, slice_ = Recent(), Recent(), Slice()
    named = folder.edits.named.names.keys()
    for row in recent_rows(folder.database, folder.id, live.id, since):
        parser = UpdateParser(row.data, Shape.TEXT)
        for _ in parser.steps():
            await slice_.end_if_long()
        sections = parser.parsed.sections
        if not row.is_own or not named.isdisjoint(sections):
            older.add(row.at, sections, parser.ranges)
        else:
            older_here.add(row.at, _typed(sections))
        await slice_.end_if_long()
    if not live.recent.is_whole:
        live.recent.put_before(older)
        live.recent_here.put_before(older_here)
        live.recent.is_whole = True


def _typed(sections: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """What programs wrote."""
    return {client: section for client, section in sections.items() if Writer.of(client) is Writer.TYPED}

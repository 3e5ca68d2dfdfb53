"""Connected devices that append to one text quickly: saves that cross, files that are rendered late; only replicas.

Each device has a file. Somebody reads it and writes it with more behind it, mostly behind a last line that has no end.
The daemon takes that a moment later, as a change of what the file held when it was rendered or taken last, and tells
the others, who are told of what they lack before it. What comes is rendered a moment later. Times are virtual.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from yp2p.documents import removals
from yp2p.documents.diff import hunks
from yp2p.documents.joined import Side
from yp2p.documents.meeting import Decision, are_whole, meet
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol import delete_sets
from yp2p.protocol.clients import Writer
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.protocol.ysync import Shape, check, deleted_ranges, parse_update

_LATE = (0.0, 0.001, 0.1)  # seconds until a file is rendered; and until a save is taken, and a message has come:
_SOON = (0.0002, 0.005, 0.1)
_ON_THE_WAY = (0.0005, 0.001, 0.005, 0.02, 0.1)
_PAUSES = (0.0, 0.0, 0.001, 0.01, 0.1, 1.0)
_MOST_EVENTS = 1000  # saves, files that are rendered and messages, of a run: of 500 runs of four devices none has 400


class Device:
    """One device: its document, its log, its file, and what that was rendered from."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.log = [imported(text)]
        self.replica = TextReplica.from_updates(Writer.SAVED.client_id(1000 + number), self.log)
        self.file = text
        self.base = self._fork(self.replica.state())
        self.held: dict[int, list[bytes]] = {}  # by device: what others made that it is told before our next update
        self.told: list[Decision] = []
        self.mistaken = 0  # how often it took for the text of another device what that did not have

    def _fork(self, state: bytes) -> TextReplica:
        return TextReplica.from_updates(Writer.SAVED.client_id(5000 + self.number), [state])

    def take_save(self) -> list[bytes]:
        """As `LocalEdits.save`; gives the updates of that step."""
        changes = hunks(self.base.text(), self.file)
        if not changes:
            return []
        if self.base.version() == self.replica.version():
            update = self.replica.edit(changes)
            assert update is not None
            self.log.append(update)
            self.base = self._fork(self.replica.state())
            return [update]
        update = self.base.edit(changes)
        assert update is not None
        ours, theirs = self.side(), Side(self.base.clocks(), self.base.deleted())
        repair, decision = meet("a.txt", [*self.log, update], ours, theirs)
        self._note(decision)
        made = [self._apply(one) for one in (update, repair) if one is not None]
        return [row for row in made if row is not None]

    def render(self) -> None:
        """The file holds the document."""
        self.file = self.replica.text()
        self.base = self._fork(self.replica.state())

    def receive(
        self, updates: Sequence[bytes], vector: StateVector, deleted: Sequence[DeletedRange], *, is_answer: bool
    ) -> bytes | None:
        """As `Meetings.receive`; gives the repair that this device made.

        Args:
            vector: what the sender had then.
            deleted: what was deleted there, which only an answer says.
        """
        union = self.replica.clocks()
        for update in updates:
            for client, (_, stop) in parse_update(update).sections.items():
                union[client] = max(union.get(client, 0), stop)
        repair: bytes | None = None
        if are_whole(self.replica.clocks(), vector, union):
            ours = self.side()
            there = [item for update in updates for item in deleted_ranges(update)]
            there += removals.deleted_at(vector, self.log, ours.deleted) if not is_answer else deleted
            repair, decision = meet("a.txt", [*self.log, *updates], ours, Side(vector, there), apart=is_answer)
            self._note(decision)
            if decision is not None and delete_sets.in_order(there) != delete_sets.in_order(deleted):
                self.mistaken += 1
        for update in updates:
            self._apply(update)
        return self._apply(repair) if repair is not None else None

    def _apply(self, update: bytes) -> bytes | None:
        """Apply an update; gives what the log got and others are told, None where nothing was new."""
        before = self.replica.clocks()
        news = self.replica.apply(update)
        if news is None:
            return None
        row = removals.as_logged(check(update, Shape.TEXT), before, news)
        self.log.append(row)
        return row

    def side(self) -> Side:
        return Side(self.replica.clocks(), self.replica.deleted())

    def _note(self, decision: Decision | None) -> None:
        if decision is not None and decision.told:
            self.told.append(decision)

    def lacking(self, known: StateVector, state_vector: bytes) -> tuple[bytes, ...]:
        """As a provider answers a step 1."""
        lacks = any(Writer.of(client) is Writer.REPAIR and client not in known for client in self.replica.clocks())
        ends = ({client: stop for client, (_, stop) in parse_update(row).sections.items()} for row in self.log)
        rows = [row for row, end in zip(self.log, ends, strict=True) if end and not contains(known, end)]
        return *(rows if lacks else ()), self.replica.update_since(state_vector)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is in the text twice of what was appended once, what is neither in it nor told, and how often a device took
    for the text of another one what that did not have."""

    text: str
    doubled: list[str]
    lost: list[str]
    mistaken: int


class Room:
    """Some devices in virtual time."""

    def __init__(self, seed: int, devices: int) -> None:
        self._rng = rng = random.Random(seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._now = 0.0
        self._reached: dict[tuple[int, int], float] = {}  # until when a link is busy
        self._tokens: list[str] = []
        lines = [
            f"start{number} {rng.choice(('alpha', 'beta gamma', 'é 😀'))}\n" for number in range(rng.randint(1, 4))
        ]
        text = "".join([*lines, rng.choice(("", "the end", "the end ", "x"))])
        self._devices = [Device(number, text) for number in range(devices)]

    def run(self, most: int = _MOST_EVENTS) -> Outcome:
        """Two to six times somebody appends; then all come to rest, after as many events at most."""
        at = 0.0
        for _ in range(self._rng.randint(2, 6)):
            device = self._rng.choice(self._devices)
            self._at(at, partial(self._append, device))
            at += self._rng.choice(_PAUSES)
        self._come_to_rest(most)
        texts = {device.replica.text() for device in self._devices}
        assert len(texts) == 1, texts
        text = texts.pop()
        told = "".join(p.ours + p.theirs for one in self._devices for decision in one.told for p in decision.told)
        return Outcome(
            text,
            [token for token in self._tokens if text.count(token) > 1],
            [token for token in self._tokens if token not in text + told],
            sum(device.mistaken for device in self._devices),
        )

    def _come_to_rest(self, most: int) -> None:
        for _ in range(most):
            if not self._queue:
                if len({device.replica.version() for device in self._devices}) == 1:
                    return
                self._compare()
            self._now, _, do = heapq.heappop(self._queue)
            do()
        raise AssertionError("they do not come to rest")

    def _at(self, at: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at, next(self._numbers), do))

    def _soon(self, delays: Sequence[float], do: Callable[[], None]) -> None:
        self._at(self._now + self._rng.choice(delays), do)

    def _append(self, device: Device) -> None:
        self._tokens.append(f"w{len(self._tokens):05d}x")
        device.file += self._rng.choice((" {}", " {}\n", "\n{}", " {} alpha")).format(self._tokens[-1])
        self._soon(_SOON, partial(self._take_save, device))

    def _take_save(self, device: Device) -> None:
        step = device.take_save()
        if step:
            self._tell(device, step)
            self._soon(_LATE, partial(self._render, device))

    def _render(self, device: Device) -> None:
        self._take_save(device)
        device.render()

    def _tell(self, device: Device, step: Sequence[bytes]) -> None:
        vector, deleted = device.replica.clocks(), device.replica.deleted()
        for other in self._devices:
            if other is not device:
                updates = (*device.held.pop(other.number, ()), *step)
                link = device.number, other.number
                at = max(self._now + self._rng.choice(_ON_THE_WAY), self._reached.get(link, 0.0))
                self._reached[link] = at
                self._at(at, partial(self._receive, other, device, updates, vector, deleted, is_answer=False))

    def _receive(
        self, device: Device, sender: Device, updates: Sequence[bytes], vector: StateVector,
        deleted: Sequence[DeletedRange], *, is_answer: bool,
    ) -> None:  # fmt: skip
        repair = device.receive(updates, vector, deleted, is_answer=is_answer)
        for other in self._devices:
            if other not in (device, sender):
                device.held.setdefault(other.number, []).extend(updates)
        if repair is not None:
            self._tell(device, [repair])
        self._soon(_LATE, partial(self._render, device))

    def _compare(self) -> None:
        """All say step 1 to all, and answer."""
        for one, other in itertools.permutations(self._devices, 2):
            updates = one.lacking(other.replica.clocks(), other.replica.state_vector())
            vector, deleted = one.replica.clocks(), deleted_ranges(updates[-1])
            self._at(self._now, partial(self._receive, other, one, updates, vector, deleted, is_answer=True))

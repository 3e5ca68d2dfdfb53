"""Two histories of a text, joined: what each side had, and the update that makes another text of the union.

Theory of operation
    The union is loaded from updates that still have the content of what was deleted. A shadow tells the order of its
    blocks (`shadow.py`). State vectors and delete sets then tell of each part of a block which side had it, and
    whether it stood there: that gives the text of either side, and of what both had (the *base*).

    The base has to be a text that stood somewhere. So what both had are updates that both have in full: an operation
    that came to either side in another repair is a change of both sides.

    A *repair* makes another text of the union. It is not made with the library: what it removes are ranges, and each
    piece of text that it puts in is an item of its own, between the two characters of the union that it stands
    between. Its client ID is derived from those two, the text and the version of the rules. So every device that puts
    the same text in the same place makes the same operation, whatever else it knows: the text comes once, whoever meets
    whom. What a repair removes has a mark (`_mark`), as each repair has to show in a state vector by itself; who has
    the mark has removed that (`removals.py`).

Invariants
    * A text is given only where every character of it is known here; else there is nothing to decide with.
    * The operations of a repair depend on the union alone, not on who makes it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pycrdt import Doc, Text

from yp2p.documents.diff import Hunk
from yp2p.documents.removals import is_repair, mark_for
from yp2p.documents.replica import raising_panics
from yp2p.documents.shadow import spans_in_order
from yp2p.protocol import delete_sets
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.protocol.update_merge import read_blocks
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Parsed, Shape, UpdateParser

_STRING = 4
_ORIGIN, _RIGHT_ORIGIN = 0x80, 0x40

Place = tuple[int, int]  # client ID and clock of one UTF-16 unit


@dataclass(frozen=True, slots=True)
class Side:
    """What one side had: its state vector, and what was deleted there."""

    vector: StateVector
    deleted: Iterable[DeletedRange]


@dataclass(frozen=True, slots=True)
class _Part:
    """Units of one block that one side had like the other: `clock` and after; `text` is None where it is not known."""

    client: int
    clock: int
    length: int
    text: str | None
    ours: bool
    theirs: bool
    base: bool
    standing: bool
    common: bool  # whether both had it before they went apart, standing or not


@dataclass(frozen=True, slots=True)
class Joined:
    """The union, and the three texts that met in it.

    `back` are lines that both had lost before they went apart and that both have brought back (without white space at
    their ends).
    """

    base: str
    ours: str
    theirs: str
    text: str
    parts: Sequence[_Part]
    back: frozenset[str] = frozenset()


class _Ranges:
    """Deleted ranges, to be asked."""

    def __init__(self, ranges: Iterable[DeletedRange]) -> None:
        self._starts: dict[int, list[int]] = {}
        self._stops: dict[int, list[int]] = {}
        for client, start, length in delete_sets.in_order(ranges):
            self._starts.setdefault(client, []).append(start)
            self._stops.setdefault(client, []).append(start + length)

    def has(self, client: int, clock: int) -> bool:
        starts = self._starts.get(client)
        if starts is None:
            return False
        at = bisect_right(starts, clock) - 1
        return at >= 0 and clock < self._stops[client][at]

    def cut(self, client: int, start: int, stop: int, into: set[int]) -> None:
        """Add where ranges begin or end between two clocks."""
        starts = self._starts.get(client)
        if starts is None or starts[-1] < start >= self._stops[client][-1]:
            return
        stops = self._stops[client]
        at = max(0, bisect_right(starts, start) - 1)
        while at < len(starts) and starts[at] < stop:
            if starts[at] > start:
                into.add(starts[at])
            if start < stops[at] < stop:
                into.add(stops[at])
            at += 1


def join(updates: Iterable[bytes], ours: Side, theirs: Side) -> Joined | None:
    """The union of two histories; None where a character that one side had is not known here.

    Args:
        updates: all of both, with the content of what was deleted as far as it is there.
        ours, theirs: what each side had; together all that there is.

    Raises:
        CrdtPanic: the library panicked.
    """
    updates = list(updates)
    blocks = _in_order(updates)
    if blocks is None:
        return None
    common = _Common.of(updates, ours, theirs)
    gone = _Ranges(ours.deleted), _Ranges(theirs.deleted), _Ranges(common.deleted)
    parts = [
        part for block in blocks for part in _parts(block, (ours.vector, theirs.vector, common.vector), gone)
    ]  # fmt: skip
    texts: list[str] = []
    for visible in ("base", "ours", "theirs", "standing"):
        found = [part.text for part in parts if getattr(part, visible)]
        if None in found:
            return None
        texts.append("".join(filter(None, found)))
    base, of_ours, of_theirs, text = texts
    return Joined(base, of_ours, of_theirs, text, parts, _brought_back(base, of_ours, of_theirs, parts))


def _brought_back(base: str, ours: str, theirs: str, parts: Iterable[_Part]) -> frozenset[str]:
    old, here, there = (frozenset(map(str.strip, text.split("\n"))) for text in (base, ours, theirs))
    back = (here & there) - old
    if not back:
        return back
    had = "".join(part.text or "" for part in parts if part.common)
    return back.intersection(map(str.strip, had.split("\n")))


@dataclass(frozen=True, slots=True)
class _Had:
    """An update, and whether both sides have had it in full."""

    parsed: Parsed
    deleted: Sequence[DeletedRange]
    by_both: bool


def _operations(parsed: Parsed) -> StateVector:
    return {client: stop for client, (_, stop) in parsed.sections.items()}


@dataclass(slots=True)
class _Common:
    """What both had before they went apart; with repairs of it that one side has made since."""

    vector: dict[int, int]
    deleted: list[DeletedRange]

    @classmethod
    def of(cls, updates: Iterable[bytes], ours: Side, theirs: Side) -> _Common:
        """What both had: all operations that both have, and what was deleted by updates that both have in full.

        What both deleted, each with an update of their own, is a change of both sides. So is what both put in with a
        repair of their own: two repairs may have a piece alike, and not be alike.

        Of a sum of updates (what is left of an old pack, or an answer to step 1) of which both have only some, what
        both have deleted counts as deleted before.

        Where what both had was repaired on either side, and differently, its text is one that nobody wrote; with a
        repair it is what they went on from.
        """
        both = {c: min(clock, theirs.vector.get(c, 0)) for c, clock in ours.vector.items()}
        found = cls({client: clock for client, clock in both.items() if clock}, [])
        told = list(found._read(updates))
        found._leave_out_pieces(told)
        repairs: list[_Had] = []
        of_sums: list[DeletedRange] = []
        for update in told:
            if update.by_both:
                found.deleted += update.deleted
            elif is_repair(update.parsed):
                repairs.append(update)
            elif any(start < found.vector.get(client, 0) for client, (start, _) in update.parsed.sections.items()):
                of_sums += update.deleted
        if of_sums:
            found.deleted += delete_sets.shared(of_sums, delete_sets.shared(ours.deleted, theirs.deleted))
        are_both_repaired = all(
            Writer.REPAIR in {Writer.of(client) for client, clock in one.items() if clock > other.get(client, 0)}
            for one, other in ((ours.vector, theirs.vector), (theirs.vector, ours.vector))
        )
        if are_both_repaired:
            found._repair_with(repairs)
        return found

    def _has(self, clocks: Mapping[int, int]) -> bool:
        return contains(self.vector, clocks)

    def _read(self, updates: Iterable[bytes]) -> Iterator[_Had]:
        for update in updates:
            parser = UpdateParser(update, Shape.TEXT)
            parsed = parser.parse()
            yield _Had(parsed, parser.ranges, self._has(_operations(parsed)))

    def _leave_out_pieces(self, told: Iterable[_Had]) -> None:
        """Leave out operations that both have of repairs alone, and of none in full."""
        others: set[int] = set()
        pieces: set[int] = set()
        for update in told:
            is_piece = not update.by_both and is_repair(update.parsed)
            (pieces if is_piece else others).update(update.parsed.sections)
        for client in pieces - others:
            self.vector.pop(client, None)

    def _repair_with(self, repairs: Iterable[_Had]) -> None:
        """Add those repairs that are of nothing else than what both had."""
        for update in repairs:
            sections = update.parsed.sections
            deletes = {client: clock for client, clock in update.parsed.deletes.items() if client not in sections}
            if self._has(update.parsed.origins) and self._has(deletes):  # beside its own mark
                self.deleted += update.deleted
                self.vector |= {client: stop for client, (_, stop) in sections.items()}


@dataclass(frozen=True, slots=True)
class _Block:
    client: int
    clock: int
    length: int
    text: str | None


def _in_order(updates: Iterable[bytes]) -> list[_Block] | None:
    """All blocks that ever were, in the order of the document."""
    with raising_panics():
        doc: Doc[Any] = Doc(client_id=1, skip_gc=True)
        doc.get(Shape.TEXT.value, type=Text)
        with doc.transaction():
            for update in updates:
                doc.apply_update(update)
        blocks = read_blocks(doc.get_update())
    spans = spans_in_order(blocks)
    if spans is None or len(spans) != len(blocks):
        return None
    return [_Block(*span, blocks[number].text()) for number, span in spans]


def _parts(block: _Block, vectors: Sequence[StateVector], gone: Sequence[_Ranges]) -> Iterator[_Part]:
    client, start, stop = block.client, block.clock, block.clock + block.length
    reached = [vector.get(client, 0) for vector in vectors]
    edges = {start, stop, *(clock for clock in reached if start < clock < stop)}
    for ranges in gone:
        ranges.cut(client, start, stop, edges)
    ordered = sorted(edges)
    units = block.text.encode("utf-16-le") if block.text is not None and not block.text.isascii() else None
    for first, last in pairwise(ordered):
        had = [first < clock for clock in reached]
        took = [ranges.has(client, first) for ranges in gone]
        if block.text is None:
            text = None
        elif units is None:
            text = block.text[first - start : last - start]
        else:
            text = units[2 * (first - start) : 2 * (last - start)].decode("utf-16-le")
        yield _Part(
            client, first, last - first, text,
            ours=had[0] and not took[0], theirs=had[1] and not took[1],
            base=had[2] and not took[2], standing=any(had[:2]) and not any(took[:2]), common=had[2],
        )  # fmt: skip


def repair(joined: Joined, changes: Sequence[Hunk], rules: int) -> bytes:
    """The update that makes these replacements in the text of the union.

    Args:
        changes: in code points of `joined.text`, in order and without overlap.
        rules: the version of the rules that decided them.
    """
    units = _Units(joined)
    deleted: list[DeletedRange] = []
    sections: dict[int, bytes] = {}
    for hunk in _apart(changes):
        deleted += units.ranges(hunk.start, hunk.stop)
        if hunk.text:
            left, right = units.neighbours(hunk.start)
            client = client_id_from(
                Writer.REPAIR, b"repair", str(rules).encode(), repr((left, right)).encode(), hunk.text.encode()
            )
            sections[client] = _item(client, left, right, hunk.text)
    if deleted:
        client, section = _mark(units, changes[0].start, deleted, rules)
        sections[client] = section
        deleted.append((client, 0, 1))
    body = [sections[client] for client in sorted(sections, reverse=True)]
    return write_varint(len(body)) + b"".join(body) + delete_sets.encode(deleted)


def _mark(units: _Units, place: int, deleted: Sequence[DeletedRange], rules: int) -> tuple[int, bytes]:
    """A character that names what a repair removes, put in and removed as well.

    Without it a state vector would not tell two repairs apart that put in the same, or nothing, and removed another
    copy of a line each: where they meet, nobody would look, and both copies would be gone.
    """
    left, right = units.neighbours(place)
    client = mark_for(left, right, deleted, rules)
    return client, _item(client, left, right, "|")


def _apart(changes: Sequence[Hunk]) -> Iterator[Hunk]:
    """The same replacements, with those that touch each other made one: their texts would have the same neighbours."""
    last: Hunk | None = None
    for hunk in changes:
        if last is not None and last.stop == hunk.start:
            last = Hunk(last.start, hunk.stop, last.text + hunk.text)
            continue
        if last is not None:
            yield last
        last = hunk
    if last is not None:
        yield last


class _Units:
    """Which operations the code points of the standing text are."""

    def __init__(self, joined: Joined) -> None:
        self._parts = joined.parts
        self._standing = [number for number, part in enumerate(joined.parts) if part.standing]
        self._starts: list[int] = []
        at = 0
        for number in self._standing:
            self._starts.append(at)
            at += len(joined.parts[number].text or "")

    def _locate(self, place: int) -> tuple[int, int]:
        """The part that code point `place` is in, and how many UTF-16 units of it are before."""
        at = bisect_right(self._starts, place) - 1
        number = self._standing[at]
        text = (self._parts[number].text or "")[: place - self._starts[at]]
        return number, len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2

    def ranges(self, start: int, stop: int) -> Iterator[DeletedRange]:
        if start == stop:
            return
        first, skip = self._locate(start)
        last, keep = self._locate(stop - 1)
        text = self._parts[last].text or ""
        whole = [number for number in self._standing if first <= number <= last]
        for number in whole:
            part = self._parts[number]
            begin = skip if number == first else 0
            end = part.length
            if number == last:
                width = _width_at(text, keep)
                end = keep + width
            yield part.client, part.clock + begin, end - begin

    def neighbours(self, place: int) -> tuple[Place | None, Place | None]:
        """The unit before a code point, and the one right after it in the document, standing or not."""
        if place == 0:
            first = self._parts[0] if self._parts else None
            return None, (first.client, first.clock) if first is not None else None
        number, units = self._locate(place - 1)
        part = self._parts[number]
        last = units + _width_at(part.text or "", units) - 1
        left = part.client, part.clock + last
        if last + 1 < part.length:
            return left, (part.client, part.clock + last + 1)
        following = self._parts[number + 1] if number + 1 < len(self._parts) else None
        return left, (following.client, following.clock) if following is not None else None


def _width_at(text: str, unit: int) -> int:
    """How many UTF-16 units the character has that begins at one."""
    if text.isascii():
        return 1
    pair = text.encode("utf-16-le")[2 * unit : 2 * unit + 2]
    return 2 if 0xD8 <= pair[1] <= 0xDB else 1


def _item(client: int, left: Place | None, right: Place | None, text: str) -> bytes:
    """A section of an update that has one item (the format of Yjs v1)."""
    info = _STRING | (_ORIGIN if left is not None else 0) | (_RIGHT_ORIGIN if right is not None else 0)
    out = [b"\x01", write_varint(client), b"\x00", bytes([info])]
    for place in (left, right):
        if place is not None:
            out += [write_varint(place[0]), write_varint(place[1])]
    if left is None and right is None:
        root = Shape.TEXT.value.encode()
        out += [b"\x01", write_varint(len(root)), root]
    data = text.encode()
    return b"".join([*out, write_varint(len(data)), data])

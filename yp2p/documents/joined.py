"""Two histories of a text, joined: what each side had, and the update that makes another text of the union.

Theory of operation
    The union is loaded from updates that still have the content of what was deleted. A shadow tells the order of its
    blocks (`shadow.py`). State vectors and delete sets then tell of each part of a block which side had it, and
    whether it stood there: that gives the text of either side, and of what both had (the *base*).

    The base has to be a text that both sides went on from (`shared_past.py`): of several the one that they changed the
    least.

    A *repair* makes another text of the union. It is not made with the library: what it removes are ranges, and each
    piece of text that it puts in is an item of its own, between the two characters of the union that it stands
    between. Its client ID is derived from those two, the text and the version of the rules. So every device that puts
    the same text in the same place makes the same operation, whatever else it knows: the text comes once, whoever meets
    whom. What a repair removes has a mark (`_mark`), as each repair has to show in a state vector by itself; who has
    the mark has removed that (`removals.py`).

Invariants
    * A text is given only where every character of it is known here; else there is nothing to decide with. What was
      written and deleted before this device heard of it is known as deleted only, until who has the text says it again
      (`lacking`).
    * The operations of a repair depend on the union alone, not on who makes it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from yp2p.documents.diff import Hunk
from yp2p.documents.ordered_blocks import OrderedBlock, in_order, with_text
from yp2p.documents.put_again import Taken, news_in, words_of
from yp2p.documents.removals import mark_for
from yp2p.documents.shared_past import OneSide, Ranges, SharedPast, Side
from yp2p.protocol import delete_sets
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Shape
from yp2p.threeway.lines import split_lines
from yp2p.threeway.sequences import differences

_VISIBLE = ("base", "ours", "theirs", "standing")
_STRING = 4
_ORIGIN, _RIGHT_ORIGIN = 0x80, 0x40
# A word, or what comes in the place of one.
_MOST_OF_WORD = 100
_COUNTED = re.compile(r"\w+|[^\w\s]|\n")  # white space that is no line end tells two texts not apart

__all__ = ["Joined", "Side", "join", "lacking", "repair"]

Place = tuple[int, int]  # client ID and clock of one UTF-16 unit


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


def join(updates: Iterable[bytes], ours: Side, theirs: Side, said: Iterable[bytes] = ()) -> Joined | None:
    """The union of two histories; None where a character that one side had is not known here.

    Args:
        updates: all of both, with the content of what was deleted as far as it is there.
        said: updates that say some of that again, with characters that were asked for.
        ours, theirs: what each side had; together all that there is.

    Raises:
        CrdtPanic: the library panicked.
    """
    parts = _all_parts(updates, ours, theirs, said)
    if parts is None or _lacking(parts):
        return None
    of_ours, of_theirs, text = (
        "".join(part.text or "" for part in parts if getattr(part, visible)) for visible in _VISIBLE[1:]
    )
    base = "".join(part.text or "" for part in with_words_replaced(parts))
    return Joined(base, of_ours, of_theirs, text, parts, _brought_back(base, of_ours, of_theirs, parts))


def with_words_replaced(parts: Sequence[_Part]) -> list[_Part]:
    """The parts of the base, with a word where both sides have taken one out and put others in.

    Both replaced the same word then, of which nothing is in the base where the update that took it out is known in a
    sum with others only: their words are two values of it, and do not both stand.
    """
    found: list[_Part] = []
    gap: list[_Part] = []
    for part in [*parts, None]:
        if part is not None and not part.base:
            gap.append(part)
            continue
        word = _word_replaced(gap) if found and part is not None else []
        found += word
        gap = []
        if part is not None:
            found.append(part)
    return found


def _word_replaced(gap: Sequence[_Part]) -> list[_Part]:
    """Of what both had and have taken out between two characters of the base, the last word; nothing where not both
    have put in something else there, in one line."""
    ours, theirs = ("".join(part.text or "" for part in gap if getattr(part, side)) for side in ("ours", "theirs"))
    if not ours.strip() or not theirs.strip() or ours == theirs or "\n" in ours + theirs:
        return []
    runs: list[list[_Part]] = []
    for part in gap:
        if not part.common or part.ours or part.theirs or not part.text:
            continue
        last = runs[-1][-1] if runs else None
        if last is not None and (last.client, last.clock + last.length) == (part.client, part.clock):
            runs[-1].append(part)
        else:
            runs.append([part])
    words = [run for run in runs if _is_word("".join(part.text or "" for part in run))]
    return max(words, key=lambda run: (run[0].clock, run[0].client), default=[])


def _is_word(text: str) -> bool:
    return len(text) <= _MOST_OF_WORD and len(text.split()) == 1


def lacking(updates: Iterable[bytes], ours: Side, theirs: Side) -> set[int]:
    """The client IDs of which a side had characters that are not known here. Args and raises as `join`."""
    return _lacking(_all_parts(updates, ours, theirs) or ())


def _lacking(parts: Iterable[_Part]) -> set[int]:
    return {part.client for part in parts if part.text is None and any(getattr(part, side) for side in _VISIBLE)}


def _all_parts(
    updates: Iterable[bytes], ours: Side, theirs: Side, said: Iterable[bytes] = ()
) -> Sequence[_Part] | None:
    """What either side had, in the order of the document; None where that order cannot be told."""
    updates, said = list(updates), list(said)
    blocks = in_order(updates)
    if blocks is None:
        return None
    if said:
        blocks = list(with_text(blocks, said))
    cuts = [_cut(blocks, ours, theirs, past) for past in SharedPast.all_of(updates, ours, theirs)]
    return min(cuts, key=_distance) if len(cuts) > 1 else cuts[0]


def _cut(blocks: Iterable[OrderedBlock], ours: Side, theirs: Side, past: SharedPast) -> list[_Part]:
    gone = Ranges(ours.deleted), Ranges(theirs.deleted), Ranges(past.deleted)
    vectors = ours.vector, theirs.vector, past.vector
    parts = [part for block in blocks for part in _parts(block, vectors, gone)]
    return list(_without_news(parts, past.side)) if past.side is not None else parts


def _without_news(parts: Sequence[_Part], side: OneSide) -> Iterator[_Part]:
    """The same parts, but of what a side's repairs put in nothing belongs to what both had that this side alone wrote.

    A repair takes text out and puts it in again elsewhere. What one side alone wrote may be part of that; were it in
    the base, the other side would seem to have removed it.
    """
    put, rows = _put_in(parts, side)
    news = news_in(put, _taken_out(parts, side))
    for part, (line, at) in zip(parts, rows, strict=True):
        if part.client not in side.copies or not part.base or part.text is None:
            yield part
            continue
        clock = part.clock
        for word in words_of(part.text):
            units = len(word) if word.isascii() else len(word.encode("utf-16-le")) // 2
            is_new = at in news[line]
            yield replace(part, clock=clock, length=units, text=word, base=not is_new, common=not is_new)
            clock += units
            line, at = (line + 1, 0) if word == "\n" else (line, at + 1)


def _put_in(parts: Sequence[_Part], side: OneSide) -> tuple[list[list[str]], list[tuple[int, int]]]:
    """What a side's repairs put into each line; and the line in which each part begins, and at which word of these."""
    lines: list[list[str]] = [[]]
    rows: list[tuple[int, int]] = []
    for part in parts:
        rows.append((len(lines) - 1, len(lines[-1])))
        is_copy = part.client in side.copies
        for word in words_of(part.text or "") if (part.base if is_copy else getattr(part, side.name)) else ():
            if is_copy:
                lines[-1].append(word)
            if word == "\n":
                lines.append([])
    return lines, rows


def _taken_out(parts: Sequence[_Part], side: OneSide) -> list[list[Taken]]:
    """What a side's repairs took out of each line that stood there before."""
    lines: list[list[Taken]] = [[]]
    for part in parts:
        is_out = side.took_out.has(part.client, part.clock)
        if part.client in side.copies or not (is_out or getattr(part, side.name)):
            continue
        for word in words_of(part.text or ""):
            if is_out:
                lines[-1].append(Taken(word, not part.common))
            if word == "\n":
                lines.append([])
    return lines


def _distance(parts: Sequence[_Part]) -> tuple[int, int, str, list[bool]]:
    """How much both sides changed of the base, by words; of equals an order that does not depend on who is who.

    Of equals the one is better of which less was taken out: a line too many in the base is one that either side seems
    to have removed, and it would be gone; of one too few there would be a copy.
    """
    base, *sides = (
        "".join(part.text or "" for part in parts if getattr(part, side)) for side in ("base", "ours", "theirs")
    )
    lines = split_lines(base)
    removed = added = 0
    for side in sides:
        others = split_lines(side)
        for block in differences(lines, others):
            before = _COUNTED.findall("".join(lines[block.old_start : block.old_stop]))
            after = _COUNTED.findall("".join(others[block.new_start : block.new_stop]))
            for change in differences(before, after):
                removed += sum(map(len, before[change.old_start : change.old_stop]))
                added += sum(map(len, after[change.new_start : change.new_stop]))
    return removed + added, removed, base, [part.common for part in parts]


def _brought_back(base: str, ours: str, theirs: str, parts: Iterable[_Part]) -> frozenset[str]:
    old, here, there = (frozenset(map(str.strip, text.split("\n"))) for text in (base, ours, theirs))
    back = (here & there) - old
    if not back:
        return back
    had = "".join(part.text or "" for part in parts if part.common)
    return back.intersection(map(str.strip, had.split("\n")))


def _parts(block: OrderedBlock, vectors: Sequence[StateVector], gone: Sequence[Ranges]) -> Iterator[_Part]:
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

"""Which operations a text is made of, in their order: where an edit goes, and where what others wrote has come to be.

Theory of operation
    The library finds a place in a text by walking over its blocks one by one, and reads a text in the same way. After
    20,000 scattered edits there are 30,000 blocks all over the memory, and a processor that has slept takes one to two
    milliseconds for each walk. What names its neighbours needs no walk: an update says left and right of what it is.

    So here every UTF-16 unit that was ever written has a *number*, and the *order* of the document is one string of
    letters, one for each unit, whose code points are these numbers. One large integer has a bit for each of them, which
    is set where a character that stands has its last unit. Strings and integers are searched and copied in a few
    microseconds, as they lie in one piece. Numbers are given as the units come, so those of a client that were not
    interrupted follow each other (an *extent*).

    An outline is made with the library: of documents that have the same blocks with letters in the place of characters
    (`protocol/spelling.py`), one document for each byte of the numbers. After that it follows the updates by itself.
    What an update names as the neighbours of a block almost always stand side by side, and the block goes between them.
    Where something came between them meanwhile, the rule of Yjs decides with the neighbours of that; those are known of
    whatever came since the outline was made. Everything else is for the library: the outline declines, and is to be
    thrown away.

Sources: `Item.integrate`, `YText.insert` of Yjs 13.6.

Invariants
    * An outline that has not declined says of text and positions what the library says.
    * Indices that come in and go out count code points of the text, as Python does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from pycrdt import Doc, Text

from yp2p.documents.positions import Assoc, Position
from yp2p.documents.replica import raising_panics
from yp2p.errors import CrdtPanic, InvalidUpdate, PositionInvalid, PositionUnknown
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.spelling import Frame, frame_of, second_halves
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.protocol.update_merge import Block, encode_update, read_update
from yp2p.protocol.ysync import Shape

# A string of as many letters is copied in a tenth of a millisecond; a letter is one of 1,114,112.
_MOST_UNITS = 1 << 19
# What has more pieces takes as long as to make the outline anew; what has more units, longer than the library.
_MOST_PIECES, _MOST_EDITED = 256, 1 << 12
_NONE = -1  # in the place of a number: the beginning or the end of the text


class _Declined(Exception):
    """This is for the library."""


class _Numbers:
    """Which number the unit of a client and a clock has, and the other way round."""

    def __init__(self) -> None:
        self.count = 0
        self.clocks: dict[int, int] = {}  # how many units of each client have one
        self._of: dict[int, tuple[list[int], list[int]]] = {}  # clocks and numbers at which extents of a client begin
        self._starts: list[int] = []  # the same of all clients, by numbers
        self._clients: list[int] = []
        self._at_clocks: list[int] = []

    def add(self, client: int, length: int) -> int:
        """Give numbers to the next units of a client; gives the first one."""
        if self.count + length > _MOST_UNITS:
            raise _Declined
        first, clock = self.count, self.clocks.get(client, 0)
        if not self._clients or self._clients[-1] != client:
            clocks, numbers = self._of.setdefault(client, ([], []))
            clocks.append(clock)
            numbers.append(first)
            self._starts.append(first)
            self._clients.append(client)
            self._at_clocks.append(clock)
        self.count += length
        self.clocks[client] = clock + length
        return first

    def number(self, client: int, clock: int) -> int:
        if not 0 <= clock < self.clocks.get(client, 0):
            raise _Declined
        clocks, numbers = self._of[client]
        at = bisect_right(clocks, clock) - 1
        return numbers[at] + clock - clocks[at]

    def parts(self, client: int, clock: int, length: int) -> Iterator[tuple[int, int]]:
        """First numbers and lengths of units of a client."""
        stop = clock + length
        while clock < stop:
            first = self.number(client, clock)
            clocks, _ = self._of[client]
            at = bisect_right(clocks, clock)
            end = min(stop, clocks[at]) if at < len(clocks) else stop
            yield first, end - clock
            clock = end

    def id(self, number: int) -> tuple[int, int]:
        at = bisect_right(self._starts, number) - 1
        return self._clients[at], self._at_clocks[at] + number - self._starts[at]


class Outline:
    """The outline of one text. It is passed what the text says at the time."""

    def __init__(self, text: str, frame: Frame) -> None:
        self._numbers = _Numbers()
        for client, units in frame.clients:
            if units:
                self._numbers.add(client, units)
        self._order = _order_of(frame, self._numbers.count)
        self._gone = bytearray(self._numbers.count)  # by number
        for deleted in frame.deleted:
            for number, length in self._numbers.parts(*deleted):
                self._gone[number : number + length] = b"\x01" * length
        self._pairs = set(frame.pairs)  # numbers of second halves
        ends = self._gone.translate(_STANDING)
        for second in frame.pairs:
            ends[second - 1] = ord("0")
        bits = bytes(map(ends.__getitem__, map(ord, reversed(self._order))))
        self._ends = int(bits or b"0", 2)  # by place: where a character ends that stands
        self._last = 0  # the place that was looked for last
        # Of blocks that came since: their first numbers, and what was left and right of them.
        self._firsts: list[int] = []
        self._neighbours: list[tuple[int, int]] = []
        if not self._agrees(text):
            raise _Declined

    @classmethod
    def of(cls, state: bytes, text: str, least_blocks: int = 0) -> Outline | None:
        """The outline of a document; None where there is none, or the document has fewer blocks.

        Args:
            state: the whole document as one update.
            text: what it says.
        """
        try:
            frame = frame_of(state, _MOST_UNITS)
            return cls(text, frame) if len(frame.lengths) >= least_blocks else None
        except (_Declined, InvalidUpdate, CrdtPanic):
            return None

    def state_vector(self) -> bytes:
        """What `apply` has taken so far."""
        return encode_state_vector(self._numbers.clocks)

    # --- positions ----------------------------------------------------------------------------------------------

    def create(self, text: str, index: int, assoc: Assoc) -> Position:
        """The position at an index. Raises PositionInvalid: the index is outside the text."""
        if not 0 <= index <= len(text):
            raise PositionInvalid(f"index {index} is outside a text of {len(text)} characters")
        if index == (len(text) if assoc is Assoc.AFTER else 0):
            return Position(assoc)
        place = self._first_place_of(index) if assoc is Assoc.AFTER else self._last_place_of(index - 1)
        return Position(assoc, *self._numbers.id(ord(self._order[place])))

    def resolve(self, text: str, position: Position) -> int:
        """The index of a position. Raises PositionUnknown: it is beside what this document does not have (yet)."""
        client, clock = position.client, position.clock
        if client is None:
            return len(text) if position.assoc is Assoc.AFTER else 0
        if clock >= self._numbers.clocks.get(client, 0):
            raise PositionUnknown(
                f"a position beside operation {clock} of client {client}, which is not in this text"
            )  # fmt: skip
        number = self._numbers.number(client, clock)
        is_behind = position.assoc is Assoc.BEFORE and not self._gone[number]
        return self._index(self._place_of(number) + is_behind)

    # --- edits --------------------------------------------------------------------------------------------------

    def edit(self, client: int, text: str, start: int, stop: int, new: str) -> bytes | None:
        """The update with which a client replaces the code points `start:stop`; None: it is for the library.

        It has the operations that the library would make of it. It is not applied here.
        """
        deleted: list[DeletedRange] = []
        if start < stop:
            first, end = self._first_place_of(start), self._last_place_of(stop - 1) + 1
            if end - first > _MOST_EDITED:
                return None
            deleted = _ranges(
                self._numbers.id(number) for number in map(ord, self._order[first:end]) if not self._gone[number]
            )
        blocks: list[Block] = []
        if new:
            at = self._first_place_of(stop) if stop < len(text) else len(self._order)
            origin = self._numbers.id(ord(self._order[at - 1])) if at else None
            right = self._numbers.id(ord(self._order[at])) if at < len(self._order) else None
            self._last = max(0, at - 1)
            block = Block.of_text(client, origin, right, new)
            block.clock = self._numbers.clocks.get(client, 0)
            blocks.append(block)
        return encode_update(blocks, deleted)

    # --- what came ----------------------------------------------------------------------------------------------

    def apply(self, text: str, update: bytes) -> str | None:
        """What a text says after an update that the document has taken.

        None: that is for the library, and this outline is of no use any more.
        """
        try:
            blocks, deleted = read_update(update)
            if len(blocks) + len(deleted) > _MOST_PIECES:
                fresh = [one for one in deleted if not self._has_deleted(one)]
                if len(blocks) + len(fresh) > _MOST_PIECES:
                    return None
                deleted = fresh
            while blocks:
                waiting: list[Block] = []
                for block in blocks:
                    if self._is_ready(block):
                        text = self._insert(text, block)
                    else:
                        waiting.append(block)
                if len(waiting) == len(blocks):
                    return None
                blocks = waiting
            for client, clock, length in deleted:
                for number, units in self._numbers.parts(client, clock, length):
                    text = self._delete(text, number, number + units)
        except (_Declined, InvalidUpdate):
            return None
        return text if self._agrees(text) else None

    def _agrees(self, text: str) -> bool:
        return self._ends.bit_count() == len(text)

    def _has_deleted(self, deleted: DeletedRange) -> bool:
        parts = self._numbers.parts(*deleted)
        return all(self._gone.find(0, number, number + length) < 0 for number, length in parts)

    def _is_ready(self, block: Block) -> bool:
        """Whether what a block is beside is here, and what its client wrote before."""
        clocks = self._numbers.clocks
        places = (place for place in (block.origin, block.right) if place is not None)
        return block.clock <= clocks.get(block.client, 0) and all(
            clock < clocks.get(client, 0) or (client == block.client and clock < block.clock)
            for client, clock in places
        )

    def _insert(self, text: str, block: Block) -> str:
        client, length, new, origin = block.client, block.length, block.text(), block.origin
        known = self._numbers.clocks.get(client, 0) - block.clock
        if known >= length:
            return text
        if known > 0:  # the document has taken a part of it before
            origin, length = (client, block.clock + known - 1), length - known
            new = new.encode("utf-16-le")[2 * known :].decode("utf-16-le") if new is not None else None
        left = self._numbers.number(*origin) if origin is not None else _NONE
        right = self._numbers.number(*block.right) if block.right is not None else _NONE
        place = self._place_for(client, left, right)
        first = self._numbers.add(client, length)
        self._firsts.append(first)
        self._neighbours.append((left, right))
        letters = "".join(map(chr, range(first, first + length)))
        self._order = "".join((self._order[:place], letters, self._order[place:]))
        self._last = place + length - 1
        self._gone += (b"\x00" if new is not None else b"\x01") * length
        added = self._ends_of(first, length, new) if new is not None else 0
        self._ends = (self._ends >> place << length | added) << place | self._ends & (1 << place) - 1
        if new is None:
            return text
        at = self._index(place)
        return "".join((text[:at], new, text[at:]))

    def _ends_of(self, first: int, length: int, new: str) -> int:
        """A bit for each unit of a new text in which a character ends."""
        ends = (1 << length) - 1
        if length > len(new):
            for unit in second_halves(new):
                self._pairs.add(first + unit)
                ends &= ~(1 << unit - 1)
        return ends

    def _place_for(self, client: int, left: int, right: int) -> int:
        """Where something goes that a client wrote between two units."""
        first = self._place_of(left) + 1 if left != _NONE else 0
        if right != _NONE and self._order.startswith(chr(right), first):
            return first
        end = self._place_of(right) if right != _NONE else len(self._order)
        if first > end:
            raise _Declined
        place = first
        before, conflicting = set[int](), set[int]()
        for at in range(first, end):  # what came there meanwhile
            other = ord(self._order[at])
            before.add(other)
            conflicting.add(other)
            its_left, its_right = self._neighbours_of(other)
            if its_left == left:
                if self._numbers.id(other)[0] < client:
                    place = at + 1
                    conflicting.clear()
                elif its_right == right:
                    break
            elif its_left in before:
                if its_left not in conflicting:
                    place = at + 1
                    conflicting.clear()
            else:
                break
        return place

    def _neighbours_of(self, number: int) -> tuple[int, int]:
        """What a unit was put between."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0:
            raise _Declined
        left, right = self._neighbours[at]
        return (left if self._firsts[at] == number else number - 1), right

    def _delete(self, text: str, number: int, stop: int) -> str:
        """Take out the units of these numbers."""
        while (number := self._gone.find(0, number, stop)) >= 0:
            place = self._place_of(number)
            end = number + 1
            while end < stop and not self._gone[end] and self._order.startswith(chr(end), place + end - number):
                end += 1
            length = end - number
            at, removed = self._index(place), self._ends & ((1 << length) - 1) << place
            self._ends ^= removed
            self._gone[number:end] = b"\x01" * length
            text = text[:at] + text[at + removed.bit_count() :]
            number = end
        return text

    # --- places and indices -------------------------------------------------------------------------------------

    def _index(self, place: int) -> int:
        """How many characters end before a place: what is inside a character is in front of it."""
        return (self._ends & (1 << place) - 1).bit_count()

    def _place_of(self, number: int) -> int:
        """Where a unit is. What is typed is often behind what was typed last."""
        letter = chr(number)
        if not self._order.startswith(letter, self._last):
            self._last = self._order.index(letter)
        return self._last

    def _last_place_of(self, index: int) -> int:
        """Where the last unit of a character is that stands."""
        rest, size, place = self._ends, len(self._order), 0
        while size > 1:
            half = size // 2
            low = rest & (1 << half) - 1
            ends = low.bit_count()
            if index < ends:
                rest, size = low, half
            else:
                rest, size, place, index = rest >> half, size - half, place + half, index - ends
        return place

    def _first_place_of(self, index: int) -> int:
        """Where the first unit of a character is that stands."""
        place = self._last_place_of(index)
        return place - 1 if ord(self._order[place]) in self._pairs else place


_STANDING = bytes.maketrans(b"\x00\x01", b"10")


def _ranges(places: Iterable[tuple[int, int]]) -> list[DeletedRange]:
    """Single units as ranges."""
    found: list[DeletedRange] = []
    for client, clock in places:
        if found and found[-1][0] == client and found[-1][1] + found[-1][2] == clock:
            found[-1] = client, found[-1][1], found[-1][2] + 1
        else:
            found.append((client, clock, 1))
    return found


def _order_of(frame: Frame, count: int) -> str:
    """The numbers of all units, in the order of the document."""
    codes = bytearray(4 * count)  # as UTF-32
    for digit in range((max(count - 1, 0).bit_length() + 7) // 8):
        times = 1 << 8 * digit
        letters = b"".join(bytes([number]) * times for number in range(min(256, -(-count // times))))
        found = _text_of(frame.spelled((letters * -(-count // len(letters)))[:count].decode("latin-1")))
        if len(found) != count:
            raise _Declined
        codes[digit::4] = found.encode("latin-1")
    return codes.decode("utf-32-le", "surrogatepass")


def _text_of(update: bytes) -> str:
    with raising_panics():
        doc: Doc[Any] = Doc(client_id=1)
        text = doc.get(Shape.TEXT.value, type=Text)
        doc.apply_update(update)
        return str(text)

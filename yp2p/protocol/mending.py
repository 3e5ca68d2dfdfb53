"""Rewrites edits of programs that the document of a file cannot hold, so that it can, and the program can go on.

Theory of operation
    A stock client has applied an edit before anybody can refuse it, and whatever it writes next builds on that. So the
    operations of a refused edit are taken all the same, as operations whose characters are deleted: the clocks of the
    client have no gap, and the deletions that come back to it take out what it wrote. `mend` makes that of an update;
    putting the text back where the client removed some of it is an edit of its own (`programs/corrections.py`).

    * Formats and embedded objects are in no file: they are deleted where they are.
    * Editors count UTF-16 units. Where one replaces one half of a surrogate pair (another emoji of the same block),
      Yjs divides the pair, and each half becomes U+FFFD. Ours cannot be divided: the pair is deleted whole, the half
      that was written in its place as well, and the character comes back as a new one.
    * What Yjs sends as U+FFFD may be half a pair in the client's own text, which nobody can tell. It is taken out, and
      comes back as U+FFFD for everybody; not at the edges of what was written when a pair was divided.
    * An item *between* the halves has no place here. It comes behind the pair, which is another order of deleted items
      than the client has. So that nobody else's text ends up in the one place there and in the other here, nothing may
      name such a *displaced* item as its neighbour: a deleted item behind it (`shield`), by a client ID above all
      others so that it comes last everywhere, takes its part, and what its own client wrote next to it before it heard
      of this is displaced, too, and put back as new text.

    * What a client keeps in a map beside its text, as `state` of jupyter_ydoc, is in no file. It shares the client's
      clock, so it is taken as deleted items, set *aside* between two deleted items of our own: the client does not have
      it among its text, so nothing may ever name it as a neighbour, and whatever is written there is written behind
      the second one.

    Everything else that the wall refuses stays refused: items of another text or inside another type cannot be told
    from the text of the file once something is written behind them.

Source: Yjs 13.6, `UpdateDecoderV1`, `ContentString.splice` (a divided pair becomes two U+FFFD).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

from yp2p.errors import InvalidUpdate
from yp2p.protocol.contents import GC, SKIP, TYPE, pass_content
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import MAX_CLOCK, StateVector
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Shape

ID = tuple[int, int]  # client and clock
Moved = tuple[int, int, int, ID]  # client, first clock and the one after the last, what stands for these items

_ORIGIN, _RIGHT_ORIGIN, _KEYED = 0x80, 0x40, 0x20
_DELETED, _STRING, _EMBED, _FORMAT = 1, 4, 5, 6
# An edit has a few pieces, what a client brings after days away some thousand. Each takes a hundred bytes and some
# microseconds: without the cap one message of 64 MiB would hold up the loop for a minute.
_MAX_PIECES = 1 << 16
_HALF = "\ufffd"  # what Yjs leaves of each half of a pair
_ROOT = Shape.TEXT.value


@dataclass(slots=True)
class _Block:
    """One item as it came; `text` is None where it is no text."""

    id: ID
    kind: int
    length: int
    origin: ID | None
    right: ID | None
    text: str | None = None
    is_aside: bool = False  # it is in a map

    @property
    def stop(self) -> int:
        return self.id[1] + self.length


@dataclass(frozen=True, slots=True)
class Displaced:
    """An item that is deleted, at another place than its client has it.

    Attributes:
        anchor: the item of all devices that it comes behind here.
        before: the visible character after that.
    """

    id: ID
    length: int
    anchor: ID
    before: ID | None


@dataclass(slots=True)
class Mended:
    """What can be taken of an edit.

    Attributes:
        update: the same operations, with what cannot be taken deleted.
        pairs: first halves of the characters that the client divided: they are deleted whole.
        kept: places, and the text that is to come back behind them.
        reason: a sentence for whoever made the edit; empty where nothing is lost.
    """

    update: bytes = b"\x00\x00"
    pairs: list[ID] = field(default_factory=list)
    displaced: list[Displaced] = field(default_factory=list)
    kept: list[tuple[ID, str]] = field(default_factory=list)
    reason: str = ""


class _Reader:
    """Reads an update of a text with everything that a `Y.Text` of a stock client can hold."""

    def __init__(self, data: bytes) -> None:
        self._cursor = Cursor(data)
        self.sections: dict[int, list[_Block]] = {}
        self.ranges: list[DeletedRange] = []

    def read(self) -> None:
        """Raises InvalidUpdate."""
        cursor = self._cursor
        pieces = 0
        for _ in range(cursor.count(4)):
            blocks, client, clock = cursor.count(2), cursor.client(), cursor.varint()
            pieces = self._counted(pieces + blocks)
            if client in self.sections or blocks == 0:
                raise InvalidUpdate(f"client {client} has two sections, or an empty one", cursor.at)
            section = self.sections[client] = []
            for _ in range(blocks):
                section.append(self._block(client, clock))
                clock = section[-1].stop
                if clock > MAX_CLOCK:
                    raise InvalidUpdate(f"clock {clock} is too large", cursor.at)
        for _ in range(cursor.count(2)):
            client, number = cursor.client(), cursor.count(2)
            pieces = self._counted(pieces + number)
            self.ranges += ((client, cursor.varint(), cursor.varint()) for _ in range(number))
        cursor.finish()

    def _counted(self, pieces: int) -> int:
        if pieces > _MAX_PIECES:
            raise InvalidUpdate(f"more than {_MAX_PIECES} pieces, of which one cannot be taken", self._cursor.at)
        return pieces

    def _block(self, client: int, clock: int) -> _Block:
        cursor = self._cursor
        if cursor.at >= cursor.end:
            raise InvalidUpdate("the bytes end early", cursor.at)
        info = cursor.data[cursor.at]
        cursor.at += 1
        if info == 0:
            raise InvalidUpdate("a GC block, where no type was ever deleted", cursor.at - 1)
        origin = (cursor.client(), cursor.varint()) if info & _ORIGIN else None
        right = (cursor.client(), cursor.varint()) if info & _RIGHT_ORIGIN else None
        if info & _KEYED:
            return self._aside(_Block((client, clock), info & 0x1F, 1, origin, right, is_aside=True))
        if origin is None and right is None:
            if cursor.varint() != 1:
                raise InvalidUpdate("an item inside another type: a file has text only", cursor.at)
            root = cursor.text()
            if root != _ROOT:
                raise InvalidUpdate(
                    f"the text of a file is the root {_ROOT!r}, and not {root[:40]!r}; a client that calls it so says "
                    f"`root={root[:40]}` in the address",
                    cursor.at,
                )
        return self._content(_Block((client, clock), info & 0x1F, 1, origin, right))

    def _aside(self, block: _Block) -> _Block:
        """An item of a map, which says its key where it has no neighbours."""
        cursor = self._cursor
        if block.kind in (TYPE, GC, SKIP):
            raise InvalidUpdate(
                f"content of kind {block.kind} in a map: what is in that is no text of a file", cursor.at
            )
        if block.origin is None and block.right is None:
            if cursor.varint() != 1 or cursor.text() == _ROOT:
                raise InvalidUpdate("an attribute of the text, or a map inside another type: a file has text only")
            cursor.text()
        block.length = pass_content(cursor, block.kind)
        return block

    def _content(self, block: _Block) -> _Block:
        cursor = self._cursor
        if block.kind == _STRING:
            block.text = cursor.text()
            block.length = len(block.text.encode("utf-16-le")) // 2
        elif block.kind == _DELETED:
            block.length = cursor.varint()
        elif block.kind in (_EMBED, _FORMAT):
            for _ in range(1 if block.kind == _EMBED else 2):
                cursor.text()
        else:
            raise InvalidUpdate(f"content of kind {block.kind} in a text: a file has text only", cursor.at)
        if block.length == 0:
            raise InvalidUpdate("an empty block", cursor.at)
        return block


class _Mender:
    def __init__(
        self,
        known: StateVector,
        halves: Set[ID],
        moved: Callable[[ID], ID | None],
        next_to: Callable[[ID], ID | None],
        aside: Callable[[], tuple[ID, ID]] | None,
    ) -> None:
        self._known = known
        self._halves = halves
        self._moved = moved
        self._next_to = next_to
        self._aside = aside
        self._mended = Mended()
        self._reasons: dict[str, None] = {}

    def mend(self, reader: _Reader, refused: Callable[[str], bool]) -> Mended:
        blocks = [block for section in reader.sections.values() for block in section if self._is_news(block)]
        self._mended.pairs = sorted({*self._pairs_in(reader.ranges), *self._pairs_beside(blocks)})
        sections = {
            client: [self._decided(block, refused) for block in news]
            for client, section in reader.sections.items()
            if (news := [block for block in section if self._is_news(block)])
        }
        ranges = _merged([*reader.ranges, *((client, clock, 2) for client, clock in self._mended.pairs)])
        self._mended.update = _encoded(sections, ranges)
        if self._mended.pairs:
            self._reasons["the edit divided a character (half of a surrogate pair)"] = None
        self._mended.reason = "; ".join(self._reasons)
        return self._mended

    def _is_news(self, block: _Block) -> bool:
        return block.stop > self._known.get(block.id[0], 0)

    def _pairs_in(self, ranges: Iterable[DeletedRange]) -> set[ID]:
        edges = ((client, edge) for client, start, length in ranges for edge in (start, start + length))
        return {(client, edge - 1) for client, edge in edges if (client, edge) in self._halves}

    def _pairs_beside(self, blocks: Iterable[_Block]) -> set[ID]:
        found = (self._pair_of(block) for block in blocks)
        return {pair for pair in found if pair is not None}

    def _pair_of(self, block: _Block) -> ID | None:
        """The pair between whose halves an item is."""
        if block.is_aside:
            return None
        if block.origin is not None and (block.origin[0], block.origin[1] + 1) in self._halves:
            return block.origin
        if block.right is not None and block.right in self._halves:
            return block.right[0], block.right[1] - 1
        return None

    def _decided(self, block: _Block, refused: Callable[[str], bool]) -> _Block:
        if block.is_aside:
            if self._aside is None:
                raise InvalidUpdate("an item of a map: a file has text only")
            return _Block(block.id, _DELETED, block.length, *self._aside())
        if (pair := self._pair_of(block)) is not None:
            return self._displace(block, (pair[0], pair[1] + 1))
        if block.origin is not None and (anchor := self._anchor(block.origin)) is not None:
            return self._displace(block, anchor)
        if block.right is not None and self._anchor(block.right) is not None:
            if block.origin is None:
                raise InvalidUpdate("an item before one that was refused")
            return self._displace(block, block.origin)
        if block.kind in (_EMBED, _FORMAT):
            self._reasons["a file has no formats and no embedded objects"] = None
            return _deleted(block)
        if block.text is not None and refused(block.text):
            return _deleted(block)
        if block.text is not None and _HALF in block.text:
            self._mended.kept.append(((block.id[0], block.stop - 1), self._kept(block)))
            return _deleted(block)
        return block

    def _anchor(self, place: ID) -> ID | None:
        """What stands for a displaced character; None for every other one."""
        for one in self._mended.displaced:
            if one.id[0] == place[0] and one.id[1] <= place[1] < one.id[1] + one.length:
                return one.anchor
        return self._moved(place)

    def _kept(self, block: _Block) -> str:
        """What an item says that the document does not know; without halves of characters, where some were divided."""
        if block.text is None or block.id[1] < self._known.get(block.id[0], 0):
            return ""
        return block.text.strip(_HALF) if self._mended.pairs else block.text

    def _displace(self, block: _Block, anchor: ID) -> _Block:
        before = self._next_to(anchor)
        self._mended.displaced.append(Displaced(block.id, block.length, anchor, before))
        self._mended.kept.append((anchor, self._kept(block)))
        self._reasons["what was written beside a divided character was put back"] = None
        return _Block(block.id, _DELETED, block.length, anchor, before)


def mend(
    data: bytes,
    known: StateVector,
    halves: Set[ID],
    moved: Callable[[ID], ID | None],
    next_to: Callable[[ID], ID | None],
    refused: Callable[[str], bool] = lambda text: False,
    aside: Callable[[], tuple[ID, ID]] | None = None,
) -> Mended:
    """Rewrite an update that the wall refused.

    Args:
        known: the state vector of the document.
        halves: client and clock of the second halves of the surrogate pairs in it.
        moved: gives what stands in the place of a character of an item that was displaced before; None for others.
        next_to: gives the first visible character after a place in the document.
        refused: whether a text cannot be in a file.
        aside: gives two deleted items of our own, the second one right behind the first; None where maps are refused.

    Raises:
        InvalidUpdate: no update of a text, or one of which nothing can be made. What comes out still has to pass the
            wall: only that looks at everything.
    """
    reader = _Reader(data)
    reader.read()
    return _Mender(known, halves, moved, next_to, aside).mend(reader, refused)


def shield(client: int, clock: int, places: Iterable[tuple[ID | None, ID | None]]) -> bytes:
    """An update with one deleted item of `client` at each place: behind an item, before another one; or at the end."""
    blocks = [_Block((client, clock + n), _DELETED, 1, behind, before) for n, (behind, before) in enumerate(places)]
    return _encoded({client: blocks}, [])


def _deleted(block: _Block) -> _Block:
    return _Block(block.id, _DELETED, block.length, block.origin, block.right)


def _merged(ranges: Iterable[DeletedRange]) -> list[DeletedRange]:
    merged: list[DeletedRange] = []
    for client, start, length in sorted(ranges):
        if merged and merged[-1][0] == client and start <= merged[-1][1] + merged[-1][2]:
            _, first, _ = merged[-1]
            merged[-1] = client, first, max(merged[-1][2], start + length - first)
        else:
            merged.append((client, start, length))
    return merged


def _encoded(sections: Mapping[int, list[_Block]], ranges: list[DeletedRange]) -> bytes:
    parts = [write_varint(len(sections))]
    for client, blocks in sections.items():
        parts += (write_varint(len(blocks)), write_varint(client), write_varint(blocks[0].id[1]))
        parts += (_encoded_block(block) for block in blocks)
    by_client: dict[int, list[DeletedRange]] = {}
    for one in ranges:
        by_client.setdefault(one[0], []).append(one)
    parts.append(write_varint(len(by_client)))
    for client, of_client in by_client.items():
        parts += (write_varint(client), write_varint(len(of_client)))
        parts += (write_varint(start) + write_varint(length) for _, start, length in of_client)
    return b"".join(parts)


def _encoded_block(block: _Block) -> bytes:
    info = block.kind | (_ORIGIN if block.origin else 0) | (_RIGHT_ORIGIN if block.right else 0)
    parts = [bytes([info])]
    parts += (write_varint(client) + write_varint(clock) for client, clock in filter(None, (block.origin, block.right)))
    if block.origin is None and block.right is None:
        parts.append(b"\x01" + write_varint(len(_ROOT)) + _ROOT.encode())
    if block.text is not None:
        text = block.text.encode()
        parts += (write_varint(len(text)), text)
    else:
        parts.append(write_varint(block.length))
    return b"".join(parts)

"""What is done with an edit of a program that cannot be taken as it is.

All of its operations are taken, with other contents where these can be in no file: so the program's document and this
one stay the same, and the program goes on. The text is made right by an edit of our own, which the program gets like
any other. What is in question is one of these:

* An edit that is taken back (`undo`): the text is as before.
* An edit of which a part can be taken (`put_right`), as a character that it divided: that part is written anew at its
  place.

Items that cannot stand where the program put them are displaced (`protocol/mending.py`). A deleted item of our own (a
shield) is put behind each, and stands for it from then on: what programs write beside a displaced item comes to stand
beside its shield.

Invariants
    * Nothing is awaited in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import randbits

import structlog

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.text import MAX_HUNKS
from yp2p.errors import InvalidUpdate, PositionUnknown
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.programs.programs import Program
from yp2p.protocol.mending import ID, Displaced, Mended, Moved, mend, shield
from yp2p.protocol.ysync import Checked, Parsed, Shape, check
from yp2p.store.writer import Commit

# Changes of a program with no more time between them are undone together (the seed documents' `capture_timeout`).
CAPTURE_S = 0.5
# A client has heard of what was displaced long before that many others were.
_MAX_MOVED = 256

log = structlog.get_logger()


class Corrections:
    """Puts right what one program wrote into one document.

    Args:
        moved: what stands for the items that were displaced, of all programs that have the document open (tabs of one
            browser tell each other what they wrote).
        tell: takes a sentence for whoever uses the program.
    """

    def __init__(
        self, folder: Folder, live: LiveDocument, program: Program, moved: list[Moved], tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._live = live
        self._program = program
        self._moved = moved
        self._tell = tell
        self._shields = 1 << 52 | randbits(51), 0  # client ID, above those of all programs, and clock
        self._aside: tuple[ID, ID] | None = None  # two of them, with what is no text in between

    def _accept(self, update: Checked) -> Commit | None:
        return self._folder.edits.accept_from_program(self._live, update, None, CAPTURE_S, self._program.client)

    def undo(self, update: bytes, reason: str) -> Commit | None:
        """Take an edit back: its operations are taken, and the text is what it was."""
        before, index = self._live.text.text(), PositionIndex(self._live.replica.state())
        mended = self._mend(update, index, lambda text: True)
        commit = self._accept(check(mended.update, Shape.TEXT))
        index.apply(mended.update)
        shields = self._put_shields(mended.displaced, index)
        commit = self._edit(hunks(self._live.text.text(), before, limit=MAX_HUNKS), index) or commit
        self._remember(mended.displaced, shields)
        self._was_refused(f"an edit was taken back: {reason}")
        return commit

    def put_right(self, update: bytes, refused: Callable[[str], bool], reason: str = "") -> Commit | None:
        """Take what can be taken of an edit; characters that it divided stay. Raises InvalidUpdate: nothing can be."""
        before, index = self._live.text.text(), PositionIndex(self._live.replica.state())
        mended = self._mend(update, index, refused)
        divided = {(client, clock + 1): _character(before, index, (client, clock)) for client, clock in mended.pairs}
        commit = self._accept(check(mended.update, Shape.TEXT))
        index.apply(mended.update)
        shields = self._put_shields(mended.displaced, index)
        now = self._live.text.text()
        texts: dict[int, str] = {}
        for place, text in [*divided.items(), *mended.kept]:
            at = _place(now, index, place)
            texts[at] = texts.get(at, "") + text
        at_anchors = {anchor: _place(now, index, anchor) for anchor in shields}
        commit = self._edit([Hunk(at, at, texts[at]) for at in sorted(texts) if texts[at]], index) or commit
        now = self._live.text.text()
        for anchor, at in at_anchors.items():
            if texts.get(at):
                end = sum(len(text) for other, text in texts.items() if other <= at) + at
                shields[anchor] = _id_of(index.create(now, end, Assoc.BEFORE)) or shields[anchor]
        self._remember(mended.displaced, shields)
        self._was_refused("; ".join(filter(None, (reason, mended.reason))))
        return commit

    def _mend(self, update: bytes, index: PositionIndex, refused: Callable[[str], bool]) -> Mended:
        replica = self._live.text
        text = replica.text()

        def next_to(place: ID) -> ID | None:
            return _id_of(index.create(text, _place(text, index, place), Assoc.AFTER))

        def aside() -> tuple[ID, ID]:
            return self._place_aside(index)

        return mend(update, replica.clocks(), replica.halves, self._stands_for, next_to, refused, aside)

    def _stands_for(self, place: ID) -> ID | None:
        return next(
            (to for client, start, stop, to in self._moved if client == place[0] and start <= place[1] < stop), None
        )

    def is_beside_moved(self, parsed: Parsed) -> bool:
        """Whether something was written beside an item that is at another place here."""
        if not self._moved:
            return False
        places = ((client, clock - behind) for client, clock in parsed.dividing() for behind in (0, 1))
        return any(self._stands_for(place) is not None for place in places)

    def _put_shields(self, displaced: Sequence[Displaced], index: PositionIndex) -> dict[ID, ID]:
        """Put a deleted item behind what was displaced; gives those items by what they are behind."""
        places = {one.anchor: one.before for one in displaced}
        if not places:
            return {}
        ids = self._add_shields(list(places.items()), index)
        return dict(zip(places, ids, strict=True))

    def _place_aside(self, index: PositionIndex) -> tuple[ID, ID]:
        """Where what is no text comes: between these two, at the end of the document of then."""
        if self._aside is None:
            client, clock = self._shields
            first, last = self._add_shields([(None, None), ((client, clock), None)], index)
            self._aside = first, last
        return self._aside

    def _add_shields(self, places: Sequence[tuple[ID | None, ID | None]], index: PositionIndex) -> list[ID]:
        """Add a deleted item of our own at each place."""
        client, clock = self._shields
        self._shields = client, clock + len(places)
        self._folder.edits.own_claims.to_publish.add(client)
        with self._folder.texts.reloading(self._live):
            news = self._live.replica.apply(shield(client, clock, places))
        if news is not None:
            index.apply(news)
            self._folder.edits.record(self._live, news, None, undo_gap_s=CAPTURE_S)
        return [(client, clock + number) for number in range(len(places))]

    def _edit(self, changes: Sequence[Hunk], index: PositionIndex) -> Commit | None:
        if not changes:
            return None
        with self._folder.texts.reloading(self._live):
            news = self._live.text.edit(changes)
        if news is None:
            return None
        index.apply(news)
        return self._folder.edits.record(self._live, news, None, undo_gap_s=CAPTURE_S)

    def _remember(self, displaced: Sequence[Displaced], stands_for: dict[ID, ID]) -> None:
        self._moved += (
            (one.id[0], one.id[1], one.id[1] + one.length, stands_for[one.anchor]) for one in displaced
        )  # fmt: skip

        del self._moved[:-_MAX_MOVED]

    def _was_refused(self, reason: str) -> None:
        self._folder.render_queue.want(self._program.entry)
        if reason:
            log.info("edit_put_right", reason=reason)
            self._tell(reason)


def _place(text: str, index: PositionIndex, place: ID) -> int:
    """Where the text goes on after a character of the document; where that was, if it is deleted."""
    try:
        return index.resolve(text, Position(Assoc.BEFORE, *place))
    except PositionUnknown:
        raise InvalidUpdate(f"what it builds on (operation {place[1]} of client {place[0]}) is not here") from None


def _character(text: str, index: PositionIndex, pair: ID) -> str:
    """The character whose first half this is; nothing where it is deleted."""
    try:
        return text[index.resolve(text, Position(Assoc.AFTER, *pair)) : _place(text, index, (pair[0], pair[1] + 1))]
    except PositionUnknown:
        raise InvalidUpdate("it divides a character that it brings") from None


def _id_of(position: Position) -> ID | None:
    return (position.client, position.clock) if position.client is not None else None

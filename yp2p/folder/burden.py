"""What others have this device hold that is no content: how much of it one of them may bring at once.

Theory of operation
    A few bytes of an update can be two hundred in the memory of whoever has the text open. A name that nobody uses, a
    register that is written over, a device that is let in and is nowhere are held by all devices from then on, and cost
    who writes them nothing. An honest member brings little of all that. So whatever is taken of a member is weighed: by
    what it makes this device hold, less what its own bytes account for (`of_text`), and less what comes for it later
    (the content of an entry, `Awaited`). The weight is a debt, which is forgiven as time passes. Whoever owes more than
    `MOST_BYTES` is read more slowly: the next update that weighs anything waits until the debt is below that again.
    Nothing is refused or left out, so all devices come to the same in the end, in whatever order; and `status` says why
    it takes so long.

    Pieces of a text take memory while the text is in memory, which is not for long where nobody has it open
    (`texts.py`). So what they weigh is owed for that time only (`Held`): who comes back with the edits of months, in
    hundreds of texts, some hundred bytes for each, waits no longer than it takes to let go of those that are done.

    A keystroke can be less than the piece that it makes: where its writer has a short client ID, or it takes something
    out as well. So one piece and one range an update are free, but only as fast as people type (`KEYSTROKES_S`); what
    comes faster weighs as everything else does.

    A member may let in others, and each of these others. So who has been known for less than a day shares the account
    of whoever let it in (`peers/known_devices.py`).

Invariants
    * What one account brings within a time is bounded by `MOST_BYTES` and `FORGIVEN_BYTES_S`, by `KEYSTROKES` and
      `KEYSTROKES_S`, which is about as much, and one message of each channel.
    * What honest people and programs type and save weighs nothing: each piece of it comes with more bytes than it needs
      to be paid for. Nor do the entries of a first synchronisation, once their content is here.
    * What weighs nothing, and what is free, waits for no account, whatever its sender owes: a keystroke is live also
      while more comes in.
    * Content pays for an entry once, for whoever brought the entry, and no more than that weighed: nobody comes to a
      credit by writing contents over and over.
    * Who waits holds nothing that others need, and not the link: other messages of the member are taken meanwhile, as
      far as there is room for them (`transport/undone.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
import trio

from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.ysync import Checked, Shape

# Some forty thousand entries of which the content is still to come.
MOST_BYTES = 24 << 20
# Fifteen mebibytes in half an hour.
FORGIVEN_BYTES_S = 8 << 10
# A piece of a text: an item of the library, with what finds it. And a deleted range, which may divide one.
PIECE_BYTES, RANGE_BYTES = 200, 100
# A piece that somebody wrote has 25 bytes or more with its letters; one that takes something out, 13.
PAID_BYTES = 8
# A keystroke is one piece and takes out one range, at most. Of who has a short client ID it has 18 bytes.
_KEYSTROKE_PIECES, _KEYSTROKE_RANGES = 1, 1
# Of those that weigh something, a hundred bytes most of them, so many are free at once, and a second. With forty
# cursors twice that is typed, for a minute.
KEYSTROKES, KEYSTROKES_S = 6000, 100
# A register of the manifest: two of them are an entry here, with its place, and as much in the library.
REGISTER_BYTES = 400
# What is forgiven at most for an entry, of two registers with their values, when its content comes.
CONTENT_BYTES = 1000
# A statement of the membership, and the device that it lets in.
STATEMENT_BYTES = 4 << 10
# Client IDs that were drawn again, as somebody else wrote with the former ones.
RENEWED_BYTES = 1 << 10
SLOWED = "it brings more small pieces, names or devices than are taken at once: what it brings comes slowly, all of it"
# How soon whoever waits looks again, and how often that is written down.
_LOOK_S, _SAID_EVERY_S = 1.0, 3600.0

log = structlog.get_logger()


def of_text(update: Checked) -> int:
    """What a part of a text weighs: its pieces, as far as its bytes do not account for them."""
    weight = PIECE_BYTES * update.parsed.pieces + RANGE_BYTES * len(update.deleted)
    return max(0, weight - PAID_BYTES * len(update.data))


def is_keystroke(update: Checked) -> bool:
    """Whether a part of a text is no more than one keystroke makes."""
    return update.parsed.pieces <= _KEYSTROKE_PIECES and len(update.deleted) <= _KEYSTROKE_RANGES


def of_registers(update: Checked) -> int:
    """What registers of the manifest weigh. Their values stay as well, some of them twice."""
    return REGISTER_BYTES * update.parsed.pieces + len(update.data)


def weight_of(update: Checked, shape: Shape) -> int:
    """What an update of a document of this shape weighs."""
    return of_text(update) if shape is Shape.TEXT else of_registers(update)


class Burden:
    """The account of one member, and of those it let in lately."""

    def __init__(self) -> None:
        self._owed = 0.0
        self._at = 0.0  # when that was so
        self._said_at = float("-inf")
        self._typed = 0.0  # keystrokes that were free, less those of which it is long ago
        self._typed_at = 0.0  # when that was so

    @property
    def owed(self) -> float:
        """Bytes that were brought and are not forgiven."""
        now = trio.current_time()
        self._owed = max(0.0, self._owed - (now - self._at) * FORGIVEN_BYTES_S)
        self._at = now
        return self._owed

    @property
    def is_heavy(self) -> bool:
        """Whether it has to wait."""
        return self.owed > MOST_BYTES

    @property
    def free_keystrokes(self) -> int:
        """How many keystrokes weigh nothing, were they to come now."""
        now = trio.current_time()
        self._typed = max(0.0, self._typed - (now - self._typed_at) * KEYSTROKES_S)
        self._typed_at = now
        return int(KEYSTROKES - self._typed)

    def is_free(self, updates: Iterable[Checked], shape: Shape) -> bool:
        """Whether these need not wait, whatever is owed: they weigh nothing, or are what people type, as fast."""
        weighing = [update for update in updates if weight_of(update, shape)]
        if not weighing:
            return True
        typed = shape is Shape.TEXT and all(map(is_keystroke, weighing))
        return typed and len(weighing) <= self.free_keystrokes

    def text_came(self, update: Checked) -> int:
        """A part of a text was brought: what it weighs here, once what is free is taken off."""
        weight = of_text(update)
        if weight and is_keystroke(update) and self.free_keystrokes >= 1:
            self._typed += 1
            return 0
        return weight

    def add(self, weight: int) -> None:
        """So much was brought; less than nothing is forgiven."""
        self._owed = max(0.0, self.owed + weight)

    async def until_light(self) -> None:
        """Wait until more may be brought."""
        if not self.is_heavy:
            return
        now = trio.current_time()
        if now - self._said_at >= _SAID_EVERY_S:
            self._said_at = now
            log.warning("member_slowed", advice=SLOWED, owed=int(self._owed))
        while self.is_heavy:  # noqa: ASYNC110 (it is time that is waited for)
            await trio.sleep(min(_LOOK_S, (self._owed - MOST_BYTES) / FORGIVEN_BYTES_S + 0.001))


class Held:
    """What others brought into texts weighs while these are in memory, and on whose accounts."""

    def __init__(self) -> None:
        self._weighed: dict[DocumentID, dict[Burden, int]] = {}

    def brought(self, document: DocumentID, burden: Burden, weight: int) -> None:
        """So much came into a text that is in memory, on this account."""
        if weight:
            burden.add(weight)
            weighed = self._weighed.setdefault(document, {})
            weighed[burden] = weighed.get(burden, 0) + weight

    def opened(self, document: DocumentID) -> None:
        """A text is in memory again."""
        for burden, weight in self._weighed.get(document, {}).items():
            burden.add(weight)

    def closed(self, document: DocumentID) -> None:
        """A text has left the memory."""
        for burden, weight in self._weighed.get(document, {}).items():
            burden.add(-weight)

    def forget(self, document: DocumentID) -> None:
        """A text has left the memory, and is not here any more."""
        self._weighed.pop(document, None)


class Awaited:
    """What entries weighed whose content is still to come, and on whose account: it is forgiven then, once for each."""

    def __init__(self) -> None:
        self._weighed: dict[EntryID, tuple[Burden, int]] = {}
        self._forgiven: set[EntryID] = set()

    def brought(self, entries: Iterable[EntryID], burden: Burden, weight: int) -> None:
        """So much of each of these entries was brought, on this account."""
        for entry in entries:
            by, before = self._weighed.get(entry, (burden, 0))
            if by is burden and entry not in self._forgiven:
                self._weighed[entry] = burden, min(CONTENT_BYTES, before + weight)

    def content_came(self, entries: Iterable[EntryID]) -> None:
        """The content of these entries is here, whoever brought it."""
        for entry in entries:
            if entry in self._weighed:
                burden, weight = self._weighed.pop(entry)
                self._forgiven.add(entry)
                burden.add(-weight)

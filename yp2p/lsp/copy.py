"""What an editor has of a file: a copy that is behind, as the editor is.

Theory of operation
    The editor's text at the version that it named last is a state of the document, not the newest one. So the copy is
    a replica of its own, which has all that the editor was given and all that was typed there, and writes with the
    client ID of the open file, in which nobody else writes. What the editor changes is an edit of the copy, so it is
    made of the version that it names; its update goes to the open file, where Yjs merges it.

    What others changed is offered to the editor for the version that it has. Once it has taken that, the copy takes the
    same updates. An editor that has moved on refuses, and is offered what there is then.

    An editor tells of a change that it was given as of any other, alone or together with what was typed right after
    it. So it is compared with the text that the editor must have: what differs from that was typed. And one that has
    moved on may say that it took an offer, and have left it (Neovim does). What it told first after the version of the
    offer shows which: all of the offer, or its last replacement; or at least more of it than of what was there before.

    A byte order mark is no part of an editor's text. Here it stands in front of what the editor tells, as in the file.

Invariants
    * The copy has no operation that the open file has not.
    * What was typed into a text that is older than the copy is merged as a change of that text.
    * While an offer is under way nothing is concluded from what the editor tells; afterwards all of it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yp2p.documents.diff import Hunk, apply_hunks, extent, hunks, line_blocks, split_lines
from yp2p.documents.guarded import check_text
from yp2p.documents.text import MAX_HUNKS, TextReplica
from yp2p.lsp.places import Change, changed
from yp2p.threeway.merge import merge

_MARK = "\ufeff"


def marked(shown: str, text: str) -> str:
    """What an editor saves that shows this of a text: the text's byte order mark with it."""
    return _MARK + shown if text.startswith(_MARK) and not shown.startswith(_MARK) else shown


@dataclass(frozen=True, slots=True)
class Offer:
    """What an editor is to change in the version that it has, and the updates which that stands for.

    The texts and places are those of the file; the editor's begin behind the `hidden` characters.
    """

    version: int
    before: str
    after: str
    changes: Sequence[Hunk]
    update: bytes
    hidden: int = 0

    def in_editor(self) -> tuple[str, list[Hunk]]:
        """The editor's text, and what is to be changed there."""
        return self.before[self.hidden :], _moved(self.changes, -self.hidden)

    def is_in(self, told: str) -> bool:
        """Whether an editor has made these changes that told this of the next version."""
        first = apply_hunks(self.before, self.changes[-1:])  # an editor that begins at the end tells of that alone
        if told in (self.after, first):
            return True
        left = _distance(self.before, told)
        return _distance(self.after, told) < left or _distance(first, told) < left


def _moved(changes: Sequence[Hunk], count: int) -> list[Hunk]:
    return [Hunk(one.start + count, one.stop + count, one.text) for one in changes]


def _distance(old: str, new: str) -> tuple[int, int]:
    """How far a text is from another one: lines, then characters.

    Lines first: one that was written where another one is missing may be much like that, and is another line.
    """
    blocks = line_blocks(split_lines(old), split_lines(new))
    lines = sum(block.old_stop - block.old_start + block.new_stop - block.new_start for block in blocks)
    return lines, extent(hunks(old, new))


class EditorCopy:
    """The copy of one editor.

    Args:
        client: the client ID of the open file.
        state: all of the document.
        text, version: what the editor shows.
        encoding: how it counts in a line.
    """

    def __init__(self, client: int, state: bytes, text: str, version: int, encoding: str) -> None:
        self._replica = TextReplica.from_updates(client, [state])
        self._encoding = encoding
        self.told = marked(text, self.text)  # what the editor says it has
        self._hidden = len(self.told) - len(text)
        # What it showed last of a text that is older than the copy, which it was not given yet: the file went on
        # between its reading of the disk and this.
        self._older = self.told if self.told != self.text else None
        self.version = version
        self._offered: Offer | None = None
        self._unheard: Offer | None = None  # what the editor says it took, and has not told of
        self._first: str | None = None  # what it told first after the version of an offer

    @property
    def text(self) -> str:
        """What the editor must have, but for what was typed there since."""
        return self._replica.text()

    def state_vector(self) -> bytes:
        return self._replica.state_vector()

    @property
    def can_be_offered(self) -> bool:
        """Whether it is known what the editor has."""
        return self._offered is None and self._unheard is None

    def hear(self, version: int, changes: Iterable[Change]) -> bytes | None:
        """Take what the editor tells; gives the update of what was typed, if anything was.

        Raises:
            ValueError: a file cannot hold what was typed; the editor is to be offered its text again.
        """
        hidden, shown = self.told[: self._hidden], self.told[self._hidden :]
        self.told = hidden + changed(shown, changes, self._encoding)
        self.version = version
        if self._first is None:
            self._first = self.told
        if self._offered is not None:
            return None
        taken, self._unheard = self._unheard, None
        return self._settled(taken) if taken is not None else self._typed()

    def _typed(self) -> bytes | None:
        wanted = self.told
        if self._older is not None:
            wanted, self._older = merge("", self._older, self.text, self.told).text, self.told
        if wanted == self.text:
            return None
        check_text(wanted)
        return self._replica.edit(hunks(self.text, wanted, limit=MAX_HUNKS))

    def offer(self, text: str, update: bytes) -> Offer:
        """What the editor is to change so that it shows a text, which the copy has with an update."""
        self._first = None
        if not text.startswith(self.told[: self._hidden]):
            self.told, self._hidden = self.told[self._hidden :], 0  # somebody removed the mark
        found = hunks(self.told[self._hidden :], text[self._hidden :], limit=MAX_HUNKS)
        changes = _moved(found, self._hidden)
        self._offered = Offer(self.version, self.told, text, changes, update, self._hidden)
        return self._offered

    def drop(self, offer: Offer) -> None:
        """The editor was to take an offer, and has told of nothing since: it did not."""
        if self._unheard is offer:
            self._unheard = None

    def answered(self, offer: Offer, *, taken: bool) -> bytes | None:
        """The editor took what it was offered, or did not; gives the update of what was typed meanwhile.

        Raises ValueError: as `hear`.
        """
        self._offered = None
        if taken and self.version == offer.version:
            self._unheard = offer
            return None
        if taken:
            return self._settled(offer)
        return self._typed() if self.version != offer.version else None

    def _settled(self, offer: Offer) -> bytes | None:
        if offer.is_in(self._first if self._first is not None else self.told):
            self._replica.apply(offer.update)
            self._older = None
        return self._typed()

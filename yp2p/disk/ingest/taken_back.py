"""What a save takes back of others' recent changes is told, with what makes that undone.

It removes what they wrote, or brings back what they removed. Nobody can say for sure that its writer had read that
(`folder/recent.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
import trio

from yp2p.documents.brought_back import Back, brought_back, taking_back
from yp2p.documents.diff import hunks
from yp2p.errors import CrdtPanic
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.notices import NoticeKind, Undo
from yp2p.folder.recent import Recent
from yp2p.folder.records import FileRecord
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.ysync import Shape, UpdateParser

# Fewer letters bring nothing back that anybody would look for, and looking takes the whole history of the text.
_MIN_UNITS = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BeforeSave:
    """A document right before a save is merged, where others changed something lately."""

    text: str
    recents: Sequence[Recent]

    @classmethod
    def of(cls, live: LiveDocument, *, is_doubtful: bool) -> BeforeSave:
        """Args: `is_doubtful`: the save may be made of an older version, so that what was typed here counts as well."""
        recents = [live.recent, live.recent_here] if is_doubtful else [live.recent]
        return cls(live.text.text() if any(recents) else "", recents)

    def taken_by(self, update: bytes, after: str) -> TakenBack | None:
        """What an update may have taken back; None: nothing.

        Args:
            after: the text with it; empty where it is not to be looked at.
        """
        if not any(self.recents):
            return None
        parser = UpdateParser(update, Shape.TEXT)
        parser.parse()
        removed = sum(recent.overlap(parser.ranges) for recent in self.recents)
        may_be_back = self.recents[0].removed if after and parser.inserted_units >= _MIN_UNITS else []
        return TakenBack(self.text, after, removed, may_be_back) if removed or may_be_back else None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a save removed of others' text (so many characters), and what of others' removals it may have undone."""

    before: str
    after: str
    removed: int
    may_be_back: Sequence[DeletedRange]

    async def tell(self, folder: Folder, record: FileRecord, seq: int) -> None:
        """Say it, if there is anything; `seq` is the row of the save, which is stored."""
        back = await self._back(folder, record, seq) if self.may_be_back else []
        if not self.removed and not back:
            return
        undo = None
        if self.after:
            changes = await trio.to_thread.run_sync(hunks, self.after, self.before)
            undo = Undo.of(record.document, seq, taking_back(changes, back, has_removed=bool(self.removed)))
        folder.notices.add(NoticeKind.REMOVED_OTHERS_TEXT, record.path, self._text(back), record.entry, undo)

    async def _back(self, folder: Folder, record: FileRecord, seq: int) -> list[Back]:
        updates = [data for _, data in folder.texts.rows(record.document, seq - 1)]
        try:
            return await trio.to_thread.run_sync(brought_back, updates, self.may_be_back, self.after)
        except CrdtPanic as panic:
            log.warning("removals_unknown", path=record.path, reason=str(panic), advice="the text itself is whole")
            return []

    def _text(self, back: Sequence[Back]) -> str:
        chars = sum(one.stop - one.start for one in back)
        if not self.removed:
            return f"a save here brought back {chars} characters that another device had removed lately"
        text = f"a save here removed {self.removed} characters that another device or program had written lately"
        return f"{text}, and brought back {chars} that another device had removed" if chars else text

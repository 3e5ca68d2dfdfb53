"""How much room the files of one folder may take on this disk, where somebody set a limit: on a hub, for one.

What other devices bring beyond it is not fetched, and waits with the reason; it comes when there is room, or more is
allowed. Texts always come: who edits one must not find that a device keeps another version of it, and they are small.
What is saved here by hand is never refused; it counts. What was begun counts until a file has it, or the content is
wanted no more, as its chunks are on the disk by then.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID

# Adding up a hundred thousand files takes milliseconds.
_COUNTED_FOR_S = 2.0


class Quota:
    """Of one folder. `limit` is in bytes; 0 is none."""

    def __init__(self) -> None:
        self.limit = 0
        self._bytes = 0
        self._counted_at = float("-inf")
        self._granted: dict[bytes, int] = {}  # by content: what may come, and is in no file yet

    def refusal(self, wanted: Mapping[bytes, int], replaced_bytes: int, files: Mapping[EntryID, FileRecord]) -> str:
        """Why contents may not come in; empty where they may, and then they count until a file has them.

        Args:
            wanted: the bytes of each, by its hash.
            replaced_bytes: of the files that they take the place of.
        """
        if not self.limit:
            return ""
        now = trio.current_time()
        if now >= self._counted_at + _COUNTED_FOR_S:
            self._bytes, self._counted_at = sum(record.stamp.size for record in files.values()), now
            here = {record.content for record in files.values()}
            self._granted = {blob: size for blob, size in self._granted.items() if blob not in here}
        granted = {**self._granted, **wanted}
        if self._bytes + sum(granted.values()) - replaced_bytes <= self.limit:
            self._granted = granted
            return ""
        return (
            f"the quota of this folder is reached: {self._bytes >> 20} MiB of {self.limit >> 20} MiB are taken here; "
            "see [quota] in the settings"
        )

    def forget(self, blob: bytes) -> None:
        """A content is wanted no more, and what there was of it has gone."""
        self._granted.pop(blob, None)

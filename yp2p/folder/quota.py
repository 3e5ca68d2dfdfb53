"""How much room the files of one folder may take on this disk, where somebody set a limit: on a hub, for one.

What other devices bring beyond it is not fetched, and waits with the reason; it comes when there is room, or more is
allowed. Texts always come: who edits one must not find that a device keeps another version of it, and they are small.
What is saved here by hand is never refused; it counts.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from yp2p.folder.records import FileRecord

# Adding up a hundred thousand files takes milliseconds.
_COUNTED_FOR_S = 2.0


class Quota:
    """Of one folder. `limit` is in bytes; 0 is none."""

    def __init__(self) -> None:
        self.limit = 0
        self._bytes = 0
        self._counted_at = float("-inf")
        self._granted = 0  # since they were counted

    def refusal(self, wanted_bytes: int, files: Iterable[FileRecord]) -> str:
        """Why so many bytes more may not come in; empty where they may, and then they count."""
        if not self.limit:
            return ""
        now = trio.current_time()
        if now >= self._counted_at + _COUNTED_FOR_S:
            self._bytes, self._granted, self._counted_at = sum(record.stamp.size for record in files), 0, now
        if self._bytes + self._granted + wanted_bytes <= self.limit:
            self._granted += wanted_bytes
            return ""
        return (
            f"the quota of this folder is reached: {self._bytes >> 20} MiB of {self.limit >> 20} MiB are taken here; "
            "see [quota] in the settings"
        )

"""An editor that saves after each edit, and reads a file again that changed on the disk, as VS Code with Teamtype's
extension does: for tests."""

from __future__ import annotations

import os
from pathlib import Path

import trio
from teamtype.follower import Buffer, Editor


class SavedBuffer:
    """One open file.

    A save is refused where the file is not as it was read or written last; a file that changed is read again where
    everything is saved. That is told like anything that is typed: the lines between the first and the last that differ.
    """

    def __init__(self, editor: Editor, buffer: Buffer, path: Path) -> None:
        self.editor = editor
        self.buffer = buffer
        self.path = path
        self._known = self._stamp()
        self._encoding = "utf-8-sig" if path.read_bytes().startswith(b"\xef\xbb\xbf") else "utf-8"
        self.is_dirty = False
        self.read_again = self.saves = 0

    def _stamp(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_mtime_ns, found.st_size

    def type(self, line: int, text: str) -> None:
        """Put something in at the beginning of a line, and save."""
        at = sum(len(one) + 1 for one in self.buffer.lines[:line])
        self.buffer.edit((at, at, text))
        self.save()

    def save(self) -> None:
        """Save in place, unless the file is another one."""
        self.is_dirty = True
        if self._stamp() == self._known:
            self.path.write_bytes(self.buffer.content.encode(self._encoding))
            self._known, self.is_dirty = self._stamp(), False
            self.saves += 1

    def look(self) -> None:
        """Read the file again, where it changed."""
        stamp = self._stamp()
        if self.is_dirty or stamp == self._known:
            return
        lines = self.path.read_bytes().decode("utf-8-sig").split(self.buffer.line_end)
        if self._stamp() != stamp:
            return
        self._known = stamp
        old, at = self.buffer.lines, 0
        while at < min(len(old), len(lines)) and old[at] == lines[at]:
            at += 1
        end = 0
        while end < min(len(old), len(lines)) - at and old[-1 - end] == lines[-1 - end]:
            end += 1
        if old == lines:
            return
        self.read_again += 1
        start, stop = (sum(len(one) + 1 for one in old[:to]) for to in (at, len(old) - end))
        new = "".join(f"{one}\n" for one in lines[at : len(lines) - end])
        if not end:  # up to the end of the text
            start, stop, new = max(0, start - 1), self.buffer.size, "\n" * (at > 0) + new.removesuffix("\n")
        self.buffer.edit((start, stop, new))

    async def watch(self) -> None:
        """Save what came, and look at the file, until cancelled."""
        taken = self.buffer.taken
        while True:
            await trio.sleep(0.02)
            if self.buffer.taken != taken or self.is_dirty:
                taken = self.buffer.taken
                self.save()
            if self.is_dirty and self._stamp() != self._known:
                await self._overwrite()
            self.look()
            await self.editor.flush()

    async def _overwrite(self) -> None:
        """The file is another one: the extension tries again with its next edit, and a person says "overwrite"."""
        self._known = self._stamp()


def doubled(text: str, wanted: list[str]) -> dict[str, int]:
    """Which of these lines is not in a text once."""
    found = text.splitlines()
    return {line: found.count(line) for line in wanted if found.count(line) != 1}

"""One file that an editor has open: its copy and the live file, and what goes from one to the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio

from yp2p.client import Device, File
from yp2p.errors import YpError, first_of
from yp2p.lsp.copy import EditorCopy, Offer
from yp2p.lsp.places import Change, changed
from yp2p.threeway.merge import merge

# Of an editor that has not answered by then, what it tells says whether it took an offer.
_ANSWER_S = 30.0
# An editor that is about to save waits a second for what it is to change before.
_BEFORE_SAVE_S = 0.8
# Of what it was to change before a save it tells at once.
_TOLD_S = 3.0
# Between two offers of which the first was refused: it types, and says what in a moment.
_AGAIN_S = 0.05

log = logging.getLogger(__name__)


def _on_disk(path: str, otherwise: str) -> str:
    """What a file says on the disk. Blocks: it is asked at once, as others' changes come to it as well."""
    try:
        with open(path, encoding="utf-8", newline="") as disk:
            return disk.read()
    except (OSError, UnicodeDecodeError):
        return otherwise


class Session:
    """One open file.

    Args:
        text, version: what the editor shows.
        apply: has the editor make an offer; tells whether it did.
        tell: says something to whoever uses the editor.
        present: is called when others come or go.
    """

    def __init__(
        self,
        path: str,
        text: str,
        version: int,
        encoding: str,
        *,
        apply: Callable[[Offer], Awaitable[bool]],
        tell: Callable[[str], None],
        present: Callable[[], None],
    ) -> None:
        self.path = path
        self._opened = text, version
        # What the editor has read; where it came back with text that it had not saved, what that is a change of.
        self._saved = _on_disk(path, text)
        self._encoding = encoding
        self._apply = apply
        self._tell = tell
        self._present = present
        self._copy: EditorCopy | None = None
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()  # the editor told or answered something
        self.file: File | None = None

    async def serve(self, device: Device, name: str) -> None:
        """Keep editor and file in step, until cancelled."""
        try:
            async with device.open(self.path) as file:
                self._begin(file)
                file.set_awareness(name)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._watch_others, file)
                    while True:
                        await self._wake.wait()
                        self._wake.clear()
                        await self._offer(file)
        except* YpError as group:
            self._tell(f"{self.path} is not live any more: {first_of(group)}")
        finally:
            self.file = self._copy = None

    def _begin(self, file: File) -> None:
        """The editor shows what it read from the disk, and may have changed that already."""
        shown, version = self._opened
        self.file = file
        self._copy = EditorCopy(file.doc.client_id, file.doc.get_update(), shown, version, self._encoding)
        wanted = self._merged(self._copy.told, str(file))
        if wanted != str(file):
            file.replace_all(wanted)
            self._copy = EditorCopy(file.doc.client_id, file.doc.get_update(), shown, version, self._encoding)
        file.screen.shows(self._copy.told)
        file.follow(lambda received: self._wake.set())
        self._wake.set()

    def _merged(self, shown: str, now: str) -> str:
        """What is to stand, where the editor changed what it had read before it was live here: both changes."""
        return merge(self.path, self._saved, now, shown).text if shown not in (self._saved, now) else now

    def did_change(self, version: int, changes: Iterable[Change]) -> None:
        """The editor tells of changes."""
        if self._copy is None or self.file is None:
            self._opened = changed(self._opened[0], changes, self._encoding), version
            return
        try:
            update = self._copy.hear(version, changes)
            self.file.screen.shows(self._copy.told)
            self._write(update)
        except ValueError as error:
            self._tell(f"{self.path}: {error}")
        self._wake.set()
        self._settled.set()

    def _write(self, update: bytes | None) -> None:
        if update is not None and self.file is not None:
            self.file.doc.apply_update(update)

    async def _offer(self, file: File) -> None:
        """Have the editor make what others changed, until it shows what there is."""
        copy = self._copy
        while copy is not None and copy.can_be_offered and copy.told != str(file):
            offer = copy.offer(str(file), file.doc.get_update(copy.state_vector()))
            taken = True
            try:
                with anyio.fail_after(_ANSWER_S):
                    taken = await self._apply(offer)
            except TimeoutError:
                log.warning("the editor did not answer about %s", self.path)
            finally:
                try:
                    self._write(copy.answered(offer, taken=taken))
                except ValueError as error:
                    self._tell(f"{self.path}: {error}")
            self._settled.set()
            if not taken:
                await anyio.sleep(_AGAIN_S)

    async def before_save(self) -> Offer | None:
        """What the editor is to change before it saves, so that it saves what there is.

        A save that lacks what others wrote, and has what the editor told of, is a version that nobody else knows.
        """
        file, copy = self.file, self._copy
        if file is None or copy is None:
            return None
        with anyio.move_on_after(_BEFORE_SAVE_S):
            await file.flush()
            while not copy.can_be_offered:
                self._settled.clear()
                await self._settled.wait()
        if not copy.can_be_offered or copy.told == str(file) or copy is not self._copy:
            return None
        offer = copy.offer(str(file), file.doc.get_update(copy.state_vector()))
        copy.answered(offer, taken=True)
        asyncio.get_running_loop().call_later(_TOLD_S, self._drop, copy, offer)
        return offer

    def _drop(self, copy: EditorCopy, offer: Offer) -> None:
        copy.drop(offer)
        self._wake.set()

    def _tell_note(self, file: File, told: str) -> str:
        """Tell what hinders the file, where that is something else than what was told; gives what it is."""
        if file.note and file.note != told:
            self._tell(f"{self.path}: {file.note}")
        return file.note

    async def _watch_others(self, file: File) -> None:
        known: Any = None
        note = self._tell_note(file, "")
        async for _ in file.changed():
            note = self._tell_note(file, note)
            if file.awareness != known:
                known = file.awareness
                self._present()

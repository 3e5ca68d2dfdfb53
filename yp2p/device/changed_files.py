"""Which files of a folder changed, and on which devices: what makes `file` events (`events.py`).

Theory of operation
    The folder tells of documents and entries when they change, and of files when they are brought in step
    (`folder/observers.py`). What changes is noted by entry, with who changed it; it is told when this disk has it. For
    what is saved here that is at once, for what comes from others when it is rendered: an entry is looked at when it
    changed, and when its file was brought in step. What changes again before that is one event. Where an entry was is
    known from the paths as they were told last.

Invariants
    * Nothing is noted while nobody follows: `begin` and `end`.
    * What is noted is bounded: the oldest that no disk gets is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from yp2p.device.events import FileChanged, shown_name
from yp2p.folder.authors import author_of
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.entries import Kind

# Of a folder that is paused, or of files that wait for their content.
_MAX_NOTED = 10_000
# Looked at between two rounds of the loop.
_SLICE = 200
# An update with more client IDs is a meeting of long histories: it is its sender's.
_MAX_CLIENTS = 16
_TYPES = {Kind.TEXT: "text", Kind.BLOB: "file", Kind.DIRECTORY: "directory", Kind.SYMLINK: "symlink"}


@dataclass(slots=True)
class _Noted:
    """What became of an entry since it was told last; `path` is where it was before that, None where it was not."""

    path: str | None
    devices: set[DeviceID] = field(default_factory=set)


class ChangedFiles:
    """Those of one folder.

    Args:
        woken: is called when something may be told.
    """

    def __init__(self, folder: Folder, woken: Callable[[], None]) -> None:
        self._folder = folder
        self._woken = woken
        self._paths: dict[EntryID, str] = {}
        self._noted: dict[EntryID, _Noted] = {}
        self._due: dict[EntryID, bool] = {}  # to be looked at; whether its file was brought in step since it changed

    def begin(self) -> None:
        """Note what changes from now on."""
        self._paths = dict(self._folder.catalogue.layout().path_of)
        self._folder.observers.watcher = self

    def end(self) -> None:
        self._folder.observers.watcher = None
        self._paths, self._noted, self._due = {}, {}, {}

    # --- what the folder tells ----------------------------------------------------------------------------------

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None) -> None:
        if entry is not None:
            self._note(entry).devices |= self._writers(document, source)

    def entry_changed(self, entry: EntryID) -> None:
        found = self._folder.catalogue.entries.get(entry)
        path = self._folder.catalogue.layout().path_of.get(entry)
        if found is None or (path == self._paths.get(entry) and found.kind in (Kind.TEXT, Kind.DIRECTORY)):
            return  # what is written in a text is told by its document
        device = self._folder.catalogue.changed_by.get(entry, self._folder.clients.device)
        self._note(entry).devices.add(device)

    def on_disk(self, entry: EntryID) -> None:
        if entry in self._noted:
            self._due[entry] = True
            self._woken()

    def _writers(self, document: DocumentID, source: object) -> set[DeviceID]:
        """Whoever wrote what came last, where they are known; else who brought it."""
        if not isinstance(source, bytes):
            return {self._folder.clients.device}
        live = self._folder.texts.in_memory(document)
        clients = live.recent.newest() if live is not None else set[int]()
        authors = {author_of(self._folder, client) for client in clients} if len(clients) <= _MAX_CLIENTS else set()
        return {author for author in authors if author is not None} or {DeviceID(source)}

    def _note(self, entry: EntryID) -> _Noted:
        noted = self._noted.get(entry)
        if noted is None:
            while len(self._noted) >= _MAX_NOTED:
                del self._noted[next(iter(self._noted))]
            noted = self._noted[entry] = _Noted(self._paths.get(entry))
        self._due[entry] = False
        self._woken()
        return noted

    # --- telling ------------------------------------------------------------------------------------------------

    async def tell(self, say: Callable[[FileChanged], None]) -> None:
        """Tell what this disk has by now."""
        due, self._due = self._due, {}
        for number, (entry, is_here) in enumerate(due.items()):
            if number % _SLICE == _SLICE - 1:
                await trio.lowlevel.checkpoint()
            if entry not in self._noted or not (is_here or self._folder.is_on_disk(entry)):
                continue
            event = self._event(entry, self._noted.pop(entry))
            if event is not None:
                say(event)

    def _event(self, entry: EntryID, noted: _Noted) -> FileChanged | None:
        folder = self._folder
        found, path = folder.catalogue.entries.get(entry), folder.catalogue.layout().path_of.get(entry)
        if path is not None:
            self._paths[entry] = path
        else:
            self._paths.pop(entry, None)
        place = path if path is not None else noted.path
        if found is None or place is None or folder.files.is_left_alone(entry):
            return None  # it came and went, or is not on this disk
        own = folder.clients.device
        return FileChanged(
            folder=folder.id.hex(), label=shown_name(folder.label), path=shown_name(place),
            was=shown_name(noted.path) if noted.path is not None and noted.path != place else None,
            type=_TYPES[found.kind],  # type: ignore[arg-type]
            change=_change(noted.path, path),  # type: ignore[arg-type]
            devices=sorted(shown_name(folder.name_of(device)) for device in noted.devices),
            is_own=own in noted.devices,
        )  # fmt: skip


def _change(before: str | None, after: str | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "deleted"
    return "renamed" if before != after else "changed"

"""The local API of undo, history, bookmarks and conflicts.

`path` is an absolute path on this device. `when` is {version} or {at}, in seconds since 1970; without either it is the
newest version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route
from yp2p.documents.diff import unified
from yp2p.documents.positions import Position
from yp2p.errors import UsageError
from yp2p.folder import lookup
from yp2p.folder.authors import writers
from yp2p.folder.folder import Folder
from yp2p.history import bookmarks, conflicts, file_log, point_in_time, settling, undo, versions

_MAX_STEPS = 10_000
# Two texts, as JSON.
_MAX_MERGED_BYTES = 32 << 20
_MAX_CLIENTS = 1000


class When(msgspec.Struct, forbid_unknown_fields=True):
    version: int | None = None
    at: float | None = None

    def value(self) -> versions.When:
        return versions.When(self.version, self.at)


class UndoRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    steps: int = 1


class FolderRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class FileRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    when: When = msgspec.field(default_factory=When)


class LogRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    limit: int = 100


class AuthorsRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    clients: list[int]


class DiffRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    one: When
    two: When = msgspec.field(default_factory=When)


class Place(msgspec.Struct, forbid_unknown_fields=True):
    line: int
    column: int = 1


class BookmarkRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    name: str
    position: dict[str, Any] | None = None
    place: Place | None = None


class ResolveRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    keep: str
    number: int | None = None


class MergeRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    number: int | None = None


class MergedRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    before: str
    text: str
    number: int | None = None


class MomentRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    at: float
    dry_run: bool
    only: list[FileName] = []


class _History:
    """The requests of this part of the API; `folders` gives the folders of the device."""

    def __init__(self, folders: Callable[[], Iterable[Folder]]) -> None:
        self._folders = folders

    def _find(self, path: str) -> tuple[Folder, str]:
        folder, inside = lookup.find(self._folders(), path)
        if not inside:
            raise UsageError(f"{path} is the folder itself; name a file in it")
        return folder, inside

    async def _find_to_read(self, path: str) -> tuple[Folder, str]:
        """Also by a name that the file had before it was renamed."""
        folder, inside = self._find(path)
        return folder, await file_log.name_now(folder, inside)

    def _find_to_write(self, path: str) -> tuple[Folder, str]:
        """Raises FolderError as well: this device only reads there."""
        folder, inside = self._find(path)
        folder.membership.check_may_write()
        return folder, inside

    def _chosen(self, name: str | None) -> list[Folder]:
        """The folder of that name, or all."""
        return [lookup.choose(self._folders(), name)] if name is not None else list(self._folders())

    async def _turn(self, wanted: UndoRequest, *, back: bool) -> Any:
        if not 1 <= wanted.steps <= _MAX_STEPS:
            raise UsageError(f"--steps is {wanted.steps}; it can be from 1 to {_MAX_STEPS}")
        folder, path = self._find_to_write(wanted.path)
        entry = lookup.entry_at(folder, path)
        done = await (undo.undo if back else undo.redo)(folder, entry, path, wanted.steps)
        await undo.on_disk(folder, entry.id)
        return _undone(folder, path, done)

    async def undo(self, wanted: UndoRequest) -> Any:
        """Undo the last changes that this device made to a file.

        Answer: `{path, steps, diff, note}`; `note` as `/v1/read` has it.
        """
        return await self._turn(wanted, back=True)

    async def redo(self, wanted: UndoRequest) -> Any:
        """Redo what was undone.

        Answer: `{path, steps, diff, note}`; `note` as `/v1/read` has it.
        """
        return await self._turn(wanted, back=False)

    async def log(self, wanted: LogRequest) -> Any:
        """The versions of a file, or the changes of a directory.

        `limit` of the changes of a directory, 1 to 10,000, 100 where it is left out.

        Answer: of a text `{root, path, kind: "text", deleted, came_from, can_undo, can_redo, names, versions:
        [{version, at, since, added, removed, devices, writers, line}]}`: `path` is where the file is now, `can_undo`
        and `can_redo` say whether this device has something to take back or to do again, `names` (`{path, until,
        device}`) those it had, `writers` are those who edited by name, `line` (`{number, text, removed}`) the first
        one that the version changed, or null. Of a blob or symlink the versions are `{version: null, at, since,
        devices, bytes, hash, here, trash}`: whether the file is that, and the item of the trash that is. Of a
        directory `kind` is "directory", `versions` is empty, and `changes`, the newest first, are `{path, change,
        kind, was, at, devices, writers, version, added, removed, bytes}`; `change` is "added", "changed", "renamed",
        "permissions", "deleted" or "brought back", `more` says whether there are more.
        """
        folder, path = lookup.find(self._folders(), wanted.path)
        return await file_log.log(folder, path, wanted.limit) | {"root": str(folder.path)}

    async def deleted(self, wanted: FolderRequest) -> Any:
        """The texts that were deleted, the last one first.

        Answer: `[{path, at, folder}]`.
        """
        return [item for folder in self._chosen(wanted.folder) for item in await point_in_time.deleted(folder)]

    async def show(self, wanted: FileRequest) -> Any:
        """A text as it was.

        Answer: `{path, text}`.
        """
        folder, path = await self._find_to_read(wanted.path)
        return {"path": path, "text": await versions.show(folder, path, wanted.when.value())}

    async def diff(self, wanted: DiffRequest) -> Any:
        """What is different between two versions of a text.

        Answer: `{path, diff}`.
        """
        folder, path = await self._find_to_read(wanted.path)
        return {"path": path, "diff": await versions.diff(folder, path, wanted.one.value(), wanted.two.value())}

    async def blame(self, wanted: FileRequest) -> Any:
        """Who wrote each line of a text, and when.

        Answer: `{path, lines: [{text, device, name, at, version, merged}]}`; `name` is who edited by name there, or
        null; `merged` are the devices whose changes met in that line, where they were put together there.
        """
        folder, path = await self._find_to_read(wanted.path)
        return {"path": path, "lines": await versions.blame_lines(folder, path, wanted.when.value())}

    async def authors(self, wanted: AuthorsRequest) -> Any:
        """Who writes a text with which client IDs: of updates that a program was told of.

        `clients`: at most 1,000.

        Answer: `[{client, device, name}]`: the name of the device, and what who writes there calls itself; null
        where that is not known.
        """
        if len(wanted.clients) > _MAX_CLIENTS:
            raise UsageError(f"{len(wanted.clients)} client IDs are asked for; it can be {_MAX_CLIENTS:,} at a time")
        folder, path = await self._find_to_read(wanted.path)
        found = await writers(folder, lookup.entry_at(folder, path).document, wanted.clients)
        names = folder.edits.named.names
        return [
            {
                "client": client, "device": folder.name_of(device) if device is not None else None,
                "name": names.get(client),
            }
            for client, device in found.items()
        ]  # fmt: skip

    async def restore(self, wanted: FileRequest) -> Any:
        """Bring back a version of a file, as a new edit.

        Answer: `{path, steps, diff, note}`; `note` as `/v1/read` has it.
        """
        folder, path = self._find_to_write(wanted.path)
        done = await versions.restore(folder, path, wanted.when.value())
        await undo.on_disk(folder, lookup.entry_at(folder, path).id)
        return _undone(folder, path, done)

    async def restore_directory(self, wanted: MomentRequest) -> Any:
        """Bring back a directory as it was at a moment; with `only` nothing but these paths in the folder.

        Of texts that have each other's names by now either all get them back or none: `only` has to name all of
        them.

        Answer: `{path, done: [{path, action, reason?}]}`.
        """
        folder, path = lookup.find(self._folders(), wanted.path)
        if not wanted.dry_run:
            folder.membership.check_may_write()
        done = await point_in_time.restore_directory(folder, path, wanted.at, dry_run=wanted.dry_run, only=wanted.only)
        return {"path": path, "done": done}

    async def list_bookmarks(self, wanted: FileRequest) -> Any:
        """The bookmarks of a file.

        Answer: `[{name, position, index, line, column}]`.
        """
        folder, path = self._find(wanted.path)
        return bookmarks.bookmarks(folder, lookup.entry_at(folder, path))

    async def set_bookmark(self, wanted: BookmarkRequest) -> Any:
        """Set a bookmark in a file, or remove it.

        Answer: `{path}`; without either the bookmark is removed.
        """
        folder, path = self._find_to_write(wanted.path)
        entry = lookup.entry_at(folder, path)
        position = Position.from_json(wanted.position) if wanted.position is not None else None
        if wanted.place is not None:
            position = bookmarks.position_at(folder, entry, wanted.place.line, wanted.place.column)
        await bookmarks.set_bookmark(folder, entry, wanted.name, position)
        return {"path": path}

    async def list_conflicts(self, wanted: FolderRequest) -> Any:
        """What two devices changed apart, and nobody has settled.

        Answer: `[{folder, root, path, kind: "place", number, at, line, reported_by, stands, this, other}]`,
        `this` and `other` are `{text, devices, name, at}`; a file kept beside another: `{folder, root, path, kind:
        "file", beside, is_text, this, other}`, where `this` (the one at `beside`) and `other` (the one at `path`) are
        `{devices, at}`; `at` is null where it is not there any more; `is_text` says whether both are texts, which can
        be merged.
        """
        return await conflicts.list_conflicts(self._chosen(wanted.folder))

    async def marked(self, wanted: MergeRequest) -> Any:
        """Both versions in one text, with markers, for an editor.

        Answer: `{root, path, copy, before, text, markers}`: the text `before` with both versions of each place
        in it, or with those of the file `copy` that stands beside it, between lines as git writes them;
        `markers` are the first and the last of these lines.
        """
        folder, path = self._find_to_write(wanted.path)
        return (await conflicts.marked(folder, path, wanted.number)).as_dict(str(folder.path))

    async def resolve(self, wanted: ResolveRequest) -> Any:
        """Settle what was changed apart in a text, or the file that stands beside another one.

        `keep` is `this` (what this device had, or the file with the plain name), `other`, `both` (one version after the
        other, or the other file under a name of its own), or `now`: what stands in the text.

        Answer: `{path, settled, changed, is_edit, trash, stands, root}`: `is_edit` says whether `/v1/undo` takes it
        back; `trash` are the items of the trash that the version is that was not kept; `stands` are the paths where
        what was kept is now; `root` is the folder's directory.
        """
        folder, path = self._find_to_write(wanted.path)
        if wanted.number is None and (files := await settling.settle_files(folder, path, wanted.keep)) is not None:
            return files | {"root": str(folder.path)}
        done = await conflicts.resolve(folder, path, wanted.keep, wanted.number)
        if done["changed"]:
            await undo.on_disk(folder, lookup.entry_at(folder, path).id)
        more = {"is_edit": done["changed"], "trash": [], "stands": [path], "root": str(folder.path)}
        return done | more

    async def merge(self, wanted: MergedRequest) -> Any:
        """Have the text stand that a person made of both versions, and settle what was changed apart.

        `before` is that of `/v1/conflicts/marked`; where the file is another one by now, or a marker is left in `text`,
        it is an error, and nothing is changed.

        Answer: `{path, settled, changed, is_edit, trash, stands, root}`, as of `/v1/conflicts/resolve`.
        """
        folder, path = self._find_to_write(wanted.path)
        done = await settling.merge(folder, path, wanted.number, wanted.before, wanted.text)
        await undo.on_disk(folder, lookup.entry_at(folder, done["path"]).id)
        return done | {"root": str(folder.path)}


def history_routes(folders: Callable[[], Iterable[Folder]]) -> list[Route]:
    """The routes of this part of the API; `folders` gives the folders of the device."""
    answers = _History(folders)
    return [
        post_route("/v1/conflicts", FolderRequest, answers.list_conflicts),
        post_route("/v1/conflicts/resolve", ResolveRequest, answers.resolve),
        post_route("/v1/conflicts/marked", MergeRequest, answers.marked),
        post_route("/v1/conflicts/merge", MergedRequest, answers.merge, max_body_bytes=_MAX_MERGED_BYTES),
        post_route("/v1/bookmarks", FileRequest, answers.list_bookmarks),
        post_route("/v1/bookmarks/set", BookmarkRequest, answers.set_bookmark),
        post_route("/v1/undo", UndoRequest, answers.undo),
        post_route("/v1/redo", UndoRequest, answers.redo),
        post_route("/v1/history/log", LogRequest, answers.log),
        post_route("/v1/history/deleted", FolderRequest, answers.deleted),
        post_route("/v1/history/show", FileRequest, answers.show),
        post_route("/v1/history/diff", DiffRequest, answers.diff),
        post_route("/v1/history/blame", FileRequest, answers.blame),
        post_route("/v1/history/authors", AuthorsRequest, answers.authors),
        post_route("/v1/history/restore", FileRequest, answers.restore),
        post_route("/v1/history/restore-directory", MomentRequest, answers.restore_directory),
    ]


def _undone(folder: Folder, path: str, done: undo.Undone) -> dict[str, Any]:
    change = unified(done.before, done.after)
    went = {"revived": done.came_or_went and done.is_there, "removed": done.came_or_went and not done.is_there}
    return {"path": path, "steps": done.steps, "diff": change, **went, "note": folder.state.note}

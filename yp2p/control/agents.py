"""The local API for programs that read a file, think, and write: `yp2p read`, `yp2p edit`, `yp2p mcp` and others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from yp2p.agents import editing, finding, taking_back, versions
from yp2p.agents.patches import Block, read_blocks
from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route
from yp2p.errors import UsageError
from yp2p.folder import lookup
from yp2p.folder.folder import Folder
from yp2p.folder.named_writers import checked_name
from yp2p.programs.programs import Programs

# All texts of a request, as JSON: some large texts, or very many small ones.
_MAX_EDIT_BYTES = 32 << 20


class Device(Protocol):
    """What is needed of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    def programs(self, folder: Folder) -> Programs: ...


class ReadRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    name: str | None = None


class BlockOfEdit(msgspec.Struct, forbid_unknown_fields=True):
    search: str
    replace: str


class EditOfFile(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    version: str | None
    text: str | None = None
    diff: str | None = None
    blocks: list[BlockOfEdit] | str | None = None


class EditRequest(msgspec.Struct, forbid_unknown_fields=True):
    edits: list[EditOfFile]
    name: str | None = None
    partly: bool = False
    until_on_disk: bool = True


class UndoByRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    name: str


class FilesRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    beneath: FileName = ""
    glob: FileName = ""
    limit: int = 1000


class SearchRequest(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    folder: FileName | None = None
    beneath: FileName = ""
    glob: FileName = ""
    ignore_case: bool = False
    limit: int = 100


class _Answers:
    def __init__(self, device: Callable[[], Device]) -> None:
        self._device = device

    def _find(self, path: str) -> tuple[Folder, str]:
        folder, inside = lookup.find(self._device().folders, path)
        if not inside:
            raise UsageError(f"{path} is the folder itself; name a file in it")
        return folder, inside

    async def read(self, wanted: ReadRequest) -> Any:
        """The text of a file, and the name of exactly this version of it.

        `name` is what who reads it calls itself: it is shown to be there for a minute.

        Answer: `{path, text, version, note}`: `note` is a sentence where the file may have another text for now, as its
        folder is paused, else empty.
        """
        folder, path = self._find(wanted.path)
        entry, text, version = await versions.read(folder, path)
        if wanted.name is not None:
            folder.edits.named.is_at(checked_name(wanted.name), entry.id, time.time())
        return {"path": path, "text": text, "version": version, "note": folder.state.note}

    async def edit(self, wanted: EditRequest) -> Any:
        """Edits of files, each made of exactly the version that it names: all of them, or none.

        Of each file `version` is what `/v1/read` or `/v1/edit` told, and there is either `text`, all of it, or
        `diff`, a unified one, or `blocks`: what stands once, and what is to stand there; or these as text, between
        the lines `<<<<<<< SEARCH`, `=======` and `>>>>>>> REPLACE`. It is merged with what was changed since. Where
        `version` is null there is no such file, and it is made with `text`; its directories are made as well.
        `name` is what the writer calls itself: it stands in `log` and `blame`, and `/v1/undo/by` takes back what it
        did. `partly`: what does not fit is left out; else nothing is done then. `until_on_disk`: wait a moment for
        the files.

        Answer: `{done, files: [{path, from, version, changed, diff, between, both, not_applied, note}]}`: `version` is
        what the file is now, and `diff` what became of it; `from` is null where it was made.
        `between: {authors: [{device, name}], diff}` is what was
        changed since `from`, and by whom. `both: [{line, stands, yours, theirs}]` are lines that both changed.
        `not_applied: [{number, reason, text}]` are the pieces that do not fit. `note` is as `/v1/read` has it.
        """
        name = checked_name(wanted.name) if wanted.name is not None else None
        edits = [self._wanted(one) for one in wanted.edits]
        limit = min((self._device().programs(one.folder).max_text_bytes for one in edits), default=0)
        return await editing.edit(edits, name, limit, partly=wanted.partly, until_on_disk=wanted.until_on_disk)

    def _wanted(self, one: EditOfFile) -> editing.Wanted:
        folder, path = self._find(one.path)
        blocks = read_blocks(one.blocks) if isinstance(one.blocks, str) else one.blocks
        pieces = [Block(block.search, block.replace) for block in blocks] if blocks is not None else None
        return editing.Wanted(folder, path, one.version, one.text, one.diff, pieces)

    async def undo_by(self, wanted: UndoByRequest) -> Any:
        """Take back what somebody did by `name` in a file, or in all files beneath a directory, and nothing else.

        Answer: `[{path, diff, coarse, note}]`: the files that were changed; `coarse` where the history does not tell of
        all of it what was removed then; `note` is as `/v1/read` has it.
        """
        folder, path = lookup.find(self._device().folders, wanted.path)
        return await taking_back.take_back(folder, path, checked_name(wanted.name))

    async def files(self, wanted: FilesRequest) -> Any:
        """The files of a folder, in the order of their paths.

        `beneath` is a directory in it, `glob` a pattern like `*.md` or `src/**/*.py`, `limit` at most 10,000.

        Answer: `{folder, root, files: [{path, kind, bytes}], more}`: `bytes` is null where the file is not on this
        disk.
        """
        return await finding.listed(self._place(wanted.folder, wanted.beneath, wanted.glob), wanted.limit)

    async def search(self, wanted: SearchRequest) -> Any:
        """The lines of texts of a folder that have a text in them, as they are on this disk.

        Answer: `{folder, root, lines: [{path, line, text}], more}`.
        """
        place = self._place(wanted.folder, wanted.beneath, wanted.glob)
        return await finding.search(place, wanted.text, wanted.limit, ignore_case=wanted.ignore_case)

    def _place(self, folder: str | None, beneath: str, glob: str) -> finding.Place:
        return finding.Place(lookup.choose(self._device().folders, folder), beneath.strip("/"), glob)


def agent_routes(device: Callable[[], Device]) -> list[Route]:
    """The routes of this part of the API."""
    answers = _Answers(device)
    return [
        post_route("/v1/read", ReadRequest, answers.read),
        post_route("/v1/edit", EditRequest, answers.edit, max_body_bytes=_MAX_EDIT_BYTES),
        post_route("/v1/undo/by", UndoByRequest, answers.undo_by),
        post_route("/v1/files", FilesRequest, answers.files),
        post_route("/v1/files/search", SearchRequest, answers.search),
    ]

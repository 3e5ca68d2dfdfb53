"""The tools that a client of `yp2p mcp` has: each asks the daemon, as the commands do.

What a tool's docstring says is what a model reads of it. Errors are sentences (`YpError`), as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from yp2p.errors import UsageError
from yp2p.mcp.names import Names

# The daemon: method, path and body give the answer.
Call = Callable[[str, str, Any], Any]

_MAX_LINES = 2000

Path = Annotated[str, Field(description="path of a file in the folder; LABEL/PATH where several folders can be seen")]
Version = Annotated[str, Field(description="the version that `read` or `edit` told; the edit is made of exactly that")]
Glob = Annotated[str, Field(description="a pattern like '*.md' or 'src/**/*.py'; empty: all files")]
FolderName = Annotated[str, Field(description="label of the folder; needed where several can be seen")]


class Block(BaseModel):
    """What stands once in the file, and what is to stand there."""

    search: str
    replace: str


class FileEdit(BaseModel):
    """An edit of one file: its path, the version it was made of, and one of text, diff and blocks.

    Where version is null the file is not there yet, and is made with text.
    """

    path: Path
    version: Version | None
    text: str | None = None
    diff: str | None = None
    blocks: list[Block] | None = None


class Tools:
    """What can be asked. `name` is by which a client reads and edits."""

    def __init__(self, call: Call, names: Names) -> None:
        self._call = call
        self._names = names

    # --- looking ------------------------------------------------------------------------------------------------

    def list_files(self, folder: FolderName = "", glob: Glob = "", limit: int = 1000) -> dict[str, Any]:
        """List the files of a folder, with kind and size. Only files of kind text can be read and edited."""
        seen = self._names.folder(folder)
        answer = self._call("POST", "/v1/files", {"folder": seen.id, "glob": glob, "limit": limit})
        files = [{**one, "path": seen.shown(one["path"])} for one in answer["files"]]
        return {"files": files, "more": answer["more"]}

    def search(
        self, text: Annotated[str, Field(description="a part of a line; no expression")], folder: FolderName = "",
        glob: Glob = "", ignore_case: bool = False, limit: int = 100,
    ) -> dict[str, Any]:  # fmt: skip
        """Find the lines of text files that have a text in them."""
        seen = self._names.folder(folder)
        wanted = {"folder": seen.id, "glob": glob, "text": text, "ignore_case": ignore_case, "limit": limit}
        answer = self._call("POST", "/v1/files/search", wanted)
        lines = [{**one, "path": seen.shown(one["path"])} for one in answer["lines"]]
        return {"lines": lines, "more": answer["more"]}

    def read(
        self, path: Path, name: str, first_line: int = 1,
        last_line: Annotated[int | None, Field(description="by default the last one of the file")] = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Read a text file. Answers its version, which names exactly this text: give it to `edit`.

        Where only some lines are asked for, the version is that of the whole file all the same.
        """
        answer = self._call("POST", "/v1/read", {"path": self._names.absolute(path), "name": name})
        lines = answer["text"].split("\n")
        total = len(lines) - (not lines[-1])
        if first_line == 1 and last_line is None:
            return {"path": path, "version": answer["version"], "text": answer["text"], "lines": total, **_note(answer)}
        if first_line < 1 or (last_line is not None and last_line < first_line):
            raise UsageError(f"there are no lines {first_line} to {last_line}; the first one is 1")
        ended = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        text = "".join(ended[first_line - 1 : last_line])
        return {"path": path, "version": answer["version"], "text": text, "lines": total, **_note(answer)}

    def history(self, path: Path = "", limit: int = 30) -> dict[str, Any]:
        """List the versions of a file, or what changed in a directory (empty: the whole folder), the newest first.

        Of each: when, on which devices, who edited by name, how much was added and removed.
        """
        answer = self._call("POST", "/v1/history/log", {"path": self._names.absolute(path), "limit": max(1, limit)})
        found = answer["changes"] if answer["kind"] == "directory" else list(reversed(answer["versions"]))
        return {
            "path": path, "kind": answer["kind"], "deleted": answer["deleted"],
            "versions": [{**one, "at": _moment(one["at"])} for one in found[:limit]],
        }  # fmt: skip

    def diff(
        self, path: Path, one: Annotated[str, Field(description="version from `history`, `read` or `edit`")],
        two: Annotated[str, Field(description="the later version; empty: the file as it is now")] = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Show what became of a file between two versions, as a unified diff."""
        wanted = {"path": self._names.absolute(path), "one": _when(one), "two": _when(two) if two else {}}
        return {"path": path, "diff": "\n".join(self._call("POST", "/v1/history/diff", wanted)["diff"])}

    def blame(self, path: Path, first_line: int = 1, last_line: int | None = None) -> dict[str, Any]:
        """Tell who wrote each line of a file last, and when."""
        lines = self._call("POST", "/v1/history/blame", {"path": self._names.absolute(path)})["lines"]
        chosen = list(enumerate(lines, 1))[max(0, first_line - 1) : last_line][:_MAX_LINES]
        return {
            "path": path,
            "lines": [
                {
                    "line": number, "text": one["text"].rstrip("\r\n"), "device": one["device"], "name": one["name"],
                    "at": _moment(one["at"]),
                }
                for number, one in chosen
            ],
        }  # fmt: skip

    def who(self) -> dict[str, Any]:
        """Tell who edits which files now, on all devices: people in editors, and programs by their name."""
        seen = {one.id: one for one in self._names.folders()}
        return {
            "here": [
                {
                    "device": device.get("device"), "path": seen[folder["id"]].shown(item["path"]),
                    "since": _moment(item["since"]), "name": item.get("name"), "line": item.get("line"),
                }
                for folder in self._call("GET", "/v1/status", None)["folders"]
                if folder["id"] in seen
                for device in folder["presence"]
                for item in device.get("files", [])
            ]
        }  # fmt: skip

    # --- changing -----------------------------------------------------------------------------------------------

    def edit(
        self, path: Path, version: Version, name: str,
        text: Annotated[str | None, Field(description="all of the new text")] = None,
        diff: Annotated[str | None, Field(description="a unified diff of that version")] = None,
        blocks: Annotated[list[Block] | None, Field(description="what stands once, and what is to stand there")] = None,
        partly: Annotated[bool, Field(description="make what fits, where something does not")] = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Edit a text file. The edit is made of exactly the version that is named, and merged with what others changed
        since. Give one of text, diff and blocks.

        Answers whether it is done, the new version, what others changed in between, the lines that both changed with
        what stands there now, and what was not applied.
        """
        edit = FileEdit(path=path, version=version, text=text, diff=diff, blocks=blocks)
        answer = self._edit([edit], name, partly=partly)
        return {"done": answer["done"], **answer["files"][0]}

    def edit_files(self, edits: list[FileEdit], name: str) -> dict[str, Any]:
        """Edit several text files, all of them or none. Answers of each what `edit` does."""
        return self._edit(edits, name, partly=False)

    def create_file(
        self, path: Path, name: str, text: Annotated[str, Field(description="all of its text")]
    ) -> dict[str, Any]:  # fmt: skip
        """Make a new text file, with the directories that it is in. Where there is a file already, nothing is changed.

        Answers its version.
        """
        answer = self._edit([FileEdit(path=path, version=None, text=text)], name, partly=False)
        return {"path": path, "version": answer["files"][0]["version"], **_note(answer["files"][0])}

    def _edit(self, edits: list[FileEdit], name: str, *, partly: bool) -> dict[str, Any]:
        wanted = [{**one.model_dump(), "path": self._names.absolute(one.path)} for one in edits]
        answer = self._call("POST", "/v1/edit", {"edits": wanted, "name": name, "partly": partly})
        for one, edit in zip(answer["files"], edits, strict=True):
            one["path"] = edit.path
            one["diff"] = "\n".join(one["diff"])
            one["between"]["diff"] = "\n".join(one["between"]["diff"])
        return {"done": answer["done"], "files": answer["files"]}

    def undo(
        self, path: Annotated[str, Field(description="a file or directory; empty: the whole folder")], name: str
    ) -> dict[str, Any]:  # fmt: skip
        """Take back all that you did to a file, or to all files beneath a directory, under your name.

        Nothing that anybody else did is changed.
        """
        seen, _ = self._names.locate(path)
        answer = self._call("POST", "/v1/undo/by", {"path": self._names.absolute(path), "name": name})
        files = [{"path": seen.shown(one["path"]), "diff": "\n".join(one["diff"]), **_note(one)} for one in answer]
        return {"files": files}


def _note(answer: dict[str, Any]) -> dict[str, str]:
    """What hinders the file, where something does."""
    return {"note": answer["note"]} if answer.get("note") else {}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


def _when(version: str) -> dict[str, int]:
    """The number of a version of `history`, which those of `read` begin with. Raises UsageError."""
    number = version.partition("-")[0]
    if not (number.isascii() and number.isdecimal() and len(number) <= 15):
        raise UsageError(f"{version[:60]!r} is no version; `history` lists them")
    return {"version": int(number)}

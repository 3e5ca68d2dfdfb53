"""`yp2p conflicts` and `yp2p conflicts resolve`."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import click

from yp2p.cli.group import Group
from yp2p.cli.merging import Merging
from yp2p.cli.options import call, folder_option, json_option
from yp2p.cli.output import paged, print_json, say
from yp2p.errors import UsageError
from yp2p.files.trash import new_place

_SHOWN_LINES = 3


@click.group(cls=Group, invoke_without_command=True)
@folder_option
@json_option
@click.pass_context
def command(context: click.Context, folder: str | None, as_json: bool) -> None:
    """List what two devices changed apart, where something was decided that you may want otherwise.

    Edits of a text merge. Where both devices changed the same word or line, yp2p kept one version, or both in a row;
    this shows both, for a week. Two versions of any other file that were made at the same time, and different files
    that met under one name, are both kept: one has the name, the other stands beside it, under a name with
    `.conflict-`, the device that it is from, and the day.

    `yp2p conflicts resolve FILE --keep this|other|both|merge|now` settles those of one file.
    """
    if context.invoked_subcommand is not None:
        return
    found = call("POST", "/v1/conflicts", {"folder": folder})
    if as_json:
        print_json(found)
        return
    with paged():
        for conflict in found:
            path = f"{conflict['root']}/{conflict['path']}"
            if conflict["kind"] == "file":
                beside = conflict["beside"].rpartition("/")[2]
                say(path, f"    stands beside {beside}")
                say(f"    this:  {beside}, {_made(conflict['this'])}")
                say(f"    other: {conflict['path'].rpartition('/')[2]}, {_made(conflict['other'])}")
                continue
            where = f"line {conflict['line']}" if conflict["line"] is not None else "changed since"
            reported_by = f", told by {conflict['reported_by']}" if conflict["reported_by"] else ""
            say(f"{path}, {where} (number {conflict['number']}{reported_by})")
            for name in ("this", "other"):
                _print_version(name, conflict[name])


def _made(version: dict[str, Any]) -> str:
    """Who made a version, and when."""
    if version["at"] is None:
        return "not there any more"
    return f"{', '.join(version['devices'])}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(version['at']))}"


def _print_version(name: str, version: dict[str, Any]) -> None:
    say(f"    {name + ':':<6} {_made(version)}")
    lines = version["text"].splitlines()
    for line in lines[:_SHOWN_LINES] or ["(removed)"]:
        say(f"        {line}")
    if len(lines) > _SHOWN_LINES:
        say(f"        ... and {len(lines) - _SHOWN_LINES} lines more (--json shows all)")


@command.command()
@click.argument("file", type=click.Path())
@click.option(
    "--keep", type=click.Choice(["this", "other", "both", "merge", "now"]), required=True,
    help="What this device had, what the other one had, both one after the other, what you make of them in an editor,"
    " or what stands there now.",
)  # fmt: skip
@click.option("--number", type=int, metavar="N", help="Only the place with this number, of several in FILE.")
@click.option("--tool", metavar="COMMAND", help="The editor for --keep merge, where it is not that of $EDITOR.")
@json_option
def resolve(file: str, keep: str, number: int | None, tool: str | None, as_json: bool) -> None:
    """Settle what two devices changed apart in FILE, or the file that stands beside FILE.

    It is an edit like any other: it goes to the other devices, and `yp2p undo` takes it back. Of a file that stands
    beside another one, `this` keeps the one with the plain name and puts the other one into the trash, `other` puts the
    other one in its place, and `both` gives the other one a name of its own.

    With `merge` the editor shows a copy of the text that has both versions in it, with markers around them. When it
    ends in order, and the markers are gone, what it saved is the text. Otherwise nothing is written.
    """
    path = os.path.abspath(file)
    if tool is not None and keep != "merge":
        raise UsageError("--tool is the editor for --keep merge")
    beside = [
        conflict for conflict in call("POST", "/v1/conflicts", {"folder": None})
        if conflict["kind"] == "file"
        and os.path.realpath(path) in map(os.path.realpath, (_inside(conflict, "path"), _inside(conflict, "beside")))
    ]  # fmt: skip
    if keep == "merge":
        answer = _merge(path, number, tool)
    elif beside and number is None:
        answer = {"path": path, "settled": len(beside), **_settle_files(beside, keep)}
    else:
        answer = call("POST", "/v1/conflicts/resolve", {"path": path, "keep": keep, "number": number})
        answer |= {"is_edit": answer["changed"], "trash": []}
    if as_json:
        print_json(answer)
        return
    say(f"{file}: settled. {_way_back(file, answer)}".rstrip())


def _way_back(file: str, answer: dict[str, Any]) -> str:
    """How it is taken back."""
    ways = []
    if answer["is_edit"]:
        ways.append(f"`yp2p undo {file}` takes it back.")
    if answer["trash"]:
        ways.append(f"The other version is in the trash: `yp2p trash restore {' '.join(answer['trash'])}`.")
    return " ".join(ways)


def _inside(conflict: dict[str, Any], name: str) -> str:
    return f"{conflict['root']}/{conflict[name]}"


def _settle_files(beside: list[dict[str, Any]], keep: str) -> dict[str, Any]:
    """Do with files what a person would do by hand; the daemon sees it. Tells what is in the trash now."""
    if len(beside) > 1 and keep == "other":
        names = ", ".join(conflict["path"] for conflict in beside)
        raise UsageError(f"several files stand beside it: {names}; name the one to keep as FILE")
    trash: list[str] = []
    for conflict in beside:
        other, named = _inside(conflict, "path"), _inside(conflict, "beside")
        try:
            if keep == "this":
                trash.append(_move_to_trash(conflict["root"], conflict["path"]))
            elif keep == "other":
                trash.append(_copy_to_trash(conflict["root"], conflict["beside"]))
                shutil.copyfile(other, named)
                os.unlink(other)
            elif keep == "both":
                os.rename(other, _free_name(named))
        except OSError as error:
            raise UsageError(f"{other}: {error.strerror}; nothing was lost, and nothing more was done") from error
    return {"changed": keep != "now", "is_edit": False, "trash": trash}


def _trash_place(root: str, path: str) -> tuple[str, str]:
    """Where a file goes in the trash of its folder, and what that item is called. Raises OSError."""
    place = f"{new_place()}/{path}"
    Path(root, place).parent.mkdir(parents=True, exist_ok=True)
    return f"{root}/{place}", place.split("/", 2)[2]


def _move_to_trash(root: str, path: str) -> str:
    place, item = _trash_place(root, path)
    os.rename(f"{root}/{path}", place)
    return item


def _copy_to_trash(root: str, path: str) -> str:
    """Under a name that is free, as something else is about to stand under its own."""
    place, item = _trash_place(root, os.path.relpath(_free_name(f"{root}/{path}"), root))
    shutil.copy2(f"{root}/{path}", place, follow_symlinks=False)
    return item


def _merge(path: str, number: int | None, tool: str | None) -> dict[str, Any]:
    """Have both versions merged in an editor, and write what came of it as an editor would."""
    found = call("POST", "/v1/conflicts/marked", {"path": path, "number": number})
    named = f"{found['root']}/{found['path']}"
    merging = Merging(named, found["text"], found["markers"])
    merged = merging.edit(tool)
    trash: list[str] = []
    try:
        with open(named, "r+b") as file:
            if file.read() != found["before"].encode():
                raise UsageError(
                    f"{named} was changed meanwhile, so it stays as it is; what you made is {merging.path}"
                )
            if found["copy"] is not None:
                trash.append(_move_to_trash(found["root"], found["copy"]))
            file.seek(0)
            file.write(merged.encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{named} cannot be written: {error.strerror}; what you made is {merging.path}") from error
    if found["copy"] is None:
        call("POST", "/v1/conflicts/resolve", {"path": named, "keep": "now", "number": number})
    merging.forget()
    return {"path": named, "settled": 1, "changed": True, "is_edit": True, "trash": trash}


def _free_name(path: str) -> str:
    """A name beside a file that nobody has: `a 2.txt` beside `a.txt`."""
    named = Path(path)
    for number in range(2, 1000):
        found = named.with_name(f"{named.stem} {number}{named.suffix}")
        if not os.path.lexists(found):
            return str(found)
    raise UsageError(f"there are a thousand files with names like {path}; rename the one to keep by hand")

"""`yp2p conflicts` and `yp2p conflicts resolve`."""

from __future__ import annotations

import os
import shlex
import time
from typing import Any

import click

from yp2p.cli.group import Group
from yp2p.cli.merging import Merging
from yp2p.cli.options import call, in_folder, json_option, one_folder_option
from yp2p.cli.output import paged, print_json, say
from yp2p.errors import UsageError, YpError

_SHOWN_LINES = 3


@click.group(cls=Group, invoke_without_command=True)
@one_folder_option
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
    if not found:
        say("No conflicts.")
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
    " or what stands in the text now.",
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
    if keep == "merge":
        answer = _merge(path, number, tool)
    else:
        answer = call("POST", "/v1/conflicts/resolve", {"path": path, "keep": keep, "number": number})
    if as_json:
        print_json(answer)
        return
    say(f"{file}: settled. {_way_back(file, answer)}".rstrip())


def _way_back(file: str, answer: dict[str, Any]) -> str:
    """How it is taken back."""
    ways = []
    if answer["is_edit"]:
        ways.append(f"`yp2p undo {shlex.quote(file)}` takes it back.")
    if answer["trash"]:
        items = shlex.join(answer["trash"])
        ways.append(f"The other version is in the trash: `yp2p trash restore{in_folder(answer.get('root'))} {items}`.")
    return " ".join(ways)


def _merge(path: str, number: int | None, tool: str | None) -> dict[str, Any]:
    """Have both versions merged in an editor, and write what came of it as an editor would."""
    found = call("POST", "/v1/conflicts/marked", {"path": path, "number": number})
    named = f"{found['root']}/{found['path']}"
    merging = Merging(named, found["text"], found["markers"])
    merged = merging.edit(tool)
    wanted = {"path": path, "number": number, "before": found["before"], "text": merged}
    try:
        answer: dict[str, Any] = call("POST", "/v1/conflicts/merge", wanted)
    except YpError as error:
        raise UsageError(f"{error}; what you made is {merging.path}") from error
    merging.forget()
    return answer

"""`yp2p conflicts` and `yp2p conflicts resolve`."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import click

from yp2p.cli.group import Group
from yp2p.cli.options import call, folder_option, json_option
from yp2p.cli.output import paged, print_json, say
from yp2p.errors import UsageError

_SHOWN_LINES = 3


@click.group(cls=Group, invoke_without_command=True)
@folder_option
@json_option
@click.pass_context
def command(context: click.Context, folder: str | None, as_json: bool) -> None:
    """List what two devices changed apart, where something was decided that you may want otherwise.

    Edits of a text merge. Where both changed the same word or line, one of the versions stands, or both one after the
    other; here are both, for a week. Two versions of any other file that were made at a time, and different files that
    met under one name, are both kept: one has the name, the other stands beside it with `.conflict-` in its name.

    `yp2p conflicts resolve FILE --keep this|other|both` settles them.
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
                say(path, f"    stands beside {conflict['beside'].rpartition('/')[2]}")
                continue
            where = f"line {conflict['line']}" if conflict["line"] is not None else "changed since"
            reported_by = f", told by {conflict['reported_by']}" if conflict["reported_by"] else ""
            say(f"{path}, {where} (number {conflict['number']}{reported_by})")
            for name in ("this", "other"):
                _print_version(name, conflict[name])


def _print_version(name: str, version: dict[str, Any]) -> None:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version["at"]))
    say(f"    {name + ':':<6} {', '.join(version['devices'])}, {when}")
    lines = version["text"].splitlines()
    for line in lines[:_SHOWN_LINES] or ["(removed)"]:
        say(f"        {line}")
    if len(lines) > _SHOWN_LINES:
        say(f"        ... and {len(lines) - _SHOWN_LINES} lines more (--json shows all)")


@command.command()
@click.argument("file", type=click.Path())
@click.option(
    "--keep", type=click.Choice(["this", "other", "both", "now"]), required=True,
    help="What this device had, what the other one had, both one after the other, or what stands there now.",
)  # fmt: skip
@click.option("--number", type=int, metavar="N", help="Only the place with this number, of several in FILE.")
@json_option
def resolve(file: str, keep: str, number: int | None, as_json: bool) -> None:
    """Settle what two devices changed apart in FILE, or the file that stands beside FILE.

    It is an edit like any other: it goes to the other devices, and `yp2p undo` takes it back. Of a file that stands
    beside another one, `this` keeps the one with the plain name and deletes the other, `other` puts the other one in
    its place, and `both` gives the other one a name of its own.
    """
    path = os.path.abspath(file)
    beside = [
        conflict for conflict in call("POST", "/v1/conflicts", {"folder": None})
        if conflict["kind"] == "file"
        and os.path.realpath(path) in map(os.path.realpath, (_inside(conflict, "path"), _inside(conflict, "beside")))
    ]  # fmt: skip
    if beside and number is None:
        answer = {"path": path, "settled": len(beside), "changed": _settle_files(beside, keep)}
    else:
        answer = call("POST", "/v1/conflicts/resolve", {"path": path, "keep": keep, "number": number})
    if as_json:
        print_json(answer)


def _inside(conflict: dict[str, Any], name: str) -> str:
    return f"{conflict['root']}/{conflict[name]}"


def _settle_files(beside: list[dict[str, Any]], keep: str) -> bool:
    """Do with files what a person would do by hand; the daemon sees it. Tells whether any file changed."""
    if len(beside) > 1 and keep == "other":
        names = ", ".join(conflict["path"] for conflict in beside)
        raise UsageError(f"several files stand beside it: {names}; name the one to keep as FILE")
    for conflict in beside:
        other, named = _inside(conflict, "path"), _inside(conflict, "beside")
        try:
            if keep == "this":
                os.unlink(other)
            elif keep == "other":
                shutil.copyfile(other, named)
                os.unlink(other)
            elif keep == "both":
                os.rename(other, _free_name(named))
        except OSError as error:
            raise UsageError(f"{other}: {error.strerror}; nothing was lost, and nothing more was done") from error
    return keep != "now"


def _free_name(path: str) -> str:
    """A name beside a file that nobody has: `a 2.txt` beside `a.txt`."""
    named = Path(path)
    for number in range(2, 1000):
        found = named.with_name(f"{named.stem} {number}{named.suffix}")
        if not os.path.lexists(found):
            return str(found)
    raise UsageError(f"there are a thousand files with names like {path}; rename the one to keep by hand")

"""`yp2p bookmark`."""

from __future__ import annotations

import os

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say
from yp2p.errors import UsageError


@click.command()
@click.argument("file", type=click.Path())
@click.argument("name", required=False)
@click.option("--line", type=int, metavar="N", help="Put the bookmark NAME at this line.")
@click.option("--column", type=int, default=1, metavar="N", help="... and this character of it.")
@click.option("--remove", is_flag=True, help="Remove the bookmark NAME.")
@json_option
def command(file: str, name: str | None, line: int | None, column: int, remove: bool, as_json: bool) -> None:
    """List the bookmarks of FILE, or set or remove one.

    A bookmark stays with its text whoever edits the file, and is on every device.
    """
    path = os.path.abspath(file)
    if name is None:
        if line is not None or remove:
            raise UsageError(
                "the bookmark has no name; write `yp2p bookmark FILE NAME --line N`, or `FILE NAME --remove`"
            )
        found = call("POST", "/v1/bookmarks", {"path": path})
        if as_json:
            print_json(found)
            return
        for item in found:
            say(f"{item['line']:>5}:{item['column']:<4} {item['name']}")
        return
    if remove == (line is not None):
        raise UsageError(f"say where the bookmark {name!r} goes with --line, or give --remove, but not both")
    where = None if line is None else {"line": line, "column": column}
    call("POST", "/v1/bookmarks/set", {"path": path, "name": name, "place": where})

"""`yp2p log`."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from yp2p.cli.options import call, folder_option, in_folder, json_option, size_text
from yp2p.cli.output import paged, print_json, say
from yp2p.cli.table import table, writer_text
from yp2p.cli.when import shown
from yp2p.errors import UsageError

_LONGEST_LINE = 60


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option("--deleted", is_flag=True, help="List the texts that were deleted, the last one first.")
@click.option("--limit", type=int, default=100, show_default=True, help="Changes of a directory that are listed.")
@folder_option
@json_option
def command(file: str | None, deleted: bool, limit: int, folder: str | None, as_json: bool) -> None:
    """List the versions of FILE that this device had, or what changed in a directory, the newest first.

    Of a text: when, on which device, how many characters came and went, and the first line that changed. The number in
    front names the version: `yp2p show FILE@NUMBER`, `yp2p restore FILE@NUMBER`. What others wrote while this device
    was away came to it at once, as one version. Of any other file: when it was replaced, and where the old content is.
    A file that was renamed keeps its history, and is found under its old name as well.
    """
    if deleted == (file is not None):
        raise UsageError("name a file or a directory, or give --deleted")
    if deleted:
        gone = call("POST", "/v1/history/deleted", {"folder": folder})
        if as_json:
            print_json(gone)
            return
        with paged():
            say(*(table(["Deleted", "File"], [[shown(one["at"]), one["path"]] for one in gone]) if gone else []))
        return
    answer = call("POST", "/v1/history/log", {"path": os.path.abspath(file or ""), "limit": limit})
    if as_json:
        print_json(answer)
        return
    with paged():
        match answer["kind"]:
            case "directory":
                _print_directory(answer)
            case "text":
                _print_text(answer, file or "")
            case _:
                _print_other(answer)


def _print_text(answer: dict[str, Any], file: str) -> None:
    _print_names(answer)
    if answer["deleted"]:
        say(f"{answer['path']} was deleted; `yp2p restore {shlex.quote(file)}@VERSION` brings a version back")
    header = ["Version", "When", "Device", "Characters", "Line", "First changed line"]
    rows = [
        [
            str(one["version"]),
            shown(one["at"]),
            writer_text(one["devices"], one["writers"]),
            _characters(one),
            *_first_line(one["line"]),
        ]
        for one in reversed(answer["versions"])
    ]
    say(*table(header, rows, right=("Version", "Characters", "Line")))
    if answer["came_from"]:
        say(f"What was before that came from {answer['came_from']} at once; it may have older versions.")


def _characters(version: dict[str, Any]) -> str:
    return f"+{version['added']:,} -{version['removed']:,}"


def _first_line(line: dict[str, Any] | None) -> list[str]:
    if line is None:
        return ["", ""]
    text = line["text"].replace("\t", " ")
    shortened = text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "..."
    return [f"{line['number']:,}", f"{'-' if line['removed'] else ' '} {shortened}"]


def _print_other(answer: dict[str, Any]) -> None:
    """The versions of a file that is no text."""
    _print_names(answer)
    if answer["deleted"]:
        say(
            f"{answer['path']} was deleted; `yp2p trash restore{in_folder(answer.get('root'))}"
            f" {shlex.quote(answer['path'])}` brings it back while the trash has it"
        )
    rows = []
    for one in reversed(answer["versions"]):
        where = "the file as it is" if one["here"] else "not on this device"
        if not one["here"] and one["trash"]:
            where = f"in the trash: {one['trash']}"
        rows.append([shown(one["at"]), ", ".join(one["devices"]), size_text(one["bytes"]), where])
    say(*table(["When", "Device", "Size", "Content"], rows, right=("Size",)))


def _print_names(answer: dict[str, Any]) -> None:
    for name in answer["names"]:
        say(f"It was called {name['path']} until {shown(name['until'])}, when {name['device']} renamed it.")


def _print_directory(answer: dict[str, Any]) -> None:
    rows = []
    for change in answer["changes"]:
        size = ""
        if change["added"] is not None:
            size = _characters(change)
        elif change["bytes"] is not None:
            size = size_text(change["bytes"])
        version = "" if change["version"] is None else str(change["version"])
        path = change["path"] if change["was"] is None else f"{change['path']} (was {change['was']})"
        writers = writer_text(change["devices"], change["writers"])
        rows.append([shown(change["at"]), writers, change["change"], size, version, path])
    header = ["When", "Device", "Change", "Size", "Version", "File"]
    say(*table(header, rows, right=("Size", "Version")))
    if answer["more"]:
        say("There is more; --limit NUMBER shows more of it.")

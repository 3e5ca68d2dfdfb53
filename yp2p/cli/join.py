"""`yp2p join DIR`."""

from __future__ import annotations

import os
import re
import shlex
import time
from typing import Any

import click

from yp2p.cli.complete import Directory
from yp2p.cli.options import absolute, call, check_seconds, choose_option, chosen_paths, json_option, size_text
from yp2p.cli.output import ask, is_terminal, print_json, say
from yp2p.cli.progress import progress_bar
from yp2p.errors import NotRunning, UsageError
from yp2p.printable import called

# `yp2p daemon &` on the line before takes a moment to listen.
_DAEMON_LIMIT_S = 3.0
_POLL_S = 0.1
_SHOWN = 20
_CODE = re.compile(r"\d\d[- ]?\w{3}[- ]?\w{3}", re.ASCII)
_TOKEN = re.compile(r"yp2p-[a-z2-7]{60,}", re.IGNORECASE)


@click.command()
@click.argument("words", metavar="[CODE | TOKEN] DIR", nargs=-1, required=True, type=Directory())
@click.option("--timeout", type=float, metavar="S", help="How long to look for the other device (default 10).")
@click.option(
    "--at",
    metavar="HOST[:PORT]",
    help="Where the other device is, if mDNS does not find it; for later, [discovery] static.",
)
@choose_option
@click.option("--force", is_flag=True, help="Go on where DIR has no room for the files.")
@click.option(
    "--dry-run", is_flag=True, help="Only say what would become of the files in DIR; the code or token stays good."
)
@json_option
def command(
    words: tuple[str, ...],
    timeout: float | None,
    at: str | None,
    choose: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Pair with the device that shows a code, and keep DIR the same as its folder.

    The daemon has to run here: `yp2p daemon --detach`, or `yp2p service install`. A token of `yp2p invite` does as well
    as a code.

    It asks for the code, or reads it as a line of standard input. Give CODE on the command line only where nobody else
    has an account: other users can see it there, and join before you. Case, dashes and spaces do not matter.

    DIR may already contain files. Files that are the same on both sides become one; of files that differ both versions
    are kept, one of them with `.conflict-` in its name; all others are exchanged. --dry-run says how many of each.

    With --choose, only these files and directories of the folder come to this disk. Names are known for all of it, and
    `yp2p folder choose` changes what is here.
    """
    code, directory = _code_and_directory(words)
    body = {
        "code": code, "path": absolute(directory), "timeout_s": check_seconds(timeout), "at": at,
        "choose": chosen_paths(choose),
    }  # fmt: skip
    answer = _ask("/v1/join/preview", body) if dry_run else _ask("/v1/join", body | {"force": force})
    if answer.get("room_unknown"):
        say(f"Whether there is room for the files could not be told before: {answer['room_unknown']}.", err=True)
    for host in answer["impostors"]:
        say(f"A device at {host} answered to the code as well, and did not know it.", err=True)
    if as_json:
        print_json(answer)
    elif dry_run:
        say(*preview_lines(answer, f"yp2p join {shlex.quote(answer['path'])}{as_options(choose)}"))
    elif is_terminal():
        say(f"Paired with {called(answer['name'])}: {answer['path']} is now the folder {answer['label']!r}.")
        follow()


def _code_and_directory(words: tuple[str, ...]) -> tuple[str, str]:
    """Raises UsageError: it is neither DIR nor CODE DIR."""
    if len(words) > 2:
        raise UsageError(f"give one directory, not {len(words) - 1}; quote a name that has spaces")
    if len(words) == 2:
        return words[0], words[1]
    (directory,) = words
    if (_CODE.fullmatch(directory) or _TOKEN.fullmatch(directory)) and not os.path.isdir(directory):
        raise UsageError("name the directory: `yp2p join DIR`; it asks for the code, or the invite")
    return ask("The code that the other device shows, or an invite"), directory


def as_options(choose: tuple[str, ...]) -> str:
    """What was chosen, as it is typed."""
    return "".join(f" --choose {shlex.quote(path)}" for path in choose)


def follow() -> None:
    """On a terminal, stay until everything is there; it comes without us as well."""
    try:
        with progress_bar():
            call("POST", "/v1/wait", {"timeout_s": None})
    except KeyboardInterrupt:
        say("It goes on in the background; `yp2p status` says how far it is.")
    else:
        say("Everything is there.")


def _ask(path: str, body: dict[str, Any]) -> Any:
    deadline = time.monotonic() + _DAEMON_LIMIT_S
    while True:
        try:
            return call("POST", path, body)
        except NotRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def preview_lines(preview: dict[str, Any], command: str) -> list[str]:
    """What a preview says; `command` goes on."""
    different = preview["different"]
    at_least = "at least " if preview["of_unknown_size"] else ""
    lines = [
        f"Joining would make {preview['path']} the folder {preview['label']!r} of {called(preview['name'])}:",
        f"{preview['equal']:>9,} the same on both sides: nothing happens to them",
        f"{len(different):>9,} different: both are kept, one of them beside the other under a name with .conflict-",
        f"{preview['only_here']:>9,} only here: they go to the other devices",
        f"{preview['only_there']:>9,} only there: they come here, {at_least}{size_text(preview['bytes_to_come'])}",
    ]
    if preview["not_chosen"]:
        lines.append(f"{preview['not_chosen']:>9,} only there, and not chosen: they stay there")
    free = preview["bytes_free"]
    there = f"{size_text(free)} free for it" if free is not None else "how much is free is not known there"
    lines.append(f"Room: {at_least}{size_text(preview['bytes_needed'])} needed, {there}.")
    if preview["no_room"]:
        lines.append("That is too little: make room, choose less of the folder (--choose PATH), or say --force.")
    if preview["not_synced"]:
        lines.append(f"{preview['not_synced']:>9,} here that cannot be synchronised (FIFOs, sockets, unreadable files)")
    if different:
        lines += ["", "Different:", *(f"  {path}" for path in different[:_SHOWN])]
        if len(different) > _SHOWN:
            lines.append(f"  and {len(different) - _SHOWN} more (--json lists all)")
    forced = " --force" if preview["no_room"] else ""
    return [*lines, "", f"Nothing was changed. To go on{' all the same' if forced else ''}: {command}{forced}"]

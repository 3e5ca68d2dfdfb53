"""`yp2p edit`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from yp2p.cli.diffs import print_diff
from yp2p.cli.options import as_option, call, json_option
from yp2p.cli.output import print_json, say, say_note
from yp2p.cli.table import writer_text
from yp2p.errors import UsageError

_SHOWN_LINES = 20
_REFUSED = 12
_FORM = '{"edits": [{"path": ..., "version": ..., "text" or "diff" or "blocks": ...}, ...]}'
_NEW = (
    "with --create FILE is made, and standard input is all of its text: there is no version, and nothing to be changed"
)


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option("--from", "version", metavar="VERSION", help="The version that the edit was made of, from `yp2p read`.")
@click.option("--create", "is_new", is_flag=True, help="There is no FILE yet: make it, with what is on standard input.")
@click.option("--diff", "is_diff", is_flag=True, help="Standard input is a unified diff of FILE.")
@click.option("--blocks", "are_blocks", is_flag=True, help="Standard input is search/replace blocks.")
@click.option("--batch", "is_batch", is_flag=True, help="Standard input is JSON with edits of several files.")
@click.option("--partly", is_flag=True, help="Make what fits, where something does not; else nothing is changed then.")
@as_option
@json_option
def command(
    file: str | None, version: str | None, is_new: bool, is_diff: bool, are_blocks: bool, is_batch: bool, partly: bool,
    name: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Edit FILE by what is on standard input, made of exactly the version that `yp2p read` told: all of the new text,
    or with --diff a unified diff, or with --blocks what is to be replaced.

    \b
    <<<<<<< SEARCH
    what stands there, once
    =======
    what is to stand there
    >>>>>>> REPLACE

    It is merged with what was changed since, as where two devices meet. What others changed meanwhile, and lines that
    both changed, are told on standard error, and then the new version. With --batch the edits of several files are all
    made, or none; each names its path, and its version (null: the file is to be made).
    """
    if is_new and (version is not None or is_diff or are_blocks or is_batch or partly):
        raise UsageError(_NEW)
    if sum((is_diff, are_blocks, is_batch)) > 1:
        raise UsageError("give one of --diff, --blocks and --batch")
    if is_batch:
        if file is not None or version is not None:
            raise UsageError("with --batch the files and versions are in what is on standard input")
        edits = _batch(_standard_input())
    else:
        if file is None or (version is None and not is_new):
            raise UsageError("name a file, and with --from the version that `yp2p read` told, or --create")
        way = "diff" if is_diff else "blocks" if are_blocks else "text"
        edits = [{"path": os.path.abspath(file), "version": _last_line(version), way: _standard_input()}]
    answer = call("POST", "/v1/edit", {"edits": edits, "name": name, "partly": partly})
    if as_json:
        print_json(answer)
    else:
        for one in answer["files"]:
            _print(one, is_done=answer["done"])
    return _REFUSED if any(one["not_applied"] for one in answer["files"]) else 0


def _last_line(version: str | None) -> str | None:
    """Of all that `yp2p read` says on standard error."""
    return version.strip().rpartition("\n")[2] if version is not None else None


def _standard_input() -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 at byte {error.start}: only texts are edited so") from None


def _batch(text: str) -> list[dict[str, Any]]:
    try:
        edits = json.loads(text)["edits"]
        return [{**one, "path": os.path.abspath(one["path"])} for one in edits]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"standard input is no batch: it is JSON like {_FORM}") from None


def _print(one: dict[str, Any], *, is_done: bool) -> None:
    for piece in one["not_applied"]:
        first = piece["text"].strip().partition("\n")[0][:60]
        say(f"{one['path']}: piece {piece['number']} ({first!r}) does not fit: {piece['reason']}", err=True)
    if not is_done:
        say(f"{one['path']}: nothing was changed", err=True)
        return
    writers = [writer_text([by["device"]], [by["name"]] if by["name"] else []) for by in one["between"]["authors"]]
    if one["between"]["diff"]:
        say(f"{one['path']}: merged with what was changed since by {', '.join(writers) or 'others'}", err=True)
    for place in one["both"]:
        stands = place["stands"].strip().partition("\n")[0][:60]
        say(f"{one['path']}, line {place['line']}: both changed this; it is now {stands!r}", err=True)
    print_diff(one["path"], one["diff"], limit=_SHOWN_LINES)
    say_note(one)
    say(one["version"], err=True)

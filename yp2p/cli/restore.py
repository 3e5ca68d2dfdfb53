"""`yp2p restore`."""

from __future__ import annotations

import os
import shlex
from datetime import datetime

import click

from yp2p.cli.complete import Version
from yp2p.cli.diffs import print_diff
from yp2p.cli.options import call, json_option
from yp2p.cli.output import confirm, print_json, say, say_note
from yp2p.cli.when import file_and_when, moment
from yp2p.errors import UsageError

_SHOWN_LINES = 20


@click.command()
@click.argument("path", metavar="FILE@WHEN | DIR", type=Version())
@click.option("--at", metavar="MOMENT", help="Make what is beneath DIR what it was at a moment.")
@click.option("--dry-run", is_flag=True, help="With --at: only say what would be done.")
@click.option("--yes", is_flag=True, help="With --at: do not ask.")
@json_option
def command(path: str, at: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make FILE what it was, also when it was deleted; or, with --at, a whole directory.

    WHEN is a version's number from `yp2p log`, or a moment: 18:00, "yesterday 18:00", "2026-11-21 18:00", "2h ago".
    It is an edit of now: `yp2p undo` takes it back, and deletes a file that was brought back. With --at, files that are
    no text come from the trash of this device, or from another file with the same content; what stands in their place
    goes to the trash. Files that were created since, or moved out of DIR, are left alone.

    What another device deleted is also in `yp2p trash list` on this one.

    Examples: `yp2p restore 'notes.txt@yesterday 18:00'`, `yp2p restore --at "2h ago" ~/notes/projects`
    """
    if at is not None:
        _directory(path, moment(at, datetime.now()), dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if dry_run or yes:
        raise UsageError(
            "--dry-run and --yes go with --at; `yp2p diff FILE WHEN` shows what restoring a file would undo"
        )
    name, when = file_and_when(path)
    if not when:
        raise UsageError(
            f"say which version of {path} is meant: `yp2p restore {shlex.quote(path)}@WHEN`; `yp2p log` lists them"
        )
    answer = call("POST", "/v1/history/restore", {"path": name, "when": when})
    if as_json:
        print_json(answer)
        return
    if answer["revived"]:
        say(f"brought back: {answer['path']}")
    print_diff(answer["path"], answer["diff"], limit=_SHOWN_LINES)
    say_note(answer)


def _directory(path: str, at: float, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    request = {"path": os.path.abspath(path), "at": at, "dry_run": True}
    plan = call("POST", "/v1/history/restore-directory", request)
    if not dry_run and plan["done"]:
        if not yes:
            _print(plan)
            confirm("Do that?")
        plan = call("POST", "/v1/history/restore-directory", request | {"dry_run": False})
    if as_json:
        print_json(plan)
    elif dry_run or yes or not plan["done"]:
        _print(plan)


def _print(plan: dict[str, list[dict[str, str]]]) -> None:
    if not plan["done"]:
        say("nothing to do: everything that was there is what it was")
    for item in plan["done"]:
        reason = f" ({item['reason']})" if "reason" in item else ""
        say(f"{item['action']}: {item['path']}{reason}")

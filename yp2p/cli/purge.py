"""`yp2p purge`."""

from __future__ import annotations

import os
from typing import Any

import click

from yp2p.cli.options import call, json_option, size_text
from yp2p.cli.output import confirm, print_json, say
from yp2p.cli.table import table
from yp2p.cli.when import shown
from yp2p.errors import UsageError
from yp2p.printable import plural

# Names that are listed; more are counted.
_MOST_NAMES = 10


@click.command()
@click.argument("path", metavar="[FILE | DIR]", required=False, type=click.Path())
@click.option("--with-file", is_flag=True, help="Delete the file or the directory first, on all devices.")
@click.option("--here", is_flag=True, help="Do not ask the other devices.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@click.option("--agree", type=int, metavar="N", help="Do what request N of another device asks for, now.")
@click.option("--refuse", type=int, metavar="N", help="Never do what request N asks for.")
@json_option
def command(
    path: str | None, with_file: bool, here: bool, dry_run: bool, yes: bool, agree: int | None, refuse: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Remove the history of FILE, or of all files in DIR: a password that was saved by mistake.

    Remove it from the file first, and change it: it was on other disks. What the file holds now stays. All its versions
    on this device go, with what is in the trash of it, and nothing brings them back: `yp2p log` has one version then,
    and there is nothing to undo. A file that was deleted goes as a whole.

    The other devices are asked for the same. Each tells its person, and does it once yp2p has run there for 24 hours
    unless somebody refuses; `--agree N` there does it at once. Without FILE the command lists what was purged, who asks
    for what, and who has not done it.

    Only an administrator can do that.
    """
    if agree is not None or refuse is not None:
        if path is not None or (agree is not None and refuse is not None):
            raise UsageError("give one of --agree N, --refuse N and the FILE or DIR to purge")
        _answer(agree if agree is not None else refuse, agree=agree is not None, as_json=as_json)
        return
    if path is None:
        if with_file or here or dry_run or yes:
            raise UsageError("name the FILE or DIR to purge; `yp2p purge` alone lists what was purged")
        _list(as_json=as_json)
        return
    body = {"path": os.path.abspath(path), "with_file": with_file, "here": here}
    if dry_run or not yes:
        plan = call("POST", "/v1/purge", {**body, "dry_run": True})
        if dry_run:
            print_json(plan) if as_json else say(*_plan(plan, here=here))
            return
        say(*_plan(plan, here=here), err=True)
        confirm(f"Purge {plan['path'] or plan['label']}?")
        confirm("Nothing brings it back. Are you sure?")
    answer = call("POST", "/v1/purge", {**body, "dry_run": False})
    print_json(answer) if as_json else say(*_purged(answer))


def _answer(number: int | None, *, agree: bool, as_json: bool) -> None:
    answer = call("POST", "/v1/purge/answer", {"number": number, "agree": agree})
    if as_json:
        print_json(answer)
    elif agree:
        say(f"Done: what request {answer['number']} asks for is removed from this device.")
    else:
        say(f"Refused: this device keeps what request {answer['number']} asks to remove.")


def _list(*, as_json: bool) -> None:
    found = call("GET", "/v1/purges")
    if as_json:
        print_json(found)
        return
    if not found["purged"] and not found["asked"]:
        say("Nothing was purged on this device, and no device asks for it.")
        return
    rows = [[shown(one["at"]), one["folder"], one["path"] or "(all of it)", _state(one)] for one in found["purged"]]
    if rows:
        say(*table(["When", "Folder", "Path", "State"], rows))
    for one in found["asked"]:
        say(*_request(one))


def _request(one: dict[str, Any]) -> list[str]:
    """A request of this device or of another one, with who has answered what."""
    files = _names(one["paths"]) if one["paths"] else "files that are not here"
    who = "This device" if one["is_own"] else one["device"]
    found = [
        f"Request {one['number']}: {who} asks to remove the past of {files} in {one['folder']} ({shown(one['at'])})."
    ]
    if not one["is_own"]:
        found.append(f"  This device: {request_state(one)}.")
    found += [f"  {answer['device']}: {answer['answer']}." for answer in one["answers"]]
    said = {answer["device"] for answer in one["answers"]}
    if silent := [name for name in one["silent"] if name not in said]:
        found.append(f"  No answer yet: {_names(silent)}.")
    return found


def request_state(one: dict[str, Any]) -> str:
    """What this device does with a request."""
    answer = f"`yp2p purge --agree {one['number']}` or `--refuse {one['number']}`"
    if one["answer"] in ("done", "refused"):
        return str(one["answer"])
    if one["done_in_s"] is None:
        return f"waits for you: {answer}"
    if one["done_in_s"] == 0:
        return f"waits for you, or until fewer files go at once: {answer}"
    return f"does it when yp2p has run for {plural(round(one['done_in_s'] / 3600), 'hour')} more; {answer}"


def _state(purged: dict[str, Any]) -> str:
    return "done" if purged["erased"] else "removed, and not erased yet: at the next start"


def _plan(plan: dict[str, Any], *, here: bool) -> list[str]:
    """What purging does, before it is done."""
    found = [f"{plan['path'] or plan['label']}:"]
    if plan["deleted"]:
        found.append(f"  {plural(plan['deleted'], 'file')} will be deleted first, on all devices.")
    found += [f"  {line}" for line in _what(plan, "will be removed")]
    if plan["deleted"]:
        found.append("  So will all that was in them, and their copies in the trash.")
    else:
        found += [f"  {line}" for line in _rest(plan)]
    if plan["devices"]:
        others = _names(plan["devices"])
        found.append(f"  {others}: not asked." if here else f"  {others}: asked to do the same, within a day.")
    return found


def _purged(answer: dict[str, Any]) -> list[str]:
    found = _what(answer, "removed from this device")
    if answer["deleted"]:
        found.insert(0, f"{plural(answer['deleted'], 'file')} deleted.")
    if answer["unerased"]:
        found.append(
            f"The store could not be written anew ({answer['unerased']}), so what was removed can be read in it still:"
            " make room on its disk, and start the daemon again."
        )
    found += _rest(answer)
    if answer["asked"]:
        numbers = ", ".join(map(str, answer["asked"]))
        found.append(
            f"Asked to do the same: {_names(answer['devices'])} (request {numbers}); `yp2p purge` says who has."
        )
    elif answer["devices"]:
        found.append(f"Not asked, and has what it has: {_names(answer['devices'])}.")
    return [*found, "A password that was on other disks is known there: change it."]


def _what(plan: dict[str, Any], done: str) -> list[str]:
    """What goes, as sentences."""
    found: list[str] = []
    if plan["versions"]:
        found.append(f"{plural(plan['versions'], 'version')} of {plural(plan['texts'], 'file')} {done}.")
    if plan["trash"]["files"]:
        files = f"{plural(plan['trash']['files'], 'file')} ({size_text(plan['trash']['bytes'])}) in the trash {done}."
        found.append(files)
    if plan["copies"]:
        found.append(f"Of these, under other names: {_names(plan['copies'])}.")
    if plan["temporary"]:
        found.append(f"{plural(plan['temporary'], 'file')} in .yp2p/tmp {done}.")
    return found or ["There is nothing of it but what it is now: no older version, and nothing in the trash."]


def _rest(plan: dict[str, Any]) -> list[str]:
    """What stays, and that a person should know of."""
    found: list[str] = []
    if plan["unchanged"]:
        found.append(
            f"Nothing was ever removed from {_names(plan['unchanged'])}: what you want to be gone is in there still,"
            " if it ever was. Remove it there first."
        )
    if plan["held"]:
        found.append(f"The same as an older version is in {_names(plan['held'])}: purge that as well.")
    if plan["kept_trash"]:
        number = len(plan["kept_trash"])
        found.append(
            f"{plural(number, 'file')} of the trash {'stay' if number > 1 else 'stays'}, of other files of such names"
            f" or with such a content: {_names(plan['kept_trash'])}; purge those as well, or `yp2p trash empty`."
        )
    if plan["unknown"]:
        found.append(
            f"Of {plural(plan['unknown'], 'old text')} nobody knows any more which file it was; to purge the whole"
            " folder removes them."
        )
    if plan["set_aside"]:
        found.append(f"The store has {plural(plan['set_aside'], 'row')} that cannot be read and may be of it.")
    if plan["kept_stores"]:
        found.append(f"Older copies of the store may have it, remove them yourself: {_names(plan['kept_stores'])}.")
    return found


def _names(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    listed = ", ".join(names[:_MOST_NAMES])
    return f"{listed} and {more:,} more" if more > 0 else listed

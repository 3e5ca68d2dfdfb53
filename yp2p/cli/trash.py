"""`yp2p trash list|restore|empty`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Trashed
from yp2p.cli.group import Group
from yp2p.cli.options import call, folder_option, json_option, size_text
from yp2p.cli.output import confirm, paged, print_json, say
from yp2p.cli.table import table
from yp2p.errors import FolderError, UsageError


@click.group(cls=Group)
def command() -> None:
    """List, restore or remove for good what other devices deleted.

    Each device has in its trash what came from others: what you deleted here is in the trash of the other devices, and
    `yp2p restore` brings texts back on any of them. It stays in .yp2p/trash of the folder, for [trash] max_age_days.
    """


@command.command("list")
@folder_option
@json_option
def list_(folder: str | None, as_json: bool) -> None:
    """Show what is in the trash, the oldest first."""
    items = call("POST", "/v1/trash", {"folder": folder})
    if as_json:
        print_json(items)
        return
    rows = []
    for item in items:
        day, _, time = item["removed_at"].partition("T")
        rows.append([f"{day} {time[:2]}:{time[2:4]}", size_text(item["bytes"]), item["path"], item["item"]])
    with paged():
        say(*(table(["Removed", "Size", "File", "Item"], rows, right=("Size",)) if rows else ["The trash is empty."]))


@command.command()
@click.argument("names", metavar="PATH...", nargs=-1, type=Trashed())
@click.option("--all", "everything", is_flag=True, help="Restore everything; of several with one path the newest.")
@folder_option
@json_option
def restore(names: tuple[str, ...], everything: bool, folder: str | None, as_json: bool) -> None:
    """Put files back where they were, on every device.

    PATH is a path in the folder as `yp2p trash list` shows it, or a directory of such paths. A file that stands there
    now is never overwritten: the one in the trash stays where it is, and the exit code is 8.
    """
    if bool(names) == everything:
        raise UsageError("name the PATHs to restore, or give --all, but not both; `yp2p trash list` shows them")
    answer = call("POST", "/v1/trash/restore", {"folder": folder, "names": list(names), "all": everything})
    if as_json:
        print_json(answer)
    if answer["skipped"]:
        first = answer["skipped"][0]
        raise FolderError(
            f"{len(answer['skipped'])} of {len(answer['skipped']) + len(answer['restored'])} could not be restored; "
            f"{first['path']}: {first['reason']}"
        )


@command.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def empty(yes: bool, folder: str | None) -> None:
    """Remove what is in the trash for good."""
    if not yes:
        confirm("Remove everything in the trash for good?")
    call("POST", "/v1/trash/empty", {"folder": folder})

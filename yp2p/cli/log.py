"""`yp2p log`."""

from __future__ import annotations

import os
from typing import Any

import click

from yp2p.cli.options import call, folder_option, json_option
from yp2p.cli.output import paged, print_json, say
from yp2p.cli.when import shown
from yp2p.errors import UsageError


@click.command()
@click.argument("file", type=click.Path(), required=False)
@click.option("--deleted", is_flag=True, help="List the texts that were deleted, the last one first.")
@folder_option
@json_option
def command(file: str | None, deleted: bool, folder: str | None, as_json: bool) -> None:
    """List the versions of FILE that this device had, the newest first: when, from which device, how much.

    The number in front names the version: `yp2p show FILE@NUMBER`, `yp2p restore FILE@NUMBER`. What others wrote while
    this device was away came to it at once, as one version.
    """
    if deleted == (file is not None):
        raise UsageError("name a file, or give --deleted")
    if deleted:
        gone = call("POST", "/v1/history/deleted", {"folder": folder})
        if as_json:
            print_json(gone)
            return
        with paged():
            say(*(f"{shown(item['at'])}  {item['path']}" for item in gone))
        return
    answer = call("POST", "/v1/history/log", {"path": os.path.abspath(file or "")})
    if as_json:
        print_json(answer)
        return
    with paged():
        _print(answer)


def _print(answer: dict[str, Any]) -> None:
    if answer["deleted"]:
        say(f"{answer['path']} was deleted; `yp2p restore {answer['path']}@NUMBER` brings a version back")
    versions = answer["versions"]
    width = max(len(", ".join(version["devices"])) for version in versions)
    for version in reversed(versions):
        devices = ", ".join(version["devices"]).ljust(width)
        change = f"+{version['added']} -{version['removed']}"
        say(f"{version['version']:>7}  {shown(version['at'])}  {devices}  {change}")
    if answer["came_from"]:
        say(f"What was before that came from {answer['came_from']} at once; it has older versions.")

"""`yp2p diff`."""

from __future__ import annotations

import os

import click

from yp2p.cli.diffs import print_diff
from yp2p.cli.options import call, json_option
from yp2p.cli.output import paged, print_json
from yp2p.cli.when import when


@click.command()
@click.argument("file", type=click.Path())
@click.argument("one", metavar="[A]", required=False)
@click.argument("two", metavar="[B]", required=False)
@json_option
def command(file: str, one: str | None, two: str | None, as_json: bool) -> None:
    """Show how FILE changed from A to B: two versions or moments as for `yp2p show`.

    Without B it is what it is now; without A the version before that.
    """
    path = os.path.abspath(file)
    if one is None:
        versions = call("POST", "/v1/history/log", {"path": path})["versions"]
        one = str(versions[-2 if len(versions) > 1 else -1]["version"])
    request = {"path": path, "one": when(one), "two": when(two) if two is not None else {}}
    answer = call("POST", "/v1/history/diff", request)
    if as_json:
        print_json(answer)
        return
    names = f"{answer['path']}@{one}", f"{answer['path']}@{two or 'now'}"
    with paged():
        print_diff(answer["path"], answer["diff"], names=names)

"""`yp2p conflicts`."""

from __future__ import annotations

import click

from yp2p.cli.options import call, json_option, print_json


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the files that were kept beside another one.

    Edits of a text merge. Two versions of any other file that were made at a time, and different files that met under
    one name, are both kept: one has the name, the other stands beside it with `.conflict-` in its name. Look at both,
    keep what you want under the plain name, and delete the other one: that deletes it everywhere.
    """
    found = [
        {"folder": folder["label"], "path": path, "root": folder["path"]}
        for folder in call("GET", "/v1/status")["folders"]
        for path in folder["conflicts"]
    ]
    if as_json:
        print_json(found)
        return
    for conflict in found:
        click.echo(f"{conflict['root']}/{conflict['path']}")

"""`yp2p share DIR`."""

from __future__ import annotations

import sys

import click

from yp2p.cli.options import absolute, call, json_option, print_json


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--label", help="What to call the folder; by default the name of the directory.")
@json_option
def command(directory: str, label: str | None, as_json: bool) -> None:
    """Share DIR: prints one line, the code to type on the other device.

    Each code lets one device in; share again for the next. A folder that is shared already keeps its label.
    """
    answer = call("POST", "/v1/share", {"path": absolute(directory), "label": label})
    if as_json:
        print_json(answer)
        return
    click.echo(answer["code"])
    if sys.stderr.isatty():
        minutes = round(answer["expires_in_s"] / 60)
        click.echo(f"On the other device, within {minutes} minutes: yp2p join {answer['code']} DIR", err=True)

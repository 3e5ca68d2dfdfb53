"""`yp2p join CODE DIR`."""

from __future__ import annotations

import sys

import click

from yp2p.cli.options import absolute, call, json_option, print_json


@click.command()
@click.argument("code")
@click.argument("directory", metavar="DIR")
@click.option("--timeout", type=float, metavar="S", help="How long to look for the other device (default 10).")
@json_option
def command(code: str, directory: str, timeout: float | None, as_json: bool) -> None:
    """Pair with the device that shows CODE, and keep DIR the same as its folder.

    DIR may hold files already: equal ones become one with the folder's, different ones are kept beside them under a
    name with `.conflict-`, and the rest is exchanged. Case, dashes and spaces in CODE do not matter.
    """
    answer = call("POST", "/v1/join", {"code": code, "path": absolute(directory), "timeout_s": timeout})
    if as_json:
        print_json(answer)
    elif sys.stdout.isatty():
        click.echo(f"Paired with {answer['name']}: {answer['path']} is now the folder {answer['label']!r}.")

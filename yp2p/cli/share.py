"""`yp2p share DIR`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Directory
from yp2p.cli.options import absolute, call, json_option
from yp2p.cli.output import is_terminal, print_json, say


@click.command()
@click.argument("directory", metavar="DIR", type=Directory())
@click.option("--label", help="What to call the folder; by default the name of the directory.")
@click.option(
    "--role", type=click.Choice(["admin", "member", "reader"]), default="admin", show_default=True,
    help="What the device that joins may do: an admin also lets devices in and removes them, a reader changes nothing.",
)  # fmt: skip
@json_option
def command(directory: str, label: str | None, role: str, as_json: bool) -> None:
    """Share DIR: prints one line, the code to type on the other device.

    Each code lets one device in; share again for the next. A folder that is shared already keeps its label.
    """
    answer = call("POST", "/v1/share", {"path": absolute(directory), "label": label, "role": role})
    if as_json:
        print_json(answer)
        return
    say(answer["code"])
    if is_terminal(err=True):
        minutes = round(answer["expires_in_s"] / 60)
        say(f"On the other device, within {minutes} minutes: `yp2p join DIR`, which asks for this code", err=True)

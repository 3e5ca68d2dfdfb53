"""`yp2p share DIR`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Directory
from yp2p.cli.options import absolute, call, json_option
from yp2p.cli.output import is_terminal, print_json, say
from yp2p.errors import UsageError
from yp2p.printable import minutes_text


@click.command()
@click.argument("directory", metavar="DIR", type=Directory())
@click.option("--label", help="What to call the folder; by default the name of the directory.")
@click.option(
    "--role", type=click.Choice(["admin", "member", "reader"]),
    help="What the device that joins may do: an admin (the default) also lets devices in and removes them, a reader"
    " changes nothing.",
)  # fmt: skip
@click.option("--withdraw", is_flag=True, help="Take back the code of DIR that is still good: it lets nobody in then.")
@json_option
def command(directory: str, label: str | None, role: str | None, withdraw: bool, as_json: bool) -> None:
    """Share DIR: prints one line, the code to type on the other device.

    Each code lets one device in; share again for the next. A folder that is shared already keeps its label. A device
    that shares another folder with this one needs no code: `yp2p folder offer`.
    """
    if withdraw:
        if label is not None:
            raise UsageError("--withdraw takes back a code, and gives no label; `yp2p folder rename` does")
        if role is not None:
            raise UsageError("--withdraw takes back the code, whatever its role; leave out --role")
        taken = call("POST", "/v1/share/withdraw", {"path": absolute(directory)})
        print_json(taken) if as_json else say(f"{taken['code']} lets nobody into {taken['label']} any more.")
        return
    answer = call("POST", "/v1/share", {"path": absolute(directory), "label": label, "role": role or "admin"})
    if as_json:
        print_json(answer)
        return
    say(answer["code"])
    if is_terminal(err=True):
        time = minutes_text(answer["expires_in_s"])
        say(f"On the other device, within {time}: `yp2p join DIR`, which asks for this code", err=True)

"""`yp2p invite FOLDER`."""

from __future__ import annotations

import re
import time

import click

from yp2p.cli.complete import Folder
from yp2p.cli.options import call, folder_name, json_option
from yp2p.cli.output import is_terminal, print_json, say
from yp2p.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LIFETIME = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


@click.command()
@click.argument("folder", required=False, type=Folder())
@click.option("--role", type=click.Choice(["admin", "member", "reader"]), default="member", show_default=True,
              help="What the machine may do.")  # fmt: skip
@click.option("--uses", type=int, default=1, show_default=True, help="How many machines it lets in.")
@click.option("--expires", default="1h", show_default=True, metavar="TIME", help="How long it is good: 30m, 1h, 7d.")
@click.option("--revoke-all", is_flag=True, help="Take back all invites that are still good.")
@json_option
def command(folder: str | None, role: str, uses: int, expires: str, revoke_all: bool, as_json: bool) -> None:
    """Print a token with which a machine joins FOLDER (its label or directory) without anybody at either of them.

    On the machine: `yp2p join DIR`, with the token on standard input. Whoever has the token is let in, so hand it over
    like a password; once it is used up or has run out it is worth nothing. This device must be running when the token
    is used.
    """
    if revoke_all:
        answer = call("POST", "/v1/invite/revoke", {})
    else:
        body = {"folder": folder_name(folder), "role": role, "uses": uses, "lifetime_s": float(_seconds(expires))}
        answer = call("POST", "/v1/invite", body)
    if as_json:
        print_json(answer)
    elif not revoke_all:
        say(answer["token"])
        if is_terminal(err=True):
            until = time.strftime("%Y-%m-%d %H:%M", time.localtime(answer["expires_at"]))
            times = "once" if uses == 1 else f"{uses} times"
            say(f"Good {times}, until {until}, for {answer['folder']}.", err=True)


def _seconds(text: str) -> int:
    """Raises UsageError: it is no length of time."""
    found = _LIFETIME.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"{text!r} is no length of time; it looks like 30m, 1h or 7d")
    return int(found.group(1)) * _UNITS_S[found.group(2)]

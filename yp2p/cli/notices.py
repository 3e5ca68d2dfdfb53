"""`yp2p notices`."""

from __future__ import annotations

import time

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import paged, print_json, say


@click.command()
@click.option("--bring-back", "number", type=int, metavar="N", help="Bring back what the save of notice N removed.")
@json_option
def command(number: int | None, as_json: bool) -> None:
    """Show what happened in the last week that you may want to look at.

    Such as: a save that removed text of another device, which its editor may not have seen; changes that met in one
    line; conflict copies; damage after a power cut. Each device lists what it saw itself.
    """
    if number is not None:
        answer = call("POST", "/v1/notices/restore", {"number": number})
        if as_json:
            print_json(answer)
        return
    notices = call("GET", "/v1/notices")
    if as_json:
        print_json(notices)
        return
    with paged():
        for notice in notices:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(notice["at"]))
            say(f"{notice['number']:>5}  {when}  {notice['path']}")
            say(f"       {notice['kind']}: {notice['text']}")
            if notice["can_be_brought_back"]:
                say(f"       yp2p notices --bring-back {notice['number']}")
            if notice["can_be_settled"]:
                say("       yp2p conflicts")

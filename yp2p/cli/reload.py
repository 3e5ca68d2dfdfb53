"""`yp2p reload`."""

from __future__ import annotations

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Have the daemon read its settings again.

    Most settings count at once; it says which count only once the daemon starts anew. Where the file is wrong nothing
    changes. `systemctl reload` and SIGHUP do the same, and the log says what came of it.
    """
    answer = call("POST", "/v1/settings/reload", {})
    if as_json:
        print_json(answer)
        return
    applied, later = answer["applied"], answer["from_a_start"]
    if applied:
        say(f"These settings count from now on: {', '.join(applied)}.")
    if later:
        say(f"These count once the daemon starts anew: {', '.join(later)}.")
    if not applied and not later:
        say("The settings are what they were.")

"""`yp2p doctor`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Device
from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say

_LIMIT_S = 30.0


@click.command()
@click.argument("device", required=False, type=Device())
@json_option
def command(device: str | None, as_json: bool) -> int:
    """Look for what is wrong: on this machine, on the network, and with the connection to DEVICE, or to all devices.

    It looks at the key, the store, the folders and the limits of this machine and whether multicast works on each
    interface, and asks the devices that are connected how this one looks from there. Without a daemon it looks at what
    is here. Nothing is changed. The exit code is 1 where something is to be done.
    """
    from yp2p.config import find_paths
    from yp2p.doctor.examine import examine

    found = examine(
        find_paths(), lambda: call("POST", "/v1/doctor", {"device": device}, _LIMIT_S), named=device is not None
    )
    problems = [one for one in found if one.is_problem]
    if as_json:
        print_json({"problems": len(problems), "findings": [one.as_dict() for one in found]})
        return int(bool(problems))
    for one in found:
        say(f"{'PROBLEM' if one.is_problem else 'ok':8}{one.check}: {one.text}")
        if one.remedy:
            say(f"        what helps: {one.remedy}")
    say("", f"{len(problems)} problems." if len(problems) != 1 else "1 problem.")
    return int(bool(problems))

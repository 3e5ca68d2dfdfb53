"""`yp2p limit`: how fast files are sent and received."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.complete import Device
from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say
from yp2p.cli.rates import parse_rate, rate_text
from yp2p.cli.table import table
from yp2p.errors import UsageError


@click.command()
@click.argument("rate", required=False)
@click.option("--upload", metavar="RATE", help="Limit only what is sent.")
@click.option("--download", metavar="RATE", help="Limit only what is received.")
@click.option("--device", metavar="DEVICE", type=Device(), help="Limit what goes to and comes from this device.")
@json_option
def command(rate: str | None, upload: str | None, download: str | None, device: str | None, as_json: bool) -> None:
    """Limit how fast files are sent and received, or show the limits.

    RATE is 2MB/s, 500KB/s or the like (bytes a second, at least 64KB/s), `off` for no limit, or `reset` for what the
    settings say. It counts at once, for all devices together or with --device for one beside that, and stays after a
    restart. What you type and other small changes wait for no limit. So that files wait while a connection is metered,
    set `[limits] metered = "pause"`.
    """
    if rate is not None and (upload or download):
        raise UsageError("give RATE, or --upload and --download; RATE is for both")
    if rate is None and upload is None and download is None:
        if device is not None:
            raise UsageError("--device needs a limit: RATE, --upload or --download; without it all limits are shown")
        answer = call("GET", "/v1/limits")
    elif rate == "reset":
        answer = call("POST", "/v1/limits/set", {"device": device, "reset": True})
    else:
        rates = {"upload": upload or rate, "download": download or rate}
        wanted = {way: parse_rate(text) for way, text in rates.items() if text is not None}
        answer = call("POST", "/v1/limits/set", {"device": device, **wanted})
    if as_json:
        print_json(answer)
        return
    say(*_lines(answer))


def _lines(limits: dict[str, Any]) -> list[str]:
    rows = [
        [name, rate_text(one["upload"]), rate_text(one["download"]), "yp2p limit" if one["set_here"] else "settings"]
        for name, one in [("all together", limits), *((one["name"], one) for one in limits["devices"])]
    ]
    found = table(["Devices", "Upload", "Download", "Set by"], rows)
    metered = limits["metered"]
    if metered["files_wait"]:
        found += ["", "Files wait: NetworkManager says that this connection is metered. Texts go on."]
    elif metered["setting"] == "pause" and metered["connection"] == "unknown":
        found += ["", "Files do not wait on a metered connection: NetworkManager does not answer here."]
    return found

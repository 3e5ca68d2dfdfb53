"""`yp2p folder offer|accept|decline`, and how offers are shown."""

from __future__ import annotations

import shlex
from typing import Any

import click

from yp2p.cli.complete import Device, Directory, Folder, Offered
from yp2p.cli.join import as_options, follow, preview_lines
from yp2p.cli.options import absolute, call, choose_option, chosen_paths, folder_name, json_option
from yp2p.cli.output import is_terminal, print_json, say
from yp2p.cli.table import table
from yp2p.cli.when import shown
from yp2p.printable import called

_from = click.option("--from", "device", metavar="DEVICE", type=Device(), help="The device that offers it.")


@click.command()
@click.argument("folder", type=Folder())
@click.argument("devices", metavar="DEVICE...", nargs=-1, required=True, type=Device())
@click.option(
    "--role",
    type=click.Choice(["admin", "member", "reader"]),
    default="admin",
    show_default=True,
    help="What DEVICE may do in it.",
)
@click.option("--withdraw", is_flag=True, help="Take the offer back.")
@json_option
def offer(folder: str, devices: tuple[str, ...], role: str, withdraw: bool, as_json: bool) -> None:
    """Offer FOLDER (its label or directory) to DEVICE, which shares another folder with this device.

    No code is needed: on DEVICE, `yp2p folder accept` takes part in it, and `yp2p folder decline` refuses. DEVICE is
    its name or its ID. It need not be connected now. The offer stands for 30 days.
    """
    body: dict[str, Any] = {"folder": folder_name(folder), "devices": list(devices)}
    if withdraw:
        answer = call("POST", "/v1/folder/offer/withdraw", body)
    else:
        answer = call("POST", "/v1/folder/offer", body | {"role": role})
    if as_json:
        print_json(answer)
        return
    for device in answer["devices"]:
        if withdraw:
            say(f"{answer['label']} is not offered to {called(device['name'])} any more.")
            continue
        when = "" if device["connected"] else " It is not connected now, and gets the offer when it is."
        say(f"{answer['label']} is offered to {called(device['name'])}, as {answer['role']}.{when}")
    if not withdraw:
        say(f"To take part, there: yp2p folder accept {shlex.quote(answer['label'])} DIR")


@click.command()
@click.argument("offered", metavar="NAME", type=Offered())
@click.argument("directory", metavar="DIR", type=Directory())
@_from
@choose_option
@click.option("--force", is_flag=True, help="Go on where DIR has no room for the files.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of the files in DIR.")
@json_option
def accept(
    offered: str,
    directory: str,
    device: str | None,
    choose: tuple[str, ...],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take part in the folder NAME that another device offers, and keep DIR the same as it.

    DIR may hold files already, as with `yp2p join`. If the other device is not connected now, yp2p takes part as soon
    as it is. `yp2p folder list` shows what is offered.

    With --choose, only these files and directories of the folder come to this disk, as after `yp2p folder choose`.
    """
    body: dict[str, Any] = {
        "name": offered, "path": absolute(directory), "device": device, "choose": chosen_paths(choose),
        "force": force,
    }  # fmt: skip
    answer = call("POST", "/v1/folder/accept/preview" if dry_run else "/v1/folder/accept", body)
    if as_json:
        print_json(answer)
    elif dry_run:
        command = f"yp2p folder accept {shlex.quote(offered)} {shlex.quote(answer['path'])}{as_options(choose)}"
        say(*preview_lines(answer, command))
    elif not answer["joined"]:
        names = " or ".join(answer["waits_for"])
        say(f"{answer['path']} becomes the folder {answer['label']} as soon as {names} is connected.")
    else:
        say(f"{answer['path']} is now the folder {answer['label']}.")
        if is_terminal():
            follow()


@click.command()
@click.argument("offered", metavar="NAME", type=Offered())
@_from
@json_option
def decline(offered: str, device: str | None, as_json: bool) -> None:
    """Refuse the folder NAME that another device offers. That device is told, and may offer it again."""
    answer = call("POST", "/v1/folder/decline", {"name": offered, "device": device})
    if as_json:
        print_json(answer)
    else:
        names = " and ".join(device["name"] for device in answer["devices"])
        say(f"{answer['label']} is declined; {names} is told.")


def offer_tables(offers: dict[str, Any]) -> list[str]:
    """The offers received and made, for `yp2p folder list`; nothing where there are none."""
    found: list[str] = []
    if offers["received"]:
        rows = [
            [one["label"], one["name"], one["role"], shown(one["at"]), _decision(one)] for one in offers["received"]
        ]
        found += ["", *table(["Offered to you", "By", "Role", "Since", "State"], rows)]
    if offers["made"]:
        rows = [
            [one["label"], one["name"], one["role"], shown(one["at"]), "declined" if one["declined"] else "waiting"]
            for one in offers["made"]
        ]
        found += ["", *table(["You offer", "To", "Role", "Since", "State"], rows)]
    return found


def _decision(one: dict[str, Any]) -> str:
    if one["decision"] != "accept":
        return "waiting for you"
    reason = one["problem"] or f"{called(one['name'])} has not answered yet"
    return f"accepted, but not here yet: {reason}"


def offer_lines(offers: dict[str, Any]) -> list[str]:
    """What `yp2p status` says of offers: a line each that waits for a person, or that one should know of."""
    found: list[str] = []
    for one in offers["received"]:
        if one["decision"] == "accept":
            found.append(f"The folder {called(one['label'])} of {called(one['name'])} is {_decision(one)}.")
        else:
            name = shlex.quote(one["label"])
            where = shlex.quote(one["path"]) if one["path"] else "DIR"
            found.append(
                f"{called(one['name'])} offers you the folder {called(one['label'])}:"
                f" `yp2p folder accept {name} {where}` takes part, `yp2p folder decline {name}` refuses."
            )
    found += [
        f"{called(one['name'])} declined the folder {called(one['label'])}; `yp2p folder offer` offers it again,"
        " and with --withdraw takes this line away."
        for one in offers["made"]
        if one["declined"]
    ]
    return found

"""`yp2p status`: whether everything is in sync, in one line; folders and devices; what a person should look at."""

from __future__ import annotations

import shlex
import time
from typing import Any, NoReturn

import click

from yp2p import __version__
from yp2p.cli.offers import offer_lines
from yp2p.cli.options import call, json_option
from yp2p.cli.output import Screen, print_json, say
from yp2p.cli.purge import request_state
from yp2p.cli.table import table
from yp2p.cli.transfers import transfer_table
from yp2p.cli.when import shown
from yp2p.control.versions import difference
from yp2p.errors import NotRunning, UsageError
from yp2p.printable import called, plural
from yp2p.sentences import THROUGH_OTHERS, of_folder, of_member, summary

_SHOWN = 10
# What happens within a moment is shown at once; how long ago something was is another text by then.
_SETTLES_S, _ANEW_S = 0.2, 30.0


@click.command()
@click.option("--ids", is_flag=True, help="Show the IDs of devices and folders.")
@click.option("--watch", is_flag=True, help="Go on showing it until Ctrl-C.")
@json_option
def command(ids: bool, watch: bool, as_json: bool) -> None:
    """Show whether everything is in sync, the folders, the devices, and what you should look at.

    A device is in sync with a folder when it has said that every file is on its disk exactly as it is here.
    """
    if watch and as_json:
        raise UsageError("give one of --watch and --json; a program asks again by itself")
    if watch:
        _show_until_the_end(ids=ids)
    answer = call("GET", "/v1/status")
    if as_json:
        print_json(answer)
        return
    say(*lines(answer, ids=ids))


def _show_until_the_end(*, ids: bool) -> NoReturn:
    """Show it whenever something has happened. Raises NotRunning: the daemon has ended."""
    from yp2p.cli.events import ENDED, Feed

    screen, feed = Screen(), Feed()
    try:
        while not feed.has_ended:
            screen.show(lines(call("GET", "/v1/status"), ids=ids))
            time.sleep(_SETTLES_S)
            feed.take(_ANEW_S)
    finally:
        feed.close()
    raise NotRunning(ENDED)


def lines(status: dict[str, Any], *, ids: bool = False) -> list[str]:
    """All of it."""
    found = [str(summary(status))]
    if status["folders"]:
        found += ["", *folder_table(status["folders"], ids=ids)]
    found += ["", *_devices(status, ids=ids)]
    for group in (transfer_table(status, _SHOWN), _of_device(status), *map(_of_folder, status["folders"])):
        if group:
            found += ["", *group]
    return found


def folder_table(folders: list[dict[str, Any]], *, ids: bool) -> list[str]:
    header = ["Folder", "Directory", "Files", "State", *(["ID"] if ids else [])]
    rows = [
        [
            folder["label"],
            folder["path"],
            f"{folder['entries']['here']:,}",
            _in_short(folder),
            *([folder["id"]] if ids else []),
        ]
        for folder in folders
    ]
    return table(header, rows, right=("Files",))


def _in_short(folder: dict[str, Any]) -> str:
    """How it is doing, for a line of a table; of a problem what is so, as what helps stands below."""
    text = of_folder(folder).text
    return text.partition(": ")[0].partition("; ")[0] if text == folder["problem"] else text


def _devices(status: dict[str, Any], *, ids: bool) -> list[str]:
    header = ["Device", "State", "Address", *(["ID"] if ids else [])]
    own = status["device"]
    rows = [[own["name"], "this device", "", *([own["id"]] if ids else [])]]
    members = [member for folder in status["folders"] for member in folder["devices"] if not member["connected"]]
    through = {member.get("id") for member in members if member.get("condition") == THROUGH_OTHERS}
    for device in status["devices"]:
        where = "connected" if device["connected"] else _away(device)
        if not device["connected"] and through and device["id"] in through:
            where = THROUGH_OTHERS
        rows.append([device["name"], where, device["address"] or "", *([device["id"]] if ids else [])])
    return table(header, rows)


def _away(device: dict[str, Any]) -> str:
    if device["last_seen"] is None:
        return "not connected, never seen"
    return f"not connected, last seen {shown(device['last_seen'])}"


def _of_device(status: dict[str, Any]) -> list[str]:
    """What a person should look at that is of no one folder."""
    missing = status["device"]["missing_addresses"]
    other = difference(str(status.get("version", __version__)), __version__)
    found = [f"Not listening on {address}: no interface has that address yet." for address in missing]
    if other:
        found.append(f"Versions: {other}")
    if status["device"]["files_wait"]:
        found.append("Files wait: NetworkManager says that this connection is metered ([limits] metered). Texts go on.")
    if status["store"]["problem"]:
        found.append(f"Store: {status['store']['problem']}")
    found += [
        f"The store was damaged, and what could be read of it is used. When nothing is missing, remove {kept}"
        for kept in status["store"]["damaged"]
    ]
    found += [f"This machine: {one}." for one in status.get("machine", ())]
    found += [f"Setting {one['setting']}: {one['problem']}" for one in status["settings"]]
    found += offer_lines(status["offers"])
    for device in status["devices"]:
        if device["reason"]:
            found.append(f"{called(device['name'])} is not connected: {device['reason']}")
        elif device["last_error"]:
            faults = f" (faults: {device['faults']})" if device["faults"] else ""
            found.append(f"{called(device['name'])}: {device['last_error']}{faults}")
    return found


def _of_folder(folder: dict[str, Any]) -> list[str]:
    """What a person should look at in a folder; nothing where all is well."""
    found: list[str] = []
    if folder["is_reader"]:
        found.append("this device only reads it: what is changed here stays here")
    if folder["problem"] and not folder["awaiting_confirmation"]:
        found.append(folder["problem"])
    found += _questions(folder)
    for one in folder.get("purges", []):
        files = ", ".join(one["paths"][:_SHOWN]) or "files that are not here"
        found.append(f"{called(one['device'])} asks to remove the past of {files}: this device {request_state(one)}")
    for member in folder["devices"]:
        if member["connected"] and not member["in_sync"]:
            found.append(f"{called(member['name'])}: {of_member(member, is_paused=folder['state'] == 'paused').text}")
        elif member.get("lacks"):
            seen = f", seen {shown(member['last_seen'])}" if member["last_seen"] is not None else ""
            found.append(
                f"{called(member['name'])}: {of_member(member, is_paused=folder['state'] == 'paused').text}{seen}"
            )
    found += _not_here(folder["entries"])
    found += _listed("damaged on this disk, and on no device that is connected", _damaged(folder))
    found += _listed("not synced", [f"{item['path']} ({item['reason']})" for item in folder["not_synced"]])
    found += _listed("waiting", [f"{item['path']} ({item['reason']})" for item in folder["waiting"]])
    changes = [f"{item['path']} ({item['change']})" for item in folder["local_changes"]]
    found += _listed("changed here only (`yp2p folder revert` brings back what all have)", changes)
    found += _listed("conflict copies (`yp2p conflicts`)", folder["conflicts"])
    places = folder["entries"]["places_to_settle"]
    if places:
        found.append(f"places in texts that two devices changed apart: {places:,} (`yp2p conflicts`)")
    found += _listed(
        "not exchanged with a device for a while, as it sent damaged data",
        [f"{h['path'] or h['document']} for {h['device']}, {h['retry_in_s']} s" for h in folder["quarantined"]],
    )
    told = {kind: count for kind, count in folder["notices"].items() if count}
    if told:
        counts = ", ".join(f"{kind} {count}" for kind, count in told.items())
        found.append(f"notices: {counts} (`yp2p notices` shows them)")
    if folder["notices"].get("wrong-code"):
        found.append("somebody typed a wrong code, and got nothing (`yp2p notices` says from where)")
    for present in folder["presence"]:
        if present.get("open"):
            found.append(f"{present.get('device', '?')} edits {', '.join(map(str, present['open']))}")
    return [f"{folder['label']}:", *(f"  {line}" for line in found)] if found else []


def _damaged(folder: dict[str, Any]) -> list[str]:
    """The files that the scrub found damaged, and that are not whole again."""
    found = folder.get("scrub", {}).get("damaged", [])
    return [
        f"{one['path']} (since {shown(one['at'])}; put a copy in its place, or bring a device that has it)"
        for one in found
    ]


def _not_here(entries: dict[str, Any]) -> list[str]:
    """What is left out here, and what is not on this disk because a person chose so."""
    found: list[str] = []
    ignored = entries["ignored"]
    if ignored:
        found.append(f"ignored here, as .yp2pignore, the settings or `yp2p folder ignore` say: {ignored:,}")
    if entries.get("not_here"):
        found.append(
            f"not on this disk, as you chose: {plural(entries['not_here'], 'file')}"
            " (`yp2p folder choose` lists what is)"
        )
    if entries.get("leaving"):
        found.append(
            f"not chosen, and still here: {plural(entries['leaving'], 'file')}; each goes once a connected"
            " device says that it has it, and nobody edits it here"
        )
    return found


def _questions(folder: dict[str, Any]) -> list[str]:
    """What waits for a person, and how to answer."""
    found: list[str] = []
    where = shlex.quote(folder["path"])
    if folder["awaiting_confirmation"]:
        found.append(f"{folder['problem']}; nothing is deleted or written here until you say what is right:")
        found.append(f"  yp2p folder restore {where}   undoes that, on all devices")
        found.append(f"  yp2p folder confirm {where}   does it, on all devices")
    if folder["rules_waiting"]:
        found.append(f"{folder['rules_waiting']}: it is ignored here until you agree")
        found.append(f"  yp2p folder agree {where}")
    return found


def _listed(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    found = [f"{title}: {len(items):,}", *(f"  {item}" for item in items[:_SHOWN])]
    if len(items) > _SHOWN:
        found.append(f"  and {len(items) - _SHOWN:,} more (--json lists all)")
    return found

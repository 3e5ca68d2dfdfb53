"""`yp2p status`."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say
from yp2p.cli.progress import ToGo

_SHOWN = 10


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show this device, the other devices, and the folders.

    A device is in sync with a folder when it acknowledged every entry exactly as it is here.
    """
    answer = call("GET", "/v1/status")
    if as_json:
        print_json(answer)
        return
    say(*_lines(answer))


def _lines(status: dict[str, Any]) -> list[str]:
    own = status["device"]
    lines = [f"This device  {own['name']}", f"             {own['id']}", ""]
    for address in own["missing_addresses"]:
        lines += [f"Listening    not on {address}: no interface has that address yet", ""]
    if status["store"]["problem"]:
        lines += [f"Store        {status['store']['problem']}", ""]
    for kept in status["store"]["damaged"]:
        lines.append(
            "Store        it was damaged, and what could be read of it is used. When nothing is missing, remove"
        )
        lines += [f"             {kept}", ""]
    for one in status["settings"]:
        lines += [f"Settings     {one['setting']}: {one['problem']}", ""]
    if not status["devices"]:
        lines.append("No other devices yet: `yp2p share DIR` shows a code for the first one.")
    for device in status["devices"]:
        where = f"connected, {device['address']}" if device["connected"] else "not connected"
        lines.append(f"Device       {device['name']}  ({where})")
        lines.append(f"             {device['id']}")
        if device["last_error"]:
            lines.append(f"             trouble: {device['last_error']} (faults: {device['faults']})")
    for folder in status["folders"]:
        lines += ["", *_folder_lines(folder)]
    return lines


def _folder_lines(folder: dict[str, Any]) -> list[str]:
    entries = folder["entries"]
    lines = [f"Folder       {folder['label']}  {folder['path']}", f"             {folder['state']}"]
    if folder["problem"]:
        lines.append(f"             {folder['problem']}")
    if folder["is_reader"]:
        lines.append("             this device only reads it: what is changed here stays here")
    lines += _questions(folder)
    lines.append(f"             {entries['total']} entries, {entries['here']} of them here")
    if entries["ignored"]:
        lines.append(f"             {entries['ignored']} left alone, as .yp2pignore or the settings here say")
    to_go = ToGo.of({"folders": [folder | {"devices": []}]})
    if to_go.files or to_go.bytes:
        lines.append(f"             {to_go.text()}")
    for device in folder["devices"]:
        if not device["connected"]:
            how = "not connected"
        elif device["in_sync"]:
            how = "in sync"
        else:
            behind = f"{device['behind']} entries behind" if device["behind"] else ""
            how = ", ".join(filter(None, (device["condition"], behind))) or "comparing"
        lines.append(f"             {device['name']}: {how}")
    lines += _listed("not synced yet", [f"{item['path']} ({item['reason']})" for item in folder["not_synced"]])
    lines += _listed("waiting", [f"{item['path']} ({item['reason']})" for item in folder["waiting"]])
    changes = [f"{item['path']} ({item['change']})" for item in folder["local_changes"]]
    lines += _listed("changed here only (`yp2p folder revert` brings back what all have)", changes)
    lines += _listed("kept beside another file", folder["conflicts"])
    lines += _listed(
        "closed for a device that sent bytes which the CRDT library cannot take",
        [f"{h['path'] or h['document']} for {h['device']}, {h['retry_in_s']} s" for h in folder["quarantined"]],
    )
    told = {kind: count for kind, count in folder["notices"].items() if count}
    if told:
        counts = ", ".join(f"{kind} {count}" for kind, count in told.items())
        lines.append(f"             notices: {counts} (`yp2p notices` shows them)")
    if folder["notices"].get("wrong-code"):
        lines.append(
            "             somebody tried to pair with a wrong code, and got nothing (`yp2p notices` says from where)"
        )
    for state in folder["presence"]:
        if state.get("open"):
            lines.append(f"             {state.get('device', '?')} edits {', '.join(map(str, state['open']))}")
    return lines


def _questions(folder: dict[str, Any]) -> list[str]:
    """What waits for a person, and how to answer."""
    lines: list[str] = []
    if folder["awaiting_confirmation"]:
        lines.append("             nothing is deleted or written here until you say what is right:")
        lines.append(
            f"               yp2p folder resume {folder['path']} --restore            undoes that, on all devices"
        )
        lines.append(f"               yp2p folder resume {folder['path']} --accept-deletions   does it, on all devices")
    if folder["rules_waiting"]:
        lines.append(f"             {folder['rules_waiting']}: it is ignored here until you agree")
        lines.append(f"               yp2p folder agree {folder['path']}")
    return lines


def _listed(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    lines = [f"             {title}: {len(items)}"]
    lines += [f"               {item}" for item in items[:_SHOWN]]
    if len(items) > _SHOWN:
        lines.append(f"               and {len(items) - _SHOWN} more (--json lists all)")
    return lines

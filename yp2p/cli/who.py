"""`yp2p who`."""

from __future__ import annotations

import time
from typing import Any

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say, say_anew
from yp2p.cli.table import table
from yp2p.cli.when import shown

_INTERVAL_S = 1.0


@click.command()
@click.option("--watch", is_flag=True, help="Go on showing it until Ctrl-C.")
@json_option
def command(watch: bool, as_json: bool) -> None:
    """Show which devices are here, and what somebody edits on them."""
    before: list[dict[str, Any]] | None = None
    while True:
        now = _present()
        if now != before:
            if as_json:
                print_json(now)
            else:
                (say_anew if watch else say)(*_lines(now))
        before = now
        if not watch:
            return
        time.sleep(_INTERVAL_S)


def _present() -> list[dict[str, Any]]:
    return [
        {"folder": folder["label"], **device}
        for folder in call("GET", "/v1/status")["folders"]
        for device in sorted(folder["presence"], key=lambda device: str(device.get("device", "")))
    ]


def _lines(present: list[dict[str, Any]]) -> list[str]:
    rows: list[list[str]] = []
    for device in present:
        about = [device["folder"], device.get("device", "?")]
        files = [
            [
                item["path"],
                str(item.get("line", "")),
                shown(item["since"]),
                item.get("name", ""),
            ]
            for item in device.get("files", [])
        ]
        rows += [[*about, *file] for file in files or [["", "", "", ""]]]
    return table(["Folder", "Device", "Edits", "Line", "Since", "By"], rows, right=("Line",)) if rows else []

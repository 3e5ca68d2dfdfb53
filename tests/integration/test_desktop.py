"""What whole daemons tell on the desktop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lab import devices, eventually


@pytest.mark.long
def test_daemons_tell_who_joined_of_conflicts_and_of_mass_deletions(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "notify-send"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nfor last; do :; done; echo "$YP2P_DEVICE__NAME: $last" >> {tmp_path}/shown\n')
    command.chmod(0o755)
    shown = tmp_path / "shown"
    shown.touch()
    session = {"PATH": f"{command.parent}:{os.environ['PATH']}", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    with devices(tmp_path, "one", "two", **session) as (one, two):
        for number in range(60):
            (one.dir / f"{number}.txt").write_text(f"{number}\n")
        (one.dir / "report.pdf").write_bytes(b"\0one")
        (two.dir / "report.pdf").write_bytes(b"\0two")
        two.join(one)
        for device in (one, two):
            device.wait()
        for line in (
            "one: two joined, as administrator",
            "two: report.pdf was changed on several devices at a time; `yp2p conflicts` shows how",
        ):
            eventually(lambda line=line: line in shown.read_text().splitlines(), what=line)
        for number in range(60):
            (one.dir / f"{number}.txt").unlink()
        asks = "Nothing is done until you decide: `yp2p status`"
        eventually(
            lambda: f"one: {one.status()['folders'][0]['problem']}. {asks}" in shown.read_text(), what="the question"
        )

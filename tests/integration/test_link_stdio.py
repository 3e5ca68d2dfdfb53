"""A link through a program, as ssh would carry it: without mDNS, and with no address that leads to the other device."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from lab import YP2P, Device, devices, eventually


def _restart_without_mdns(device: Device, settings: str) -> None:
    (device.home / "config.toml").write_text(settings)
    device.environment["YP2P_DISCOVERY__MDNS"] = "false"
    device.start()


@pytest.mark.long
def test_a_device_is_linked_through_a_program(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("a\n")
        two.join(one)
        two.wait()
        one.stop()
        two.stop()
        command = f"env YP2P_HOME='{two.home}' PYTHONPATH='{os.environ.get('PYTHONPATH', '')}' {YP2P} link --stdio"
        _restart_without_mdns(two, "")  # first, so that it has another port than it had
        _restart_without_mdns(one, f'[discovery.commands]\ntwo = {json.dumps(command)}\nelsewhere = "false"\n')
        eventually(lambda: one.status()["devices"][0]["connected"], what="a link through the program")
        assert one.status()["devices"][0]["address"] == f"`{command}`"

        (two.dir / "b.txt").write_text("b\n")
        two.wait()
        one.wait()
        assert (one.dir / "b.txt").read_text() == "b\n"
        (one.dir / "b.txt").write_text("b\nand from one\n")
        (one.dir / "large.bin").write_bytes(bytes(range(256)) * (1 << 14))
        one.wait()
        two.wait()
        assert (two.dir / "b.txt").read_text() == "b\nand from one\n"
        assert (two.dir / "large.bin").stat().st_size == 1 << 22

        two.kill()  # the program ends with the daemon that it leads to, and is tried again
        eventually(lambda: not one.status()["devices"][0]["connected"], what="the link is over")
        eventually(
            lambda: "no yp2p daemon is running for this home" in one.status()["devices"][0]["reason"],
            what="a reason that says what the program said",
        )
        two.start()
        eventually(lambda: one.status()["devices"][0]["connected"], what="another link through the program")


@pytest.mark.parametrize(
    ("command", "words"), [("", "is empty"), ("ssh 'nas", "No closing quotation")]
)  # fmt: skip
def test_what_is_no_command_is_refused(tmp_path: Path, command: str, words: str) -> None:
    device = Device(tmp_path, "one")
    device.home.mkdir(parents=True)
    (device.home / "config.toml").write_text(f"[discovery.commands]\nnas = {json.dumps(command)}\n")
    said = device.fails("daemon")
    assert "commands.nas" in said
    assert words in said

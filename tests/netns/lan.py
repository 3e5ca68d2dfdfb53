"""A LAN of network namespaces, with real mDNS::

    yph1 ──┐
    yph2 ──┼── bridge in yphsw (captures are taken here)
    yph3 ──┘

The trap: a namespace has no route for multicast until it is given one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, tree

PREFIX = "yph"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def make_lan(hosts: int) -> None:
    switch = f"{PREFIX}sw"
    ip("netns", "add", switch)
    ip("-n", switch, "link", "add", "br0", "type", "bridge")
    ip("-n", switch, "link", "set", "br0", "up")
    for number in range(1, hosts + 1):
        host = f"{PREFIX}{number}"
        ip("netns", "add", host)
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{number}", "netns", switch)
        ip("-n", switch, "link", "set", f"p{number}", "master", "br0", "up")
        ip("-n", host, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        subprocess.run(["ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0"], check=True)
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")


def remove_lan(hosts: int) -> None:
    for name in [f"{PREFIX}sw", *(f"{PREFIX}{number}" for number in range(1, hosts + 1))]:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[list[Device]]:
    """Four hosts with daemons on the first three."""
    remove_lan(4)
    make_lan(4)
    hosts = [
        Device(
            tmp_path, f"host{number}", ("ip", "netns", "exec", f"{PREFIX}{number}"),
            YP2P_LISTEN__ADDRESS="", YP2P_DISCOVERY__INTERFACES="", YP2P_LISTEN__PORT="9727",
        )
        for number in range(1, 4)
    ]  # fmt: skip
    try:
        for host in hosts:
            host.start()
        yield hosts
    finally:
        for host in hosts:
            host.kill()
        remove_lan(4)


def pull(number: int) -> None:
    ip("-n", f"{PREFIX}sw", "link", "set", f"p{number}", "down")


def plug(number: int) -> None:
    ip("-n", f"{PREFIX}sw", "link", "set", f"p{number}", "up")


def connected(device: Device) -> int:
    return sum(peer["connected"] for peer in device.status()["devices"])


def synced(hosts: list[Device], limit_s: float = 60) -> None:
    for host in hosts:
        host.wait(limit_s)
    for host in hosts[1:]:
        assert tree(host.dir) == tree(hosts[0].dir)

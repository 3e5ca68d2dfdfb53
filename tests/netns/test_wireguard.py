"""Two devices in different networks, with WireGuard between them: no multicast, and one address that each can reach."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from lab import Device, eventually, tree
from netns.lan import ip

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

_HOSTS, _ROUTER = ("ypw1", "ypw2"), "ypwr"


def _inside(host: str, *command: str, text: str = "") -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", host, *command], input=text, capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout.strip()


def _make_networks() -> None:
    """Two networks with a router between them, which passes packets on and no multicast."""
    ip("netns", "add", _ROUTER)
    _inside(_ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for number, host in enumerate(_HOSTS, 1):
        ip("netns", "add", host)
        ip("-n", host, "link", "set", "lo", "up")
        ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{number}", "netns", _ROUTER)
        ip("-n", host, "addr", "add", f"10.78.{number}.2/24", "dev", "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", _ROUTER, "addr", "add", f"10.78.{number}.1/24", "dev", f"p{number}")
        ip("-n", _ROUTER, "link", "set", f"p{number}", "up")
        ip("-n", host, "route", "add", "default", "via", f"10.78.{number}.1")


def _remove_networks() -> None:
    for name in (_ROUTER, *_HOSTS):
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _exists(host: str, device: str) -> bool:
    return subprocess.run(["ip", "-n", host, "link", "show", device], capture_output=True).returncode == 0


@contextmanager
def _wireguard(base: Path) -> Iterator[None]:
    """An interface on each host, with 10.99.0.1 and 10.99.0.2, as `wg-quick` makes them."""
    keys = [_inside(host, "wg", "genkey") for host in _HOSTS]
    public = [
        subprocess.run(["wg", "pubkey"], input=key, capture_output=True, text=True).stdout.strip() for key in keys
    ]
    commands = [["ip", "netns", "exec", host, "wireguard-go", "-f", f"ypwg{n}"] for n, host in enumerate(_HOSTS, 1)]
    programs = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    try:
        for number, host in enumerate(_HOSTS, 1):
            device, other = f"ypwg{number}", 3 - number
            eventually(partial(_exists, host, device))
            key = base / f"key{number}"
            key.write_text(keys[number - 1])
            _inside(
                host, "wg", "set", device, "private-key", str(key), "listen-port", "51820",
                "peer", public[other - 1], "allowed-ips", f"10.99.0.{other}/32", "endpoint", f"10.78.{other}.2:51820",
            )  # fmt: skip
            ip("-n", host, "addr", "add", f"10.99.0.{number}/24", "dev", device)
            ip("-n", host, "link", "set", device, "up")
        yield
    finally:
        for program in programs:
            program.terminate()
            program.wait()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[list[Device]]:
    """Two devices that only WireGuard connects."""
    if shutil.which("wireguard-go") is None or shutil.which("wg") is None:
        pytest.skip("needs wireguard-go and wg (Debian: wireguard-go, wireguard-tools)")
    _remove_networks()
    _make_networks()
    found: list[Device] = []
    try:
        with _wireguard(tmp_path):
            for number, host in enumerate(_HOSTS, 1):
                found.append(
                    Device(
                        tmp_path, f"host{number}", ("ip", "netns", "exec", host),
                        YP2P_LISTEN__ADDRESS=f"10.99.0.{number}", YP2P_DISCOVERY__INTERFACES="",
                        YP2P_LISTEN__PORT="9727", YP2P_DISCOVERY__STATIC=f"10.99.0.{3 - number}:9727",
                    ).start()
                )  # fmt: skip
            yield found
    finally:
        for device in found:
            device.kill()
        _remove_networks()


def test_two_devices_over_wireguard(remote: list[Device]) -> None:
    one, two = remote
    (one.dir / "a.txt").write_text("a\n")
    (one.dir / "large.bin").write_bytes(bytes(range(256)) * (1 << 13))
    code = one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})["code"]
    two.cli("join", code, str(two.dir), "--at", "10.99.0.1:9727")
    two.wait(60)
    one.wait(60)
    assert tree(one.dir) == tree(two.dir)
    (two.dir / "a.txt").write_text("a\nb\n")
    two.wait()
    eventually(lambda: (one.dir / "a.txt").read_text() == "a\nb\n")

    two.stop()  # and it comes back by the address of the settings, which nobody announces
    (one.dir / "b.txt").write_text("b\n")
    two.start()
    two.wait(60)
    assert (two.dir / "b.txt").read_text() == "b\n"
    assert two.status()["devices"][0]["address"].startswith("10.99.0.1:")

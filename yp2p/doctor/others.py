"""What the daemon knows of the other devices, as findings: their links, and this device as it looks from there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yp2p import __version__
from yp2p.doctor.finding import Finding
from yp2p.printable import called

# Times in the history are those of the clock: a minute is what nobody would notice.
_CLOCK_LIMIT_S = 60.0


def check_others(answer: Mapping[str, Any], *, named: bool) -> Iterator[Finding]:
    """Findings of what the daemon answered to `POST /v1/doctor`.

    Args:
        named: a person asked for these devices, so that one that is away is a problem.
    """
    port = answer["port"]
    reached: list[str] = []
    for device in answer["devices"]:
        yield from _check_link(device, named=named)
        check = device["check"]
        if check is None:
            continue
        yield from _check_clock(device["name"], check["ahead_s"])
        if check["has_clone"]:
            yield Finding(
                "key", f"{device['name']} sees two machines that have the key of this device",
                "stop one of them, or type `yp2p device rotate` on the one to keep",
            )  # fmt: skip
        if check["reaches"] not in ("yes", "not_tried"):
            yield Finding(
                "port", f"this device cannot connect to {device['name']} on its TCP port, although there is a link "
                f"that {device['name']} has made ({check['reaches'].replace('_', ' ')})",
                f"let TCP out here and in on {device['name']}: one of both firewalls blocks it",
            )  # fmt: skip
        if check["reached"] == "yes":
            reached.append(device["name"])
        elif check["reached"] != "not_tried":
            yield _blocked(device["name"], port, check["reached"])
    if reached:
        yield Finding("port", f"{', '.join(reached)} can connect to this device on TCP port {port}")
    elif not any(device["check"] and device["check"]["reached"] != "not_tried" for device in answer["devices"]):
        yield Finding(
            "port", f"this device listens on TCP port {port}; no connected device could try whether it is open"
        )


def _check_link(device: Mapping[str, Any], *, named: bool) -> Iterator[Finding]:
    check = f"device {device['name']}"
    if not device["connected"]:
        is_problem = (named or device["in_the_way"]) and not device["paused"]
        yield Finding(check, "not connected" if is_problem else f"not connected: {device['reason']}",
                      device["reason"] if is_problem else "")  # fmt: skip
        return
    if device["last_error"]:
        yield Finding(check, f"connected at {device['address']}, but: {device['last_error']}",
                      "if two machines have its key, `yp2p device rotate` on the one to keep; else update yp2p there",
                      )  # fmt: skip
        return
    other = device["version"]
    differs = f"; it runs yp2p {other}, and this device {__version__}" if other and other != __version__ else ""
    yield Finding(check, f"connected at {device['address']}{differs}")


def _check_clock(name: str, ahead_s: float) -> Iterator[Finding]:
    name = called(name)
    if abs(ahead_s) < _CLOCK_LIMIT_S:
        yield Finding("clock", f"that of {name} says the same")
        return
    how = "ahead of" if ahead_s > 0 else "behind"
    yield Finding(
        "clock", f"that of {name} is {_long(abs(ahead_s))} {how} this one",
        "set the one that is wrong: `timedatectl set-ntp true`",
    )  # fmt: skip


def _is_in(address: str, network: str) -> bool:
    """Whether an address, with its port, is in a network; other machines are in none of the loopback's."""
    try:
        found = ipaddress.ip_address(address.rpartition(":")[0].strip("[]").partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return not found.is_loopback and found in ipaddress.ip_network(network)
    except ValueError:
        return False


def _long(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size or (unit == "days" and seconds >= 0.9 * size):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _blocked(name: str, port: int, reached: str) -> Finding:
    name = called(name)
    if reached == "no_way":
        return Finding("port", f"{name} has no way to the address of this device", "put both on one network")
    how = "gets no answer from" if reached == "no_answer" else "is refused by"
    return Finding(
        "port", f"{name} {how} this device on TCP port {port}, although this one can connect to {name}",
        f"let it in here: `sudo ufw allow {port}/tcp`, or `sudo firewall-cmd --add-port={port}/tcp --permanent`",
    )  # fmt: skip


def check_multicast(heard: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> Finding:
    """The finding for one interface.

    Args:
        heard: as `discovery.multicast.Heard`, as a mapping.
        devices: those of the daemon's answer: of those that are connected and in that network one has to be heard.
    """
    check, address = "multicast", heard["address"]
    if heard["error"]:
        return Finding(check, f"nothing can be sent to 224.0.0.251 from {address}: {heard['error']}",
                       "allow UDP port 5353 in the firewall, and give the interface a route for multicast")  # fmt: skip
    if not heard["itself"]:
        return Finding(check, f"what is sent to 224.0.0.251 from {address} does not come back: it is blocked here",
                       "allow UDP port 5353, in and out: `sudo ufw allow mdns`, or `sudo firewall-cmd "
                       "--add-service=mdns --permanent`")  # fmt: skip
    others = sorted(heard["others"])
    network = heard["network"]
    near = [device["name"] for device in devices if device["connected"] and _is_in(device["address"], network)]
    if near and not others:
        return Finding(check, f"does not get through on {address}: none of those that are connected there was heard"
                       f" ({', '.join(near)})",
                       "allow UDP port 5353 on both machines; look for client isolation or IGMP snooping in the"
                       " settings of the access point or switch")  # fmt: skip
    if not others and any(device["connected"] for device in devices):
        return Finding(
            check, f"works on {address}; no other device was heard there, and those that are connected are elsewhere"
        )  # fmt: skip
    if not others and devices:
        return Finding(check, f"works on {address}; no other device was heard there: either none is on, or the network "
                       "keeps its machines apart (access points call it client isolation)")  # fmt: skip
    return Finding(check, f"works on {address}" + (f"; heard: {', '.join(others)}" if others else ""))

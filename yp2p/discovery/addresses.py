"""Which of this machine's addresses to use, and when they change.

The kernel tells over a NETLINK_ROUTE socket when a link or an address comes or goes (rtnetlink(7)); which ones there
are then is read anew. Messages are not decoded: that something changed is all we need.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import ifaddr
import trio

_NETLINK_ROUTE = 0
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_SETTLE_S = 0.2


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a device may be reached. IPv6 link-local hosts carry their scope (`fe80::1%eth0`)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT")
    try:
        host.encode("idna")  # as whoever looks it up does
    except UnicodeError:
        raise ValueError(f"{host!r} can be the name of no host") from None
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether an address leads to this machine alone; a name does not count as one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def own_addresses(wanted: Iterable[str] = ()) -> list[str]:
    """This machine's addresses, or those of the wanted interfaces (names or addresses).

    Without a choice: all but loopback, and loopback where there is nothing else. IPv6 link-local addresses come with
    their scope.
    """
    chosen = set(wanted)
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if chosen and not chosen & {text, adapter.name, ip.nice_name}:
                continue
            if ipaddress.ip_address(text).is_link_local and ":" in text:
                text = f"{text}%{adapter.name}"
            found.append(text)
    outside = [text for text in found if not ipaddress.ip_address(text.partition("%")[0]).is_loopback]
    return found if chosen else outside or found


def own_networks() -> dict[str, str]:
    """The network of each IPv4 address of this machine, with its prefix length."""
    return {
        ip.ip: str(ipaddress.ip_network(f"{ip.ip}/{ip.network_prefix}", strict=False))
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str)
    }


def missing(wanted: Iterable[str]) -> list[str]:
    """Those of the wanted interfaces (names or addresses) that this machine does not have now."""
    return [name for name in wanted if not own_addresses([name])]


async def address_changes() -> AsyncIterator[None]:
    """Yields whenever links or addresses of this machine changed and have settled."""
    with trio.socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as netlink:
        await netlink.bind((0, _GROUPS))
        while True:
            await netlink.recv(65536)
            with trio.move_on_after(_SETTLE_S):
                while True:
                    await netlink.recv(65536)
            yield  # noqa: ASYNC119 (the socket is closed by whoever ends the loop's task)

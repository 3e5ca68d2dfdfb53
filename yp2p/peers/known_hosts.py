"""The addresses to which links have led: what mDNS says of one is nobody's proof, but a link is."""

from __future__ import annotations

import ipaddress

_MOST = 256


class KnownHosts:
    """The last of them, each without its scope, so that it is the same whoever dialled."""

    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}  # the newest last

    def __contains__(self, host: str) -> bool:
        return _plain(host) in self._hosts

    def note(self, host: str) -> None:
        """A link leads to this address."""
        host = _plain(host)
        self._hosts.pop(host, None)
        self._hosts[host] = None
        while len(self._hosts) > _MOST:
            del self._hosts[next(iter(self._hosts))]


def _plain(host: str) -> str:
    """An address without its scope, an IPv4 one as such."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host  # a name, from the settings
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)

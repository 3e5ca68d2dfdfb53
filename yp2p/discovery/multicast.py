"""Whether multicast DNS works on each interface: a question is sent, and has to come back to this machine itself.

The kernel gives a multicast packet to whoever listens on the sending machine as well, after the rules of its firewall
for what goes out and what comes in. So a question that does not come back is blocked here. Others that are heard are
told, but nothing follows from hearing none: a network that drops multicast between its machines, and one that has no
other machine, look the same from here.
"""

from __future__ import annotations

import ipaddress
import secrets
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from yp2p.discovery.addresses import own_addresses, own_networks

# An answer may wait for a second, as it was given to all right before (RFC 6762 §6).
_AGAIN_S = 1.2
_GROUP, _PORT = "224.0.0.251", 5353
_LISTENS_S = 2.5
# What answers is a small packet, and a machine with more interfaces than this is a router.
_PACKET_BYTES, _MAX_INTERFACES, _MAX_OTHERS = 9000, 32, 64
_QUESTION = b"\x05_yp2p\x04_tcp\x05local\x00\x00\x0c\x00\x01"  # PTR, IN (RFC 6763 §4)
_SERVICE = b"\x05_yp2p\x04_tcp"


@dataclass(slots=True)
class Heard:
    """What was heard on the interface of an address.

    Attributes:
        error: why nothing could be sent or heard; empty where it could.
        itself: whether the question came back.
        others: other machines that said something about yp2p.
        network: of the address, with its prefix length.
    """

    address: str
    error: str = ""
    itself: bool = False
    others: set[str] = field(default_factory=set)
    network: str = ""


def listen(wanted: tuple[str, ...] = (), listens_s: float = _LISTENS_S) -> list[Heard]:
    """Ask on each interface, or on those that are wanted, who is there. Blocks for `listens_s`."""
    own = [text for text in own_addresses(wanted) if ipaddress.ip_address(text.partition("%")[0]).version == 4]
    networks = own_networks()
    found = [Heard(address, network=networks.get(address, "")) for address in own[:_MAX_INTERFACES]]
    with ExitStack() as stack:
        asked: dict[socket.socket, tuple[Heard, bytes]] = {}
        for heard in found:
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC))
            try:
                asked[sock] = heard, _ask(sock, heard.address)
            except OSError as error:
                heard.error = error.strerror or str(error)
        for sock, data, sender in _packets(asked, listens_s):
            heard, number = asked[sock]
            if data[:2] == number and _SERVICE in data:
                heard.itself = True
            elif _SERVICE in data and sender not in own and len(heard.others) < _MAX_OTHERS:
                heard.others.add(sender)
    return found


def _ask(sock: socket.socket, address: str) -> bytes:
    """Send a question from an address, and listen for answers; gives its number. Raises OSError."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("", _PORT))
    interface = socket.inet_aton(address)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(_GROUP) + interface)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    number = secrets.token_bytes(2)
    _send(sock, number)
    return number


def _send(sock: socket.socket, number: bytes) -> None:
    sock.sendto(number + struct.pack(">5H", 0, 1, 0, 0, 0) + _QUESTION, (_GROUP, _PORT))


def _packets(
    asked: dict[socket.socket, tuple[Heard, bytes]], listens_s: float
) -> Iterator[tuple[socket.socket, bytes, str]]:
    """What comes within some seconds; on the way the question is asked again."""
    again = time.monotonic() + _AGAIN_S
    deadline = time.monotonic() + listens_s
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(list(asked), [], [], min(left, _AGAIN_S))
        if time.monotonic() > again:
            again = deadline
            for sock, (_, number) in asked.items():
                with suppress(OSError):
                    _send(sock, number)
        for sock in ready:
            try:
                data, (sender, _) = sock.recvfrom(_PACKET_BYTES, socket.MSG_DONTWAIT)
            except OSError:
                continue
            yield sock, data, sender

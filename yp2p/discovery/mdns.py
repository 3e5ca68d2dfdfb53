"""mDNS: announce this device, see others (RFC 6762, RFC 6763; through zeroconf).

Theory of operation
    zeroconf runs an asyncio loop in a thread of its own and calls back on another. What it calls back with is turned
    into a `Sighting` there and handed to trio through `TrioToken.run_sync_soon` into a bounded channel; when that
    is full the oldest news is already stale and the newest is dropped (the next query brings it again). Calls
    that block (start, register, close) run in worker threads.

    A sighting is an untrusted hint. It may say that a device is somewhere; nothing it says is believed before the
    handshake, and its absence means nothing (liveness is TCP's word).

    zeroconf never notices new interfaces: a netlink socket does, and `update_interfaces` follows.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio
from zeroconf import Error as ZeroconfError
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from yp2p.discovery.addresses import Address, address_changes, missing, own_addresses
from yp2p.discovery.hints import from_properties, make_hints, recognise, to_properties
from yp2p.identity import DeviceID

SERVICE_TYPE = "_yp2p._tcp.local."
_VERSION = b"1"
# Sightings wait here for the loop. A flood of invented services fills it and is dropped; honest ones come again.
_MAX_SIGHTINGS = 256
_MAX_ADDRESSES = 16
_MAX_NAME = 64
_RESOLVE_MS = 2000
_START_LIMIT_S = 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A service that was seen (or is gone, without addresses).

    `pairing` holds the two digits of an open window, and `name` is shown only then.
    """

    instance: str
    addresses: tuple[Address, ...]
    hints: frozenset[bytes] = frozenset()
    pairing: str = ""
    name: str = ""

    def devices(self, known: Mapping[DeviceID, bytes]) -> list[DeviceID]:
        """Which of the known devices (ID to pairwise secret) may stand behind it."""
        return recognise(set(self.hints), self.instance, known)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What this device says of itself."""

    port: int
    secrets: tuple[bytes, ...] = ()
    pairing: tuple[str, ...] = ()
    name: str = ""


@dataclass(slots=True)
class _Listener(ServiceListener):
    """Called on zeroconf's thread."""

    token: trio.lowlevel.TrioToken
    sightings: trio.MemorySendChannel[Sighting]
    own: str
    known: dict[str, Sighting] = field(default_factory=dict)

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if name == self.own:
            return
        try:
            info = zc.get_service_info(type_, name, timeout=_RESOLVE_MS)
        except ZeroconfError:
            return  # it is being closed, or the machine is too busy: it will be announced again
        except AssertionError:  # its loop has ended a moment ago
            if not zc.done:
                raise
            return
        if info is not None:
            self._hand_over(_sighting(info))

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if name != self.own:
            self._hand_over(Sighting(_instance(name), ()))

    def _hand_over(self, sighting: Sighting) -> None:
        try:
            self.token.run_sync_soon(self._put, sighting)
        except trio.RunFinishedError:
            pass

    def _put(self, sighting: Sighting) -> None:
        try:
            self.sightings.send_nowait(sighting)
        except (trio.WouldBlock, trio.BrokenResourceError):
            pass


def _instance(name: str) -> str:
    return name.removesuffix("." + SERVICE_TYPE)


def _sighting(info: ServiceInfo) -> Sighting:
    port = info.port or 0
    hosts = [host for host in info.parsed_scoped_addresses() if _is_usable(host)]
    properties = info.properties
    return Sighting(
        _instance(info.name),
        tuple(Address(host, port) for host in hosts[:_MAX_ADDRESSES]) if 0 < port < 65536 else (),
        frozenset(from_properties(properties)) if properties.get(b"v") == _VERSION else frozenset(),
        (properties.get(b"p") or b"").decode("ascii", "replace"),
        (properties.get(b"n") or b"").decode("utf-8", "replace")[:_MAX_NAME],
    )


def _is_usable(host: str) -> bool:
    """Link-local IPv6 without a scope could be anywhere."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return not (address.version == 6 and address.is_link_local and "%" not in host)


class Mdns:
    """A running announcer and browser. Use `open_mdns`."""

    def __init__(self, interfaces: Sequence[str], sightings: trio.MemorySendChannel[Sighting]) -> None:
        self._wanted = tuple(interfaces)
        self.instance = secrets.token_hex(8)
        self._start = secrets.token_bytes(32)
        self._host = secrets.token_hex(8) + ".local."
        self._listener = _Listener(trio.lowlevel.current_trio_token(), sightings, f"{self.instance}.{SERVICE_TYPE}")
        self._zeroconf: Zeroconf | None = None
        self._registered: ServiceInfo | None = None
        self._announcement: Announcement | None = None
        self._turn = 0
        self._lock = trio.Lock()

    async def announce(self, announcement: Announcement) -> None:
        """Say this from now on."""
        async with self._lock:
            self._announcement = announcement
            await trio.to_thread.run_sync(self._apply)

    async def refresh(self) -> None:
        """The interfaces changed: use the ones there are now."""
        async with self._lock:
            await trio.to_thread.run_sync(self._refresh)

    async def interface_changes(self) -> AsyncIterator[None]:
        """Use new interfaces as they come, and tell whenever the machine's addresses changed."""
        async for _ in address_changes():
            log.info("interfaces_changed")
            await self.refresh()
            yield

    def start(self) -> None:
        """Blocks; where there is no interface to use, `refresh` tries again."""
        absent = missing(self._wanted)
        if absent:
            log.warning(
                "interfaces_missing",
                interfaces=absent,
                advice="discovery.interfaces names what this machine does not have now; `ip address` shows what it has",
            )
        addresses = self._multicast_addresses()
        if not addresses:
            return
        try:
            self._zeroconf = Zeroconf(interfaces=addresses)
        except OSError as error:
            log.warning("mdns_unavailable", reason=str(error), advice="static addresses still work")
            return
        ServiceBrowser(self._zeroconf, SERVICE_TYPE, listener=self._listener)

    def close(self) -> None:
        """Blocks; says goodbye."""
        if self._zeroconf is not None:
            self._zeroconf.close()

    def _multicast_addresses(self) -> list[str | int]:
        """IPv4 addresses as they are, IPv6 by interface index: what zeroconf wants."""
        chosen: list[str | int] = []
        for text in own_addresses(self._wanted):
            host, _, scope = text.partition("%")
            if ":" not in host:
                chosen.append(host)
            elif scope:
                chosen.append(socket.if_nametoindex(scope))
        return list(dict.fromkeys(chosen))

    def _refresh(self) -> None:
        if self._zeroconf is None:
            self.start()
        else:
            try:
                addresses = self._multicast_addresses()
                if addresses:
                    self._zeroconf.update_interfaces(addresses)
            except (OSError, ZeroconfError, TimeoutError) as error:
                log.info("mdns_refresh_failed", reason=str(error))
        if self._announcement is not None:
            self._apply()

    def _apply(self) -> None:
        if self._zeroconf is None or self._announcement is None:
            return
        info = self._service_info(self._announcement)
        try:
            if self._registered is None:
                self._zeroconf.register_service(info, cooperating_responders=True)
            else:
                self._zeroconf.update_service(info)
            self._registered = info
        except (OSError, ZeroconfError, TimeoutError) as error:
            log.info("mdns_announce_failed", reason=str(error))

    def _service_info(self, announcement: Announcement) -> ServiceInfo:
        self._turn += 1
        hints = make_hints(announcement.secrets, self.instance, self._start, self._turn)
        properties: dict[str, bytes] = {"v": _VERSION, **to_properties(hints)}
        if announcement.pairing:
            properties["p"] = ",".join(announcement.pairing).encode()
            properties["n"] = announcement.name.encode()[:200]
        hosts = [text.partition("%")[0] for text in own_addresses(self._wanted)]
        return ServiceInfo(
            SERVICE_TYPE,
            f"{self.instance}.{SERVICE_TYPE}",
            port=announcement.port,
            properties=properties,
            server=self._host,
            addresses=[ipaddress.ip_address(host).packed for host in hosts],
        )


@asynccontextmanager
async def open_mdns(
    interfaces: Iterable[str],
) -> AsyncIterator[tuple[Mdns, trio.MemoryReceiveChannel[Sighting]]]:
    """Browse for other devices, and announce this one once `announce` was called."""
    send, receive = trio.open_memory_channel[Sighting](_MAX_SIGHTINGS)
    mdns = Mdns(list(interfaces), send)
    with trio.move_on_after(_START_LIMIT_S):
        await trio.to_thread.run_sync(mdns.start)
    try:
        yield mdns, receive
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(partial(mdns.close))

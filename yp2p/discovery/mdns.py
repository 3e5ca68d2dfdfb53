"""mDNS: announce this device, see others (RFC 6762, RFC 6763; through zeroconf).

Theory of operation
    zeroconf runs an asyncio loop in a thread of its own and calls back on another, one name after the other: a callback
    that waits delays all the others. So it only takes what zeroconf already knows of a service, which is everything
    if an honest device announced itself, and hands that to trio. An incomplete service is looked up in worker threads,
    a few at a time (`sought.py`), and handed over again when more of it arrives. What is handed over waits in a bounded
    mailbox, which has the newest state of each service and drops the oldest one when it is full. Calls that block
    (start, register, close) run in worker threads.

    A sighting is an untrusted hint. It may say that a device is somewhere; nothing it says is believed before the
    handshake, and its absence means nothing (liveness is TCP's word).

    zeroconf never notices new interfaces: a netlink socket does, and `update_interfaces` follows.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio
from zeroconf import Error as ZeroconfError
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from yp2p.discovery.addresses import Address, address_changes, missing, own_addresses
from yp2p.discovery.hints import from_properties, hint, make_hints, recognise, to_properties
from yp2p.discovery.sought import Sought
from yp2p.identity import DeviceID

SERVICE_TYPE = "_yp2p._tcp.local."
_VERSION = b"1"
# Sightings wait for the loop, so many services at most. A flood of invented ones pushes out the oldest.
_MAX_SIGHTINGS = 256
# Each takes a thread for up to two seconds.
_LOOKED_UP_AT_A_TIME = 4
_MAX_ADDRESSES = 16
_MAX_NAME = 64
_RESOLVE_MS = 2000
_START_LIMIT_S = 5
# A busy machine is left alone for so long before the next attempt to announce.
_RETRY_S = 5.0
_STOP_LIMIT_S = 2.0

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


class _Listener(ServiceListener):
    """Called on zeroconf's thread; hands over to the loop without waiting.

    Args:
        own: the name of this device's service.
        seen: takes a sighting, on the loop.
        incomplete: takes a name that has to be looked up, with the hints that are there already, on the loop.
    """

    def __init__(
        self,
        token: trio.lowlevel.TrioToken,
        own: str,
        seen: Callable[[Sighting], None],
        incomplete: Callable[[str, frozenset[bytes]], None],
    ) -> None:
        self._token = token
        self._own = own
        self._seen = seen
        self._incomplete = incomplete
        self._lock = threading.Lock()
        self._waiting: dict[str, ServiceInfo | None] = {}  # by name, the newest last; None: it is gone

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if name != self._own:
            self._hand_over(name, _from_cache(zc, name))

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if name != self._own:
            self._hand_over(name, None)

    def _hand_over(self, name: str, info: ServiceInfo | None) -> None:
        with self._lock:
            self._waiting.pop(name, None)
            self._waiting[name] = info
            if len(self._waiting) > _MAX_SIGHTINGS:
                del self._waiting[next(iter(self._waiting))]
        try:
            self._token.run_sync_soon(self.take, idempotent=True)
        except trio.RunFinishedError:
            pass

    def take(self) -> None:
        """On the loop: give on what was handed over."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for name, info in waiting.items():
            if info is None:
                self._seen(Sighting(_instance(name), ()))
                continue
            sighting = _sighting(info)
            if sighting.addresses and info.text:
                self._seen(sighting)
            else:
                self._incomplete(name, sighting.hints)


class _Resolver:
    """Looks up what is not complete, and gives what was seen to whoever listens. `run` does the work."""

    def __init__(self, sightings: trio.MemorySendChannel[Sighting], secrets: Callable[[], Iterable[bytes]]) -> None:
        self._sightings = sightings
        self._secrets = secrets
        self._seen: dict[str, Sighting] = {}  # by instance, the newest last
        self._sought = Sought()
        self._work = trio.Event()

    def seen(self, sighting: Sighting) -> None:
        """A service is complete, or gone."""
        self._sought.discard(f"{sighting.instance}.{SERVICE_TYPE}")
        self._seen.pop(sighting.instance, None)
        self._seen[sighting.instance] = sighting
        if len(self._seen) > _MAX_SIGHTINGS:
            del self._seen[next(iter(self._seen))]
        self._wake()

    def incomplete(self, name: str, hints: frozenset[bytes]) -> None:
        """A service was announced of which something is missing."""
        instance = _instance(name)
        self._sought.add(name, is_known=any(hint(secret, instance) in hints for secret in self._secrets()))
        self._wake()

    def _wake(self) -> None:
        event, self._work = self._work, trio.Event()
        event.set()

    async def run(self, look_up: Callable[[str], ServiceInfo | None]) -> None:
        """Work until cancelled. `look_up` blocks."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            for _ in range(_LOOKED_UP_AT_A_TIME):
                nursery.start_soon(self._look_up, look_up)

    async def _tell(self) -> None:
        while True:
            work = self._work
            while self._seen:
                await self._sightings.send(self._seen.pop(next(iter(self._seen))))
            await work.wait()

    async def _look_up(self, look_up: Callable[[str], ServiceInfo | None]) -> None:
        while True:
            work = self._work
            name = self._sought.take()
            if name is None:
                await work.wait()
                continue
            info = await trio.to_thread.run_sync(look_up, name, abandon_on_cancel=True)
            if info is not None:
                self.seen(_sighting(info))


def _from_cache(zc: Zeroconf, name: str) -> ServiceInfo:
    """What is known of a service already, or a part of it."""
    info = ServiceInfo(SERVICE_TYPE, name)
    info.load_from_cache(zc)
    return info


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
        self._resolver = _Resolver(sightings, self._secrets)
        self.instance = secrets.token_hex(8)
        self._start = secrets.token_bytes(32)
        self._host = secrets.token_hex(8) + ".local."
        self._listener = _Listener(
            trio.lowlevel.current_trio_token(), f"{self.instance}.{SERVICE_TYPE}", self._resolver.seen,
            self._resolver.incomplete,
        )  # fmt: skip
        self._zeroconf: Zeroconf | None = None
        self._registered: ServiceInfo | None = None
        self._announcement: Announcement | None = None
        self._said: Announcement | None = None  # what was announced last, where that did not fail
        self._unsaid = trio.Event()  # the last attempt to announce failed
        self._starting = threading.Lock()
        self._turn = 0
        self._lock = trio.Lock()

    def _secrets(self) -> Iterable[bytes]:
        return self._announcement.secrets if self._announcement is not None else ()

    async def run(self) -> None:
        """Look up what others announce, and say again what could not be said, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._resolver.run, self._look_up)
            nursery.start_soon(self._retry)

    async def _retry(self) -> None:
        """The library gives up on a busy machine: nobody else would say that this device is here."""
        while True:
            await self._unsaid.wait()
            await trio.sleep(_RETRY_S)
            self._unsaid = trio.Event()
            await self.refresh()

    def _look_up(self, name: str) -> ServiceInfo | None:
        """Blocks. None: nobody answers for the name, or it is no time to ask."""
        try:
            return self._zeroconf.get_service_info(SERVICE_TYPE, name, _RESOLVE_MS) if self._zeroconf else None
        except (ZeroconfError, AssertionError):  # it is being closed, or the machine is too busy
            return None

    async def announce(self, announcement: Announcement) -> None:
        """Say this from now on."""
        async with self._lock:
            self._announcement = announcement
            await trio.to_thread.run_sync(self._apply)
            self._look_whether_said()

    async def refresh(self) -> None:
        """The interfaces changed: use the ones there are now."""
        async with self._lock:
            await trio.to_thread.run_sync(self._refresh)
            self._look_whether_said()

    def _look_whether_said(self) -> None:
        """On the loop, after an attempt."""
        if self._announcement is not self._said:
            self._unsaid.set()

    async def interface_changes(self) -> AsyncIterator[None]:
        """Use new interfaces as they come, and tell whenever the machine's addresses changed."""
        async for _ in address_changes():
            log.info("interfaces_changed")
            await self.refresh()
            yield

    def start(self) -> None:
        """Blocks; where there is no interface to use, or it took too long, `refresh` tries again."""
        with self._starting:  # whoever waited for it may have gone
            if self._zeroconf is None:
                self._start_library()

    def _start_library(self) -> None:
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
        announcement = self._announcement
        if self._zeroconf is None or announcement is None:
            return
        info = self._service_info(announcement)
        try:
            if self._registered is None:
                self._zeroconf.register_service(info, cooperating_responders=True)
            else:
                self._zeroconf.update_service(info)
            self._registered, self._said = info, announcement
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
        # The library waits for a thread of its own, which a limit of the machine may have ended.
        await trio.to_thread.run_sync(mdns.start, abandon_on_cancel=True)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mdns.run)
            yield mdns, receive
            nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(_STOP_LIMIT_S, shield=True):
            await trio.to_thread.run_sync(mdns.close, abandon_on_cancel=True)

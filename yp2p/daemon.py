"""The daemon: the only place where the parts are put together.

Task tree; nesting is shutdown order, the innermost goes first::

    store writer                     commits last, shielded
    └── folders                      one disk actor each
        └── local API                the control socket, and the documents socket for programs
            └── peers                one task per known device: dials, and runs the link
                └── intake
                    ├── listener     handshakes of incoming connections, then their links
                    ├── mDNS         announcing, sightings, interface changes
                    ├── watchdog     WATCHDOG=1 from the loop itself
                    └── signals      SIGTERM and SIGINT end everything

So `yp2p status` answers while sessions say goodbye.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.config import DEFAULT_PORT, Config, Paths
from yp2p.control.app import make_app, serve_control
from yp2p.control.socket import bind_control_socket
from yp2p.device.device import Device
from yp2p.discovery.mdns import open_mdns
from yp2p.documents.text import self_test
from yp2p.errors import AlreadyRunning, ConfigError, YpError
from yp2p.folder.merger import open_merger
from yp2p.folder.roots import check_directory
from yp2p.identity import Identity, format_device_id
from yp2p.memory import share_one_arena
from yp2p.programs.server import Documents
from yp2p.store.database import open_database
from yp2p.transport.listener import Listener, open_listeners
from yp2p.trust.keyfile import load_identity

STOP_LIMIT_S = 0.9

log = structlog.get_logger()


class _Lock:
    """One daemon per home. The lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"another yp2p daemon (process {holder}) already runs with {path.parent}; "
                "stop it with `yp2p stop`, or use another YP2P_HOME"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3)); nothing without it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock, suppress(OSError):
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())


async def _feed_watchdog() -> None:
    """Show systemd that the loop turns, twice per interval."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    if not interval_us.isdecimal() or not int(interval_us):
        return
    while True:
        notify("WATCHDOG=1")
        await trio.sleep(int(interval_us) / 2_000_000)


async def _wait_for_signal(stop: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("signal_received", signal=signal.Signals(number).name)
            stop.set()


def _own_places(paths: Paths) -> tuple[Path, ...]:
    """Directories whose files must never travel."""
    return (paths.state, paths.runtime, paths.config.parent)


@asynccontextmanager
async def _floor() -> AsyncIterator[trio.Nursery]:
    """A floor of the task tree: its tasks are told to end, and waited for, when everything above them has ended."""
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()


async def run(config: Config, paths: Paths, share: str | None, shared: Callable[[dict[str, Any]], None]) -> None:
    """Run one device until it is told to stop.

    Args:
        share: a directory to share once everything runs, or None.
        shared: is told what `share` gave.

    Raises:
        YpError: it cannot start; the text says why and what to do.
    """
    share_one_arena()
    self_test()
    if share is not None:
        check_directory(share, [], _own_places(paths))
    # The kernel tells by SIGIO that somebody wants a file we hold a lease on; we hold none for longer than a moment.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for directory in (paths.state, paths.runtime):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{directory} cannot be made: {error.strerror}; see YP2P_HOME") from error
    lock = _Lock(paths.lock)
    try:
        is_first_start = not paths.key.exists()  # noqa: ASYNC240
        identity = load_identity(paths.key, paths.store)
        if not is_first_start and not paths.store.exists():  # noqa: ASYNC240
            log.warning("store_missing", advice="an empty one is made; share or join the folders again")
        listeners = open_listeners(config.listen.address, config.listen.port, DEFAULT_PORT)
        control, documents = bind_control_socket(paths.socket), bind_control_socket(paths.documents)
        try:
            async with open_database(paths.store) as database, open_merger() as merger:
                database.check_owner(identity.device_id, paths.key)
                device = Device(config, identity, database, _own_places(paths), merger)
                device.peers.listen_port = listeners[0].socket.getsockname()[1]
                await _serve(config, device, identity, _Sockets(listeners, control, documents), share, shared)
        finally:
            for sock, path in ((control, paths.socket), (documents, paths.documents)):
                sock.close()
                path.unlink(missing_ok=True)
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class _Sockets:
    """What the daemon listens on."""

    peers: list[trio.SocketListener]
    control: socket.socket
    documents: socket.socket


async def _serve(
    config: Config,
    device: Device,
    identity: Identity,
    sockets: _Sockets,
    share: str | None,
    shared: Callable[[dict[str, Any]], None],
) -> None:
    stop = trio.Event()
    listener = Listener(
        identity,
        device.peers.accept,
        device.handle_join,
        is_known=device.peers.is_known,
        pairing_open=lambda: device.pairing_host.is_open,
    )
    async with _floor() as folders, _floor() as api, _floor() as peers, _floor() as intake:
        await folders.start(device.run)
        api.start_soon(serve_control, make_app(device, stop), sockets.control)
        api.start_soon(Documents(device).serve, sockets.documents)
        peers.start_soon(device.run_peers)
        intake.start_soon(listener.serve, sockets.peers)
        intake.start_soon(_wait_for_signal, stop)
        intake.start_soon(_feed_watchdog)
        if config.discovery.mdns:
            intake.start_soon(_discover, config, device)
        port = device.peers.listen_port
        log.info("daemon_started", device=format_device_id(identity.device_id)[:7], port=port)
        notify(f"READY=1\nSTATUS=listening on port {port}")
        if share is not None:
            shared(await device.share(share, None))
        await stop.wait()
        notify("STOPPING=1")
        log.info("daemon_stopping")
        # Whatever does not end by then is left to the store's rules: everything promised is durable already.
        folders.cancel_scope.deadline = trio.current_time() + STOP_LIMIT_S


async def _discover(config: Config, device: Device) -> None:
    async with open_mdns(config.discovery.interfaces) as (mdns, sightings):
        await device.run_discovery(mdns, sightings)


def run_daemon(
    config: Config, paths: Paths, share: str | None = None, shared: Callable[[dict[str, Any]], None] = lambda _: None
) -> None:
    """`run` under trio, with a single error where there is one. Raises YpError."""
    try:
        trio.run(run, config, paths, share, shared)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, YpError):
            raise error from None  # noqa: ASYNC123 (the group holds nothing else)
        raise

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
                    ├── status line  what the service manager shows
                    └── reloading    reads the settings again on SIGHUP

So `yp2p status` answers while sessions say goodbye. Beside all that, from the first moment, a task takes SIGTERM and
SIGINT: they end what has started in that order, and cancel a start. SIGHUP has the settings read again, but where there
is a terminal: that has been closed, and the daemon ends with it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p import __version__
from yp2p.config import DEFAULT_PORT, Config, Paths
from yp2p.config_file import load_config
from yp2p.control.app import make_app, make_documents
from yp2p.control.logs import make_metrics
from yp2p.control.server import serve_anybody, serve_local
from yp2p.control.socket import bind_control_socket, lock_text, read_lock
from yp2p.device.desktop import lacks
from yp2p.device.device import Device
from yp2p.device.events import Daemon as DaemonEvent
from yp2p.device.rotation import Rotation
from yp2p.device.settings import Part, Settings, of_section
from yp2p.discovery.addresses import parse_address
from yp2p.discovery.mdns import open_mdns
from yp2p.documents.text import self_test
from yp2p.errors import AlreadyRunning, ConfigError, ListenError, YpError, first_of
from yp2p.folder.merger import open_merger
from yp2p.folder.roots import check_directory
from yp2p.identity import Identity, format_device_id
from yp2p.logs import use_level
from yp2p.machine import is_passing, put_aside, raise_file_limit, reason
from yp2p.memory import keep_imports_from_the_collector, share_one_arena
from yp2p.page.kept import Keeper
from yp2p.page.listener import Page
from yp2p.store.database import open_database
from yp2p.supervisor import (
    Supervisor,
    feed_watchdog,
    own_folders,
    store,
    supervised,
    take_stored,
    unstore,
    with_invites,
)
from yp2p.transport.listener import Listener, Listening, open_listeners
from yp2p.trust.given_key import GivenKey, take_given_key
from yp2p.trust.keyfile import load_identity, read_next, temporary_of

STOP_LIMIT_S = 0.9

log = structlog.get_logger()


class _Lock:
    """One daemon per home. The lock goes with the process, however it ends."""

    def __init__(self, path: Path, socket_path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, answers_at = read_lock(path)
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"another yp2p daemon (process {holder or 'unknown'}) already runs with {path.parent} and answers at "
                f"{answers_at or 'an unknown socket'}; stop it with `yp2p stop`, or use another YP2P_HOME"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, lock_text(socket_path), 0)

    def release(self) -> None:
        os.close(self._descriptor)


class _Wishes:
    """What signals ask for: that the settings are read again (`hangup`), or that the daemon ends (`stop`).

    It stops in order once it has started, and gives a start up.
    """

    def __init__(self, start: trio.CancelScope) -> None:
        self.stop = trio.Event()
        self.hangup = trio.Event()
        self._start = start
        self._has_terminal = _has_terminal()

    def started(self) -> None:
        """From now on whoever waits for the event ends the daemon."""
        self._start = trio.CancelScope()

    async def on_signals(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            log.info("signal_received", signal=signal.Signals(number).name)
            if number == signal.SIGHUP and not self._has_terminal:
                self.hangup.set()
                continue
            self.stop.set()
            self._start.cancel()

    async def wait_for_hangup(self) -> None:
        """Return when the settings are to be read, once for all signals that came by then."""
        await self.hangup.wait()
        self.hangup = trio.Event()


def _has_terminal() -> bool:
    """Whether this process goes with a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _taken_signals() -> list[int]:
    """Those that are taken; `nohup` has SIGHUP ignored, and that stays so."""
    hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    return [signal.SIGTERM, signal.SIGINT, *hangup]


def _own_places(paths: Paths) -> tuple[Path, ...]:
    """Directories whose files must never travel."""
    return (paths.state, paths.runtime, paths.config.parent)


@asynccontextmanager
async def _floor() -> AsyncIterator[trio.Nursery]:
    """A floor of the task tree: its tasks are told to end, and waited for, when everything above them has ended."""
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class _AtStart:
    """What is done once everything runs.

    Attributes:
        share: a directory to share, or None.
        shared: is told what that gave.
        started: is called at the end.
        keeper: what an earlier run of the daemon left open of its page, and this one will for the next.
    """

    share: str | None
    shared: Callable[[dict[str, Any]], None]
    started: Callable[[], None]
    keeper: Keeper = field(default_factory=Keeper)


async def run(
    config: Config,
    paths: Paths,
    at_start: _AtStart,
    given: GivenKey | None = None,
) -> bool:
    """Run one device until it is told to stop; tells whether it is to start anew, with another key.

    Args:
        given: the device's key, where it comes from outside.

    Raises:
        YpError: it cannot start; the text says why and what to do.
    """
    starts_anew = False  # also where a signal ends the start
    with trio.open_signal_receiver(*_taken_signals()) as signals:
        async with trio.open_nursery() as nursery:
            wishes = _Wishes(nursery.cancel_scope)
            nursery.start_soon(wishes.on_signals, signals)
            starts_anew = await _run(config, paths, wishes, at_start, given)
            nursery.cancel_scope.cancel()
    return starts_anew


@dataclass(frozen=True, slots=True)
class _Sockets:
    """What the daemon listens on."""

    peers: Listening
    control: socket.socket
    documents: socket.socket
    metrics: socket.socket | None


@contextmanager
def _open_sockets(config: Config, paths: Paths) -> Iterator[_Sockets]:
    """Listen. Raises YpError (ListenError)."""
    with ExitStack() as stack:
        peers = open_listeners(config.listen.address, config.listen.port, DEFAULT_PORT)
        for listener in peers.listeners:
            stack.callback(listener.socket.close)
        local: list[socket.socket] = []
        for path in (paths.socket, paths.documents):
            _make_way(path, stat.S_ISSOCK)
            with _in_a_sentence(path):
                local.append(stack.enter_context(bind_control_socket(path)))
            stack.callback(path.unlink, missing_ok=True)
        control, documents = local
        yield _Sockets(peers, control, documents, _open_metrics(config.metrics.listen, stack))


def _open_metrics(place: str, stack: ExitStack) -> socket.socket | None:
    """Where Prometheus asks, if anywhere. Raises ConfigError, ListenError."""
    if not place:
        return None
    try:
        address = parse_address(place)
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        found = socket.create_server((address.host, address.port), family=family)
    except ValueError as error:
        raise ConfigError(f"[metrics] listen: {error}") from None
    except OSError as error:
        raise ListenError(f"cannot listen on {place}: {os.strerror(error.errno or 0)}; see [metrics] listen") from error
    return stack.enter_context(found)


def _make_way(path: Path, kind: Callable[[int], bool]) -> None:
    """Put aside what has the name of something that lasts as long as a daemon, and is none. Raises YpError."""
    with _in_a_sentence(path):
        moved = put_aside(path, kind)
    if moved is not None:
        log.warning("put_aside", name=str(moved), advice="it had a name that yp2p needs, and is none of its files")


@contextmanager
def _in_a_sentence(place: Path) -> Iterator[None]:
    """Raises YpError instead of OSError: a start that the disk does not allow."""
    try:
        yield
    except OSError as error:
        raise YpError(f"{error.filename or place}: {reason(error)}; then start again") from error


async def _run(
    config: Config,
    paths: Paths,
    wishes: _Wishes,
    at_start: _AtStart,
    given: GivenKey | None,
) -> bool:
    share_one_arena()
    keep_imports_from_the_collector()
    raise_file_limit()
    self_test()
    if at_start.share is not None:
        check_directory(at_start.share, [], _own_places(paths))
    # The kernel tells by SIGIO that somebody wants a file we hold a lease on; we hold none for longer than a moment.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for directory in (paths.state, paths.runtime):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            if is_passing(error):
                raise YpError(f"{directory} cannot be made: {reason(error)}; then start again") from error
            raise ConfigError(f"{directory} cannot be made: {error.strerror}; see YP2P_HOME") from error
    _make_way(paths.lock, stat.S_ISREG)
    _make_way(temporary_of(paths.key), stat.S_ISREG)
    with _in_a_sentence(paths.state):
        lock = _Lock(paths.lock, paths.socket)
    try:
        is_first_start = not paths.key.exists()  # noqa: ASYNC240
        identity, place = _identity(paths, given)
        if not is_first_start and not paths.store.exists():  # noqa: ASYNC240
            log.warning("store_missing", advice="an empty one is made; share or join the folders again")
        async with AsyncExitStack() as stack:
            sockets = stack.enter_context(_open_sockets(config, paths))
            database = await stack.enter_async_context(open_database(paths.store))
            merger = await stack.enter_async_context(open_merger())
            former = None
            successor = read_next(paths.key) if given is None else None
            if successor is not None and database.owner() == successor.device_id:
                former, identity = identity, successor
            database.check_owner(identity.device_id, place)
            device = Device(config, identity, database, _own_places(paths), merger)
            device.checks.use_key(paths.key if given is None else None)
            _settle_in(device, paths, sockets)
            rotation = Rotation(
                identity, device.home.by_id, device.peers, database,
                key=paths.key if given is None else None, place=place, former=former,
            )  # fmt: skip
            await _serve(config, device, identity, sockets, wishes, rotation, at_start)
            return rotation.done.is_set() or device.checks.restart.is_set()
    finally:
        lock.release()


def _settle_in(device: Device, paths: Paths, sockets: _Sockets) -> None:
    """Have a device know where it listens, where folders of its own are, and how its settings are read again."""
    device.peers.listen_port = sockets.peers.port
    device.missing_addresses = sockets.peers.missing
    device.home.own_folders = own_folders()
    device.settings.place = str(paths.config)
    device.settings.load = lambda: with_invites(load_config(paths.config))
    device.settings.add(Part(of_section("log", "level"), lambda new: use_level(new.log)))


def _identity(paths: Paths, given: GivenKey | None) -> tuple[Identity, str]:
    """Who this device is, and where its key is. Raises YpError."""
    if given is not None:
        return given.identity, given.place
    with _in_a_sentence(paths.key):
        return load_identity(paths.key, paths.store), str(paths.key)


def _listener(device: Device, identity: Identity) -> Listener:
    """Who takes the connections of others for a device."""
    return Listener(
        identity,
        device.peers.accept,
        device.handle_join,
        is_known=device.peers.devices.roster.is_known,
        pairing_open=lambda: device.pairing_host.is_open,
        psk_of=device.invites.psk_of,
        is_known_host=device.peers.devices.hosts.__contains__,
    )


async def _serve(
    config: Config,
    device: Device,
    identity: Identity,
    sockets: _Sockets,
    wishes: _Wishes,
    rotation: Rotation,
    at_start: _AtStart,
) -> None:
    listener, stop, supervisor = _listener(device, identity), wishes.stop, Supervisor()
    device.settings.supervisor = supervisor
    page = Page(config.page, keeper=at_start.keeper)
    device.settings.add(Part(of_section("page"), page.use))
    calls, live = make_app(device, stop, rotation, page), make_documents(device)
    async with _floor() as folders, _floor() as api, _floor() as peers, _floor() as intake:
        await folders.start(device.run)
        await rotation.finish()
        api.start_soon(serve_local, calls, sockets.control)
        api.start_soon(serve_local, live, sockets.documents)
        api.start_soon(page.run, calls, live)
        peers.start_soon(device.run_peers)
        device.metrics.refused.append(listener.refusals)
        if sockets.metrics is not None:
            api.start_soon(serve_anybody, make_metrics(device.metrics), sockets.metrics)
        intake.start_soon(listener.serve, sockets.peers.listeners)
        intake.start_soon(listener.serve_missing, sockets.peers)
        intake.start_soon(feed_watchdog)
        intake.start_soon(device.machine.follow_stops)
        intake.start_soon(_end_after, rotation.done, stop)
        intake.start_soon(_end_after, device.checks.restart, stop)
        if config.discovery.mdns:
            intake.start_soon(_discover, config, device)
        port = device.peers.listen_port
        log.info("daemon_started", device=format_device_id(identity.device_id)[:7], port=port)
        supervisor.show(device.status_line.sentence())
        supervisor.started()
        if supervised():
            intake.start_soon(device.status_line.run, supervisor.show)
        intake.start_soon(_reload_on_hangup, wishes, device.settings)
        if at_start.share is not None:
            at_start.shared(await device.run_share(at_start.share))
        wishes.started()
        at_start.started()
        await stop.wait()
        if not rotation.done.is_set() and not device.checks.restart.is_set():
            supervisor.stopping()
        device.following.events.say(DaemonEvent(state="stopping", version=__version__))
        log.info("daemon_stopping")
        # Whatever does not end by then is left to the store's rules: everything promised is durable already.
        folders.cancel_scope.deadline = trio.current_time() + STOP_LIMIT_S


async def _end_after(done: trio.Event, stop: trio.Event) -> None:
    """End the daemon once its key is another one, or its store is to be mended at a start. The answer to whoever asked
    does, if that is still there."""
    await done.wait()
    with trio.move_on_after(STOP_LIMIT_S):
        await stop.wait()
    stop.set()


async def _reload_on_hangup(wishes: _Wishes, settings: Settings) -> None:
    """Read the settings again for each SIGHUP."""
    while True:
        await wishes.wait_for_hangup()
        with suppress(YpError):  # it is told, in the log and in `status`
            await settings.reload()


async def _discover(config: Config, device: Device) -> None:
    async with open_mdns(config.discovery.interfaces) as (mdns, sightings):
        await device.run_discovery(mdns, sightings)


def desktop_lacks() -> str:
    """What this process lacks to tell anything on a desktop, and what helps; empty where it has all of it."""
    return lacks(os.environ)


def run_daemon(
    config: Config,
    paths: Paths,
    share: str | None = None,
    shared: Callable[[dict[str, Any]], None] = lambda _: None,
    started: Callable[[], None] = lambda: None,
) -> None:
    """`run` under trio, with a single error where a person needs no more. Raises YpError, KeyboardInterrupt.

    Args:
        started: is called once everything runs, at the first start only.
    """
    config = with_invites(config)
    given = take_given_key(config.device, os.environ)
    keeper = Keeper(store, unstore, take_stored())
    try:
        while trio.run(run, config, paths, _AtStart(share, shared, started, keeper), given):
            share, started = None, lambda: None
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[0] is not None:
            raise KeyboardInterrupt from None
        if group.split(YpError)[1] is None:  # several tasks have met the same
            raise first_of(group) from None
        raise
    finally:
        keeper.close()

"""Pairing over the network: opening windows, letting a device in, and joining with a code."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import FolderError, HandshakeFailed, MessageFault, PairingError, PeerFault
from yp2p.folder.folder import Folder
from yp2p.identity import Identity, PublicIdentity
from yp2p.pairing.exchange import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    MAX_LABEL_BYTES,
    Code,
    Grant,
    Intent,
    Listed,
    PairingRun,
    PairingWindow,
    announced_digits,
    decode_listing,
    encode_listing,
    make_code,
)
from yp2p.pairing.preview import list_entries
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.transport.dialer import connect
from yp2p.transport.handshake import Secured, initiate_pairing
from yp2p.transport.refusals import Refusals
from yp2p.transport.secure import SecureMessages
from yp2p.trust.statements import Role

T = TypeVar("T")
JOIN_LIMIT_S = 10.0
# What a device that shows its folder can make us hold: 200 MB, with long names.
MAX_LISTED = 1 << 20
# With the longest paths there are, these fit a message.
_LISTED_IN_MESSAGE = 512
# Whoever answers with a wrong code may have guessed.
MAX_RUNS = 3
# Strangers can announce as many windows with our digits as they like; each costs a task and a few sockets.
MAX_CANDIDATES = 64
_OTHERS_S = 1.0
_NEXT_ADDRESS_S, _REACH_LIMIT_S = 0.25, 3.0
_RUN_LIMIT_S = 20.0
# Programs confirm at once; a run that is held open keeps a guess from others.
_CONFIRM_LIMIT_S = 5.0
_WELCOME, _CLOSED = b"\x00", b"\x01"
_DONE = b"done"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that may show the code: the instance that announced it, and where it is."""

    instance: str
    addresses: tuple[Address, ...]
    announced: bool  # over mDNS, with the digits; else it is only a place where a device may be


@dataclass(frozen=True, slots=True)
class Joined:
    """What joining gave: the folder, who let us in, and where that device is."""

    grant: Grant
    sharer: PublicIdentity
    address: Address


@dataclass(frozen=True, slots=True)
class Shown:
    """What a folder has, whose it is, and the name of the device that shows it."""

    label: str
    name: str
    entries: list[Listed]


@dataclass(frozen=True, slots=True)
class _Proven:
    """A device that knows the code."""

    messages: SecureMessages
    sharer: PublicIdentity
    address: Address
    confirmation: bytes  # what proves to it that we know the code


class _Search:
    """The search for the device that shows a code: who was tried, and how that ended.

    All candidates are tried side by side, within one limit: one that takes its time takes it from nobody else.
    """

    def __init__(self, code: Code, intent: Intent) -> None:
        self.code = code
        self.intent = intent
        self.scope = trio.CancelScope()
        self.proven: _Proven | None = None
        self.running = self.wrong = self.closed = 0
        self._tried: set[str] = set()

    @property
    def is_over(self) -> bool:
        return self.proven is not None or self.wrong >= MAX_RUNS

    def fresh(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those that are to be tried now."""
        found = [candidate for candidate in candidates if candidate.instance not in self._tried]
        found = found[: MAX_CANDIDATES - len(self._tried)]
        self._tried.update(candidate.instance for candidate in found)
        return found

    def hurry(self) -> None:
        """A run is over: when somebody had these digits and all were tried, there is little to wait for."""
        if self.is_over:
            self.scope.cancel()
        elif (self.wrong or self.closed) and not self.running:
            self.scope.deadline = min(self.scope.deadline, trio.current_time() + _OTHERS_S)


_Take = Callable[[SecureMessages, PublicIdentity, Address], Awaitable[T]]


class PairingHost:
    """The pairing windows of this device."""

    def __init__(self, identity: Identity, name: str, window_s: float) -> None:
        self._identity = identity
        self._name = name
        self._window_s = window_s
        self._windows: dict[str, tuple[PairingWindow, Folder]] = {}
        self._wait_s = FIRST_WAIT_S
        self._not_before = 0.0
        self._run_ended = trio.Event()
        self._refusals = Refusals()
        self.changed = trio.Event()

    def _touch(self) -> None:
        event, self.changed = self.changed, trio.Event()
        event.set()

    @property
    def is_open(self) -> bool:
        return bool(self.digits())

    def digits(self) -> tuple[str, ...]:
        """The announced digits of the windows that are open now."""
        now = trio.current_time()
        return tuple(sorted(d for d, (window, _) in self._windows.items() if window.is_open(now)))

    def window_of(self, folder: Folder) -> PairingWindow | None:
        """The open window of a folder, if there is one."""
        now = trio.current_time()
        for window, owner in self._windows.values():
            if owner is folder and window.is_open(now):
                return window
        return None

    def open_window(self, folder: Folder, role: Role = Role.ADMINISTRATOR) -> PairingWindow:
        """Open a window for a folder, or give the one that is open for this role.

        Raises:
            PairingError: it has to wait. FolderError: this device may not let anybody in.
        """
        folder.membership.check_administrator()
        now = trio.current_time()
        existing = self.window_of(folder)
        if existing is not None and existing.role is role:
            return existing
        if now < self._not_before:
            raise PairingError(
                f"there were too many wrong codes; a new code can be shown in {self._not_before - now:.0f} s"
            )
        code = make_code(secrets.randbelow)
        while code.digits in self.digits():
            code = make_code(secrets.randbelow)
        window = PairingWindow(folder.id, code, now + self._window_s, role)
        if existing is not None:
            del self._windows[existing.code.digits]
        self._windows[code.digits] = (window, folder)
        self._touch()
        return window

    async def run(self) -> None:
        """Notice windows that run out, so that they are no longer announced."""
        while True:
            now = trio.current_time()
            for digits, (window, _) in list(self._windows.items()):
                if not window.is_open(now):
                    del self._windows[digits]
                    self._touch()
            deadline = min((window.closes_at for window, _ in self._windows.values()), default=now + 3600)
            with trio.move_on_at(deadline):
                await self.changed.wait()

    async def handle_join(self, secured: Secured) -> PublicIdentity | None:
        """Run the sharer's side with whoever connected; gives the new member."""
        async with SecureMessages(secured) as messages:
            try:
                with trio.fail_after(_RUN_LIMIT_S):
                    return await self._let_in(secured, messages)
            except (PeerFault, PairingError, FolderError, trio.TooSlowError, trio.BrokenResourceError) as error:
                self._refusals.note(f"no pairing: {str(error) or 'it took too long'}")
                return None

    async def _let_in(self, secured: Secured, messages: SecureMessages) -> PublicIdentity | None:
        first = await messages.receive()
        found = self._windows.get(announced_digits(first))
        while found is not None and found[0].is_open(trio.current_time()) and not found[0].has_guess_left:
            await self._run_ended.wait()
        if found is None or not found[0].is_open(trio.current_time()):
            await messages.send(_CLOSED)
            return None
        window, folder = found
        run = PairingRun(
            window.code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip
        answer = run.answer(first)
        knew_code = False
        window.begin()
        try:
            await messages.send(_WELCOME + answer)
            with trio.fail_after(_CONFIRM_LIMIT_S):
                name, intent = run.check_confirmation(await messages.receive())
            knew_code = True
            if intent is Intent.JOIN:
                if window.used:
                    raise PairingError("another device joined with the same code a moment ago")
                window.used = True
        finally:
            self._run_is_over(window, folder, secured, knew_code=knew_code)
        if run.peer is None:
            return None
        if intent is Intent.LOOK:
            await self._show(folder, messages)
            return None
        await self._grant(folder, run.peer, name, window.role, messages)
        self._touch()
        return run.peer

    def _run_is_over(self, window: PairingWindow, folder: Folder, secured: Secured, *, knew_code: bool) -> None:
        is_locked = window.end(knew_code=knew_code)
        event, self._run_ended = self._run_ended, trio.Event()
        event.set()
        if knew_code:
            self._wait_s = FIRST_WAIT_S
        elif not window.used:
            where = _host_of(secured)
            log.warning("pairing_wrong_code", folder=folder.label, address=where, advice="did somebody mistype it?")
            folder.notices.tell_wrong_code(where, window.failed_attempts)
            folder.state.touch()
        if is_locked:
            self._not_before = trio.current_time() + self._wait_s
            log.warning("pairing_locked", advice="somebody tried wrong codes; share again for a new code")
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            self._touch()

    async def _show(self, folder: Folder, messages: SecureMessages) -> None:
        """What there is, for one who wants to know before joining."""
        await messages.send(Writer().text(folder.label).text(self._name).finish())
        entries = list_entries(folder)
        for start in range(0, len(entries), _LISTED_IN_MESSAGE):
            await messages.send(encode_listing(entries[start : start + _LISTED_IN_MESSAGE]))
        await messages.send(encode_listing([]))
        log.info("folder_shown", folder=folder.label)

    async def _grant(
        self, folder: Folder, peer: PublicIdentity, name: str, role: Role, messages: SecureMessages
    ) -> None:
        await folder.membership.grant(peer, role, name).wait()
        folder.state.touch()
        grant = Grant(folder.id, folder.membership.founder, folder.label, self._name, folder.membership.statements())
        await messages.send(grant.encode())
        log.info("device_paired", name=name, folder=folder.label)
        await messages.receive()


class Joiner:
    """Looks for the device that shows a code, and pairs with it.

    Args:
        candidates: the devices that announce these digits now, and those that may without announcing.
        wait_for_more: returns when there may be another one.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        candidates: Callable[[str], Iterable[Candidate]],
        wait_for_more: Callable[[], Awaitable[None]],
    ) -> None:
        self._identity = identity
        self._name = name
        self._candidates = candidates
        self._wait_for_more = wait_for_more

    async def join(self, code: Code, accept: Callable[[Joined], Awaitable[None]], limit_s: float) -> Joined:
        """Pair with the device that shows `code`.

        Args:
            accept: stores what was granted before the sharer is told that it worked.

        Raises:
            PairingError: says whether nobody shows such a code, it is wrong, or its window is closed.
        """

        async def take(messages: SecureMessages, sharer: PublicIdentity, address: Address) -> Joined:
            joined = Joined(Grant.decode(await messages.receive()), sharer, address)
            await accept(joined)
            await messages.send(_DONE)
            return joined

        return await self._search(code, Intent.JOIN, take, limit_s)

    async def look(self, code: Code, limit_s: float) -> Shown:
        """What the folder of the device that shows `code` has; the code is good for joining afterwards.

        Raises:
            PairingError: as `join`.
        """

        async def take(messages: SecureMessages, sharer: PublicIdentity, address: Address) -> Shown:
            header = Reader(await messages.receive())
            label, name = header.text(MAX_LABEL_BYTES), header.text(MAX_DEVICE_NAME_BYTES)
            header.end()
            entries: list[Listed] = []
            while part := decode_listing(await messages.receive()):
                entries += part
                if len(entries) > MAX_LISTED:
                    raise MessageFault(f"a folder of more than {MAX_LISTED} entries")
            return Shown(label, name, entries)

        return await self._search(code, Intent.LOOK, take, limit_s)

    async def _search(self, code: Code, intent: Intent, take: _Take[T], limit_s: float) -> T:
        """Find the device that shows `code`, prove that we know it, and let `take` do the rest."""
        search = _Search(code, intent)
        with trio.move_on_after(limit_s) as search.scope:
            async with trio.open_nursery() as nursery:
                while True:
                    for candidate in search.fresh(self._candidates(code.digits)):
                        nursery.start_soon(self._try, candidate, search)
                    await self._wait_for_more()
        if search.proven is None:
            raise PairingError(_why(code, search.wrong, search.closed))
        proven = search.proven
        try:
            async with proven.messages:
                with trio.fail_after(_RUN_LIMIT_S):
                    await proven.messages.send(proven.confirmation)
                    return await take(proven.messages, proven.sharer, proven.address)
        except (PeerFault, trio.BrokenResourceError, trio.TooSlowError) as error:
            reason = str(error) or "it did not answer in time"
            raise PairingError(f"the device that shows the code broke off ({reason}); try again") from error

    async def _try(self, candidate: Candidate, search: _Search) -> None:
        """One run with one device."""
        search.running += 1
        try:
            reached = await self._reach(candidate)
            if reached is not None:
                await self._prove(*reached, candidate, search)
        except PairingError:
            search.wrong += 1
        except (PeerFault, trio.BrokenResourceError) as error:
            log.info("pairing_failed", device=candidate.instance, reason=str(error))
        finally:
            search.running -= 1
            search.hurry()

    async def _reach(self, candidate: Candidate) -> tuple[Secured, Address] | None:
        """The first of its addresses that a handshake succeeds at; each gets some time, and the next a head start."""
        found: list[tuple[Secured, Address]] = []

        async def reach(address: Address, nursery: trio.Nursery) -> None:
            secured = await self._handshake(address)
            if secured is not None:
                found.append((secured, address))
                nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                for address in candidate.addresses:
                    nursery.start_soon(reach, address, nursery)
                    await trio.sleep(_NEXT_ADDRESS_S)
        except BaseException:
            _close(found)
            raise
        _close(found[1:])
        return found[0] if found else None

    async def _handshake(self, address: Address) -> Secured | None:
        try:
            with trio.fail_after(_REACH_LIMIT_S):
                stream = await connect(address.host, address.port)
                try:
                    return await initiate_pairing(stream, self._identity)
                except BaseException:
                    stream.socket.close()
                    raise
        except (OSError, HandshakeFailed, trio.BrokenResourceError, trio.TooSlowError) as error:
            log.info("pairing_failed", address=str(address), reason=str(error) or "it did not answer in time")
            return None

    async def _prove(self, secured: Secured, address: Address, candidate: Candidate, search: _Search) -> None:
        """Prove that we know the code to a device that proves it to us. Raises PairingError when it does not."""
        messages = SecureMessages(secured)
        try:
            run = PairingRun(
                search.code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
                scalar=secrets.token_bytes(32),
            )  # fmt: skip
            await messages.send(run.open())
            answer = await messages.receive()
            # no await: whoever answers learns whether a guess of the code was right, and only `MAX_RUNS` may
            if search.is_over:
                return
            if answer[:1] != _WELCOME:
                search.closed += candidate.announced
                return
            confirmation = run.confirm(answer[1:], self._name, search.intent)
            if run.peer is not None:
                search.proven = _Proven(messages, run.peer, address, confirmation)
        finally:
            if search.proven is None or search.proven.messages is not messages:
                secured.stream.socket.close()


def _close(reached: Iterable[tuple[Secured, Address]]) -> None:
    for secured, _ in reached:
        secured.stream.socket.close()


def _host_of(secured: Secured) -> str:
    """Where the other end of a connection is; nothing once it is gone."""
    try:
        return str(secured.stream.socket.getpeername()[0])
    except OSError:
        return ""


def _why(code: Code, wrong: int, closed: int) -> str:
    if wrong > 1:
        return (
            f"{wrong} devices answered to the digits {code.digits}, and this code is none of theirs; "
            "check it, and ask for a new one with `yp2p share DIR` on the other device"
        )
    if wrong:
        return (
            f"wrong code: a device shows a code that begins with {code.digits}, but not this one; "
            "check it on the other device"
        )
    if closed:
        return (
            f"the window for the code {code.digits}-... is closed: it was used, ran out, or was guessed at too "
            "often; run `yp2p share DIR` on the other device for a new code"
        )
    return (
        f"no device on this network shows a code that begins with {code.digits}; check that yp2p is running on "
        "the other device, that both are on the same network, and that the code is still shown there"
    )

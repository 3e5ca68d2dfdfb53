"""Pairing over the network: opening windows, letting a device in, and joining with a code."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import HandshakeFailed, MessageFault, PairingError, PeerFault
from yp2p.folder.folder import Folder
from yp2p.identity import Identity, PublicIdentity
from yp2p.pairing.exchange import (
    FIRST_WAIT_S,
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
from yp2p.transport.handshake import HANDSHAKE_LIMIT_S, Secured, initiate_pairing
from yp2p.transport.secure import SecureMessages
from yp2p.trust.membership import Role, sign_statement

T = TypeVar("T")
JOIN_LIMIT_S = 10.0
# What a device that shows its folder can make us hold: 200 MB, with long names.
MAX_LISTED = 1 << 20
# With the longest paths there are, these fit a message.
_LISTED_IN_MESSAGE = 512
MAX_RUNS = 3
_OTHERS_S = 1.0
_RUN_LIMIT_S = 20.0
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

    def open_window(self, folder: Folder) -> PairingWindow:
        """Open a window for a folder, or give the one that is open. Raises PairingError while it has to wait."""
        now = trio.current_time()
        existing = self.window_of(folder)
        if existing is not None:
            return existing
        if now < self._not_before:
            raise PairingError(
                f"there were too many wrong codes; a new code can be shown in {self._not_before - now:.0f} s"
            )
        code = make_code(secrets.randbelow)
        while code.digits in self.digits():
            code = make_code(secrets.randbelow)
        window = PairingWindow(folder.id, code, now + self._window_s)
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
            except (PeerFault, PairingError, trio.TooSlowError, trio.BrokenResourceError) as error:
                log.info("pairing_refused", reason=str(error) or "it took too long")
                return None

    async def _let_in(self, secured: Secured, messages: SecureMessages) -> PublicIdentity | None:
        first = await messages.receive()
        found = self._windows.get(announced_digits(first))
        if found is None or not found[0].is_open(trio.current_time()):
            await messages.send(_CLOSED)
            return None
        window, folder = found
        run = PairingRun(
            window.code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip
        answer = run.answer(first)
        window.misses += 1  # a run that breaks off from here has used a guess
        try:
            await messages.send(_WELCOME + answer)
            name, intent = run.check_confirmation(await messages.receive())
        finally:
            self._after_run(window)
        if run.peer is None:
            return None
        window.misses -= 1
        self._wait_s = FIRST_WAIT_S
        if intent is Intent.LOOK:
            await self._show(folder, messages)
            return None
        window.used = True
        await self._grant(folder, run.peer, name, messages)
        self._touch()
        return run.peer

    def _after_run(self, window: PairingWindow) -> None:
        if window.burnt:
            self._not_before = trio.current_time() + self._wait_s
            log.warning("pairing_locked", advice="somebody tried wrong codes; share again for a new code")
            self._wait_s *= 2
            self._touch()

    async def _show(self, folder: Folder, messages: SecureMessages) -> None:
        """What there is, for one who wants to know before joining."""
        await messages.send(Writer().text(folder.label).text(self._name).finish())
        entries = list_entries(folder)
        for start in range(0, len(entries), _LISTED_IN_MESSAGE):
            await messages.send(encode_listing(entries[start : start + _LISTED_IN_MESSAGE]))
        await messages.send(encode_listing([]))
        log.info("folder_shown", folder=folder.label)

    async def _grant(self, folder: Folder, peer: PublicIdentity, name: str, messages: SecureMessages) -> None:
        statement = sign_statement(self._identity, folder.id, peer, Role.MEMBER, folder.membership.next_counter(), name)
        commit = folder.membership.add([statement.encode()])
        if commit is not None:
            await commit.wait()
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
        tried: set[str] = set()
        wrong = closed = 0
        deadline = trio.current_time() + limit_s
        while trio.current_time() < deadline:
            fresh = [c for c in self._candidates(code.digits) if c.instance not in tried]
            for candidate in fresh:
                if wrong >= MAX_RUNS:
                    break
                tried.add(candidate.instance)
                try:
                    taken = await self._try(candidate, code, intent, take)
                except PairingError:
                    wrong += 1
                    deadline = min(deadline, trio.current_time() + _OTHERS_S)
                else:
                    if taken is not None:
                        return taken
                    if candidate.announced:
                        closed += 1
                        deadline = min(deadline, trio.current_time() + _OTHERS_S)
            if wrong >= MAX_RUNS:
                break
            with trio.move_on_at(deadline):
                await self._wait_for_more()
        raise PairingError(_why(code, wrong, closed))

    async def _try(self, candidate: Candidate, code: Code, intent: Intent, take: _Take[T]) -> T | None:
        """One run with one device; None when no window is open there. Raises PairingError for a wrong code."""
        for address in candidate.addresses:
            try:
                stream = await connect(address.host, address.port)
            except OSError:
                continue
            try:
                with trio.fail_after(HANDSHAKE_LIMIT_S):
                    secured = await initiate_pairing(stream, self._identity)
                async with SecureMessages(secured) as messages:
                    with trio.fail_after(_RUN_LIMIT_S):
                        run = await self._run(secured, messages, code, intent)
                        return await take(messages, run, address) if run is not None else None
            except (HandshakeFailed, PeerFault, trio.BrokenResourceError, trio.TooSlowError) as error:
                log.info("pairing_failed", address=str(address), reason=str(error))
                return None
            finally:
                await trio.aclose_forcefully(stream)
        return None

    async def _run(
        self, secured: Secured, messages: SecureMessages, code: Code, intent: Intent
    ) -> PublicIdentity | None:
        """Prove that we know the code; gives who proved it to us."""
        run = PairingRun(
            code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip
        await messages.send(run.open())
        answer = await messages.receive()
        if answer[:1] != _WELCOME:
            return None
        await messages.send(run.confirm(answer[1:], self._name, intent))
        return run.peer


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

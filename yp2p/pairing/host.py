"""The device that shows a code: its pairing windows, and letting in whoever knows the code (`exchange.py`)."""

from __future__ import annotations

import secrets

import structlog
import trio

from yp2p.errors import FolderError, PairingError, PeerFault
from yp2p.folder.folder import Folder
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import FolderID, Identity, PublicIdentity
from yp2p.pairing.exchange import (
    CLOSED,
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    RUN_LIMIT_S,
    WELCOME,
    Closed,
    Grant,
    Intent,
    PairingRun,
    PairingWindow,
    announced_digits,
    make_code,
)
from yp2p.pairing.listing import show
from yp2p.transport.handshake import Secured
from yp2p.transport.refusals import Refusals
from yp2p.transport.secure import SecureMessages
from yp2p.trust import recovery
from yp2p.trust.statements import Role

# What became of that many windows is remembered, to tell whoever types a code that is closed.
_MAX_CLOSED = 16
# Programs confirm at once; a run that is held open keeps a guess from others.
_CONFIRM_LIMIT_S = 5.0

log = structlog.get_logger()


class PairingHost:
    """The pairing windows of this device."""

    def __init__(self, identity: Identity, name: str, window_s: float) -> None:
        self._identity = identity
        self.name = name
        self._window_s = window_s
        self._windows: dict[str, tuple[PairingWindow, Folder]] = {}
        self._closed: dict[str, Closed] = {}  # by digits, the newest last
        self._wait_s = FIRST_WAIT_S
        self._not_before = 0.0
        self._is_locked = False  # until a person asks for a code
        self._taken_back = set[FolderID]()  # the folders whose last code a person took back
        self._run_ended = trio.Event()
        self.refusals = Refusals()
        self.changed = trio.Event()

    def _touch(self) -> None:
        event, self.changed = self.changed, trio.Event()
        event.set()

    def use(self, window_s: float) -> None:
        """Windows that are opened from now on stay open so long."""
        self._window_s = window_s

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

    def renew_window(self, folder: Folder, role: Role = Role.ADMINISTRATOR) -> PairingWindow | None:
        """`open_window` for a program that shows the code as long as a person looks; None where only a person may ask.

        Whoever guesses gets three guesses a window, and the next window from a person only.
        """
        return None if self._is_locked else self.open_window(folder, role)

    def open_window(self, folder: Folder, role: Role = Role.ADMINISTRATOR) -> PairingWindow:
        """Open a window for a folder, or give the one that is open for this role.

        Raises:
            PairingError: it has to wait. FolderError: this device may not let anybody in.
        """
        OwnStatements(folder.membership).check_administrator()
        now = trio.current_time()
        existing = self.window_of(folder)
        if existing is not None and existing.role is role:
            return existing
        if now < self._not_before:
            raise PairingError(
                f"there were too many wrong codes; a new code can be shown in {self._not_before - now:.0f} s"
            )
        self._is_locked = False
        code = make_code(secrets.randbelow)
        while code.digits in self.digits():
            code = make_code(secrets.randbelow)
        window = PairingWindow(folder.id, code, now + self._window_s, role)
        if existing is not None:
            existing.is_taken_back = True  # who is in the middle of typing it would become what people no longer want
            self._forget(existing.code.digits)
        self._closed.pop(code.digits, None)
        self._taken_back.discard(folder.id)
        self._windows[code.digits] = (window, folder)
        self._touch()
        return window

    def close_window(self, folder: Folder) -> None:
        """Show no code for a folder any more; who is in the middle of typing one is let in by it no more."""
        for digits, (window, owner) in list(self._windows.items()):
            if owner is folder:
                window.is_taken_back = True
                del self._windows[digits]
        self._touch()

    def take_back(self, folder: Folder) -> PairingWindow | None:
        """Let nobody in with the code of a folder any more; gives its window, if it was open.

        Who has typed the code already is let in or not by then; who is in the middle of it is not.
        """
        window = self.window_of(folder)
        if window is not None:
            window.is_taken_back = True
            self._taken_back.add(folder.id)
            self._forget(window.code.digits)
            log.info("pairing_code_taken_back", folder=folder.label)
            self._touch()
        return window

    def is_taken_back(self, folder: Folder) -> bool:
        """Whether a person took the last code of a folder back."""
        return folder.id in self._taken_back

    async def run(self) -> None:
        """Notice windows that run out, so that they are no longer announced."""
        while True:
            now = trio.current_time()
            for digits, (window, _) in list(self._windows.items()):
                if not window.is_open(now):
                    self._forget(digits)
                    self._touch()
            deadline = min((window.closes_at for window, _ in self._windows.values()), default=now + 3600)
            with trio.move_on_at(deadline):
                await self.changed.wait()

    def _forget(self, digits: str) -> None:
        """A window is over: remember only how it ended."""
        window, _ = self._windows.pop(digits)
        self._closed.pop(digits, None)
        self._closed[digits] = window.end_at(trio.current_time())
        while len(self._closed) > _MAX_CLOSED:
            del self._closed[next(iter(self._closed))]

    def _end_of(self, digits: str) -> Closed:
        """What became of the window with these digits, as far as that is known."""
        if digits in self._windows:
            return self._windows[digits][0].end_at(trio.current_time())
        return self._closed.get(digits, Closed.UNKNOWN)

    async def handle_join(self, secured: Secured) -> PublicIdentity | None:
        """Run the sharer's side with whoever connected; gives the new member."""
        async with SecureMessages(secured) as messages:
            try:
                with trio.fail_after(RUN_LIMIT_S):
                    return await self._let_in(secured, messages)
            except (PeerFault, PairingError, FolderError, trio.TooSlowError, trio.BrokenResourceError) as error:
                self.refusals.note(f"no pairing: {str(error) or 'it took too long'}")
                return None

    async def _let_in(self, secured: Secured, messages: SecureMessages) -> PublicIdentity | None:
        first = await messages.receive()
        found = self._windows.get(announced_digits(first))
        while found is not None and found[0].is_open(trio.current_time()) and not found[0].has_guess_left:
            await self._run_ended.wait()
        if found is None or not found[0].is_open(trio.current_time()):
            await messages.send(CLOSED + bytes([self._end_of(announced_digits(first))]))
            return None
        window, folder = found
        run = PairingRun(
            window.code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip
        knew_code = False
        window.begin()
        try:
            await messages.send(WELCOME + run.answer(first))
            with trio.fail_after(_CONFIRM_LIMIT_S):
                name, intent = run.check_confirmation(await messages.receive())
            knew_code = True
            if recovery.is_called_so(name):
                raise PairingError(f"no device can be called {name!r}: recovery keys are")
            if window.is_taken_back:
                raise PairingError("the code was taken back meanwhile")
            if intent is Intent.JOIN:
                if window.used:
                    raise PairingError("another device joined with the same code a moment ago")
                window.used = True
        finally:
            self._run_is_over(window, folder, secured, knew_code=knew_code)
        if run.peer is None:
            return None
        if intent is Intent.LOOK:
            await show(folder, self.name, messages)
            return None
        await self._grant(folder, run.peer, name, window, messages)
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
            self._is_locked = True
            self._not_before = trio.current_time() + self._wait_s
            log.warning("pairing_locked", advice="somebody tried wrong codes; share again for a new code")
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            self._touch()

    async def _grant(
        self, folder: Folder, peer: PublicIdentity, name: str, window: PairingWindow, messages: SecureMessages
    ) -> None:
        await OwnStatements(folder.membership).grant(peer, window.role, name, lambda: not window.is_taken_back)
        folder.state.touch()
        grant = Grant(folder.id, folder.membership.founder, folder.label, self.name, folder.membership.statements())
        await messages.send(grant.encode())
        log.info("device_paired", name=name, folder=folder.label)
        await messages.receive()


def _host_of(secured: Secured) -> str:
    """Where the other end of a connection is; nothing once it is gone."""
    try:
        return str(secured.stream.socket.getpeername()[0])
    except OSError:
        return ""

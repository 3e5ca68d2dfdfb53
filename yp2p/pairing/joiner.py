"""The device that joins with a code: finding the device that shows it, and proving to it that we know the code.

All devices that may show the code are tried side by side. Whoever answers learns whether a guess of the code was right,
so no more than `MAX_RUNS` may answer with a wrong one (`exchange.py`). A device that could not be reached has learned
nothing, and is tried again until the time is up.

A wrong answer says nothing of the others: anybody on the network can announce the same digits, and may be quicker than
the device whose announcement is still to come. So the search goes on as long as somebody is being tried, and as long as
it may take until all that are there were seen: they are, where this device has looked for others for some seconds. Who
takes our half and is silent, or is not reached, holds that up for seconds. One run is kept for whom the person names.

A device that is found in several ways (it is announced, and named by the person) is asked once: each run is one of the
guesses that it allows.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import HandshakeFailed, PairingError, PairingFault, PeerFault
from yp2p.identity import Identity, PublicIdentity
from yp2p.pairing.exchange import RUN_LIMIT_S, WELCOME, Closed, Code, Grant, Intent, PairingRun
from yp2p.pairing.listing import Shown, receive_shown
from yp2p.transport.dialer import NotReached, Outcome, connect, outcome_of
from yp2p.transport.handshake import Secured, initiate_pairing
from yp2p.transport.secure import MAX_GRANT_BYTES, SecureMessages

T = TypeVar("T")
JOIN_LIMIT_S = 10.0
# Whoever answers with a wrong code may have guessed.
MAX_RUNS = 3
# Strangers can announce as many windows with our digits as they like; each costs a task and a few sockets.
MAX_CANDIDATES = 64
# So long after this device began to look for others everybody is seen who was there: an announcement that was lost is
# asked for after a second and after three, and of two devices one may see the other four seconds late.
_SEEN_S = 5.0
# Whoever was seen after that may have company.
_OTHERS_S = 1.0
# A device that shows a code answers in some milliseconds, a small one that has much to do in a second.
_ANSWERS_S = 3.0
_NEXT_ADDRESS_S, _REACH_LIMIT_S = 0.25, 3.0
_AGAIN_S = 0.5
# Whoever passes a run on to the device that shows the code can hold it up; then that device is asked again.
_PATIENCE_S = 2.0
_DONE = b"done"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that may show the code: the instance that announced it, and where it is."""

    instance: str
    addresses: tuple[Address, ...]
    announced: bool  # over mDNS, with the digits; else it is only a place where a device may be
    named: bool = False  # by the person who joins


@dataclass(frozen=True, slots=True)
class Joined:
    """What joining gave: the folder, who let us in, and where that device is.

    Attributes:
        impostors: where others answered to the code's digits, and did not know the code.
    """

    grant: Grant
    sharer: PublicIdentity
    address: Address
    impostors: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class _Proven:
    """A device that knows the code."""

    messages: SecureMessages
    sharer: PublicIdentity
    address: Address
    confirmation: bytes  # what proves to it that we know the code


@dataclass(slots=True, eq=False)
class _Attempt:
    """A device that is tried: until when it is waited for, where others have answered."""

    candidate: Candidate
    awaited_until: float = math.inf


class _Run:
    """One run with a device."""

    def __init__(self) -> None:
        self.has_answered = False
        self.over = trio.Event()


class _Search:
    """The search for the device that shows a code: who was tried, and how that ended.

    All candidates are tried side by side, within one limit: one that takes its time takes it from nobody else.
    """

    def __init__(self, code: Code, intent: Intent, looking_since: float) -> None:
        self.code = code
        self.intent = intent
        self.scope = trio.CancelScope()
        self.proven: _Proven | None = None
        self.closed: list[Closed] = []  # what those who announce the digits, or were named, say of their window
        self.unreached: dict[Address, Outcome] = {}  # of these as well
        self.wrong: list[Address] = []  # who answered, and did not know the code
        self.unproven: list[Address] = []  # who announces the digits, and has not answered our half
        self._tried: set[str] = set()
        self._trying: list[_Attempt] = []
        self._runs: dict[bytes, _Run] = {}  # by the key of the other device
        self._has_named_answered = False
        self._seen_by = looking_since + _SEEN_S
        self._limit = math.inf

    def begin(self, scope: trio.CancelScope) -> None:
        """`scope` ends with the time that there is."""
        self.scope, self._limit = scope, scope.deadline

    @property
    def is_over(self) -> bool:
        return self.proven is not None or len(self.wrong) >= MAX_RUNS

    def fresh(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those that are to be tried now."""
        found = [candidate for candidate in candidates if candidate.instance not in self._tried]
        found = found[: MAX_CANDIDATES - len(self._tried)]
        self._tried.update(candidate.instance for candidate in found)
        return found

    def may_answer(self, candidate: Candidate) -> bool:
        """Whether what a device answers may be looked at, which tells it whether it guessed right."""
        is_kept = not candidate.named and any(other.candidate.named for other in self._trying)
        return self.proven is None and len(self.wrong) < MAX_RUNS - is_kept

    async def may_ask(self, device: bytes) -> bool:
        """Whether a device has not answered yet, at another of its addresses: each run is one of the guesses there."""
        with trio.move_on_after(_PATIENCE_S):
            while (run := self._runs.get(device)) is not None and not run.over.is_set():
                await run.over.wait()
        run = self._runs.get(device)
        return run is None or not run.has_answered

    @contextmanager
    def asking(self, device: bytes) -> Iterator[_Run]:
        """While this lasts, a device is asked for its half."""
        run = self._runs[device] = _Run()
        try:
            yield run
        finally:
            run.over.set()

    @contextmanager
    def trying(self, candidate: Candidate) -> Iterator[_Attempt]:
        """While this lasts, a device is tried, or is to be tried again."""
        attempt = _Attempt(candidate)
        self._trying.append(attempt)
        self._set_deadline()
        try:
            yield attempt
        finally:
            self._trying.remove(attempt)
            self._has_named_answered |= candidate.named
            self._set_deadline()

    def wait_for(self, attempt: _Attempt, wait_s: float) -> None:
        """Where others have answered, wait so long for one that the person did not name."""
        if not attempt.candidate.named:
            attempt.awaited_until = trio.current_time() + wait_s
            self._set_deadline()

    def _set_deadline(self) -> None:
        """When somebody had these digits and all were tried, there is little to wait for."""
        if self.is_over:
            self.scope.cancel()
        elif self.wrong or self.closed:
            others_by = max([trio.current_time() + _OTHERS_S, *(one.awaited_until for one in self._trying)])
            until = others_by if self._has_named_answered else max(others_by, self._seen_by)
            self.scope.deadline = min(self._limit, until)
        else:
            self.scope.deadline = self._limit


_Take = Callable[[SecureMessages, PublicIdentity, Address], Awaitable[T]]


class Joiner:
    """Looks for the device that shows a code, and pairs with it.

    Args:
        candidates: the devices that announce these digits now, and those that may without announcing.
        wait_for_more: returns when there may be another one.
        looking_since: since when this device looks for others, where that is before it joins.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        candidates: Callable[[str], Iterable[Candidate]],
        wait_for_more: Callable[[], Awaitable[None]],
        looking_since: Callable[[], float] = trio.current_time,
    ) -> None:
        self._identity = identity
        self._name = name
        self._candidates = candidates
        self._wait_for_more = wait_for_more
        self._looking_since = looking_since

    async def join(self, code: Code, accept: Callable[[Joined], Awaitable[None]], limit_s: float) -> Joined:
        """Pair with the device that shows `code`.

        Args:
            accept: stores what was granted before the sharer is told that it worked.

        Raises:
            PairingError: says whether nobody shows such a code, it is wrong, or its window is closed.
        """

        async def take(messages: SecureMessages, sharer: PublicIdentity, address: Address) -> Joined:
            grant = Grant.decode(await messages.receive(MAX_GRANT_BYTES))
            joined = Joined(grant, sharer, address, tuple(search.wrong))
            await accept(joined)
            await messages.send(_DONE)
            return joined

        search = _Search(code, Intent.JOIN, self._looking_since())
        return await self._search(search, take, limit_s)

    async def look(self, code: Code, limit_s: float) -> Shown:
        """What the folder of the device that shows `code` has; the code is good for joining afterwards.

        Raises:
            PairingError: as `join`.
        """

        async def take(messages: SecureMessages, sharer: PublicIdentity, address: Address) -> Shown:
            return await receive_shown(messages, tuple(search.wrong))

        search = _Search(code, Intent.LOOK, self._looking_since())
        return await self._search(search, take, limit_s)

    async def _search(self, search: _Search, take: _Take[T], limit_s: float) -> T:
        """Find the device that shows the code, prove that we know it, and let `take` do the rest."""
        with trio.move_on_after(limit_s) as scope:
            search.begin(scope)
            async with trio.open_nursery() as nursery:
                while True:
                    for candidate in search.fresh(self._candidates(search.code.digits)):
                        nursery.start_soon(self._try, candidate, search)
                    await self._wait_for_more()
        if search.proven is None:
            raise PairingError(_why(search))
        proven = search.proven
        try:
            async with proven.messages:
                with trio.fail_after(RUN_LIMIT_S):
                    await proven.messages.send(proven.confirmation)
                    return await take(proven.messages, proven.sharer, proven.address)
        except (PeerFault, trio.BrokenResourceError, trio.TooSlowError) as error:
            reason = str(error) or "it did not answer in time"
            raise PairingError(f"the device that shows the code broke off ({reason}); try again") from error

    async def _try(self, candidate: Candidate, search: _Search) -> None:
        """Try one device until it is reached; of those that only may be there each once."""
        is_sought = candidate.announced or candidate.named
        with search.trying(candidate) as attempt:
            while True:
                was_reached = await self._run(attempt, search)
                if was_reached or not is_sought:
                    return
                if attempt.awaited_until == math.inf:
                    search.wait_for(attempt, _AGAIN_S + _REACH_LIMIT_S)
                await trio.sleep(_AGAIN_S)

    async def _run(self, attempt: _Attempt, search: _Search) -> bool:
        """One run with one device; tells whether it was reached."""
        candidate = attempt.candidate
        reached: tuple[Secured, Address] | None = None
        try:
            reached = await self._reach(candidate, search)
            if reached is not None:
                search.unreached.pop(reached[1], None)
                await self._prove(*reached, attempt, search)
        except (PairingError, PairingFault) as error:
            assert reached is not None
            search.wrong.append(reached[1])
            log.warning("pairing_answered_wrong", address=str(reached[1]), reason=str(error))
        except (PeerFault, trio.BrokenResourceError) as error:
            log.info("pairing_failed", device=candidate.instance, reason=str(error))
        return reached is not None

    async def _reach(self, candidate: Candidate, search: _Search) -> tuple[Secured, Address] | None:
        """The first of its addresses that a handshake succeeds at; each gets some time, and the next a head start."""
        found: list[tuple[Secured, Address]] = []

        async def reach(address: Address, nursery: trio.Nursery) -> None:
            try:
                secured = await self._handshake(address)
            except NotReached as error:
                log.info("pairing_failed", address=str(address), reason=str(error))
                if candidate.announced or candidate.named:
                    search.unreached[address] = error.outcome
                return
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

    async def _handshake(self, address: Address) -> Secured:
        """Raises NotReached."""
        is_connected = False
        try:
            with trio.fail_after(_REACH_LIMIT_S):
                stream = await connect(address.host, address.port)
                is_connected = True
                try:
                    return await initiate_pairing(stream, self._identity)
                except BaseException:
                    stream.socket.close()
                    raise
        except (HandshakeFailed, trio.BrokenResourceError) as error:  # without a window it says nothing
            raise NotReached(Outcome.NOT_KNOWN, str(error)) from error
        except trio.TooSlowError as error:
            outcome = Outcome.SILENT if is_connected else Outcome.NO_ANSWER
            raise NotReached(outcome, "it did not answer in time") from error
        except OSError as error:
            raise NotReached(outcome_of(error), str(error)) from error

    async def _prove(self, secured: Secured, address: Address, attempt: _Attempt, search: _Search) -> None:
        """Prove that we know the code to a device that proves it to us. Raises PairingError when it does not."""
        messages, candidate = SecureMessages(secured), attempt.candidate
        try:
            if not await search.may_ask(secured.remote_noise_key):
                return
            run = PairingRun(
                search.code, secured.transport.handshake_hash, self._identity.public, secured.remote_noise_key,
                scalar=secrets.token_bytes(32),
            )  # fmt: skip
            if candidate.announced:
                search.unproven.append(address)
            with search.asking(secured.remote_noise_key) as asked:
                search.wait_for(attempt, _ANSWERS_S)
                await messages.send(run.open())
                answer = await messages.receive()
                if candidate.announced:
                    search.unproven.remove(address)
                # no await: whoever answers learns whether a guess of the code was right, and only `MAX_RUNS` may
                if not search.may_answer(candidate):
                    return
                asked.has_answered = True
            if answer[:1] != WELCOME:
                if candidate.announced or candidate.named:
                    search.closed.append(Closed.read(answer[1:]))
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


_NEW_CODE = "`yp2p share DIR` on the other device shows a new code"
_ENDS = {
    Closed.UNKNOWN: "is not shown any more: it was used, or ran out",
    Closed.USED: "was used already, by another device or by this one",
    Closed.RAN_OUT: "has run out",
    Closed.GUESSED: "was given up, because wrong codes were tried",
    Closed.TAKEN_BACK: "was taken back on the other device",
}
_UNREACHED = {
    Outcome.NO_NAME: "the name {host} is not known on this network; name the other device by its IP address",
    Outcome.NO_WAY: "this device has no way to {host}, where the other device is; check that both are on one network",
    Outcome.NOT_ALLOWED: "this machine lets nothing out to {host}; does its own firewall block TCP port {port}?",
    Outcome.NO_ANSWER: "the other device is to be at {host}, but nothing answers on port {port} there; check that a "
    "firewall there lets in TCP port {port}, and that yp2p runs",
    Outcome.REFUSED: "the other device is to be at {host}, but port {port} is closed there; check that yp2p runs, that "
    "it listens on that port (`yp2p status --json`), and that no firewall rejects it",
    Outcome.SILENT: "something at {host} port {port} accepts connections, but does not answer; is it yp2p?",
    Outcome.NOT_KNOWN: f"the device at {{host}} answers, but shows no code that begins with {{digits}} now: it was "
    f"used, or ran out; {_NEW_CODE}",
}


def _why(search: _Search) -> str:
    digits = search.code.digits
    if len(search.wrong) > 1:
        return (
            f"wrong code: {len(search.wrong)} devices answered to the digits {digits}, and this code is none of "
            "theirs; check it, and ask for a new one with `yp2p share DIR` on the other device"
        )
    if search.wrong:
        return (
            f"wrong code: the device at {search.wrong[0].host} answers to the digits {digits}, but does not show this "
            "code; check it on the other device. If it was typed right, somebody else on this network answered: name"
            " the other device with --at"
        )
    if search.closed:
        return f"the code {digits}-... {_ENDS[max(search.closed)]}; {_NEW_CODE}"
    if search.unproven:
        return (
            f"the device at {search.unproven[0].host} announces the digits {digits}, but did not prove that it shows "
            "this code; try again, or name the other device with --at"
        )
    if search.unreached:
        address = max(search.unreached, key=search.unreached.__getitem__)
        where = {"host": address.host, "port": address.port, "digits": digits}
        return _UNREACHED[search.unreached[address]].format(**where)
    return (
        f"no device on this network shows a code that begins with {digits}; check that yp2p is running on "
        "the other device, that both are on the same network, and that the code is still shown there"
    )

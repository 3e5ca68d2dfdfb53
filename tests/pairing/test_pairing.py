"""Pairing over real sockets: windows that strangers guess at or hold, and joining among those who only announce."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import open_bridge
from conditions import until
from structlog.testing import capture_logs

from yp2p.discovery.addresses import Address
from yp2p.errors import PairingError, PeerFault
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership
from yp2p.folder.notices import NoticeKind
from yp2p.identity import Identity
from yp2p.pairing.exchange import LONGEST_WAIT_S, MAX_FAILED_ATTEMPTS, WELCOME, Closed, Code, Intent, PairingRun
from yp2p.pairing.host import PairingHost
from yp2p.pairing.joiner import MAX_RUNS, Candidate, Joined, Joiner
from yp2p.transport.dialer import NotReached, Outcome, connect
from yp2p.transport.handshake import Secured, initiate_pairing, respond
from yp2p.transport.secure import SecureMessages
from yp2p.trust.statements import Role, Signer

SHARER, JOINER, GUESSER = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


class Room:
    """A device that shows a code for a folder, on loopback."""

    def __init__(self, folder: Folder, host: PairingHost) -> None:
        self.folder = folder
        self.host = host
        self.port = 0

    @property
    def candidate(self) -> Candidate:
        return Candidate("sharer", (Address("127.0.0.1", self.port),), announced=True)

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        async def connection(stream: trio.SocketStream) -> None:
            _, secured = await respond(stream, SHARER, is_known=lambda key: False, pairing_open=lambda: True)
            await self.host.handle_join(secured)

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(connection, [listener])

    async def begin_run(self, code: Code) -> tuple[SecureMessages, PairingRun, bytes]:
        """Begin a run, and take the answer."""
        secured = await initiate_pairing(await trio.open_tcp_stream("127.0.0.1", self.port), GUESSER)
        messages = SecureMessages(secured)
        run = PairingRun(
            code, secured.transport.handshake_hash, GUESSER.public, secured.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip
        await messages.send(run.open())
        return messages, run, await messages.receive()

    async def guess(self, code: Code) -> None:
        """Begin a run, and break off when the code is wrong."""
        messages, run, answer = await self.begin_run(code)
        async with messages:
            with pytest.raises(PairingError):
                run.confirm(answer[1:], "guesser")


def _other(code: Code) -> Code:
    return Code(code.digits, "2" * 6 if code.secret != "2" * 6 else "3" * 6)


async def _join(
    code: Code, candidates: list[Candidate], limit_s: float = 60.0, name: str = "joiner", looking_s: float = 0.0
) -> Joined:
    async def accept(joined: Joined) -> None:
        pass

    since = trio.current_time() - looking_s
    joiner = Joiner(JOINER, name, lambda digits: candidates, trio.sleep_forever, lambda: since)
    return await joiner.join(code, accept, limit_s)


@asynccontextmanager
async def _room(base: Path) -> AsyncIterator[Room]:
    async with open_bridge(base) as bridge, trio.open_nursery() as nursery:
        membership = Membership(bridge.folder.id, SHARER.device_id, bridge.folder.database, SHARER)
        await membership.receive(
            [Signer(SHARER, bridge.folder.id).grant((), SHARER.public, Role.ADMINISTRATOR, "s").encode()]
        )
        bridge.folder.membership = membership
        room = Room(bridge.folder, PairingHost(SHARER, "sharer", 900))
        await nursery.start(room.serve)
        yield room
        nursery.cancel_scope.cancel()


def _run(test: Callable[[Room], Awaitable[None]]) -> None:
    async def run(base: Path) -> None:
        async with _room(base) as room:
            await test(room)

    with tempfile.TemporaryDirectory() as base:
        trio.run(run, Path(base), clock=trio.testing.MockClock(rate=1.0))


def test_guesses_lock_pairing_once_and_for_a_minute_at_most_and_people_are_told() -> None:
    async def test(room: Room) -> None:
        waits: list[float] = []
        for _ in range(6):
            window = room.host.open_window(room.folder)
            async with trio.open_nursery() as nursery:
                for _ in range(MAX_FAILED_ATTEMPTS):
                    nursery.start_soon(room.guess, _other(window.code))
            await until(lambda: window.is_locked)  # noqa: B023
            with pytest.raises(PairingError, match="too many wrong codes") as caught:
                room.host.open_window(room.folder)
            waits.append(float(str(caught.value).split(" in ")[1].split()[0]))
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, trio.testing.MockClock)
            clock.jump(LONGEST_WAIT_S)
        assert waits == [5, 10, 20, 40, 60, 60]
        told = [notice.text for notice in room.folder.notices if notice.kind is NoticeKind.WRONG_CODE]
        assert len(told) == 6 * MAX_FAILED_ATTEMPTS
        assert "at 127.0.0.1 tried to join with a wrong code" in told[0]

    with capture_logs() as said:
        _run(test)
    assert sum(line["event"] == "pairing_locked" for line in said) == 6


def test_who_knows_the_code_joins_beside_two_runs_that_only_wait() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        held = [await room.begin_run(_other(window.code)) for _ in range(MAX_FAILED_ATTEMPTS - 1)]
        assert (await _join(window.code, [room.candidate])).grant.folder == room.folder.id
        assert (window.failed_attempts, window.used) == (0, True)
        for messages, _, _ in held:
            await messages.__aexit__(None, None, None)
        await until(lambda: window.running == 0)
        assert not window.is_locked  # it was used: nobody has to wait for the next one
        assert room.host.open_window(room.folder) is not window

    _run(test)


def test_a_run_waits_while_as_many_as_there_are_guesses_go_on() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        held = [await room.begin_run(code) for code in (_other(window.code), _other(window.code), window.code)]

        async def knows() -> None:
            messages, run, answer = held[2]
            await messages.send(run.confirm(answer[1:], "looks", Intent.LOOK))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(_join, window.code, [room.candidate])
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert (window.running, window.failed_attempts) == (MAX_FAILED_ATTEMPTS, 0)
            await knows()  # its guess goes to the one that waits
        assert window.used
        for messages, _, _ in held:
            await messages.__aexit__(None, None, None)

    _run(test)


def test_joining_takes_no_time_for_those_who_only_announce() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        listeners = [(await trio.open_tcp_listeners(0, host="127.0.0.1"))[0] for _ in range(12)]
        silent = [
            Candidate(
                f"silent {number}",
                (Address("127.0.0.1", listener.socket.getsockname()[1]),) * 16,
                announced=True,
            )
            for number, listener in enumerate(listeners)
        ]
        with trio.fail_after(60):
            joined = await _join(window.code, [*silent, room.candidate])
        assert joined.address == Address("127.0.0.1", room.port)
        with trio.fail_after(60), pytest.raises(PairingError, match="no device on this network"):
            await _join(window.code, silent, limit_s=0.5)
        for listener in listeners:
            await listener.aclose()

    _run(test)


def test_the_first_address_that_answers_is_taken() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nobody = Address("127.0.0.1", silent.socket.getsockname()[1])
        sharer = Candidate("sharer", (nobody, *room.candidate.addresses), announced=True)
        assert (await _join(window.code, [sharer])).address == Address("127.0.0.1", room.port)
        await silent.aclose()

    _run(test)


@pytest.mark.parametrize("outcome", [Outcome.NO_ANSWER, Outcome.REFUSED, Outcome.NO_WAY])
def test_who_is_not_reached_at_once_is_tried_again(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet was lost, a cable was put in a moment ago, a machine had much to do."""
    tries = 0

    async def miss(host: str, port: int) -> trio.SocketStream:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise NotReached(outcome, "missed")
        return await connect(host, port)

    monkeypatch.setattr("yp2p.pairing.joiner.connect", miss)

    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        assert (await _join(window.code, [room.candidate], limit_s=60)).address == Address("127.0.0.1", room.port)
        assert tries == 3

    _run(test)


def test_a_place_where_a_device_may_be_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def miss(host: str, port: int) -> trio.SocketStream:
        nonlocal tries
        tries += 1
        raise NotReached(Outcome.REFUSED, "missed")

    monkeypatch.setattr("yp2p.pairing.joiner.connect", miss)

    async def test(room: Room) -> None:
        await _why_not(Code("47", "2" * 6), Candidate("away", (Address("127.0.0.1", 1),), announced=False), 2.0)
        assert tries == 1

    _run(test)


def test_three_devices_at_most_learn_whether_they_guessed_right() -> None:
    async def test(room: Room) -> None:
        async with _somebody(_answer_without_effect) as somebody:
            many = [replace(somebody, instance=f"wrong {number}") for number in range(6)]
            with pytest.raises(PairingError, match="3 devices answered to the digits"):
                await _join(Code("47", "2" * 6), many)

    _run(test)


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "mistyped"])
def test_a_device_that_is_announced_and_named_is_asked_once(is_right: bool) -> None:
    """Each run is one of the three guesses of its window, and a miss is told to people there."""

    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        code = window.code if is_right else _other(window.code)
        named = Candidate("127.0.0.1", room.candidate.addresses, announced=False, named=True)
        listed = Candidate("of the settings", room.candidate.addresses, announced=False)
        joiner = Joiner(JOINER, "joiner", lambda digits: [named, room.candidate, listed], trio.sleep_forever)
        if is_right:
            await joiner.look(code, 60.0)
        else:
            with pytest.raises(PairingError, match="wrong code: the device at"):
                await joiner.look(code, 60.0)
        await until(lambda: window.running == 0)
        assert window.failed_attempts == (0 if is_right else 1)
        assert room.folder.notices.counts()[NoticeKind.WRONG_CODE] == (0 if is_right else 1)

    _run(test)


def test_who_passes_a_run_on_and_holds_it_up_keeps_nobody_from_the_device_itself() -> None:
    """The joiner hears of the same device from whoever passes on its bytes, and then nothing more."""

    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        is_held = trio.Event()

        async def pass_on(stream: trio.SocketStream) -> None:
            behind = await trio.open_tcp_stream("127.0.0.1", room.port)

            async def back() -> None:
                await stream.send_all(await behind.receive_some())  # the handshake
                await behind.receive_some()
                is_held.set()

            async with behind, trio.open_nursery() as nursery:
                nursery.start_soon(back)
                async for data in stream:
                    await behind.send_all(data)

        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, pass_on, [listener])
            between = Candidate("between", (Address("127.0.0.1", listener.socket.getsockname()[1]),), announced=True)
            announced = _Announced(between)
            await nursery.start(announced.join, window.code)
            await is_held.wait()
            announced.add(room.candidate)
            await until(lambda: window.used)
            nursery.cancel_scope.cancel()

    _run(test)


@asynccontextmanager
async def _somebody(answer: Callable[[SecureMessages], Awaitable[None]]) -> AsyncIterator[Candidate]:
    """Announces the digits, and answers a joiner's first message like this; each time it is another device."""

    async def connection(stream: trio.SocketStream) -> None:
        one = Identity(secrets.token_bytes(32))
        _, secured = await respond(stream, one, is_known=lambda key: False, pairing_open=lambda: True)
        async with SecureMessages(secured) as messages:
            await messages.receive()
            await answer(messages)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, connection, [listener])
        yield Candidate("somebody", (Address("127.0.0.1", listener.socket.getsockname()[1]),), announced=True)
        nursery.cancel_scope.cancel()


def _half_without_effect() -> bytes:
    """With a share of small order the key would not depend on the code."""
    return GUESSER.public.signing_key + bytes(32)


async def _answer_without_effect(messages: SecureMessages) -> None:
    await messages.send(WELCOME + _half_without_effect() + bytes(64))
    await trio.sleep_forever()


def test_a_half_that_is_none_is_a_guess_and_both_sides_are_told() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        secured = await initiate_pairing(await trio.open_tcp_stream("127.0.0.1", room.port), GUESSER)
        async with SecureMessages(secured) as messages:
            await messages.send(window.code.digits.encode() + _half_without_effect())
            await until(lambda: window.failed_attempts == 1)
        assert room.folder.notices.counts()[NoticeKind.WRONG_CODE] == 1
        async with _somebody(_answer_without_effect) as somebody:
            with pytest.raises(PairingError, match="wrong code"):
                await _join(window.code, [somebody], 1.0)

    _run(test)


def test_who_proves_nothing_is_told_as_that() -> None:
    async def say_nothing(messages: SecureMessages) -> None:
        await trio.sleep_forever()

    async def break_off(messages: SecureMessages) -> None:
        pass

    async def test(room: Room) -> None:
        for answer in (say_nothing, break_off):
            async with _somebody(answer) as somebody:
                with pytest.raises(PairingError, match=rf"at {somebody.addresses[0].host}.* did not prove"):
                    await _join(Code("47", "K7MX2Q"), [somebody], limit_s=0.5)

    _run(test)


def test_who_joins_hears_of_those_that_answered_and_did_not_know_the_code() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        async with _somebody(_answer_without_effect) as somebody:
            there, more = [somebody], trio.Event()
            joiner = Joiner(JOINER, "joiner", lambda digits: there, more.wait)
            found: list[Joined] = []

            async def accept(joined: Joined) -> None:
                found.append(joined)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(joiner.join, window.code, accept, 10.0)
                await trio.testing.wait_all_tasks_blocked(0.1)
                there.append(room.candidate)
                more.set()
            assert [joined.impostors for joined in found] == [somebody.addresses]

    _run(test)


class _Announced:
    """Who announces the digits, one after the other."""

    def __init__(self, *there: Candidate) -> None:
        self.there = list(there)
        self._more = trio.Event()

    def add(self, candidate: Candidate) -> None:
        self.there.append(candidate)
        self._more.set()
        self._more = trio.Event()

    async def wait(self) -> None:
        await self._more.wait()

    async def join(self, code: Code, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        """Join with what is announced; gives the scope in which that goes on."""

        async def accept(joined: Joined) -> None:
            self.joined = joined

        with trio.CancelScope() as scope:
            task_status.started(scope)
            await Joiner(JOINER, "joiner", lambda digits: self.there, self.wait).join(code, accept, 10.0)


def _clock() -> trio.testing.MockClock:
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    return clock


@pytest.mark.parametrize("is_slow", [False, True], ids=["seen late", "seen late and slow to answer"])
def test_who_lies_under_the_same_digits_keeps_nobody_from_whom_it_sees_later(
    is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The liar has answered long before the announcement of the other one comes."""
    connected = trio.Event()

    async def connect_slowly(host: str, port: int) -> trio.SocketStream:
        stream = await connect(host, port)
        if is_slow and port == room_port:
            connected.set()
            await trio.sleep(2.5)
        return stream

    room_port = 0
    monkeypatch.setattr("yp2p.pairing.joiner.connect", connect_slowly)

    async def test(room: Room) -> None:
        nonlocal room_port
        room_port = room.port
        window = room.host.open_window(room.folder)
        async with _somebody(_answer_without_effect) as liar, trio.open_nursery() as nursery:
            announced = _Announced(liar)
            with capture_logs() as said:
                await nursery.start(announced.join, window.code)
                await until(lambda: any(line["event"] == "pairing_answered_wrong" for line in said))
            _clock().jump(3.5)
            announced.add(room.candidate)
            if is_slow:
                await connected.wait()
                _clock().jump(2.0)
        assert announced.joined.grant.folder == room.folder.id
        assert announced.joined.impostors == liar.addresses

    _run(test)


def test_a_wrong_code_is_told_within_seconds_though_others_may_still_be_seen() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        began = trio.current_time()
        with pytest.raises(PairingError, match="wrong code"):
            await _join(_other(window.code), [room.candidate])
        assert 4.5 < trio.current_time() - began < 9.0
        named, began = replace(room.candidate, announced=False, named=True), trio.current_time()
        with pytest.raises(PairingError, match="wrong code"):  # there is nobody to wait for
            await _join(_other(window.code), [named])
        assert trio.current_time() - began < 4.0

    _run(test)


def test_a_wrong_code_is_told_at_once_where_all_that_are_there_were_seen_before() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        began = trio.current_time()
        with pytest.raises(PairingError, match="wrong code"):
            await _join(_other(window.code), [room.candidate], looking_s=60.0)
        assert trio.current_time() - began < 4.0

    _run(test)


@pytest.mark.parametrize("how", ["takes our half", "accepts and is silent", "refuses"])
def test_a_liar_that_never_answers_costs_a_typo_some_seconds_and_no_more(how: str) -> None:
    async def say_nothing(messages: SecureMessages) -> None:
        await trio.sleep_forever()

    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        async with _somebody(say_nothing) as liar:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            if how != "takes our half":
                liar = replace(liar, addresses=(Address(*listener.socket.getsockname()),))
            if how == "refuses":
                await listener.aclose()
            began = trio.current_time()
            with pytest.raises(PairingError, match="wrong code"):
                await _join(_other(window.code), [liar, room.candidate], looking_s=60.0)
            assert trio.current_time() - began < 20.0
            await listener.aclose()

    _run(test)


def test_of_those_who_lie_none_takes_the_place_of_whom_a_person_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of them, all quicker than the one that is named: still no more than three learn of a guess."""
    asked: list[int] = []
    confirm = PairingRun.confirm

    def count(run: PairingRun, *arguments: Any) -> bytes:
        asked.append(1)
        return confirm(run, *arguments)

    monkeypatch.setattr(PairingRun, "confirm", count)

    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        async with _somebody(_answer_without_effect) as liar:
            liars = [replace(liar, instance=f"liar {number}") for number in range(6)]
            named = replace(room.candidate, announced=False, named=True)
            answer = room.host.handle_join

            async def late(secured: Secured) -> None:
                await until(lambda: len(asked) == MAX_RUNS - 1)
                await trio.testing.wait_all_tasks_blocked(0.1)  # the other liars have answered as well
                await answer(secured)

            monkeypatch.setattr(room.host, "handle_join", late)
            joined = await _join(window.code, [named, *liars])
            assert joined.grant.folder == room.folder.id
        assert len(asked) == MAX_RUNS

    _run(test)


def test_no_device_is_let_in_under_the_name_of_recovery_keys() -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        with pytest.raises(PairingError):
            await _join(window.code, [room.candidate], 3.0, name="Recovery Key")
        assert JOINER.device_id not in room.folder.membership.members
        await _join(window.code, [room.candidate], name="recovery")
        assert JOINER.device_id in room.folder.membership.members

    _run(test)


async def _why_not(code: Code, candidate: Candidate, limit_s: float = 1.0) -> str:
    """What joining with a code says, where it does not work."""
    with pytest.raises(PairingError) as caught:
        await _join(code, [candidate], limit_s)
    return str(caught.value)


@pytest.mark.parametrize("how", ["taken back", "replaced by one for readers", "closed"])
def test_a_code_that_is_over_while_somebody_proves_it_lets_nobody_in(how: str) -> None:
    async def test(room: Room) -> None:
        window = room.host.open_window(room.folder)
        messages, run, answer = await room.begin_run(window.code)
        async with messages:
            confirmation = run.confirm(answer[1:], "guesser")
            if how == "taken back":
                room.host.take_back(room.folder)
            elif how == "closed":
                room.host.close_window(room.folder)
            else:
                room.host.open_window(room.folder, Role.READER)
            await messages.send(confirmation)
            with pytest.raises((PeerFault, trio.BrokenResourceError)):
                await messages.receive()
        assert GUESSER.device_id not in room.folder.membership.members

    _run(test)


def test_a_closed_code_says_how_it_ended() -> None:
    async def test(room: Room) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.host.run)
            used = room.host.open_window(room.folder)
            await _join(used.code, [room.candidate])
            assert "was used already" in await _why_not(used.code, room.candidate)
            ran_out = room.host.open_window(room.folder)
            clock.jump(901.0)
            await until(lambda: room.host.digits() == ())
            assert "has run out; `yp2p share DIR`" in await _why_not(ran_out.code, room.candidate)
            guessed = room.host.open_window(room.folder)
            for _ in range(MAX_FAILED_ATTEMPTS):
                await room.guess(_other(guessed.code))
            await until(lambda: guessed.is_locked)
            assert "wrong codes were tried" in await _why_not(guessed.code, room.candidate)
            clock.jump(LONGEST_WAIT_S)
            taken_back = room.host.open_window(room.folder)
            assert not room.host.is_taken_back(room.folder)
            assert room.host.take_back(room.folder) is taken_back
            assert room.host.take_back(room.folder) is None
            assert room.host.is_taken_back(room.folder)
            assert "was taken back on the other device" in await _why_not(taken_back.code, room.candidate)
            again = room.host.open_window(room.folder)
            assert again.code != taken_back.code
            assert not room.host.is_taken_back(room.folder)
            taken = {one.code.digits for one in (used, ran_out, guessed, taken_back, again)}
            unknown = Code(next(one for one in ("94", "95", "96", "97", "98", "99") if one not in taken), "2" * 6)
            assert "it was used, or ran out" in await _why_not(unknown, room.candidate)
            nursery.cancel_scope.cancel()

    _run(test)


@pytest.mark.parametrize("answer", [b"\x01", b"\x01\xff", b"\x01\x01\x01", b"\x01" + bytes(1000)])
def test_what_a_sharer_says_of_a_closed_code_may_be_anything(answer: bytes) -> None:
    assert Closed.read(answer[1:]) is Closed.UNKNOWN


def test_a_device_that_shows_no_code_says_nothing_and_the_joiner_says_so() -> None:
    async def test(room: Room) -> None:
        async def close(stream: trio.SocketStream) -> None:
            await stream.aclose()

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        address = Address("127.0.0.1", listener.socket.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, close, [listener])
            named = Candidate("there", (address,), announced=False, named=True)
            said = await _why_not(Code("47", "2" * 6), named, 2.0)
            nursery.cancel_scope.cancel()
        assert said.startswith("the device at 127.0.0.1 answers, but shows no code that begins with 47 now")

    _run(test)


@pytest.mark.parametrize("announced", [True, False])
def test_a_port_that_nobody_answers_on_is_named(announced: bool) -> None:
    async def test(room: Room) -> None:
        with trio.socket.socket() as bound:
            await bound.bind(("127.0.0.1", 0))  # bound, and nobody listens: as behind a firewall that rejects
            port = bound.getsockname()[1]
            candidate = Candidate("there", (Address("127.0.0.1", port),), announced=announced, named=not announced)
            said = await _why_not(Code("47", "2" * 6), candidate, 2.0)
        assert f"127.0.0.1, but port {port} is closed there" in said
        assert "firewall" in said

    _run(test)


@pytest.mark.parametrize("outcome", set(Outcome) - {Outcome.SOMETHING_ELSE, Outcome.CUT_OFF})
def test_every_way_to_miss_the_other_device_is_told(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    async def miss(host: str, port: int) -> trio.SocketStream:
        raise NotReached(outcome, "missed")

    monkeypatch.setattr("yp2p.pairing.joiner.connect", miss)

    async def test(room: Room) -> None:
        said = await _why_not(Code("47", "2" * 6), room.candidate, 0.5)
        assert "127.0.0.1" in said
        assert "no device on this network" not in said

    _run(test)


def test_a_code_that_nobody_shows_is_told_apart_from_a_device_that_cannot_be_reached() -> None:
    async def test(room: Room) -> None:
        away = Candidate("elsewhere", (Address("127.0.0.1", 1),), announced=False)  # of the settings
        assert "no device on this network shows a code" in await _why_not(Code("47", "2" * 6), away, 0.5)

    _run(test)

"""Somebody between two devices that pair: relays everything, or puts something of its own in its place.

It answers the joiner in a handshake of its own, opens another one to the device that shows the code, and has every
message of both in clear. `WAYS` is what it tries. In one process, over real sockets on loopback, each attempt with a
window and a code of its own: nobody may get in. Then as many without anybody between: everybody gets in.

`--daemons N` does N of the attempts with whole daemons: it announces itself over mDNS with the digits of the window, as
the device that shows the code would, which is not found (its mDNS is off).

Bars: 0 get in, each joiner says that the code was wrong or not proved, each device that shows it has a notice; without
anybody between all get in.
"""

from __future__ import annotations

import argparse
import secrets
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import report
import structlog
import trio
import trio.testing
from zeroconf import ServiceInfo, Zeroconf

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bridge import open_bridge
from conditions import until
from lab import Device, devices, eventually

from yp2p.discovery.addresses import Address
from yp2p.errors import PairingError, PeerFault, YpError
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership
from yp2p.folder.notices import NoticeKind
from yp2p.identity import KEY_BYTES, Identity
from yp2p.pairing import joiner as joining
from yp2p.pairing.exchange import DIGITS, WELCOME, Code, Intent, PairingRun, make_code
from yp2p.pairing.host import PairingHost
from yp2p.pairing.joiner import Candidate, Joined, Joiner
from yp2p.protocol.cpace import FIELD_BYTES
from yp2p.protocol.wire import Writer
from yp2p.transport.dialer import connect
from yp2p.transport.handshake import Secured, initiate_pairing, respond
from yp2p.transport.secure import SecureMessages
from yp2p.trust.statements import Role, Signer

# With more, each has less of the processor than its limits of time are for.
_AT_ONCE = 2
_TAG = slice(-64, None)
_WHO = Writer().text("middle").u8(Intent.JOIN).finish()
_BROKE_OFF = (PeerFault, PairingError, OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


@dataclass(frozen=True, slots=True)
class _Between:
    """One run with both: each side's messages in clear."""

    identity: Identity
    joiner: SecureMessages
    host: SecureMessages
    to_joiner: Secured
    to_host: Secured
    earlier: list[bytes]  # answers of devices that show a code, of runs before

    def run(self, code: Code, other: Secured) -> PairingRun:
        """A run of our own with one side."""
        return PairingRun(
            code, other.transport.handshake_hash, self.identity.public, other.remote_noise_key,
            scalar=secrets.token_bytes(32),
        )  # fmt: skip

    async def relay(
        self,
        opening: Callable[[bytes], bytes] = bytes,
        answer: Callable[[bytes], bytes] = bytes,
        confirmation: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """Pass the messages on, changed; then all that comes, both ways."""
        await self.host.send(opening(await self.joiner.receive()))
        answered = await self.host.receive()
        await self.joiner.send(answer(answered))
        self.earlier.append(answered)
        await self.host.send(confirmation(await self.joiner.receive()))
        while True:
            await self.joiner.send(await self.host.receive())


async def _as_it_is(between: _Between) -> None:
    await between.relay()


async def _with_its_signing_key(between: _Between) -> None:
    own = between.identity.public.signing_key
    await between.relay(
        lambda opening: opening[:DIGITS] + own + opening[DIGITS + KEY_BYTES :],
        lambda answer: WELCOME + own + answer[1 + KEY_BYTES :],
    )


async def _with_a_guess(between: _Between) -> None:
    """A run of its own with each side, with one code that it thinks up."""
    opening = await between.joiner.receive()
    digits = opening[:DIGITS].decode()
    code = Code(digits, make_code(secrets.randbelow).secret)
    await between.joiner.send(WELCOME + between.run(code, between.to_joiner).answer(opening))
    run = between.run(code, between.to_host)
    await between.host.send(run.open())
    with suppress(PairingError):
        await between.host.send(run.confirm((await between.host.receive())[1:], "middle"))
    await between.host.send(await between.joiner.receive())


async def _with_the_joiners_own(between: _Between) -> None:
    """The joiner's own half comes back to it, and the host's to the host."""
    opening = await between.joiner.receive()
    await between.host.send(opening)
    answer = await between.host.receive()
    await between.joiner.send(WELCOME + opening[DIGITS:] + answer[_TAG])
    await between.host.send(answer[_TAG] + _WHO)
    await between.host.receive()


async def _with_an_earlier_answer(between: _Between) -> None:
    await between.relay(answer=lambda answer: between.earlier[-1] if between.earlier else answer)


async def _with_a_share_of_small_order(between: _Between) -> None:
    """A share for which the key would be the same whatever the code is."""
    zero = bytes(FIELD_BYTES)
    await between.relay(
        lambda opening: opening[: DIGITS + KEY_BYTES] + zero,
        lambda answer: answer[: 1 + KEY_BYTES] + zero + answer[_TAG],
    )


async def _with_its_name_and_intent(between: _Between) -> None:
    await between.relay(confirmation=lambda confirmation: confirmation[:64] + _WHO)


async def _to_the_host_alone(between: _Between) -> None:
    """The joiner is kept waiting: the host should not take that for anything."""
    opening = await between.joiner.receive()
    await between.host.send(opening)
    await between.host.receive()
    await trio.sleep_forever()


WAYS: dict[str, Callable[[_Between], Awaitable[None]]] = {
    "everything as it is": _as_it_is,
    "its signing key instead": _with_its_signing_key,
    "a guess, with both": _with_a_guess,
    "each one's own half back": _with_the_joiners_own,
    "an answer of an earlier run": _with_an_earlier_answer,
    "a share of small order": _with_a_share_of_small_order,
    "another name": _with_its_name_and_intent,
    "the joiner is kept waiting": _to_the_host_alone,
}


class Middle:
    """Listens for joiners, and runs between them and the device at `host_port`."""

    def __init__(self, way: Callable[[_Between], Awaitable[None]], host_port: int, earlier: list[bytes]) -> None:
        self._way = way
        self._host_port = host_port
        self._earlier = earlier
        self._identity = Identity(secrets.token_bytes(32))
        self.port = 0

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._connection, [listener])

    async def _connection(self, stream: trio.SocketStream) -> None:
        try:
            _, joiner = await respond(stream, self._identity, is_known=lambda key: False, pairing_open=lambda: True)
            host = await initiate_pairing(await connect("127.0.0.1", self._host_port), self._identity)
            async with SecureMessages(joiner) as to_joiner, SecureMessages(host) as to_host:
                await self._way(_Between(self._identity, to_joiner, to_host, joiner, host, self._earlier))
        except _BROKE_OFF:
            pass


@dataclass(slots=True)
class _Result:
    """What came of the attempts."""

    attempts: int = 0
    joined: int = 0
    let_in: int = 0
    joiner_told: int = 0
    host_told: int = 0
    said: Counter[str] = field(default_factory=Counter)

    def count(self, joined: bool, let_in: bool, said: str, host_told: int) -> None:
        self.attempts += 1
        self.joined += joined
        self.let_in += let_in
        self.joiner_told += "wrong code" in said or "did not prove" in said
        self.host_told += host_told > 0
        self.said[said] += 1

    def as_json(self) -> dict[str, object]:
        return {
            "attempts": self.attempts, "joined": self.joined, "let_in": self.let_in,
            "joiner_told": self.joiner_told, "host_told": self.host_told,
        }  # fmt: skip


class _Sharer:
    """A device that shows a code for a folder; a new window for each attempt."""

    def __init__(self, folder: Folder, identity: Identity) -> None:
        self.folder = folder
        self._identity = identity
        self.host = PairingHost(identity, "sharer", 900)
        self.port = 0
        self.let_in = self.running = 0

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        async def connection(stream: trio.SocketStream) -> None:
            try:
                _, secured = await respond(
                    stream, self._identity, is_known=lambda key: False, pairing_open=lambda: True
                )
            except _BROKE_OFF:
                return
            self.running += 1
            self.let_in += await self.host.handle_join(secured) is not None
            self.running -= 1

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(connection, [listener])


async def _attempt(base: Path, way: Callable[[_Between], Awaitable[None]] | None, earlier: list[bytes]) -> _Result:
    """One joiner with the right code, and somebody between (or nobody)."""
    identity, result = Identity(secrets.token_bytes(32)), _Result()
    async with open_bridge(base) as bridge, trio.open_nursery() as nursery:
        folder = bridge.folder
        folder.membership = Membership(folder.id, identity.device_id, folder.database, identity)
        await folder.membership.receive(
            [Signer(identity, folder.id).grant((), identity.public, Role.ADMINISTRATOR, "s").encode()]
        )
        sharer = _Sharer(folder, identity)
        await nursery.start(sharer.serve)
        port = sharer.port
        if way is not None:
            middle = Middle(way, sharer.port, earlier)
            await nursery.start(middle.serve)
            port = middle.port
        window = sharer.host.open_window(folder)
        candidate = Candidate("sharer", (Address("127.0.0.1", port),), announced=True)
        joiner = Joiner(Identity(secrets.token_bytes(32)), "joiner", lambda digits: [candidate], trio.sleep_forever)
        said = ""
        try:
            await joiner.join(window.code, _accept, 10.0)
        except PairingError as error:
            said = str(error).replace(f"digits {window.code.digits}", "digits NN")
        await until(lambda: not window.running and not sharer.running)  # the end of the run at the other side
        told = sum(notice.kind is NoticeKind.WRONG_CODE for notice in folder.notices)
        result.count(not said, sharer.let_in > 0, said, told)
        nursery.cancel_scope.cancel()
    return result


async def _accept(joined: Joined) -> None:
    pass


async def _attempts(count: int, ways: dict[str, Callable[[_Between], Awaitable[None]] | None]) -> dict[str, _Result]:
    results = {name: _Result() for name in ways}
    joining._SEEN_S = 0.0  # in one process nobody else is to be seen later
    limit, earlier, names = trio.CapacityLimiter(_AT_ONCE), list[bytes](), list(ways)

    async def one(number: int) -> None:
        async with limit:
            name = names[number % len(names)]
            with tempfile.TemporaryDirectory() as base:
                found = await _attempt(Path(base), ways[name], earlier)
            sum_, said = results[name], next(iter(found.said))
            sum_.count(found.joined > 0, found.let_in > 0, said, found.host_told)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    return results


# --- whole daemons -------------------------------------------------------------------------------------------------


def _announce(zeroconf: Zeroconf, port: int, digits: str) -> ServiceInfo:
    """Say that a window with these digits is at this port, as a device that shows a code does."""
    instance = secrets.token_hex(8)
    info = ServiceInfo(
        "_yp2p._tcp.local.", f"{instance}._yp2p._tcp.local.", addresses=[socket.inet_aton("127.0.0.1")], port=port,
        properties={"v": "1", "p": digits, "n": "sharer"}, server=f"{secrets.token_hex(8)}.local.",
    )  # fmt: skip
    zeroconf.register_service(info)
    return info


async def _between_daemons(host: Device, joiner: Device, way: Callable[[_Between], Awaitable[None]]) -> _Result:
    """A join of a whole daemon, through the middle alone."""
    result, earlier = _Result(), list[bytes]()
    port = int(host.status()["device"]["port"])
    async with trio.open_nursery() as nursery:
        middle = Middle(way, port, earlier)
        await nursery.start(middle.serve)
        before = _wrong_codes(host)
        code = host.call("POST", "/v1/share", {"path": str(host.dir), "label": None})["code"]
        with Zeroconf(interfaces=["127.0.0.1"]) as zeroconf:
            await trio.to_thread.run_sync(_announce, zeroconf, middle.port, code[:DIGITS])
            body, said = {"code": code, "path": str(joiner.dir), "timeout_s": 20}, ""
            try:
                await trio.to_thread.run_sync(lambda: joiner.call("POST", "/v1/join", body))
            except YpError as error:
                said = str(error).replace(f"digits {code[:DIGITS]}", "digits NN")
            await trio.to_thread.run_sync(zeroconf.unregister_all_services)
        if said:
            await trio.to_thread.run_sync(lambda: eventually(lambda: _wrong_codes(host) > before, 10, "a notice"))
        members = len(host.status()["folders"][0]["devices"])
        result.count(not said, members > 0, said, _wrong_codes(host) - before)
        nursery.cancel_scope.cancel()
    return result


def _wrong_codes(device: Device) -> int:
    return sum(folder["notices"].get("wrong-code", 0) for folder in device.status()["folders"])


def _with_daemons(count: int) -> dict[str, _Result]:
    results: dict[str, _Result] = {}
    names = [name for name in WAYS if name != "the joiner is kept waiting"]
    for number in range(count):
        name = names[number % len(names)]
        with tempfile.TemporaryDirectory() as base, devices(Path(base), "joiner") as (joiner,):
            host = Device(Path(base), "host", YP2P_DISCOVERY__MDNS="false")
            try:
                host.start()
                found = trio.run(_between_daemons, host, joiner, WAYS[name])
            finally:
                host.kill()
        results.setdefault(name, _Result()).count(
            found.joined > 0, found.let_in > 0, next(iter(found.said)), found.host_told
        )
    return results


def _is_met(between: dict[str, _Result], free: _Result) -> bool:
    attacked = list(between.values())
    nobody_in = not any(result.joined or result.let_in for result in attacked)
    told = all(result.host_told == result.joiner_told == result.attempts for result in attacked)
    return nobody_in and told and free.joined == free.let_in == free.attempts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1000)
    parser.add_argument("--free", type=int, default=1000, help="how many without anybody between")
    parser.add_argument("--daemons", type=int, default=0)
    options = report.parse(parser)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    started = time.monotonic()
    between = trio.run(_attempts, options.attempts, dict(WAYS))
    free = trio.run(_attempts, options.free, {"nobody between": None})["nobody between"]
    daemons = _with_daemons(options.daemons) if options.daemons else {}
    parts = {"between": between, "nobody": {"between": free}, "daemons": daemons}
    report.publish(options, {part: {n: r.as_json() for n, r in found.items()} for part, found in parts.items()})
    said = sum((result.said for result in (*between.values(), free, *daemons.values())), Counter[str]())
    del said[""]
    print("\n".join(f"{count:5} joiners were told: {text}" for text, count in said.most_common()), file=sys.stderr)
    met = _is_met({**between, **{f"daemons {name}": result for name, result in daemons.items()}}, free)
    print(f"bar: {'met' if met else 'NOT MET'}, in {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Discovery: hints that only paired devices recognise, and real mDNS on loopback."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from zeroconf import ServiceInfo, Zeroconf

from yp2p.device.discovery import Discoverer
from yp2p.discovery import mdns
from yp2p.discovery import mdns as mdns_module
from yp2p.discovery.addresses import Address, own_addresses, parse_address
from yp2p.discovery.hints import MAX_HINTS, PAD_TO, from_properties, hint, make_hints, recognise, to_properties
from yp2p.discovery.mdns import SERVICE_TYPE, Announcement, Mdns, Sighting, _instance, _Listener, _Resolver, open_mdns
from yp2p.discovery.sought import MAX_SOUGHT, Sought
from yp2p.identity import DeviceID, Identity

A, B, C = (Identity(bytes([number]) * 32) for number in (1, 2, 3))


@given(st.integers(min_value=0, max_value=70))
def test_hints_are_padded_and_found(count: int) -> None:
    secrets = {DeviceID(os.urandom(32)): os.urandom(32) for _ in range(count)}
    hints = make_hints(secrets.values(), "instance", os.urandom(32))
    assert len(hints) % PAD_TO == 0 or count > MAX_HINTS
    assert 0 < len(hints) <= MAX_HINTS
    properties = {key.encode(): value for key, value in to_properties(hints).items()}
    assert all(len(value) <= 255 for value in properties.values())
    assert from_properties(properties) == set(hints)
    found = recognise(set(hints), "instance", secrets)
    assert len(found) >= min(count, MAX_HINTS)
    assert recognise(set(hints), "another instance", {DeviceID(b"x" * 32): b"y" * 32}) == []


def test_two_announcements_of_a_start_have_their_padding_in_common() -> None:
    start, secrets = os.urandom(32), [os.urandom(32) for _ in range(3)]
    before = make_hints(secrets, "i", start, turn=1)
    assert make_hints(secrets, "i", start, turn=2) == before
    after = set(make_hints([*secrets, os.urandom(32)], "i", start, turn=3))
    assert len(after - set(before)) == len(set(before) - after) == 1  # the place of a padding went to the new device
    assert not set(make_hints([], "i", os.urandom(32))) & set(before)


def test_more_devices_than_fit_take_turns() -> None:
    start, secrets = os.urandom(32), [os.urandom(32) for _ in range(MAX_HINTS + 1)]
    turns = [make_hints(secrets, "i", start, turn) for turn in range(2)]
    assert [len(turn) for turn in turns] == [MAX_HINTS] * 2
    assert {hint(secret, "i") for secret in secrets} == {*turns[0], *turns[1]}


def test_only_the_two_of_them_recognise_each_other() -> None:
    from_a = make_hints([A.pairwise_secret(B.public.noise_key)], "i", os.urandom(32))
    assert recognise(set(from_a), "i", {A.device_id: B.pairwise_secret(A.public.noise_key)}) == [A.device_id]
    assert recognise(set(from_a), "i", {A.device_id: C.pairwise_secret(A.public.noise_key)}) == []


def test_addresses() -> None:
    assert parse_address("192.0.2.1:9727") == Address("192.0.2.1", 9727)
    assert parse_address("[fe80::1%eth0]:1") == Address("fe80::1%eth0", 1)
    assert str(Address("fe80::1", 1)) == "[fe80::1]:1"
    for wrong in ("", "host", "host:", ":1", "host:0", "host:99999", "host:x"):
        with pytest.raises(ValueError, match="HOST:PORT"):
            parse_address(wrong)
    for wrong in ("nas..lan:1", ".lan:1", "n" * 64 + ".lan:1", "a\u202eb:1"):
        with pytest.raises(ValueError, match="the name of no host"):
            parse_address(wrong)
    assert own_addresses(["127.0.0.1"]) == ["127.0.0.1"]
    assert own_addresses(["lo"])
    assert own_addresses()


async def test_an_interface_that_is_not_there_is_told_and_the_others_are_used() -> None:
    with capture_logs() as said:
        async with open_mdns(["no-such0", "lo"]) as (mdns, _):
            assert mdns.instance
    assert [line["interfaces"] for line in said if line["event"] == "interfaces_missing"] == [["no-such0"]]


def _listener(seen: list[Sighting], incomplete: list[str]) -> _Listener:
    token = trio.lowlevel.current_trio_token()
    return _Listener(token, "own", seen.append, lambda name, hints: incomplete.append(name))


async def test_what_is_found_while_discovery_ends_is_let_go() -> None:
    zeroconf = Zeroconf(interfaces=["127.0.0.1"])
    seen, incomplete = list[Sighting](), list[str]()
    listener = _listener(seen, incomplete)
    await trio.to_thread.run_sync(zeroconf.close)
    await trio.to_thread.run_sync(listener.add_service, zeroconf, SERVICE_TYPE, f"other.{SERVICE_TYPE}")
    await trio.testing.wait_all_tasks_blocked()
    assert (seen, incomplete) == ([], [f"other.{SERVICE_TYPE}"])


async def test_a_flood_of_names_holds_up_nobody_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, incomplete = list[Sighting](), list[str]()
    listener = _listener(seen, incomplete)
    honest = f"honest.{SERVICE_TYPE}"

    def from_cache(zc: object, name: str) -> ServiceInfo:
        if name != honest:
            return ServiceInfo(SERVICE_TYPE, name)
        return ServiceInfo(SERVICE_TYPE, name, port=4711, addresses=[b"\x7f\x00\x00\x01"], properties={"v": b"1"})

    monkeypatch.setattr(mdns, "_from_cache", from_cache)
    names = [f"{number}.{SERVICE_TYPE}" for number in range(5000)]
    zeroconf: Any = None  # nothing is asked of it: a callback waits for nobody
    for name in (*names, honest):
        listener.add_service(zeroconf, SERVICE_TYPE, name)
    await trio.testing.wait_all_tasks_blocked()
    assert [sighting.instance for sighting in seen] == ["honest"]
    assert seen[0].addresses == (Address("127.0.0.1", 4711),)
    assert incomplete == names[-255:], "the newest"


async def test_those_we_know_are_looked_up_before_strangers_and_a_few_at_a_time() -> None:
    secret, instance = os.urandom(32), "known"
    send, receive = trio.open_memory_channel[Sighting](0)
    resolver = _Resolver(send, lambda: [secret])
    asked: list[str] = []
    at_a_time = threading.Semaphore(4)
    answer = threading.Event()

    def look_up(name: str) -> ServiceInfo | None:
        assert at_a_time.acquire(blocking=False)
        asked.append(_instance(name))
        answer.wait(10)
        at_a_time.release()
        return ServiceInfo(SERVICE_TYPE, name, port=1, addresses=[b"\x7f\x00\x00\x01"]) if "known" in name else None

    for number in range(300):
        resolver.incomplete(f"{number}.{SERVICE_TYPE}", frozenset())
        if number == 10:
            resolver.incomplete(f"{instance}.{SERVICE_TYPE}", frozenset([hint(secret, instance)]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolver.run, look_up)
        with trio.fail_after(30):
            while len(asked) < 4:
                await trio.sleep(0.002)
            assert set(asked) == {"known", "299", "298", "297"}, "the newest of the strangers"
            answer.set()
            assert (await receive.receive()).instance == "known"
        nursery.cancel_scope.cancel()


def test_what_is_sought_is_bounded_and_known_devices_stay() -> None:
    sought = Sought()
    sought.add("known", is_known=True)
    for number in range(3 * MAX_SOUGHT):
        sought.add(str(number), is_known=False)
        sought.add(str(number), is_known=False)
    sought.add("known", is_known=False)  # said again, without its hints
    assert len(sought) == MAX_SOUGHT
    assert [sought.take(), sought.take()] == ["known", str(3 * MAX_SOUGHT - 1)]
    sought.discard(str(3 * MAX_SOUGHT - 2))
    assert sought.take() == str(3 * MAX_SOUGHT - 3)
    while sought.take():
        pass
    for number in range(2 * MAX_SOUGHT):
        sought.add(str(number), is_known=True)
    assert len(sought) == MAX_SOUGHT


async def test_where_a_network_comes_up_others_may_still_be_seen() -> None:
    changed: list[float] = []

    async def interface_changes() -> AsyncIterator[None]:
        yield

    peers: Any = SimpleNamespace(network_changed=lambda: changed.append(trio.current_time()))
    discoverer = Discoverer(A, "a", peers, cast(Any, None), cast(Any, None), [])
    before = discoverer.looking_since
    await discoverer._follow_interfaces(cast(Any, SimpleNamespace(interface_changes=interface_changes)))
    assert before <= discoverer.looking_since <= changed[0]
    known = discoverer.looking_since
    await trio.sleep(0.01)
    assert discoverer.looking_since == known


async def test_windows_and_sightings_of_strangers_push_out_no_others() -> None:
    secret = A.pairwise_secret(B.public.noise_key)
    roster = SimpleNamespace(letting_in=lambda: {B.device_id: B.public})
    devices = SimpleNamespace(roster=roster, seen=lambda *_: None, contacts={})
    peers: Any = SimpleNamespace(devices=devices, members_changed=trio.Event())
    discoverer = Discoverer(A, "a", peers, cast(Any, None), cast(Any, None), [])
    address = (Address("127.0.0.1", 1),)
    known = Sighting("known", address, frozenset([hint(secret, "known")]))
    window = Sighting("honest", address, pairing="47")
    send, receive = trio.open_memory_channel[Sighting](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(discoverer._follow_sightings, receive)
        for sighting in (known, window):
            await send.send(sighting)
        for number in range(1000):
            await send.send(Sighting(f"{number}", address, pairing="11"))
        await send.aclose()
    assert [candidate.instance for candidate in discoverer.candidates("47")] == ["honest"]
    flood = [candidate.instance for candidate in discoverer.candidates("11")]
    assert len(flood) < 130
    assert flood[0] == "999", "the newest first"
    assert "known" in discoverer._remembered
    assert len(discoverer._remembered) == 256


async def test_two_devices_see_each_other_on_loopback() -> None:
    own = Address("127.0.0.1", 4711)

    async def first(sightings: trio.MemoryReceiveChannel[Sighting], pairing: str) -> Sighting:
        with trio.fail_after(60):
            while True:
                sighting = await sightings.receive()
                if sighting.pairing == pairing and own in sighting.addresses:  # others may be on loopback as well
                    return sighting
        raise AssertionError

    async with open_mdns(["127.0.0.1"]) as (one, _), open_mdns(["127.0.0.1"]) as (_, sightings):
        secret = A.pairwise_secret(B.public.noise_key)
        await one.announce(Announcement(4711, (secret,)))
        seen = await first(sightings, "")
        assert seen.addresses == (own,)
        assert seen.devices({A.device_id: secret}) == [A.device_id]
        assert seen.name == ""
        await one.announce(Announcement(4711, (secret,), ("47",), "laptop"))
        assert (await first(sightings, "47")).name == "laptop"


async def test_an_mdns_that_does_not_answer_holds_up_no_stop(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock
) -> None:
    """The library waits for ever for a thread that could not start."""
    never = threading.Event()

    async def run(_: mdns.Mdns) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(mdns.Mdns, "start", lambda _: never.wait(20))
    monkeypatch.setattr(mdns.Mdns, "close", lambda _: never.wait(20))
    monkeypatch.setattr(mdns.Mdns, "run", run)
    with trio.fail_after(60):
        async with open_mdns([]):
            pass
    never.set()


async def test_what_the_library_could_not_announce_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine it gives up, and nobody would ever hear of this device."""
    monkeypatch.setattr(mdns_module, "_RETRY_S", 0.05)
    attempts: list[str] = []

    def register(self: Zeroconf, info: ServiceInfo, **_: object) -> None:
        attempts.append(info.name)
        if len(attempts) < 3:
            raise TimeoutError("busy")

    monkeypatch.setattr(Zeroconf, "register_service", register)
    with trio.fail_after(20):
        async with open_mdns(["127.0.0.1"]) as (mdns, _):
            await mdns.announce(Announcement(9, (), ("47",), "desk"))
            while len(attempts) < 3:
                await trio.sleep(0.02)
            await trio.sleep(0.2)  # four times as long as an attempt waits for the next
    assert len(attempts) == 3, "what was said is not said again"


async def test_what_was_said_wakes_nobody(monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock) -> None:
    """Nothing is looked at again and again where the announcement was made."""
    attempts: list[Announcement | None] = []
    third = threading.Event()

    def apply(self: Mdns) -> None:
        attempts.append(self._announcement)
        if len(attempts) != 2:
            self._said = self._announcement
        if len(attempts) == 3:
            third.set()

    monkeypatch.setattr(Mdns, "_apply", apply)
    monkeypatch.setattr(Mdns, "_refresh", apply)
    send, _ = trio.open_memory_channel[Sighting](1)
    mdns, wakes = Mdns([], send), _Wakes("Mdns._retry")
    trio.lowlevel.add_instrument(wakes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mdns.run)
        await mdns.announce(Announcement(9))
        await trio.sleep(3600)
        assert (len(attempts), wakes.count) == (1, 1)
        await mdns.announce(Announcement(10))
        await trio.to_thread.run_sync(third.wait, 60)  # the clock of this test does not wait for threads
        await trio.sleep(3600)
        assert (len(attempts), wakes.count < 8) == (3, True), "that failed, and was made again once"
        nursery.cancel_scope.cancel()


class _Wakes(trio.abc.Instrument):
    """Counts the steps of the tasks with this in their names."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += self._name in task.name

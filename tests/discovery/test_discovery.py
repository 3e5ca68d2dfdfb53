"""Discovery: hints that only paired devices recognise, and real mDNS on loopback."""

from __future__ import annotations

import os

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from zeroconf import Zeroconf

from yp2p.discovery.addresses import Address, own_addresses, parse_address
from yp2p.discovery.hints import MAX_HINTS, PAD_TO, from_properties, hint, make_hints, recognise, to_properties
from yp2p.discovery.mdns import SERVICE_TYPE, Announcement, Sighting, _Listener, open_mdns
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
    assert own_addresses(["127.0.0.1"]) == ["127.0.0.1"]
    assert own_addresses(["lo"])
    assert own_addresses()


async def test_an_interface_that_is_not_there_is_told_and_the_others_are_used() -> None:
    with capture_logs() as said:
        async with open_mdns(["no-such0", "lo"]) as (mdns, _):
            assert mdns.instance
    assert [line["interfaces"] for line in said if line["event"] == "interfaces_missing"] == [["no-such0"]]


async def test_what_is_found_while_discovery_ends_is_let_go() -> None:
    zeroconf = Zeroconf(interfaces=["127.0.0.1"])
    sightings, _ = trio.open_memory_channel[Sighting](1)
    listener = _Listener(trio.lowlevel.current_trio_token(), sightings, "own")
    await trio.to_thread.run_sync(zeroconf.close)
    await trio.to_thread.run_sync(listener.add_service, zeroconf, SERVICE_TYPE, f"other.{SERVICE_TYPE}")
    assert sightings.statistics().current_buffer_used == 0


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

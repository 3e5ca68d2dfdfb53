"""Why a device is not connected: the sentence for each way in which that can be, and how an attempt's end is told."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace

import pytest
import trio

from yp2p.discovery.addresses import Address
from yp2p.peers.reach import Absence, Reach, why
from yp2p.protocol.messages import PROTOCOL_VERSIONS
from yp2p.transport.dialer import NotReached, Outcome, connect, outcome_of

HERE = Address("10.0.0.2", 9727)


def _reach(outcome: Outcome | None = None, *, announced: bool = False) -> Reach:
    reach = Reach()
    if announced:
        reach.announced("instance")
    if outcome is not None:
        reach.tried(HERE, outcome)
    return reach


def _other_version(*versions: int) -> Reach:
    reach = Reach()
    reach.versions = versions
    return reach


def _paused_there() -> Reach:
    reach = _reach(Outcome.NOT_KNOWN, announced=True)
    reach.is_paused_there = True
    return reach


REASONS = [
    (Absence("pi", _reach()), "never seen on this network"),
    (Absence("pi", _reach(), last_seen=86400.0), "not seen on this network since 1970-01-0"),
    (Absence("pi", _reach(announced=True)), "seen on this network, and about to be connected"),
    (Absence("pi", _reach(Outcome.NO_ANSWER, announced=True)), "seen at 10.0.0.2, but port 9727 does not answer"),
    (Absence("pi", _reach(Outcome.NO_ANSWER, announced=True)), "does a firewall there block TCP port 9727?"),
    (Absence("pi", _reach(Outcome.REFUSED, announced=True)), "seen at 10.0.0.2, but port 9727 is closed"),
    (Absence("pi", _reach(Outcome.NO_WAY, announced=True)), "no way to that address: is it on another network?"),
    (Absence("pi", _reach(Outcome.NO_ANSWER), last_seen=86400.0), "nothing answers at 10.0.0.2:9727: it is off"),
    (Absence("pi", _reach(Outcome.REFUSED)), "the machine at 10.0.0.2 is on, but yp2p does not listen on port 9727"),
    (Absence("pi", _reach(Outcome.NO_WAY)), "there is no way to 10.0.0.2:9727"),
    (Absence("pi", _reach(Outcome.NO_NAME)), "the name 10.0.0.2 is not known here"),
    (Absence("pi", _reach(Outcome.SILENT)), "accepts connections, but does not answer"),
    (Absence("pi", _reach(Outcome.SOMETHING_ELSE)), "is another device or another program, not pi"),
    (Absence("pi", _reach(Outcome.CUT_OFF)), "ends the connection at once"),
    (Absence("pi", _reach(Outcome.NOT_KNOWN)), "does not know this device: it removed this device, or was set up anew"),
    (Absence("pi", _reach(), is_paused=True), "paused here; `yp2p device unpause pi`"),
    (Absence("pi", _paused_there()), "paused there"),
    (Absence("pi", _other_version(max(PROTOCOL_VERSIONS) + 1)), "update yp2p here"),
    (Absence("pi", _other_version(0)), "it speaks version 0 of the protocol"),
    (Absence("pi", _other_version()), "update yp2p there"),
    (Absence("pi", _reach(), waits_until=86400.0, fault="a message that is none"), "not tried before"),
    (Absence("pi", _reach(), waits_until=86400.0, fault="a message that is none"), "a message that is none"),
    (Absence("pi", _reach(Outcome.NO_ANSWER), fault="two machines have the key"), "two machines have the key"),
    (Absence("pi", _reach(), has_rival=True), "another device is said to have the same key"),
    (Absence("pi", _reach(), has_rival=True, shares_nothing=True), "no folder is shared with it any more"),
    (Absence("pi", _reach(), is_paused=True, shares_nothing=True), "paused here"),
]  # fmt: skip


@pytest.mark.parametrize(("absence", "expected"), REASONS)
def test_each_reason_says_what_is_in_the_way(absence: Absence, expected: str) -> None:
    assert expected in why(absence)


def test_what_a_person_chose_comes_before_what_else_is_in_the_way() -> None:
    absence = Absence("pi", _paused_there(), waits_until=86400.0, fault="a fault")
    assert why(replace(absence, is_paused=True)).startswith("paused here")
    assert why(absence).startswith("paused there")


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("announced", [True, False])
def test_every_outcome_has_a_sentence(outcome: Outcome, announced: bool) -> None:
    sentence = why(Absence("pi", _reach(outcome, announced=announced)))
    assert "10.0.0.2" in sentence
    assert "{" not in sentence


def test_of_several_addresses_the_one_that_says_most_is_named() -> None:
    reach = _reach(Outcome.NOT_KNOWN)
    reach.tried(Address("10.0.0.3", 1), Outcome.NO_ANSWER)
    assert "10.0.0.2:9727 answers, but does not know" in why(Absence("pi", reach))


def test_where_it_is_announced_now_counts_more_than_where_it_was() -> None:
    reach = _reach(Outcome.NO_ANSWER)
    reach.announced("instance", (Address("10.9.0.2", 9727),))
    assert "10.0.0.2" in why(Absence("pi", reach)), "nothing else was tried yet"
    reach.tried(Address("10.9.0.2", 9727), Outcome.NO_WAY)
    assert why(Absence("pi", reach)).startswith("seen at 10.9.0.2, but this machine has no way")


def test_a_link_clears_what_was_in_the_way() -> None:
    reach = _paused_there()
    reach.versions = (9,)
    reach.linked()
    assert (reach.attempts, reach.versions, reach.is_paused_there, reach.links) == ({}, None, False, 1)


def test_what_is_remembered_of_a_device_is_bounded() -> None:
    reach = Reach()
    for number in range(1000):
        reach.announced(str(number))
        reach.tried(Address("10.0.0.2", number), Outcome.REFUSED)
    assert len(reach.announced_by) <= 8
    assert len(reach.attempts) <= 32
    assert "999" in reach.announced_by


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), Outcome.REFUSED),
        (OSError(errno.EPERM, "not permitted"), Outcome.NOT_ALLOWED),
        (OSError(errno.EHOSTUNREACH, "no route"), Outcome.NO_ANSWER),
        (OSError(errno.ENETUNREACH, "no network"), Outcome.NO_WAY),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Outcome.NO_NAME),
        (NotReached(Outcome.SILENT, "nothing"), Outcome.SILENT),
    ],
)
def test_an_error_says_how_an_attempt_ended(error: OSError, expected: Outcome) -> None:
    assert outcome_of(error) is expected


@pytest.mark.parametrize("host", ["nas..lan", "n" * 64 + ".lan", "a\u202eb"])
def test_what_can_be_the_name_of_no_host_is_not_known(host: str) -> None:
    async def attempt() -> Outcome:
        try:
            await connect(host, 1)
        except OSError as error:
            return outcome_of(error)
        raise AssertionError("connected")

    assert trio.run(attempt) is Outcome.NO_NAME


def test_a_port_that_is_closed_is_told_from_one_that_does_not_answer() -> None:
    async def attempt() -> Outcome:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
            try:
                await connect("127.0.0.1", taken.getsockname()[1])
            except OSError as error:
                return outcome_of(error)
        raise AssertionError("connected")

    assert trio.run(attempt) is Outcome.REFUSED

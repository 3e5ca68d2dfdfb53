"""Limits of bandwidth: what is large keeps to them, links share them, and what is small does not wait for them."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from transport.ends import open_ends

from yp2p.config import LEAST_RATE as LEAST
from yp2p.identity import DeviceID, DocumentID, FolderID
from yp2p.protocol.messages import ChannelData, Chunks, ManifestQuery
from yp2p.transport.link import Link, LinkClosed
from yp2p.transport.pacing import BURST_S, MOST_OWED_S, Bucket, Pace, Pacing, Rates

FOLDER, BLOB = FolderID(bytes(16)), bytes(32)
DESK, PI = DeviceID(b"d" * 32), DeviceID(b"p" * 32)
_RATE = 1_000_000
_SMALL = ManifestQuery(FOLDER)


def _chunks(size: int) -> Chunks:
    return Chunks(FOLDER, ((BLOB, 0, bytes(size)),))


@given(
    rate=st.integers(LEAST, 1 << 30),
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 1 << 20)), min_size=1, max_size=50),
)
def test_no_span_of_time_has_more_than_its_rate_and_a_burst(rate: int, steps: list[tuple[float, int]]) -> None:
    bucket = Bucket()
    bucket.limit(rate)
    now, granted = 0.0, []
    for passed, size in steps:
        now += passed
        granted.append((bucket.grant(size, now), size))
    for first, (begin, _) in enumerate(granted):
        for last in range(first + 1, len(granted)):
            between = sum(size for _, size in granted[first:last])
            assert between <= (granted[last][0] - begin + BURST_S) * rate * (1 + 1e-6) + 1


def test_who_is_idle_saves_up_no_more_than_a_burst() -> None:
    bucket = Bucket()
    bucket.limit(_RATE)
    assert bucket.grant(_RATE, 1000.0) == 1000.0
    assert bucket.grant(1, 1000.0) == pytest.approx(1001.0 - BURST_S)


def test_what_is_sent_unasked_holds_up_no_question_for_long() -> None:
    pacing = Pacing()
    pacing.limit(Rates(download=LEAST))
    pace, other = pacing.pace_of(DESK), pacing.pace_of(PI)
    for _ in range(100):
        pace.received(64 << 20, 0.0)
    assert 0 < other.ask_at(1, 0.0) <= MOST_OWED_S
    pace.ask_at(100 * LEAST, 0.0)
    pace.received(1, 0.0)
    assert other.ask_at(1, 0.0) > 100, "what was granted before is not forgiven"


def test_a_changed_limit_forgets_what_was_owed() -> None:
    pacing = Pacing()
    pace = pacing.pace_of(DESK)
    pacing.limit(Rates(upload=LEAST))
    pace.frame_at(LEAST * 100, 0.0)
    pace.frame_went()
    assert pace.frame_at(1, 0.0) > 50
    pacing.limit(Rates(upload=2 * LEAST))
    assert pace.frame_at(1, 0.0) == 0.0
    pacing.limit(Rates())
    assert not pace.limits_upload


def test_links_that_share_a_limit_take_turns() -> None:
    pacing = Pacing()
    pacing.limit(Rates(upload=_RATE))
    paces = [pacing.pace_of(device) for device in (DESK, PI)]
    frame, now, went = 50_000, 0.0, [0, 0]
    while now < 2:
        times = [pace.frame_at(frame, now) for pace in paces]
        now = max(now, min(times))
        first = times.index(min(times))
        went[first] += 1
        paces[first].frame_went()
    assert abs(went[0] - went[1]) <= 1
    assert sum(went) * frame == pytest.approx(2 * _RATE, rel=0.15)


def test_a_limit_of_one_device_is_not_that_of_another() -> None:
    pacing = Pacing()
    pacing.limit(Rates(download=_RATE), DESK)
    assert pacing.pace_of(DESK).limits_download
    assert not pacing.pace_of(PI).limits_download


def test_while_files_are_held_none_are_asked_for() -> None:
    pacing = Pacing()
    pace = pacing.pace_of(DESK)
    pacing.hold_files(hold=True)
    assert pace.ask_at(1, 5.0) == math.inf
    assert not pace.limits_upload, "texts go on"
    changes = pacing.changes
    pacing.hold_files(hold=False)
    assert (pace.ask_at(1, 5.0), pacing.changes) == (5.0, changes + 1)


def _limited(rates: Rates) -> Pace:
    pacing = Pacing()
    pacing.limit(rates)
    return pacing.pace_of(DESK)


async def _send_many(link: Link, size: int) -> None:
    for _ in range(size // 100_000):
        await link.send(_chunks(100_000))


def test_what_is_large_goes_at_the_rate_and_what_is_small_at_once() -> None:
    """In virtual time, which stands still while anything can be done."""
    delays: list[float] = []

    async def type_beside(link: Link, sent: dict[int, float]) -> None:
        for number in range(20):
            sent[number] = trio.current_time()
            link.send_nowait(ChannelData(FOLDER, DocumentID(bytes(16)), bytes([number])))
            await trio.sleep(0.05)

    async def test() -> None:
        sent: dict[int, float] = {}
        async with open_ends() as (there, here), trio.open_nursery() as nursery:
            there.pace = _limited(Rates(upload=_RATE))
            began, came = trio.current_time(), 0
            nursery.start_soon(_send_many, there, 2_000_000)
            nursery.start_soon(type_beside, there, sent)
            while came < 2_000_000:
                message = await here.receive()
                if isinstance(message, Chunks):
                    came += sum(len(data) for _, _, data in message.chunks)
                elif isinstance(message, ChannelData):
                    delays.append(trio.current_time() - sent[message.payload[0]])
            assert trio.current_time() - began == pytest.approx(2.0, rel=0.2)

    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.02))
    assert len(delays) == 20
    assert max(delays) < 0.001


def test_a_limit_that_is_lifted_holds_up_nothing_any_more() -> None:
    async def test() -> None:
        async with open_ends() as (there, here), trio.open_nursery() as nursery:
            pacing = Pacing()
            pacing.limit(Rates(upload=LEAST))
            there.pace = pacing.pace_of(DESK)
            began = trio.current_time()
            nursery.start_soon(_send_many, there, 2_000_000)
            await here.receive()
            pacing.limit(Rates())
            for _ in range(19):
                await here.receive()
            assert trio.current_time() - began < 5

    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.02))


def test_a_link_ends_at_once_though_much_waits_for_its_time() -> None:
    async def test() -> None:
        async with open_ends() as (there, here):
            there.pace = _limited(Rates(upload=LEAST))
            there.send_nowait(_chunks(4_000_000))
            await trio.sleep(0.1)
            began = trio.current_time()
            there.close("it is over")
            with pytest.raises(LinkClosed, match="it is over"):
                await here.receive()  # the chunks are not whole
            assert trio.current_time() - began < 0.1

    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0.02))


async def test_what_is_large_and_was_not_asked_for_is_read_at_once_and_paid_for_afterwards() -> None:
    async with open_ends() as (there, here), trio.open_nursery() as nursery:
        here.pace = _limited(Rates(download=LEAST))
        nursery.start_soon(there.send, ChannelData(FOLDER, DocumentID(bytes(16)), bytes(640_000)))
        nursery.start_soon(there.send, _chunks(200_000))
        await here.receive()
        await here.receive()
        assert 8 < here.pace.due_at - trio.current_time() <= 10.1
        there.send_nowait(_SMALL)
        with trio.fail_after(5):
            assert await here.receive() == _SMALL

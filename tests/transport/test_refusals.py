"""What the log says of connections that are refused: little, however often strangers connect."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from yp2p.transport.refusals import _MOST_UNKNOWN, Refusals


@pytest.mark.parametrize(("every_s", "hours"), [(4.0, 3), (30.0, 24)])
async def test_an_unknown_key_is_one_line_an_hour(
    every_s: float, hours: int, autojump_clock: trio.testing.MockClock
) -> None:
    refusals = Refusals()
    with capture_logs() as said:
        end = trio.current_time() + hours * 3600 - 1
        while trio.current_time() < end:
            refusals.note_unknown(b"k" * 32, "10.0.0.7")
            await trio.sleep(every_s)
    assert len(said) == hours
    assert "10.0.0.7" in str(said[0]["reasons"])


async def test_a_new_key_for_each_connection_is_a_line_a_minute_and_a_bounded_table(
    autojump_clock: trio.testing.MockClock,
) -> None:
    refusals = Refusals()
    with capture_logs() as said:
        for number in range(3000):
            refusals.note_unknown(number.to_bytes(32, "big"), "10.0.0.7")
            await trio.sleep(0.5)
    assert len(said) <= 3000 * 0.5 / 60 + 1
    assert all(len(line["reasons"]) <= 9 for line in said)
    assert len(refusals._unknown) == _MOST_UNKNOWN


async def test_other_refusals_are_told_as_ever(autojump_clock: trio.testing.MockClock) -> None:
    refusals = Refusals()
    with capture_logs() as said:
        refusals.note_unknown(b"k" * 32, "10.0.0.7")
        await trio.sleep(61)
        refusals.note("the connection broke")
    assert [line["count"] for line in said] == [1, 1]

"""How this device looks from the other end: what is asked, what counts as an answer, and what is dialled for whom."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from conditions import until

from yp2p.peers.checks import LinkChecks, Result
from yp2p.protocol.messages import LinkCheck, LinkChecked, Reached


class _Link:
    """A link that keeps what is sent."""

    def __init__(self, port: int = 0) -> None:
        self.sent: list[Any] = []
        self.peer = SimpleNamespace(listen_port=port)
        self.remote_host = "127.0.0.1"

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)


def _checks(link: _Link) -> LinkChecks:
    return LinkChecks(cast(Any, link), lambda: True)


async def test_a_clock_that_is_off_by_a_day_is_told_and_answers_to_other_questions_are_not() -> None:
    link = _Link()
    checks = _checks(link)
    found: list[Result | None] = []

    async def ask() -> None:
        found.append(await checks.ask(connects=False))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await until(lambda: link.sent)
        (asked,) = link.sent
        checks.receive(LinkChecked(asked.number ^ 1, 0, Reached.YES, True))
        now_ms = round(time.time() * 1000)
        checks.receive(LinkChecked(asked.number, now_ms + 86_400_000, Reached.REFUSED, False))
        checks.receive(LinkChecked(asked.number, 0, Reached.YES, True))
    (answer,) = found
    assert answer is not None
    assert abs(answer.ahead_s - 86400) < 60
    assert (answer.reached, answer.has_clone) == (Reached.REFUSED, False)


@pytest.mark.parametrize("port", [0, 65536, 1 << 31])
async def test_who_names_no_port_is_not_connected_to(port: int) -> None:
    link = _Link(port)
    checks = _checks(link)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checks.run)
        checks.receive(LinkCheck(7, True))
        await until(lambda: link.sent)
        nursery.cancel_scope.cancel()
    assert (link.sent[0].number, link.sent[0].reached, link.sent[0].has_clone) == (7, Reached.NOT_TRIED, True)


async def test_a_flood_of_questions_is_one_attempt_and_few_answers() -> None:
    accepted = 0

    async def accept(stream: trio.SocketStream) -> None:
        nonlocal accepted
        accepted += 1
        await stream.aclose()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    link = _Link(listener.socket.getsockname()[1])
    checks = _checks(link)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, accept, [listener])
        nursery.start_soon(checks.run)
        for number in range(10_000):
            checks.receive(LinkCheck(number, True))
        await until(lambda: link.sent)
        checks.receive(LinkCheck(10_000, True))
        await until(lambda: len(link.sent) == 2)
        await until(lambda: accepted)
        nursery.cancel_scope.cancel()
    assert [answer.reached for answer in link.sent] == [Reached.YES, Reached.NOT_TRIED]
    assert accepted == 1


async def test_a_device_that_does_not_answer_is_waited_for_a_while_only(autojump_clock: Any) -> None:
    began = trio.current_time()
    assert await _checks(_Link()).ask(connects=True) is None
    assert trio.current_time() - began < 10

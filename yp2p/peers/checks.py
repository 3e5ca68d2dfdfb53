"""How this device looks from the other end of a link: asked when a person asks (`yp2p doctor`), told to whoever asks.

The other end says what its clock says, whether it can connect to us, and whether two machines have our key. It answers
one question at a time: it connects to no place but the host of the link and the port that the
asking device said it listens on, at most every few seconds, and says nothing there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from yp2p.protocol.messages import CheckMessage, LinkCheck, LinkChecked, Reached
from yp2p.transport.dialer import Outcome, connect, outcome_of
from yp2p.transport.link import Link

# A connection attempt takes four seconds at most.
_ANSWER_LIMIT_S = 8.0
# Who asks more often gets the answer without an attempt: each is a packet or two to the host that asks.
_TRY_EVERY_S = 5.0
_REACHED = {Outcome.REFUSED: Reached.REFUSED, Outcome.NO_WAY: Reached.NO_WAY, Outcome.NOT_ALLOWED: Reached.NO_WAY}


@dataclass(frozen=True, slots=True)
class Result:
    """What the other end said.

    Attributes:
        ahead_s: how far its clock is ahead of ours; behind, if negative. It is as exact as the link is fast.
    """

    ahead_s: float
    reached: Reached
    has_clone: bool


class LinkChecks:
    """Asks and answers over one link. `run` does the work.

    Args:
        has_clone: whether two machines have the key of the device at the other end.
    """

    def __init__(self, link: Link, has_clone: Callable[[], bool]) -> None:
        self._link = link
        self._has_clone = has_clone
        self._asked: LinkCheck | None = None
        self._work = trio.Event()
        self._tried_at = -_TRY_EVERY_S
        self._number = 0
        self._answer: LinkChecked | None = None
        self._answered = trio.Event()
        self._asking = trio.Lock()

    def receive(self, message: CheckMessage) -> None:
        """The other end asks, or answers. Of several questions the last one is answered."""
        if isinstance(message, LinkCheck):
            self._asked = message
            self._work.set()
        elif message.number == self._number and self._answer is None:
            self._answer = message
            self._answered.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            asked, self._asked = self._asked, None
            if asked is not None:
                reached = await self._try() if asked.connect else Reached.NOT_TRIED
                await self._link.send(LinkChecked(asked.number, round(time.time() * 1000), reached, self._has_clone()))

    async def _try(self) -> Reached:
        now = trio.current_time()
        if now < self._tried_at + _TRY_EVERY_S:
            return Reached.NOT_TRIED
        self._tried_at = now
        return await self.reach()

    async def reach(self) -> Reached:
        """Whether this device can connect to the other end, whoever has made the link."""
        hello = self._link.peer
        if hello is None or not 0 < hello.listen_port < 65536:
            return Reached.NOT_TRIED
        try:
            stream = await connect(self._link.remote_host, hello.listen_port)
        except OSError as error:
            return _REACHED.get(outcome_of(error), Reached.NO_ANSWER)
        await trio.aclose_forcefully(stream)
        return Reached.YES

    async def ask(self, *, connects: bool) -> Result | None:
        """How this device looks from there; None where that is not said in time. Raises LinkClosed."""
        async with self._asking:
            self._number, self._answer, self._answered = secrets.randbits(32), None, trio.Event()
            began = time.time()
            await self._link.send(LinkCheck(self._number, connects))
            with trio.move_on_after(_ANSWER_LIMIT_S):
                await self._answered.wait()
            return self._read(self._answer, began, connects=connects)

    @staticmethod
    def _read(answer: LinkChecked | None, began: float, *, connects: bool) -> Result | None:
        if answer is None:
            return None
        # It looked at its clock when it had tried: right before the answer came.
        moment = time.time() if connects else (began + time.time()) / 2
        return Result(answer.at / 1000 - moment, answer.reached, answer.has_clone)

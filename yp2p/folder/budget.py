"""What the work for one member may take of the loop, while others have work of their own.

Theory of operation
    All tasks that work for another device, over whatever link, are run by `charged`: each of their steps is measured,
    in CPU time of the loop's thread, and taken off the budget of that device. Between two messages, and between two
    slices of a long one (`turns.py`), they come to `rest`: whoever owes time waits there until it is paid. Time is
    paid as it passes, at a fifth of it, which all those share who owe any. So a member that never stops
    sending what is allowed gets a fifth of the loop, in slices; several of them share that fifth.

    That is for the sake of others, so it holds only while there are any: somebody else whose text was changed within
    the last seconds, on this device or by another member. A first sync of which nobody has to wait goes as fast as it
    can. And a member that did little for a while has saved something: a paste, or a few large files, do not wait.

Invariants
    * A budget is the device's and not the link's: whoever comes back owes what he owed.
    * What is held of what it brings is another account (`burden.py`), which it may share with others.
    * Debts are bounded: who did much while nobody waited does not pay for it afterwards.
    * A debt is paid as time passes, whether or not its device is still there: nobody else waits for it longer.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import trio

from yp2p.folder.burden import Burden
from yp2p.protocol.ysync import Checked, Shape

# What those who owe may take together.
SHARE = 0.2
# What a member can save, and what it can owe, in seconds of the loop.
SAVED_S, OWED_S = 1.0, 0.5
# How long somebody counts as at work, and how soon whoever rests looks again for that.
AT_WORK_S, _LOOK_S = 2.0, 0.25
# Less than this is no rest, and by a clock of doubles may be no time at all.
_SHORTEST_S = 0.001

_T = TypeVar("_T")

_CHARGED: ContextVar[Budget | None] = ContextVar("charged", default=None)


class _Loop:
    """Who is at work on the texts of this loop, and who owes time."""

    def __init__(self) -> None:
        self.worked_at: dict[object, float] = {}
        self.debtors: set[Budget] = set()
        self._looked_at = 0.0

    def others_work(self, member: object) -> bool:
        """Whether anybody but this member has changed a text just now."""
        since = trio.current_time() - AT_WORK_S
        for source, at in list(self.worked_at.items()):
            if at < since:
                del self.worked_at[source]
        return any(source != member for source in self.worked_at)

    def rate(self) -> float:
        """How much of the time that passes each of those gets who owe some."""
        now = trio.current_time()
        if now >= self._looked_at + _LOOK_S:
            self._looked_at = now
            share = SHARE / max(1, len(self.debtors))
            self.debtors -= {budget for budget in self.debtors if budget.has_paid(now, share)}
        return SHARE / max(1, len(self.debtors))


_LOOP: trio.lowlevel.RunVar[_Loop] = trio.lowlevel.RunVar("budgets")


def _loop() -> _Loop:
    try:
        return _LOOP.get()
    except LookupError:
        _LOOP.set(_Loop())
        return _LOOP.get()


def is_at_work(source: object) -> None:
    """A text was changed: by another device, or by whoever or whatever is on this one."""
    _loop().worked_at[source if isinstance(source, bytes) else None] = trio.current_time()


class Budget:
    """What one device may still take; see above. Times are in seconds."""

    def __init__(self, member: object) -> None:
        self._member = member
        self._left_s = 0.0
        self._at: float | None = None  # when that was so
        self._began = 0.0  # the step that is at work, by the time of the processor
        self._own_burden = self.burden = Burden()

    def share_burden(self, accountable: Budget) -> None:
        """What is held of what this device brings counts for another one from now on, or for itself again."""
        self.burden = accountable._own_burden

    @property
    def left_s(self) -> float:
        """How long its tasks may still work before they rest; less than nothing is owed."""
        now, loop = trio.current_time(), _loop()
        passed = now - self._at if self._at is not None else 0.0
        self._at = now
        self._left_s = min(SAVED_S, self._left_s + passed * loop.rate())
        if self._left_s >= 0:
            loop.debtors.discard(self)
        return self._left_s

    def has_paid(self, now: float, rate: float) -> bool:
        """Whether it owes nothing any more at this rate, also where nobody has worked for it since."""
        return self._at is None or self._left_s + (now - self._at) * rate >= 0

    def spend(self, seconds: float) -> None:
        """Its tasks have worked for so long."""
        if self._at is None or seconds > self._left_s:  # seldom: steps are many, and what was saved is enough for most
            self._left_s = max(self.left_s - seconds, -OWED_S)
            if self._left_s < 0:
                _loop().debtors.add(self)
        else:
            self._left_s -= seconds

    def begin(self) -> None:
        """A step of its tasks begins."""
        self._began = time.thread_time()

    def pay(self) -> None:
        """Take off what the step has cost since it began, or since this was called last."""
        began, self._began = self._began, time.thread_time()
        self.spend(self._began - began)

    async def rest(self) -> None:
        """In a step of its tasks: wait as long as this member owes time and somebody else is at work."""
        self.pay()
        while self._left_s < 0 and (left_s := self.left_s) < 0 and _loop().others_work(self._member):  # noqa: ASYNC110
            await trio.sleep(max(_SHORTEST_S, min(-left_s / _loop().rate(), _LOOK_S)))


async def rest() -> None:
    """In a task that works for a member: see `Budget.rest`. In all others nothing happens."""
    budget = _CHARGED.get()
    if budget is not None:
        await budget.rest()


def bring(weight: int) -> None:
    """In a task that works for a member: it has this device hold so much more (`burden.py`), or less."""
    budget = _CHARGED.get()
    if budget is not None:
        budget.burden.add(weight)


def account() -> Burden | None:
    """In a task that works for a member: on which account it is what it brings (`burden.py`)."""
    budget = _CHARGED.get()
    return budget.burden if budget is not None else None


def is_heavy() -> bool:
    """In a task that works for a member: whether it has to wait before it brings more."""
    budget = _CHARGED.get()
    return budget is not None and budget.burden.is_heavy


def is_free(updates: Iterable[Checked], shape: Shape) -> bool:
    """In a task that works for a member: whether these updates need not wait, whatever it owes (`burden.py`)."""
    budget = _CHARGED.get()
    return budget is None or budget.burden.is_free(updates, shape)


async def until_light() -> None:
    """In a task that works for a member: wait until it may bring more."""
    budget = _CHARGED.get()
    if budget is not None:
        await budget.burden.until_light()


async def charged(budget: Budget, work: Callable[..., Coroutine[Any, Any, _T]], *arguments: Any) -> _T:
    """Do a member's work, and take what it costs off its budget."""
    token = _CHARGED.set(budget)
    try:
        return await _measured(budget, work(*arguments))
    finally:
        _CHARGED.reset(token)


@types.coroutine
def _measured(budget: Budget, work: Coroutine[Any, Any, _T]) -> Generator[Any, Any, _T]:
    go_on: Callable[[], Any] = partial(work.send, None)
    while True:
        budget.begin()
        try:
            waits_for = go_on()
        except StopIteration as done:
            result: _T = done.value
            return result
        finally:
            del go_on  # an error in it holds this frame, and would wait with it for the collector
            budget.pay()
        try:
            go_on = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: ASYNC103 (what ends the wait is raised by whoever waits)
            go_on = partial(work.throw, error)

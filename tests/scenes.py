"""Tests of coroutines to which a scene is given: it is opened around them, by a function of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

Test = Callable[..., Awaitable[None]]


def as_test(test: Test, given: int, play: Callable[[Test], Any]) -> Callable[..., None]:
    """What pytest calls: `play` runs the test, and gives it its first arguments, so many; pytest gives the others."""

    @functools.wraps(test)
    def played(**others: object) -> None:
        play(functools.partial(test, **others))

    parameters = list(inspect.signature(test).parameters.values())
    played.__signature__ = inspect.Signature(parameters[given:])  # type: ignore[attr-defined]
    return played

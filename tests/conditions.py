"""Waiting for what a test waits for: a condition, and never a time that is thought to be long enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio


async def until(condition: Callable[[], Any], limit_s: float = 60.0, every_s: float = 0.005) -> None:
    """Return when `condition` holds. Times are those of the test's clock."""
    with trio.fail_after(limit_s):
        while not condition():
            await trio.sleep(every_s)

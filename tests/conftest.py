"""What all tests share.

Tests of properties say what holds, and nothing of how long it takes on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from effort import EFFORT, many
from hypothesis import HealthCheck, settings

_EXAMPLES = 100  # as Hypothesis has it

settings.register_profile(
    EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=many(_EXAMPLES)
)
settings.load_profile(EFFORT)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The time of the processor that budgets are charged with, which passes where this is called."""
    worked = [0.0]

    def work(seconds: float) -> None:
        worked[0] += seconds

    monkeypatch.setattr("yp2p.folder.budget.time", SimpleNamespace(thread_time=lambda: worked[0]))
    return work

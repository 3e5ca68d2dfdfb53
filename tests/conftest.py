"""How the tests of properties run: they say what holds, and nothing of how long it takes on a busy machine."""

from __future__ import annotations

from effort import EFFORT, many
from hypothesis import HealthCheck, settings

_EXAMPLES = 100  # as Hypothesis has it

settings.register_profile(
    EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=many(_EXAMPLES)
)
settings.load_profile(EFFORT)

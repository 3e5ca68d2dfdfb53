"""How much the tests that draw at random try: `YP2P_EFFORT` is `fast` (what a person waits for), `ci`, or `deep`."""

from __future__ import annotations

import os

_FACTORS = {"fast": 0.2, "ci": 1.0, "deep": 20.0}
EFFORT = os.environ.get("YP2P_EFFORT", "fast")


def many(count: int) -> int:
    """How many examples or seeds to try, where `count` are tried before something lands."""
    return max(1, round(count * _FACTORS[EFFORT]))

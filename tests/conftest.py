"""How the tests of properties run: they say what holds, and nothing of how long it takes on a busy machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("yp2p", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("yp2p")

"""Bytes a second as people write them, and times that are left."""

from __future__ import annotations

import re

from yp2p.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(|[kmg]i?)b?(?:/s|ps)?", re.IGNORECASE)
_NONE = ("off", "none", "unlimited")


def parse_rate(text: str) -> int:
    """Bytes a second; 0 for no limit. Raises UsageError."""
    if text.strip().lower() in _NONE:
        return 0
    found = _RATE.fullmatch(text.strip())
    rate = round(float(found[1]) * _UNITS[found[2].lower()]) if found is not None else 0
    if not rate:
        raise UsageError(f"{text!r} is no rate; write it as 2MB/s, 500KB/s or 1.5MiB/s (bytes, not bits), or off")
    return rate


def rate_text(rate: int) -> str:
    """A limit for people, in the units that they would write."""
    if not rate:
        return "no limit"
    for unit, size in (("GB/s", 10**9), ("MB/s", 10**6), ("KB/s", 10**3)):
        if rate >= size:
            return f"{rate / size:.6g} {unit}"
    return f"{rate} bytes/s"


def left_text(seconds: float | None) -> str:
    """How long something takes yet; empty where nobody knows."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"

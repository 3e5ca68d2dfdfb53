"""Versions and moments as people write them: `12`, `18:00`, `yesterday 18:00`, `2026-11-21 18:00`, `2h ago`."""

from __future__ import annotations

import os
import re
import shlex
from datetime import datetime, timedelta
from typing import Any

from yp2p.errors import UsageError

_EXAMPLES = "18:00, 'yesterday 18:00', '2026-11-21 18:00' or '2h ago'"
_AGO = re.compile(r"(\d+)\s*(s|sec\w*|m|min\w*|h|hour\w*|d|day\w*|w|week\w*)(\s+ago)?")
_LONG = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)(?![a-z])")
_DIGITS = 15
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DAYS = {"today": 0, "yesterday": 1}
_CLOCK = ("%H:%M", "%H:%M:%S")
_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def moment(text: str, now: datetime) -> float:
    """A moment in seconds since 1970; of a day alone its end, of a second all of it.

    Args:
        now: what the clock on the wall says here, without a time zone: so does what people write, summer or winter.

    Raises:
        UsageError: it is none, or is still to come.
    """
    try:
        found = _moment(" ".join(text.split()).lower(), now)
    except (OverflowError, ValueError):
        found = None
    if found is None:
        raise UsageError(f"{text[:80]!r} is not a time; write {_EXAMPLES}")
    if found > now:
        raise UsageError(f"{text!r} is {found:%Y-%m-%d %H:%M}, which is in the future")
    return min(found.replace(microsecond=999_999), now).timestamp()


def _moment(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return now
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2][0]])
    day, _, clock = text.partition(" ")
    if day in _DAYS:
        date = now - timedelta(days=_DAYS[day])
        end = min(date.replace(hour=23, minute=59, second=59, microsecond=999999), now)
        return _at(clock, date) if clock else end
    return _at(text, now) or _date(text.upper(), now)


def _at(clock: str, date: datetime) -> datetime | None:
    for form in _CLOCK:
        try:
            time = datetime.strptime(clock, form).time()  # local time, as people mean it
        except ValueError:
            continue
        return datetime.combine(date.date(), time)
    return None


def _date(text: str, now: datetime) -> datetime | None:
    for form in _DATES:
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        if form == _DATES[0]:
            end = found.replace(hour=23, minute=59, second=59, microsecond=999999)
            return end if found.date() != now.date() else min(end, now)
        return found
    return None


def duration_s(text: str) -> float:
    """How long, in seconds: `90m`, `1h`, `2 days`. Raises UsageError."""
    parts = _LONG.findall(text.lower())
    if not parts or _LONG.sub("", text.lower()).strip():
        raise UsageError(f"{text[:80]!r} is not how long; write 30m, 1h, 2d or the like")
    return sum(float(number) * _UNITS[unit[0]] for number, unit in parts)


def when(text: str) -> dict[str, Any]:
    """Which version is meant, as the local API takes it. Raises UsageError."""
    if text.isdecimal() and len(text) <= _DIGITS:
        return {"version": int(text)}
    return {"at": moment(text, datetime.now())}


def file_and_when(text: str) -> tuple[str, dict[str, Any]]:
    """`FILE` or `FILE@WHEN`; a file that is really called so is that file. Raises UsageError."""
    name, at, rest = text.rpartition("@")
    if not at or not name or os.path.lexists(text):
        return os.path.abspath(text), {}
    if not rest.strip():
        raise UsageError(f"{text!r} names no version behind the '@'; `yp2p log {shlex.quote(name)}` lists them")
    return os.path.abspath(name), when(rest)


def shown(at: float) -> str:
    """A time for people, in this machine's time zone."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")

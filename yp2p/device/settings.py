"""Settings that change while the daemon runs: they are read again on SIGHUP, which `systemctl reload` sends, and for
`yp2p reload`.

Theory of operation
    Each setting is carried out by one part of the device, or counts only from a start (`FROM_A_START`); a test has the
    two together name every setting. The new settings are decoded and checked as a whole first: whatever is wrong with
    any of them, the device goes on with those that it has, and says so. Then each part is given those that are its own
    and have changed. No await is on the way, so nobody works with half of them.

    What stays to be said is kept: `problems` has the settings that differ from those of the start and count only from
    the next one, and why the last attempt was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
import trio

from yp2p.config import TABLES, Config, describe, sections
from yp2p.errors import YpError

# The listener, the key and mDNS are opened once; a text that is open would become a blob, or the reverse, in the middle
# of an edit; loggers are made with their format; a round of scrubbing goes on for days.
FROM_A_START = frozenset(
    {
        "[device] key_file", "[listen] address", "[listen] port", "[discovery] mdns", "[discovery] interfaces",
        "[files] max_text_bytes", "[log] format", "[metrics] listen", "[scrub] percent", "[scrub] interval_days",
    }
)  # fmt: skip

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """Who carries out some settings.

    Attributes:
        settings: such as `[limits] upload`, or `[[folders]]`.
        use: has them count from now on.
        check: raises YpError: it could not.
    """

    settings: frozenset[str]
    use: Callable[[Config], None]
    check: Callable[[Config], object] = lambda config: None


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of it: which settings count from now on, and which only from the next start."""

    applied: tuple[str, ...]
    from_a_start: tuple[str, ...]

    def sentence(self) -> str:
        """What a person has still to do; empty where that is nothing."""
        return f"restart needed for {', '.join(self.from_a_start)}" if self.from_a_start else ""


def every_setting() -> list[str]:
    """The names of all settings."""
    named = [f"[{section}] {key}" for section, kind in sections().items() for key in kind.__struct_fields__]
    return [*named, *(f"[[{table}]]" for table in TABLES)]


def differing(before: Config, after: Config) -> list[str]:
    """The settings that are not the same in both."""
    return [name for name in every_setting() if _value(before, name) != _value(after, name)]


def _value(config: Config, name: str) -> object:
    section, _, key = name.strip("[").partition("]")
    value = getattr(config, section)
    return value if section in TABLES else getattr(value, key.strip())


def _about(name: str) -> str:
    """What a setting may be; nothing of a table."""
    section, _, key = name.strip("[").partition("]")
    return "" if section in TABLES else describe(sections()[section], key.strip())


def _public(value: Any) -> Any:
    """A value as JSON, without what lets somebody in."""
    match value:
        case msgspec.Struct():
            return {name: _public(getattr(value, name)) for name in value.__struct_fields__} | _hidden(value)
        case dict():
            return {str(key): _public(item) for key, item in value.items()}
        case list() | tuple():
            return [_public(item) for item in value]
        case str():
            return str(value)  # from the environment it may be a kind of text
    return value


def _hidden(value: object) -> dict[str, str]:
    return {"invite": "(not shown)"} if getattr(value, "invite", "") else {}


class Supervisor(Protocol):
    """Who is told that settings are read again."""

    def reloading(self) -> None: ...

    def reloaded(self, remark: str) -> None: ...


class Settings:
    """The settings of one device, from its start on.

    Attributes:
        load: reads them; blocks. Raises YpError.
        supervisor: is told of each time; None: nobody is.
        place: the path of their file, which there may be none at.
    """

    def __init__(self, config: Config, parts: Iterable[Part]) -> None:
        self._at_start = config
        self._in_use = config
        self._waiting: list[str] = []  # those that changed, and count from the next start on
        self._parts = list(parts)
        self._refused = ""
        self._one_at_a_time = trio.Lock()
        self.load: Callable[[], Config] = lambda: config
        self.supervisor: Supervisor | None = None
        self.place = ""

    def add(self, part: Part) -> None:
        """This carries out some settings as well."""
        self._parts.append(part)

    @property
    def carried_out(self) -> frozenset[str]:
        """Those that count without a start."""
        return frozenset().union(*(part.settings for part in self._parts))

    @property
    def problems(self) -> dict[str, str]:
        """What a person should know, by setting."""
        found = dict.fromkeys(self._waiting, "was changed, and counts from the next start of the daemon")
        return found | ({"file": f"not read again: {self._refused}"} if self._refused else {})

    def shown(self) -> dict[str, Any]:
        """Where they are, and each of them with what it is and what it could be."""
        default, waiting = Config(), set(self._waiting)
        found = [
            {
                "name": name,
                "value": _public(_value(self._in_use, name)),
                "default": _public(_value(default, name)),
                "about": _about(name),
                "from_a_start": name in FROM_A_START,
                "waits": name in waiting,
            }
            for name in every_setting()
        ]
        return {"path": self.place, "settings": found}

    async def reload(self) -> Reloaded:
        """Read the settings again, and have those count that can.

        Raises:
            YpError: they cannot be used; nothing has changed.
        """
        async with self._one_at_a_time:
            if self.supervisor is not None:
                self.supervisor.reloading()
            remark = ""
            try:
                found = self._use(await trio.to_thread.run_sync(self.load))
                remark = found.sentence()
            except YpError as error:
                self._refused = str(error)
                remark = f"settings not read again: {error}"
                log.warning("settings_refused", reason=str(error), advice="correct that, and reload")
                raise
            finally:
                if self.supervisor is not None:
                    self.supervisor.reloaded(remark)
            return found

    def _use(self, new: Config) -> Reloaded:
        for part in self._parts:
            part.check(new)
        # no await: whoever works has all of the old settings, or all of the new ones
        self._refused = ""
        changed, self._in_use = differing(self._in_use, new), new
        self._waiting = [name for name in differing(self._at_start, new) if name in FROM_A_START]
        for part in self._parts:
            if not part.settings.isdisjoint(changed):
                part.use(new)
        applied = tuple(name for name in changed if name not in FROM_A_START)
        found = Reloaded(applied, tuple(self._waiting))
        log.info("settings_reloaded", applied=list(found.applied))
        if found.from_a_start:
            log.warning("settings_wait_for_a_start", settings=list(found.from_a_start), advice="restart the daemon")
        return found


def of_section(section: str, *keys: str) -> frozenset[str]:
    """These settings of a section, or all of them."""
    kind: type[msgspec.Struct] = sections()[section]
    return frozenset(f"[{section}] {key}" for key in keys or kind.__struct_fields__)

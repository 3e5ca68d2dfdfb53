"""What the scenes of themes have in common (`themes.py`): who plays, how they are parted, and what is expected.

Times are virtual, and how long somebody waits is part of a scene: what happens is to happen before or after the daemon
has seen what was done before. What has to come to an end is waited for (`rest`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from simulation.disk import peek
from simulation.people import People, tokens_in

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.host import Host
    from simulation.world import World

_REST_S = 90.0
_SEEN_S = 1.0  # so long it takes at most until the daemon has taken what was read
_PARTED_S = 1.0  # for so long what was on its way when a device was cut off may still come
_SETTLED_S = 7.0  # so long it takes at most until what was saved and deleted has been looked at


class Stage:
    """A calm world in which two devices see each other; `one` and `other` work there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.one, self.other = world.people["h0"], world.people["h1"]
        self._files = 0

    def expect(self, holds: bool, otherwise: str) -> None:
        """Else the seed fails at its end."""
        if not holds:
            self.world.wrong.append(f"{self.world.theme}: {otherwise}")
            self.world.note(f"wrong: {otherwise}")

    async def rest(self) -> None:
        """Everything has come everywhere."""
        if not await self.world.rest.wait(_REST_S):
            self.expect(False, f"not in sync after {_REST_S:.0f} s: {self.world.rest.why_not()}")

    async def file(self, *, lines: int = 6, end: str = "", directory: str = "") -> str:
        """A new text that all have, and its path."""
        path = f"{directory}scene{self._files}.txt"
        self._files += 1
        text = "".join(self.one._line() for _ in range(lines)) + end
        self.one._write(path, text.encode(), in_place=True)
        self.world.note(f"{self.one.host.name} makes {path}: {text!r}")
        await self.rest()
        return path

    async def blob(self) -> str:
        """A new blob that all have, and its path."""
        path = f"scene{self._files}.bin"
        self._files += 1
        self.put_blob(self.one, path)
        await self.rest()
        return path

    def put_blob(self, people: People, path: str) -> str:
        """Somebody puts a blob there; gives the token in it."""
        before = people.host.disk.contents().get(path, b"")
        self.world.oracle.deleted(tokens_in(before))
        data = people._new_blob()
        people._write(path, data, in_place=False)
        self.world.note(f"{people.host.name} makes the blob {path}: {data[:20]!r} of {before[:20]!r}")
        (token,) = tokens_in(data)
        return token

    def add(self, people: People, path: str, *, at: int | None = None, in_place: bool = True) -> str:
        """Somebody reads a file and adds a line; gives the token in it."""
        lines = people._read(path).splitlines(keepends=True)
        return self.save(people, path, "".join(lines), at=at, in_place=in_place)

    def save(self, people: People, path: str, text: str, *, at: int | None = None, in_place: bool = True) -> str:
        """Somebody saves what they have, with another line; gives the token in that."""
        lines, line = text.splitlines(keepends=True), people._line()
        lines.insert(len(lines) if at is None else at, line)
        people._write(path, "".join(lines).encode(), in_place=in_place)
        self.world.note(f"{people.host.name} saves {path} with {line!r}")
        (token,) = tokens_in(line.encode())
        return token

    def take_out(self, people: People, path: str, token: str) -> None:
        """Somebody reads a file and takes the line with a token out."""
        lines = people._read(path).splitlines(keepends=True)
        gone = "".join(line for line in lines if token in line)
        self.world.oracle.taken_out(people.host, tokens_in(gone.encode()), path)
        people._write(path, "".join(line for line in lines if token not in line).encode(), in_place=True)
        self.world.note(f"{people.host.name} takes {gone!r} out of {path}")

    async def opened(self, people: People, path: str) -> str:
        """Somebody opens a file, which the daemon sees; gives what they have then."""
        await trio.sleep(_SEEN_S)
        text = people._read(path)
        await trio.sleep(_SEEN_S)
        return text

    def has(self, people: People, path: str, token: str) -> bool:
        target = people.host.disk.path / path
        return target.is_file() and token in tokens_in(peek(target))

    def homes(self, token: str) -> list[list[str]]:
        """The files in which the token is, by host."""
        return [
            [path for path, data in host.disk.contents().items() if token in tokens_in(data)]
            for host in self.world.hosts
        ]

    def expect_only_in(self, path: str, token: str) -> None:
        homes = self.homes(token)
        self.expect(homes == [[path]] * len(homes), f"{token} is in {homes}, not in {path}")

    def expect_once(self, path: str, token: str) -> None:
        data = self.one.host.disk.contents().get(path, b"")
        self.expect(data.count(token.encode()) == 1, f"{token} is {data.count(token.encode())} times in {path}")

    def cut_off(self, host: Host, duration_s: float) -> None:
        """Nobody hears of this device for a while."""
        self.world.note(f"{host.name} is cut off for {duration_s} s")
        for other in self.world.hosts:
            if other is not host:
                self.world.network.block(host.name, other.name, duration_s, both_ways=True, nursery=self.world.nursery)

    @asynccontextmanager
    async def apart(self, *, settle_s: float = _SETTLED_S) -> AsyncIterator[None]:
        """What is done in here is done while `one` hears of nobody; then all come together."""
        self.cut_off(self.one.host, 30.0)
        await trio.sleep(_PARTED_S)
        yield
        await trio.sleep(settle_s)
        self.heal()
        await self.rest()

    def heal(self) -> None:
        self.world.network.heal()

    async def restart(self, hosts: Iterable[Host], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Stop daemons in order, and start them again."""
        hosts = list(hosts)
        for host in hosts:
            await host.stop()
        meanwhile()
        for host in hosts:
            await host.start()

    async def cut_power(self, host: Host, meanwhile: Callable[[], None] = lambda: None) -> None:
        """A device that recorded what was forced to its disk loses its power, and comes up again."""
        self.world.note(f"{host.name} loses its power")
        await host.cut_power()
        self.world.people[host.name].editors.clear()
        meanwhile()
        await host.start()
        with trio.move_on_after(30):
            for disk in host.device.home.disks.values() if host.device is not None else ():
                await disk.scanned.wait()
        host.disk.is_recording = False

    def temporary(self, host: Host) -> list[Path]:
        """What the daemon keeps of files that it has replaced."""
        return sorted(path for path in (host.disk.path / ".yp2p" / "tmp").iterdir() if path.is_file())

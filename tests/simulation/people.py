"""What people and programs do to the files, and the oracle that knows what must come of it.

Every inserted line holds a token, a word that is never used again. The oracle knows of each whether it must be there
once, must be gone, or may be either: what was taken out with a whole file (an edit elsewhere may revive it), and what a
power cut may have undone before anybody could know of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import trio
from simulation.disk import REAL, peek
from simulation.hooks import current_host

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.host import Host
    from simulation.names import Swapped
    from simulation.world import World

_TOKEN = re.compile(rb"w\d{5}x")
_FUSED = re.compile(rb"(?:w\d{5}x){2}")
_NAMES = ("a.txt", "b.txt", "notes/c.md", "notes/d.md", "deep/er/e.txt")
# What is no text has names of its own, and is replaced as a whole.
_BLOB_NAMES = ("p.bin", "notes/q.bin")
_BLOB = b"\xff\xfe"
_LONG_BYTES = 600_000  # several chunks


class State(Enum):
    """What must become of a token."""

    THERE = "there"
    GONE = "gone"
    EITHER = "either"
    NEVER = "never"  # it was written to what is no file of the folder


def tokens_in(data: bytes) -> set[str]:
    return {match.decode() for match in _TOKEN.findall(data)}


class Oracle:
    """What was written and what must come of it."""

    def __init__(self) -> None:
        self.tokens: dict[str, State] = {}
        self.copied: set[str] = set()  # on a disk that was cloned before its daemon had seen them all
        self.shared: set[str] = set()  # in the same change on several hosts
        self.told: set[str] = set()  # stands at a place that was changed apart, as those who changed it are told
        self.kept_apart: set[str] = set()  # in a version of such a place, which `yp2p conflicts` shows
        self.apart: set[str] = set()  # in files that two hosts may have without a common history
        self.in_blobs: set[str] = set()
        self.had_power_cut = False
        self.swapped: list[Swapped] = []
        self.saved_twice: set[str] = set()  # saved by somebody who saw it several times: then it is meant
        self.outside: dict[str, set[str]] = {}  # what was written to other names of files, by host
        self._written_on: dict[str, set[str]] = {}  # by host
        self._recent: dict[str, set[str]] = {}  # what was taken out on a host since it was last synchronised

    def fresh(self, host: Host | None = None) -> str:
        """A new token, which is written on a host; where that only reads it comes to nobody."""
        token = f"w{len(self.tokens):05}x"
        self.tokens[token] = State.THERE
        if host is not None:
            self._written_on.setdefault(host.name, set()).add(token)
            if host.name in host.world.readers:
                self.tokens[token] = State.NEVER if host.knows_that_it_reads else State.EITHER
        return token

    def written_on(self, host: Host) -> set[str]:
        return self._written_on.get(host.name, set())

    def may_be_back(self, host: Host) -> None:
        """What was taken out on a host need not be taken out for others."""
        for token in self._recent.pop(host.name, set()):
            self.tokens[token] = State.EITHER

    def taken_out(self, host: Host, tokens: set[str], path: str) -> None:
        """Somebody removed lines.

        While no daemon watches, that can look like an old backup or like a save of somebody who had not read the last
        version; text that may have been meant to stay then stays.
        """
        is_seen = host.is_watching and not host.leaves_out(path) and host.name not in host.world.readers
        for token in tokens:
            if self.tokens[token] is State.THERE:
                self.tokens[token] = State.GONE if is_seen else State.EITHER
        self._recent.setdefault(host.name, set()).update(tokens)

    def deleted(self, tokens: set[str]) -> None:
        """Somebody removed the file they are in."""
        for token in tokens:
            if self.tokens[token] is State.THERE:
                self.tokens[token] = State.EITHER

    def brought_back(self, tokens: set[str]) -> None:
        """What was removed with its file is put back as it was, or is meant to stay."""
        for token in tokens:
            if self.tokens[token] is State.EITHER:
                self.tokens[token] = State.THERE

    def power_was_cut(self, host: Host, before: dict[str, bytes]) -> None:
        """What only this disk held and no longer holds may be gone; what was only removed there may be back."""
        self.had_power_cut = True
        after = b"\n".join(host.disk.contents().values())
        self.may_be_lost(host, tokens_in(b"\n".join(before.values())) - tokens_in(after))
        for token in self._recent.pop(host.name, set()) | self.outside.get(host.name, set()):
            self.tokens[token] = State.EITHER

    def files_were_put_back(self, host: Host, before: dict[str, bytes]) -> None:
        """Somebody put old versions of files in place while no daemon ran: an edit, that takes out and brings back."""
        old, new = (tokens_in(b"\n".join(files.values())) for files in (before, host.disk.contents()))
        for token in old ^ new:
            self.tokens[token] = State.EITHER  # what was changed elsewhere meanwhile is merged with it

    def store_went_back(self) -> None:
        """A device forgot what it knew: what its files hold, or held a moment ago, looks new to it."""
        for token, state in self.tokens.items():
            if state is State.GONE:
                self.tokens[token] = State.EITHER

    def may_be_lost(self, host: Host, tokens: set[str]) -> None:
        if not tokens:
            return
        stored = tokens_in(b"\n".join(other.stored_bytes() for other in host.world.hosts if other.store.exists()))
        elsewhere = [other for other in host.world.hosts if other is not host]
        on_disks = tokens_in(b"\n".join(data for other in elsewhere for data in other.disk.contents().values()))
        for token in tokens - (stored - self.in_blobs) - (on_disks & self.in_blobs):
            self.tokens[token] = State.EITHER

    def check(self, files: dict[str, bytes]) -> list[str]:
        """What is wrong with the tree that all devices ended with."""
        wrong = [f"{found.decode()} grew together" for data in files.values() for found in _FUSED.findall(data)]
        for token, state in self.tokens.items():
            homes = [path for path, data in files.items() if token.encode() in data]
            for path in homes:
                if token in self.copied:
                    continue
                if (times := files[path].count(token.encode())) > 1 and not self._was_touched(token, files[path]):
                    wrong.append(f"{token} is {times} times in {path}")
            if token in self.in_blobs and len(homes) > 1 and token not in self.apart | self.copied:
                wrong.append(f"the blob with {token} is {len(homes)} files: {homes}")
            plain = [path for path in homes if ".conflict-" not in path]
            if len(plain) > 1 and token not in self.apart:
                wrong.append(f"{token} is in {plain}")
            if state is State.NEVER and homes:
                wrong.append(f"{token} came in from outside")
            if state is State.THERE and not homes and token not in self.kept_apart:
                wrong.append(f"{token} is lost")
            if state is State.GONE and plain and not self._may_be_back(token, files):
                wrong.append(f"{token} is back")
        return wrong + [problem for swap in self.swapped if (problem := swap.wrong(files))]

    def _was_touched(self, token: str, data: bytes) -> bool:
        """Whether the line of a token was rewritten by several who had not met: then it stays as several lines."""
        lines = [line for line in data.splitlines() if token.encode() in line]
        rewritten = sum(len(tokens_in(line)) > 1 for line in lines)
        is_once_a_line = len(lines) == data.count(token.encode())
        if token in self.saved_twice and token in self.shared:
            return True
        return (token in self.shared and rewritten > 0) or (is_once_a_line and rewritten >= len(lines) - 1)

    def _may_be_back(self, token: str, files: dict[str, bytes]) -> bool:
        """Whether somebody changed the line that was removed, or something beside it and both are told of that, or its
        file met another one without a common history."""
        if token in self.apart or token in self.shared or token in self.told:
            return True
        home = next(path for path, data in files.items() if token.encode() in data)
        line = next(line for line in files[home].splitlines() if token.encode() in line)
        own = tokens_in(files[home])
        return len(tokens_in(line)) > 1 or any(own & tokens_in(data) for path, data in files.items() if path != home)


@dataclass(slots=True)
class _Editor:
    """Somebody has a file open, and may save it long after it changed on the disk."""

    path: str
    buffer: str
    in_place: bool


@dataclass(slots=True)
class People:
    """Everybody who works on one host's files."""

    world: World
    host: Host
    editors: dict[str, _Editor] = field(default_factory=dict)
    overwritten: dict[str, set[str]] = field(default_factory=dict)  # what a stale editor saved over, unseen, by path
    removed: dict[str, set[str]] = field(default_factory=dict)  # what was removed while it was left out, by path
    copies: dict[str, bytes] = field(default_factory=dict)  # of versions that may be put back, by path

    def is_locked(self, path: str) -> bool:
        """Whether nobody here can read the file."""
        return bool(self.host.locked) and path.startswith(f"{self.host.locked}/")

    def cannot_have(self, path: str) -> bool:
        """Whether no file can be put at a path here."""
        return self.is_locked(path) or not self.host.disk.takes(path)

    def texts(self) -> list[str]:
        return self._files()

    def _files(self) -> list[str]:
        found = self.host.disk.contents().items()
        return sorted(path for path, data in found if not data.startswith(_BLOB) and "yp2pignore" not in path)

    def blobs(self) -> list[str]:
        return sorted(path for path, data in self.host.disk.contents().items() if data.startswith(_BLOB))

    def _some_file(self) -> str | None:
        files = [path for path in self._files() if path not in self.editors]
        return self.world.rng.choice(files) if files else None

    def _line(self) -> str:
        return f"{self.world.oracle.fresh(self.host)} {self.world.rng.choice(('alpha', 'beta gamma', 'δέλτα', '😀'))}\n"

    def made_apart(self, data: bytes) -> None:
        """A file that no daemon knows yet may come to stand beside another one with the same lines."""
        if not self.host.has_watched:
            self.world.oracle.apart |= tokens_in(data)

    # --- what changes the disk ----------------------------------------------------------------------------------

    def _write(self, path: str, data: bytes, *, in_place: bool) -> None:
        """Save a file as an editor does, forced to the disk as careful ones do."""
        host = self.host
        self.made_apart(data)
        self.world.oracle.saved_twice |= {token for token in tokens_in(data) if data.count(token.encode()) > 1}
        self.world.oracle.deleted(self.removed.pop(path, set()))
        target = host.disk.path / path
        if target.exists():
            self.overwritten.setdefault(path, set()).update(tokens_in(peek(target)) - tokens_in(data))
        self.make_parents(target)
        name = target if in_place else target.with_name(f".{target.name}.swp")
        with name.open("w+b") as file:
            file.write(data)
            file.flush()
            host.stamp(file.fileno())
            host.disk.changed()
            if self.world.rng.random() < 0.5:
                host.disk.forced(file.fileno())
        if not in_place:
            REAL.rename(name, target)
            host.disk.changed()

    def make_parents(self, target: Path) -> None:
        missing = [parent for parent in target.parents if not parent.exists()]
        for parent in reversed(missing):
            REAL.mkdir(parent)

    def _rename_to(self, path: str, target: str) -> None:
        # Renamed and saved at once, it is another file to the daemon; an edit elsewhere then keeps the old one.
        self.world.oracle.apart |= tokens_in(peek(self.host.disk.path / path))
        self.make_parents(self.host.disk.path / target)
        self.world.oracle.deleted(self.removed.pop(target, set()))
        REAL.rename(self.host.disk.path / path, self.host.disk.path / target)
        self.host.disk.changed()
        self.world.moved |= {path, target}
        self.world.note(f"{self.host.name} renames {path} to {target}")

    def _unlink(self, path: str) -> None:
        tokens = tokens_in(peek(self.host.disk.path / path)) | self.overwritten.pop(path, set())
        REAL.unlink(self.host.disk.path / path)
        self.host.disk.changed()
        self.world.oracle.deleted(tokens)
        self.world.moved.add(path)
        self.world.note(f"{self.host.name} deletes {path} with {sorted(tokens)}")

    def _read(self, path: str) -> str:
        """Only where somebody has to: reading is what tells the daemon that a version was seen."""
        return (self.host.disk.path / path).read_bytes().decode()

    def _insert(self, text: str, line: str) -> str:
        rng = self.world.rng
        lines = text.splitlines(keepends=True)
        at = rng.randrange(len(lines) + 1)
        if lines and rng.random() < 0.25:
            at = min(at, len(lines) - 1)
            lines[at] = f"{lines[at].rstrip()} {line}"
        else:
            lines.insert(at, line)
        return "".join(lines)

    # --- what people do -----------------------------------------------------------------------------------------

    def create(self) -> None:
        free = [name for name in _NAMES if name not in self._files() and name not in self.editors]
        free = [name for name in free if not self.cannot_have(name)]
        if free:
            path = self.world.rng.choice(free)
            text = "".join(self._line() for _ in range(self.world.rng.randint(1, 4)))
            self._write(path, text.encode(), in_place=True)
            self.world.note(f"{self.host.name} creates {path}: {text!r}")

    def edit(self, path: str | None = None) -> None:
        path = path or self._some_file()
        if path is not None:
            text = self._insert(self._read(path), self._line())
            self._write(path, text.encode(), in_place=self.world.rng.random() < 0.5)
            self.world.note(f"{self.host.name} edits {path}: {text!r}")

    def append(self) -> None:
        path = self._some_file()
        if path is not None:
            line = self._line()
            with (self.host.disk.path / path).open("ab") as file:
                file.write(line.encode())
                file.flush()
                self.host.stamp(file.fileno())
            self.host.disk.changed()
            self.made_apart(peek(self.host.disk.path / path))
            self.world.note(f"{self.host.name} appends {line!r} to {path}")

    def take_out(self) -> None:
        path = self._some_file()
        if path is None:
            return
        lines = self._read(path).splitlines(keepends=True)
        if len(lines) > 1:
            line = lines.pop(self.world.rng.randrange(len(lines)))
            self.world.oracle.taken_out(self.host, tokens_in(line.encode()), path)
            self._write(path, "".join(lines).encode(), in_place=self.world.rng.random() < 0.5)
            self.world.note(f"{self.host.name} takes {line!r} out of {path}")

    def rename(self) -> None:
        path, target = self._some_file(), self.world.rng.choice(_NAMES)
        if path is None or self.cannot_have(target):
            return
        if target not in self._files() and target not in self.editors:
            self._rename_to(path, target)

    def delete(self) -> None:
        path = self._some_file()
        if path is not None:
            self._unlink(path)

    def _new_blob(self, *, long: bool = False) -> bytes:
        rng = self.world.rng
        token = self.world.oracle.fresh(self.host)
        self.world.oracle.in_blobs.add(token)
        size = rng.choice((1, 50, _LONG_BYTES)) if rng.random() < 0.2 else 3
        filling = bytes([rng.choice(b"qrstuvyz")])  # else all long ones had chunks in common
        return _BLOB + token.encode() + filling * (_LONG_BYTES if long else size)

    def replace_blob(self, *, long: bool = False) -> None:
        """Make a blob, or put another one in its place."""
        rng = self.world.rng
        path = rng.choice(self.blobs() or list(_BLOB_NAMES))
        if rng.random() < 0.3:
            path = rng.choice(_BLOB_NAMES)
        if self.cannot_have(path):
            return
        old = self.host.disk.contents().get(path, b"")
        data = self._new_blob(long=long)
        self.world.oracle.deleted(tokens_in(old))
        self._write(path, data, in_place=rng.random() < 0.5)
        self.world.note(f"{self.host.name} makes the blob {path}: {data[:20]!r} of {old[:20]!r}")

    def rename_blob(self) -> None:
        blobs, target = self.blobs(), self.world.rng.choice(_BLOB_NAMES)
        if blobs and target not in blobs and not self.cannot_have(target):
            path = self.world.rng.choice(blobs)
            self._rename_to(path, target)

    def delete_blob(self) -> None:
        blobs = self.blobs()
        if blobs:
            path = self.world.rng.choice(blobs)
            self._unlink(path)

    def open_editor(self) -> None:
        path = self._some_file()
        if path is not None:
            self.editors[path] = _Editor(path, self._read(path), self.world.rng.random() < 0.5)
            self.world.note(f"{self.host.name} opens {path} in an editor")

    def save(self) -> None:
        """Somebody saves what they have, whatever the file holds by now."""
        if not self.editors:
            self.open_editor()
            return
        editor = self.editors[self.world.rng.choice(sorted(self.editors))]
        if not (self.host.disk.path / editor.path).is_file():
            del self.editors[editor.path]  # deleted or renamed by others; the editor would ask
            return
        editor.buffer = self._insert(editor.buffer, self._line())
        self._write(editor.path, editor.buffer.encode(), in_place=editor.in_place)
        self.world.note(f"{self.host.name} saves {editor.path} from an editor: {editor.buffer!r}")
        if self.world.rng.random() < 0.4:
            del self.editors[editor.path]

    async def save_slowly(self) -> None:
        """A program has the file open for writing for a while."""
        path = self._some_file()
        if path is None:
            return
        data = self._insert(self._read(path), self._line()).encode()
        half = self.world.rng.randrange(len(data) + 1)
        target = self.host.disk.path / path
        with target.open("r+b") as file:  # noqa: ASYNC230
            file.truncate(0)
            for part in (data[:half], data[half:]):
                file.write(part)
                file.flush()
                self.host.stamp(file.fileno())
                self.host.disk.changed()
                await trio.sleep(self.world.rng.choice((0.0, 0.01, 0.3)))
        self.made_apart(data)
        self.world.note(f"{self.host.name} writes {path} slowly: {data!r}")


def same_change(world: World, several: list[People]) -> None:
    """A pull, a formatter: the same change on each of several hosts whose file is the same."""
    first = several[0]
    path = first._some_file()
    if path is None:
        return
    data = first.host.disk.contents()[path]
    equal = [p for p in several if path not in p.editors and p.host.disk.contents().get(path) == data]
    text = first._insert(data.decode(), first._line()).encode()
    world.oracle.shared |= tokens_in(text) - tokens_in(data)
    for people in equal:
        people._read(path)
        people._write(path, text, in_place=True)
    world.note(f"{[p.host.name for p in equal]} make the same change in {path}: {text!r}")


def same_blob(world: World, several: list[People]) -> None:
    """The same new content for a blob on each of several hosts where it is the same: one copy, however many made it."""
    path = world.rng.choice(_BLOB_NAMES)
    old = several[0].host.disk.contents().get(path)
    equal = [p for p in several if p.host.disk.contents().get(path) == old and not p.cannot_have(path)]
    if not equal:
        return
    data = equal[0]._new_blob()
    world.oracle.deleted(tokens_in(old or b""))
    for people in equal:
        people._write(path, data, in_place=False)
    if old is None:
        world.oracle.apart |= tokens_in(data)  # one of them may move it before any daemon has seen it
    world.note(f"{[p.host.name for p in equal]} make the same blob {path}: {data[:20]!r} of {(old or b'')[:20]!r}")


def same_file(world: World, several: list[People]) -> None:
    """The same new file on each of several hosts."""
    path = world.rng.choice(_NAMES)
    if any(path in p.host.disk.contents() or path in p.editors or p.cannot_have(path) for p in several):
        return
    data = "".join(several[0]._line() for _ in range(3)).encode()
    for people in several:
        people._write(path, data, in_place=True)
    world.oracle.apart |= tokens_in(data)  # one of them may move it before any daemon has seen it
    world.note(f"{[p.host.name for p in several]} bring the same {path}: {data!r}")


__all__ = ["Oracle", "People", "State", "current_host", "same_blob", "same_change", "same_file", "tokens_in"]

"""People who do all they can to a folder on several devices at once, and what has to be left in the end.

Everything they write has a token in it, which is one word: what two people write into one line is merged by words.
Whoever takes a token out of a file has read the file just before, so it was done knowingly. All other tokens must be in
some file in the end, or in some trash.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import Device

_TOKEN = re.compile(rb"t[0-9]+x[0-9a-f]{8}")
_NAMES = ("notes", "todo list", "größe", "a.txt", "b.py", "-rf", "😀", "photo.jpg", "data", "x" * 200)
_MODES = (0o644, 0o755, 0o600, 0o700)
# Fewer than the guard of deletions asks about.
_MAX_DELETED = 40


class Storm:
    """Random operations on the directories of some devices.

    Args:
        say: takes a line for each operation.
    """

    def __init__(self, hosts: list[Device], rng: random.Random, say: Callable[[str], None]) -> None:
        self._hosts = hosts
        self._rng = rng
        self.say = say
        self._number = 0
        self._deleted = 0
        self.expected: set[bytes] = set()
        self._operations = [
            (self._create, 14), (self._edit, 25), (self._append, 15), (self._cut, 6), (self._replace_whole, 10),
            (self._rename, 8), (self._rename_over, 3), (self._move_directory, 3), (self._delete, 6),
            (self._delete_tree, 1), (self._chmod, 6), (self._link, 4), (self._make_directory, 3),
        ]  # fmt: skip

    def step(self) -> None:
        """One operation on one host, as a program does it."""
        weights = [weight for _, weight in self._operations]
        operation = self._rng.choices([operation for operation, _ in self._operations], weights)[0]
        host = self._rng.choice(self._hosts)
        first = self._number
        try:
            what = operation(host.dir)
        except OSError as error:
            what = f"could not: {error}"  # the file went, or another stands there by now
        if what:
            tokens = f"{first + 1} to {self._number}" if self._number > first else "no tokens"
            self.say(f"{host.name} {operation.__name__} {what} ({tokens})")

    def _token(self) -> bytes:
        self._number += 1
        token = b"t%dx%08x" % (self._number, self._rng.getrandbits(32))
        self.expected.add(token)
        return token

    def _line(self) -> bytes:
        return b"a line with " + self._token() + b"\n"

    def _content(self) -> bytes:
        if self._rng.random() < 0.4:
            return b"\x00" + self._token() + self._rng.randbytes(self._rng.choice((0, 100, 5000, 600_000)))
        return b"".join(self._line() for _ in range(self._rng.randint(1, 12)))

    def _write(self, path: Path, new: bytes, old: bytes = b"") -> None:
        """Put a content in the place of one that was read: in place, or as editors do."""
        if self._rng.random() < 0.5:
            path.write_bytes(new)
        else:
            beside = path.with_name(f".{path.name[:200]}.swp~")
            beside.write_bytes(new)
            if path.exists():
                shutil.copymode(path, beside)
            beside.rename(path)
        self._gone(old, new)

    def _gone(self, old: bytes, new: bytes = b"") -> None:
        self.expected -= set(_TOKEN.findall(old)) - set(_TOKEN.findall(new))

    # --- choosing -----------------------------------------------------------------------------------------------

    def _all(self, root: Path) -> Iterator[Path]:
        for directory, below, names in os.walk(root):
            below[:] = sorted(name for name in below if name != ".yp2p")
            yield from (Path(directory, name) for name in sorted(names) if not name.endswith(".swp~"))

    def _files(self, root: Path) -> list[Path]:
        return [path for path in self._all(root) if not path.is_symlink()]

    def _directories(self, root: Path) -> list[Path]:
        return [Path(d) for d, _, _ in os.walk(root) if ".yp2p" not in Path(d).parts]

    def _new_name(self, root: Path) -> Path:
        directory = self._rng.choice(self._directories(root))
        return directory / f"{self._rng.choice(_NAMES)}{self._rng.choice(('', '2', '.bak'))}"

    def _is_text(self, data: bytes) -> bool:
        return b"\x00" not in data

    # --- operations ---------------------------------------------------------------------------------------------

    def _create(self, root: Path) -> str:
        path = self._new_name(root)
        if os.path.lexists(path):
            return ""
        self._write(path, self._content())
        return str(path.relative_to(root))

    def _edit(self, root: Path) -> str:
        path = self._rng.choice(self._files(root) or [root])
        old = path.read_bytes()
        if not self._is_text(old):
            return ""
        lines = old.splitlines(keepends=True)
        lines.insert(self._rng.randint(0, len(lines)), self._line())
        self._write(path, b"".join(lines), old)
        return str(path.relative_to(root))

    def _append(self, root: Path) -> str:
        path = self._rng.choice(self._files(root) or [root])
        with path.open("rb") as file:
            if not self._is_text(file.read()):
                return ""
        with path.open("ab") as file:
            file.write(self._line())
        return str(path.relative_to(root))

    def _cut(self, root: Path) -> str:
        path = self._rng.choice(self._files(root) or [root])
        old = path.read_bytes()
        lines = old.splitlines(keepends=True)
        if not self._is_text(old) or len(lines) < 2:
            return ""
        start = self._rng.randrange(len(lines))
        del lines[start : start + 3]
        self._write(path, b"".join(lines), old)
        return str(path.relative_to(root))

    def _replace_whole(self, root: Path) -> str:
        path = self._rng.choice(self._files(root) or [root])
        old = path.read_bytes()
        if self._is_text(old) and self._rng.random() < 0.8:
            return ""
        self._write(path, self._content(), old)
        return str(path.relative_to(root))

    def _rename(self, root: Path) -> str:
        path, to = self._rng.choice(self._files(root) or [root]), self._new_name(root)
        if os.path.lexists(to):
            return ""
        path.rename(to)
        return f"{path.relative_to(root)} to {to.relative_to(root)}"

    def _rename_over(self, root: Path) -> str:
        files = self._files(root)
        if len(files) < 2 or self._deleted >= _MAX_DELETED:
            return ""
        path, to = self._rng.sample(files, 2)
        old = to.read_bytes()
        path.rename(to)
        self._deleted += 1
        self._gone(old)
        return f"{path.relative_to(root)} over {to.relative_to(root)}"

    def _move_directory(self, root: Path) -> str:
        directories = [directory for directory in self._directories(root) if directory != root]
        to = self._new_name(root)
        if not directories or os.path.lexists(to):
            return ""
        directory = self._rng.choice(directories)
        directory.rename(to)
        return f"{directory.relative_to(root)} to {to.relative_to(root)}"

    def _delete(self, root: Path) -> str:
        paths = list(self._all(root))
        if not paths or self._deleted >= _MAX_DELETED:
            return ""
        path = self._rng.choice(paths)
        old = b"" if path.is_symlink() else path.read_bytes()
        path.unlink()
        self._deleted += 1
        self._gone(old)
        return str(path.relative_to(root))

    def _delete_tree(self, root: Path) -> str:
        directories = [directory for directory in self._directories(root) if directory != root]
        if not directories:
            return ""
        directory = self._rng.choice(directories)
        files = list(self._all(directory))
        if self._deleted + len(files) > _MAX_DELETED:
            return ""
        for path in files:
            old = b"" if path.is_symlink() else path.read_bytes()
            path.unlink()
            self._deleted += 1
            self._gone(old)
        for below in sorted(self._directories(directory), reverse=True):
            below.rmdir()
        return str(directory.relative_to(root))

    def _chmod(self, root: Path) -> str:
        path = self._rng.choice(self._files(root) or [root])
        if path == root:
            return ""
        path.chmod(self._rng.choice(_MODES))
        return str(path.relative_to(root))

    def _link(self, root: Path) -> str:
        path = self._new_name(root)
        if os.path.lexists(path):
            return ""
        path.symlink_to(self._rng.choice(("notes", "../b.py", "nowhere", "/etc/hostname")))
        return str(path.relative_to(root))

    def _make_directory(self, root: Path) -> str:
        path = self._new_name(root)
        if len(path.relative_to(root).parts) > 4 or os.path.lexists(path):
            return ""
        path.mkdir()
        return str(path.relative_to(root))

    # --- what is left -------------------------------------------------------------------------------------------

    def lost(self) -> set[bytes]:
        """Tokens that nobody took out and that are nowhere any more."""
        found: set[bytes] = set()
        for host in self._hosts:
            for directory, below, names in os.walk(host.dir):
                if Path(directory).name == ".yp2p":
                    below[:] = ["trash"]
                for name in names:
                    path = Path(directory, name)
                    if not path.is_symlink() and path.is_file():
                        found |= set(_TOKEN.findall(path.read_bytes()))
        return self.expected - found

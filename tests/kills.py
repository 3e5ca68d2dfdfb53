"""A kill between what was done to a file and what the store has of that."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yp2p.disk.ingest import opaque_entries
from yp2p.disk.render import directory_moves
from yp2p.files import replace
from yp2p.store.writer import Commit, Writer

# So long a batch is held that nobody waits for.
_LONGEST_S = 2.0


class _Kill(BaseException):
    """The daemon is no more."""


@contextmanager
def killed_at_the_first_move(base: Path, *, is_moved: bool = True) -> Iterator[None]:
    """What is done in here ends as with a kill right after the first file or directory was moved away, or before: the
    store then has what somebody had waited for by that moment, and nothing else, as with a disk that takes its time."""
    store, wait = Writer._store, Commit.wait
    asked = threading.Event()

    def killing(move: Callable[..., object]) -> Callable[..., object]:
        def moves(*arguments: object) -> object:
            result = move(*arguments) if is_moved else None
            for path in base.glob("store*"):
                shutil.copy(path, base / f"killed {path.name}")
            raise _Kill(result)

        return moves

    async def ask(commit: Commit) -> None:
        asked.set()
        await wait(commit)

    def store_when_asked(writer: Writer, batch: list[object]) -> bool:
        asked.wait(_LONGEST_S)  # the end of the store is asked for by nobody
        asked.clear()
        return store(writer, batch)  # type: ignore[arg-type]

    with pytest.RaisesGroup(_Kill, flatten_subgroups=True), pytest.MonkeyPatch.context() as patched:
        moving = ((replace, "move_away"), (opaque_entries, "move_away"), (directory_moves, "move_directory"))
        for module, name in moving:
            patched.setattr(module, name, killing(getattr(module, name)))
        patched.setattr(Commit, "wait", ask)
        patched.setattr(Writer, "_store", store_when_asked)
        yield
    for path in base.glob("store*"):
        path.unlink()
    for path in base.glob("killed *"):
        path.rename(base / path.name.removeprefix("killed "))

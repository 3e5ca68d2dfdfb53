"""A kill between what was done to a file and what the store has of that."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yp2p.disk.ingest import opaque_entries
from yp2p.files import replace
from yp2p.store.writer import Writer


class _Kill(BaseException):
    """The daemon is no more."""


@contextmanager
def killed_at_the_first_move(base: Path, *, is_moved: bool = True) -> Iterator[None]:
    """What is done in here ends as with a kill right after the first file was moved away, or before: the store then has
    what was committed by that moment, by a writer that takes its time."""
    move_away, store = replace.move_away, Writer._store

    def move(*arguments: object) -> object:
        result = move_away(*arguments) if is_moved else None  # type: ignore[arg-type]
        for path in base.glob("store*"):
            shutil.copy(path, base / f"killed {path.name}")
        raise _Kill(result)

    def store_slowly(writer: Writer, batch: list[object]) -> bool:
        time.sleep(0.2)
        return store(writer, batch)  # type: ignore[arg-type]

    with pytest.RaisesGroup(_Kill, flatten_subgroups=True), pytest.MonkeyPatch.context() as patched:
        for module in (replace, opaque_entries):
            patched.setattr(module, "move_away", move)
        patched.setattr(Writer, "_store", store_slowly)
        yield
    for path in base.glob("store*"):
        path.unlink()
    for path in base.glob("killed *"):
        path.rename(base / path.name.removeprefix("killed "))

"""What happens in a directory before it is watched is seen all the same."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from lab import Device, devices, eventually

_DIRECTORIES = 5


def _remove_as_they_come(root: Path, names: list[str], over: threading.Event) -> None:
    left = set(names)
    while left and not over.is_set():
        for name in list(left):
            try:
                (root / name).unlink()
            except FileNotFoundError:
                continue
            left.discard(name)
        time.sleep(0.0002)  # the moment after it came; else the daemon has no processor to bring it


def test_a_file_that_is_deleted_the_moment_its_new_directory_came_is_deleted_everywhere(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for number in range(60):  # so that the deletions are few of many
            (one.dir / f"{number}.txt").write_text("text\n")
        two.join(one)
        names = [f"new{number}/er/file.txt" for number in range(_DIRECTORIES)]
        over = threading.Event()
        remover = threading.Thread(target=_remove_as_they_come, args=(two.dir, names, over))
        remover.start()
        try:
            for name in names:
                (one.dir / name).parent.mkdir(parents=True)
                (one.dir / name).write_text("text\n")
                eventually(partial(_is_gone, one, name), what=f"{name} to be deleted on both")
        finally:
            over.set()
            remover.join()
        assert not [name for name in names if (two.dir / name).exists()]


def _is_gone(device: Device, name: str) -> bool:
    return not (device.dir / name).exists()

"""The past of a file on which three devices worked: every moment of it, who wrote each line, and bringing one back."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually

from yp2p.control.call import call

pytestmark = pytest.mark.long

_NAMES = ("one", "two", "three")
_EDITS, _AT_ONCE = 500, 5
_WORDS = ("plain", "é", "😀😀", "漢字", "a few words")


def _ask(device: Device, path: str, body: dict[str, Any]) -> Any:
    return call(device.home / "control.sock", "POST", path, body)


class _Worker:
    """Somebody at a device, who saves a file again and again; every line tells who wrote it."""

    def __init__(self, device: Device, rng: random.Random) -> None:
        self.device = device
        self.path = device.dir / "a.md"
        self._rng = rng
        self.lines: set[str] = set()

    def save(self, number: int) -> None:
        """Insert, change or take out a line in this device's part of the file, so that others' work is not undone."""
        line = f"{self.device.name} {number} {self._rng.choice(_WORDS)}\n"
        lines = self.path.read_text().splitlines(keepends=True)
        own = [at for at, text in enumerate(lines) if text.startswith(self.device.name + " ")]
        kind = self._rng.random()
        if kind < 0.5 or len(own) < 3:
            lines.insert(self._rng.choice(own or [len(lines)]), line)
        elif kind < 0.8:
            lines[self._rng.choice(own)] = line
        else:
            del lines[self._rng.choice(own)]
        self.path.write_text("".join(lines))


def _all_same(workers: list[_Worker]) -> bool:
    return len({worker.path.read_bytes() for worker in workers}) == 1


@pytest.mark.timeout(900)  # some 600 saves, each until it is on three disks
def test_every_moment_of_500_edits_by_three_devices_is_shown_as_it_was(tmp_path: Path) -> None:
    rng = random.Random(5)
    with devices(tmp_path, *_NAMES) as everyone:
        (everyone[0].dir / "a.md").write_text("".join(f"{name} begins\n" for name in _NAMES))
        for device in everyone[1:]:
            device.join(everyone[0])
        for device in everyone:
            device.wait()
        workers = [_Worker(device, rng) for device in everyone]
        moments: list[tuple[float, str]] = []
        for number in range(_EDITS):
            rng.choice(workers).save(number)
            if number % _AT_ONCE == _AT_ONCE - 1:
                for device in everyone:
                    device.wait()
                eventually(lambda: _all_same(workers))
                moments.append((time.time(), workers[0].path.read_text()))
        assert len(moments) == 100
        assert len({text for _, text in moments}) > 90
        first, file = everyone[0], str(workers[0].path)
        rng.shuffle(moments)
        for at, text in moments:
            assert _ask(first, "/v1/history/show", {"path": file, "when": {"at": at}})["text"] == text
        newest = max(moments)[1]
        for device, worker in zip(everyone, workers, strict=True):
            blamed = _ask(device, "/v1/history/blame", {"path": str(worker.path)})["lines"]
            assert [line["text"] for line in blamed] == newest.splitlines(keepends=True)
            wrong = [line for line in blamed if not line["text"].startswith(line["device"] + " ")]
            assert [line for line in wrong if "begins" not in line["text"]] == []
        versions = _ask(first, "/v1/history/log", {"path": file})["versions"]
        # What was saved within a minute may be one version by now, which is the newest.
        shown = ((one["version"], first.run("show", f"{file}@{one['version']}").stdout) for one in versions)
        middle, was = next((version, text) for version, text in shown if text != newest)
        first.cli("restore", f"{file}@{middle}")
        eventually(lambda: all(worker.path.read_text() == was for worker in workers))
        first.cli("undo", file)
        eventually(lambda: all(worker.path.read_text() == newest for worker in workers))

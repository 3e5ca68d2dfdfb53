"""`yp2p events` and `yp2p status --watch` of real daemons: what happens is told, and the end of the daemon as well."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lab import YP2P, Device, devices, eventually
from terminal import terminal_of


class _Events:
    """`yp2p events --json`, running, and the objects that it has printed."""

    def __init__(self, device: Device, *arguments: str) -> None:
        self._path = device.home.with_name(f"events{len(arguments)}")
        self._said = self._path.with_suffix(".said")
        with self._path.open("wb") as out, self._said.open("wb") as err:
            command = [YP2P, "events", "--json", *arguments]
            self._process = subprocess.Popen(command, env=device.environment, stdout=out, stderr=err)
        eventually(lambda: "daemon" in self.kinds())

    def all(self) -> list[dict[str, Any]]:
        whole, _, _ = self._path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.all()]

    def files(self) -> list[tuple[str, str, list[str]]]:
        return [(one["change"], one["path"], one["devices"]) for one in self.all() if one["kind"] == "file"]

    def ended(self) -> tuple[int, str]:
        """The exit code, and what was said on standard error."""
        return self._process.wait(10), self._said.read_text()


def test_a_status_that_is_watched_follows_what_happens_and_ends_with_the_daemon(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,), terminal_of(one, "status", "--watch") as terminal:
        terminal.shows("Nothing is shared yet")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        terminal.shows("on this device only")
        one.stop()
        assert terminal.process.wait(10) == 3
        terminal.shows("no yp2p daemon is running" if "has ended" not in terminal.text else "the daemon has ended")


@pytest.mark.long
def test_files_links_and_members_are_told_on_the_other_device(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        events = _Events(two)
        (one.dir / "a.md").write_text("a line\n")
        two.join(one)
        two.wait()
        eventually(lambda: ("added", "a.md", ["one"]) in events.files(), what="the file being told of")
        eventually(lambda: {"link", "member", "folder", "sync", "device"} <= set(events.kinds()))
        (two.dir / "a.md").write_text("a line\nof two\n")
        eventually(lambda: ("changed", "a.md", ["two"]) in events.files())
        last = events.all()[-1]["id"]
        (one.dir / "a.md").rename(one.dir / "b.md")
        eventually(lambda: ("renamed", "b.md", ["one"]) in events.files())
        again = _Events(two, "--since", str(last), "--kind", "file")
        eventually(lambda: ("renamed", "b.md", ["one"]) in again.files(), what="what was missed")
        assert ("changed", "a.md", ["two"]) not in again.files()
        one.kill()
        eventually(lambda: any(one["kind"] == "link" and not one["connected"] for one in events.all()))
        two.stop()
        for reader in (events, again):
            code, said = reader.ended()
            assert (code, reader.kinds()[-1]) == (3, "daemon")
            assert "the daemon has ended" in said
        numbers = [event["id"] for event in events.all()]
        assert numbers == sorted(numbers)

"""`yp2p log`: former names, what is no text, and what changed in a directory, with whole devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually, tree


def _log(device: Device, path: str, **more: Any) -> dict[str, Any]:
    return dict(
        device.call("POST", "/v1/history/log", {"path": str(device.dir / path) if path else str(device.dir)} | more)
    )


def _same(one: Device, two: Device, name: str, content: bytes) -> None:
    eventually(lambda: tree(one.dir).get(name) == tree(two.dir).get(name) == content, what=f"{name} being everywhere")
    for device in (one, two):
        device.wait()


def _save(device: Device, other: Device, name: str, content: bytes) -> None:
    (device.dir / name).parent.mkdir(exist_ok=True)
    (device.dir / name).write_bytes(content)
    _same(device, other, name, content)


@pytest.mark.long
def test_the_log_follows_names_says_lines_and_finds_old_contents_in_the_trash(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        two.join(one)
        _save(one, two, "notes/a.md", b"title\nfirst\n")
        _save(two, one, "notes/a.md", b"title\nfirst\nsecond\n")
        _save(one, two, "notes/picture.bin", b"\0first")
        _save(two, one, "notes/picture.bin", b"\0second one")
        (two.dir / "notes" / "a.md").rename(two.dir / "notes" / "b.md")
        _same(one, two, "notes/b.md", b"title\nfirst\nsecond\n")
        _save(one, two, "notes/b.md", b"title\nsecond\n")

        # A text under its new and its old name.
        for name in ("notes/b.md", "notes/a.md"):
            found = _log(one, name)
            assert (found["path"], found["kind"], found["deleted"]) == ("notes/b.md", "text", False)
            assert [(was["path"], was["device"]) for was in found["names"]] == [("notes/a.md", "two")]
            assert [(v["devices"], v["line"]["number"], v["line"]["text"]) for v in found["versions"][:2]] == [
                (["one"], 1, "title"), (["two"], 3, "second"),
            ]  # fmt: skip
            assert found["versions"][-1]["line"] == {"number": 2, "text": "first", "removed": True}
        number = found["versions"][0]["version"]
        assert one.run("show", f"{one.dir}/notes/a.md@{number}").stdout == "title\nfirst\n"
        assert "-first" in one.cli("diff", str(one.dir / "notes" / "a.md"), str(number))
        assert one.fails("restore", f"{one.dir}/notes/a.md@{number}")
        shown = one.cli("log", str(one.dir / "notes" / "a.md"))
        assert "It was called notes/a.md until" in shown
        assert shown.splitlines()[1].split() == [
            "Version", "When", "Device", "Characters", "Line", "First", "changed", "line",
        ]  # fmt: skip
        assert "- first" in shown.splitlines()[2]

        # What is no text.
        found = _log(one, "notes/picture.bin")
        assert found["kind"] == "blob"
        assert [(v["devices"], v["bytes"], v["here"]) for v in found["versions"]] == [
            (["one"], 6, False), (["two"], 11, True),
        ]  # fmt: skip
        item = found["versions"][0]["trash"]
        assert (one.dir / ".yp2p" / "trash" / item).read_bytes() == b"\0first"
        assert "in the trash" in one.cli("log", str(one.dir / "notes" / "picture.bin"))

        # The directory, newest first.
        found = _log(one, "notes")
        told = [(c["path"], c["change"], c["devices"]) for c in found["changes"] if c["kind"] != "directory"]
        assert told == [
            ("notes/b.md", "changed", ["one"]),
            ("notes/b.md", "renamed", ["two"]),
            ("notes/picture.bin", "changed", ["two"]),
            ("notes/picture.bin", "added", ["one"]),
            ("notes/b.md", "changed", ["two"]),
            ("notes/b.md", "added", ["one"]),
        ]
        assert found["changes"][1]["was"] == "notes/a.md"
        assert _log(one, "")["changes"] == found["changes"]
        few = _log(one, "notes", limit=2)
        assert (few["changes"], few["more"]) == (found["changes"][:2], True)
        said = one.cli("log", str(one.dir / "notes"))
        assert said.splitlines()[0].split() == ["When", "Device", "Change", "Size", "Version", "File"]

        # Deleted: by its last name, and by its first one.
        (one.dir / "notes" / "b.md").unlink()
        eventually(lambda: not (two.dir / "notes" / "b.md").exists())
        assert _log(two, "notes/a.md")["deleted"]
        assert "there never was one of that name" in one.fails("log", str(one.dir / "notes" / "never.md"))
        assert _log(two, "notes")["changes"][0]["change"] == "deleted"
        assert json.loads(two.cli("log", str(two.dir / "notes"), "--json"))["changes"][0]["devices"] == ["one"]

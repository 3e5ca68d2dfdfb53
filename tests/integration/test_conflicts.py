"""Places that two devices changed apart: both versions are shown, with who and when, and a person settles them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually

_BASE = "a = 1\ntimeout = 1200\nb = 2\nc = 3\nsize = 10\nd = 4\n"


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[list[Device]]:
    """Two devices that changed two lines of one file apart, and met."""
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "settings").write_text(_BASE)
        two.join(one)
        _wait(one, two)
        two.stop()
        (one.dir / "settings").write_text(_BASE.replace("1200", "1800").replace("10\n", "11\n"))
        (two.dir / "settings").write_text(_BASE.replace("1200", "2400").replace("10\n", "12\n"))
        one.wait()
        two.start()
        _wait(one, two)
        yield [one, two]


def _wait(*everyone: Device) -> None:
    for device in everyone:
        device.wait()


def _conflicts(device: Device) -> list[dict[str, Any]]:
    return list(json.loads(device.cli("conflicts", "--json")))


@pytest.mark.long
def test_both_versions_are_shown_with_who_and_when(apart: list[Device]) -> None:
    one, two = apart
    found = _conflicts(one)
    assert [(item["path"], item["line"], item["stands"]) for item in found] == [
        ("settings", 2, "timeout = 2400\n"), ("settings", 5, "size = 12\n"),
    ]  # fmt: skip
    assert (found[0]["this"]["text"], found[0]["this"]["devices"]) == ("timeout = 1800\n", ["one"])
    assert (found[0]["other"]["text"], found[0]["other"]["devices"]) == ("timeout = 2400\n", ["two"])
    assert 0 <= found[0]["at"] - found[0]["this"]["at"] < 60
    (first, _) = _conflicts(two)
    assert (first["this"]["devices"], first["other"]["devices"]) == (["two"], ["one"])
    assert re.search(r"line 2; one \d\d:\d\d: 'timeout = 1800'; two \d\d:\d\d: 'timeout = 2400'", one.cli("notices"))
    shown = one.cli("conflicts")
    assert "settings, line 2 (number" in shown
    assert "this:  one, 20" in shown
    assert "timeout = 1800" in shown


def test_a_person_settles_them(apart: list[Device]) -> None:
    one, two = apart
    numbers = [item["number"] for item in _conflicts(one)]
    (one.dir / "settings").write_text("new first line\n" + (one.dir / "settings").read_text())
    _wait(one, two)
    one.cli("conflicts", "resolve", str(one.dir / "settings"), "--keep", "this", "--number", str(numbers[0]))
    settled = "new first line\n" + _BASE.replace("1200", "1800").replace("10\n", "12\n")
    assert (one.dir / "settings").read_text() == settled, "it is on the disk when the command is over"
    _wait(one, two)
    assert (two.dir / "settings").read_text() == settled
    assert [item["number"] for item in _conflicts(one)] == numbers[1:]
    one.cli("conflicts", "resolve", str(one.dir / "settings"), "--keep", "both")
    both = settled.replace("size = 12\n", "size = 11\nsize = 12\n")
    assert (one.dir / "settings").read_text() == both
    assert _conflicts(one) == []
    assert "there is no conflict in settings" in one.fails(
        "conflicts", "resolve", str(one.dir / "settings"), "--keep", "this"
    )
    one.cli("undo", str(one.dir / "settings"))
    assert (one.dir / "settings").read_text() == settled
    eventually(lambda: _conflicts(two) == [], what="what one has settled is settled")


@pytest.mark.long
def test_those_are_told_who_made_one_of_the_versions(tmp_path: Path) -> None:
    """Three meets both first, and neither of them sees the other's version alone."""
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "settings").write_text(_BASE)
        two.join(one)
        three.join(one)
        _wait(one, two, three)
        one.stop()
        two.stop()
        (one.dir / "settings").write_text(_BASE.replace("1200", "1800"))
        (two.dir / "settings").write_text(_BASE.replace("1200", "2400"))
        for device in (one, two):
            device.start()
            _wait(device, three)
            device.stop()
        assert "2400" in (three.dir / "settings").read_text()
        assert _conflicts(three) == [], three.log.read_text()[-3000:]
        assert three.cli("notices") == ""
        for device in (one, two):
            device.start()
            _wait(device, three)
        for device in (one, two):
            eventually(lambda device=device: bool(_conflicts(device)), what="being told")
            (conflict,) = _conflicts(device)
            assert conflict["this"]["devices"] == [device.name]


@pytest.mark.long
def test_what_was_changed_since_is_not_overwritten(apart: list[Device]) -> None:
    one, _ = apart
    text = (one.dir / "settings").read_text().replace("timeout = 2400", "timeout = 3000")
    (one.dir / "settings").write_text(text)
    eventually(lambda: _conflicts(one)[0]["line"] is None)
    said = one.fails("conflicts", "resolve", str(one.dir / "settings"), "--keep", "other")
    assert "was changed since at what was line 2" in said
    assert (one.dir / "settings").read_text() == text
    assert "changed since" in one.cli("conflicts")
    one.cli("conflicts", "resolve", str(one.dir / "settings"), "--keep", "now")
    assert (one.dir / "settings").read_text() == text
    assert _conflicts(one) == []


def _tool(tmp_path: Path, script: str) -> str:
    """A command that a person may have as editor."""
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return str(tool)


@pytest.mark.long
def test_a_person_merges_in_an_editor(apart: list[Device], tmp_path: Path) -> None:
    one, two = apart
    file = one.dir / "settings"
    stands = file.read_text()
    assert one.status()["folders"][0]["entries"]["places_to_settle"] == 2
    assert "places in texts that two devices changed apart: 2" in one.cli("status")
    merge = ("conflicts", "resolve", str(file), "--keep", "merge", "--tool")
    refused = {
        "exit 3": "ended with exit code 3; nothing was changed",
        "true": "nothing was changed in the editor",
        'echo more >> "$1"': "with their markers",
        'printf "\\377" > "$1"': "cannot be used",
    }
    for script, reason in refused.items():
        assert reason in one.fails(*merge, _tool(tmp_path, script))
        assert file.read_text() == stands
        assert len(_conflicts(one)) == 2
    assert "cannot be used: No such file" in one.fails(*merge, "/nowhere/editor")
    meanwhile = _tool(tmp_path, f'sed -i "/^[<=>]/d" "$1"; cp {file} {tmp_path}/kept; echo x >> {file}')
    assert "was changed meanwhile" in one.fails(*merge, meanwhile)
    assert file.read_text() == stands + "x\n"
    file.write_text(stands)
    _wait(one, two)

    said = one.cli(*merge, _tool(tmp_path, f'cp "$1" {tmp_path}/shown; sed -i "/^[<=>]/d" "$1"'))
    assert "settled. `yp2p undo " in said
    shown = (tmp_path / "shown").read_text()
    assert "<<<<<<< this\ntimeout = 1800\n=======\ntimeout = 2400\n>>>>>>> other\n" in shown
    merged = _BASE.replace("timeout = 1200", "timeout = 1800\ntimeout = 2400").replace(
        "size = 10", "size = 11\nsize = 12"
    )
    assert file.read_text() == merged
    eventually(lambda: (two.dir / "settings").read_text() == merged)
    assert _conflicts(one) == []
    assert one.status()["folders"][0]["entries"]["places_to_settle"] == 0
    one.cli("undo", str(file))
    assert file.read_text() == stands


def test_texts_that_met_under_one_name_are_merged_into_one(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("title\nfrom one\nend\n")
        (two.dir / "a.txt").write_text("title\nfrom two\nend\n")
        two.join(one)
        _wait(one, two)
        (conflict,) = _conflicts(two)
        assert {conflict["this"]["devices"][0], conflict["other"]["devices"][0]} == {"one", "two"}
        assert f"this:  a.txt, {conflict['this']['devices'][0]}, 20" in two.cli("conflicts")
        (that,) = (device for device in (one, two) if device.name == conflict["other"]["devices"][0])
        assert (one.dir / conflict["path"]).read_text() == f"title\nfrom {that.name}\nend\n"
        tool = _tool(tmp_path, f'cp "$1" {tmp_path}/shown; sed -i "/^[<=>]/d" "$1"')
        said = two.cli("conflicts", "resolve", str(two.dir / conflict["path"]), "--keep", "merge", "--tool", tool)
        assert f"<<<<<<< this: {conflict['this']['devices'][0]}, 20" in (tmp_path / "shown").read_text()
        merged = [f"title\nfrom {first}\nfrom {second}\nend\n" for first, second in (("one", "two"), ("two", "one"))]
        assert (two.dir / "a.txt").read_text() in merged
        eventually(lambda: [path.name for path in one.dir.glob("*.txt")] == ["a.txt"], what="the copy going")
        eventually(lambda: (one.dir / "a.txt").read_text() in merged)
        two.cli(*said.rpartition("`yp2p ")[2].partition("`")[0].split())
        eventually(lambda: (one.dir / conflict["path"]).exists(), what="the copy coming back from the trash")


@pytest.mark.parametrize("keep", ["this", "other", "both"])
def test_a_file_beside_another_one_is_settled(tmp_path: Path, keep: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "picture.bin").write_bytes(b"\x00one")
        (two.dir / "picture.bin").write_bytes(b"\x00two")
        two.join(one)
        _wait(one, two)
        (conflict,) = _conflicts(one)
        assert (conflict["kind"], conflict["beside"]) == ("file", "picture.bin")
        named, beside = (one.dir / "picture.bin").read_bytes(), (one.dir / conflict["path"]).read_bytes()
        assert (conflict["this"]["devices"], conflict["other"]["devices"]) == (
            [named[1:].decode()],
            [beside[1:].decode()],
        )
        assert abs(conflict["other"]["at"] - time.time()) < 600
        resolve = ("conflicts", "resolve", str(one.dir / "picture.bin"), "--keep")
        assert "is no text, so it cannot be merged" in one.fails(*resolve, "merge", "--tool", "true")
        answer = json.loads(one.cli(*resolve, keep, "--json"))
        kept = [(one.dir / ".yp2p" / "trash" / item).read_bytes() for item in answer["trash"]]
        assert kept == {"this": [beside], "other": [named], "both": []}[keep]
        wanted = {"picture.bin": beside if keep == "other" else named}
        if keep == "both":
            wanted["picture 2.bin"] = beside

        def is_settled() -> bool:
            try:
                found = [{path.name: path.read_bytes() for path in d.dir.glob("*.bin")} for d in (one, two)]
            except FileNotFoundError:  # it is being renamed
                return False
            return found == [wanted, wanted]

        eventually(is_settled, 30)
        _wait(one, two)
        assert is_settled()
        assert _conflicts(one) == _conflicts(two) == []

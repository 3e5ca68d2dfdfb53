"""Undo, versions, blame and restore, with whole devices and the command line."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from lab import Device, devices, eventually, tree

from yp2p.client import connect

A, B = "one", "two"


def _both_have(one: Device, two: Device, name: str, text: str) -> None:
    eventually(lambda: all((d.dir / name).exists() and (d.dir / name).read_text() == text for d in (one, two)))
    for device in (one, two):
        device.wait()


def _next_second() -> str:
    """Return when the clock on the wall says another second than before, with what it says then."""
    before = time.strftime("%Y-%m-%d %H:%M:%S")
    eventually(lambda: time.strftime("%Y-%m-%d %H:%M:%S") != before)
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _json(device: Device, *command: str) -> Any:
    return json.loads(device.cli(*command, "--json"))


def _save(device: Device, other: Device, name: str, text: str) -> None:
    (device.dir / name).write_text(text)
    _both_have(device, other, name, text)


def test_a_person_undoes_only_their_own_changes_also_after_a_restart(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.md", "title\n")
        _save(two, one, "a.md", "title\nfrom two é😀\n")
        _save(one, two, "a.md", "title\nfrom two é😀\nfrom one\n")
        _save(two, one, "a.md", "TITLE\nfrom two é😀\nfrom one\n")
        file = str(two.dir / "a.md")
        said = two.cli("undo", file)
        assert "-TITLE" in said
        assert "+title" in said
        _both_have(one, two, "a.md", "title\nfrom two é😀\nfrom one\n")
        two.cli("undo", file)
        _both_have(one, two, "a.md", "title\nfrom one\n")
        refused = two.fails("undo", file)
        assert "there is nothing to undo in a.md" in refused
        for device in (one, two):
            device.stop()
            device.start()
        two.cli("redo", file, "--steps", "2")
        _both_have(one, two, "a.md", "TITLE\nfrom two é😀\nfrom one\n")
        assert "nothing to redo" in two.fails("redo", file)
        one.cli("undo", str(one.dir / "a.md"))
        _both_have(one, two, "a.md", "TITLE\nfrom two é😀\n")


@pytest.mark.long
def test_two_devices_that_undo_deletions_that_overlap_apart(tmp_path: Path) -> None:
    lines = [f"{number}\n" for number in range(1, 7)]
    rest = {A: [lines[0], *lines[3:]], B: [*lines[:2], *lines[4:]]}

    def act(device: Device, action: str) -> None:
        file = device.dir / "a.txt"
        if action == "delete":
            file.write_text("".join(rest[device.name]))
            device.wait()
            eventually(lambda: len(_json(device, "log", str(file))["versions"]) > 1)
        else:
            device.cli(action, str(file))

    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.txt", "".join(lines))
        for action in ("delete", "undo", "redo", "undo"):
            two.stop()
            act(one, action)
            one.stop()
            two.start()
            act(two, action)
            one.start()
            _both_have(one, two, "a.txt", "".join(lines if action == "undo" else [lines[0], *lines[4:]]))


def test_versions_are_shown_compared_and_brought_back(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        texts = ["first\n", "first\nsecond é😀\n", "first\nsecond é😀\nthird\n"]
        moments = []
        for text, (device, other) in zip(texts, [(one, two), (two, one), (one, two)], strict=True):
            _save(device, other, "a.md", text)
            moments.append(time.time())
        file = str(one.dir / "a.md")
        found = _json(one, "log", file)
        assert [version["devices"] for version in found["versions"]] == [[A], [B], [A]]
        assert [version["added"] for version in found["versions"]] == [6, 11, 6]
        for version, text, at in zip(found["versions"], texts, moments, strict=True):
            assert one.run("show", f"{file}@{version['version']}").stdout == text
            assert version["since"] <= version["at"] <= at
        lines = _json(one, "blame", file)["lines"]
        assert [(line["text"], line["device"]) for line in lines] == [
            ("first\n", A), ("second é😀\n", B), ("third\n", A),
        ]  # fmt: skip
        assert _json(two, "blame", str(two.dir / "a.md"))["lines"][1]["device"] == B
        said = one.cli("diff", file, str(found["versions"][0]["version"]))
        assert "+second é😀" in said
        first = found["versions"][0]["version"]
        one.cli("restore", f"{file}@{first}")
        _both_have(one, two, "a.md", "first\n")
        one.cli("undo", file)
        _both_have(one, two, "a.md", texts[2])
        for number in ("0", "99999"):
            assert f"no version {number} of a.md" in one.fails("show", f"{file}@{number}")
            assert f"no version {number} of a.md" in one.fails("restore", f"{file}@{number}")
        assert "there is no file 'nothing.md'" in one.fails("log", str(one.dir / "nothing.md"))
        assert "is in no folder of this device" in one.fails("log", "/nowhere/a.md")


@pytest.mark.long
def test_a_deleted_file_and_a_folder_of_a_moment_come_back(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        (one.dir / "notes").mkdir()
        _save(one, two, "notes/kept.md", "as it was\n")
        _save(one, two, "notes/gone.md", "will be deleted\n")
        moment = _next_second()  # moments are named to the second, and cover all of it
        _next_second()
        _save(two, one, "notes/kept.md", "as it is\n")
        _save(two, one, "notes/new.md", "came later\n")
        (two.dir / "notes/gone.md").unlink()
        eventually(lambda: not (one.dir / "notes/gone.md").exists())
        gone = _json(one, "log", "--deleted")
        assert [item["path"] for item in gone] == ["notes/gone.md"]
        plan = _json(one, "restore", str(one.dir / "notes"), "--at", moment, "--dry-run")
        assert plan["done"] == [
            {"path": "notes/gone.md", "action": "bring back"}, {"path": "notes/kept.md", "action": "change"},
        ]  # fmt: skip
        assert not (one.dir / "notes/gone.md").exists()
        one.cli("restore", str(one.dir / "notes"), "--at", moment, "--yes")
        _both_have(one, two, "notes/kept.md", "as it was\n")
        _both_have(one, two, "notes/gone.md", "will be deleted\n")
        _both_have(one, two, "notes/new.md", "came later\n")
        assert "notes/kept.md was a file then" in one.fails("restore", str(one.dir / "notes/kept.md"), "--at", moment)
        assert "go with --at" in one.fails("restore", f"{one.dir}/notes/kept.md@1", "--dry-run")
        (one.dir / "notes/kept.md").rename(one.dir / "elsewhere.md")
        eventually((two.dir / "elsewhere.md").exists)
        _save(two, one, "elsewhere.md", "written after the move\n")
        plan = _json(one, "restore", str(one.dir / "notes"), "--at", moment, "--yes")
        assert plan["done"] == [{"path": "notes/kept.md", "action": "skipped", "reason": "it is elsewhere.md now"}]
        _both_have(one, two, "elsewhere.md", "written after the move\n")
        (two.dir / "notes/gone.md").unlink()
        eventually(lambda: not (one.dir / "notes/gone.md").exists())
        version = _json(one, "log", str(one.dir / "notes/gone.md"))["versions"][0]["version"]
        assert "brought back: notes/gone.md" in one.cli("restore", f"{one.dir}/notes/gone.md@{version}")
        _both_have(one, two, "notes/gone.md", "will be deleted\n")
        assert "deleted again" in one.cli("undo", str(one.dir / "notes/gone.md"))
        assert not (one.dir / "notes/gone.md").exists()
        eventually(lambda: not (two.dir / "notes/gone.md").exists())
        for device in (one, two):
            device.wait()
            device.stop()
            device.start()
            device.wait()
        assert "was deleted" in one.fails("undo", str(one.dir / "notes/gone.md"))
        assert "brought back" in one.cli("redo", str(one.dir / "notes/gone.md"))
        _both_have(one, two, "notes/gone.md", "will be deleted\n")
        _save(one, two, "notes/gone.md", "will be deleted\nand more\n")
        assert "-and more" in one.cli("undo", str(one.dir / "notes/gone.md"))
        assert (one.dir / "notes/gone.md").read_text() == "will be deleted\n", "it is on the disk by then"
        _save(two, one, "notes/gone.md", "will be deleted\nnot by one any more\n")
        assert "others have changed notes/gone.md" in one.fails("undo", str(one.dir / "notes/gone.md"))
        _both_have(one, two, "notes/gone.md", "will be deleted\nnot by one any more\n")


@pytest.mark.long
def test_several_steps_are_on_the_disk_when_the_command_is_over(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.md", "base\n")
        for more in ("1", "12", "123"):
            _save(one, two, "a.md", f"base\n{more}\n")
        for _ in range(3):
            one.cli("undo", str(one.dir / "a.md"), "--steps", "3")
            assert (one.dir / "a.md").read_text() == "base\n"
            one.cli("redo", str(one.dir / "a.md"), "--steps", "3")
            assert (one.dir / "a.md").read_text() == "base\n123\n"
        assert "only 3 changes" in one.cli("undo", str(one.dir / "a.md"), "--steps", "9")


@pytest.mark.long
def test_a_folder_of_a_moment_has_its_pictures_and_links_as_well(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        before, after = b"\x00before" * 100, b"\x00after" * 500
        for name, data in {"changed.png": before, "gone.png": before + b"1", "own.png": before + b"2"}.items():
            (two.dir / name).write_bytes(data)
        (one.dir / "twice.png").write_bytes(before + b"3")
        swapped = {"x.png": before + b"5", "y.png": before + b"6"}
        for name, data in swapped.items():
            (two.dir / name).write_bytes(data)
        (two.dir / "link").symlink_to("changed.png")
        (two.dir / "empty").mkdir()
        (two.dir / "grows.txt").write_text("a text\n")
        (two.dir / "gone.png").chmod(0o755)
        names = ("x.png", "y.png", "changed.png", "gone.png", "own.png", "twice.png", "link", "empty", "grows.txt")
        eventually(lambda: all(os.path.lexists(one.dir / name) for name in names))
        one.wait()
        two.wait()
        moment = _next_second()
        _next_second()
        (two.dir / "changed.png").write_bytes(after)
        for name, data in zip(swapped, reversed(swapped.values()), strict=True):
            (two.dir / name).write_bytes(data)
        (one.dir / "copy.png").write_bytes((one.dir / "twice.png").read_bytes())
        eventually(lambda: (two.dir / "copy.png").exists())
        one.wait()
        two.wait()
        (one.dir / "twice.png").unlink()
        for name in ("gone.png", "link"):
            (two.dir / name).unlink()
        (two.dir / "empty").rmdir()
        (two.dir / "grows.txt").write_bytes(after + b"4")
        (one.dir / "own.png").unlink()
        left = {
            "x.png": before + b"6",
            "y.png": before + b"5",
            "changed.png": after,
            "copy.png": before + b"3",
            "grows.txt": after + b"4",
        }
        eventually(lambda: tree(one.dir) == tree(two.dir) == left)
        one.wait()
        two.wait()
        plan = _json(one, "restore", str(one.dir), "--at", moment, "--dry-run")
        reason = "what it held is neither in the trash of this device nor in another file"
        assert plan["done"] == [
            {"path": "changed.png", "action": "change"}, {"path": "empty", "action": "bring back"},
            {"path": "gone.png", "action": "bring back"}, {"path": "grows.txt", "action": "change"},
            {"path": "link", "action": "bring back"},
            {"path": "own.png", "action": "skipped", "reason": reason},
            {"path": "twice.png", "action": "bring back"}, {"path": "x.png", "action": "change"},
            {"path": "y.png", "action": "change"},
        ]  # fmt: skip
        assert tree(one.dir) == left
        done = _json(one, "restore", str(one.dir), "--at", moment, "--yes")
        assert sorted(done["done"], key=lambda item: str(item["path"])) == plan["done"]
        was = {
            "changed.png": before, "gone.png": before + b"1", "twice.png": before + b"3", "grows.txt": b"a text\n",
            "copy.png": before + b"3", "link": before, **swapped,
        }  # fmt: skip
        eventually(lambda: tree(one.dir) == tree(two.dir) == was, what="both are what they were")
        eventually(lambda: os.path.lexists(two.dir / "link") and (two.dir / "empty").is_dir())
        assert os.readlink(two.dir / "link") == "changed.png"
        assert (two.dir / "gone.png").stat().st_mode & 0o111
        in_trash = {item["path"]: item["bytes"] for item in _json(one, "trash", "list")}
        assert in_trash["changed.png"] == len(after), "what stood there can be taken back"
        again = _json(one, "restore", str(one.dir), "--at", moment, "--dry-run")
        assert [item["path"] for item in again["done"]] == ["own.png"]


@pytest.mark.long
def test_bookmarks_stay_with_their_text_on_every_device(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.md", "one\ntwo 😀 here\n")
        mine, theirs = str(one.dir / "a.md"), str(two.dir / "a.md")
        one.cli("bookmark", mine, "a place", "--line", "2", "--column", "7")
        eventually(lambda: two.cli("bookmark", theirs) == "2:7    a place")
        _save(two, one, "a.md", "zero\none\nand two 😀 here\n")
        assert one.cli("bookmark", mine) == "3:11   a place"
        for device in (one, two):
            device.stop()
            device.start()
        assert _json(two, "bookmark", theirs)[0]["index"] == len("zero\none\nand two 😀 ")
        assert "no line 9" in one.fails("bookmark", mine, "x", "--line", "9")
        assert "there is no bookmark 'y'; its bookmarks are 'a place'" in one.fails("bookmark", mine, "y", "--remove")
        two.cli("bookmark", theirs, "a place", "--remove")
        eventually(lambda: one.cli("bookmark", mine) == "")


def test_who_is_here_and_what_they_edit(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.md", "text\n")
        _save(one, two, "a.md", "text\nmore\n")

        def files(of: str) -> list[str]:
            present = _json(two, "who")
            return [item["path"] for device in present if device["device"] == of for item in device["files"]]

        eventually(lambda: files(A) == ["a.md"])
        shown = two.cli("who").splitlines()
        assert shown[0].split() == ["Folder", "Device", "Edits", "Line", "Since", "By"]
        assert any("  a.md  " in line for line in shown[1:])
        one.kill()
        eventually(lambda: [device["device"] for device in _json(two, "who")] == [B])


def test_a_name_that_is_not_utf_8_has_a_past_as_well(tmp_path: Path) -> None:
    with devices(tmp_path, A) as (one,):
        name = os.fsdecode(b"caf\xe9.txt")
        (one.dir / name).write_text("first\n")
        one.cli("share", str(one.dir))
        one.wait()
        (one.dir / name).write_text("second\n")
        one.wait()
        file = str(one.dir / name)
        eventually(lambda: len(_json(one, "log", file)["versions"]) == 2)
        first = _json(one, "log", file)["versions"][0]["version"]
        assert one.run("show", f"{file}@{first}").stdout == "first\n"
        one.cli("undo", file)
        eventually(lambda: (one.dir / name).read_text() == "first\n")

        async def write() -> None:
            async with connect(one.home / "control.sock") as device, device.open(file) as live:
                live.insert(0, "typed ")

        trio.run(write)
        eventually(lambda: (one.dir / name).read_text() == "typed first\n")


@pytest.mark.long
def test_who_sleeps_is_not_shown_and_comes_back_when_it_wakes(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        _save(one, two, "a.md", "text\n")

        def present() -> list[str]:
            return sorted(device["device"] for device in _json(two, "who"))

        eventually(lambda: present() == [A, B])
        os.kill(one.pid, signal.SIGSTOP)  # its kernel goes on answering, so the link stays
        try:
            eventually(lambda: present() == [B], limit_s=45)
        finally:
            os.kill(one.pid, signal.SIGCONT)
        eventually(lambda: present() == [A, B], limit_s=30)


def test_a_folder_of_a_moment_has_its_texts_under_their_names_though_those_were_exchanged(tmp_path: Path) -> None:
    with devices(tmp_path, A, B) as (one, two):
        two.join(one)
        texts = {f"{name}.md": "".join(f"line {number} of {name}\n" for number in range(9)) for name in "pqr"}
        for name, text in texts.items():
            (one.dir / name).write_text(text)
        eventually(lambda: len(tree(two.dir)) == 3)
        two.wait()
        moment = _next_second()
        _next_second()
        (one.dir / "p.md").rename(one.dir / "t")
        (one.dir / "q.md").rename(one.dir / "p.md")
        (one.dir / "t").rename(one.dir / "q.md")
        (one.dir / "r.md").rename(one.dir / "s.md")
        exchanged = {"p.md": texts["q.md"], "q.md": texts["p.md"], "s.md": texts["r.md"]}
        eventually(lambda: tree(two.dir) == {name: text.encode() for name, text in exchanged.items()})
        (two.dir / "q.md").write_text(texts["p.md"] + "and more\n")
        eventually(lambda: (one.dir / "q.md").read_text().endswith("and more\n"))
        one.wait()
        plan = _json(one, "restore", str(one.dir), "--at", moment, "--dry-run")
        assert {item["path"]: item["action"] for item in plan["done"]} == {"p.md": "change", "q.md": "change"}
        one.cli("restore", str(one.dir), "--at", moment, "--yes")
        left = {"p.md": texts["p.md"], "q.md": texts["q.md"], "s.md": texts["r.md"]}
        for device in (one, two):
            eventually(lambda device=device: tree(device.dir) == {name: text.encode() for name, text in left.items()})

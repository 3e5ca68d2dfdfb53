"""What a folder leaves out: also what comes from others, also what was an entry before; and nothing goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.test_entries import full_tree
from lab import devices, eventually, unexpected_lines

from yp2p.config import Files
from yp2p.errors import FolderError
from yp2p.files import ignore_file
from yp2p.files.ignore import IGNORE_FILE, IgnoreRules
from yp2p.files.ignore_file import read_rules
from yp2p.files.root import Root


def test_a_synced_ignore_file_takes_effect_while_running_and_deletes_nothing(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "build").mkdir()
        (one.dir / "build/out.txt").write_text("made once\n")
        (one.dir / "build/blob").write_bytes(b"\0 one")
        (one.dir / "notes.txt").write_text("notes\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        before = full_tree(two.dir)
        (one.dir / ".yp2pignore").write_text("build/\n*.log\n")
        eventually(lambda: (two.dir / ".yp2pignore").exists())
        for device in (one, two):
            eventually(lambda device=device: device.status()["folders"][0]["entries"]["ignored"] == 2)  # type: ignore[misc]
        (one.dir / "build/out.txt").write_text("made twice\n")
        (one.dir / "build/blob").write_bytes(b"\0 two")
        (one.dir / "build/new.txt").write_text("new\n")
        (two.dir / "a.log").write_text("log\n")
        (one.dir / "notes.txt").write_text("notes\nand more\n")
        eventually(lambda: (two.dir / "notes.txt").read_text() == "notes\nand more\n")
        (one.dir / "build/out.txt").unlink()
        for device in (one, two):
            device.wait()
        tree = full_tree(two.dir)
        assert {name: tree[name] for name in before if name.startswith("build")} == {
            name: entry for name, entry in before.items() if name.startswith("build")
        }
        assert "build/new.txt" not in tree
        assert not (one.dir / "a.log").exists()
        # and back again: what was changed meanwhile is a change, and what is gone is no deletion
        (one.dir / ".yp2pignore").write_text("*.log\n")
        eventually(lambda: two.status()["folders"][0]["rules_waiting"])  # somebody else loosened them
        two.cli("folder", "agree")
        eventually(lambda: (two.dir / "build/new.txt").exists())
        eventually(lambda: (two.dir / "build/blob").read_bytes() == b"\0 two")
        eventually(lambda: (one.dir / "build/out.txt").exists())
        assert (two.dir / "build/out.txt").read_text() == "made once\n"
        for device in (one, two):
            device.wait()
            assert device.status()["folders"][0]["entries"]["ignored"] == 0
            assert unexpected_lines(device) == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        "nothing",
        pytest.param("removed", marks=pytest.mark.long),
        pytest.param("replaced by a directory", marks=pytest.mark.long),
        pytest.param("edited elsewhere", marks=pytest.mark.long),
    ],
)
def test_rules_that_were_edited_are_there_after_a_restart(tmp_path: Path, meanwhile: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / IGNORE_FILE).write_text("*.tmp\n")
        two.join(one)
        eventually((two.dir / IGNORE_FILE).exists)
        for more in ("*.o\n", "*.log\n"):
            with (one.dir / IGNORE_FILE).open("a") as file:
                file.write(more)
            eventually(lambda: (two.dir / IGNORE_FILE).read_bytes() == (one.dir / IGNORE_FILE).read_bytes())
            two.wait()
        two.stop()
        match meanwhile:
            case "removed":
                (two.dir / IGNORE_FILE).unlink()
            case "replaced by a directory":
                (two.dir / IGNORE_FILE).unlink()
                (two.dir / IGNORE_FILE).mkdir()
            case "edited elsewhere":
                (one.dir / IGNORE_FILE).write_text("*.o\n*.log\n")
        (two.dir / "a.log").write_text("left out\n")
        two.start()
        (two.dir / "a.txt").write_text("a text\n")
        eventually(lambda: (one.dir / "a.txt").exists())
        one.wait()
        two.wait()
        if meanwhile in ("removed", "replaced by a directory"):  # and the rules with it, once people of the other agree
            eventually(lambda: one.status()["folders"][0]["rules_waiting"])
            assert not (one.dir / "a.log").exists()
            one.cli("folder", "agree")
            eventually((one.dir / "a.log").exists)
        assert (one.dir / "a.log").exists() == (meanwhile in ("removed", "replaced by a directory"))
        assert two.status()["folders"][0]["problem"] == ""


def test_what_one_device_leaves_out_does_not_come_to_it(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,), devices(tmp_path, "two", YP2P_FILES__IGNORE="*.bin,raw/") as (two,):
        (one.dir / "raw").mkdir()
        for name in ("a.bin", "raw/photo", "b.txt"):
            (one.dir / name).write_bytes(b"\0" + name.encode())
        two.join(one)
        for device in (one, two):
            device.wait()
        assert set(full_tree(two.dir)) == {"b.txt"}
        (one.dir / "a.bin").write_bytes(b"\0 again")
        (one.dir / "raw/photo").unlink()
        (two.dir / "own.bin").write_bytes(b"\0 of two")
        (two.dir / "c.txt").write_text("c\n")
        eventually(lambda: (one.dir / "c.txt").exists())
        for device in (one, two):
            device.wait()
        assert set(full_tree(two.dir)) == {"b.txt", "c.txt", "own.bin"}
        assert "own.bin" not in full_tree(one.dir)


@pytest.mark.parametrize(
    ("path", "directory", "ignored"),
    [
        (".git/config", False, True),
        ("a/.git", True, True),
        (".yp2p/marker", False, True),
        ("build/x", False, True),
        ("src/build", True, True),
        ("build", False, False),
        ("a.log", False, True),
        ("keep.log", False, False),
        (".yp2pignore", False, False),
        ("text~", False, True),
    ],
)
def test_rules(path: str, directory: bool, ignored: bool) -> None:
    rules = IgnoreRules(["build/"], "*.log\n!keep.log\n!.git/\n")
    assert rules.ignores(path, directory=directory) == ignored


@pytest.mark.parametrize(
    "name", ["x~", ".x.swp", "4913", ".#lock", "#auto#", ".~lock.a#", "d~/in", ".nfs01", "a/.DS_Store"]
)
def test_scratch_files_are_the_same_with_and_without_rules_of_a_folder(name: str) -> None:
    assert IgnoreRules().ignores(name)
    assert IgnoreRules(["something-else"]).ignores(name)
    assert not IgnoreRules().ignores(name.replace("~", "-").replace("#", "_").replace(".", "x").replace("4913", "4914"))


def test_nothing_comes_back_in_beneath_a_directory_that_is_left_out() -> None:
    rules = IgnoreRules([], "*\n!*.md\nd/\n!d/keep.txt\n")
    assert not rules.ignores("a.md")
    assert rules.ignores("sub", directory=True)
    assert rules.ignores("sub/a.md")
    assert rules.ignores("d/keep.txt")
    assert not IgnoreRules([], "d/*\n!d/keep.txt\n").ignores("d/keep.txt")


def test_everything_can_be_left_out_but_the_rules() -> None:
    assert not IgnoreRules([], "*\n").ignores(".yp2pignore")
    assert IgnoreRules([], "*\n").ignores("a")


@pytest.mark.long
def test_who_joins_does_not_publish_what_the_folder_leaves_out(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / ".yp2pignore").write_text("secret/\n*.log\n")
        (one.dir / "notes.txt").write_text("notes\n")
        (two.dir / "secret").mkdir()
        (two.dir / "secret/words").write_text("what nobody else should have\n")
        (two.dir / "a.log").write_text("log\n")
        (two.dir / "own.txt").write_text("own\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        assert set(full_tree(one.dir)) == {".yp2pignore", "notes.txt", "own.txt"}
        assert one.status()["folders"][0]["entries"]["total"] == 3
        assert (two.dir / "secret/words").exists()


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        pytest.param("# caf\xe9\n*.priv\n".encode("latin-1"), "", id="a byte that is no UTF-8"),
        pytest.param(b"*.priv\na*b*c*d*e\n", "", id="a pattern with many stars"),
        pytest.param(b"[za\n*.priv\n", "cannot be used", id="a pattern that cannot be read"),
        pytest.param(b"\xef\xbb\xbf*.priv\n", "", id="a byte order mark"),
    ],
)
def test_what_cannot_be_used_takes_nothing_else_with_it(tmp_path: Path, rules: bytes, told: str) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / IGNORE_FILE).write_bytes(rules)
        (one.dir / "before.priv").write_text("a secret\n")
        (one.dir / "aXbXcXdXe").write_text("left out by a pattern with many stars\n")
        (one.dir / "a.txt").write_text("a text\n")
        two.join(one)
        eventually((two.dir / "a.txt").exists)
        (one.dir / "after.priv").write_text("another secret\n")
        (two.dir / "theirs.priv").write_text("a secret of the other\n")
        (one.dir / "b.txt").write_text("another text\n")
        eventually((two.dir / "b.txt").exists)
        for device in (one, two):
            device.wait()
            assert told in device.status()["folders"][0]["problem"]
        stars = set() if b"a*b*c*d*e" in rules else {"aXbXcXdXe"}
        assert {path.name for path in two.dir.iterdir()} - {".yp2p"} == {
            IGNORE_FILE, "a.txt", "b.txt", "theirs.priv", *stars,
        }  # fmt: skip
        assert not (one.dir / "theirs.priv").exists()


def test_a_file_that_is_being_saved_is_read_when_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stays open is refused, as what it will say is not known."""
    root = Root(tmp_path)
    writer = (tmp_path / IGNORE_FILE).open("w")
    writer.write("secret.txt\n")
    looked = []

    def look_again(_: float) -> None:
        looked.append(1)
        if len(looked) == 3:
            writer.close()

    try:
        with monkeypatch.context() as patch:
            patch.setattr(ignore_file.time, "sleep", look_again)
            patch.setattr(ignore_file, "_WRITING_S", 60.0)  # however busy this machine is
            assert read_rules(root, Files())[0].ignores("secret.txt")
        assert len(looked) == 3
        with (tmp_path / IGNORE_FILE).open("a"), pytest.raises(FolderError, match="open for writing"):
            read_rules(root, Files())
    finally:
        writer.close()
        root.close()


def test_rules_to_come_are_never_dropped(tmp_path: Path) -> None:
    root = Root(tmp_path)
    try:
        for here, to_come in ((1500, 1500), (0, 3), (3, 0)):
            (tmp_path / IGNORE_FILE).write_text("x\n" * here)
            rules, problem = read_rules(root, Files(), "x\n" * to_come)
            assert problem == ""
        (tmp_path / IGNORE_FILE).write_text("x\n" * 1500)
        with pytest.raises(FolderError, match="nothing is synced"):
            read_rules(root, Files(), "y\n" * 1499 + "secret.txt\n")
        for unreadable in ("*.priv\n".encode("utf-16"), b"x\n" * (1 << 20)):
            (tmp_path / IGNORE_FILE).write_bytes(unreadable)
            with pytest.raises(FolderError, match="nothing is synced"):
                read_rules(root, Files())
            rules, problem = read_rules(root, Files(), "secret.txt\n")
            assert rules.ignores("secret.txt")
            assert "what it said before is used" in problem
        (tmp_path / IGNORE_FILE).unlink()
        (tmp_path / IGNORE_FILE).symlink_to("elsewhere")
        with pytest.raises(FolderError, match="nothing is synced"):
            read_rules(root, Files())
    finally:
        root.close()


def test_what_is_left_out_is_kept_when_the_rules_cannot_be_read_any_more(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / IGNORE_FILE).write_text("*.priv\n")
        two.join(one)
        (one.dir / IGNORE_FILE).write_text("x\n" * 3000)
        eventually(lambda: "more than" in one.status()["folders"][0]["problem"])
        (one.dir / "a.priv").write_text("a secret\n")
        (one.dir / "a.txt").write_text("a text\n")
        eventually((two.dir / "a.txt").exists)
        assert not (two.dir / "a.priv").exists()
        one.stop()
        one.start()
        eventually(lambda: "nothing is synced until that is mended" in one.status()["folders"][0]["problem"])
        (one.dir / IGNORE_FILE).write_text("*.priv\n# mended\n")
        (one.dir / "b.txt").write_text("another text\n")
        eventually((two.dir / "b.txt").exists)
        assert not (two.dir / "a.priv").exists()
        assert one.status()["folders"][0]["problem"] == ""


def test_what_went_while_it_was_left_out_comes_back_with_the_rule(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "build").mkdir()
        (one.dir / "build/o").write_text("made\n")
        (one.dir / "build/b").write_bytes(b"\x00made\n")
        two.join(one)
        eventually((two.dir / "build/b").exists)
        one.wait()
        (one.dir / IGNORE_FILE).write_text("build/\n")
        eventually(lambda: all(d.status()["folders"][0]["entries"]["ignored"] == 2 for d in (one, two)))
        for name in ("build/o", "build/b"):
            (two.dir / name).unlink()
        (two.dir / "build").rmdir()
        (one.dir / IGNORE_FILE).write_text("nothing/\n")
        eventually(lambda: two.status()["folders"][0]["rules_waiting"])
        two.cli("folder", "agree")
        eventually(lambda: (two.dir / "build/o").exists() and (two.dir / "build/b").exists())
        one.wait()
        two.wait()
        assert full_tree(one.dir) == full_tree(two.dir)
        assert (one.dir / "build/o").read_text() == "made\n"


def test_too_many_patterns_are_refused() -> None:
    assert IgnoreRules([], "*a*a*a*b\n").ignores("xaxaxab")
    with pytest.raises(ValueError, match="patterns"):
        IgnoreRules([], "x\n" * 3000)
    assert IgnoreRules([], "**/*.tmp\na/**/b*c*\n").ignores("x/y/z.tmp")

"""Folders on file systems that can do less: without atomic exchange (bindfs), and with FAT's idea of names (exFAT)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.power, pytest.mark.timeout(120)]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Path]:
    """A directory beneath which names cannot be exchanged."""
    if shutil.which("bindfs") is None or not Path("/dev/fuse").exists():
        pytest.skip("needs bindfs and /dev/fuse")
    (tmp_path / "behind").mkdir()
    mountpoint = tmp_path / "two" / "dir"
    mountpoint.mkdir(parents=True)
    subprocess.run(["bindfs", str(tmp_path / "behind"), str(mountpoint)], check=True)
    yield mountpoint
    subprocess.run(["umount", str(mountpoint)], check=True)


def test_without_exchange(tmp_path: Path, plain: Path) -> None:
    one = Device(tmp_path, "one")
    two = Device(tmp_path, "two")
    assert two.dir == plain
    try:
        one.start()
        two.start()
        (one.dir / "a.txt").write_text("one\ntwo\nthree\n")
        two.join(one)
        one.wait()
        two.wait()
        file_system = two.status()["folders"][0]["file_system"]
        assert file_system["exchange"] is False
        assert file_system["no_replace"] is False
        assert one.status()["folders"][0]["file_system"] == {
            "exchange": True, "no_replace": True, "links": True, "leases": True, "folds_names": False,
        }  # fmt: skip
        for number in range(10):
            for device in (one, two):
                path = device.dir / "a.txt"
                path.write_text(path.read_text() + f"{device.name} {number}\n")
            one.wait()
            two.wait()
        (one.dir / "d").mkdir()
        (one.dir / "a.txt").rename(one.dir / "d" / "b.txt")
        (two.dir / "new.txt").write_text("new\n")
        eventually(lambda: set(tree(one.dir)) == set(tree(two.dir)) == {"d/b.txt", "new.txt"}, what="the new names")
        one.wait()
        two.wait()
        assert tree(one.dir) == tree(two.dir)
        lines = (one.dir / "d" / "b.txt").read_text().splitlines()
        assert sorted(lines) == sorted(
            ["one", "two", "three", *(f"{name} {number}" for name in ("one", "two") for number in range(10))]
        )
        two.kill()
        two.start()
        two.wait()
        assert tree(one.dir) == tree(two.dir)
        for device in (one, two):
            assert unexpected_lines(device) == []
    finally:
        one.kill()
        two.kill()


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Path]:
    """A file system that takes `Case` and `case` for one name, and has neither links nor permissions."""
    if shutil.which("mount.exfat-fuse") is None or shutil.which("mkfs.exfat") is None or not Path("/dev/fuse").exists():
        pytest.skip("needs exfat-fuse, exfatprogs and /dev/fuse")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    subprocess.run(["mkfs.exfat", str(image)], check=True, capture_output=True)
    mountpoint = tmp_path / "two" / "dir"
    mountpoint.mkdir(parents=True)
    loop = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        subprocess.run(["mount.exfat-fuse", loop, str(mountpoint)], check=True, capture_output=True)
        yield mountpoint
        subprocess.run(["umount", str(mountpoint)], check=True)
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)


def test_names_that_cannot_be_held_apart_are_reported_and_not_merged(tmp_path: Path, folding: Path) -> None:
    one = Device(tmp_path, "one")
    two = Device(tmp_path, "two")
    assert two.dir == folding

    def waiting() -> set[str]:
        return {item["path"] for item in two.status()["folders"][0]["waiting"]}

    try:
        one.start()
        two.start()
        (one.dir / "Case").write_text("upper\n")
        (one.dir / "plain.txt").write_text("plain\n")
        (one.dir / "blob").write_bytes(b"\0")
        two.join(one)
        eventually(lambda: set(tree(two.dir)) == {"Case", "plain.txt", "blob"})
        assert two.status()["folders"][0]["file_system"]["folds_names"] is True
        (one.dir / "case").write_text("lower\n")
        (one.dir / "link").symlink_to("Case")
        (two.dir / "plain.txt").write_text("plain\nand more\n")
        eventually(lambda: waiting() == {"case", "link"}, what="the names that wait")
        eventually(lambda: (one.dir / "plain.txt").read_text() == "plain\nand more\n")
        assert tree(two.dir)["Case"] == b"upper\n"
        assert tree(one.dir)["Case"] == b"upper\n"
        assert tree(one.dir)["case"] == b"lower\n"
        (two.dir / "Case").write_text("upper\nfrom two\n")
        eventually(lambda: (one.dir / "Case").read_text() == "upper\nfrom two\n")
        # once the twin has another name both are there
        (one.dir / "Case").rename(one.dir / "Other")
        eventually(lambda: set(tree(two.dir)) == {"Other", "case", "plain.txt", "blob"}, what="both being there")
        (one.dir / "plain.txt").rename(one.dir / "Plain.txt")
        eventually(lambda: "Plain.txt" in tree(two.dir) and "plain.txt" not in tree(two.dir), what="the other case")
        assert tree(one.dir)["Plain.txt"] == b"plain\nand more\n"
        assert unexpected_lines(one) == unexpected_lines(two) == []
    finally:
        one.kill()
        two.kill()


_REFUSED = ["a:b.txt", "what?", "star*", "pipe|x", 'quo"te', "less<more", "new\nline", "back\\slash", "bad\udcff.txt"]


def test_names_that_the_disk_cannot_store_wait_with_that_reason_and_are_deleted_nowhere(
    tmp_path: Path, folding: Path
) -> None:
    one, two = Device(tmp_path, "one"), Device(tmp_path, "two")
    try:
        one.start()
        two.start()
        (one.dir / "in:side").mkdir()
        (one.dir / "in:side" / "deep.txt").write_text("deep\n")
        (one.dir / "plain.txt").write_text("plain\n")
        for name in _REFUSED:
            (one.dir / name).write_text("text\n")
        two.join(one)
        eventually(lambda: set(tree(two.dir)) == {"plain.txt"})
        wanted = {*_REFUSED[:-1], "bad\\udcff.txt", "in:side/deep.txt"}

        def waiting() -> dict[str, str]:
            return {item["path"]: item["reason"] for item in two.status()["folders"][0]["waiting"]}

        eventually(lambda: set(waiting()) == wanted, what="the names that wait")
        assert all("cannot store the name" in reason for reason in waiting().values()), waiting()
        assert "'in:side'" in waiting()["in:side/deep.txt"]
        assert list((two.dir / ".yp2p/tmp").glob("probe-*")) == []
        before = tree(one.dir)
        two.stop()
        two.start()
        eventually(lambda: set(waiting()) == wanted, what="the names that wait after a restart")
        # One that is here gets such a name elsewhere: it stays here under the one it had, and is the same file.
        (one.dir / "plain.txt").rename(one.dir / "pl:ain.txt")
        eventually(lambda: "pl:ain.txt" in waiting())
        (two.dir / "plain.txt").write_text("plain\nfrom two\n")
        eventually(lambda: (one.dir / "pl:ain.txt").read_text() == "plain\nfrom two\n")
        (one.dir / "a:b.txt").rename(one.dir / "a-b.txt")
        eventually(lambda: (two.dir / "a-b.txt").exists(), what="what has a name that can be stored")
        assert set(tree(one.dir)) == set(before) - {"plain.txt", "a:b.txt"} | {"pl:ain.txt", "a-b.txt"}
        assert unexpected_lines(one) == unexpected_lines(two) == []
    finally:
        one.kill()
        two.kill()

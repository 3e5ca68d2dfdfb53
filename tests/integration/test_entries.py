"""Every kind of entry, with real devices: it is the same everywhere, and what was there is never gone."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually, unexpected_lines

from yp2p.protocol.names import points_outside


def full_tree(root: Path) -> dict[str, tuple[object, ...]]:
    """All entries beneath `root` but ours: kind, permissions of files, content."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name != ".yp2p"]
        for name in [*below, *names]:
            path = Path(directory, name)
            try:
                status = path.lstat()
                if stat.S_ISLNK(status.st_mode):
                    entry: tuple[object, ...] = "link", os.readlink(path)
                elif stat.S_ISDIR(status.st_mode):
                    entry = ("directory",)
                else:
                    entry = "file", oct(status.st_mode & 0o777), path.read_bytes()
            except FileNotFoundError:
                continue  # it went while we looked
            found[str(path.relative_to(root))] = entry
    return found


def _same(*several: Device, limit_s: float = 20) -> dict[str, tuple[object, ...]]:
    """Wait until the trees are equal; gives it."""
    trees: list[dict[str, tuple[object, ...]]] = []

    def are_equal() -> bool:
        trees[:] = [full_tree(device.dir) for device in several]
        return all(tree == trees[0] for tree in trees)

    try:
        eventually(are_equal, limit_s)
    except AssertionError:
        for name in sorted({name for tree in trees for name in tree}):
            entries = [tree.get(name) for tree in trees]
            assert all(entry == entries[0] for entry in entries), (name, [str(entry)[:80] for entry in entries])
        raise
    return trees[0]


def _settled(*several: Device) -> dict[str, tuple[object, ...]]:
    for device in several:
        device.wait()
    return _same(*several)


def _in_trash(device: Device) -> list[bytes]:
    return [path.read_bytes() for path in (device.dir / ".yp2p/trash").rglob("*") if path.is_file()]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        two.join(one)
        yield [one, two]
        for device in (one, two):
            assert unexpected_lines(device, "conflict_copy_created") == []


def _fill(root: Path) -> None:
    names = [
        "plain",
        "with space",
        "new\nline",
        "😀",
        "-rf",
        "dot.",
        "é",
        "e\u0301",
        "Case",
        "case",
        "q\"'`$",
        "x" * 255,
    ]
    rng = random.Random(3)
    for name in names:
        (root / name).write_text(f"this is {name}\n")
    (root / os.fsdecode(b"not\xffutf8")).write_bytes(b"\xff\xfe")
    contents = {
        "crlf": b"a\r\nb\r\n", "mixed": b"a\r\nb\nc\r", "bom": b"\xef\xbb\xbfx\n", "no-end": b"abc", "nul": b"a\0b",
        "latin": b"caf\xe9", "surrogate": b"\xed\xa0\x80", "empty": b"", "chunk": rng.randbytes(256 << 10),
        "chunk-and-one": rng.randbytes((256 << 10) + 1), "long": rng.randbytes(3_000_000), "line": b"x" * 5_000_000,
    }  # fmt: skip
    for name, data in contents.items():
        (root / "contents").mkdir(exist_ok=True)
        (root / "contents" / name).write_bytes(data)
    for mode in (0o644, 0o755, 0o600, 0o700):
        for name, data in (("text", b"x\n"), ("blob", b"\0")):
            (root / f"{name}-{mode:o}").write_bytes(data)
            (root / f"{name}-{mode:o}").chmod(mode)
    (root / "to-text").symlink_to("plain")
    (root / "to-directory").symlink_to("contents")
    (root / "to-nowhere").symlink_to("/no/where")
    (root / "outside").symlink_to("../../..")
    (root / "alone").mkdir()
    (root / "deep/er/and/empty").mkdir(parents=True)
    (root / "deep/file").write_text("in it\n")


def test_a_zoo_arrives_and_is_turned_over(pair: list[Device]) -> None:
    one, two = pair
    _fill(one.dir)
    os.mkfifo(one.dir / "fifo")
    expected = full_tree_without(one.dir, "fifo")
    eventually(lambda: full_tree(two.dir) == expected, what="the zoo being there")
    assert one.status()["folders"][0]["not_synced"] == [{"path": "fifo", "reason": "not a regular file"}]
    (one.dir / "fifo").unlink()
    long = two.dir / "contents/long"
    assert long.stat().st_mtime_ns == (one.dir / "contents/long").stat().st_mtime_ns
    # kinds change, on both sides at once
    (one.dir / "plain").write_bytes(b"\0 no text now")
    (two.dir / "contents/nul").write_text("text now\n")
    (one.dir / "to-nowhere").unlink()
    (one.dir / "to-nowhere").write_text("a file now\n")
    (two.dir / "no-link").write_text("x\n")
    _same(one, two)
    (two.dir / "no-link").unlink()
    (two.dir / "no-link").symlink_to("a")
    shutil.rmtree(two.dir / "alone")
    (two.dir / "alone").write_text("no directory now\n")
    (one.dir / "Case").unlink()
    (one.dir / "Case").mkdir()
    (one.dir / "Case/in").write_bytes(b"\0")
    (one.dir / "deep").rename(one.dir / "moved")
    (two.dir / "text-644").chmod(0o700)
    (two.dir / "blob-600").chmod(0o755)
    (one.dir / "to-text").unlink()
    tree = _settled(one, two)
    assert tree["plain"][2] == b"\0 no text now"
    assert tree["contents/nul"][2] == b"text now\n"
    assert tree["to-nowhere"][0] == "file"
    assert tree["no-link"] == ("link", "a")
    assert tree["alone"][2] == b"no directory now\n"
    assert tree["Case/in"][2] == b"\0"
    assert tree["moved/er/and/empty"] == ("directory",)
    assert "deep" not in tree
    assert tree["text-644"][1] == "0o700"
    assert tree["blob-600"][1] == "0o755"
    assert "to-text" not in tree
    # the last file goes, its directory stays
    (two.dir / "moved/file").unlink()
    shutil.rmtree(two.dir / "moved/er")
    tree = _settled(one, two)
    assert {name for name in tree if name.startswith("moved")} == {"moved"}
    (one.dir / "moved/again").write_text("x\n")
    _settled(one, two)
    (two.dir / "moved/again").unlink()
    assert _settled(one, two)["moved"] == ("directory",)


def full_tree_without(root: Path, name: str) -> dict[str, tuple[object, ...]]:
    """As `full_tree`; a FIFO cannot be read."""
    (root / name).rename(root.parent / name)
    try:
        return full_tree(root)
    finally:
        (root.parent / name).rename(root / name)


def test_one_changed_byte_costs_a_chunk_and_what_was_there_is_in_the_trash(pair: list[Device]) -> None:
    one, two = pair
    data = bytearray(random.Random(4).randbytes(20 << 20))
    (one.dir / "big").write_bytes(data)
    _settled(one, two)
    before = two.traffic()
    old = bytes(data)
    data[10 << 20] ^= 1
    (one.dir / "big").write_bytes(data)
    eventually(lambda: (two.dir / "big").read_bytes() == bytes(data))
    assert two.traffic() - before < 1 << 20
    eventually(lambda: old in _in_trash(two))  # it is moved there once the new one is in its place
    before = two.traffic()
    (one.dir / "d").mkdir()
    (one.dir / "big").rename(one.dir / "d/moved")
    shutil.copyfile(one.dir / "d/moved", one.dir / "copy")
    _settled(one, two)
    assert (two.dir / "d/moved").read_bytes() == bytes(data)
    assert two.traffic() - before < 1 << 19


@pytest.mark.long
def test_a_broken_transfer_goes_on_where_it_was(pair: list[Device]) -> None:
    one, two = pair
    data = random.Random(5).randbytes(200 << 20)
    (one.dir / "big").write_bytes(data)

    def has_begun() -> bool:
        return any(path.stat().st_blocks > 1 << 15 for path in (two.dir / ".yp2p/tmp").glob("blob-*"))

    eventually(has_begun)
    two.kill()
    assert not (two.dir / "big").exists()
    two.start()
    eventually(lambda: (two.dir / "big").exists())
    assert two.traffic() < 190 << 20
    assert (two.dir / "big").read_bytes() == data
    _settled(one, two)
    assert list((two.dir / ".yp2p/tmp").iterdir()) == []


@pytest.mark.long
def test_two_versions_of_a_blob_made_at_a_time_are_both_kept_once(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "p.bin").write_bytes(b"\0 first")
        (one.dir / "l").symlink_to("a")
        (one.dir / "t").write_text("text\n")
        two.join(one)
        three.join(one)
        _settled(one, two, three)
        for device in (one, two, three):
            device.stop()
        for number, device in enumerate((one, two, three)):
            (device.dir / "p.bin").write_bytes(b"\0 version %d" % (number // 2))  # one and two make the same
            (device.dir / "l").unlink()
            (device.dir / "l").symlink_to(f"b{number}")
            (device.dir / "t").write_bytes(b"\xff" if number else b"text\nand more\n")
        for device in (one, two, three):
            device.start()
        tree = _settled(one, two, three)
        blobs = sorted(str(entry[2]) for name, entry in tree.items() if name.startswith("p."))
        assert blobs == ["b'\\x00 version 0'", "b'\\x00 version 1'"]
        assert {entry[1] for name, entry in tree.items() if name.startswith("l")} == {"b0", "b1", "b2"}
        texts = sorted(str(entry[2]) for name, entry in tree.items() if name.startswith("t"))
        assert texts == ["b'\\xff'", "b'text\\nand more\\n'"]
        assert len(tree) == 7
        listed = {item["path"] for item in json.loads(three.cli("conflicts", "--json"))}
        assert listed == {name for name in tree if ".conflict-" in name}
        assert len(listed) == 4


@pytest.mark.long
def test_a_deleted_blob_that_was_changed_elsewhere_stays(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for name in ("changed", "same"):
            (one.dir / name).write_bytes(b"\0" + name.encode())
        two.join(one)
        _settled(one, two)
        two.stop()
        (one.dir / "changed").unlink()
        (one.dir / "same").unlink()
        one.wait()
        (two.dir / "changed").write_bytes(b"\0 and again")
        two.start()
        tree = _settled(one, two)
        assert tree == {"changed": ("file", "0o644", b"\0 and again")}
        assert b"\0same" in _in_trash(two)


@pytest.mark.long
def test_a_chmod_and_a_new_content_made_at_a_time_both_hold(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "f").write_bytes(b"\0 first")
        two.join(one)
        _settled(one, two)
        two.stop()
        (one.dir / "f").write_bytes(b"\0 second")
        eventually(lambda: "file_replaced" in one.log.read_text())
        one.stop()
        two.start()
        (two.dir / "f").chmod(0o700)
        two.wait()
        one.start()
        assert _settled(one, two) == {"f": ("file", "0o700", b"\0 second")}


def test_devices_with_other_limits_of_texts_do_not_change_each_others_files(tmp_path: Path) -> None:
    with (
        devices(tmp_path, "one") as (one,),
        devices(tmp_path, "two", YP2P_FILES__MAX_TEXT_BYTES="1024") as (two,),
    ):
        (one.dir / "f").write_text("a line of many\n" * 300)
        shutil.copyfile(one.dir / "f", two.dir / "f")
        two.join(one)
        for number in range(3):
            _settled(one, two)
            with (one, two)[number % 2].dir.joinpath("f").open("a") as file:
                file.write(f"line {number}\n")
            eventually(lambda: (one.dir / "f").read_bytes() == (two.dir / "f").read_bytes())
        assert set(_settled(one, two)) == {"f"}
        replaced = [device.log.read_text().count("file_replaced") for device in (one, two)]
        assert sum(replaced) <= 3, "a kind changes with the content only"


@pytest.mark.long
def test_a_long_file_is_read_beside_and_moved_without_being_sent_again(pair: list[Device]) -> None:
    one, two = pair
    data = bytearray(random.Random(6).randbytes(48 << 20))
    (one.dir / "long").write_bytes(data)
    (one.dir / "typed.txt").write_text("typed meanwhile\n")
    (one.dir / "gone.txt").write_text("x\n")
    _settled(one, two)
    before = two.traffic()
    (one.dir / "d").mkdir()
    (one.dir / "long").rename(one.dir / "d/long")
    (one.dir / "gone.txt").unlink()
    eventually(lambda: (two.dir / "d/long").exists() and not (two.dir / "gone.txt").exists())
    _settled(one, two)
    assert two.traffic() - before < 1 << 19
    assert not list((two.dir / ".yp2p/trash").rglob("long")), "it was renamed, not deleted"
    # changed on one device and moved on the other
    data[5] ^= 1
    (one.dir / "d/long").write_bytes(data)
    (two.dir / "d/long").rename(two.dir / "there")
    eventually(lambda: full_tree(one.dir).get("there", (0,))[-1] == bytes(data), 30)
    assert set(_settled(one, two)) - {"d"} == {"there", "typed.txt"}
    one.stop()
    data[6] ^= 1
    (one.dir / "there").write_bytes(data)
    one.start()
    eventually(lambda: (two.dir / "there").read_bytes() == bytes(data), 30)
    _settled(one, two)


def test_a_name_that_is_used_again_by_what_was_there_is_another_file(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "photo.jpg").write_bytes(b"\0 a photo")
    (one.dir / "link").symlink_to("photo.jpg")
    _settled(one, two)
    (one.dir / "photo.jpg").rename(one.dir / "backup.jpg")
    shutil.copyfile(one.dir / "backup.jpg", one.dir / "photo.jpg")
    (one.dir / "link").rename(one.dir / "old link")
    (one.dir / "link").symlink_to("photo.jpg")
    _settled(one, two)
    (two.dir / "backup.jpg").write_bytes(b"\0 edited")
    eventually(lambda: (one.dir / "backup.jpg").read_bytes() == b"\0 edited")
    tree = _settled(one, two)
    assert set(tree) == {"photo.jpg", "backup.jpg", "link", "old link"}
    assert tree["photo.jpg"][2] == b"\0 a photo"


def test_a_symlink_that_points_outside_is_kept_and_told_on_every_device(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "d").mkdir()
        for name, target in {
            "absolute": "/etc/passwd",
            "above": "..",
            "d/above": "../../x",
            "d/inside": "../a",
        }.items():
            (one.dir / name).symlink_to(target)
        two.join(one)
        eventually(lambda: (two.dir / "d/above").is_symlink() and (two.dir / "d/inside").is_symlink())
        (two.dir / "later").symlink_to("/nowhere")
        eventually(lambda: (one.dir / "later").is_symlink())
        for device in (one, two):
            device.wait()
            notices = json.loads(device.cli("notices", "--json"))
            told = [notice["path"] for notice in notices if notice["kind"] == "points-outside"]
            assert sorted(told) == ["above", "absolute", "d/above", "later"]
        assert os.readlink(two.dir / "above") == ".."


@pytest.mark.parametrize(
    ("path", "target", "outside"),
    [
        ("a", b"b", False), ("a", b"..", True), ("d/a", b"..", False), ("d/a", b"../..", True), ("a", b"/", True),
        ("a", b"d/../../x", True), ("a", b"./d/..", False), ("d/a", b"../d//.././b", False), ("a", b"", False),
    ],
)  # fmt: skip
def test_what_points_outside_is_told_by_words_alone(path: str, target: bytes, outside: bool) -> None:
    assert points_outside(path, target) is outside


def _received(device: Device) -> int:
    return sum(int(peer["received_bytes"]) for peer in device.status()["devices"])


def test_of_a_copy_that_was_changed_only_the_change_travels(pair: list[Device]) -> None:
    one, two = pair
    data = bytearray(random.Random(5).randbytes(12 << 20))
    (one.dir / "original").write_bytes(data)
    (one.dir / "unlike").write_bytes(random.Random(6).randbytes(12 << 20))
    _settled(one, two)
    before = _received(two)
    data[5 << 20] ^= 1
    (one.dir / "copy").write_bytes(data)
    _settled(one, two)
    assert (two.dir / "copy").read_bytes() == data
    assert _received(two) - before < 1 << 20
    data[7 << 20] ^= 1
    before = _received(two)
    (one.dir / "original").rename(one.dir / "renamed")
    (one.dir / "renamed").write_bytes(data)
    _settled(one, two)
    assert (two.dir / "renamed").read_bytes() == data
    assert _received(two) - before < 2 << 20


def test_what_is_written_by_another_name_of_a_file_is_seen(pair: list[Device]) -> None:
    one, two = pair
    for name, data in {"a.txt": b"a text\n", "blob": b"\0 a blob"}.items():
        (one.dir / name).write_bytes(data)
        os.link(one.dir / name, one.dir / f"link to {name}")
    _settled(one, two)
    for name in ("a.txt", "blob"):
        with (one.dir / f"link to {name}").open("ab") as file:
            file.write(b"written by the other name\n")
        eventually(lambda name=name: (two.dir / name).read_bytes() == (one.dir / name).read_bytes())  # type: ignore[misc]
    _settled(one, two)


def test_a_path_that_is_too_long_is_told(pair: list[Device]) -> None:
    one, _ = pair
    (one.dir / "a.txt").write_text("a text\n")
    directory = os.open(one.dir, os.O_DIRECTORY)
    for number in range(13):
        name = f"{number:02}{'x' * 250}"
        os.mkdir(name, dir_fd=directory)
        below = os.open(name, os.O_DIRECTORY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
    os.close(directory)
    one.stop()
    one.start()
    one.wait()
    told = one.status()["folders"][0]["not_synced"]
    assert ["more than 3072 bytes" in item["reason"] for item in told] == [True]

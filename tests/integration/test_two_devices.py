"""Two and three whole devices on loopback: pairing, live edits, offline edits, renames, deletes, crashes."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    """Two devices that share a folder with one file."""
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line 1\nline 2\nline 3\n")
        two.join(one)
        one.wait()
        two.wait()
        assert tree(one.dir) == tree(two.dir)
        yield [one, two]
        for device in (one, two):
            assert unexpected_lines(device, "conflict_copy_created") == []


def _synced(*found: Device) -> None:
    for device in found:
        device.wait()
    for device in found[1:]:
        assert tree(device.dir) == tree(found[0].dir)


def test_edits_creates_renames_and_deletes_travel(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "a.txt").write_text("line 1\nline two\nline 3\n")
    (two.dir / "sub" / "deep").mkdir(parents=True)
    (two.dir / "sub" / "deep" / "b.txt").write_text("b\n")
    eventually(lambda: (two.dir / "a.txt").read_text().splitlines()[1:2] == ["line two"])
    eventually((one.dir / "sub" / "deep" / "b.txt").exists)
    _synced(one, two)
    (one.dir / "sub").rename(one.dir / "moved")
    eventually((two.dir / "moved" / "deep" / "b.txt").exists)
    eventually(lambda: not (two.dir / "sub").exists())
    (two.dir / "moved" / "deep" / "b.txt").unlink()
    eventually(lambda: not (one.dir / "moved").exists())
    _synced(one, two)
    assert set(tree(one.dir)) == {"a.txt"}
    trash = list((one.dir / ".yp2p" / "trash").rglob("b.txt"))
    assert [path.read_text() for path in trash] == ["b\n"], "an incoming delete keeps the content"


def test_every_way_to_save(pair: list[Device]) -> None:
    one, two = pair
    path, other = one.dir / "a.txt", two.dir / "a.txt"

    def in_place() -> None:
        with path.open("r+") as file:
            file.write("LINE")

    def replace_by_rename() -> None:
        temporary = path.with_name("a.txt.tmp1234")
        temporary.write_text(path.read_text() + "by rename\n")
        temporary.rename(path)

    def like_vim() -> None:
        probe = path.with_name("4913")
        probe.write_text("")
        probe.unlink()
        text = path.read_text()
        path.rename(path.with_name("a.txt~"))
        path.write_text(text + "by vim\n")
        path.with_name("a.txt~").unlink()

    def append() -> None:
        with path.open("a") as file:
            file.write("appended\n")

    def truncate_and_write_slowly() -> None:
        with path.open("w") as file:
            file.write("all ")
            file.flush()
            file.write("new\n")

    for save in (in_place, replace_by_rename, like_vim, append, truncate_and_write_slowly):
        save()
        wanted = path.read_text()
        eventually(lambda wanted=wanted: other.read_text() == wanted, what=save.__name__)  # type: ignore[misc]
    _synced(one, two)
    assert set(tree(two.dir)) == {"a.txt"}
    status = one.status()["folders"][0]
    assert status["entries"]["total"] == 1, "no entry for a temporary name"


def test_concurrent_and_offline_edits_merge(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    (one.dir / "a.txt").write_text("line 1 by one\nline 2\nline 3\n")
    (two.dir / "a.txt").write_text("line 1\nline 2\nline 3 by two\n")
    (two.dir / "new.txt").write_text("new\n")
    one.wait()
    two.start()
    _synced(one, two)
    assert (one.dir / "a.txt").read_text() == "line 1 by one\nline 2\nline 3 by two\n"
    assert set(tree(one.dir)) == {"a.txt", "new.txt"}


@pytest.mark.long
def test_an_offline_rename_and_edit_of_the_other_meet(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    (two.dir / "a.txt").rename(two.dir / "renamed.txt")
    (one.dir / "a.txt").write_text("line 1\nline 2\nline 3\nline 4\n")
    one.wait()
    two.start()
    _synced(one, two)
    assert tree(one.dir) == {"renamed.txt": b"line 1\nline 2\nline 3\nline 4\n"}


def test_an_edit_beats_a_delete(pair: list[Device]) -> None:
    one, two = pair
    two.stop()
    (two.dir / "a.txt").write_text("line 1\nline 2 edited\nline 3\n")
    (one.dir / "a.txt").unlink()
    eventually(lambda: one.status()["folders"][0]["entries"]["total"] == 0)
    two.start()
    _synced(one, two)
    assert tree(one.dir) == {"a.txt": b"line 1\nline 2 edited\nline 3\n"}


@pytest.mark.long
def test_deleting_and_creating_again_revives(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "a.txt").unlink()
    eventually(lambda: not (two.dir / "a.txt").exists())
    _synced(one, two)
    (two.dir / "a.txt").write_text("line 1\nback\n")
    eventually((one.dir / "a.txt").exists)
    _synced(one, two)
    assert tree(one.dir) == {"a.txt": b"line 1\nback\n"}
    (one.dir / "a.txt").unlink()
    eventually(lambda: not (two.dir / "a.txt").exists())
    (one.dir / "a.txt").write_text("line 1\nback\n")
    eventually((two.dir / "a.txt").exists)
    _synced(one, two)
    assert tree(two.dir) == {"a.txt": b"line 1\nback\n"}


@pytest.mark.long
def test_swapped_names(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "b.txt").write_text("the other file\n")
    eventually((two.dir / "b.txt").exists)
    _synced(one, two)
    one.stop()
    (one.dir / "a.txt").rename(one.dir / "c")
    (one.dir / "b.txt").rename(one.dir / "a.txt")
    (one.dir / "c").rename(one.dir / "b.txt")
    one.start()
    _synced(one, two)
    assert (two.dir / "a.txt").read_text() == "the other file\n"


def test_what_does_not_belong_is_left_alone(pair: list[Device]) -> None:
    one, two = pair
    os.mkfifo(one.dir / "fifo")
    os.mknod(one.dir / "socket", stat.S_IFSOCK | 0o600)
    (one.dir / ".git").mkdir()
    (one.dir / ".git" / "config").write_text("[core]\n")
    (one.dir / "draft.txt~").write_text("backup\n")
    eventually(lambda: one.status()["folders"][0]["entries"]["not_synced"] == 2)
    assert {item["path"] for item in one.status()["folders"][0]["not_synced"]} == {"fifo", "socket"}
    one.wait()
    assert set(tree(two.dir)) == {"a.txt"}


@pytest.mark.long
def test_awkward_texts_arrive_byte_for_byte(pair: list[Device]) -> None:
    one, two = pair
    texts = {
        "crlf.txt": b"a\r\nb\r\n",
        "mixed.txt": b"a\r\nb\nc\rd",
        "bom.txt": b"\xef\xbb\xbfbom\n",
        "emoji.txt": "😀 é e\u0301 中文\n".encode(),
        "name with spaces \n and é.txt": b"x",
        "no end": b"no newline at the end",
        "empty": b"",
    }
    for name, data in texts.items():
        (one.dir / name).write_bytes(data)
    eventually(lambda: len(tree(two.dir)) == len(texts) + 1)
    (two.dir / "emoji.txt").write_text("😀😀 é e\u0301x 中文!\n")
    eventually(lambda: (one.dir / "emoji.txt").read_text().startswith("😀😀"))
    _synced(one, two)
    for name, data in texts.items():
        if name != "emoji.txt":
            assert (two.dir / name).read_bytes() == data


def test_equal_files_on_both_sides_are_one(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for device in (one, two):
            (device.dir / "same.txt").write_text("the same on both\n")
        (one.dir / "differs.txt").write_text("from one\n")
        (two.dir / "differs.txt").write_text("from two\n")
        (two.dir / "only.txt").write_text("only on two\n")
        one.cli("share", str(one.dir))
        one.wait()
        two.join(one)
        _synced(one, two)
        contents = tree(one.dir)
        assert contents["same.txt"] == b"the same on both\n"
        assert contents["only.txt"] == b"only on two\n"
        assert contents["differs.txt"] == b"from one\n", "the folder's file keeps its name"
        beside = [name for name in contents if name.startswith("differs.conflict-")]
        assert [contents[name] for name in beside] == [b"from two\n"]
        assert len(contents) == 4
        assert one.status()["folders"][0]["conflicts"] == beside


def test_a_third_device_joins_through_the_second(pair: list[Device], tmp_path: Path) -> None:
    one, two = pair
    with devices(tmp_path, "three") as (three,):
        three.join(two)
        _synced(one, two, three)
        eventually(lambda: all(d["connected"] for d in one.status()["devices"]), what="one knowing three")
        assert {d["name"] for d in one.status()["devices"]} == {"two", "three"}
        two.stop()
        (three.dir / "a.txt").write_text("line 1\nby three\nline 3\n")
        eventually(lambda: "by three" in (one.dir / "a.txt").read_text())
        two.start()
        _synced(one, two, three)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_killed_at_random_moments(pair: list[Device]) -> None:
    """kill -9 of either daemon, 20 times, while both sides are edited: nothing is lost, nothing comes twice."""
    rng = random.Random(20)
    tokens: list[str] = []
    for round_number in range(20):
        victim = rng.choice(pair)
        for step in range(6):
            device = rng.choice(pair)
            token = f"T{round_number}x{step}y"
            path = device.dir / rng.choice(["a.txt", f"file{rng.randrange(4)}.txt"])
            rows = path.read_text().splitlines(keepends=True) if path.exists() else []
            rows.insert(rng.randint(0, len(rows)), f"{token} from {device.name}\n")
            temporary = path.with_name(path.name + "~")
            temporary.write_text("".join(rows))
            os.rename(temporary, path)
            tokens.append(token)
            if step == rng.randrange(6):
                victim.kill()
        victim.kill()
        victim.start()
        if round_number % 4 == 3:
            _synced(*pair)
    _synced(*pair)
    text = b"".join(tree(pair[0].dir).values()).decode()
    assert [token for token in tokens if text.count(token) != 1] == []


def test_presence_shows_who_edits_what_and_goes_with_the_link(pair: list[Device]) -> None:
    one, two = pair
    (two.dir / "a.txt").write_text("line 1\nline 2\nline 3\nedited\n")

    def present() -> dict[str, list[str]]:
        return {state["device"]: state["open"] for state in one.status()["folders"][0]["presence"]}

    eventually(lambda: present().get("two") == ["a.txt"], what="seeing what two has open")
    two.kill()
    eventually(lambda: set(present()) == {"one"}, 20, "two being gone")
    two.start()
    eventually(lambda: set(present()) == {"one", "two"})


@pytest.mark.long
def test_there_is_one_link_however_often_both_start_at_once(pair: list[Device]) -> None:
    one, two = pair
    for _ in range(3):
        for device in pair:
            device.kill()
        for device in pair:
            device.start()
        _synced(one, two)
        ports = {device.status()["device"]["port"] for device in pair}
        established = [
            line
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "01" and int(line.split()[1].rpartition(":")[2], 16) in ports
        ]
        assert len(established) == 1, established


@pytest.mark.long
def test_a_reconnect_with_nothing_changed_is_one_question_and_one_answer(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for number in range(200):
            (one.dir / f"{number}.txt").write_text(f"file {number}\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        two.stop()
        two.start()
        two.wait()
        (peer,) = two.status()["devices"]
        said = peer["exchanged_bytes"]
        assert 0 < said["FolderState"] <= 1024
        assert not said.keys() & {"ManifestQuery", "TreeQuery", "TreeBuckets", "LeavesQuery", "Leaves", "Documents"}

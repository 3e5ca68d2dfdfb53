"""What a person may do wrong: each answer is a sentence with what to do, an exit code, and no traceback."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with devices(tmp_path, "one") as (one,):
        yield one


def _wrong_code(device: Device, code: str) -> None:
    """A code is tried that is wrong."""
    _refused(device, 9, "join", code, str(device.dir), words=("wrong code",))


def _refused(device: Device, code: int, *arguments: str, words: tuple[str, ...] = ()) -> str:
    done = device.run(*arguments)
    assert done.returncode == code, f"{done.returncode} {done.stdout} {done.stderr}"
    assert done.stderr.startswith("yp2p: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


def test_directories_that_cannot_be_shared(device: Device, tmp_path: Path) -> None:
    (device.dir / "inside").mkdir()
    (tmp_path / "file").write_text("x")
    shown = [device.cli("share", str(device.dir))]
    for name in ("share", "join"):
        digits = {code[:2] for code in shown}
        code = next(f"{number:02}-K7MX2Q" for number in range(100) if f"{number:02}" not in digits)  # any but its own
        command = (name, code) if name == "join" else (name,)
        _refused(device, 8, *command, str(tmp_path / "nowhere"), words=("does not exist", "mkdir"))
        _refused(device, 8, *command, str(tmp_path / "file"), words=("is a file",))
        _refused(device, 8, *command, str(device.dir / "inside"), words=("is inside the folder 'dir'",))
        (tmp_path / "above" / "shared").mkdir(parents=True, exist_ok=True)
        shown.append(device.cli("share", str(tmp_path / "above" / "shared")))
        _refused(device, 8, *command, str(tmp_path / "above"), words=("contains the folder 'shared'",))
        _refused(device, 8, *command, "/", words=("cannot be shared",))
    _refused(device, 8, "join", code, str(device.dir), words=("is shared already",))


def test_codes_that_do_not_work(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        _refused(two, 2, "join", "hello", str(two.dir), words=("is not a pairing code", "47-K7M-X2Q"))
        _refused(two, 9, "join", "47-K7MX2Q", str(two.dir), "--timeout", "1", words=("no device on this network",))
        code = one.cli("share", str(one.dir))
        assert one.cli("share", str(one.dir)) == code, "the window that is open is shown again"
        wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
        _wrong_code(two, wrong)
        assert two.status()["folders"] == []
        two.cli("join", code.lower().replace("-", ""), str(two.dir))
        _refused(three, 9, "join", code, str(three.dir), "--timeout", "2", words=("no device on this network",))
        second = one.cli("share", str(one.dir))
        assert second != code
        wrong = second[:-1] + ("A" if second[-1] != "A" else "B")
        _refused(one, 9, "join", second, str(tmp_path / "three"), words=("this device",))
        # Where it is named nobody else is waited for; the window is closed for some seconds only.
        there = f"127.0.0.1:{one.status()['device']['port']}"
        for _ in range(3):
            _refused(three, 9, "join", wrong, str(three.dir), "--at", there, words=("wrong code",))
        # How long it has to wait, and that it then shows another one, is in tests/pairing.
        _refused(one, 9, "share", str(one.dir), words=("too many wrong codes",))
        three.cli("join", two.cli("share", str(two.dir)), str(three.dir))


def test_without_a_daemon(tmp_path: Path) -> None:
    device = Device(tmp_path, "one")
    for command in (("status",), ("share", str(device.dir)), ("wait",), ("stop",), ("join", "47-K7MX2Q", "/tmp")):
        _refused(device, 3, *command, words=("no yp2p daemon is running", "yp2p up"))


def test_a_second_daemon_on_the_same_home(device: Device) -> None:
    socket_path = str(device.home / "control.sock")
    _refused(device, 4, "daemon", words=("already runs", str(device.pid), socket_path, "yp2p stop"))
    assert device.status()["device"]["name"] == "one"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        device = Device(tmp_path, "one", YP2P_LISTEN__PORT=str(taken.getsockname()[1]))
        _refused(device, 5, "daemon", words=("in use", "YP2P_LISTEN__PORT"))


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    device = Device(tmp_path, "one", YP2P_LISTEN__PORT="many")
    _refused(device, 6, "daemon", words=("YP2P_LISTEN__PORT", "0 to 65535"))
    device = Device(tmp_path, "two", YP2P_DISCOVERY__STATIC="nowhere")
    _refused(device, 6, "daemon", words=("static", "HOST:PORT"))
    device = Device(tmp_path, "three")
    device.home.mkdir()
    (device.home / "config.toml").write_text("[listen]\nprot = 1\n")
    _refused(device, 6, "daemon", words=("config.toml", "address, port"))


def test_a_damaged_key_is_left_as_it_is(tmp_path: Path) -> None:
    device = Device(tmp_path, "one").start()
    device.stop()
    path = device.home / "device.key"
    path.write_bytes(b"damaged")
    _refused(device, 7, "daemon", words=("damaged", "left as it is"))
    assert path.read_bytes() == b"damaged"


@pytest.mark.long
def test_another_key_or_none_is_no_new_identity(tmp_path: Path) -> None:
    device = Device(tmp_path, "one").start()
    identity = device.status()["device"]["id"]
    device.stop()
    key = (device.home / "device.key").read_text()
    last = "0" if key.strip()[-1] != "0" else "1"
    (device.home / "device.key").write_text(key.strip()[:-1] + last + "\n")
    _refused(device, 7, "daemon", words=("is not the one", "left as they are"))
    (device.home / "device.key").unlink()
    _refused(device, 7, "daemon", words=("is missing",))
    assert not (device.home / "device.key").exists()
    (device.home / "device.key").write_text(key)
    device.start()
    assert device.status()["device"]["id"] == identity
    device.stop()


def test_the_secret_key_never_travels(device: Device, tmp_path: Path) -> None:
    for directory in (device.home, device.home.parent, tmp_path):
        _refused(device, 8, "share", str(directory), words=("secret key",))
        _refused(device, 8, "join", "47-K7MX2Q", str(directory), words=("secret key",))
    _refused(device, 8, "share", "/dev", words=("belongs to the system",))
    _refused(device, 2, "share", str(device.dir), "--label", "a\nb", words=("label",))
    _refused(device, 2, "wait", "--timeout", "-3", words=("number of seconds", "0 or more"))
    _refused(device, 2, "wait", "--timeout", "nan", words=("number of seconds", "0 or more"))


def test_a_root_that_vanishes_pauses_the_folder(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("a\n")
        two.join(one)
        two.wait()
        one.dir.rename(one.dir.with_name("elsewhere"))
        eventually(lambda: one.status()["folders"][0]["state"] == "paused")
        assert (
            "moved or removed" in one.status()["folders"][0]["problem"]
            or "is not there" in (one.status()["folders"][0]["problem"])
        )
        one.dir.mkdir()
        eventually(lambda: "marker" in one.status()["folders"][0]["problem"])
        one.dir.rmdir()
        one.dir.with_name("elsewhere").rename(one.dir)
        eventually(lambda: one.status()["folders"][0]["state"] == "idle")
        assert (two.dir / "a.txt").read_text() == "a\n", "nothing was deleted"


def test_waiting_and_stopping(device: Device) -> None:
    device.cli("share", str(device.dir))
    said = {"in_sync": True, "connected": [], "alone": ["dir"]}
    assert json.loads(device.cli("wait", "--timeout", "5", "--json", "--alone-is-fine")) == said
    _refused(device, 1, "wait", "--timeout", "5", words=("no other device is connected", "'dir'", "--alone-is-fine"))
    device.cli("stop")
    _refused(device, 3, "status")
    device.start()
    assert device.stop() == 0, "SIGTERM is a clean end"


def test_up_shows_what_to_type(tmp_path: Path) -> None:
    import subprocess

    from lab import YP2P

    device = Device(tmp_path, "one")
    process = subprocess.Popen(
        [YP2P, "up", str(device.dir)], env={**device.environment, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(7)]
    assert "The code is" in "".join(lines)
    assert "yp2p join" in "".join(lines)
    process.terminate()
    assert process.wait(5) == 0
    process.stdout.close()
    _refused(device, 8, "up", str(tmp_path / "nowhere"), words=("does not exist",))


def test_help_version_and_completion(tmp_path: Path) -> None:
    device = Device(tmp_path, "one")
    text = device.cli("--help")
    for word in ("up", "daemon", "share", "join", "status", "wait", "stop", "completion", "YP2P_HOME", "Exit codes"):
        assert word in text
    for name in ("up", "daemon", "share", "join", "status", "wait", "stop", "completion"):
        assert "Usage: yp2p " in device.cli(name, "--help")
    assert device.cli("--version").startswith("yp2p ")
    assert "_yp2p_completion" in device.cli("completion", "bash")
    assert device.run("nonsense").returncode == 2


def test_what_has_the_name_of_a_socket_or_a_lock_and_is_none_makes_way(tmp_path: Path) -> None:
    device = Device(tmp_path, "one")
    device.home.mkdir()
    for name in ("control.sock", "documents.sock", "lock", "device.new", "store.db-wal"):
        (device.home / name).mkdir()
        (device.home / name / "inside").write_text("somebody's\n")
    with devices(tmp_path, "one") as (one,):
        one.cli("share", str(one.dir))
    assert len(list(device.home.glob("*.aside-*/inside"))) == 5, "nothing of it is lost"
    assert device.log.read_text().count("put_aside") == 5

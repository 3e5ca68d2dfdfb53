"""`yp2p identity`: a device's key goes into a file and becomes a device elsewhere, once and with its passphrase."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yp2p.cli.main import main
from yp2p.identity import format_device_id
from yp2p.protocol import sealed
from yp2p.trust.keyfile import load_identity

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(sealed, "_LOG_N", 10)  # what scrypt costs is tested beside it

    def run_command(home: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setenv("YP2P_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["yp2p", "identity", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run_command


@pytest.fixture
def device(tmp_path: Path, run: Run) -> Any:
    home = tmp_path / "old"
    home.mkdir()
    identity = load_identity(home / "device.key")
    return home, format_device_id(identity.device_id)


def test_a_key_is_taken_along_and_opens_with_its_passphrase_only(device: Any, run: Run, tmp_path: Path) -> None:
    old, shown = device
    file = tmp_path / "key"
    assert run(old, "export", str(file), typed="pass phrase\n")[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600
    new = tmp_path / "new"
    code, _, err = run(new, "import", str(file), typed="other words\n")
    assert (code, "passphrase is another one" in err, new.exists()) == (2, True, False)
    assert run(new, "import", str(file), typed="pass phrase\n")[0] == 0
    assert run(new, "show")[1].split()[0] == shown
    assert (new / "device.key").stat().st_mode & 0o777 == 0o600


def test_a_program_that_takes_a_key_along_hears_whose_it_is(device: Any, run: Run, tmp_path: Path) -> None:
    old, shown = device
    file = str(tmp_path / "key")
    said = json.loads(run(old, "export", file, "--json", typed="pass phrase\n")[1])
    assert (said["id"], said["file"], said["key"].startswith("yp2pk-")) == (shown, file, True)
    assert json.loads(run(tmp_path / "new", "import", file, "--json", typed="pass phrase\n")[1]) == {"id": shown}


def test_nothing_is_written_over(device: Any, run: Run, tmp_path: Path) -> None:
    old, shown = device
    file = tmp_path / "key"
    assert run(old, "export", str(file), typed="pass phrase\n")[0] == 0
    before = file.read_text()
    code, _, err = run(old, "export", str(file), typed="pass phrase\n")
    assert (code, "is there already" in err, file.read_text()) == (2, True, before)
    code, _, err = run(old, "import", str(file), typed="pass phrase\n")
    assert (code, "is a device already" in err) == (2, True)
    assert run(old, "show")[1].split()[0] == shown


def test_what_cannot_be_done_is_a_sentence(device: Any, run: Run, tmp_path: Path) -> None:
    old, _ = device
    assert "guessed in no time" in run(old, "export", str(tmp_path / "key"), typed="short\n")[2]
    assert "cannot be written" in run(old, "export", str(tmp_path / "no" / "key"), typed="pass phrase\n")[2]
    assert "cannot be read" in run(tmp_path / "new", "import", str(tmp_path / "no"), typed="pass phrase\n")[2]
    (tmp_path / "text").write_text("something else\n")
    assert "not a file that holds" in run(tmp_path / "new", "import", str(tmp_path / "text"), typed="x\n")[2]
    assert "no identity yet" in run(tmp_path / "new", "show")[2]


def test_a_new_key_is_for_another_machine(
    device: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, shown = device
    file = tmp_path / "new.key"
    code, out, err = run(old, "new", str(file))
    made, public = out.split()
    assert (code, err, file.stat().st_mode & 0o777) == (0, "", 0o600)
    assert made != shown
    assert run(old, "show")[1].split()[0] == shown, "this machine stays who it is"
    assert "is there already" in run(old, "new", str(file))[2]
    key, printed = run(old, "new", "-")[1:]
    assert key.startswith("yp2p-device-seed-v1 ")
    assert key.split()[1] not in printed
    monkeypatch.setenv("YP2P_DEVICE__KEY_FILE", str(file))
    assert run(old, "show")[1].split() == [made, public]
    assert "would not look at another" in run(tmp_path / "third", "import", str(file), typed="x\n")[2]
    monkeypatch.setenv("YP2P_DEVICE_KEY", key)
    assert run(old, "show")[1].split() == printed.split()
    assert run(old, "export", str(tmp_path / "sealed"), typed="pass phrase\n")[0] == 0
    monkeypatch.delenv("YP2P_DEVICE_KEY")
    monkeypatch.delenv("YP2P_DEVICE__KEY_FILE")
    assert run(tmp_path / "third", "import", str(tmp_path / "sealed"), typed="pass phrase\n")[0] == 0
    assert run(tmp_path / "third", "show")[1].split() == printed.split()

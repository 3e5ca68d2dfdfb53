"""A device key from outside: one documented order, gone from the environment, and not quoted in what is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yp2p import daemon
from yp2p.config import Config, Device, Listen, find_paths
from yp2p.errors import ConfigError, DamagedError, YpError
from yp2p.identity import Identity, format_public, parse_public
from yp2p.trust.given_key import CREDENTIAL, KEY_VARIABLE, place_of_given_key, take_given_key
from yp2p.trust.keyfile import load_identity, text_of

A, B, C = (Identity(bytes([number]) * 32) for number in range(1, 4))
SECRET = "0123456789abcdef"


def _file(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_the_first_place_that_has_a_key_counts(tmp_path: Path) -> None:
    setting = Device(key_file=_file(tmp_path / "key", text_of(B)))
    _file(tmp_path / CREDENTIAL, text_of(C))
    environment = {KEY_VARIABLE: text_of(A), "CREDENTIALS_DIRECTORY": str(tmp_path), "HOME": "/"}
    assert place_of_given_key(setting, environment) == KEY_VARIABLE
    found = [take_given_key(setting, environment)]
    assert KEY_VARIABLE not in environment
    found += [take_given_key(setting, environment), take_given_key(Device(), environment)]
    assert [key and key.identity.device_id for key in found] == [one.device_id for one in (A, B, C)]
    assert str(tmp_path / "key") in place_of_given_key(setting, environment)
    assert place_of_given_key(Device(), environment) == str(tmp_path / CREDENTIAL)
    assert take_given_key(Device(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
    assert take_given_key(Device(), {}) is None
    assert place_of_given_key(Device(), {}) == ""


@pytest.mark.parametrize("text", ["", SECRET, f"yp2p-device-seed-v1 {SECRET}", f"yp2p-device-seed-v1 {SECRET}xyz"])
@pytest.mark.parametrize("place", ["variable", "setting", "credential"])
def test_a_key_that_cannot_be_used_ends_the_start_and_is_not_quoted(tmp_path: Path, text: str, place: str) -> None:
    file = _file(tmp_path / CREDENTIAL, text)
    given = {
        "variable": (Device(), {KEY_VARIABLE: text}, KEY_VARIABLE),
        "setting": (Device(key_file=file), {}, "[device] key_file"),
        "credential": (Device(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}, file),
    }
    settings, environment, name = given[place]
    with pytest.raises(ConfigError) as caught:
        take_given_key(settings, environment)
    told = str(caught.value)
    assert name in told
    assert "identity new" in told
    assert SECRET not in told
    assert KEY_VARIABLE not in environment
    assert caught.value.__cause__ is None


def test_a_key_file_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must name a file") as caught:
        take_given_key(Device(key_file=text_of(A)), {})
    assert A.seed.hex() not in str(caught.value)
    with pytest.raises(ConfigError, match="absolute path"):
        take_given_key(Device(key_file="keys/device"), {})
    with pytest.raises(ConfigError, match="cannot be read"):
        take_given_key(Device(key_file=str(tmp_path)), {})
    with pytest.raises(ConfigError, match="File name too long"):
        take_given_key(Device(key_file="/" + "x" * 300), {})
    with pytest.raises(ConfigError, match="absolute path"):
        take_given_key(Device(key_file="~nobody-here/key"), {})
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="no regular file"):
        take_given_key(Device(key_file=str(tmp_path / "fifo")), {})
    with pytest.raises(YpError, match="cannot be read"):
        take_given_key(Device(key_file="/proc/self/mem"), {})
    with pytest.raises(YpError, match="not there") as missing:  # its disk may come later: a unit tries again
        take_given_key(Device(key_file=str(tmp_path / "usb" / "key")), {})
    assert missing.value.exit_code == 1


def test_the_daemon_is_the_device_whose_key_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its store takes no other key from then on, wherever that comes from."""
    seen: list[Identity] = []

    async def serve(_config: object, device: object, identity: Identity, *_: object) -> None:
        assert KEY_VARIABLE not in os.environ
        seen.append(identity)

    monkeypatch.setattr(daemon, "_serve", serve)
    paths, config = find_paths({"YP2P_HOME": str(tmp_path)}), Config(listen=Listen(address=["127.0.0.1"]))
    monkeypatch.setattr(daemon, "DEFAULT_PORT", 0)
    for text in (text_of(A), text_of(A).strip()):  # as a file holds it, or as $(cat FILE) gives it
        monkeypatch.setenv(KEY_VARIABLE, text)
        daemon.run_daemon(config, paths)
    assert [one.device_id for one in seen] == [A.device_id] * 2
    assert not paths.key.exists()
    monkeypatch.setenv(KEY_VARIABLE, text_of(B))
    with pytest.raises(DamagedError, match=f"the device key {KEY_VARIABLE} is not the one"):
        daemon.run_daemon(config, paths)
    with pytest.raises(DamagedError, match="is missing, but the store"):
        daemon.run_daemon(config, paths)
    load_identity(paths.key)
    with pytest.raises(DamagedError, match=f"the device key {paths.key} is not the one"):
        daemon.run_daemon(config, paths)


def test_no_process_that_is_started_afterwards_has_the_key() -> None:
    code = (
        "import os, subprocess; from yp2p.config import Device; from yp2p.trust.given_key import take_given_key;"
        "assert take_given_key(Device(), os.environ);"
        "print(subprocess.run(['cat', '/proc/self/environ'], capture_output=True, text=True).stdout)"
    )
    environment = {**os.environ, KEY_VARIABLE: text_of(A), "BESIDE": "it"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "BESIDE=it" in done.stdout
    assert KEY_VARIABLE not in done.stdout
    assert A.seed.hex() not in done.stdout + done.stderr


def test_a_public_key_is_read_back_and_slips_are_told() -> None:
    text = format_public(A.public)
    assert parse_public(f" {text.upper()}\n") == A.public
    wrong = [text[:-1], text.removeprefix("yp2pk-"), "", text + "a", text[:-1] + "1"]
    wrong += [text[:at] + ("b" if text[at] == "a" else "a") + text[at + 1 :] for at in range(6, len(text))]
    for one in wrong:
        with pytest.raises(YpError):
            parse_public(one)

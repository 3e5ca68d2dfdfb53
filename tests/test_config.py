"""Settings: the example is the truth, and every mistake gets a sentence that helps."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from yp2p.config import Config, KnownDevice, SharedFolder, describe, find_paths, sections
from yp2p.config_file import load_config
from yp2p.control.socket import find_control_socket
from yp2p.errors import ConfigError, YpError

EXAMPLE = Path(__file__).resolve().parents[1] / "config" / "yp2p.example.toml"


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert load_config(EXAMPLE, {}) == Config()
    listed = {name: set(keys) for name, keys in tomllib.loads(EXAMPLE.read_text()).items()}
    known = {name: {f.name for f in msgspec.structs.fields(kind)} for name, kind in sections().items()}
    assert listed == known
    for kind in sections().values():
        for field in msgspec.structs.fields(kind):
            assert describe(kind, field.name)


def test_environment_beats_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[listen]\nport = 1\naddress = ["::1"]\n')
    config = load_config(path, {"YP2P_LISTEN__PORT": "2", "YP2P_DISCOVERY__INTERFACES": "lo, eth0", "PATH": "x"})
    assert config.listen.port == 2
    assert config.listen.address == ["::1"]
    assert config.discovery.interfaces == ["lo", "eth0"]
    assert load_config(path, {"YP2P_DISCOVERY__MDNS": "false"}).discovery.mdns is False
    assert load_config(path, {"YP2P_LISTEN__ADDRESS": ""}).listen.address == []


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("[listen]\nprot = 1\n", {}, ["[listen]", "'prot'", "address, port"]),
        ("[listne]\nport = 1\n", {}, ["[listne]", "[listen]", "[files]"]),
        ("[listen]\nport = 'x'\n", {}, ["[listen] port", "'x'", "0 to 65535"]),
        ("[listen]\nport = 70000\n", {}, ["70000", "0 to 65535"]),
        ("[log]\nlevel = 'loud'\n", {}, ["'loud'", "debug, info, warning or error"]),
        ("port = 1\n", {}, ["'port'", "outside a section"]),
        ("[listen\n", {}, ["cannot be read"]),
        ("", {"YP2P_LISTEN__PORT": "many"}, ["YP2P_LISTEN__PORT", "'many'", "0 to 65535"]),
        ("", {"YP2P_LISTEN__PROT": "1"}, ["YP2P_LISTEN__PROT", "address, port"]),
        ("", {"YP2P_NOWHERE__X": "1"}, ["YP2P_NOWHERE__X", "[listen]"]),
        ("[files]\nmax_text_bytes = true\n", {}, ["max_text_bytes", "1024 to 33554432"]),
        ("[[folders]]\npath = '/a'\npaht = '/b'\n", {}, ["number 1", "'paht'", "path, label"]),
        ("[[folders]]\nlabel = 'notes'\n", {}, ["number 1", "path", "absolute path"]),
        ("[[folders]]\npath = 'notes'\n", {}, ["'notes'", "absolute path"]),
        ("[[folders]]\npath = '/a'\n[[folders]]\npath = '/a/'\n", {}, ["number 2", "'/a/'", "one folder"]),
        ("[[folders]]\npath = '/a'\ninvite = 'x'\ninvite_file = '/b'\n", {}, ["invite_file", "say one"]),
        ("[[folders]]\npath = '/a'\ninvite = 'x'\nlabel = 'b'\n", {}, ["leave label out"]),
        ("[folders]\npath = '/a'\n", {}, ["[[folders]]", "once for each"]),
        ("[discovery.commands]\ndesk = 'ssh \\u0000'\n".replace("'", '"'), {}, ["commands", "a NUL"]),
        ("[[devices]]\nname = 'a'\nkey = 'b'\nfolders = ['\\u0000']\n".replace("'", '"'), {}, ["folders", "a NUL"]),
        ("", {"YP2P_DEVICE__NAME": "caf\udce9"}, ["YP2P_DEVICE__NAME", "not UTF-8"]),
        ("", {"YP2P_FILES__IGNORE": "a,caf\udce9"}, ["YP2P_FILES__IGNORE", "not UTF-8"]),
        ("[page]\ndirectory = 'web'\n", {}, ["'web'", "absolute path"]),
        ("[page]\ndirectory = '~nobody-here/web'\n", {}, ["'~nobody-here/web'", "absolute path"]),
        ("[[folders]]\npath = '~nobody-here/notes'\n", {}, ["'~nobody-here/notes'", "absolute path"]),
        ("", {"YP2P_FOLDERS__PATH": "/a"}, ["YP2P_FOLDERS__PATH", "[[folders]]", "only"]),
    ],
)
def test_mistakes(tmp_path: Path, text: str, environment: dict[str, str], words: list[str]) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment)
    for word in words:
        assert word in str(caught.value)


_TEXTS = [
    (section, key)
    for section, kind in {**sections(), "[folders]": SharedFolder, "[devices]": KnownDevice}.items()
    for key, hint in get_type_hints(kind).items()
    if hint in (str, list[str])
]


@pytest.mark.parametrize(("section", "key"), _TEXTS)
def test_what_the_system_takes_in_no_name_is_refused_where_the_settings_are_read(
    tmp_path: Path, section: str, key: str
) -> None:
    path = tmp_path / "config.toml"
    for value in ('"a\\u0000b"', '["a\\u0000b"]'):
        path.write_text(f"[{section}]\n{key} = {value}\n")
        with pytest.raises(ConfigError, match="no setting may hold a NUL") as caught:
            load_config(path, {})
        assert key in str(caught.value)


def test_settings_that_are_no_text_say_so(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'[device]\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="line 2 is no text in UTF-8"):
        load_config(path, {})
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_config(path, {})


def test_settings_that_have_no_end_say_so(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match=r"cannot be read: it has more than 4 MiB$"):
        load_config(path, {})


def test_the_home_of_a_user_whom_nobody_knows_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = find_paths({"YP2P_HOME": "~nobody-here/home"})
    assert paths.socket == find_control_socket({"YP2P_HOME": "~nobody-here/home"})
    assert paths.config == tmp_path / "~nobody-here" / "home" / "config.toml"


def test_a_home_keeps_everything_beneath_it(tmp_path: Path) -> None:
    paths = find_paths({"YP2P_HOME": str(tmp_path)})
    for path in (paths.config, paths.key, paths.store, paths.socket, paths.lock):
        assert path.parent == tmp_path


def test_xdg_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    paths = find_paths({"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    assert paths.store == tmp_path / "state" / "yp2p" / "store.db"
    assert paths.config == tmp_path / "config" / "yp2p" / "config.toml"
    assert paths.socket == tmp_path / "run" / "yp2p" / "control.sock"
    assert find_control_socket({"XDG_RUNTIME_DIR": str(tmp_path / "run")}) == paths.socket
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_control_socket({"XDG_STATE_HOME": str(tmp_path / "state")}) == find_paths({}).socket


def test_settings_that_are_no_file_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="no regular file"):
        load_config(tmp_path / "config.toml", {})


def test_a_byte_order_mark_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[listen]\r\nport = 7\r\n")
    assert load_config(tmp_path / "config.toml", {}).listen.port == 7


def test_settings_behind_a_link_that_leads_nowhere_are_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to("unmounted")
    with pytest.raises(YpError, match="is a link to what is not there"):
        load_config(tmp_path / "config.toml", {})

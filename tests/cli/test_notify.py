"""`--notify`, `--no-notify`: the command line counts before the settings, also when they are read again."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import yp2p.daemon
from yp2p.cli.group import group
from yp2p.config import Config, Paths, find_paths
from yp2p.config_file import load_config
from yp2p.errors import NotRunning

_SETTING = "YP2P_NOTIFY__DESKTOP"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The settings that a daemon was run with. It does not run; its home has settings that say no."""
    found: list[Config] = []
    monkeypatch.setenv("YP2P_HOME", str(tmp_path))
    monkeypatch.setenv(_SETTING, "x")
    monkeypatch.delenv(_SETTING)  # what the command sets goes when the test ends
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("yp2p.logs.set_up_logs", lambda *_, **__: None)
    monkeypatch.setattr(yp2p.daemon, "run_daemon", lambda config, *_, **__: found.append(config))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[notify]\ndesktop = false\n")
    return found


def _settings() -> bool:
    paths: Paths = find_paths()
    return load_config(paths.config).notify.desktop


@pytest.mark.parametrize(("option", "wanted"), [((), False), (("--notify",), True), (("--no-notify",), False)])
@pytest.mark.parametrize("words", [("daemon",), ("up", "DIR")])
def test_the_option_counts_before_the_settings(
    ran: list[Config], words: tuple[str, ...], option: tuple[str, ...], wanted: bool
) -> None:
    done = CliRunner().invoke(group, [*words, *option], standalone_mode=False)
    assert done.exception is None or isinstance(done.exception, NotRunning)
    assert [config.notify.desktop for config in ran] == [wanted]
    assert _settings() == wanted, "when they are read again"
    assert ("--notify does nothing here: there is no session bus" in done.stderr) == wanted


def test_a_daemon_that_runs_already_goes_by_its_settings(ran: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yp2p.cli.up.call", lambda *_: {"path": "/d", "label": "d", "devices": 1})
    done = CliRunner().invoke(group, ["up", "d", "--notify"], standalone_mode=False)
    assert "the daemon was running already" in done.stderr
    assert ran == []

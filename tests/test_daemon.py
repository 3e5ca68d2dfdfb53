"""How a daemon ends: in order, at once while it starts, with one sentence where it cannot go on."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from yp2p import daemon
from yp2p.config import Config, find_paths
from yp2p.daemon import _floor
from yp2p.errors import AlreadyRunning, ConfigError, DamagedError, ListenError, NewerStore, UsageError, YpError


async def test_what_is_above_still_works_while_what_is_below_ends(autojump_clock: trio.abc.Clock) -> None:
    told: list[str] = []

    async def answering() -> None:
        try:
            while True:
                await trio.sleep(0.1)  # of a clock that jumps, as below: the order of these moments is tested
                told.append("answered")
        finally:
            told.append("api over")

    async def draining() -> None:
        try:
            await trio.sleep_forever()
        finally:
            told.append("draining")
            with trio.move_on_after(1, shield=True):
                await trio.sleep(0.5)
            told.append("drained")

    async with _floor() as api, _floor() as peers:
        api.start_soon(answering)
        peers.start_soon(draining)
        await trio.sleep(0.05)
    assert told == ["draining", *["answered"] * 5, "drained", "api over"]


@pytest.mark.parametrize("at", ["open_listeners", "check_directory", "load_identity", "bind_control_socket"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_ends_it_without_a_fault(
    at: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(daemon, at)

    def interrupted(*arguments: object) -> object:
        os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(daemon, at, interrupted)
    monkeypatch.setattr(daemon, "DEFAULT_PORT", 0)
    (tmp_path / "dir").mkdir()
    paths = find_paths({"YP2P_HOME": str(tmp_path / "home")})
    daemon.run_daemon(Config(), paths, str(tmp_path / "dir"), lambda shared: pytest.fail("it started"))
    assert not paths.socket.exists()


@pytest.mark.parametrize("errors", [[KeyboardInterrupt()], [YpError("no"), KeyboardInterrupt()]])
def test_ctrl_c_before_signals_are_taken_is_no_group(
    errors: list[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def fails(*_: object) -> None:
        raise BaseExceptionGroup("tasks", [BaseExceptionGroup("more", errors)])

    monkeypatch.setattr(daemon, "run", fails)
    with pytest.raises(KeyboardInterrupt):
        daemon.run_daemon(Config(), find_paths({"YP2P_HOME": str(tmp_path)}))


def test_what_several_tasks_met_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def fails(*_: object) -> None:
        raise ExceptionGroup("tasks", [YpError("the store is full"), ExceptionGroup("more", [YpError("the same")])])

    monkeypatch.setattr(daemon, "run", fails)
    with pytest.raises(YpError, match="the store is full"):
        daemon.run_daemon(Config(), find_paths({"YP2P_HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    ("number", "error", "word"),
    [
        (errno.EROFS, YpError, "remount"),
        (errno.ENOSPC, YpError, "make room"),
        (errno.ENOTDIR, ConfigError, "YP2P_HOME"),
    ],
)
def test_a_disk_that_takes_nothing_at_a_start_is_no_wrong_setting(
    number: int, error: type[YpError], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit starts again after the one, and not after the other."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(error, match=word) as raised:
        daemon.run_daemon(Config(), find_paths({"YP2P_HOME": str(tmp_path / "home")}))
    assert type(raised.value) is error


def test_tries_become_rarer_and_stop_where_a_person_has_to_act() -> None:
    for unit in sorted((Path(__file__).parents[1] / "systemd").iterdir()):
        settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
        assert int(settings["RestartSteps"]) > 1
        assert settings["RestartMaxDelaySec"] == "10min"
        assert set(settings["RestartPreventExitStatus"].split()) == {
            str(error.exit_code)
            for error in (UsageError, AlreadyRunning, ListenError, ConfigError, DamagedError, NewerStore)
        }


# Parsers take much memory, and nearly all that needs them runs in a process of its own (`folder/merger.py`).
_LOADED_LATER = {"yp2p.threeway.checker"}
_LOADING = """
import sys
import yp2p.cli.daemon, yp2p.daemon, yp2p.logs
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "yp2p":
        print(name, module.__file__)
"""


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules of the package that a statement imports."""
    if isinstance(node, ast.Import):
        names = [one.name for one in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [str(node.module), *(f"{node.module}.{one.name}" for one in node.names)]
    else:
        return
    package = Path(daemon.__file__).parent
    for name in names:
        inside = package.joinpath(*name.split(".")[1:])
        if name.startswith("yp2p.") and (inside.is_dir() or inside.with_suffix(".py").exists()):
            yield name


def test_a_daemon_loads_nothing_of_another_version_later() -> None:
    """The files of the package may be replaced while it runs: what it may need is loaded when it starts."""
    done = subprocess.run([sys.executable, "-c", _LOADING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert len(loaded) > 500
    later: dict[str, str] = {}
    for name, file in loaded.items():
        for function in ast.walk(ast.parse(Path(file).read_text())):
            if not name.startswith("yp2p.cli") and isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    later |= dict.fromkeys(_imported(node), name)
    assert later.keys() - loaded.keys() == _LOADED_LATER, later

"""The units as they are written for one machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yp2p.cli import hub
from yp2p.errors import EXIT_CODES, AlreadyRunning, ConfigError, DamagedError, ListenError, NewerStore, UsageError
from yp2p.service.units import (
    HUB_STATE,
    MARK,
    Kind,
    Person,
    drop_in,
    is_own,
    shared_program,
    template,
    unit_of,
    why_not,
    written_for,
)

ME = Person("me", 1000, Path("/home/me"))
SYSTEMD = Path(__file__).parents[2] / "systemd"


def _settings(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (line.partition("=") for line in text.splitlines() if line[:1].isalpha())]


@pytest.mark.parametrize("kind", Kind)
def test_only_what_has_to_be_is_changed(kind: Kind) -> None:
    before = template(kind)
    assert before == (SYSTEMD / unit_of(kind, ME).path.name).read_text()
    old = written_for(before, Path("/usr/bin/yp2p"), 252)
    assert old.startswith(MARK)
    changed = set(_settings(before)) ^ set(_settings(old))
    assert {key for key, _ in changed} == {"ExecStart", "RestartSteps", "RestartMaxDelaySec"}
    assert ("ExecStart", "/usr/bin/yp2p daemon") in changed
    assert ("Type", "notify") in _settings(old)
    assert ("ExecReload", "/bin/sh -c 'kill -HUP $MAINPID'") in _settings(old)
    new = written_for(before, Path("/usr/bin/yp2p"), 255)
    changed = set(_settings(before)) ^ set(_settings(new))
    assert {key for key, _ in changed} == {"ExecStart", "Type", "ExecReload"}
    assert ("Type", "notify-reload") in changed
    between = dict(_settings(written_for(before, Path("/usr/bin/yp2p"), 253)))
    assert between["Type"] == "notify-reload"
    assert "RestartSteps" not in between


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("/home/me/.local/bin/yp2p", "/home/me/.local/bin/yp2p daemon"),
        ("/home/a b/100%/yp2p", '"/home/a b/100%%/yp2p" daemon'),
        ('/x/"\\/yp2p', '"/x/\\"\\\\/yp2p" daemon'),
        ("/x/$HOME/yp2p", "/x/$$HOME/yp2p daemon"),
    ],
)
def test_the_path_of_the_program_is_as_systemd_reads_it(program: str, command: str) -> None:
    assert ("ExecStart", command) in _settings(written_for(template(Kind.USER), Path(program), 255))


def test_a_home_in_another_place_is_let_into_the_view_of_the_unit() -> None:
    assert drop_in(ME, None) == ""
    assert drop_in(Person("me", 1, Path("/srv/people/me")), None) == "", "that is not hidden"
    assert drop_in(Person("me", 1, Path("/home/staff/me")), None) == f"{MARK}[Service]\nBindPaths=/home/staff/me\n"


def test_a_program_of_ones_own_is_started_as_the_one_of_all() -> None:
    (started,) = [value for key, value in _settings(template(Kind.SYSTEM)) if key == "ExecStart"]
    own = _settings(drop_in(ME, Path("/home/me/a b/yp2p")))
    assert own == [("ExecStart", ""), ("ExecStart", started.replace("/opt/yp2p/bin/yp2p", '"/home/me/a b/yp2p"'))]


@pytest.mark.parametrize("program", ["/opt/other/yp2p", '/opt/a b/100%/$x/"\\/yp2p', "/opt/50%/$HOME/yp2p"])
def test_the_unit_of_all_keeps_the_program_that_it_has(program: str) -> None:
    assert shared_program(written_for(template(Kind.SYSTEM), Path(program), 255)) == Path(program)


@pytest.mark.parametrize("before", ["", "/home/you/.local/bin/yp2p", "/home/a b/yp2p", "/root/yp2p"])
def test_the_unit_of_all_keeps_no_program_of_a_person(before: str) -> None:
    text = written_for(template(Kind.SYSTEM), Path(before), 255) if before else ""
    assert shared_program(text) == Path("/opt/yp2p/bin/yp2p")


def test_a_link_to_a_program_is_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    link, leads_to, you = Path("/usr/local/bin/yp2p"), "/home/me/.local/bin/yp2p", Person("you", 1, Path("/home/you"))
    monkeypatch.setattr(Path, "resolve", lambda path: Path(leads_to) if path == link else path)
    assert is_own(link, Kind.SYSTEM, ME)
    assert why_not(link, Kind.SYSTEM, ME) == ""
    assert not is_own(link, Kind.SYSTEM, you)
    for kind, person in ((Kind.SYSTEM, you), (Kind.HUB, ME)):
        assert f"does not see /home, and this program is {leads_to}" in why_not(link, kind, person)
    link = Path("/home/you/yp2p")
    assert why_not(link, Kind.SYSTEM, you), "one's own link to another one's program"


@pytest.mark.parametrize(
    ("program", "kind", "is_seen"),
    [
        ("/opt/yp2p/bin/yp2p", Kind.SYSTEM, True),
        ("/opt/yp2p/bin/yp2p", Kind.HUB, True),
        ("/home/me/.local/bin/yp2p", Kind.USER, True),
        ("/home/me/.local/bin/yp2p", Kind.SYSTEM, True),
        ("/home/you/.local/bin/yp2p", Kind.SYSTEM, False),
        ("/home/me/.local/bin/yp2p", Kind.HUB, False),
        ("/root/venv/bin/yp2p", Kind.SYSTEM, False),
        ("/tmp/venv/bin/yp2p", Kind.HUB, False),
    ],
)
def test_a_program_that_the_unit_would_not_see_is_refused(program: str, kind: Kind, is_seen: bool) -> None:
    why = why_not(Path(program), kind, ME)
    assert (why == "") == is_seen
    assert is_seen or program in why


@pytest.mark.parametrize("kind", Kind)
def test_what_a_restart_cannot_mend_is_not_tried_again(kind: Kind) -> None:
    settings = dict(_settings(template(kind)))
    hopeless = (UsageError, AlreadyRunning, ListenError, ConfigError, DamagedError, NewerStore)
    assert set(map(int, settings["RestartPreventExitStatus"].split())) == {error.exit_code for error in hopeless}
    assert set(EXIT_CODES) >= {error.exit_code for error in hopeless}
    assert int(settings["RestartSteps"]) > 1
    assert settings["RestartMaxDelaySec"] == "10min"


@pytest.mark.parametrize("kind", Kind)
def test_everything_that_is_set_has_its_reason_above(kind: Kind) -> None:
    """In the part that takes rights away: a comment stands above each block of settings."""
    hardening = template(kind).split("# --- what the daemon does not need", 1)[1].split("[Install]")[0]
    previous = ""
    for line in hardening.splitlines()[1:]:
        assert line.startswith("#") or re.match(r"\w+=", line) or not line, line
        assert not (line and not line.startswith("#") and not previous), f"{line} stands without a reason"
        previous = line


def test_the_hub_of_the_unit_is_the_one_that_the_commands_ask() -> None:
    settings = _settings(template(Kind.HUB))
    environment = dict(value.split("=", 1) for key, value in settings if key == "Environment")
    assert environment["XDG_STATE_HOME"].replace("%S", "/var/lib") == hub.STATE == str(HUB_STATE)
    assert environment["XDG_RUNTIME_DIR"].replace("%t", "/run") == hub.RUNTIME
    assert environment["XDG_CONFIG_HOME"] == hub.SETTINGS
    assert dict(settings)["StateDirectory"] == dict(settings)["RuntimeDirectory"] == "yp2p-hub"
    unit = unit_of(Kind.HUB, ME)
    assert unit.state == Path(hub.STATE, "yp2p")
    assert unit.settings == Path(hub.SETTINGS, "yp2p/config.toml")

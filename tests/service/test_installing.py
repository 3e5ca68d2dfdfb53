"""Installing and removing a service, with a systemd of the test: again without harm, and what others wrote stays."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yp2p.control.socket import read_lock
from yp2p.errors import UsageError, YpError
from yp2p.service import systemctl as systemctl_module
from yp2p.service.installing import Service, this_program
from yp2p.service.systemctl import NoSystemd, Refused, Systemctl
from yp2p.service.units import MARK, Kind, Person, Unit, unit_of

PROGRAM = Path("/opt/yp2p/bin/yp2p")


class FakeSystemd:
    """A manager that knows the files of one directory, and of packages."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.packaged: Path | None = None
        self.active = "inactive"
        self.enabled = False
        self.asked: list[str] = []
        self.fails: str = ""
        self.others: list[str] = []
        self.without = ""  # what systemd says of a service that has namespaces

    def run(self, *arguments: str) -> str:
        if arguments[0] == "list-units":
            return "\n".join(f"{one} loaded active running x" for one in self.others)
        self.asked.append(" ".join(arguments))
        verb = arguments[0]
        if verb == "restart":
            if self.without and not list(self.unit.path.parent.glob("*.d/*.conf")):
                raise Refused("`systemctl restart`: it failed")
            if self.fails:
                self.active = "failed"
                raise Refused("`systemctl restart`: it failed")
            self.active = "active"
        elif verb in ("enable", "disable"):
            self.enabled = verb == "enable"
            self.active = "inactive" if "--now" in arguments else self.active
        return ""

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        file = self.unit.path if self.unit.path.exists() else self.packaged
        return dict.fromkeys(names, "") | {
            "LoadState": "loaded" if file else "not-found", "ActiveState": self.active, "MainPID": "4711",
            "UnitFileState": "enabled" if self.enabled else "disabled", "FragmentPath": str(file or ""),
            "NRestarts": "2", "ExecMainStatus": self.without, "StatusText": "in sync with pi",
            "ActiveEnterTimestamp": "Mon",
        }  # fmt: skip

    def version(self) -> int:
        return 252

    def environment(self) -> dict[str, str]:
        return {}

    def last_words(self, unit: str) -> str:
        return self.fails


@pytest.fixture(params=list(Kind))
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    person = Person("me", 1000, tmp_path / "home/me")
    unit = unit_of(request.param, person)
    if request.param is not Kind.USER:
        unit = replace(unit, path=tmp_path / "etc" / unit.path.name)
    unit = replace(unit, state=tmp_path / "state")
    fake: Any = FakeSystemd(unit)
    return Service(unit, person, fake)


def _fake(service: Service) -> FakeSystemd:
    fake: Any = service.systemctl
    return fake  # type: ignore[no-any-return]


def test_what_is_installed_is_installed_again_without_harm(service: Service) -> None:
    service.install(PROGRAM, {})
    name, fake = service.unit.name, _fake(service)
    assert fake.asked == ["daemon-reload", f"enable {name}", f"restart {name}"]
    assert f"ExecStart={PROGRAM} daemon" in service.unit.path.read_text()
    starts = "every login" if service.unit.kind is Kind.USER else "the machine"
    assert service.said[-3:] == [
        f"{service.unit.path} is written.",
        f"{name} starts with {starts}.",
        f"{name} runs now.",
    ]
    stamp = service.unit.path.stat().st_mtime_ns
    fake.asked.clear()
    service.said.clear()
    service.install(PROGRAM, {})
    assert (fake.asked, service.said) == ([], [f"{name} runs already."])
    assert service.unit.path.stat().st_mtime_ns == stamp

    service.install(Path("/opt/other/bin/yp2p"), {})
    assert fake.asked == ["daemon-reload", f"restart {name}"], "another program: it runs anew"

    service.said.clear()
    (service.unit.state / "folders").mkdir(parents=True)
    for _ in range(2):
        service.uninstall()
        assert not service.unit.path.exists()
        assert (service.unit.state / "folders").exists()
        assert "stay" in service.said[-1]
    assert fake.asked[2:] == [f"disable --now {name}", "daemon-reload"]
    assert service.said[-2] == f"There is no {name}."


def test_a_unit_of_a_package_is_used_as_it_is(service: Service, tmp_path: Path) -> None:
    fake = _fake(service)
    fake.packaged = tmp_path / "usr/lib/systemd/unit"
    service.install(PROGRAM, {})
    assert not service.unit.path.exists()
    assert service.said[0] == f"{fake.packaged} is there already, from a package or by hand, and is used as it is."
    assert fake.asked == [f"enable {service.unit.name}", f"restart {service.unit.name}"]
    service.uninstall()
    assert f"{fake.packaged} stays: yp2p did not write it." in service.said


def test_a_unit_that_somebody_wrote_is_neither_changed_nor_removed(service: Service) -> None:
    service.unit.path.parent.mkdir(parents=True)
    service.unit.path.write_text("[Service]\nExecStart=/mine\n")
    service.install(PROGRAM, {})
    service.uninstall()
    assert service.unit.path.read_text() == "[Service]\nExecStart=/mine\n"


def test_a_service_that_does_not_start_says_why(service: Service) -> None:
    _fake(service).fails = "config.toml: [listen] prot: no such setting"
    with pytest.raises(YpError, match=r"is installed, and does not start: config\.toml: \[listen\] prot"):
        service.install(PROGRAM, {})
    service.uninstall()
    assert f"reset-failed {service.unit.name}" in _fake(service).asked


@pytest.fixture
def held_lock(service: Service) -> Iterator[Path]:
    service.unit.state.mkdir(parents=True)
    service.unit.lock.write_text("31415\n/run/x\n")
    descriptor = os.open(service.unit.lock, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield service.unit.lock
    os.close(descriptor)


def test_a_daemon_that_runs_without_the_service_is_left_alone(service: Service, held_lock: Path) -> None:
    with pytest.raises(YpError, match=r"runs already without the service \(process 31415\); stop it with `yp2p stop`"):
        service.install(PROGRAM, {})
    assert _fake(service).asked == []
    assert not service.unit.path.exists()
    held_lock.write_text("4711\n/run/x\n")  # the service's own
    service.install(PROGRAM, {})


@pytest.mark.parametrize("kind", ["pipe", "link", "link to a device", "directory"])
def test_nothing_but_a_file_is_opened_in_the_place_of_the_lock(
    kind: str, service: Service, held_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root looks there, and the place is a person's."""
    elsewhere = held_lock.rename(held_lock.with_name("elsewhere"))
    if kind == "pipe":
        os.mkfifo(held_lock)
    elif kind == "directory":
        held_lock.mkdir()
    else:
        held_lock.symlink_to(elsewhere if kind == "link" else "/dev/tty")
    true_open = os.open

    def watched(path: Any, flags: int, *others: Any, **named: Any) -> int:
        if Path(path) == held_lock:
            assert flags & (os.O_NOFOLLOW | os.O_NONBLOCK) == os.O_NOFOLLOW | os.O_NONBLOCK, "it might wait for ever"
        return true_open(path, flags, *others, **named)

    monkeypatch.setattr(os, "open", watched)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: pytest.fail("it might wait for ever"))
        assert read_lock(held_lock) == ("", None)
    service.install(PROGRAM, {})
    assert service.said[-1] == f"{service.unit.name} runs now."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_lock_of_a_person_is_a_file_of_that_person(service: Service, held_lock: Path) -> None:
    os.chown(held_lock, service.person.uid, -1)
    with pytest.raises(YpError, match="runs already without the service"):
        service.install(PROGRAM, {})
    os.chown(held_lock, service.person.uid + 1, -1)
    if service.unit.kind is Kind.HUB:  # its user has another number at each start
        with pytest.raises(YpError, match="runs already without the service"):
            service.install(PROGRAM, {})
    else:
        service.install(PROGRAM, {})


def test_a_home_that_only_the_shell_knows_of_is_refused(tmp_path: Path) -> None:
    person = Person("me", 1000, tmp_path)
    unit = unit_of(Kind.USER, person)
    fake: Any = FakeSystemd(unit)
    with pytest.raises(UsageError, match="YP2P_HOME is /x here, and the service would not know of it"):
        Service(unit, person, fake).install(PROGRAM, {"YP2P_HOME": "/x"})
    assert unit_of(Kind.USER, person, tmp_path / "other").path == tmp_path / "other/systemd/user/yp2p.service"


def test_a_kernel_without_namespaces_for_people_is_no_hindrance(tmp_path: Path) -> None:
    person = Person("me", 1000, tmp_path)
    unit = replace(unit_of(Kind.USER, person), state=tmp_path / "state")
    fake: Any = FakeSystemd(unit)
    fake.without = "217"
    service = Service(unit, person, fake)
    service.install(PROGRAM, {})
    drop_in = unit.path.parent / "yp2p.service.d/yp2p-service.conf"
    assert drop_in.read_text() == f"{MARK}[Service]\nPrivateUsers=no\nCapabilityBoundingSet=~\n"
    assert service.said[2] == "The kernel lets no user have namespaces: the service does without users of its own."
    fake.asked.clear()
    service.install(PROGRAM, {})
    assert fake.asked == [], "it stays so"
    service.uninstall()
    assert not drop_in.parent.exists()
    fake.without = "1"
    with pytest.raises(YpError, match="does not start"):
        service.install(PROGRAM, {})
    assert not drop_in.exists()


def test_the_unit_of_several_persons_stays_while_one_has_it(tmp_path: Path) -> None:
    person = Person("me", 1000, tmp_path / "home/me")
    unit = replace(unit_of(Kind.SYSTEM, person), path=tmp_path / "etc/yp2p@.service", state=tmp_path / "state")
    fake: Any = FakeSystemd(unit)
    fake.others = ["yp2p@me.service", "yp2p@you.service"]
    service = Service(unit, person, fake)
    service.install(PROGRAM, {})
    service.uninstall()
    assert unit.path.exists()
    fake.others = ["yp2p@me.service"]
    service.uninstall()
    assert not unit.path.exists()


def test_a_home_below_home_comes_with_a_drop_in_that_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person("me", 1000, Path("/home/staff/me"))
    unit = replace(unit_of(Kind.SYSTEM, person), path=tmp_path / "etc/yp2p@.service", state=tmp_path / "state")
    fake: Any = FakeSystemd(unit)
    service = Service(unit, person, fake)
    service.install(PROGRAM, {})
    drop_in = tmp_path / "etc/yp2p@me.service.d/yp2p-service.conf"
    assert drop_in.read_text() == f"{MARK}[Service]\nBindPaths=/home/staff/me\n"
    service.uninstall()
    assert not drop_in.parent.exists()


def test_a_program_in_the_home_of_one_person_is_started_for_that_person_alone(tmp_path: Path) -> None:
    units: dict[str, Service] = {}
    for number, name in enumerate(("alice", "bob")):
        person = Person(name, 1000 + number, Path("/home", name))
        unit = replace(unit_of(Kind.SYSTEM, person), path=tmp_path / "etc/yp2p@.service", state=tmp_path / name)
        fake: Any = FakeSystemd(unit)
        units[name] = Service(unit, person, fake)
    alice, bob, of_all = units["alice"], units["bob"], tmp_path / "etc/yp2p@.service"
    own, drop_in = Path("/home/alice/.local/bin/yp2p"), tmp_path / "etc/yp2p@alice.service.d/yp2p-service.conf"
    bob.install(Path("/opt/of all/yp2p"), {})
    before = of_all.read_text()

    alice.install(own, {})
    assert of_all.read_text() == before
    assert drop_in.read_text() == f"{MARK}[Service]\nExecStart=\nExecStart={own} daemon\n"
    assert _fake(alice).asked[0] == "daemon-reload"
    _fake(alice).asked.clear()
    alice.install(own, {})
    assert _fake(alice).asked == []
    bob.install(Path("/opt/of all/yp2p"), {})
    assert (of_all.read_text(), drop_in.exists()) == (before, True)

    alice.install(Path("/opt/of all/yp2p"), {})
    assert _fake(alice).asked == ["daemon-reload", "restart yp2p@alice.service"]
    assert (of_all.read_text(), drop_in.parent.exists()) == (before, False)

    of_all.unlink()
    alice.install(own, {})
    assert "ExecStart=/opt/yp2p/bin/yp2p daemon" in of_all.read_text()
    alice.uninstall()
    assert not list(tmp_path.glob("etc/*"))


def test_a_disk_that_takes_nothing_is_told(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(service.unit.path))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(YpError, match="cannot be written: Read-only file system"):
        service.install(PROGRAM, {})
    assert _fake(service).asked == []


def test_where_systemd_does_not_run_it_says_what_does(tmp_path: Path) -> None:
    with pytest.raises(NoSystemd, match=r"not run by systemd \(.+ is process 1\).*docs/service\.md"):
        Systemctl(is_user=False, booted=tmp_path / "nowhere")


def test_where_no_systemd_answers_the_user_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemctl_module.shutil, "which", lambda _: "/bin/systemctl")
    with pytest.raises(NoSystemd, match="log in as that user"):
        Systemctl(is_user=True, environment={"XDG_RUNTIME_DIR": str(tmp_path)}, booted=tmp_path)


def test_what_systemd_says_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemctl"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "systemd 252 (x)"; exit; }\n'
        '[ "$1" = --user ] && shift\n'
        'case "$2" in show) printf "LoadState=loaded\\nStatusText=a=b\\n";; *) echo "Access denied" >&2; exit 4;; esac'
    )
    program.chmod(0o755)
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd/private").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    asked = Systemctl(is_user=True, environment=environment, booted=tmp_path)
    assert asked.version() == 252
    assert asked.properties("x", "LoadState", "StatusText", "MainPID") == {
        "LoadState": "loaded", "StatusText": "a=b", "MainPID": "",
    }  # fmt: skip
    with pytest.raises(Refused, match="`systemctl --user --no-pager enable x`: Access denied"):
        asked.run("enable", "x")


def test_the_program_is_found_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, link = tmp_path / "venv/yp2p", tmp_path / "bin/yp2p"
    for place in (program, link):
        place.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    link.symlink_to(program)
    monkeypatch.setattr("sys.argv", [str(link)])
    assert this_program() == link, "pipx changes where the link leads, not the link"
    monkeypatch.setattr("sys.argv", [str(tmp_path / "nothing")])
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert this_program() == link
    monkeypatch.setattr("sys.prefix", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="is no program that a service could start"):
        this_program()

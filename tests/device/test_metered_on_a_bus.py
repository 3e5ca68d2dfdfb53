"""Whether a connection is metered, asked of a NetworkManager on a bus of its own: the real `busctl`, the real D-Bus.

What stands for NetworkManager answers as its interface says: `Metered` is a `u`, 0 unknown, 1 yes, 2 no, 3 and 4 the
same as guesses (https://networkmanager.dev/docs/api/latest/gdbus-org.freedesktop.NetworkManager.html).
"""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from yp2p.device.metered import Metered, ask_metered

# Debian's own Python has the bindings (python3-dbus, python3-gi).
_PYTHON = "/usr/bin/python3"
_NEEDS = "needs busctl, dbus-daemon, and python3-dbus and python3-gi"
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""
_NETWORK_MANAGER = """
    import sys, dbus, dbus.service
    from dbus.mainloop.glib import DBusGMainLoop
    from gi.repository import GLib

    DBusGMainLoop(set_as_default=True)
    bus = dbus.SystemBus()

    class NetworkManager(dbus.service.Object):
        @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
        def Get(self, interface, name):
            return dbus.UInt32(int(open(sys.argv[1]).read()))

    name = dbus.service.BusName("org.freedesktop.NetworkManager", bus)
    NetworkManager(bus, "/org/freedesktop/NetworkManager")
    print("ready", flush=True)
    GLib.MainLoop().run()
"""


def _is_there() -> bool:
    if not all(map(shutil.which, ("busctl", "dbus-daemon", _PYTHON))):
        return False
    return subprocess.run([_PYTHON, "-c", "import dbus, gi"], capture_output=True).returncode == 0


@pytest.fixture
def metered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of which the number is what NetworkManager says."""
    if not _is_there():
        pytest.skip(_NEEDS)
    settings, said = tmp_path / "bus.conf", tmp_path / "metered"
    settings.write_text(_BUS.format(socket=tmp_path / "bus"))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    said.write_text("0")
    program = [_PYTHON, "-c", textwrap.dedent(_NETWORK_MANAGER), str(said)]
    with (
        subprocess.Popen(
            ["dbus-daemon", f"--config-file={settings}", "--nofork", "--print-address"], stdout=subprocess.PIPE
        ) as bus,
        bus.stdout,  # type: ignore[union-attr]
    ):
        try:
            assert bus.stdout is not None
            assert bus.stdout.readline()
            with subprocess.Popen(program, stdout=subprocess.PIPE) as manager:
                try:
                    assert manager.stdout is not None
                    assert manager.stdout.readline() == b"ready\n"
                    yield said
                finally:
                    manager.kill()
        finally:
            bus.kill()


@pytest.mark.long
def test_what_networkmanager_says_is_understood(metered: Path) -> None:
    for number, meant in enumerate((Metered.UNKNOWN, Metered.YES, Metered.NO, Metered.YES, Metered.NO)):
        metered.write_text(str(number))
        assert trio.run(ask_metered) is meant, number


@pytest.mark.long
def test_a_bus_without_networkmanager_tells_nothing(metered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={metered.parent}/none")
    assert trio.run(ask_metered) is Metered.UNKNOWN

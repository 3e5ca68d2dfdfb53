"""Which settings there are, by section, with their defaults and what they may be; and where a device keeps its things.

The descriptions below are what an error message gives as the allowed values, and what config/yp2p.example.toml repeats.
How the settings are read is in `config_file.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta
from platformdirs import PlatformDirs

DEFAULT_PORT = 9727  # YP2P on a telephone's keys
PREFIX = "YP2P_"
HOME_VARIABLE = "YP2P_HOME"
# Bytes a second. A slower network than the least one is none that files are transferred over (`transport/pacing.py`).
LEAST_RATE, MOST_RATE = 64_000, 1 << 40
RATE_IN_WORDS = f"a whole number of bytes a second, at least {LEAST_RATE}; 0 is no limit"


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[device]"""

    name: Annotated[str, Meta(max_length=64, description="up to 64 characters; empty means the host name")] = ""
    key_file: Annotated[
        str, Meta(description="a file with the device's key, as an absolute path; empty means device.key, made at need")
    ] = ""


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[listen]"""

    address: Annotated[
        list[str], Meta(description="a list of IP addresses; empty means every interface, IPv4 and IPv6")
    ] = []
    port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="a whole number from 0 to 65535; 0 means 9727 if that is free, else any free port",
        ),
    ] = 0


class Discovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[discovery]"""

    mdns: Annotated[bool, Meta(description="true or false")] = True
    interfaces: Annotated[
        list[str],
        Meta(description="a list of interface names or IP addresses; empty means every interface"),
    ] = []
    static: Annotated[list[str], Meta(description="a list of HOST:PORT where other devices always are")] = []
    commands: Annotated[
        dict[str, str],
        Meta(description="a table of names of devices, and for each a command whose input and output lead there"),
    ] = {}


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[files]"""

    max_text_bytes: Annotated[
        int, Meta(ge=1024, le=32 << 20, description="a whole number of bytes from 1024 to 33554432")
    ] = 4 << 20
    scan_interval_s: Annotated[float, Meta(ge=1, le=7 * 86400, description="a number of seconds from 1 to 604800")] = (
        3600.0
    )
    ignore: Annotated[list[str], Meta(description="a list of patterns in gitignore syntax, for this device only")] = []


class Trash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[trash]"""

    max_age_days: Annotated[int, Meta(ge=1, le=3650, description="a whole number of days from 1 to 3650")] = 30
    max_bytes: Annotated[
        int, Meta(ge=0, le=1 << 50, description="a whole number of bytes; what is removed beyond it asks first")
    ] = 2 << 30


# What is done when another device asks to remove the past of files: it is, after a day; a person is asked; it never is.
PurgeMode = Literal["day", "ask", "refuse"]


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[history]"""

    max_age_days: Annotated[int, Meta(ge=1, le=36500, description="a whole number of days from 1 to 36500")] = 365
    max_bytes: Annotated[
        int, Meta(ge=0, le=1 << 50, description="a whole number of bytes; beyond it older versions are thinned sooner")
    ] = 1 << 30
    purge: Annotated[
        PurgeMode, Meta(description="day, ask or refuse: what is done when others ask to remove the past of files")
    ] = "day"


class Scrub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[scrub]"""

    percent: Annotated[
        float, Meta(ge=0, le=50, description="a number from 0 to 50: how much of the time files are read; 0 is never")
    ] = 0.5
    interval_days: Annotated[float, Meta(ge=0, le=3650, description="a number of days from 0 to 3650")] = 7.0


class Pairing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[pairing]"""

    window_s: Annotated[float, Meta(ge=10, le=86400, description="a number of seconds from 10 to 86400")] = 900.0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[limits]"""

    upload: Annotated[int, Meta(ge=0, le=MOST_RATE, description=RATE_IN_WORDS)] = 0
    download: Annotated[int, Meta(ge=0, le=MOST_RATE, description=RATE_IN_WORDS)] = 0
    metered: Annotated[
        Literal["ignore", "pause"], Meta(description="ignore, or pause: files wait on a metered connection")
    ] = "ignore"
    devices: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=MOST_RATE)]],
        Meta(description=f"a table of names of devices, and for each {RATE_IN_WORDS}"),
    ] = {}


class Quotas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[quota]"""

    default: Annotated[
        int, Meta(ge=0, le=1 << 50, description="a whole number of bytes for each folder; 0 means no limit")
    ] = 0
    folders: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1 << 50)]],
        Meta(description="a table of labels of folders, and for each a whole number of bytes, or 0 for no limit"),
    ] = {}

    def of(self, label: str) -> int:
        """The limit of a folder."""
        return self.folders.get(label, self.default)


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[notify]"""

    desktop: Annotated[bool, Meta(description="true or false")] = True


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[metrics]"""

    listen: Annotated[
        str, Meta(description="ADDRESS:PORT where Prometheus may ask for metrics; empty means nowhere")
    ] = ""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[page]"""

    idle_s: Annotated[
        float, Meta(ge=60, le=86400, description="a number of seconds from 60 to 86400 after which it closes unused")
    ] = 1800.0
    directory: Annotated[
        str, Meta(description="the absolute path of a directory that has its files; empty means those of the package")
    ] = ""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[log]"""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error")
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        Meta(description="auto, text or json; auto means text on a terminal and key=value elsewhere"),
    ] = "auto"


class SharedFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[folders]]"""

    path: Annotated[str, Meta(min_length=1, description="the absolute path of a directory")]
    label: Annotated[
        str, Meta(max_length=100, description="up to 100 characters; empty means the directory's name")
    ] = ""
    invite: Annotated[str, Meta(description="a token of `yp2p invite`, to join with; empty means none")] = ""
    invite_file: Annotated[
        str, Meta(description="the absolute path of a file that holds a token of `yp2p invite`; empty means none")
    ] = ""
    device: Annotated[
        str, Meta(description="the name of one of [[devices]] whose settings let this device in; empty means none")
    ] = ""


class KnownDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[devices]]"""

    name: Annotated[
        str, Meta(min_length=1, max_length=64, description="what the device is called, up to 64 characters")
    ]
    key: Annotated[str, Meta(description="the public key of the device, as `yp2p identity show` prints it there")]
    role: Annotated[str, Meta(description="what it may do: admin, member or reader")] = "member"
    folders: Annotated[
        list[str], Meta(description="a list of folders of this device, by label or path, that it is let into")
    ] = []


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one daemon."""

    device: Device = Device()
    listen: Listen = Listen()
    discovery: Discovery = Discovery()
    files: Files = Files()
    trash: Trash = Trash()
    history: History = History()
    scrub: Scrub = Scrub()
    pairing: Pairing = Pairing()
    limits: Limits = Limits()
    quota: Quotas = Quotas()
    notify: Notify = Notify()
    metrics: Metrics = Metrics()
    page: Page = Page()
    log: Log = Log()
    folders: tuple[SharedFolder, ...] = ()
    devices: tuple[KnownDevice, ...] = ()

    @property
    def device_name(self) -> str:
        return self.device.name or socket.gethostname() or "unnamed"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one device keeps its things."""

    config: Path
    state: Path
    runtime: Path

    @property
    def key(self) -> Path:
        return self.state / "device.key"

    @property
    def store(self) -> Path:
        return self.state / "store.db"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def socket(self) -> Path:
        return self.runtime / "control.sock"

    @property
    def documents(self) -> Path:
        return documents_socket(self.socket)


def documents_socket(control: Path) -> Path:
    """Where live documents are served, beside a control socket."""
    return control.with_name("documents.sock")


def find_paths(environment: Mapping[str, str] = os.environ) -> Paths:
    """Everything beneath `YP2P_HOME` when that is set, otherwise the XDG directories."""
    home = environment.get(HOME_VARIABLE)
    if home:
        base = expanded(home).absolute()
        return Paths(base / "config.toml", base, base)
    dirs = PlatformDirs("yp2p", appauthor=False)
    state = Path(dirs.user_state_dir)
    runtime = environment.get("XDG_RUNTIME_DIR")
    return Paths(Path(dirs.user_config_dir) / "config.toml", state, Path(runtime) / "yp2p" if runtime else state)


# What stands in the file as often as there are such things.
TABLES: dict[str, type[msgspec.Struct]] = {"folders": SharedFolder, "devices": KnownDevice}


@cache
def sections() -> dict[str, type[msgspec.Struct]]:
    """The sections by name."""
    return {field.name: field.type for field in msgspec.structs.fields(Config) if field.name not in TABLES}


def describe(section: type[msgspec.Struct], key: str) -> str:
    """What a setting may be, in words."""
    hint = get_type_hints(section, include_extras=True)[key]
    return next(str(m.description) for m in hint.__metadata__ if isinstance(m, Meta))


def expanded(path: str) -> Path:
    """A path of the settings, which may begin with ~; that of a user whom nobody knows stays as it is."""
    return Path(os.path.expanduser(path))

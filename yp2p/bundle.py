"""What somebody who looks for a fault needs to know of this machine: one archive, without keys and without contents.

Invariants
    * Nothing is read that holds a secret or the content of a file: not the device key, not a document, a blob or a
      notice (which quotes lines of texts). Of the store only its size and the number of its rows is told.
    * Of the settings, what lets somebody in is left out; public keys are not secrets.
    * A part that cannot be made says why, and the others are made.

Names of files, folders and devices are in it: in the log, and in what `yp2p status` says.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import msgspec

from yp2p.compatibility import Versions
from yp2p.config import Paths
from yp2p.config_file import load_config
from yp2p.doctor.examine import examine
from yp2p.errors import YpError
from yp2p.machine import reason as reason_of
from yp2p.store.statistics import statistics

# Settings that let somebody in.
_SECRET = {"invite"}
_LINES = 1000
_ABOUT = """This is what `yp2p debug bundle` found on a machine, for somebody who looks for a fault.

It has names of files, folders and devices (status.json, logs.jsonl, doctor.json, settings.json), addresses in the local
network, versions and figures. It has no keys, no invites or codes, and nothing of what the files contain. Look at it
before you give it away.
"""

Call = Callable[[str, str, Any], Any]


def make_bundle(target: Path, paths: Paths, call: Call) -> list[str]:
    """Write the archive (.tar.gz, readable by its owner only); gives what it has.

    Args:
        call: asks the daemon of this home.

    Raises:
        YpError: the archive cannot be written, or is there already.
    """
    made_at = time.time()
    names: list[str] = []
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise YpError(f"{target} is there already; name another file") from None
    except OSError as error:
        raise YpError(f"{target} cannot be written: {reason_of(error)}") from error
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in _parts(paths, call):
            names.append(name)
            data = content.encode("utf-8", "backslashreplace")
            member = tarfile.TarInfo(f"{target.name.partition('.')[0]}/{name}")
            member.size, member.mode, member.mtime = len(data), 0o600, int(made_at)
            archive.addfile(member, io.BytesIO(data))
    return names


def _parts(paths: Paths, call: Call) -> Iterator[tuple[str, str]]:
    yield "README.txt", _ABOUT
    ways: dict[str, Callable[[], Any]] = {
        "machine.json": _machine,
        "settings.json": lambda: _settings(paths),
        "store.json": lambda: statistics(paths.store),
        "status.json": lambda: call("GET", "/v1/status", None),
        "doctor.json": lambda: [one.as_dict() for one in examine(paths, lambda: _doctor(call))],
        "metrics.txt": lambda: call("GET", "/v1/metrics", None),
        "logs.jsonl": lambda: "\n".join(map(_json, call("POST", "/v1/logs", {"lines": _LINES})["lines"])),
    }
    for name, make in ways.items():
        try:
            found = make()
        except (YpError, OSError) as error:
            found = {"error": str(error)}
        yield name, found if isinstance(found, str) else _json(found, indent=1)


def _doctor(call: Call) -> Mapping[str, Any]:
    found: Mapping[str, Any] = call("POST", "/v1/doctor", {"device": None})
    return found


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _machine() -> dict[str, Any]:
    return {
        **msgspec.to_builtins(Versions()),
        "python": sys.version,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "packages": {name: found for name in _dependencies() if (found := _version(name))},
        "processors": os.cpu_count(),
        "file_limit": _first_line(Path("/proc/sys/fs/file-max")),
        "inotify_watches": _first_line(Path("/proc/sys/fs/inotify/max_user_watches")),
    }


def _dependencies() -> list[str]:
    try:
        found = requires("yp2p") or []
    except PackageNotFoundError:
        return []
    return sorted(
        {text.partition(";")[0].strip().split(">")[0].split("=")[0] for text in found if "extra ==" not in text}
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _settings(paths: Paths) -> Any:
    return _without_secrets(load_config(paths.config))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _without_secrets(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return {key: "(left out)" if key in _SECRET and item else _without_secrets(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(item) for item in value]
    return str(value) if isinstance(value, str) else value

"""Reading the settings: flags, then environment, then TOML, then defaults; decoded once, unknown keys refused.

Every setting is `[section] key` in the TOML file and `YP2P_SECTION__KEY` in the environment. Lists are written
with commas in the environment. What there may be several of (`[[folders]]`, `[[devices]]`) stands in the file only.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from yp2p.config import (
    HOME_VARIABLE,
    LEAST_RATE,
    PREFIX,
    RATE_IN_WORDS,
    TABLES,
    Config,
    Limits,
    Page,
    SharedFolder,
    describe,
    expanded,
    sections,
)
from yp2p.errors import ConfigError, YpError
from yp2p.machine import is_passing, read_regular, reason


def load_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the file, if there is one, and the environment.

    Raises:
        ConfigError: names the setting, what was found and what is allowed.
    """
    values, tables = _read_toml(path)
    for name, text in environment.items():
        if not name.startswith(PREFIX) or "__" not in name or name == HOME_VARIABLE:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if section in TABLES:
            raise ConfigError(f"{name}: [[{section}]] can stand in {path} only")
        values.setdefault(section, {})[key] = (name, _Text(text))
    decoded: dict[str, Any] = {name: _decode_section(name, keys) for name, keys in values.items()}
    for name, rows in tables.items():
        decoded[name] = tuple(_decode(TABLES[name], f"[[{name}]]", keys) for keys in rows)
    config = Config(**decoded)
    _check_folders(config, path)
    _check_limits(config.limits, path)
    _check_page(config.page, path)
    return config


_Found = dict[str, tuple[str, Any]]  # by the key of a setting, where it was found, and what


class _Text(str):
    """A value from the environment: to be converted from text."""

    __slots__ = ()


def _read_toml(path: Path) -> tuple[dict[str, _Found], dict[str, list[_Found]]]:
    """What stands in the sections, and in the tables of which there are several."""
    try:
        data = tomllib.loads(read_regular(path))
    except FileNotFoundError as error:
        if path.is_symlink():  # without its settings, what is left out here would not be
            raise YpError(f"{path} is a link to what is not there; bring it back and start again") from error
        return {}, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        if isinstance(error, OSError) and is_passing(error):
            raise YpError(f"{path} cannot be read: {reason(error)}; then start again") from error
        raise ConfigError(f"{path} cannot be read: {_why(error)}") from error
    tables = {name: _rows(path, name, data.pop(name)) for name in TABLES if name in data}
    for section, keys in data.items():
        if not isinstance(keys, dict):
            raise ConfigError(f"{path}: {section!r} stands outside a section; {_known_sections()}")
    found = {section: _places(f"{path}: [{section}]", keys) for section, keys in data.items()}
    return found, tables


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return reason(error)
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line} is no text in UTF-8; save it as that"
    return str(error)


def _places(where: str, keys: Mapping[str, Any]) -> _Found:
    return {key: (f"{where} {key}", value) for key, value in keys.items()}


def _rows(path: Path, name: str, rows: Any) -> list[_Found]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path}: {name!r} is written [[{name}]], once for each of them")
    return [_places(f"{path}: [[{name}]] number {number}:", row) for number, row in enumerate(rows, 1)]


def _known_sections() -> str:
    return "the sections are: " + ", ".join(f"[{name}]" for name in sections())


def _decode_section(name: str, keys: _Found) -> msgspec.Struct:
    section = sections().get(name)
    if section is None:
        where = next(iter(keys.values()))[0] if keys else f"[{name}]"
        raise ConfigError(f"{where}: there is no section [{name}]; {_known_sections()}")
    return _decode(section, f"[{name}]", keys)


def _decode(section: type[msgspec.Struct], title: str, keys: _Found) -> msgspec.Struct:
    hints = get_type_hints(section, include_extras=True)
    values: dict[str, Any] = {}
    for key, (where, value) in keys.items():
        if key not in hints:
            raise ConfigError(f"{where}: {title} has no setting {key!r}; its settings are: {', '.join(hints)}")
        if fault := _fault_in(value):
            raise ConfigError(f"{where} is {value!r}, but no setting may hold {fault}")
        from_text = isinstance(value, _Text)
        if isinstance(value, str) and hints[key].__origin__ == list[str]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            values[key] = msgspec.convert(value, hints[key], strict=not from_text)
        except msgspec.ValidationError:
            raise ConfigError(f"{where} is {value!r}, but must be {describe(section, key)}") from None
    for field in msgspec.structs.fields(section):
        if field.required and field.name not in values:
            beside = next((where for where, _ in keys.values()), title)
            raise ConfigError(f"beside {beside} has to stand {field.name}: {describe(section, field.name)}")
    return section(**values)


def _fault_in(value: Any) -> str:
    """What is in a value that neither the system nor other devices would take in any name; empty where nothing is."""
    if isinstance(value, dict):
        return next(filter(None, map(_fault_in, (*value, *value.values()))), "")
    if isinstance(value, list):
        return next(filter(None, map(_fault_in, value)), "")
    if not isinstance(value, str):
        return ""
    if "\0" in value:
        return "a NUL"
    return "bytes that are not UTF-8" if any("\ud800" <= character <= "\udfff" for character in value) else ""


def _check_page(page: Page, path: Path) -> None:
    """Raises ConfigError: its directory depends on where the daemon runs."""
    if page.directory and not expanded(page.directory).is_absolute():
        what = describe(Page, "directory")
        raise ConfigError(f"{path}: [page] directory is {page.directory!r}, but must be {what}")


def _check_folders(config: Config, path: Path) -> None:
    """Raises ConfigError: what several settings of a folder say does not go together."""
    paths: set[Path] = set()
    names = [device.name for device in config.devices]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: several [[devices]] have one name; each needs its own")
    for number, folder in enumerate(config.folders, 1):
        where = f"{path}: [[folders]] number {number}"
        for key in ("path", "invite_file"):
            value = getattr(folder, key)
            if value and not expanded(value).is_absolute():
                raise ConfigError(f"{where}: {key} is {value!r}, but must be {describe(SharedFolder, key)}")
        if expanded(folder.path) in paths:
            raise ConfigError(f"{where}: path is {folder.path!r}, as in another one; a directory is one folder")
        paths.add(expanded(folder.path))
        ways = [key for key in ("invite", "invite_file", "device") if getattr(folder, key)]
        if len(ways) > 1:
            raise ConfigError(f"{where}: there are {' and '.join(ways)}; say one of them")
        if folder.device and folder.device not in names:
            raise ConfigError(f"{where}: device is {folder.device!r}, but must be the name of one of [[devices]]")
        if folder.label and (folder.invite or folder.invite_file):
            raise ConfigError(f"{where}: a folder that is joined has its label; leave label out")


def _check_limits(limits: Limits, path: Path) -> None:
    """Raises ConfigError: a limit is too low."""
    rates = {"upload": limits.upload, "download": limits.download}
    for key, rate in {**rates, **{f"devices.{name}": rate for name, rate in limits.devices.items()}}.items():
        if 0 < rate < LEAST_RATE:
            raise ConfigError(f"{path}: [limits] {key} is {rate}, but must be {RATE_IN_WORDS}")

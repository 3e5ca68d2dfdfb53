"""Settings that are read again while a device runs: all of them are checked, then those that can count do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from yp2p import config
from yp2p.config import Config
from yp2p.config_file import load_config
from yp2p.device.device import Device
from yp2p.device.settings import FROM_A_START, Part, Settings, differing, every_setting, of_section
from yp2p.errors import ConfigError
from yp2p.identity import Identity
from yp2p.store.database import open_database

SEED = b"s" * 32
KEY = "yp2pk-wrong"


class _Told:
    """A supervisor."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def reloading(self) -> None:
        self.told.append(None)

    def reloaded(self, remark: str) -> None:
        self.told.append(remark)


@asynccontextmanager
async def _running(base: Path) -> AsyncIterator[Device]:
    """A device with a folder, whose settings are in a file of the test."""
    (base / "notes").mkdir(exist_ok=True)
    async with open_database(base / "store", make_room=False) as database:
        file = base / "config.toml"
        device = Device(load_config(file, {}), Identity(SEED), database, [])
        device.settings.load = lambda: load_config(file, {})
        device.settings.supervisor = _Told()
        async with trio.open_nursery() as nursery:
            await nursery.start(device.run)
            nursery.start_soon(device.run_peers)
            await device.share(str(base / "notes"), None)
            yield device
            nursery.cancel_scope.cancel()


def test_every_setting_has_its_part_or_counts_from_a_start(tmp_path: Path) -> None:
    async def look() -> None:
        async with open_database(tmp_path / "store", make_room=False) as database:
            device = Device(Config(), Identity(SEED), database, [])
            with_daemon = device.settings.carried_out | of_section("log", "level") | of_section("page")
            assert with_daemon | FROM_A_START == set(every_setting())
            assert not with_daemon & FROM_A_START

    trio.run(look)


def test_what_differs_is_named_as_in_the_file() -> None:
    other = Config(listen=config.Listen(port=1), folders=(config.SharedFolder(path="/notes"),))
    assert differing(Config(), other) == ["[listen] port", "[[folders]]"]
    assert differing(other, other) == []


async def test_those_that_can_count_at_once_do(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        (tmp_path / "more").mkdir()
        (tmp_path / "config.toml").write_text(
            f"""
            [device]
            name = "desk"
            [discovery]
            static = ["192.0.2.7:9727"]
            [files]
            ignore = ["*.tmp"]
            scan_interval_s = 60
            max_text_bytes = 2048
            [trash]
            max_age_days = 3
            max_bytes = 4096
            [history]
            max_age_days = 5
            [pairing]
            window_s = 60
            [limits]
            upload = 100000
            [listen]
            port = 4711
            [[folders]]
            path = "{tmp_path}/more"
            """
        )
        with trio.fail_after(60):
            found = await device.settings.reload()
        assert found.applied == (
            "[device] name", "[discovery] static", "[files] scan_interval_s", "[files] ignore", "[trash] max_age_days",
            "[trash] max_bytes", "[history] max_age_days", "[pairing] window_s", "[limits] upload", "[[folders]]",
        )  # fmt: skip
        assert found.from_a_start == ("[listen] port", "[files] max_text_bytes")
        assert isinstance(device.settings.supervisor, _Told)
        assert device.settings.supervisor.told == [None, "restart needed for [listen] port, [files] max_text_bytes"]
        status: Any = device.status()
        assert [one["setting"] for one in status["settings"]] == ["[listen] port", "[files] max_text_bytes"]

        assert status["device"]["name"] == "desk"
        assert device.peers.devices.own_name == "desk"
        assert [str(one) for one in device.peers.dialling.static] == ["192.0.2.7:9727"]
        assert device.limits.shown()["upload"] == 100_000
        (folder,) = [one for one in device.folders if one.label == "notes"]
        disk = device.home.disks[folder.id]
        assert disk.rules.of_settings == ["*.tmp"]
        assert disk._settings.max_text_bytes == 4 << 20, "texts that are open stay texts"
        assert disk._housekeeping._settings == config.Trash(max_age_days=3, max_bytes=4096)
        assert folder.state.guard.refuses({b"e": 5000}, 1, 0.0), "more than the trash can hold"  # type: ignore[dict-item]
        assert device.home._tasks[folder.id].retention._max_age_s == 5 * 86_400
        with trio.fail_after(60):
            while len(device.home.by_id) < 2:
                await trio.sleep(0.01)
        assert (tmp_path / "more/.yp2p/marker").exists()
        window = device.pairing_host.renew_window(folder)
        assert window is not None

        (tmp_path / "config.toml").unlink()
        found = await device.settings.reload()
        assert found.from_a_start == ()
        assert status["settings"] != []
        assert device.status()["settings"] == []
        assert disk.rules.of_settings == []
        assert len(device.home.by_id) == 2, "settings only begin folders"


async def test_what_is_left_out_by_other_settings_is_so_at_once(tmp_path: Path) -> None:
    async with _running(tmp_path) as device:
        (folder,) = device.folders
        (tmp_path / "notes/a.tmp").write_text("one\n")
        (tmp_path / "notes/b.txt").write_text("one\n")
        with trio.fail_after(20):
            while len(folder.files) < 2:
                await folder.state.changed.wait()
            (tmp_path / "config.toml").write_text('[files]\nignore = ["*.tmp"]\n')
            await device.settings.reload()
            while len(folder.files.ignored.entries) != 1:
                await folder.state.changed.wait()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nupload = 100000\n[listen]\nprot = 1\n", "has no setting 'prot'"),
        ("[limits]\nupload = 100000\n[discovery]\nstatic = ['nowhere']\n", "static"),
        ("[limits]\nupload = 100000\n[files]\nignore = ['a[\\\\']\n", "ignore"),
        ("[limits]\nupload = 100000\n[device]\nname = 'recovery key'\n", "recovery"),
        (f"[limits]\nupload = 100000\n[[devices]]\nname = 'pi'\nkey = '{KEY}'\n", "pi"),
        ("[limits]\nupload = 100000\n[[folders]]\npath = '/x'\ninvite = 'yp2p-x'\n", "invite"),
        ("[limits\n", "cannot be read"),
    ],
)
async def test_with_anything_wrong_nothing_changes(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[limits]\nupload = 200000\n")
    async with _running(tmp_path) as device:
        (tmp_path / "config.toml").write_text(text)
        with pytest.raises(ConfigError, match=words):
            await device.settings.reload()
        assert device.limits.shown()["upload"] == 200_000
        assert isinstance(device.settings.supervisor, _Told)
        begun, remark = device.settings.supervisor.told
        assert begun is None
        assert remark is not None
        assert remark.startswith("settings not read again: ")
        assert words in remark
        (problem,) = device.status()["settings"]
        assert problem["setting"] == "file"
        assert words in problem["problem"]

        (tmp_path / "config.toml").write_text("[limits]\nupload = 300000\n")
        assert (await device.settings.reload()).applied == ("[limits] upload",)
        assert device.limits.shown()["upload"] == 300_000
        assert device.status()["settings"] == []
        assert device.settings.supervisor.told[2:] == [None, ""]


async def test_a_part_gets_only_what_changed_of_its_own() -> None:
    asked: list[str] = []
    parts = [
        Part(of_section("limits"), lambda new: asked.append(f"limits {new.limits.upload}")),
        Part(of_section("trash"), lambda _: asked.append("trash")),
    ]
    settings = Settings(Config(), parts)
    settings.load = lambda: Config(limits=config.Limits(upload=70_000))
    for _ in range(2):
        await settings.reload()
    assert asked == ["limits 70000"]


async def test_a_person_names_the_device_where_the_settings_do_not(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[device]\nname = "desk"\n')
    async with _running(tmp_path) as device:
        (tmp_path / "config.toml").write_text("")
        await device.settings.reload()
        await device.device_changes.rename(device.shown_id, "mine")
        assert device.status()["device"]["name"] == "mine"
        (tmp_path / "config.toml").write_text('[device]\nname = "shop"\n')
        await device.settings.reload()
        assert device.status()["device"]["name"] == "shop"
        (tmp_path / "config.toml").write_text("")
        await device.settings.reload()
        assert device.status()["device"]["name"] == "mine"


def test_a_config_is_never_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        Config().limits.upload = 1  # type: ignore[misc]
    assert msgspec.structs.replace(Config(), limits=config.Limits(upload=70_000)) != Config()


def test_a_setting_is_shown_with_what_it_may_be_and_no_invite() -> None:
    folders = (config.SharedFolder(path="/notes", invite="yp2p-secret"), config.SharedFolder(path="/code"))
    given = load_config(Path("/nowhere"), {"YP2P_LOG__LEVEL": "debug", "YP2P_LISTEN__ADDRESS": "::1"})
    settings = Settings(msgspec.structs.replace(given, folders=folders), [])
    settings.place = "/etc/yp2p/yp2p.toml"
    found = settings.shown()
    assert found["path"] == "/etc/yp2p/yp2p.toml"
    shown = {one["name"]: one for one in found["settings"]}
    assert list(shown) == every_setting()
    assert msgspec.json.encode(found)
    assert (shown["[log] level"]["value"], shown["[listen] address"]["value"]) == ("debug", ["::1"])
    limit = shown["[limits] upload"]
    assert (limit["value"], limit["default"], limit["waits"], limit["from_a_start"]) == (0, 0, False, False)
    assert "bytes a second" in limit["about"]
    assert shown["[listen] port"]["from_a_start"]
    assert "secret" not in str(found)
    assert [(one["path"], one["invite"]) for one in shown["[[folders]]"]["value"]] == [
        ("/notes", "(not shown)"), ("/code", ""),
    ]  # fmt: skip

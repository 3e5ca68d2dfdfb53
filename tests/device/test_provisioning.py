"""What the settings say of folders is carried out once, and tried with patience until then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from yp2p.config import SharedFolder
from yp2p.device.provisioning import Provisioning
from yp2p.errors import ConfigError, FolderError, InviteRefused, PairingError, YpError
from yp2p.pairing.tokens import Token

TOKEN = str(Token(bytes(32), bytes(range(20))))


class Fake:
    """The folders and the sharing of a device: what is asked fails as often as it is told to."""

    def __init__(self, *failures: YpError, seconds: float = 0.0) -> None:
        self.failures = list(failures)
        self.asked: list[tuple[float, str, str]] = []
        self.here: set[Path] = set()
        self.left: set[Path] = set()
        self._seconds = seconds
        self.problems: dict[str, str] = {}

    async def run(self) -> None:
        """Nobody is introduced."""

    @property
    def departed(self) -> Fake:
        return self

    def was_at(self, path: Path) -> bool:
        return path in self.left

    def at(self, path: Path) -> object | None:
        return path if path in self.here else None

    async def make(self, directory: str, label: str | None) -> None:
        await self._do(directory, label or "")

    async def join(self, token: str, directory: str, limit_s: float, *, is_forced: bool) -> None:
        await self._do(directory, token)

    async def _do(self, directory: str, what: str) -> None:
        self.asked.append((trio.current_time(), directory, what))
        await trio.sleep(self._seconds)
        if self.failures:
            raise self.failures.pop(0)
        self.here.add(Path(directory))


def _provisioning(fake: Fake, *settings: SharedFolder) -> Provisioning:
    device: Any = fake
    return Provisioning(settings, device, device, device)


async def test_a_directory_is_shared_once(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    fake, setting = Fake(), SharedFolder(str(tmp_path / "link"), "notes")
    (tmp_path / "link").symlink_to("notes")
    for _ in range(2):  # as after a restart
        await _provisioning(fake, setting).run()
    assert [asked[1:] for asked in fake.asked] == [(str(tmp_path / "notes"), "notes")]


@pytest.mark.parametrize(
    ("error", "in_a_day"),
    [
        (InviteRefused("it was used already"), 24),
        (PairingError("not found"), 1000),
        (FolderError("is not there"), 1445),
    ],
)
async def test_what_does_not_work_is_tried_with_patience_and_told(
    error: YpError, in_a_day: int, autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    fake = Fake(*[error] * 10_000, seconds=30.0 if type(error) is PairingError else 0.0)
    provisioning = _provisioning(fake, SharedFolder(str(tmp_path), invite=TOKEN))
    with trio.move_on_after(86_400 - 1):
        await provisioning.run()
    assert in_a_day * 0.9 < len(fake.asked) <= in_a_day
    assert provisioning.problems == {f"[[folders]] {tmp_path}": str(error)}
    assert provisioning.missing_folder() == f"[[folders]] {tmp_path}: {error}"
    fake.here.add(tmp_path)  # as a person joined it by hand
    assert (provisioning.problems, provisioning.missing_folder()) == ({}, "")
    fake.here.clear()
    fake.failures.clear()
    await provisioning.run()
    assert provisioning.problems == {}
    assert fake.asked[-1][1:] == (str(tmp_path), TOKEN)


async def test_an_invite_may_come_in_a_file_and_later(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    fake, file = Fake(), tmp_path / "invite"
    provisioning = _provisioning(fake, SharedFolder("/notes", invite_file=str(file)))
    told: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(provisioning.run)
        for text in ("", "yp2p-something", TOKEN + "\n"):
            await trio.sleep(61)
            told += provisioning.problems.values()
            file.write_text(text)
    assert [
        word
        for line, word in zip(told, ["cannot be read", "no whole invite", "no whole invite"], strict=True)
        if word in line
    ]
    assert [asked[1:] for asked in fake.asked] == [("/notes", TOKEN)]


def test_an_invite_that_is_none_ends_the_start() -> None:
    with pytest.raises(ConfigError, match="no whole invite") as caught:
        _provisioning(Fake(), SharedFolder("/notes", invite="yp2p-secret"))
    assert "secret" not in str(caught.value)


async def test_what_a_person_left_is_not_begun_again(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    fake = Fake()
    fake.left.add(tmp_path)
    provisioning = _provisioning(fake, SharedFolder(str(tmp_path), "notes"))
    await provisioning.run()
    assert (fake.asked, provisioning.problems, provisioning.missing_folder()) == ([], {}, "")

"""Which folder a word means: a label, a directory, or a label that is a directory as well where it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from yp2p.cli.options import folder_name
from yp2p.errors import UsageError
from yp2p.folder.lookup import choose
from yp2p.identity import FolderID


@dataclass
class _Named:
    label: str
    path: Path

    @property
    def id(self) -> FolderID:
        return FolderID(bytes(16))


def _meant(word: str, *folders: Any) -> Path:
    name = folder_name(word)
    return choose(folders, name).path


def test_a_label_that_is_a_directory_here_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "other").mkdir()
    elsewhere = _Named("notes", Path("/elsewhere/notes"))
    here = _Named("things", tmp_path / "notes")
    assert _meant("notes", elsewhere) == elsewhere.path, "its directory was moved here by hand"
    assert _meant("notes", elsewhere, here) == here.path
    for word in ("./notes", f"{tmp_path}/notes", "other"):
        with pytest.raises(UsageError, match="no folder is called"):
            _meant(word, elsewhere)
    with pytest.raises(UsageError, match="no folder is called 'other'"):
        _meant("other", elsewhere)

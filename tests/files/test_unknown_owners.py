"""Files whose owner or group the user namespace of the daemon does not know: they wait, and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yp2p.files import permissions
from yp2p.files.permissions import set_permissions
from yp2p.files.root import Root
from yp2p.protocol.entries import Mode


@pytest.mark.parametrize("has_namespace", [False, True])
def test_a_file_of_nobody_is_one_only_where_all_are_known(
    tmp_path: Path, has_namespace: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uid_map").write_text("1000 1000 1\n" if has_namespace else "0 0 4294967295\n")
    monkeypatch.setattr(permissions, "_USERS", tmp_path / "uid_map")
    permissions._knows_all_users.cache_clear()
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("old", "new"):
        (folder / name).write_text(name)
    nobody = os.stat_result((0o100644, 1, 1, 1, 65534, 65534, 3, 0, 0, 0))
    root = Root(folder)
    try:
        monkeypatch.setattr(root, "lstat", lambda _: nobody)
        given: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
        descriptor = os.open(folder / "new", os.O_RDWR)
        try:
            if has_namespace:
                with pytest.raises(
                    PermissionError, match="the unit of the daemon does not know; see its PrivateUsers="
                ):
                    set_permissions(root, descriptor, "old", Mode(0))
                assert given == []
            else:
                set_permissions(root, descriptor, "old", Mode(0))
                assert given == [(65534, 65534)]
        finally:
            os.close(descriptor)
    finally:
        root.close()
        permissions._knows_all_users.cache_clear()

"""Files of our own in `.yp2p/tmp` are filled again, whatever permissions they were given at the attempt before."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulation.privileges import give_up_reading_everything

from yp2p.files.blobs import Assembly, WholeBlob, name_of, write_blobs
from yp2p.files.root import Root
from yp2p.files.temporary_files import Filling, fill_temporaries, take_over
from yp2p.identity import FolderID
from yp2p.protocol.blobs import blob_hash, chunk_hash
from yp2p.protocol.entries import Mode

_DATA = b"\xff\x00 of a blob"
_BLOB = blob_hash(len(_DATA), [chunk_hash(_DATA)])


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path)
    made.prepare(FolderID(bytes(16)))
    yield made
    made.close()


def _as_a_person(call: Callable[[], object]) -> None:
    """Root may write everything; rights are those of a thread."""
    failed: list[BaseException] = []

    def run() -> None:
        give_up_reading_everything()
        try:
            call()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@pytest.mark.parametrize("mode", [0o444, 0o000, 0o200])
def test_a_blob_is_written_again_under_its_name(root: Root, mode: int) -> None:
    """It has the permissions of the file that it could not take the place of."""
    path = root.path / name_of(_BLOB)
    path.write_bytes(b"half of it")
    path.chmod(mode)
    _as_a_person(lambda: write_blobs(root, [WholeBlob(_BLOB, _DATA, "f")]))
    assert path.read_bytes() == _DATA
    path.chmod(mode)

    def assemble() -> None:
        assembly = Assembly(root, _BLOB, len(_DATA), [chunk_hash(_DATA)], "f")
        try:
            assembly.find()
            assert not assembly.missing
        finally:
            assembly.close()

    _as_a_person(assemble)


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_what_was_fetched_is_made_ready_once_more(root: Root, mode: int) -> None:
    path = root.path / name_of(_BLOB)
    path.write_bytes(_DATA)
    (root.path / "f").write_bytes(b"\xff before")
    path.chmod(mode)
    filling = Filling(take_over(root, name_of(_BLOB)), "f", None, Mode.PLAIN)
    _as_a_person(lambda: [_raise(failure) for failure in fill_temporaries(root, [filling])])
    assert path.read_bytes() == _DATA
    assert path.stat().st_mode & 0o777 == (root.path / "f").stat().st_mode & 0o777


def _raise(failure: OSError | None) -> None:
    if failure is not None:
        raise failure


def test_nothing_but_a_file_is_given_permissions(root: Root) -> None:
    os.mkfifo(root.path / name_of(_BLOB), 0o000)
    with pytest.raises(OSError):
        _as_a_person(lambda: write_blobs(root, [WholeBlob(_BLOB, _DATA, "f")]))
    assert (root.path / name_of(_BLOB)).stat().st_mode & 0o777 == 0

"""Another key for a device: a copy of the old one has no say, and no crash on the way leaves two devices or none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import structlog.testing
import trio
from room import Peer, evaluated, meet, roles

from yp2p import daemon
from yp2p.config import Config, Listen, find_paths
from yp2p.device.rotation import Rotation
from yp2p.errors import FolderError, UsageError
from yp2p.identity import FolderID, Identity
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.keyfile import load_identity, make_next, read_next
from yp2p.trust.statements import Kind, Role, Signer, Statement


@pytest.mark.parametrize("leaves_itself", [True, False])
@pytest.mark.parametrize("knows_successor", [True, False])
def test_a_copy_of_the_key_that_removes_the_new_one_meanwhile_does_not_count(
    *, leaves_itself: bool, knows_successor: bool
) -> None:
    """The old key was there first, so that of two removals its own would stand: it must have left by itself."""
    old, new, member = Peer.founder("old"), Peer("new"), Peer("member")
    old.grant(member, Role.MEMBER)
    thief = old.fork(set(old.known))
    old.grant(new)
    if knows_successor:
        thief.known |= old.known
    if leaves_itself:
        old.remove(old)
    new.known |= old.known
    thief.remove(new)
    new.remove(old)
    meet(old, new, member, thief)
    found = roles(old, member.known)
    assert (found.get("new"), found.get("old")) == (
        (Role.ADMINISTRATOR, None) if leaves_itself or not knows_successor else (None, Role.ADMINISTRATOR)
    )


def _hear(peer: Peer, said: set[Statement], random: Random) -> None:
    """As `folder/members.py` does it: each removal is acknowledged with what was known before it."""
    ancestry = Ancestry(said | peer.known)
    removals = [one for one in ancestry.statements if one.kind is Kind.REMOVAL and one not in peer.known]
    for removal in random.sample(removals, len(removals)):
        peer.known |= {ancestry.statements[number] for number in bits(ancestry.up_to(removal.hash))}
        peer.acknowledge()
    peer.known |= said


@pytest.mark.parametrize("seed", range(100))
def test_whatever_a_copy_says_behind_the_back_of_the_others_does_not_count(seed: int) -> None:
    """It knows any past it likes, also of later, and has accomplices; the others hear of it after the change."""
    random = Random(seed)
    old, new, admin, member = Peer.founder("old"), Peer("new"), Peer("admin"), Peer("member")
    old.grant(admin)
    old.grant(member, Role.MEMBER)
    pasts = [set(old.known)]
    for peer in (admin, member):
        if random.random() < 0.7:
            peer.acknowledge()
            meet(old, peer)
        pasts.append(set(old.known))
    old.grant(new)
    pasts.append(set(old.known))
    if random.random() < 0.5:
        admin.known |= old.known
        admin.acknowledge()
        meet(old, admin)
    old.remove(old)
    new.known |= old.known
    new.remove(old)
    honest = [new, admin, member]
    for peer in random.sample(honest, len(honest)):
        _hear(peer, new.known, random)
        peer.acknowledge()
        meet(new, peer)
    accomplices = [Peer("x"), Peer("y")]
    said: set[Statement] = set()
    for _ in range(random.randint(1, 8)):
        thief = old.fork(set(random.choice(pasts)) | (said if random.random() < 0.7 else set()))
        for accomplice in accomplices:
            if random.random() < 0.4:
                thief.grant(accomplice)
                accomplice.remove(random.choice([*honest, old]))
                thief.known |= accomplice.known
        for victim in random.sample([*honest, old], random.randint(0, 2)):
            thief.remove(victim)
        thief.acknowledge()
        said |= thief.known
    for peer in honest:
        _hear(peer, said, random)
    found = roles(old, set().union(*(peer.known for peer in honest)))
    assert found == {"new": Role.ADMINISTRATOR, "admin": Role.ADMINISTRATOR, "member": Role.MEMBER}


def _run(paths: object, monkeypatch: pytest.MonkeyPatch, *, finishes: bool = True) -> Identity:
    """Start a daemon that stops at once; gives who it is."""
    found: list[Identity] = []

    async def serve(*parts: object) -> None:
        identity, rotation = parts[2], parts[5]
        assert isinstance(identity, Identity)
        assert isinstance(rotation, Rotation)
        found.append(identity)
        if finishes:
            await rotation.finish()

    with monkeypatch.context() as patched:
        patched.setattr(daemon, "_serve", serve)
        patched.setattr(daemon, "DEFAULT_PORT", 0)
        daemon.run_daemon(Config(listen=Listen(address=["127.0.0.1"])), paths)  # type: ignore[arg-type]
    return found[0]


def test_a_start_goes_on_where_a_crash_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = find_paths({"YP2P_HOME": str(tmp_path)})
    old = _run(paths, monkeypatch)
    successor = make_next(paths.key)
    assert make_next(paths.key) == successor, "what was begun is gone on with"
    assert _run(paths, monkeypatch) == old, "the store is still of the old one"
    assert read_next(paths.key) == successor
    with closing(sqlite3.connect(paths.store)) as store, store:
        store.execute("UPDATE owner SET device = ?", (successor.device_id,))
    assert _run(paths, monkeypatch, finishes=False) == successor
    assert load_identity(paths.key) == old, "whoever is not done keeps both"
    assert _run(paths, monkeypatch) == successor
    assert (load_identity(paths.key), read_next(paths.key)) == (successor, None)
    assert _run(paths, monkeypatch) == successor


async def test_a_start_is_not_kept_back_by_what_is_left_of_the_old_key(tmp_path: Path) -> None:
    """Nothing more can be said in the folder, and the disk takes nothing: the old key has left all the same."""

    class Membership:
        def __init__(self) -> None:
            self.members = {new.device_id: None}
            self.signer = Signer(new, FolderID(bytes(16)))
            self.alone = trio.Lock()
            self.evaluation = evaluated(Peer.founder("old"), [])

        def may(self, role: Role) -> bool:
            return True

        async def work_out(self, work: object) -> None:
            raise FolderError("as many statements as there may be")

    old, new = Identity(b"o" * 32), Identity(b"n" * 32)
    folder: Any = SimpleNamespace(label="notes", membership=Membership(), state=SimpleNamespace(touch=lambda: None))
    nobody: Any = None
    rotation = Rotation(
        new, {FolderID(bytes(16)): folder}, nobody, nobody, key=tmp_path / "gone" / "device.key", former=old
    )
    with structlog.testing.capture_logs() as logs:
        await rotation.finish()
    assert [entry["event"] for entry in logs] == ["old_key_remains"] * 2


async def test_a_key_from_outside_is_not_changed_from_here() -> None:
    nobody: object = None
    rotation = Rotation(Identity(bytes(32)), {}, nobody, nobody, key=None, place="YP2P_DEVICE_KEY")  # type: ignore[arg-type]
    with trio.fail_after(60), pytest.raises(UsageError, match="comes from YP2P_DEVICE_KEY"):
        await rotation.run()
    assert not rotation.done.is_set()


@pytest.mark.parametrize("asker_is_gone", [True, False])
async def test_the_daemon_ends_for_a_new_key_also_where_nobody_waits_for_the_answer(
    autojump_clock: trio.abc.Clock, *, asker_is_gone: bool
) -> None:
    done, stop, before = trio.Event(), trio.Event(), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon._end_after, done, stop)
        await trio.sleep(100)
        assert not stop.is_set()
        done.set()
        await trio.sleep(0.01)
        if not asker_is_gone:
            stop.set()
    assert stop.is_set()
    assert trio.current_time() - before < 102

"""By which removals a device is out, whatever those say afterwards whom they are about."""

from __future__ import annotations

from yp2p.identity import FolderID, Identity
from yp2p.trust.limits import _KINDS_OF_ONE, MAX_STATEMENTS_OF_ONE, kept
from yp2p.trust.membership import Evaluation, evaluate
from yp2p.trust.statements import Role, Signer, Statement

_FOLDER = FolderID(bytes(16))
ONE, TWO, FRIEND, EVIL = (Identity(bytes([number]) * 32) for number in range(1, 5))
_OF_ONE, _OF_TWO = Signer(ONE, _FOLDER), Signer(TWO, _FOLDER)


def _room() -> list[Statement]:
    """ONE let in TWO, to administrate, and FRIEND; it removed TWO, and FRIEND a while later."""
    made = [_OF_ONE.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    made.append(_OF_ONE.grant([made[-1].hash], TWO.public, Role.ADMINISTRATOR, "two"))
    made.append(_OF_ONE.grant([made[-1].hash], FRIEND.public, Role.MEMBER, "friend"))
    made.append(_OF_ONE.remove([made[-1].hash], TWO.public, Role.REMOVED))
    made.append(_OF_ONE.remove([made[-1].hash], FRIEND.public, Role.REMOVED))
    return made


def _follows(*said: Statement) -> Evaluation:
    return evaluate(ONE.device_id, said)


def test_a_device_that_knows_it_was_removed_answers_no_removal_of_another_one() -> None:
    """Else what FRIEND did between the two removals would not count: honest work of a device that was given away."""
    *before, removal = room = _room()
    for previous in ([before[-1].hash, removal.hash], [removal.hash]):
        again = _OF_TWO.grant(previous, FRIEND.public, Role.MEMBER, "friend")
        assert _follows(*room, again).put_out_by[FRIEND.device_id] == (removal,)
        assert _follows(*room, again).lost == (again,)


def test_nor_does_whom_it_lets_in_by_then() -> None:
    *before, removal = room = _room()
    evil = _OF_TWO.grant([before[-1].hash], EVIL.public, Role.ADMINISTRATOR, "evil")
    again = Signer(EVIL, _FOLDER).grant([evil.hash, removal.hash], FRIEND.public, Role.MEMBER, "friend")
    assert _follows(*room, evil, again).put_out_by[FRIEND.device_id] == (removal,)
    assert EVIL.device_id not in _follows(*room, evil, again).put_out_by


def test_a_device_that_did_not_know_yet_let_in_whom_it_let_in() -> None:
    """Who had not heard took FRIEND for a member, and does no more by the removal of TWO."""
    *before, removal, _ = _room()
    friend = _OF_ONE.remove([before[-1].hash], FRIEND.public, Role.REMOVED)
    again = _OF_TWO.grant([friend.hash], FRIEND.public, Role.MEMBER, "friend")
    assert _follows(*before, friend, again).members.keys() >= {FRIEND.device_id}
    assert _follows(*before, removal, friend, again).put_out_by[FRIEND.device_id] == (removal,)


def test_of_many_devices_that_a_removed_one_lets_in_few_are_kept_and_nobody_else_is_out_by_them() -> None:
    *before, removal, _ = _room()
    heads = [before[-1].hash]
    keys = [Identity(number.to_bytes(32, "big")).public for number in range(100, 1300)]
    let_in = [_OF_TWO.grant(heads, key, Role.ADMINISTRATOR, "") for key in keys]
    found = kept(ONE.device_id, [*let_in, *before, removal])
    assert len(found) <= _KINDS_OF_ONE * MAX_STATEMENTS_OF_ONE + len(before) + 1
    evaluation = _follows(*found.values())
    assert evaluation.members.keys() == {ONE.device_id, FRIEND.device_id}
    assert all(reasons == (removal,) for reasons in evaluation.put_out_by.values())

"""What `yp2p doctor` makes of what the daemon and the network say: each fault is named with what helps."""

from __future__ import annotations

from typing import Any

import pytest

from yp2p import __version__
from yp2p.discovery.multicast import listen
from yp2p.doctor.others import check_multicast, check_others
from yp2p.peers.reach import Absence, Reach, why
from yp2p.protocol.messages import Reached

_WELL = {"ahead_s": 0.1, "reached": "yes", "reaches": "yes", "has_clone": False}


def _device(check: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": "pi", "connected": True, "reason": "", "paused": False, "last_error": "", "version": __version__,
        "address": "10.0.0.2:9727", "in_the_way": False, "check": _WELL if check is None else check, **more,
    }  # fmt: skip


def _away(reason: str, *, in_the_way: bool = True, **more: Any) -> dict[str, Any]:
    return _device(connected=False, reason=reason, in_the_way=in_the_way, address=None, **more) | {"check": None}


def _other_version() -> str:
    reach = Reach()
    reach.versions = (9,)
    return why(Absence("pi", reach))


_BLOCKED_OUT = "seen at 10.0.0.2, but port 9727 does not answer; does a firewall there block TCP port 9727?"
_WRONG_SUBNET = "seen at 10.9.0.2, but this machine has no way to that address: is it on another network?"
FAULTS = [
    (_device(_WELL | {"reached": "no_answer"}), "port", "ufw allow 9727/tcp"),
    (_device(_WELL | {"reached": "refused"}), "port", "ufw allow 9727/tcp"),
    (_device(_WELL | {"reached": "no_way"}), "port", "one network"),
    (_device(_WELL | {"reaches": "no_answer"}), "port", "let TCP out here"),
    (_device(_WELL | {"reaches": "no_way"}), "port", "let TCP out here"),
    (_device(_WELL | {"ahead_s": 86400.0}), "clock", "timedatectl set-ntp true"),
    (_device(_WELL | {"ahead_s": -86400.0}), "clock", "timedatectl set-ntp true"),
    (_device(_WELL | {"has_clone": True}), "key", "yp2p device rotate"),
    (_device(last_error="two machines have the key of this device"), "device pi", "yp2p device rotate"),
    (_away(_BLOCKED_OUT), "device pi", "port 9727 does not answer"),
    (_away(_WRONG_SUBNET), "device pi", "is it on another network?"),
    (_away(_other_version()), "device pi", "update yp2p here"),
]


@pytest.mark.parametrize(("device", "check", "remedy"), FAULTS)
def test_each_fault_is_named_with_what_helps(device: dict[str, Any], check: str, remedy: str) -> None:
    (problem,) = [one for one in check_others({"port": 9727, "devices": [device]}, named=False) if one.is_problem]
    assert problem.check == check
    assert remedy in problem.remedy


def test_a_day_is_told_as_a_day() -> None:
    answer = {"port": 9727, "devices": [_device(_WELL | {"ahead_s": -86400.0})]}
    (problem,) = [one for one in check_others(answer, named=False) if one.is_problem]
    assert problem.text == "that of pi is 1.0 days behind this one"


def test_where_all_is_well_there_is_no_problem() -> None:
    found = list(check_others({"port": 9727, "devices": [_device()]}, named=False))
    assert [one for one in found if one.is_problem] == []
    assert "pi can connect to this device on TCP port 9727" in [one.text for one in found]
    assert any("yp2p 0.0.7" in one.text for one in check_others({"port": 1, "devices": [_device(version="0.0.7")]},
                                                               named=False))  # fmt: skip


def test_a_device_that_is_off_or_paused_is_no_problem_unless_it_is_asked_for() -> None:
    off, paused = _away("never seen", in_the_way=False), _away("paused here", paused=True)
    answer = {"port": 9727, "devices": [off, paused]}
    assert not any(one.is_problem for one in check_others(answer, named=False))
    assert next(iter(check_others({"port": 1, "devices": [off]}, named=True))).is_problem


def test_whatever_a_device_says_of_the_port_has_a_finding() -> None:
    for reached in Reached:
        answer = {"port": 9727, "devices": [_device(_WELL | {"reached": reached.name.lower()})]}
        assert any(one.check == "port" for one in check_others(answer, named=False)), reached


@pytest.mark.parametrize(
    ("heard", "remedy"),
    [
        ({"error": "Operation not permitted"}, "allow UDP port 5353"),
        ({"itself": False}, "allow UDP port 5353, in and out"),
        ({"itself": True}, ""),
        ({"itself": True, "others": {"10.0.0.7"}}, ""),
    ],
)
def test_multicast_that_does_not_come_back_is_found(heard: dict[str, Any], remedy: str) -> None:
    one = {"address": "10.0.0.1", "error": "", "itself": False, "others": set(), "network": "10.0.0.0/24", **heard}
    finding = check_multicast(one, [_away("never seen")])
    assert remedy in finding.remedy
    assert finding.is_problem == bool(remedy)


def test_a_connected_device_of_the_same_network_has_to_be_heard() -> None:
    one = {"address": "10.0.0.1", "error": "", "itself": True, "others": set(), "network": "10.0.0.0/24"}
    for address in ("10.0.0.2:9727", "[::ffff:10.0.0.2]:9727"):
        assert "client isolation" in check_multicast(one, [_device(address=address)]).remedy
    for address in ("10.9.0.2:9727", "[fe80::1%eth0]:9727", "127.0.0.1:9727", "host:1"):
        finding = check_multicast(one, [_device(address=address)])
        assert not finding.is_problem
        assert "none is on" not in finding.text, "one is connected"
    assert not check_multicast(one | {"others": {"10.0.0.2"}}, [_device()]).is_problem


def test_a_question_comes_back_to_whoever_asks() -> None:
    (heard,) = listen(("127.0.0.1",), 0.5)
    assert (heard.address, heard.error, heard.itself) == ("127.0.0.1", "", True)

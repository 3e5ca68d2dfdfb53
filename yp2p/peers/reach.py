"""Why a device that is known is not connected, as a sentence that a person can act on.

What is known of it comes from three sides: what a person chose (it is paused here), what the device itself said the
last time (it paused us, it speaks another version, it broke the protocol), and how the attempts to reach it ended, with
whether mDNS announces it now. `why` is a pure function over that: the first of these that explains it is the reason.

What is asked of mDNS is a hint as ever: an announcement can be anybody's, so a reason never says that a device is
somewhere, only that it is announced there, or that something answers.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from yp2p.discovery.addresses import Address
from yp2p.printable import called
from yp2p.protocol.messages import PROTOCOL_VERSIONS
from yp2p.transport.command import Command
from yp2p.transport.dialer import Outcome

# How a device is reached: at an address, or through a program.
Way: TypeAlias = Address | Command
# As many instances are remembered that announce one device: an honest one has one, and another after each start.
_MAX_INSTANCES = 8
# Other addresses that a reason names besides the one that says most.
_MAX_ATTEMPTS = 32


@dataclass(slots=True)
class Reach:
    """How a device was looked for.

    Attributes:
        announced_by: the instances on this network now that announce it, and at which addresses.
        attempts: how the last attempt at each address, or by each program, ended; the newest last.
        versions: of the protocol, that it speaks, where none of them is ours.
        is_paused_there: it said that a person there paused this device.
    """

    announced_by: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    attempts: dict[Way, Outcome] = field(default_factory=dict)
    said: str = ""  # by the program that was tried last
    versions: tuple[int, ...] | None = None
    is_paused_there: bool = False
    links: int = 0  # that were up since the start

    def announced(self, instance: str, addresses: tuple[Address, ...] = ()) -> None:
        """It is announced by this instance, at these addresses."""
        self.announced_by[instance] = addresses
        while len(self.announced_by) > _MAX_INSTANCES:
            del self.announced_by[next(iter(self.announced_by))]

    def tried(self, way: Way, outcome: Outcome, said: str = "") -> None:
        """An attempt to reach it failed; a program said so."""
        self.said = said or self.said
        self.attempts.pop(way, None)
        self.attempts[way] = outcome
        while len(self.attempts) > _MAX_ATTEMPTS:
            del self.attempts[next(iter(self.attempts))]

    def linked(self) -> None:
        """A link with it is up: nothing of what was in the way is."""
        self.links += 1
        self.attempts.clear()
        self.versions = None
        self.is_paused_there = False


@dataclass(frozen=True, slots=True)
class Absence:
    """What is known of a device that is not connected. Times are seconds since 1970.

    Attributes:
        last_seen: when it was connected or announced last; None: never.
        waits_until: it is not dialled before, because it was at fault.
        fault: what that was, or what else is wrong with it.
        is_paused: a person paused it on this device.
        paused_until: when that ends by itself, for a person; empty: it does not.
        has_rival: another device is said to have its key, and that one is dialled.
        shares_nothing: this device is a member of no folder of which it is one as well.
    """

    name: str
    reach: Reach
    last_seen: float | None = None
    waits_until: float | None = None
    fault: str = ""
    is_paused: bool = False
    paused_until: str = ""
    has_rival: bool = False
    shares_nothing: bool = False


def why(absence: Absence) -> str:
    """Why a device is not connected, and what a person can do about it."""
    name, reach = called(absence.name), absence.reach
    if absence.is_paused:
        until = f" until {absence.paused_until}" if absence.paused_until else ""
        ends = "ends that sooner" if until else "connects it again"
        return f"paused here{until}; `yp2p device unpause {shlex.quote(absence.name)}` {ends}"
    if absence.shares_nothing:
        return "no folder is shared with it any more: this device was removed, or left; `yp2p status` says which"
    if reach.is_paused_there:
        return f"paused there; somebody has to type `yp2p device unpause` on {name}"
    if reach.versions is not None:
        return _other_version(reach.versions)
    if absence.waits_until is not None:
        until = time.strftime("%H:%M:%S", time.localtime(absence.waits_until))
        return f"not tried before {until}, because it was at fault: {absence.fault}"
    if absence.fault:
        return absence.fault
    if absence.has_rival:
        return "another device is said to have the same key; that one is tried"
    if reach.attempts:
        return _unreachable(absence)
    if not reach.announced_by and absence.last_seen is None:
        return "never seen on this network: check that yp2p runs there, and that both are on one network"
    if not reach.announced_by:
        return f"not seen on this network since {_at(absence.last_seen)}"
    return "seen on this network, and about to be connected"


def _other_version(versions: tuple[int, ...]) -> str:
    newest = max(versions, default=0)
    own = max(PROTOCOL_VERSIONS)
    where = "there" if newest < own else "here"
    return f"it speaks version {newest} of the protocol, and this device version {own}; update yp2p {where}"


def _unreachable(absence: Absence) -> str:
    """What the attempts say: where it is announced now rather than elsewhere, then what says most, then the newest."""
    attempts = absence.reach.attempts
    now: set[Way] = {address for addresses in absence.reach.announced_by.values() for address in addresses}
    tried = [way for way in reversed(attempts) if way in now] or list(reversed(attempts))
    address = max(tried, key=attempts.__getitem__)
    if isinstance(address, Command):
        return _THROUGH.get(attempts[address], _ENDED).format(
            at=address, name=called(absence.name), said=absence.reach.said
        )
    is_announced = bool(absence.reach.announced_by)
    sentence = (_ANNOUNCED if is_announced else _REMEMBERED)[attempts[address]]
    return sentence.format(
        at=address, host=address.host, port=address.port, name=called(absence.name), since=_at(absence.last_seen)
    )


def _at(moment: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment is not None else "the start"


_ENDED = "{at} ended without a link: {said}; does it lead to {name}, and does yp2p run there? See [discovery] commands"
_THROUGH: Mapping[Outcome, str] = {
    Outcome.NO_NAME: "{at} cannot be started on this machine: {said}; see [discovery] commands",
    Outcome.SILENT: "{at} runs, and no device answers through it; see [discovery] commands",
    Outcome.SOMETHING_ELSE: "{at} leads to another device or another program, not to {name}",
    Outcome.NOT_KNOWN: _ENDED,
}
_NOT_KNOWN = (
    "{at} answers, but does not know this device: it removed this device, or was set up anew, or a device that it "
    "removed let this one in (then `yp2p share` on one and `yp2p join` on the other pair them again), or another "
    "device has that address now"
)
_CUT_OFF = "{at} answers, and ends the connection at once; its log says why"
_SOMETHING_ELSE = "{at} is another device or another program, not {name}"
_SILENT = "{at} accepts connections, but does not answer; is the machine stopped or overloaded?"
_NO_NAME = "the name {host} is not known here; see [discovery] static"
_NOT_ALLOWED = "this machine lets nothing out to {at}; does its own firewall block TCP port {port}?"
# While mDNS announces it the machine is on, and something is in the way.
_ANNOUNCED: Mapping[Outcome, str] = {
    Outcome.NO_NAME: _NO_NAME,
    Outcome.NO_WAY: "seen at {host}, but this machine has no way to that address: is it on another network?",
    Outcome.NOT_ALLOWED: _NOT_ALLOWED,
    Outcome.NO_ANSWER: "seen at {host}, but port {port} does not answer; does a firewall there block TCP port {port}?",
    Outcome.REFUSED: "seen at {host}, but port {port} is closed; does a firewall there reject TCP port {port}?",
    Outcome.SILENT: _SILENT,
    Outcome.SOMETHING_ELSE: _SOMETHING_ELSE,
    Outcome.CUT_OFF: _CUT_OFF,
    Outcome.NOT_KNOWN: _NOT_KNOWN,
}
# Nothing announces it: it is where it was last, or where the settings say.
_REMEMBERED: Mapping[Outcome, str] = {
    Outcome.NO_NAME: _NO_NAME,
    Outcome.NO_WAY: "not seen on this network since {since}; from here there is no way to {at}, where it was",
    Outcome.NOT_ALLOWED: _NOT_ALLOWED,
    Outcome.NO_ANSWER: "not seen on this network since {since}; nothing answers at {at}: it is off, elsewhere, or "
    "behind a firewall",
    Outcome.REFUSED: "not seen on this network since {since}; the machine at {host} is on, but yp2p does not listen on "
    "port {port} there: start it there (`yp2p up DIR`, or its service)",
    Outcome.SILENT: _SILENT,
    Outcome.SOMETHING_ELSE: _SOMETHING_ELSE,
    Outcome.CUT_OFF: _CUT_OFF,
    Outcome.NOT_KNOWN: _NOT_KNOWN,
}

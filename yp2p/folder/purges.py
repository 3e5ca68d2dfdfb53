"""What devices ask each other to remove the past of: the requests of a folder, and who answered what.

Theory of operation
    A request is signed by its issuer, and each answer by its device (`trust/purges.py`), so whoever has them hands them
    on: at the beginning of a session all, then what is news. A device that was away gets them from whoever is there.

    A request is heard as long as its issuer is an administrator by the statements that are here. So a removal ends it,
    and one that comes before its issuer was let in is heard when it comes again.

    What is done with a request is decided elsewhere (`device/asked_purges.py`). Here it is kept for a year, with its
    answers, also when it is done: else it would come again from a device that was away.

Invariants
    * Nothing is kept or handed on whose signature was not checked here.
    * Of each issuer there are at most `MAX_OPEN` requests that somebody has not answered, `MAX_KEPT` in a year, and
      `MAX_KEPT_BYTES` of both. What is more is not kept, and its issuer is told so.
    * An answer never takes the place of one that counts more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from yp2p.errors import MessageFault
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.messages import MAX_PURGE_ANSWERS, PurgeNews
from yp2p.store import tables
from yp2p.trust.purges import (
    REQUEST_BYTES,
    Answer,
    Outcome,
    Request,
    Seen,
    in_requests,
    make_answer,
    make_request,
    read_answer,
    read_request,
    request_of,
)
from yp2p.trust.statements import Role

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

KEPT_S = 365 * 86400.0
# Without these an administrator could fill the stores of all devices.
MAX_OPEN, MAX_KEPT, MAX_KEPT_BYTES = 64, 256, 1 << 20
# After these a device does nothing more about a request by itself.
FINAL = (Outcome.REFUSED, Outcome.DONE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what people here call it, when it came (seconds since 1970), and for how long a daemon ran since."""

    request: Request
    number: int
    received_at: float
    waited_s: float = 0.0


class Purges:
    """The requests of one folder.

    Attributes:
        arrived: is called when there is one more.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._asked: dict[bytes, Asked] = {}
        self._answers: dict[bytes, dict[DeviceID, Answer]] = {}
        self._not_kept: set[bytes] = set()  # requests of which that was said
        self.arrived: Callable[[], None] = lambda: None

    def load(self) -> None:
        """Read what is stored; call once, before use."""
        folder, read = self._folder, self._folder.database.rows
        for number, body, received, waited in tables.purge_request.read_all(read, folder.id):
            try:
                request = read_request(body, folder.id)
            except MessageFault as error:
                log.warning("purge_request_left_out", folder=folder.label, reason=str(error), advice="others send it")
                continue
            self._asked[request.id] = Asked(request, number, received, waited)
        everybody = folder.membership.everybody()
        for device, body in tables.purge_answer.read_all(read, folder.id):
            if device in everybody:
                try:
                    self._note(read_answer(body, folder.id, everybody[DeviceID(device)]))
                except MessageFault:
                    continue  # it comes again
        self._forget_old()

    def _forget_old(self) -> None:
        """What was asked a year ago is known to nobody any more."""
        since, folder = time.time() - KEPT_S, self._folder
        for request in [request for request, asked in self._asked.items() if asked.received_at < since]:
            del self._asked[request]
            self._answers.pop(request, None)
            forget = (tables.purge_request.forget(folder.id, request), tables.purge_answer.forget(folder.id, request))
            folder.database.submit(forget)

    # --- what there is ------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Asked]:
        return iter(list(self._asked.values()))

    def get(self, number: int) -> Asked | None:
        """The request that people here call by this number."""
        return next((asked for asked in self._asked.values() if asked.number == number), None)

    def answers(self, asked: Asked) -> Mapping[DeviceID, Outcome]:
        """What devices have said."""
        return {device: answer.outcome for device, answer in self._answers.get(asked.request.id, {}).items()}

    def own_answer(self, asked: Asked) -> Outcome | None:
        return self.answers(asked).get(self._folder.clients.device)

    def counts(self, request: Request) -> bool:
        """Whether who asked may."""
        issuer = self._folder.membership.members.get(request.issuer_id)
        return issuer is not None and issuer.role is Role.ADMINISTRATOR

    def undecided(self) -> list[Asked]:
        """Those that this device has not carried out or refused, of who may ask."""
        return [
            asked for asked in self if self.counts(asked.request) and self.own_answer(asked) not in FINAL
        ]  # fmt: skip

    def silent(self, asked: Asked) -> set[DeviceID]:
        """The devices of the folder that have not carried it out or refused."""
        said = self.answers(asked)
        return {device for device in self._folder.membership.devices if said.get(device) not in FINAL}

    # --- what this device says ----------------------------------------------------------------------------------

    def ask(self, entries: Mapping[EntryID, Seen], new_id: Callable[[int], bytes]) -> list[Asked]:
        """Ask all others to remove the past of these; this device has done it. Gives the requests.

        Args:
            new_id: so many random bytes.
        """
        identity, made = self._folder.membership.identity, list[Asked]()
        assert identity is not None
        for some in in_requests(entries):
            request = make_request(identity, self._folder.id, new_id(REQUEST_BYTES), some)
            made.append(self._keep(request))
            self.answer(made[-1], Outcome.DONE)
        return made

    def answer(self, asked: Asked, outcome: Outcome) -> None:
        """Say what this device has done with a request, or will."""
        answer = self._own(asked.request.id, outcome)
        if self._note(answer):
            self._tell(PurgeNews(self._folder.id, (), (answer.body,)))

    def _own(self, request: bytes, outcome: Outcome) -> Answer:
        identity = self._folder.membership.identity
        assert identity is not None
        return make_answer(identity, self._folder.id, request, outcome)

    def waited(self, asked: Asked, more_s: float) -> Asked:
        """A daemon ran for so long since it was asked last."""
        longer = self._asked[asked.request.id] = replace(asked, waited_s=asked.waited_s + more_s)
        set_waited = tables.purge_request.set_waited(self._folder.id, asked.request.id, longer.waited_s)
        self._folder.database.submit([set_waited])
        return longer

    # --- what others say ----------------------------------------------------------------------------------------

    def messages(self) -> Iterator[PurgeNews]:
        """All that is known, for a session that begins."""
        folder, answers = self._folder.id, list[bytes]()
        for asked in self:
            yield PurgeNews(folder, (asked.request.body,), ())
            answers += [answer.body for answer in self._answers.get(asked.request.id, {}).values()]
        for start in range(0, len(answers), MAX_PURGE_ANSWERS):
            yield PurgeNews(folder, (), tuple(answers[start : start + MAX_PURGE_ANSWERS]))

    async def take(self, message: PurgeNews) -> None:
        """What a peer says. Raises MessageFault: nobody has signed that."""
        for body in message.requests:
            await turn()
            request = read_request(body, self._folder.id) if not self._is_known(body) else None
            if request is None or request.id in self._asked or not self.counts(request):
                continue
            if self._is_too_much(request):
                self._say_too_much(request)
                continue
            self._keep(request)
            self.arrived()
        everybody = self._folder.membership.everybody() if message.answers else {}
        for body in message.answers:
            request_id, device = request_of(body)
            known = self._answers.get(request_id, {}).get(device)
            if request_id not in self._asked or device not in everybody or (known is not None and known.body == body):
                continue
            await turn()
            answer = read_answer(body, self._folder.id, everybody[device])
            if request_id in self._asked and self._note(answer):
                self._tell(PurgeNews(self._folder.id, (), (answer.body,)))

    def _say_too_much(self, request: Request) -> None:
        """Once: each device that has no room either would say it to us again."""
        if request.id not in self._not_kept and len(self._not_kept) < MAX_KEPT:
            self._not_kept.add(request.id)
            answer = self._own(request.id, Outcome.NOT_KEPT)
            self._tell(PurgeNews(self._folder.id, (), (answer.body,)))

    def _is_known(self, body: bytes) -> bool:
        return any(asked.request.body == body for asked in self._asked.values())

    def _is_too_much(self, request: Request) -> bool:
        others = [asked for asked in self if asked.request.issuer_id == request.issuer_id]
        size = sum(len(asked.request.body) for asked in others) + len(request.body)
        is_open = sum(bool(self.silent(asked)) for asked in others)
        return is_open >= MAX_OPEN or len(others) >= MAX_KEPT or size > MAX_KEPT_BYTES

    # --- what is kept -------------------------------------------------------------------------------------------

    def _keep(self, request: Request) -> Asked:
        folder, now = self._folder, time.time()
        asked = self._asked[request.id] = Asked(request, folder.database.next_purge(), now)
        insert = tables.purge_request.insert(folder.id, request.id, asked.number, request.body, now)
        commit = folder.database.submit([insert])
        commit.then(lambda: self._tell(PurgeNews(folder.id, (request.body,), ())))
        folder.state.touch()
        return asked

    def _note(self, answer: Answer) -> bool:
        """Keep an answer; tells whether it is news that counts more than what was known."""
        known = self._answers.setdefault(answer.request, {})
        before = known.get(answer.device)
        if before is not None and before.outcome >= answer.outcome:
            return False
        known[answer.device] = answer
        save = tables.purge_answer.save(self._folder.id, answer.request, answer.device, answer.body)
        self._folder.database.submit([save])
        self._folder.state.touch()
        return True

    def _tell(self, message: PurgeNews) -> None:
        self._folder.observers.purge_news(message)


def paths_of(folder: Folder, entries: Iterable[EntryID]) -> list[str]:
    """What the files of these entries are called here, or were called last."""
    path_of, known = folder.catalogue.layout().path_of, folder.catalogue.entries
    return sorted({path_of.get(entry, known[entry].path) for entry in entries if entry in known})

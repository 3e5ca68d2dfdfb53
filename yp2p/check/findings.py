"""What a check can find: kinds, each with how it is found and what mends it; docs/check.md has them as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from typing import Any


class Mends(Enum):
    """What a repair takes; the value is what people read."""

    HERE = "of what is here"
    PEERS = "with a device that has it"
    RESTART = "at a start of the daemon"
    NOBODY = "by a person"


class Depth(Enum):
    """What it takes to find something; the value is the option."""

    PLAIN = ""
    READ = "--read"
    PEERS = "--peers"


class Kind(StrEnum):
    """What is wrong."""

    DAMAGED_FILE = "damaged-file"
    SWAPPED_FILE = "swapped-file"
    UNREADABLE_FILE = "unreadable-file"
    LOST_FILE = "lost-file"
    MISSING_FILE = "missing-file"
    UNSEEN_CHANGE = "unseen-change"
    STRAY_ROW = "stray-row"
    STALE_ROW = "stale-row"
    SHARED_INODE = "shared-inode"
    UNSTORED_ROW = "unstored-row"
    LOST_BLOB = "lost-blob"
    WRONG_CHUNKS = "wrong-chunks"
    DAMAGED_HISTORY = "damaged-history"
    DAMAGED_MANIFEST = "damaged-manifest"
    MISSING_DOCUMENT = "missing-document"
    WRONG_DIGEST = "wrong-digest"
    DAMAGED_PACK = "damaged-pack"
    STRAY_STEP = "stray-step"
    STRAY_NOTICE = "stray-notice"
    STRAY_TRASH = "stray-trash"
    DAMAGED_TRASH = "damaged-trash"
    UNREADABLE_TRASH = "unreadable-trash"
    BAD_STATEMENT = "bad-statement"
    LOST_MARKER = "lost-marker"
    DAMAGED_STORE = "damaged-store"
    UNSOUND_ROWS = "unsound-rows"
    DAMAGED_COPY = "damaged-copy"
    OPEN_KEY = "open-key"
    LOST_KEY = "lost-key"
    OTHER_KEY = "other-key"
    BEHIND = "behind"
    DIVERGED = "diverged"
    LYING_DEVICE = "lying-device"
    SILENT_DEVICE = "silent-device"


@dataclass(frozen=True, slots=True)
class About:
    """How a kind is found and mended. `repair` is what a repair does, `advice` what a person can do."""

    depth: Depth
    mends: Mends
    repair: str
    advice: str = ""


_SCAN = "`yp2p folder pause` and `unpause` look at everything again"
ABOUT: dict[Kind, About] = {
    Kind.DAMAGED_FILE: About(
        Depth.READ, Mends.PEERS, "made again of its history, of another file here, or of another device",
        "bring a device that has it, or put a copy in its place",
    ),
    Kind.SWAPPED_FILE: About(Depth.READ, Mends.HERE, "both are given what they held"),
    Kind.UNREADABLE_FILE: About(Depth.READ, Mends.NOBODY, "", "look after the disk, then put a copy in its place"),
    Kind.LOST_FILE: About(Depth.PLAIN, Mends.PEERS, "written again of its document, or fetched"),
    Kind.MISSING_FILE: About(
        Depth.PLAIN, Mends.NOBODY, "", "if it was not deleted on purpose, `yp2p restore` brings it back afterwards",
    ),
    Kind.UNSEEN_CHANGE: About(Depth.PLAIN, Mends.HERE, "read, as when it is saved"),
    Kind.STRAY_ROW: About(Depth.PLAIN, Mends.HERE, "forgotten; the file is read as one that came"),
    Kind.STALE_ROW: About(Depth.PLAIN, Mends.HERE, "the file is brought in step with its entry"),
    Kind.SHARED_INODE: About(Depth.PLAIN, Mends.HERE, "both files are read again"),
    Kind.UNSTORED_ROW: About(Depth.PLAIN, Mends.HERE, "written again"),
    Kind.LOST_BLOB: About(Depth.PLAIN, Mends.PEERS, "fetched again"),
    Kind.WRONG_CHUNKS: About(Depth.PLAIN, Mends.HERE, "forgotten; it is made of the file when it is needed"),
    Kind.DAMAGED_HISTORY: About(
        Depth.PLAIN, Mends.PEERS, "set aside, and taken from another device", "bring a device that has it",
    ),
    Kind.DAMAGED_MANIFEST: About(
        Depth.PLAIN, Mends.PEERS, "written again of what is in memory, or taken from another device",
        "bring a device that has it, or start the daemon again",
    ),
    Kind.MISSING_DOCUMENT: About(
        Depth.PLAIN, Mends.PEERS, "asked of the devices that are connected", "bring a device that has it",
    ),
    Kind.WRONG_DIGEST: About(Depth.PLAIN, Mends.HERE, "computed again"),
    Kind.DAMAGED_PACK: About(Depth.PLAIN, Mends.HERE, "set aside: the text is whole, its history is coarser"),
    Kind.STRAY_STEP: About(Depth.PLAIN, Mends.HERE, "set aside: it could not be undone"),
    Kind.STRAY_NOTICE: About(Depth.PLAIN, Mends.HERE, "set aside"),
    Kind.STRAY_TRASH: About(Depth.PLAIN, Mends.HERE, "given a place where `yp2p trash list` shows it"),
    Kind.DAMAGED_TRASH: About(Depth.READ, Mends.NOBODY, "", "if you need it, look for it in a backup"),
    Kind.UNREADABLE_TRASH: About(Depth.PLAIN, Mends.NOBODY, "", "chown it to this user, or look after the disk"),
    Kind.BAD_STATEMENT: About(Depth.PLAIN, Mends.PEERS, "set aside; other devices send what is missing"),
    Kind.LOST_MARKER: About(
        Depth.PLAIN, Mends.NOBODY, "",
        "put the folder's disk back, or take it up as it is: `yp2p share` of its directory",
    ),
    Kind.DAMAGED_STORE: About(
        Depth.PLAIN, Mends.RESTART, "what can be read of it is used from a start of the daemon on",
        "stop the daemon and start it again",
    ),
    Kind.UNSOUND_ROWS: About(Depth.PLAIN, Mends.HERE, "set aside"),
    Kind.DAMAGED_COPY: About(Depth.READ, Mends.NOBODY, "", "remove it: the store itself is another file"),
    Kind.OPEN_KEY: About(Depth.PLAIN, Mends.HERE, "closed to other users"),
    Kind.LOST_KEY: About(Depth.PLAIN, Mends.HERE, "written again of what the daemon has in memory"),
    Kind.OTHER_KEY: About(
        Depth.PLAIN, Mends.NOBODY, "", "put the right key back before the daemon ends: `yp2p identity` says how",
    ),
    Kind.BEHIND: About(Depth.PEERS, Mends.PEERS, "compared again"),
    Kind.DIVERGED: About(Depth.PEERS, Mends.PEERS, "both texts are kept, one beside the other"),
    Kind.LYING_DEVICE: About(
        Depth.PEERS, Mends.NOBODY, "", "ask whose device it is; `yp2p device remove` takes it out",
    ),
    Kind.SILENT_DEVICE: About(Depth.PEERS, Mends.NOBODY, "", "check again when it is at rest"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        folder: the label of the folder; empty where it is of the device.
        path: the file that it is about, as people know it; or what lies elsewhere; empty where it is about none.
        text: a sentence, with the values.
        subject: what a repair needs to find it: an ID, a hash or a name, as the kind has it.
        device: the name of the other device that it is about.
    """

    kind: Kind
    folder: str
    path: str
    text: str
    subject: bytes = b""
    device: str = ""

    @property
    def key(self) -> tuple[Kind, str, str, bytes, str]:
        """What makes two of them one, whatever their values are by now. A file that is known to be damaged is not
        compared with others again."""
        kind = Kind.DAMAGED_FILE if self.kind is Kind.SWAPPED_FILE else self.kind
        return kind, self.folder, self.path, self.subject, self.device

    @property
    def about(self) -> About:
        return ABOUT[self.kind]


class Result(StrEnum):
    """What became of a finding."""

    FOUND = "found"  # nothing was to be done
    REPAIRED = "repaired"
    STARTED = "started"  # other devices, or a start of the daemon, do the rest
    LEFT = "left"  # nothing here mends it


@dataclass(frozen=True, slots=True)
class Told:
    """A finding, and what became of it."""

    finding: Finding
    result: Result

    def as_dict(self) -> dict[str, Any]:
        found, about = asdict(self.finding), self.finding.about
        del found["subject"]
        return found | {
            "mended_by": about.mends.value,
            "result": self.result.value,
            "repair": about.repair,
            "help": about.advice,
        }

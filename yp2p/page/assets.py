"""The files of the page, as `make web` puts them into the package: read when the port opens, and dropped with it.

They lie flat in `assets/`, and `index.html` is what `/` is. They are the same for everybody, and hold nothing of
anybody: so they are answered without a token, to whoever asks for them as a browser does.

What is made at run time is neither style nor script: the editor's sheets are adopted by a shadow root, which the policy
has nothing to say of. So the policy has no nonce, and allows nothing but these files.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yp2p.control.answers import Answer
from yp2p.control.requests import Request
from yp2p.control.routes import Route
from yp2p.errors import NotInstalled
from yp2p.machine import read_regular_bytes

PLACE = Path(__file__).parent / "assets"
_INDEX, _PAGE = "index.html", "text/html; charset=utf-8"
# What is built is a tenth of that; more is a mistake that would be held in memory while the port is open.
_MAX_BYTES = 8 << 20
_KINDS = {
    ".html": _PAGE,
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".map": "application/json",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
# Everything but the page: if it is ever looked at as a document, it is one that can do nothing.
_POLICY_OF_REST = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
HOW_TO_GET = (
    "this yp2p has no page, as none was built where it was installed from: the published wheel has it, and in a copy of"
    " the sources `make web` makes it, with npm; everything else works without it"
)
# What each answer at the port says, beside its policy.
HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
NO_DOCUMENT = ("content-security-policy", _POLICY_OF_REST)


@dataclass(frozen=True, slots=True)
class File:
    """One of them, compressed.

    Attributes:
        tag: goes with its content.
    """

    kind: str
    data: bytes
    tag: str


def read(place: Path) -> dict[str, File]:
    """All of them by the path in their address; blocks for some tens of milliseconds.

    Raises:
        NotInstalled: they are not in the package.
    """
    try:
        paths = [path for path in sorted(place.iterdir()) if path.suffix in _KINDS]
        found = {path.name: read_regular_bytes(path, _MAX_BYTES) for path in paths}
    except OSError:
        found = {}
    if _INDEX not in found or sum(map(len, found.values())) > _MAX_BYTES:
        raise NotInstalled(HOW_TO_GET)
    return {"/" if name == _INDEX else f"/{name}": _compressed(name, data) for name, data in found.items()}


def _compressed(name: str, data: bytes) -> File:
    tag = hashlib.sha256(data).hexdigest()[:32]
    return File(_KINDS[Path(name).suffix], gzip.compress(data, mtime=0), f'"{tag}"')


def routes(files: Mapping[str, File], address: str) -> list[Route]:
    """The routes of these files at an address, HOST:PORT."""
    return [Route("GET", path, "", answer=_Answers(file, address).answer) for path, file in files.items()]


@dataclass(frozen=True, slots=True)
class _Answers:
    """What is answered for one file."""

    _file: File
    _address: str

    async def answer(self, request: Request) -> Answer:
        policy = ("content-security-policy", _policy(self._address)) if self._file.kind == _PAGE else NO_DOCUMENT
        kept = (("etag", self._file.tag), ("cache-control", "no-cache"), policy)
        if self._file.tag in request.headers.get("if-none-match", ""):
            return Answer(status=304, media_type=self._file.kind, headers=kept)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Answer(gzip.decompress(self._file.data), media_type=self._file.kind, headers=kept)
        encoded = (*kept, ("content-encoding", "gzip"), ("vary", "accept-encoding"))
        return Answer(self._file.data, media_type=self._file.kind, headers=encoded)


def _policy(address: str) -> str:
    """What a browser lets the page do: its own files, its own address, and no text ever as a script."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self' ws://{address}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )

"""What a request at the page's port has to say of where it is from, before anything else of it counts.

Every web page that is open in a browser of this machine can send requests to a port on the loopback interface, and with
a name of its own that leads here (DNS rebinding) it can read the answers. What it cannot do is choose these headers:

* `Host` is the address that the browser believes it speaks with. Only ours is answered.
* `Origin` is the page that asks. Where there is one it is ours; what changes something, and a WebSocket, has one.
* `Sec-Fetch-Site` says how that page stands to the address (Fetch Metadata). A call is `same-origin`; the page itself
  may be navigated to from anywhere, as a person does who follows a link, and is embedded nowhere.

A program that is no browser writes what it wants into them: against that there is the token.
"""

from __future__ import annotations

from collections.abc import Mapping

from yp2p.programs.websocket import SUBPROTOCOL

_TOKEN_PREFIX = "token."
_BEARER = "bearer "
# Where a part of the page may be asked from: by the page, or by a person. An old browser does not say.
_OF_PARTS = ("", "same-origin", "none")


def why_elsewhere(method: str, headers: Mapping[str, str], address: str) -> str:
    """Why a request is not one to this address, from a page of this address; nothing where it is.

    Args:
        address: ours, as HOST:PORT.
    """
    if headers.get("host", "") != address:
        return "it is for another host"
    origin = headers.get("origin")
    if origin != f"http://{address}" and (origin is not None or method not in ("GET", "HEAD")):
        return "it is from another origin"
    return ""


def is_part(path: str, headers: Mapping[str, str]) -> bool:
    """Whether a file of the page may be had so."""
    if headers.get("sec-fetch-site", "") in _OF_PARTS:
        return True
    mode, kind = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return path == "/" and mode == "navigate" and kind == "document"


def is_call(headers: Mapping[str, str]) -> bool:
    """Whether a call of the API is one that a page of this address makes."""
    return headers.get("sec-fetch-site") == "same-origin"


def is_live(headers: Mapping[str, str]) -> bool:
    """The same of a WebSocket: its origin is always said, the other header not by every browser."""
    return "origin" in headers and headers.get("sec-fetch-site", "same-origin") == "same-origin"


def bearer(headers: Mapping[str, str]) -> str:
    """The token of a call (RFC 6750, section 2.1); nothing where there is none."""
    said = headers.get("authorization", "")
    return said[len(_BEARER) :] if said[: len(_BEARER)].lower() == _BEARER else ""


def live_token(headers: Mapping[str, str]) -> str:
    """The token of a WebSocket, for which a browser sets no header but that of its subprotocols."""
    offered = [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",")]
    tokens = [one.removeprefix(_TOKEN_PREFIX) for one in offered if one.startswith(_TOKEN_PREFIX)]
    return tokens[0] if len(tokens) == 1 and SUBPROTOCOL in offered else ""

"""What an answer to a request for a file says: where its bytes begin, and whose they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-(?P<end>\d+)/(?P<total>\d+|\*)")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class BadReply(Exception):
    """An answer that cannot be used; asking again may bring a better one."""


@dataclass(frozen=True)
class Reply:
    """
    Where the bytes that follow belong in the file.

    `etag` is fit for If-Range: strong, of the server that sends the bytes.
    """

    start: int
    etag: str | None


def read_reply(status: int, headers: Mapping[str, str], asked_from: int, n_bytes: int) -> Reply:
    """
    What the answer to a request for the bytes from `asked_from` on says.

    Args:
        status: 200 or 206.
        headers: Of the answer, found in any case.
        asked_from: The first byte that was asked for; 0 asks for the whole file.
        n_bytes: How long the file is.

    Raises:
        BadReply: Compressed, another range, or a file of another length.
    """
    etag = headers.get("etag", "")
    strong = etag if etag.startswith('"') else None
    is_encoded = headers.get("content-encoding", "identity").lower() != "identity"
    if status == 200:
        # Compressed, its length says nothing; whole, it can still be unpacked and checked.
        length = None if is_encoded else headers.get("content-length")
        if length is not None and length != str(n_bytes):
            raise BadReply(f"{length} bytes instead of {n_bytes}")
        return Reply(0, strong)
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if status != 206 or is_encoded or not match:
        raise BadReply(f"HTTP {status} without a usable range")
    if int(match["start"]) != asked_from:
        raise BadReply(f"bytes from {match['start']} instead of {asked_from}")
    if match["total"] not in ("*", str(n_bytes)):
        raise BadReply(f"{match['total']} bytes instead of {n_bytes}")
    return Reply(asked_from, strong)


def stated_digest(headers: Mapping[str, str]) -> str | None:
    """The digest that the hub itself states with an answer; None if it states none."""
    stated = headers.get("x-linked-etag") or headers.get("etag") or ""
    stated = stated.removeprefix("W/").strip('"')
    return stated if _DIGEST.fullmatch(stated) else None

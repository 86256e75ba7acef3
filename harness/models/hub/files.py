"""What a repository of the hub holds: its files, and which of their names may be used as paths."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.errors import FetchFailed

DEFAULT_REVISION = "main"
_REFERENCE = re.compile(r"(?P<repo>[A-Za-z0-9_][\w.-]*/[\w.-]+)(?::(?P<wanted>.+))?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
# Devices on Windows whatever the ending: CreateFile("con.gguf") opens the console.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u200b-\u200f\u2028-\u202e\u2066-\u2069]')
_MAX_NAME_BYTES = 255  # NAME_MAX of every common file system
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class HubReference:
    """
    `owner/repo:WANTED` as given on the command line.

    `wanted` names a quantization, or a file, with its folder or without. `revision` is that of an
    address; None where it names none.
    """

    repo: str
    wanted: str | None
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}:{self.wanted}" if self.wanted else self.repo


@dataclass(frozen=True)
class Digest:
    """
    What the bytes of a file must hash to.

    The hub states the sha256 of large files (LFS, Xet), and of small ones the object id of git.
    """

    kind: Literal["sha256", "git-sha1"]
    hex: str

    def hasher(self, n_bytes: int) -> Hasher:
        """A hash to be fed a file of `n_bytes`, which then must give `hex`."""
        if self.kind == "sha256":
            return hashlib.sha256()
        # A git object: the word blob, its length, a zero byte, the bytes.
        return hashlib.sha1(b"blob %d\0" % n_bytes, usedforsecurity=False)


class Hasher(Protocol):
    """The part of hashlib's objects that is needed here."""

    def update(self, data: memoryview, /) -> None:
        """Takes in the next bytes."""

    def hexdigest(self) -> str:
        """The digest so far."""


@dataclass(frozen=True)
class HubFile:
    """One file of a repository; `digest` is None where only a cache without blobs knows it."""

    path: str
    n_bytes: int
    digest: Digest | None

    @property
    def sha256(self) -> str | None:
        """The sha256 the hub states, if it states one."""
        return self.digest.hex if self.digest and self.digest.kind == "sha256" else None


@dataclass(frozen=True)
class Listing:
    """The GGUF files of a repository at one commit; `revision` is what was asked for."""

    repo: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]


def parse_reference(text: str) -> HubReference | None:
    """`owner/repo`, `owner/repo:WANTED` or `owner/repo:FOLDER/FILE.gguf`; None if it is neither."""
    match = _REFERENCE.fullmatch(text)
    # ".." and "--" are what the hub forbids in names; the cache folder's name depends on it.
    if not match or ".." in match["repo"] or "--" in match["repo"] or len(match["repo"]) > 96:
        return None
    if match["repo"].endswith((".git", ".", "-")):
        return None
    if match["wanted"] and not is_safe(match["wanted"]):
        return None
    return HubReference(match["repo"], match["wanted"])


def is_safe(path: str) -> bool:
    """Whether `path`, relative and with forward slashes, stays below its folder everywhere."""
    if not path or _FORBIDDEN.search(path):
        return False
    try:
        parts = [part.encode() for part in path.split("/")]
    except UnicodeEncodeError:
        return False
    return all(
        # An empty part begins an absolute path; Windows drops dots and spaces at the end.
        part and len(part) <= _MAX_NAME_BYTES and not part.endswith((b".", b" "))
        for part in parts
    ) and not any(_DEVICE.match(part) for part in path.split("/"))


def require_safe(path: str, repo: str) -> str:
    """
    `path`, if it can be used as a path on every system.

    Raises:
        FetchFailed: It could leave the cache folder, or is no file name somewhere.
    """
    if not is_safe(path):
        shown = ascii(path[:_SHOWN_CHARACTERS])
        raise FetchFailed(
            f"{repo} lists a file under the unsafe name {shown}; nothing of it was fetched: "
            "do not trust this repository"
        )
    return path


def is_commit(revision: str) -> bool:
    """Whether `revision` is a whole commit, and not a branch or tag that may move."""
    return bool(_SHA1.fullmatch(revision))


def require_commit(commit: object, repo: str) -> str:
    """
    `commit`, if it is one; it becomes the name of a folder.

    Raises:
        FetchFailed: It is something else.
    """
    if not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise FetchFailed(f"the hub gave no commit for {repo}; check HF_ENDPOINT, and try again")
    return commit


def require_digest(sha256: object, git_sha1: object, path: str) -> Digest:
    """
    The digest of a file from what the hub says of it; it becomes the name of a file.

    Raises:
        FetchFailed: Neither is a digest.
    """
    if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
        return Digest("sha256", sha256)
    if sha256 is None and isinstance(git_sha1, str) and _SHA1.fullmatch(git_sha1):
        return Digest("git-sha1", git_sha1)
    raise FetchFailed(f"the hub states no digest of {path}; it cannot be verified: not fetched")


def digest_from_name(blob_name: str) -> Digest | None:
    """The digest that a blob of the cache has for its name; None if it is none."""
    if _SHA256.fullmatch(blob_name):
        return Digest("sha256", blob_name)
    return Digest("git-sha1", blob_name) if _SHA1.fullmatch(blob_name) else None

"""
One file of the hub into the cache: resumed, verified, and under its name only when it is right.

Bytes go unbuffered into `<digest>.part` beside the blob, so that a kill loses at most those not
yet handed to the system, and whoever comes next asks for the rest. Why this is not left to
huggingface_hub: docs/decisions/0007-the-transfer-is-ours.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import NoReturn

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

# Documented, and not re-exported by its types.
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from harness.errors import FetchFailed
from harness.files import Phase, sync_folder
from harness.models.hub.bounds import FILE, PASSING_STATUS
from harness.models.hub.client import (
    Cancellation,
    RetryPolicy,
    asked_to_wait_s,
    origin,
    session,
)
from harness.models.hub.errors import explain, explain_disk
from harness.models.hub.files import Digest
from harness.models.hub.following_hash import FollowingHash
from harness.models.hub.pace import TooSlow
from harness.models.hub.reply import BadReply, pieces, read_reply, stated_digest
from harness.units import file_size

# How often progress is told; nobody sees more (report/progress/fetching.py redraws less often).
_TELL_INTERVAL_S = 0.1

# With a second between two attempts, a file of 1 GB takes four hours by such steps.
_LEAST_PROGRESS_BYTES = 64 << 10

Report = Callable[[Phase, int], None]


@dataclass(frozen=True)
class HubBlob:
    """One file to fetch: where it is at the hub, and what it must be."""

    repo: str
    commit: str
    path: str
    n_bytes: int
    digest: Digest


def fetch_blob(
    wanted: HubBlob,
    part: Path,
    blob: Path,
    *,
    retries: RetryPolicy,
    cancellation: Cancellation,
    report: Report,
) -> None:
    """
    `blob` with the bytes that `wanted` names.

    Args:
        wanted: What to fetch.
        part: Where it grows, kept when this fails; on the same disk as `blob`. The caller holds
            the file's lock, and both folders exist.
        blob: Where it lies in the end.
        retries: How long to try.
        cancellation: Looked at before each piece.
        report: Told the phase and how many bytes are there.

    Raises:
        FetchFailed: It did not come, came wrong, or could not be written.
        Cancelled: `cancellation` said so.
    """
    try:
        n_before = _start(part, wanted.n_bytes)
        if not _fill_and_check(wanted, part, retries, cancellation, report):
            part.unlink()
            # Bytes of an earlier process may have been lost in a power cut; fresh ones were not.
            if not n_before or not _fill_and_check(wanted, part, retries, cancellation, report):
                part.unlink(missing_ok=True)
                raise FetchFailed(
                    f"what came for {wanted.path} does not have the {wanted.digest.kind} that "
                    f"{wanted.repo} states ({wanted.digest.hex[:12]}…); it was thrown away: try "
                    "again, and report it to the repository if it stays so"
                )
        part.replace(blob)
        sync_folder(blob.parent)
    except OSError as error:
        if isinstance(error, HfHubHTTPError | OfflineModeIsEnabled):
            raise explain(error, wanted.repo, wanted.commit) from error
        raise explain_disk(error, part) from error


def _start(part: Path, n_bytes: int) -> int:
    """How many bytes are there to go on from; what cannot be a beginning is removed."""
    if part.is_symlink() or (part.exists() and part.stat().st_size > n_bytes):
        part.unlink()
    return part.stat().st_size if part.exists() else 0


def _fill_and_check(
    wanted: HubBlob, part: Path, retries: RetryPolicy, cancellation: Cancellation, report: Report
) -> bool:
    """Whether `part`, filled up and on the disk, has the digest it must have."""
    filling = _Filling(wanted, part, retries, cancellation, report)
    try:
        filling.fill()
        return filling.is_right()
    finally:
        filling.close()


class _Filling:
    """A part while it is being filled: the file, the thread that hashes it, what went wrong."""

    def __init__(
        self,
        wanted: HubBlob,
        part: Path,
        retries: RetryPolicy,
        cancellation: Cancellation,
        report: Report,
    ) -> None:
        self._wanted, self._part = wanted, part
        self._retries, self._cancellation, self._report = retries, cancellation, report
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(part, flags, 0o666), "r+b", buffering=0)
        self._n_done = self._n_best = self._file.seek(0, os.SEEK_END)
        self._hash = self._follow()
        self._etag: str | None = None
        self._told_s = float("-inf")

    def close(self) -> None:
        """Ends the thread and closes the file."""
        self._hash.close()
        self._file.close()

    def fill(self) -> None:
        """Gets what is missing, in as many attempts as it takes and retries allows."""
        n_failures = 0
        while self._n_done < self._wanted.n_bytes:
            self._cancellation.check()
            asked_s, reason = None, "it ended early"
            try:
                self._attempt()
            except _Busy as busy:
                asked_s, reason = busy.asked_s, str(busy)
            except (BadReply, TooSlow) as error:
                reason = str(error).partition(";")[0]  # what to do next is said in the end
            except httpx2.RequestError as error:
                reason = " ".join(str(error).split()) or type(error).__name__
            if self._n_done >= self._wanted.n_bytes:
                return
            # More than ever before is progress; the same bytes again, from a server that does
            # not resume, are none, and neither are three bytes for each request.
            is_progress = self._n_done - self._n_best >= _LEAST_PROGRESS_BYTES
            n_failures = 1 if is_progress else n_failures + 1
            self._n_best = max(self._n_best, self._n_done)
            if n_failures >= self._retries.n_attempts:
                self._give_up(reason, n_failures)
            self._report("retrying", self._n_done)
            self._cancellation.wait(self._retries.wait_s(n_failures, asked_s))

    def is_right(self) -> bool:
        """Whether the whole file has the right digest; it is on the disk then."""
        self._hash.reach(self._n_done)
        while not self._hash.wait(_TELL_INTERVAL_S):
            self._cancellation.check()
            self._report("verifying", self._hash.n_hashed)
        is_right = self._hash.hexdigest() == self._wanted.digest.hex
        if is_right:
            os.fsync(self._file.fileno())
        return is_right

    def _attempt(self) -> None:
        """One request, and what comes of it."""
        wanted = self._wanted
        url = hf_hub_url(wanted.repo, wanted.path, revision=wanted.commit)
        headers = build_hf_headers(library_name="inference-harness")
        headers["accept-encoding"] = "identity"
        if self._n_done:
            headers["range"] = f"bytes={self._n_done}-"
            if self._etag:
                headers["if-range"] = self._etag
        timeout_s = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        asked = session().stream("GET", url, headers=headers, timeout=timeout_s, extensions=FILE)
        with asked as response:
            self._check_status(response)
            self._check_unchanged(response)
            reply = read_reply(response.status_code, response.headers, self._n_done, wanted.n_bytes)
            if reply.start < self._n_done:
                self._restart()
            self._etag = reply.etag
            for piece in pieces(response, timeout_s):
                self._take(piece)

    def _check_status(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status in PASSING_STATUS:
            raise _Busy(status, asked_to_wait_s(response.headers))
        # A signed address that ran out, or a range beyond what a stale copy holds.
        is_elsewhere = origin(str(response.url)) != origin(constants.ENDPOINT)
        if status == 416 or (status >= 400 and is_elsewhere):
            if status == 416:
                self._restart()
            raise _Busy(status, None)
        hf_raise_for_status(response)

    def _check_unchanged(self, response: httpx2.Response) -> None:
        """FetchFailed if the hub itself now states another digest than it listed."""
        for answer in (*response.history, response):
            if origin(str(answer.url)) == origin(constants.ENDPOINT):
                stated = stated_digest(answer.headers)
                # Lengths differ where one is a sha256 and the other an id of git.
                if stated and len(stated) == len(self._wanted.digest.hex):
                    self._refuse_other(stated)

    def _refuse_other(self, stated: str) -> None:
        if stated != self._wanted.digest.hex:
            raise FetchFailed(
                f"{self._wanted.path} changed at the hub while it was fetched (it is now "
                f"{stated[:12]}…); run the same again to get the new one"
            )

    def _take(self, piece: bytes) -> None:
        self._cancellation.check()
        if self._n_done + len(piece) > self._wanted.n_bytes:
            self._restart()
            raise BadReply(f"more than {self._wanted.n_bytes} bytes came")
        rest = memoryview(piece)
        while rest:
            # A full disk takes a part of it first, and says so only at the next.
            n_written = self._file.write(rest)
            self._n_done += n_written
            rest = rest[n_written:]
        self._hash.reach(self._n_done)
        now = monotonic()
        if now - self._told_s >= _TELL_INTERVAL_S:
            self._told_s = now
            self._report("downloading", self._n_done)

    def _restart(self) -> None:
        """Forgets what is there."""
        self._hash.close()
        self._file.seek(0)
        self._file.truncate()
        self._n_done, self._etag = 0, None
        self._hash = self._follow()

    def _follow(self) -> FollowingHash:
        following = FollowingHash(self._part, self._wanted.digest, self._wanted.n_bytes)
        following.reach(self._n_done)
        return following

    def _give_up(self, reason: str, n_failures: int) -> NoReturn:
        done, total = file_size(self._n_done), file_size(self._wanted.n_bytes)
        raise FetchFailed(
            f"{self._wanted.path} broke off at {done} of {total}, {n_failures} times in a row "
            f"({reason}); what came is kept: run the same again to go on from there"
        )


class _Busy(Exception):
    """The hub cannot just now; it may ask to wait."""

    def __init__(self, status: int, asked_s: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.asked_s = asked_s

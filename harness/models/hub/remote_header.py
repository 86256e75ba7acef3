"""
What a model on the hub is, from its header alone: megabytes of a file of gigabytes.

The ranges are read through huggingface_hub's file system. Its own caches read on in blocks of one
size, which is either many requests or much too much; ours reads on by what it has read so far.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx2
from huggingface_hub import HfFileSystem, HfFileSystemFile, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from harness.errors import FetchFailed
from harness.models.gguf.header import Header, read_header
from harness.models.hub.bounds import FILE
from harness.models.hub.client import RetryPolicy, session, threads, with_retries
from harness.models.hub.errors import explain, explained
from harness.models.hub.files import HubFile, Listing
from harness.models.hub.reply import BadReply, read_reply
from harness.units import file_size

# The first request of a file: a vocabulary of 32,000 tokens is half a megabyte. Later parts of a
# split model have no vocabulary, and tables of some hundred tensors of about 80 bytes.
_FIRST_BYTES = 512 << 10
_FIRST_BYTES_OF_LATER_PARTS = 64 << 10
# Reading on by a fourth of what came so far makes requests few and the excess at most a fourth.
_AHEAD_SHARE = 4
_MAX_AHEAD_BYTES = 4 << 20
# The largest header known has 20 MB (a vocabulary of 262,144 words); all of it stays in memory.
_MOST_BYTES = 64 << 20
_N_PARTS_AT_ONCE = 8

Fetch = Callable[[int, int], bytes]


class ReadAhead:
    """
    A file far away that is read forward in few, growing pieces, all of which are kept.

    Args:
        fetch: The bytes from a first offset to before a second.
        size: Bytes of the whole file.
        first_bytes: What to ask for at first.
    """

    def __init__(self, fetch: Fetch, size: int, first_bytes: int = _FIRST_BYTES) -> None:
        self._fetch = fetch
        self._size = size
        self._first_bytes = first_bytes
        self._kept = bytearray()
        self._position = 0

    @property
    def n_fetched_bytes(self) -> int:
        """What was asked of the far side so far."""
        return len(self._kept)

    def seek(self, offset: int, /) -> int:
        """Where the next reading begins; costs nothing."""
        self._position = offset
        return offset

    def read(self, n_bytes: int, /) -> bytes:
        """The next `n_bytes`, fewer only at the end."""
        start, end = self._position, min(self._position + n_bytes, self._size)
        if end <= start:
            return b""
        if end > len(self._kept):
            self._load(end)
        self._position = end
        return bytes(memoryview(self._kept)[start:end])

    def beginning(self, n_bytes: int) -> bytes:
        """The first `n_bytes` of the file; what was not fetched yet is fetched exactly."""
        if n_bytes > len(self._kept):
            self._kept += self._fetch(len(self._kept), n_bytes)
        return bytes(memoryview(self._kept)[:n_bytes])

    def _load(self, end: int) -> None:
        """
        Have everything before `end`.

        What is skipped is fetched too (numbers beside the vocabulary, a tenth of a header): a
        header is only of use to the engine when it is whole.
        """
        have = len(self._kept)
        ahead = min(have // _AHEAD_SHARE, _MAX_AHEAD_BYTES) or self._first_bytes
        self._kept += self._fetch(have, min(max(end, have + ahead), self._size))


@dataclass(frozen=True)
class RemoteHeader:
    """The header of one file of the hub, its bytes up to the weights, and what they cost."""

    header: Header
    data: bytes
    n_fetched_bytes: int


def fetch_headers(
    listing: Listing, files: Sequence[HubFile], retries: RetryPolicy | None = None
) -> tuple[RemoteHeader, ...]:
    """
    The headers of `files`, in the same order: of a model all its parts.

    Args:
        listing: The repository at one commit.
        files: Of that listing.
        retries: With a hub that is busy or a network that is bad.

    Raises:
        ModelInvalid: One is no GGUF.
        ModelNotFound: The repository or revision has gone meanwhile.
        FetchFailed: The ranges could not be had.
    """
    with (
        _explained(listing),
        threads(_N_PARTS_AT_ONCE) as pool,
    ):
        session()  # guards the token from here on
        system = HfFileSystem(endpoint=constants.ENDPOINT, skip_instance_cache=True)
        remote = [_RangedFile(system, listing, file, retries or RetryPolicy()) for file in files]
        firsts = [_FIRST_BYTES] + [_FIRST_BYTES_OF_LATER_PARTS] * (len(files) - 1)
        return tuple(pool.map(_RangedFile.header, remote, firsts))


def _name(listing: Listing, file: HubFile) -> str:
    return f"{listing.repo}/{file.path}"


@contextlib.contextmanager
def _explained(listing: Listing) -> Iterator[None]:
    """Turns what huggingface_hub raises into errors of ours."""
    try:
        with explained(listing.repo, listing.revision):
            yield
    except FileNotFoundError as error:
        # The file system wraps what the hub said of repository and revision in this.
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise explain(cause, listing.repo, listing.revision) from error
        raise FetchFailed(f"{listing.repo} no longer has the file it listed; try again") from error


class _RangedFile(HfFileSystemFile):
    """
    A file of the hub of which ranges are read, and never more than asked for.

    The file system's own would take a whole model into memory if a server, or a proxy before it,
    ignored the range.
    """

    def __init__(
        self, system: HfFileSystem, listing: Listing, file: HubFile, retries: RetryPolicy
    ) -> None:
        super().__init__(
            system,
            f"{listing.repo}/{file.path}",
            revision=listing.commit,
            size=file.n_bytes,
            cache_type="none",
        )
        self._shown = _name(listing, file)
        self._retries = retries
        self._address = self.url()

    def header(self, first_bytes: int) -> RemoteHeader:
        """The header, of which `first_bytes` are asked for at first."""
        ahead = ReadAhead(self._fetch_range, self.size, first_bytes)
        header = read_header(ahead, self.size, self._shown)
        data = ahead.beginning(min(header.data_start, self.size))
        return RemoteHeader(header, data, ahead.n_fetched_bytes)

    def _fetch_range(self, start: int, end: int) -> bytes:
        if end > _MOST_BYTES:
            raise FetchFailed(
                f"the header of {self._shown} goes on after {file_size(_MOST_BYTES)}, further than "
                "it is read from afar; pull the model to know it"
            )
        return with_retries(lambda: self._fetch_once(start, end), self._retries)

    def _fetch_once(self, start: int, end: int) -> bytes:
        headers = build_hf_headers(library_name="inference-harness")
        # Compressed, a range would be one of other bytes.
        headers |= {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        data = bytearray()
        with session().stream("GET", self._address, headers=headers, extensions=FILE) as response:
            hf_raise_for_status(response)
            self._check(response, start)
            for piece in response.iter_raw():
                data += piece
                if len(data) >= end - start:
                    return bytes(data[: end - start])
        raise httpx2.RemoteProtocolError(
            f"{self._shown} ended after {len(data)} of {end - start} bytes"
        )

    def _check(self, response: httpx2.Response, start: int) -> None:
        """FetchFailed if what follows is not the file from `start` on."""
        try:
            reply = read_reply(response.status_code, response.headers, start, self.size)
        except BadReply as error:
            raise FetchFailed(
                f"{self._shown} cannot be read in part ({error}); pull the model to know it"
            ) from error
        if reply.start != start:
            raise FetchFailed(
                f"the server of {self._shown} does not give parts of it; pull the model to know it"
            )

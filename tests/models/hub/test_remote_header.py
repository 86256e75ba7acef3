from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from make.gguf import SMALL, Head, Value, Weight, head, write_small

from harness.errors import FetchFailed, ModelInvalid, ModelNotFound
from harness.models.gguf.header import Skipped, read_header
from harness.models.gguf.model_file import describe, model_file_of
from harness.models.hub.client import RetryPolicy
from harness.models.hub.files import HubFile, Listing
from harness.models.hub.remote_header import ReadAhead, fetch_headers
from harness.schema.model import ModelFile

REPO, COMMIT = "lab/Model-GGUF", "c" * 40
AT_ONCE = RetryPolicy(n_attempts=3, first_wait_s=0.01, longest_wait_s=0.01)


# ------------------------------------------------------------------ reading ahead


def counted(data: bytes, size: int) -> tuple[ReadAhead, list[tuple[int, int]]]:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return data[start:end] + bytes(max(0, end - max(start, len(data))))

    return ReadAhead(fetch, size), asked


@given(
    size=st.integers(0, 3000),
    steps=st.lists(st.tuples(st.integers(0, 3200), st.integers(0, 900)), max_size=30),
    first=st.integers(1, 300),
)
def test_whatever_is_read_is_what_is_there(
    size: int, steps: list[tuple[int, int]], first: int
) -> None:
    data = bytes(index * 7 % 251 for index in range(size))
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        assert 0 <= start < end <= size
        asked.append((start, end))
        return data[start:end]

    file = ReadAhead(fetch, size, first)
    for offset, n_bytes in steps:
        assert file.seek(offset) == offset
        assert file.read(n_bytes) == data[offset : offset + n_bytes]
    assert file.n_fetched_bytes == sum(end - start for start, end in asked)


def vocabulary(n_tokens: int, n_merges: int) -> Head:
    """The header of a model with tokens of the usual lengths: 6.6 bytes on average."""
    tokens = [f"{index:x}" + "abcdefgh"[: index % 6] for index in range(n_tokens)]
    metadata: dict[str, Value] = {
        **SMALL,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * n_tokens,
        "tokenizer.ggml.token_type": [1] * n_tokens,
    }
    if n_merges:
        metadata["tokenizer.ggml.merges"] = [f"{index:x} {index % 9}" for index in range(n_merges)]
    weights = [Weight(f"blk.{index % 2}.t{index}.weight", (64, 64)) for index in range(400)]
    return head(metadata, [Weight("token_embd.weight", (64, n_tokens)), *weights])


@pytest.fixture(scope="module")
def large() -> Head:
    """A vocabulary of 262,144 tokens and twice as many merges, as Gemma's and Llama's are."""
    return vocabulary(1 << 18, 1 << 19)


def test_of_a_large_vocabulary_hardly_more_than_the_header_is_fetched(large: Head) -> None:
    file, asked = counted(large.data, large.n_bytes)
    header = read_header(file, large.n_bytes, "m.gguf")
    assert header.data_start == len(large.data) > 12 << 20
    assert header.metadata["tokenizer.ggml.tokens"] == Skipped(1 << 18)
    assert file.n_fetched_bytes < 1.2 * len(large.data)
    assert len(asked) <= 12


@pytest.mark.parametrize("n_tokens", [5_000, 32_000, 50_000, 151_936])
@pytest.mark.parametrize("merges_per_token", [0, 2])
def test_from_half_a_megabyte_on_at_most_three_tenths_too_much_is_fetched(
    n_tokens: int, merges_per_token: int
) -> None:
    made = vocabulary(n_tokens, n_tokens * merges_per_token)
    file, asked = counted(made.data, made.n_bytes)
    read_header(file, made.n_bytes, "m.gguf")
    assert file.n_fetched_bytes <= max(512 << 10, 1.3 * len(made.data))
    assert len(asked) <= 12


def test_nothing_is_fetched_twice(large: Head) -> None:
    file, asked = counted(large.data, large.n_bytes)
    read_header(file, large.n_bytes, "m.gguf")
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(asked))


# ------------------------------------------------------------------------ the hub


@dataclass
class Hub:
    """A hub with one repository; `n_sent` are the bytes of files it has sent."""

    url: str = ""
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    n_sent: int = 0
    ranges: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    ignores_ranges: bool = False
    fails_with: int = 0
    n_failures: int = 0
    is_short: bool = False
    has_gone: bool = False
    redirects_to: str = ""

    def add(self, name: str, data: bytes, size: int | None = None) -> HubFile:
        self.files[name] = (data, size or len(data))
        return HubFile(name, size or len(data), None)

    def listing(self) -> Listing:
        files = tuple(HubFile(name, size, None) for name, (_, size) in self.files.items())
        return Listing(REPO, "main", COMMIT, files)


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that the server carries."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, HubServer)
        return self.server.hub

    def do_GET(self) -> None:
        self.hub.tokens.append(self.headers.get("authorization"))
        if self.hub.has_gone:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif self.path.startswith("/api/"):
            tree = [
                {"type": "file", "path": name, "size": size, "oid": "0" * 40}
                for name, (_, size) in self.hub.files.items()
            ]
            document = tree if "/tree/" in self.path else {"id": REPO, "sha": COMMIT}
            self.answer(200, json.dumps(document).encode())
        elif self.hub.redirects_to:
            self.answer(302, b"", {"Location": self.hub.redirects_to + self.path})
        elif self.hub.n_failures:
            self.hub.n_failures -= 1
            self.answer(self.hub.fails_with, b"", {"Retry-After": "0"})
        else:
            self.give(self.path.removeprefix(f"/{REPO}/resolve/{COMMIT}/"))

    def give(self, name: str) -> None:
        if name not in self.hub.files:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data, size = self.hub.files[name]
        asked = self.headers["range"]
        self.hub.ranges.append(asked)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        assert match
        start, end = int(match[1]), min(int(match[2]) + 1, size)
        if self.hub.ignores_ranges:
            self.answer(200, data)
            return
        piece = (data + bytes(max(0, end - len(data))))[start:end]
        if self.hub.is_short:
            piece = piece[: len(piece) // 2]
        self.answer(206, piece, {"Content-Range": f"bytes {start}-{end - 1}/{size}"})
        self.hub.n_sent += len(piece)

    def answer(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the reader may have had enough
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class HubServer(ThreadingHTTPServer):
    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()
    server = HubServer(hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            made.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield made


def described(
    listing: Listing,
    files: list[HubFile],
    quantization: str | None = None,
    retries: RetryPolicy | None = None,
) -> ModelFile:
    """What the headers say of the model."""
    headers = [each.header for each in fetch_headers(listing, files, retries)]
    return model_file_of(
        headers,
        name=f"{listing.repo}/{files[0].path}",
        key="k",
        file_name=files[0].path.rpartition("/")[2],
        n_bytes=sum(file.n_bytes for file in files),
        quantization=quantization,
        sha256=None,
    )


def test_a_remote_model_is_described_as_if_it_were_here(hub: Hub, tiny_model: Path) -> None:
    file = hub.add("Q8_0/tiny-Q8_0.gguf", tiny_model.read_bytes())
    here = describe(tiny_model, "k", "Q8_0")
    there = described(hub.listing(), [file], "Q8_0")
    assert there == here.model_copy(update={"file_name": "tiny-Q8_0.gguf"})


def test_the_hub_sends_hardly_more_than_the_header(hub: Hub, large: Head) -> None:
    file = hub.add("m.gguf", large.data, large.n_bytes)
    model = described(hub.listing(), [file])
    assert model.n_bytes == large.n_bytes
    assert model.n_vocab == 1 << 18
    assert hub.n_sent < 1.2 * len(large.data)
    assert len(hub.ranges) <= 12


def test_of_a_split_model_every_header_is_read(hub: Hub, tmp_path: Path) -> None:
    files = []
    for index in range(3):
        name = f"big-{index + 1:05}-of-00003.gguf"
        keys = {"split__no": index, "split__count": 3, "split__tensors__count": 3}
        data = write_small(tmp_path / name, **keys).read_bytes()
        data = data.replace(b"token_embd.weight", b"token_embd.%06d" % index)
        (tmp_path / name).write_bytes(data)
        files.append(hub.add(name, data))
    here = describe(tmp_path / "big-00001-of-00003.gguf", "k")
    assert described(hub.listing(), files) == here
    with pytest.raises(ModelInvalid, match=r"part 2 of lab/Model-GGUF/big-00001-of-00003\.gguf"):
        described(hub.listing(), [files[0], files[2], files[1]])


def test_a_remote_file_that_is_no_model_is_refused_by_its_name(hub: Hub) -> None:
    page = hub.add("m.gguf", b"<!DOCTYPE html><html>" + bytes(200))
    with pytest.raises(ModelInvalid, match=r"lab/Model-GGUF/m\.gguf is not a GGUF file but a web"):
        described(hub.listing(), [page])


def test_a_busy_hub_is_asked_again(hub: Hub, tiny_model: Path) -> None:
    file = hub.add("m.gguf", tiny_model.read_bytes())
    hub.fails_with, hub.n_failures = 503, 2
    assert described(hub.listing(), [file], retries=AT_ONCE).n_layer == 4


@pytest.mark.parametrize(
    ("status", "kind", "complaint"),
    [
        (403, FetchFailed, "the hub refuses access to lab/Model-GGUF"),
        (404, FetchFailed, "the hub answered HTTP 404"),
        (429, FetchFailed, "limits how often lab/Model-GGUF may be asked"),
    ],
)
def test_a_refusal_is_explained(
    hub: Hub, tiny_model: Path, status: int, kind: type[Exception], complaint: str
) -> None:
    file = hub.add("m.gguf", tiny_model.read_bytes())
    hub.fails_with, hub.n_failures = status, 99
    with pytest.raises(kind, match=complaint) as caught:
        described(hub.listing(), [file], retries=AT_ONCE)
    assert "hf_secret" not in str(caught.value)


def test_a_server_that_ignores_ranges_is_not_let_send_the_model(hub: Hub, large: Head) -> None:
    file = hub.add("m.gguf", large.data + bytes(32 << 20))
    hub.ignores_ranges = True
    with pytest.raises(FetchFailed, match="does not give parts of it; pull the model"):
        described(hub.listing(), [file])


def test_a_small_model_is_read_even_from_a_server_without_ranges(hub: Hub, tmp_path: Path) -> None:
    file = hub.add("m.gguf", write_small(tmp_path / "m.gguf").read_bytes())
    hub.ignores_ranges = True
    assert described(hub.listing(), [file]).n_layer == 2


def test_a_body_that_ends_early_is_an_error(hub: Hub, tiny_model: Path) -> None:
    file = hub.add("m.gguf", tiny_model.read_bytes())
    hub.is_short = True
    with pytest.raises(FetchFailed, match=r"ended after \d+ of \d+ bytes"):
        described(hub.listing(), [file], retries=AT_ONCE)


def test_a_file_that_has_gone_is_named(hub: Hub, tiny_model: Path) -> None:
    hub.add("other.gguf", tiny_model.read_bytes())
    with pytest.raises(FetchFailed, match="lab/Model-GGUF no longer has the file"):
        described(hub.listing(), [HubFile("m.gguf", 1000, None)], retries=AT_ONCE)


def test_a_repository_that_has_gone_is_named(hub: Hub, tiny_model: Path) -> None:
    file = hub.add("m.gguf", tiny_model.read_bytes())
    hub.has_gone = True
    with pytest.raises(ModelNotFound, match="there is no repository lab/Model-GGUF at http"):
        described(hub.listing(), [file], retries=AT_ONCE)


def test_the_token_is_sent_to_the_hub_and_nowhere_else(hub: Hub, tiny_model: Path) -> None:
    file = hub.add("m.gguf", tiny_model.read_bytes())
    with serving() as elsewhere:
        elsewhere.add("m.gguf", tiny_model.read_bytes())
        hub.redirects_to = elsewhere.url
        described(hub.listing(), [file])
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert set(elsewhere.tokens) == {None}


def test_a_file_of_another_length_than_listed_is_refused(hub: Hub, tiny_model: Path) -> None:
    hub.add("m.gguf", tiny_model.read_bytes())
    listed = HubFile("m.gguf", tiny_model.stat().st_size + 1, None)
    with pytest.raises(FetchFailed, match=r"cannot be read in part \(\d+ bytes instead of"):
        described(hub.listing(), [listed], retries=AT_ONCE)

"""
A hub on loopback, for tests: its API, its files by Range, a CDN on another port, and every fault.

Run as a program it serves one large file: `python tests/make/hub_server.py --file F --size N`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

_PIECE_BYTES = 16_384


@dataclass
class Fault:
    """
    What goes wrong with one answer; `times` answers in a row have it.

    Of a body: `drop_after`, `stall_after` (which lasts `stall_s`) and `short_by` are in bytes;
    `replace` sends other bytes of the same length. `status` answers that instead of the body.
    `piece_bytes` sends only so much for each request, however much was asked for. `drip_s` lies
    between two bytes of an answer with `status`, and `drips_headers` before they have ended.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    drop_after: int | None = None
    stall_after: int | None = None
    stall_s: float = 3.0
    short_by: int = 0
    extra: bytes = b""
    ignores_range: bool = False
    replace: bytes | None = None
    piece_bytes: int | None = None
    drip_s: float = 0.0
    drips_headers: bool = False
    times: int = 1


@dataclass(frozen=True)
class Request:
    """One request as it came; `is_cdn` tells at which of the two origins."""

    method: str
    path: str
    headers: dict[str, str]
    is_cdn: bool

    @property
    def offset(self) -> int | None:
        """Where the range asked for begins; None without one."""
        text = self.headers.get("range")
        return int(text.removeprefix("bytes=").partition("-")[0]) if text else None


@dataclass
class Repository:
    """Files at one commit; `large` are kept by their sha256, as the hub keeps LFS files."""

    files: dict[str, bytes | Path]
    commit: str = ""
    branches: tuple[str, ...] = ("main",)
    small: frozenset[str] = frozenset()
    is_gated: bool = False
    private_token: str | None = None
    sizes: dict[str, object] = field(default_factory=dict)
    """Sizes to be told that are not the files'."""

    def __post_init__(self) -> None:
        if not self.commit:
            names = json.dumps({path: self.digest(path) for path in self.files}, sort_keys=True)
            self.commit = hashlib.sha1(names.encode()).hexdigest()

    def size(self, path: str) -> int:
        content = self.files[path]
        return content.stat().st_size if isinstance(content, Path) else len(content)

    def digest(self, path: str) -> str:
        """What names its blob in a cache."""
        content = self.files[path]
        if isinstance(content, Path):
            with content.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        if path in self.small:
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return hashlib.sha256(content).hexdigest()


class Hub:
    """Both servers, what they hold, what goes wrong, and what was asked of them."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        """Of answers with a file's bytes, in order."""
        self.api_faults: list[Fault] = []
        self.requests: list[Request] = []
        self.bytes_per_s: float | None = None
        self.page_size = 1000
        self.next_page_at: str | None = None
        """Another origin to which a listing's next page leads."""
        self.has_endless_pages = False
        """Whether every page of a listing, an empty one too, has a next."""
        self.digests: dict[str, str] = {}
        """Digests told by the API instead of the right ones, by path."""
        self.has_cdn = True
        self.lock = threading.Lock()
        self._is_counted = threading.Condition()
        self._n_writing = 0
        self._n_body_bytes = 0
        self._servers: list[ThreadingHTTPServer] = []

    def start(self) -> None:
        for is_cdn in (False, True):
            server = _Server(("127.0.0.1", 0), _handler(self, is_cdn=is_cdn))
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def cdn(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    @property
    def n_body_bytes(self) -> int:
        """The bytes of files sent so far; a client may have them all before they are counted."""
        with self._is_counted:
            assert self._is_counted.wait_for(lambda: not self._n_writing, timeout=30)
            return self._n_body_bytes

    @contextmanager
    def sending(self, n_bytes: int) -> Iterator[None]:
        """Counts these bytes of a file, if they could all be sent."""
        with self._is_counted:
            self._n_writing += 1
        n_sent = 0
        try:
            yield
            n_sent = n_bytes
        finally:
            with self._is_counted:
                self._n_writing -= 1
                self._n_body_bytes += n_sent
                self._is_counted.notify_all()

    def bodies(self) -> list[Request]:
        """The requests for a file's bytes, whoever answered them with bytes."""
        return [
            request
            for request in self.requests
            if request.method == "GET"
            and (request.is_cdn or (not self.has_cdn and "/resolve/" in request.path))
        ]

    def take_fault(self, faults: list[Fault]) -> Fault:
        with self.lock:
            if not faults:
                return Fault()
            fault = faults[0]
            fault.times -= 1
            if not fault.times:
                faults.pop(0)
            return fault


@contextmanager
def running_hub(**repositories: Repository) -> Iterator[Hub]:
    hub = Hub()
    hub.repositories.update(repositories)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that were killed break connections; that is what the tests are about."""


def _handler(hub: Hub, *, is_cdn: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub, Handler.is_cdn = hub, is_cdn
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; without this the second waits 40 ms for the first's receipt.
    disable_nagle_algorithm = True
    hub: Hub
    is_cdn: bool

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.hub.lock:
            self.hub.requests.append(Request(self.command, self.path, headers, self.is_cdn))
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if self.is_cdn:
            repo, path = "/".join(parts[:2]), "/".join(parts[2:])
            self._send_file(self.hub.repositories[repo], path)
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._api("/".join(parts[2:4]), parts[4:])
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._send(404, b"{}")

    def _find(self, name: str, revision: str | None) -> Repository | None:
        """The repository, or an answer that says why not."""
        repository = self.hub.repositories.get(name)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        # Over http a bare 401 means nothing to huggingface_hub: it goes by this header.
        if repository is None or repository.private_token not in (None, token):
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        if revision not in (None, repository.commit, *repository.branches):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository

    def _api(self, name: str, rest: list[str]) -> None:
        fault = self.hub.take_fault(self.hub.api_faults)
        if fault.status:
            self._send_fault(fault.status, fault)
            return
        repository = self._find(name, rest[1] if len(rest) > 1 else None)
        if repository is None:
            return
        if not rest or rest[0] == "revision":
            document: object = {"id": name, "sha": repository.commit, "siblings": []}
            self._send(200, json.dumps(document).encode())
        elif rest[0] == "tree":
            self._send_tree(name, repository)
        elif rest[0] == "paths-info":
            wanted = parse_qs(self._body.decode()).get("paths", [])
            entries = [self._entry(repository, path) for path in wanted if path in repository.files]
            self._send(200, json.dumps(entries).encode())
        else:
            self._send(404, b"{}")

    def _send_tree(self, name: str, repository: Repository) -> None:
        start = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        paths = sorted(repository.files)
        page = paths[start : start + self.hub.page_size]
        headers = {}
        if start + self.hub.page_size < len(paths) or self.hub.has_endless_pages:
            base = self.hub.next_page_at or self.hub.endpoint
            path = f"/api/models/{name}/tree/{repository.commit}"
            cursor = f"?recursive=true&cursor={start + self.hub.page_size}"
            headers["Link"] = f'<{base}{path}{cursor}>; rel="next"'
        entries = [self._entry(repository, path) for path in page]
        self._send(200, json.dumps(entries).encode(), headers)

    def _entry(self, repository: Repository, path: str) -> dict[str, object]:
        size = repository.sizes.get(path, repository.size(path))
        digest = self.hub.digests.get(path, repository.digest(path))
        entry: dict[str, object] = {"type": "file", "path": path, "size": size, "oid": digest[:40]}
        if path not in repository.small:
            entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
        return entry

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._find(name, revision)
        if repository is None:
            return
        common = {"X-Repo-Commit": repository.commit}
        if repository.is_gated and not self.headers.get("authorization"):
            self._send(401, b"{}", common | {"X-Error-Code": "GatedRepo"})
        elif path not in repository.files:
            self._send(404, b"{}", common | {"X-Error-Code": "EntryNotFound"})
        elif path in repository.small or not self.hub.has_cdn:
            self._send_file(repository, path, common | {"ETag": f'"{repository.digest(path)}"'})
        else:
            linked = common | {
                "X-Linked-Etag": f'"{repository.digest(path)}"',
                "X-Linked-Size": str(repository.size(path)),
                "Location": f"{self.hub.cdn}/{name}/{quote(path)}?signature=secret",
            }
            self._send(302, b"", linked)

    def _send_file(
        self, repository: Repository, path: str, headers: dict[str, str] | None = None
    ) -> None:
        fault = Fault() if self.command == "HEAD" else self.hub.take_fault(self.hub.faults)
        if fault.status:
            self._send_fault(fault.status, fault)
            return
        content = fault.replace if fault.replace is not None else repository.files[path]
        n_total = repository.size(path)
        start = self._start(n_total, ignores=fault.ignores_range)
        self.send_response(206 if start is not None else 200)
        first = start or 0
        if start is not None:
            self.send_header("Content-Range", f"bytes {first}-{n_total - 1}/{n_total}")
        n_sent = n_total - first - fault.short_by + len(fault.extra)
        self.send_header("Content-Length", str(n_sent))
        self.send_header("Accept-Ranges", "bytes")
        for key, value in ({"ETag": f'"cdn-{n_total}"'} | (headers or {}) | fault.headers).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(content, Path):
            self._send_from_disk(content, first)
        else:
            body = content[first : n_total - fault.short_by] + fault.extra
            if fault.piece_bytes is not None:
                body, self.close_connection = body[: fault.piece_bytes], True
            self._send_pieces(body, fault)

    def _start(self, n_total: int, *, ignores: bool) -> int | None:
        text = self.headers.get("range")
        etag = self.headers.get("if-range")
        if text is None or ignores or etag not in (None, f'"cdn-{n_total}"'):
            return None
        return int(text.removeprefix("bytes=").partition("-")[0])

    def _send_from_disk(self, path: Path, first: int) -> None:
        self.wfile.flush()
        with path.open("rb") as file:
            file.seek(first)
            self.connection.sendfile(file, first)

    def _send_pieces(self, body: bytes, fault: Fault) -> None:
        n_sent = 0
        for limit, act in ((fault.drop_after, self._drop), (fault.stall_after, self._stall)):
            if limit is not None and limit < len(body):
                self._write(body[:limit])
                act(fault)
                return
        # Asked anew for each piece: a test may end the slowness.
        while n_sent < len(body) and (rate := self.hub.bytes_per_s) is not None:
            piece = body[n_sent : n_sent + _PIECE_BYTES]
            self._write(piece)
            n_sent += len(piece)
            time.sleep(len(piece) / rate)
        self._write(body[n_sent:])

    def _write(self, piece: bytes) -> None:
        with self.hub.sending(len(piece)):
            self.wfile.write(piece)

    def _drop(self, _: Fault) -> None:
        """A reset, not an end: what a lost network or a restarted server looks like."""
        linger = struct.pack("ii", 1, 0)
        with suppress(OSError):
            # The reset throws away what has not arrived, and a busy reader takes its time.
            _wait_for_arrival(self.connection)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def _stall(self, fault: Fault) -> None:
        time.sleep(fault.stall_s)
        self.close_connection = True

    def _send_fault(self, status: int, fault: Fault) -> None:
        """The answer with another status, byte by byte if it has to be."""
        if not fault.drip_s:
            self._send(status, fault.body, fault.headers)
            return
        if fault.drips_headers:
            self.wfile.write(b"HTTP/1.1 %d Slow\r\nX-Slow: " % status)
        else:
            self._send(status, b"", fault.headers | {"Content-Length": str(len(fault.body))})
        # Ends with the connection, at the latest.
        with suppress(OSError):
            for byte in fault.body:
                self.wfile.write(bytes([byte]))
                time.sleep(fault.drip_s)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def random_bytes(n_bytes: int, seed: int = 0) -> bytes:
    """Bytes that no compression and no luck can make right; a GGUF by their first four."""
    return b"GGUF" + random.Random(seed).randbytes(n_bytes - 4)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--sha256", required=True)
    given = parser.parse_args()
    repository = Repository({"big-Q8_0.gguf": given.file}, commit="c" * 40)
    repository.digest = lambda path: given.sha256  # type: ignore[method-assign]  # known already
    with running_hub(**{"owner/big": repository}) as hub:
        print(hub.endpoint, hub.cdn, flush=True)
        threading.Event().wait()


def _wait_for_arrival(connection: socket.socket, patience_s: float = 10.0) -> None:
    """Return when all that was written to `connection` has been acknowledged, or after a while."""
    time.sleep(0.02)
    if sys.platform != "linux":
        return
    import fcntl
    import termios

    end_s = time.monotonic() + patience_s
    # Of a TCP socket SIOCOUTQ, which has the number of TIOCOUTQ, counts what is not acknowledged.
    while time.monotonic() < end_s and any(fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4)):
        time.sleep(0.005)


if __name__ == "__main__":
    main()

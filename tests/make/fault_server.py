"""
A model server on loopback, for tests: whatever it is told to say, with known delays and faults.

What it says to a path is a Script: pieces of a body, each after a delay, and how it ends. Every
piece is stamped when it was sent, by the clock that all processes of a machine share.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Script:
    """
    An answer: `pieces` are a delay in seconds and bytes, sent as one chunk.

    "whole" ends as the protocol has it, "cut" without the last chunk, "reset" with a reset, "stall"
    not at all; "closed" has no chunks and ends with the connection. `length` is a Content-Length
    that may be wrong, `raw` is sent instead of all that HTTP wants.
    """

    pieces: Sequence[tuple[float, bytes]] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["whole", "cut", "reset", "stall", "closed"] = "whole"
    content_type: str = "text/event-stream"
    length: int | None = None
    raw: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document


@dataclass
class FaultServer:
    """It answers a path with its script, the next one where it has several, and 404 elsewhere."""

    url: str
    scripts: dict[str, list[Script]] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    """When each piece was sent, of all answers."""
    ended: threading.Event = field(default_factory=threading.Event)
    n_at_once: int | None = None
    """Answers it has under way at most; who comes then is sent away with 429."""
    n_under_way: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def begins(self) -> bool:
        """Whether one more answer may be under way; `ends` it."""
        with self.counting:
            may = self.n_at_once is None or self.n_under_way < self.n_at_once
            self.n_under_way += may
            return may

    def ends(self) -> None:
        with self.counting:
            self.n_under_way -= 1

    def says(self, path: str, *scripts: Script) -> None:
        """From now on; the last one again and again."""
        self.scripts[path] = [*scripts]

    def tells(self, path: str, document: Any, status: int = 200, server: str = "") -> None:
        """The same of one JSON document."""
        headers = {"Server": server} if server else {}
        self.says(path, told(document, status, headers))

    def next_script(self, path: str) -> Script:
        scripts = self.scripts.get(path.partition("?")[0], [])
        if len(scripts) > 1:
            return scripts.pop(0)
        return scripts[0] if scripts else told({"error": "not found"}, 404)


def told(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Script:
    """A JSON document as an answer."""
    body = json.dumps(document).encode()
    return Script(((0, body),), status, headers or {}, content_type="application/json")


def event(content: str | None = None, **more: Any) -> bytes:
    """An event of OpenAI's stream with this text; `more` stands beside the choices."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return sse({"object": "chat.completion.chunk", "choices": [choice], **more})


def finish(reason: str = "length", **more: Any) -> bytes:
    """The event that says why the answer ended."""
    return sse({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more})


def usage(n_prompt: int, n_tokens: int, n_cached: int | None = None) -> bytes:
    """The event with the counts, which has no choice."""
    counts: dict[str, Any] = {"prompt_tokens": n_prompt, "completion_tokens": n_tokens}
    if n_cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": n_cached}
    return sse({"choices": [], "usage": counts})


def sse(document: Any) -> bytes:
    """A document as an event."""
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def answer(texts: Sequence[str], *, first_s: float = 0, gap_s: float = 0) -> Script:
    """A whole answer with the counts that belong to it."""
    delays = [first_s, *[gap_s] * (len(texts) - 1)]
    pieces = [(delay, event(text)) for delay, text in zip(delays, texts, strict=True)]
    return Script((*pieces, (0, finish()), (0, usage(7, len(texts), 0)), (0, DONE)))


@contextmanager
def serving(certificate: Path | None = None, host: str = "127.0.0.1") -> Iterator[FaultServer]:
    """A server on a free port; with a file of certificate and key by TLS."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that go away are no news."""

    with Server((host, 0), _Handler) as server:
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        name = f"[{host}]" if ":" in host else host
        it = FaultServer(f"{scheme}://{name}:{server.server_address[1]}")
        server.it = it  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield it
        finally:
            it.ended.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        it: FaultServer = self.server.it  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        it.requests.append(Asked(self.command, self.path, headers, body))
        self.close_connection = True
        with suppress(ConnectionError), ExitStack() as under_way:
            if it.begins():
                under_way.callback(it.ends)
                self._play(it.next_script(self.path), it, under_way)
            else:
                self._play(told({"error": "busy"}, 429), it, under_way)

    def _play(self, script: Script, it: FaultServer, under_way: ExitStack) -> None:
        if script.raw is not None:
            self.connection.sendall(script.raw)
            return
        self._headers(script)
        self._body(script, it, under_way)
        self._end(script, it)

    def _headers(self, script: Script) -> None:
        self.send_response_only(script.status)
        headers = {"Content-Type": script.content_type, **script.headers}
        if script.length is not None:
            headers["Content-Length"] = str(script.length)
        elif script.ending != "closed":
            headers["Transfer-Encoding"] = "chunked"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, script: Script, it: FaultServer, under_way: ExitStack) -> None:
        is_chunked = script.length is None and script.ending != "closed"
        due = time.perf_counter()
        for i, (delay_s, piece) in enumerate(script.pieces, start=1):
            due += delay_s
            if delay_s and it.ended.wait(due - time.perf_counter()):
                return
            if i == len(script.pieces):
                # A client that has read the last piece may ask again before this thread goes on.
                under_way.close()
            chunk = b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece
            it.sent_ns.append(time.perf_counter_ns())
            self.connection.sendall(chunk)

    def _end(self, script: Script, it: FaultServer) -> None:
        if script.ending == "stall":
            it.ended.wait()
        elif script.ending == "reset":
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif script.ending == "whole" and script.length is None:
            self.connection.sendall(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test says what was asked."""

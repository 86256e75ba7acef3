"""A hub that means harm: whatever it answers, pull and fit end in time, in little memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from make.hub_server import random_bytes

from hostile.attempt import Attempt

_REPO, _NAME = "owner/model", "model-Q4_K_M.gguf"
_COMMIT = "c" * 40
_CONTENT = random_bytes(300_000)
_DIGEST = hashlib.sha256(_CONTENT).hexdigest()
_ROOT = Path(__file__).resolve().parents[2]
# The program itself has 110 MB; an answer may be 8 MB, whose values take ten times that.
_MOST_RESIDENT_BYTES = 320_000_000
_LONGEST_S = 45.0
_ENDLESS_BYTES = 3 << 30

Act = Callable[["_Handler"], None]


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """Pulls and fits of one model, at whose hub one stage or several answer with harm."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        while True:
            stages = rng.sample(_STAGES, rng.choice([1, 1, 1, 2]))
            _Handler.acts = {stage: rng.choice(_ACTS) for stage in stages}
            _Handler.rng = Random(rng.random())
            verb = rng.choice(["pull", "fit"])
            did = ", ".join(f"{act.__name__.strip('_')} {at}" for at, act in _Handler.acts.items())
            home = folder / f"{rng.getrandbits(64):x}"
            yield Attempt(f"{verb}: {did}", _fault(server.server_port, verb, home))
    finally:
        server.shutdown()
        server.server_close()


def _fault(port: int, verb: str, home: Path) -> str | None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HARNESS_"))}
    home.mkdir()
    environment = kept | {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HARNESS_CACHE": str(home / "own"),
        "HARNESS_CONFIG": str(home / "settings"),
        "PYTHONPATH": str(_ROOT),
    }
    client, peak = Path(__file__).with_name("hub_client.py"), home / "peak"
    started_s = time.monotonic()
    with (home / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, str(client), str(peak), verb, f"{_REPO}:Q4_K_M"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        process.wait(_LONGEST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    took_s = time.monotonic() - started_s
    said = (home / "stderr").read_text("utf-8", "backslashreplace")
    resident_bytes = int(peak.read_text()) * 1024 if peak.exists() else 0
    return _judged(process.returncode, said, took_s, resident_bytes)


def _judged(exit_code: int, said: str, took_s: float, resident_bytes: int) -> str | None:
    if took_s >= _LONGEST_S:
        return "it did not end"
    if resident_bytes > _MOST_RESIDENT_BYTES:
        return f"{resident_bytes / 1e6:.0f} MB resident"
    if exit_code not in (0, 1) or "Traceback" in said:
        return f"exit {exit_code}: {said.strip().splitlines()[-1:]}"[:300]
    # Of fit, 1 without a word here is an answer: it does not fit, or nobody can tell.
    if exit_code == 1 and said and not said.strip().splitlines()[-1].startswith("Error: "):
        return f"no line of error: {said[-200:]!r}"
    return None if said.isascii() or said.replace("\n", "").isprintable() else "raw escapes"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that had enough breaks the connection."""


class _Handler(BaseHTTPRequestHandler):
    """A right answer, or what is done instead of it at the stage."""

    protocol_version = "HTTP/1.1"
    acts: ClassVar[dict[str, Act]] = {}
    rng = Random(0)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.stage = "file" if "/resolve/" in path else "tree" if "/tree/" in path else "info"
        act = self.acts.get(self.stage)
        with suppress(OSError):
            act(self) if act else self.right()

    do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def right(self) -> None:
        if self.stage == "file":
            self.file(len(_CONTENT))
        else:
            self.send(200, json.dumps(self.document()).encode())

    def document(self) -> Any:
        if self.stage == "info":
            return {"id": _REPO, "sha": _COMMIT, "siblings": []}
        size = len(_CONTENT)
        entry = {"type": "file", "path": _NAME, "size": size, "oid": _DIGEST[:40]}
        return [entry | {"lfs": {"oid": _DIGEST, "size": size, "pointerSize": 134}}]

    def file(self, most_bytes: int) -> None:
        start, n_total = 0, len(_CONTENT)
        if wanted := self.headers.get("range"):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        body = _CONTENT[start : start + most_bytes]
        given = {"X-Repo-Commit": _COMMIT, "ETag": f'"{_DIGEST}"'}
        if wanted:
            given["Content-Range"] = f"bytes {start}-{n_total - 1}/{n_total}"
        self.send(206 if wanted else 200, body, given)

    def send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, n: int | None = None
    ) -> None:
        self.begin(status, {"Content-Length": str(len(body) if n is None else n)} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()


# -------------------------------------------------------------------- harm


def _endless_error(to: _Handler) -> None:
    to.begin(to.rng.choice([400, 403, 404, 429, 500, 503]), {"Content-Length": str(_ENDLESS_BYTES)})
    _pour(to, b"x" * (1 << 20))


def _endless_redirect(to: _Handler) -> None:
    to.begin(302, {"Content-Length": str(_ENDLESS_BYTES), "Location": to.path})
    _pour(to, b"x" * (1 << 20))


def _endless_answer(to: _Handler) -> None:
    to.begin(200, {"Content-Length": str(_ENDLESS_BYTES)})
    to.wfile.write(b"[")
    _pour(to, to.rng.choice([b"{},", b"[],", b'"a",', b" ", b"1.5,"]) * 250_000)


def _endless_chunks(to: _Handler) -> None:
    to.begin(200, {"Transfer-Encoding": "chunked"})
    _pour(to, b"10000\r\n" + b"[" * 0x10000 + b"\r\n")


def _pour(to: _Handler, piece: bytes) -> None:
    for _ in range(_ENDLESS_BYTES // len(piece)):
        to.wfile.write(piece)


def _many_values(to: _Handler) -> None:
    value = to.rng.choice([b"{}", b"[]", b"1", b"[[]]", b'{"a":{}}', b'""'])
    to.send(200, b"[" + b",".join([value] * (7_500_000 // (len(value) + 1))) + b"]")


def _packed(to: _Handler) -> None:
    size = to.rng.choice([1_000, 2_000_000_000])
    inside = gzip.compress(b" " * 1_000_000, 9) * (size // 1_000_000) or gzip.compress(b"{}")
    to.send(to.rng.choice([200, 200, 404]), inside, {"Content-Encoding": "gzip"})


def _next_pages(to: _Handler) -> None:
    entry = [] if to.rng.random() < 0.5 else to.document()
    here = f"http://127.0.0.1:{to.server.server_port}"  # type: ignore[attr-defined]
    address = to.rng.choice(
        [f"{here}{to.path.partition('?')[0]}?cursor={to.rng.random()}"] * 3
        + [
            "http://127.0.0.1:99999/",
            "nonsense",
            "http://[",
            "file:///etc/passwd",
            f"http://{'a' * 70}/",
        ]
    )
    to.send(200, json.dumps(entry).encode(), {"Link": f'<{address}>; rel="next"'})


def _drip(to: _Handler) -> None:
    to.begin(to.rng.choice([200, 206, 404, 503]), {"Content-Length": "100000"})
    _drop_by_drop(to, b"[ ")


def _drip_headers(to: _Handler) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\n")
    _drop_by_drop(to, b"X")


def _drop_by_drop(to: _Handler, drop: bytes) -> None:
    for _ in range(1000):
        to.wfile.write(drop)
        to.wfile.flush()
        time.sleep(0.3)


def _three_bytes(to: _Handler) -> None:
    if to.stage != "file":
        to.send(206, b"[{}"[:3], {"Content-Range": "bytes 0-2/3000"})
    else:
        to.file(3)


def _cut(to: _Handler) -> None:
    to.send(200, b'[{"path"', n=5000)
    to.close_connection = True


def _silence(to: _Handler) -> None:
    time.sleep(5)


def _redirect(to: _Handler) -> None:
    address = to.rng.choice([
        "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://[::1", "http://", "//", "",
        "file:///etc/passwd", f"http://{'a' * 70}.example/", "http://\u00e4/".encode().decode("latin-1"),
        "http://a..b/", "x" * 70_000, to.path, f"http://127.0.0.1:1{to.path}", "http://a b/",
        "ftp://a/", "http://user:pw@127.0.0.1:1/", "data:,x", "http://127.0.0.1:-1/", "http://:80",
    ])  # fmt: skip
    to.send(to.rng.choice([301, 302, 303, 307, 308]), b"", {"Location": address})


def _odd_json(to: _Handler) -> None:
    digits = b"9" * 5_000
    right = to.document() if to.stage != "file" else {}
    to.send(200, to.rng.choice([
        b"[" * 200_000, b'{"a":' * 200_000, b"[" * 900 + b"]" * 900, digits, b"[%s]" % digits,
        b'{"sha":%s}' % digits, b"", b"null", b"NaN", b'"\\ud800"', b"\xff\xfe", b"{}", b"[]",
        b"[null]", b"[[]]", b'[{"type":"file"}]', b"<html>", b"1e999", b"-",
        _twisted(right, to.rng),
    ]))  # fmt: skip


def _twisted(value: Any, rng: Random) -> bytes:
    """`value` of which one part is something else."""
    odd: list[Any] = [
        None, -1, 1e300, 10**30, "", "\x1b[31m", "\ud800", [], {}, True, "a" * 5000, [[]],
        "../../x.gguf", "2" * 64, {"oid": 5}, float("inf"),
    ]  # fmt: skip
    if isinstance(value, list) and value:
        value = [json.loads(_twisted(each, rng)) for each in value]
    elif isinstance(value, dict):
        key = rng.choice(
            [*value, "lfs", "size", "type", "createdAt", "gguf", "siblings", "cardData"]
        )
        value = {**value, key: rng.choice(odd)}
    return json.dumps(value).encode()


def _odd_headers(to: _Handler) -> None:
    key, value = to.rng.choice([
        ("Content-Range", "bytes 0-99999999999999999999/9"), ("Content-Length", "9" * 5_000),
        ("Content-Length", "-1"), ("ETag", "x" * 50_000), ("X-Linked-Size", "x"),
        ("X-Error-Code", "GatedRepo"), ("X-Error-Message", "\x1b[31m"), ("Retry-After", "9" * 400),
        ("Retry-After", "100000"), ("RateLimit", '"api";r=0;t=999999999999999'),
        ("Link", "<>;" * 9999),
        ("Content-Encoding", "zstd, gzip, br"), ("X-Warning", "x" * 9999), ("Date", "x"),
        ("X-Repo-Commit", "../.."), ("Set-Cookie", "a=b; Domain=x"),
        ("Content-Type", "x; charset=y"), ("RateLimit", f'"api";r=0;t={"9" * 5_000}'),
        ("RateLimit-Policy", f'"a";q={"9" * 5_000}'),
    ])  # fmt: skip
    status = to.rng.choice([200, 206, 304, 401, 404, 416, 429, 503])
    body = json.dumps(to.document()).encode() if to.stage != "file" else _CONTENT
    to.begin(status, {"Content-Length": str(len(body)), key: value})
    to.wfile.write(body)


def _noise(to: _Handler) -> None:
    to.wfile.write(
        to.rng.choice([b"", b"HTTP/9.9 200\r\n\r\n", b"\0" * 70_000, to.rng.randbytes(999)])
    )
    to.close_connection = True


_STAGES = ("info", "tree", "file")
_ACTS: tuple[Act, ...] = (
    _endless_error, _endless_redirect, _endless_answer, _endless_chunks, _many_values, _packed,
    _next_pages, _drip, _drip_headers, _three_bytes, _cut, _silence, _redirect, _odd_headers,
    _odd_headers, _odd_json, _odd_json, _odd_json, _noise,
)  # fmt: skip

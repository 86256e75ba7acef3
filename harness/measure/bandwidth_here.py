"""
How fast this machine's memory is read at its best, for predictions: one reading follows the load of
the minute it is taken in, so the best of several is kept in the cache folder.

One file for each machine and number of threads, of a few hundred bytes. A file that cannot be read
is named, and counts for nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns

from harness import interrupts
from harness.analysis.disturbance import others_share
from harness.analysis.speed.known_bandwidth import (
    KNOWN_BANDWIDTH_VERSION,
    KnownBandwidth,
    MemoryReading,
    surprise,
    with_reading,
)
from harness.bounded import parsed_json, read_bounded
from harness.errors import HarnessError
from harness.files import atomic_write, system_reason
from harness.machine.bandwidth import WatchedSample, watched_bandwidth
from harness.measure.machine_files import candidates, path_of
from harness.schema.machine import BandwidthSample, Machine

_KIND = "bandwidths"
# Ours have 3 kB at most, of a machine with many cards.
_MOST_FILE_BYTES = 65_536

# Two samples this close together would measure the same moment.
_SAME_MOMENT_NS = 2_000_000_000


@dataclass(frozen=True)
class BandwidthHere:
    """What is known, and what is to be told of the files and of the newest reading."""

    known: KnownBandwidth
    notes: tuple[str, ...] = ()


def bandwidth_here(machine: Machine, n_threads: int, folder: Path | None = None) -> BandwidthHere:
    """
    The best that is known of this machine's memory. Reads it for a second unless it has been read
    in quiet often enough.

    Args:
        machine: The one this runs on.
        n_threads: As many as a model would be computed with.
        folder: Where readings are kept; None is in the cache folder.

    Raises:
        HarnessError: Nothing is known, and it cannot be read.
    """
    notes: list[str] = []
    stored = stored_bandwidth(machine, n_threads, notes, folder)
    if stored is not None and stored.is_enough:
        return BandwidthHere(stored, tuple(notes))
    try:
        watched = watched_bandwidth(machine, n_threads)
    except HarnessError:
        if stored is None:
            raise
        return BandwidthHere(stored, tuple(notes))
    return _kept(stored, watched, machine, folder, notes)


def read_now(
    machine: Machine, n_threads: int, folder: Path | None = None
) -> tuple[BandwidthSample, BandwidthHere]:
    """
    How fast the memory is read now, and what is known with that, which is kept.

    Raises:
        HarnessError: It cannot be read.
    """
    notes: list[str] = []
    stored = stored_bandwidth(machine, n_threads, notes, folder)
    watched = watched_bandwidth(machine, n_threads)
    return watched.sample, _kept(stored, watched, machine, folder, notes)


def stored_bandwidth(
    machine: Machine, n_threads: int, notes: list[str], folder: Path | None = None
) -> KnownBandwidth | None:
    """What is stored of this machine; `notes` gets a line for each file that is no such thing."""
    for path in candidates(_KIND, machine.id, _purpose(machine, n_threads), folder):
        try:
            found = _read(path)
        except (OSError, ValueError) as error:
            reason = system_reason(error) if isinstance(error, OSError) else "not a reading of ours"
            notes.append(f"{path} is ignored ({reason}); remove it.")
            continue
        is_of_this = found.machine.is_same_as(machine) and found.n_threads == n_threads
        if is_of_this and found.n_cores_usable == machine.n_cores_usable:
            return found
    return None


def _kept(
    stored: KnownBandwidth | None,
    watched: WatchedSample,
    machine: Machine,
    folder: Path | None,
    notes: list[str],
) -> BandwidthHere:
    others = others_share([watched.counters], machine.n_cores_logical)
    reading = MemoryReading(
        bytes_per_s=watched.sample.q90_bytes_per_s,
        read_at=datetime.now(UTC).isoformat(timespec="seconds"),
        # Ticks may add up to a little more than all.
        others_ratio=None if others is None else min(1.0, others),
    )
    n_threads = watched.sample.n_threads
    nothing = KnownBandwidth(
        machine=machine,
        n_threads=n_threads,
        n_cores_usable=machine.n_cores_usable,
        best=reading,
    )
    if why := surprise(stored, reading):
        path = _path(stored.machine.id if stored else machine.id, n_threads, machine, folder)
        notes.append(f"{why}; if it will stay so, remove {path}.")
    known = with_reading(stored or nothing, reading)
    # Predictions do without it where the cache folder cannot be written.
    with suppress(OSError):
        _save(known, _path(known.machine.id, n_threads, machine, folder))
    return BandwidthHere(known, tuple(notes))


def _path(machine_id: str, n_threads: int, machine: Machine, folder: Path | None) -> Path:
    return path_of(_KIND, machine_id, _purpose(machine, n_threads), folder)


def _purpose(machine: Machine, n_threads: int) -> str:
    return f"{n_threads}-threads-on-{machine.n_cores_usable}"


def _read(path: Path) -> KnownBandwidth:
    """
    Raises:
        OSError: The system refuses, or it is no file.
        ValueError: It is not what it should be.
    """
    found = KnownBandwidth.model_validate(parsed_json(read_bounded(path, _MOST_FILE_BYTES)))
    # Its name is written to again, so the id in it must be that of the name.
    is_named = path.name.startswith(f"{found.machine.id}-")
    if found.version != KNOWN_BANDWIDTH_VERSION or not is_named:
        raise ValueError(path.name)
    return found


def _save(known: KnownBandwidth, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(known.model_dump_json(indent=1), encoding="utf-8")


class RecentBandwidth:
    """The memory's speed around Runs, of which neighbours share a sample."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._last: tuple[int, BandwidthSample] | None = None

    def sample(self, n_threads: int) -> BandwidthSample | None:
        """
        The speed now, by so many threads; None where it cannot be read.

        A measurement without its ceiling is still a measurement.
        """
        if self._last is not None:
            taken_ns, sample = self._last
            if perf_counter_ns() - taken_ns < _SAME_MOMENT_NS and sample.n_threads == n_threads:
                return sample
        try:
            with interrupts.allowed():
                sample, _ = read_now(self._machine, n_threads)
        except HarnessError:
            return None
        self._last = (perf_counter_ns(), sample)
        return sample

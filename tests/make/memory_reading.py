"""A reading of a machine's memory, beside as many others as a test wants."""

from __future__ import annotations

from harness.machine.bandwidth import WatchedSample
from harness.schema.machine import BandwidthSample, Counters


def watched(gb_per_s: float, others_ratio: float | None = 0.0, n_threads: int = 2) -> WatchedSample:
    """A second on a machine of two cores, of which others had that share; None is not told."""
    wall_ns, ours_ns = 1_000_000_000, 100_000_000
    others_ns = None if others_ratio is None else round(others_ratio * 2 * wall_ns)
    sample = BandwidthSample(
        median_bytes_per_s=round(gb_per_s * 0.9e9),
        q90_bytes_per_s=round(gb_per_s * 1e9),
        n_samples=15,
        n_threads=n_threads,
        buffer_bytes=1 << 29,
    )
    counters = Counters(
        wall_ns=wall_ns,
        process_cpu_ns=ours_ns,
        system_busy_ns=None if others_ns is None else ours_ns + others_ns,
        reference_ns=3_000_000,
    )
    return WatchedSample(sample, counters)

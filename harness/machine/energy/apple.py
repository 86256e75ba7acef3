"""
What Apple's chips say they took, through zeus-apple-silicon (the extra `mac`); no privileges.

The figures are those of macOS's energy model (IOReport): the chip alone, by the chip's own
reckoning, not what a meter at the wall would show.
"""

from __future__ import annotations

import importlib
from time import perf_counter_ns
from typing import Any

from harness.machine.energy.meter import SourceMissing
from harness.schema.machine import Energy, EnergyKind

_WINDOW = "harness"
# The library rounds down to whole mJ. How often the model is brought up to date is documented
# nowhere, so no refresh is stated.
_STEP_JOULES = 1e-3
_FIELDS: tuple[tuple[str, str, EnergyKind], ...] = (
    ("cpu_total_mj", "cpu", "package"),
    ("gpu_mj", "gpu", "gpu"),
    ("dram_mj", "dram", "memory"),
    ("ane_mj", "ane", "npu"),
    # Whether "GPU Energy" already holds it is documented nowhere either, so it is never added.
    ("gpu_sram_mj", "gpu sram", "part"),
)


class AppleMeter:
    """The meter of a chip; `monitor` is an AppleEnergyMonitor."""

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        self._began_ns: int | None = None

    def begin(self) -> None:
        """A window begins."""
        started_ns = perf_counter_ns()
        try:
            self._monitor.begin_window(_WINDOW, restart=True)
        except RuntimeError:
            self._began_ns = None
        else:
            self._began_ns = started_ns

    def end(self) -> tuple[Energy, ...]:
        """What each part of the chip took; what a chip does not tell is left out."""
        if self._began_ns is None:
            return ()
        window_ns = max(1, perf_counter_ns() - self._began_ns)
        self._began_ns = None
        try:
            told = self._monitor.end_window(_WINDOW)
        except RuntimeError:
            return ()
        values = [(getattr(told, name, None), domain, kind) for name, domain, kind in _FIELDS]
        return tuple(
            Energy(
                source="apple",
                domain=domain,
                kind=kind,
                joules=millijoules / 1000,
                window_ns=window_ns,
                step_joules=_STEP_JOULES,
            )
            for millijoules, domain, kind in values
            if millijoules is not None and millijoules >= 0
        )


def open_apple() -> AppleMeter:
    """
    The meter of this Mac's chip.

    Raises:
        SourceMissing: The library is not there, or the chip shows no energy model.
    """
    try:
        library: Any = importlib.import_module("zeus_apple_silicon")
    except ImportError:
        raise SourceMissing(
            "zeus-apple-silicon, which reads the chip's figures, is not installed (Apple Silicon "
            "only): `pip install zeus-apple-silicon`, or harness with its extra `mac`"
        ) from None
    try:
        return AppleMeter(library.AppleEnergyMonitor())
    except RuntimeError as error:
        raise SourceMissing(f"this Mac shows no energy model: {error}") from None

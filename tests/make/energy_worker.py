"""
The real worker on a machine with a package whose counter the test can predict.

Started by test_energy_worker.py with the root of a powercap tree. Each timed region adds 5 J to
the package's counter, a rest of any length 1 J.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.machine.energy import meters as energy
from harness.measure import worker
from harness.measure.jobs import repetition_worker
from harness.measure.jobs import trial_worker as trials
from harness.schema.machine import Energy

TRIAL_UJ = 5_000_000
REST_UJ = 1_000_000


def main() -> None:
    root = Path(sys.argv[1])
    counter = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    range_uj = int((counter.parent / "max_energy_range_uj").read_text())
    plan = trials.Bench.plan

    def take(n_uj: int) -> None:
        counter.write_text(f"{(int(counter.read_text()) + n_uj) % range_uj}\n")

    def planned(self: trials.Bench, *, is_warm_up: bool = False) -> Callable[[], trials.Timing]:
        measure = plan(self, is_warm_up=is_warm_up)

        def counted() -> trials.Timing:
            timing = measure()
            time.sleep(0.02)  # a window of 10 refreshes, however fast the tiny model is
            take(TRIAL_UJ)
            return timing

        return counted

    def rest(self: energy.Meters) -> tuple[Energy, ...]:
        self.begin()
        time.sleep(0.2)
        take(REST_UJ)
        return self.end()

    trials.Bench.plan = planned  # type: ignore[method-assign]
    energy.Meters.rest = rest  # type: ignore[method-assign, assignment]
    vars(repetition_worker)["find_meters"] = functools.partial(energy.find_meters, root)
    worker.main()


if __name__ == "__main__":
    main()

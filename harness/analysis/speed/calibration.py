"""
What a machine's rates are derived from: small models measured on it, and whether that still holds.
"""

from __future__ import annotations

import math
from statistics import median

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from harness.schema.experiment import EngineInfo
from harness.schema.machine import Machine, MachineFacts
from harness.schema.moment import Moment
from harness.schema.record import Record
from harness.schema.work import Work
from harness.schema.workload import WorkloadName

CALIBRATION_VERSION = 4
# History of the calibration file. 1 (2026-11): the first. 2 (2026-11): models whose weights have
# scales that vary, as those of real ones do; constant scales had made decoding 1.2 to 1.5 times
# too fast. 3 (2026-11): the last block's feed-forward part, a fifth of a model of five blocks, is
# no longer taken for work of every token of a prompt, which had made prompts of models with many
# blocks up to 20 % too fast; and a deep cache with wide rows is measured too. 4 (2026-11): what of
# a prompt's arithmetic is done in experts is counted; their share of a token's bytes, an output
# head among them, had stood for it. Another number is as good as no file: calibrating takes two
# minutes.

_MOST_EARLIER = 3
# A guest on a shared host was seen to differ from itself by 19 % within two minutes. A laptop on
# battery or another power plan differs by more than this.
_SAME_MACHINE = math.log(1.3)


class CalibrationSample(Record):
    """One workload of one model: the median over its clean trials, with an f16 cache."""

    name: str
    work: Work
    workload: WorkloadName
    tok_per_s: PositiveFloat
    n_trials: PositiveInt
    n_ubatch: PositiveInt


class Calibration(Record):
    """
    What was measured to tell how fast models run here; facts only, the rates are derived.

    `machine` is missing in calibrations of before December 2026 and in `earlier`, which are
    calibrations before it that still hold, newest first: machines, above all those that share
    their hardware, are faster at one hour than at another.
    """

    version: int = CALIBRATION_VERSION
    machine_id: str
    machine: MachineFacts | None = None
    measured_at: Moment
    engine_version: str
    engine_commit: str
    n_threads: PositiveInt
    has_gpu: bool
    duration_ns: NonNegativeInt
    samples: tuple[CalibrationSample, ...]
    earlier: tuple[Calibration, ...] = ()

    def is_of(self, machine: Machine) -> bool:
        """Whether it was made on this machine, whatever that told of itself then."""
        if self.machine is None:
            return self.machine_id == machine.id
        return self.machine.is_same_as(machine)

    @property
    def all_samples(self) -> tuple[CalibrationSample, ...]:
        """Those of the earlier ones too."""
        return self.samples + tuple(sample for one in self.earlier for sample in one.samples)


def joined(new: Calibration, last: Calibration) -> Calibration:
    """
    `new` together with those of `last` and its earlier ones that were taken of the same machine.

    At most `_MOST_EARLIER` of them, and none in which models decoded at quite another speed: on
    battery, say, or with half of the memory modules.
    """
    rounds = [last.model_copy(update={"earlier": (), "machine": None}), *last.earlier]
    alike = [one for one in rounds if abs(_log_level(one, new)) <= _SAME_MACHINE]
    return new.model_copy(update={"earlier": tuple(alike[:_MOST_EARLIER])})


def _log_level(one: Calibration, other: Calibration) -> float:
    """How much faster the same models decoded in `one`, a logarithm; endless without any."""
    others = {_which(it): it.tok_per_s for it in other.samples}
    ratios = [
        math.log(sample.tok_per_s / others[_which(sample)])
        for sample in one.samples
        if sample.workload.startswith("tg") and _which(sample) in others
    ]
    return median(ratios) if ratios else math.inf


def _which(sample: CalibrationSample) -> tuple[str, str, int]:
    return sample.name, sample.workload, sample.work.weights_bytes


def staleness(
    calibration: Calibration, machine: Machine, engine: EngineInfo, n_threads: int
) -> str | None:
    """Why a calibration says nothing of this machine, engine and setting; None where it does."""
    if not calibration.is_of(machine):
        return "it was made on another machine"
    if (calibration.engine_version, calibration.engine_commit) != (
        engine.library_version,
        engine.library_commit,
    ):
        return (
            f"it was made with the engine's build {calibration.engine_commit}, "
            f"this one is {engine.library_commit}"
        )
    if calibration.has_gpu != has_gpu(engine):
        return "it was made with another set of devices"
    if calibration.n_threads != n_threads and not calibration.has_gpu:
        return f"it was made with {calibration.n_threads} threads, now there are {n_threads}"
    return None


def has_gpu(engine: EngineInfo) -> bool:
    """Whether this engine computes on a GPU, so far as it is left to."""
    return any(device.is_gpu for device in engine.devices)

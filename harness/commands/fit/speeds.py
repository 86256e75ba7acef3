"""What `harness fit` predicts of a model's speed, or why it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness import units
from harness.analysis.speed.calibration import has_gpu
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.analysis.speed.predict import MachineSpeed, predict_speed, predict_ttft
from harness.analysis.speed.rpc_way import way_of_token
from harness.measure.memory import DEFAULT_CONTEXT, ModelFit
from harness.measure.speed_here import speed_here
from harness.schema.experiment import EngineInfo
from harness.schema.figure import Figure
from harness.schema.machine import Machine
from harness.schema.prediction import Prediction, Refusal, unit_of
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload

_DECODE = (
    ("decode tok/s, empty context", "tg128"),
    *((f"decode tok/s after {n}", f"tg128@d{n}") for n in (4096, 16_384, 65_536)),
)
_PREFILL = ("prefill tok/s of 512", "pp512")
_FIRST_TOKEN = ("first token of 1024", "pp1024")


@dataclass(frozen=True)
class PredictedSpeed:
    """One figure of speed: what it is about, and the prediction or why there is none."""

    title: str
    figure: Prediction | Refusal

    @property
    def value(self) -> Figure | None:
        """The prediction as a figure, in tok/s or ns; None where nothing is predicted."""
        return None if isinstance(self.figure, Refusal) else self.figure.figure

    @property
    def bound(self) -> str:
        """What holds of it where nothing is predicted, in words; "" where nothing is known."""
        unit = unit_of(self.figure.component)
        if self.figure.low is not None and self.figure.high is not None:
            bounds = (units.quantity(each, unit) for each in (self.figure.low, self.figure.high))
            return " to ".join(bounds)
        if self.figure.low is not None:
            return f"at least {units.quantity(self.figure.low, unit)}"
        if self.figure.high is not None:
            return f"at most {units.quantity(self.figure.high, unit)}"
        return ""


@dataclass
class Predictor:
    """Predicts speeds on one machine; what that takes is found out once, when it is needed."""

    machine: Machine
    settings: Settings
    results: Path
    notes: list[str] = field(default_factory=list)
    bandwidth: KnownBandwidth | None = None
    _speeds: dict[bool, MachineSpeed | None] = field(default_factory=dict)

    def speeds(self, fit: ModelFit) -> list[PredictedSpeed]:
        """
        Decode at some depths, as far as a context fits, prefill and time to first token; empty
        where none is known, and of what does not write.
        """
        if fit.found.file.kind != "generates":
            return []
        if self.machine.rpc:
            return self._over_servers(fit)
        engine = fit.plan.engine
        speed = self._speed(engine) if engine else None
        if speed is None or engine is None:
            return []
        work = fit.found.work
        trained, key = fit.found.file.n_ctx_train, fit.found.key
        largest = max((each.n_ctx or 0 for each in fit.largest), default=0)
        predicted: list[PredictedSpeed] = []
        for title, name in (*_DECODE, _PREFILL, _FIRST_TOKEN):
            workload = parse_workload(name)
            if trained and workload.n_ctx > trained:
                continue
            if workload.depth > DEFAULT_CONTEXT and workload.n_ctx > largest:
                continue
            # What lies in the cache when it begins: "after 4096" is of a context of 4096.
            why = fit.shortage_at(workload.depth + workload.n_prompt)
            asked = (work, speed, workload, key, self.settings, why)
            is_first = (title, name) == _FIRST_TOKEN
            figures = (predict_ttft(*asked),) if is_first else predict_speed(*asked)
            predicted += [PredictedSpeed(title, figure) for figure in figures]
        return predicted

    def _over_servers(self, fit: ModelFit) -> list[PredictedSpeed]:
        """What the way alone says of decoding: no rate of this machine holds for others."""
        found = fit.found
        way = way_of_token(self.machine.rpc, fit.plan.weights, found.file.n_vocab)
        if way is None:
            return []
        title, workload = _DECODE[0]
        reason = (
            f"the way to {units.counted(way.n_servers, 'server')} takes about "
            f"{units.duration(way.ns)} of each token; how fast they compute is not known, and "
            "`harness rehearse --rpc` measures it without the weights"
        )
        refusal = Refusal(
            model=found.key,
            workload=workload,
            component="tok_per_s",
            reason=reason,
            high=way.most_per_s,
        )
        return [PredictedSpeed(title, refusal)]

    def _speed(self, engine: EngineInfo) -> MachineSpeed | None:
        computes_on_gpu = has_gpu(engine)
        if computes_on_gpu not in self._speeds:
            self._speeds[computes_on_gpu] = self._look(engine)
        return self._speeds[computes_on_gpu]

    def _look(self, engine: EngineInfo) -> MachineSpeed | None:
        here = speed_here(self.machine, engine, self.settings.n_threads, results=self.results)
        self.notes += here.notes
        self.bandwidth = here.bandwidth
        return here.speed

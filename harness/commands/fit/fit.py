"""What `harness fit` finds out of one model: its memory by the planner, its speed as foretold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.analysis.speed.calibration import has_gpu
from harness.analysis.speed.predict import MachineSpeed, predict_speed, predict_ttft
from harness.commands.fit.page import Failure, Told
from harness.errors import HarnessError
from harness.measure.fits import ModelFit, Room
from harness.measure.fitting import fit_model
from harness.measure.speed_here import speed_here
from harness.models.model import Model
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Machine
from harness.schema.prediction import Refusal
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload

_DECODE = (("decode, empty context", "tg128"), ("decode after 4096", "tg128@d4096"))
_PREFILL = ("prefill of 512", "pp512")
_FIRST_TOKEN = ("first token of 1024", "pp1024")


@dataclass
class Teller:
    """Foretells speeds on one machine; what that takes is found out once, when it is needed."""

    machine: Machine
    settings: Settings
    results: Path | None = None
    notes: list[str] = field(default_factory=list)
    _speeds: dict[bool, MachineSpeed | None] = field(default_factory=dict)

    def speeds(self, fit: ModelFit) -> list[Told]:
        """Decode at two depths, prefill and time to first token; empty where none is known."""
        engine = fit.plan.engine
        speed = self._speed(engine) if engine else None
        if speed is None or engine is None:
            return []
        # The model is set against what is free now, which the speed does not know.
        speed = replace(speed, memory_bytes=None)
        work = fit.found.work
        trained = fit.found.file.n_ctx_train
        cases = [(title, parse_workload(name)) for title, name in (*_DECODE, _PREFILL)]
        told = [
            Told(title, figure)
            for title, workload in cases
            if not trained or workload.n_ctx <= trained
            for figure in predict_speed(work, speed, workload, fit.found.key, self.settings)
        ]
        title, name = _FIRST_TOKEN
        workload = parse_workload(name)
        if not trained or workload.n_ctx <= trained:
            first = predict_ttft(work, speed, workload, fit.found.key, self.settings)
            told.append(Told(title, first))
        return [self._where_it_fits(each, fit) for each in told]

    def _where_it_fits(self, told: Told, fit: ModelFit) -> Told:
        """As foretold, unless the model would page: then nothing but a bound holds."""
        if any(each.fits == "yes" for each in fit.contexts) or isinstance(told.figure, Refusal):
            return told
        figure = told.figure
        is_time = figure.component == "ttft_ms"
        refusal = Refusal(
            model=figure.model,
            workload=figure.workload,
            component=figure.component,
            reason="it does not fit into the memory that is free, and would page",
            low=figure.low if is_time else None,
            high=None if is_time else figure.high,
        )
        return Told(told.title, refusal)

    def _speed(self, engine: EngineInfo) -> MachineSpeed | None:
        computes_on_gpu = has_gpu(engine)
        if computes_on_gpu not in self._speeds:
            self._speeds[computes_on_gpu] = self._look(engine)
        return self._speeds[computes_on_gpu]

    def _look(self, engine: EngineInfo) -> MachineSpeed | None:
        here = speed_here(self.machine, engine, self.settings.n_threads, results=self.results)
        self.notes += here.notes
        return here.speed


def fit_one(
    found: Model,
    settings: Settings,
    room: Room,
    lengths: Sequence[int],
    cache_types: Sequence[tuple[str, str]],
) -> ModelFit | Failure:
    """The fit of one model, or why the engine refuses it."""
    try:
        fit = fit_model(found, settings, room, lengths=lengths, cache_types=cache_types)
    except HarnessError as error:
        return Failure(found.key, str(error))
    if fit.plan.outcome.status == "failed":
        message = fit.plan.outcome.message or "the engine gave no reason"
        return Failure(found.key, f"the engine refuses it: {message}")
    return fit

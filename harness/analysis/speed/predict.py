"""
How fast a model will be, predicted from what one token asks (Work) and what a machine gives.

A `MachineSpeed` holds the rates: fitted on this machine (calibration.py) or for its class
(hardware_class.py); rates.py turns them into seconds. Where nothing honest can be said, a
Refusal stands in a figure's place. See docs/method/predicted-speed.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.analysis.speed.corrections import LocalResults, Phase, correction
from harness.analysis.speed.rates import (
    DecodeSpeed,
    PrefillSpeed,
    Spread,
    decode_seconds,
    prefill_seconds,
)
from harness.schema.prediction import Component, Method, Prediction, Refusal
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload_kind import Workload


@dataclass(frozen=True)
class MachineSpeed:
    """
    What a machine gives.

    `note` names the class or the calibration. With `has_gpu` the rates are those of the GPU, for
    models wholly on it. `prefill` is None where nothing is known of it.
    `local_results` are results of the machine that correct what its class says.
    """

    method: Method
    note: str
    has_gpu: bool
    decode: DecodeSpeed
    prefill: PrefillSpeed | None
    local_results: LocalResults | None = None


Predicted = Prediction | Refusal

# A GPU reads the weights once for all of them; a CPU computes small batches now in one way and now
# in another, and what they gain depends on how contended its memory is (docs/method/parallel.md).
_SHARED_STEPS = "how far sequences share the work of a step is not known"


def predict_speed(
    work: Work,
    speed: MachineSpeed,
    workload: Workload,
    model: str,
    settings: Settings,
    shortage: str | None = None,
) -> tuple[Predicted, ...]:
    """
    What `workload` will yield: tok/s of its writing, else of its reading; for chat TTFT before it.
    Nothing of what is neither.

    Args:
        work: The model.
        speed: The machine.
        workload: What is to be measured.
        model: Its name in the answer.
        settings: Micro-batch, cache types, layers on the GPU.
        shortage: Why the model does not lie in the memory that the rates are of, if it does not.
    """
    teller = _Teller(work, speed, workload, model, settings, shortage)
    # Of a task's texts each is of its own length, and their TTFT is not measured.
    first = (teller.first_token(),) if workload.is_text and workload.prompt_metric else ()
    if workload.decode_metric:
        return (*first, teller.decode())
    return (*first, teller.prefill()) if workload.prompt_metric else first


def predict_ttft(
    work: Work,
    speed: MachineSpeed,
    workload: Workload,
    model: str,
    settings: Settings,
    shortage: str | None = None,
) -> Predicted:
    """Nanoseconds to the first token after the workload's prompt."""
    teller = _Teller(work, speed, workload, model, settings, shortage)
    return teller.first_token()


@dataclass(frozen=True)
class _Known:
    """What a speed by rates is multiplied with, and what is then said of it."""

    factor: float
    spread: Spread
    only_a_range: str | None
    method: Method
    note: str


@dataclass(frozen=True)
class _Teller:
    """One model on one machine: figures, or why there are none."""

    work: Work
    speed: MachineSpeed
    workload: Workload
    model: str
    settings: Settings
    shortage: str | None

    def decode(self) -> Predicted:
        """Tokens per second, one after the other; of one sequence alone."""
        if self.workload.n_sequences > 1:
            return self._refused("tok_per_s", self._page_reason or _SHARED_STEPS)
        seconds, of_cache = decode_seconds(
            self.work, self.speed.decode, self.workload.mean_positions, self.settings
        )
        speed = self.speed.decode
        known = self._known("decode", speed.spread, speed.only_a_range)
        bounds = known.spread.around(known.factor / seconds, of_cache / seconds)
        return self._told("tok_per_s", known.factor / seconds, bounds, known)

    def prefill(self) -> Predicted:
        """Tokens per second of the workload's prompt."""
        n_tokens = self.workload.n_prompt * self.workload.n_sequences
        return self._of_prompt("tok_per_s", 0.0, lambda seconds: n_tokens / seconds)

    def first_token(self) -> Predicted:
        """Nanoseconds until the workload's prompt is answered."""
        spread = self.workload.prompt_spread
        return self._of_prompt("ttft_ns", spread, lambda seconds: seconds * 1e9)

    def _of_prompt(
        self, component: Component, further: float, convert: Callable[[float], float]
    ) -> Predicted:
        """The prompt's time, in what `convert` makes of it; `further` widens the bounds."""
        speed = self.speed.prefill
        if speed is None:
            unknown = "nothing is known of this machine's prompt speed"
            return self._refused(component, self._page_reason or unknown)
        n_ubatch = min(self.settings.n_ubatch, self.settings.n_batch)
        task = self.workload
        seconds, of_attention = prefill_seconds(
            self.work, speed, task.n_prompt, task.depth, n_ubatch, task.n_sequences
        )
        known = self._known("prefill", speed.spread, speed.only_a_range)
        share, seconds = of_attention / seconds, seconds / known.factor
        # The spread is one of speeds: the faster bound is the shorter time.
        slow, fast = known.spread.around(1 / seconds, share, further)
        bounds = sorted((convert(1 / slow), convert(1 / fast)))
        return self._told(component, convert(seconds), (bounds[0], bounds[1]), known)

    def _known(self, phase: Phase, spread: Spread, only_a_range: str | None) -> _Known:
        """What the machine's results make of its rates."""
        local_results = self.speed.local_results.of(phase) if self.speed.local_results else ()
        # Of classes whose decode is a range too little is published to say what a result adds.
        if not local_results or (phase == "decode" and only_a_range):
            return _Known(1.0, spread, only_a_range, self.speed.method, self.speed.note)
        assert self.speed.local_results
        factor = correction(local_results, self.work, is_class_loose=bool(only_a_range))
        what = f"{len(local_results)} result{'s' if len(local_results) > 1 else ''} here"
        note = f"{self.speed.note}, x{factor:.2f} by {what}"
        return _Known(
            factor, self.speed.local_results.spread(phase, spread), None, "local-results", note
        )

    def _told(
        self,
        component: Component,
        value: float,
        bounds: tuple[float, float],
        known: _Known,
    ) -> Predicted:
        low, high = bounds
        if self._page_reason:
            return self._refused(component, self._page_reason)
        if reason := self._reason_missing():
            # Whatever slows it down, it will not be faster than with everything in fast memory.
            if component == "ttft_ns":
                return self._refused(component, reason, low=low)
            return self._refused(component, reason, high=high)
        if known.only_a_range:
            return self._refused(component, known.only_a_range, low, high)
        return Prediction(
            model=self.model,
            workload=self.workload.name,
            component=component,
            value=value,
            low=low,
            high=high,
            method=known.method,
            note=known.note,
        )

    def _refused(
        self,
        component: Component,
        reason: str,
        low: float | None = None,
        high: float | None = None,
    ) -> Refusal:
        return Refusal(
            model=self.model,
            workload=self.workload.name,
            component=component,
            reason=reason,
            low=low,
            high=high,
        )

    @property
    def _page_reason(self) -> str | None:
        """Why the model will not run from memory: then no figure says anything of it."""
        return f"{self.shortage}: it would page" if self.shortage else None

    def _reason_missing(self) -> str | None:
        """Why the rates do not hold for this model under these settings, or None."""
        if self.speed.has_gpu and -1 != self.settings.n_gpu_layers <= self.work.n_blocks:
            return "only a part of its layers is on the GPU"
        if self.speed.has_gpu and self.settings.n_cpu_moe and self.work.is_mixture:
            return "some of its experts are kept in system memory"
        return None

"""The verdict on a model that nobody has measured: from its need of memory and predicted speed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.analysis import verdict
from harness.analysis.device_memory import MemoryCapacity, MemoryNeed, fits
from harness.analysis.speed import predict
from harness.analysis.speed.predict import MachineSpeed
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.schema.figure import Figure
from harness.schema.prediction import Refusal, unit_of
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import Decode, Prefill

# What both are predicted for: what `run` measures as tg128@d4096 and pp1024.
DECODE = Decode(128, verdict.DEPTH)
PROMPT = Prefill(verdict.N_PROMPT)

_RANGE = "the middle of a range, no more is known"


@dataclass(frozen=True, slots=True)
class Host:
    """
    A machine for models.

    `speed` None: nothing is known of it. Where the capacity has slower memory beside a graphics
    card, that is `slow_bytes_per_s` fast, and `slow_speed` is that of a model computed from it
    alone.
    """

    capacity: MemoryCapacity
    speed: MachineSpeed | None
    slow_bytes_per_s: float = 0.0
    slow_speed: MachineSpeed | None = None


def predict_verdict(
    work: Work | None, need: MemoryNeed, host: Host, model: str
) -> Verdict | NoVerdict:
    """
    The verdict on a model on a host.

    Args:
        work: What a token asks; None where that is not known: then only memory is judged.
        need: What it takes at 4,096 positions.
        host: Where it would run.
        model: Its name.
    """
    fast_bytes, slow_bytes = host.capacity.fast_bytes, host.capacity.slow_bytes
    answer = fits(need, host.capacity)
    least, _ = need.figure.bounds
    if least > fast_bytes and answer == "split":
        return _split(work, need, host, model)
    speed = _by_speed(work, host.speed, model)
    usable_bytes = fast_bytes
    if need.n_bytes > fast_bytes + slow_bytes:
        # Of two memories a model can have both; what is short is short of their sum.
        usable_bytes += slow_bytes
    if answer == "yes":
        # Where the engine plans it, a little of it may lie beside the GPU's memory.
        usable_bytes = max(usable_bytes, need.n_bytes)
    found = verdict.by_memory(
        need.figure, usable_bytes, speed if isinstance(speed, Verdict) else None
    )
    if found is not None:
        return found
    assert isinstance(speed, NoVerdict)
    return NoVerdict(f"it fits in memory; {speed.reason}")


def _by_speed(work: Work | None, speed: MachineSpeed | None, model: str) -> Verdict | NoVerdict:
    if work is None:
        return NoVerdict("what a token reads is not known, so its speed is not either")
    if speed is None:
        return NoVerdict("nothing is known of this machine's speed")
    settings = Settings(n_threads=1)
    # Whether it fits is judged by the caller, with the whole need.
    (told,) = predict.predict_speed(work, speed, DECODE, model, settings)
    decode = figure_of(told)
    if decode is None:
        return NoVerdict(told.reason if isinstance(told, Refusal) else "its speed is not known")
    told = predict.predict_ttft(work, speed, PROMPT, model, settings)
    ttft = figure_of(told)
    return verdict.by_speed(decode, ttft, "predicted")


def figure_of(told: predict.Predicted) -> Figure | None:
    """The prediction; of a refusal that gives a range, the range and its (geometric) middle."""
    if not isinstance(told, Refusal):
        return replace(told.figure, source=told.note or told.method)
    if told.low is None or told.high is None:
        return None
    return _middle_of(told.low, told.high, unit_of(told.component))


def _middle_of(low: float, high: float, unit: str) -> Figure:
    return Figure(math.sqrt(low * high), low, high, unit, "predicted", source=_RANGE)


def _split(work: Work | None, need: MemoryNeed, host: Host, model: str) -> Verdict | NoVerdict:
    """
    The verdict on a model of which a part lies in slower memory.

    Nothing finer than a range can be said: at worst everything is computed from the slower
    memory; at best reading its part from there is all that takes time.
    """
    whole = _by_speed(work, host.slow_speed, model)
    if work is None or isinstance(whole, NoVerdict) or whole.decode is None:
        return NoVerdict("it fits with a part of it in slower memory; how fast is not known")
    context_bytes = max(0.0, need.n_bytes - work.weights_bytes)
    outside_bytes = max(1, need.n_bytes - host.capacity.fast_bytes)
    outside_ratio = min(1.0, outside_bytes / work.weights_bytes)
    token_bytes = work.token_read_bytes + min(context_bytes, work.cache_read_bytes(DECODE.n_ctx))
    high = host.slow_bytes_per_s / (outside_ratio * token_bytes)
    decode = _middle_of(min(whole.decode.bounds[0], high), high, "tok/s")
    note = "A part of it would lie in slower memory, so only a range can be told."
    return verdict.by_speed(decode, None, "predicted", notes=(note,))

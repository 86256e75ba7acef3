"""Experiments with models that servers have loaded, as a client of theirs would record them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from harness.schema.experiment import Experiment, Load, Run, engine_of
from harness.schema.machine import MemoryMark
from harness.schema.model import ModelFile, ServedModel
from harness.schema.request import Request
from make.records import SETTINGS, make_experiment, make_run, make_served
from make.trials import make_trial

_MS = 1_000_000


def make_served_run(
    index: int = 0,
    model: ServedModel | None = None,
    workloads: tuple[str, ...] = ("chat",),
    *,
    slower: float = 1.0,
    **changes: Any,
) -> Run:
    """A Run of three trials whose answers take `slower` times as long as usual."""
    model = model or make_served()
    rng = random.Random(index)
    trials = []
    for workload in workloads:
        for number in range(3):
            gap_ns = round(10 * _MS * slower * rng.uniform(0.98, 1.02))
            request = Request(
                ttft_ns=round(200 * _MS * slower * rng.uniform(0.98, 1.02)),
                gap_ns=(gap_ns,) * 63,
                total_ns=round(900 * _MS * slower),
                n_prompt=250,
                n_cached=0,
                n_tokens=64,
                finish="length",
            )
            told: dict[str, Any] = {
                "step_ns": request.gap_ns,
                "ttft_ns": request.ttft_ns,
                "total_ns": request.answered_ns,
                "tokenize_ns": None,
                "chat_template": "applied",
                "requests": (request,),
            }
            trials.append(make_trial(workload, index=number, **told))
    mark = MemoryMark(
        at="end",
        source="/proc/PID/status: VmRSS, VmHWM, RssAnon+RssShmem, RssFile, VmSwap",
        resident_bytes=300 << 20,
        peak_bytes=310 << 20,
        anonymous_bytes=190 << 20,
        file_backed_bytes=110 << 20,
    )
    nothing: dict[str, Any] = dict.fromkeys(
        ("weights", "contexts", "devices_before", "devices_loaded"), ()
    )
    facts: dict[str, Any] = {
        "model": model.key,
        "settings": model.served.settings,
        "memory": (mark,),
        "load": Load(
            cached_ratio=None,
            is_cold=None,
            process_ns=400_000_000,
            model_ns=90_000_000,
            total_ns=520_000_000,
        ),
        "bandwidth_before": None,
        "bandwidth_after": None,
        "trials": tuple(trials),
    }
    return make_run(index, workloads, **(nothing | facts | changes))


def make_served_experiment(
    *models: ServedModel | ModelFile, workloads: tuple[str, ...] = ("chat",), **changes: Any
) -> Experiment:
    """An experiment of these, each under its own settings; one served model if none is named."""
    models = models or (make_served(),)
    served = [model.served for model in models if model.served]
    settings = [SETTINGS] * (len(served) < len(models))
    made = make_experiment(
        workloads,
        models=models,
        settings=(*settings, *dict.fromkeys(each.settings for each in served)),
        **changes,
    )
    if len(served) < len(models):
        return made
    provenance = made.provenance.model_copy(update={"engine": engine_of(served[0])})
    return made.model_copy(update={"provenance": provenance})


def make_served_rounds(
    experiment: Experiment, n_runs: int = 8, *, slower: float = 1.0
) -> Sequence[Run]:
    """`n_runs` Runs of every model of the plan."""
    runs: list[Run] = []
    names = experiment.plan.workloads
    for number in range(n_runs):
        for model in experiment.plan.models:
            if isinstance(model, ServedModel):
                made = make_served_run(len(runs), model, slower=slower, round=number)
            else:
                made = make_run(len(runs), names, model=model.key, round=number)
            runs.append(made)
    return runs

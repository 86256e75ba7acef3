"""An experiment that measured a file here and behind a server of its own, at chosen rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.measure.also_served import USUAL_WORKLOADS
from harness.schema.experiment import Experiment, Run
from harness.schema.model import ServedModel
from harness.schema.request import Request, ServerTimes
from harness.schema.served import Served
from harness.schema.settings import ServedSettings
from make.records import KEY, SETTINGS, make_experiment, make_model, make_run
from make.trials import make_trial

SERVED_KEY = f"{KEY}@llama-server"
SERVED_SETTINGS = ServedSettings(n_ctx=2048, n_slots=1)
RAW, CHAT = USUAL_WORKLOADS


def make_served(**changes: Any) -> ServedModel:
    facts: dict[str, Any] = {
        "url": "http://127.0.0.1",
        "model": "smollm2",
        "server": "llama-server",
        "version": "xllamacpp 2026.10.11549",
        "is_local": True,
        "started_for": KEY,
        "system_info": "CPU : AVX2 = 1 | FMA = 1",
        "settings": SERVED_SETTINGS,
    }
    served = Served.model_validate(facts | changes)
    return ServedModel(key=SERVED_KEY, served=served, file_name="smollm2.gguf")


def make_also_served(**changes: Any) -> Experiment:
    experiment = make_experiment((RAW, CHAT))
    both = {
        "models": (make_model(), make_served(**changes)),
        "settings": (SETTINGS, SERVED_SETTINGS),
    }
    return experiment.model_copy(update={"plan": experiment.plan.model_copy(update=both)})


def local_run(index: int, raw: float, chat: float, **changes: Any) -> Run:
    """A Run of the engine: `raw` tokens a second alone, `chat` in a chat."""
    trials = [make_trial(name, rate) for name, rate in ((RAW, raw), (CHAT, chat))]
    return make_run(2 * index, (RAW, CHAT), trials=tuple(trials), round=index, **changes)


def served_run(index: int, own: float, received: float, **changes: Any) -> Run:
    """A Run of the server: `own` tokens a second by its own clock, of which `received` arrive."""
    trials = [_served_trial(each, own, received) for each in range(3)]
    facts: dict[str, Any] = {
        "round": index,
        "model": SERVED_KEY,
        "settings": SERVED_SETTINGS,
        "weights": (),
        "contexts": (),
        "trials": tuple(trials),
    }
    return make_run(2 * index + 1, (CHAT,), **(facts | changes))


def _served_trial(index: int, own: float, received: float) -> Any:
    trial = make_trial(CHAT, received, index, n_prompt=280)
    request = Request(
        ttft_ns=trial.ttft_ns,
        gap_ns=trial.step_ns,
        total_ns=trial.total_ns,
        n_prompt=280,
        n_cached=0,
        n_tokens=trial.n_tokens,
        finish="length",
        server=ServerTimes(
            n_tokens=trial.n_tokens, decode_ns=round((trial.n_tokens - 1) / own * 1e9)
        ),
    )
    return trial.model_copy(update={"requests": (request,)})


def made_rounds(rates: Sequence[tuple[float, float, float, float]]) -> list[Run]:
    """Both Runs of each round: the engine alone, its chat, the server's own clock, received."""
    return [
        run
        for index, (raw, chat, own, received) in enumerate(rates)
        for run in (local_run(index, raw, chat), served_run(index, own, received))
    ]

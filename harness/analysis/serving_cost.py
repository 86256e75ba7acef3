"""
What serving costs: a file in this process and the same file behind a server, in common rounds.

Four rates of the same decode, each with something more around it: the engine alone, the engine's
own chat, the server by its own clock, and what the client receives of the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness.analysis import formulas
from harness.analysis.comparison import ComparedFigure, compare, shared_workloads
from harness.analysis.measured import Measured, Round
from harness.analysis.stats import interval as stats
from harness.analysis.stats.ratio import Comparison, compare_rounds
from harness.schema.figure import Figure
from harness.schema.workload import Decode, parse_workload

StageName = Literal["engine", "chat", "server", "received"]
DECODE = "decode_tok_per_s"
_ByRound = Mapping[Round, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """
    A rate of decoding, and how it stands to the one before.

    Attributes:
        name: "engine": a raw decode. "chat": in a chat of this process. "server": by the server's
            own clock. "received": from the first event that the client gets to the last.
        workload: What it was measured in.
        tok_per_s: Over the Runs.
        step: It over the stage before, by rounds; None for the first.
    """

    name: StageName
    workload: str
    tok_per_s: Figure
    step: Comparison | None


@dataclass(frozen=True)
class ServingCost:
    """
    A file measured here, and served.

    Attributes:
        local: In this process.
        served: Behind a server that was started for it.
        workload: The request that both were measured in.
        stages: Those of the four that were measured, in their order.
        figures: Every figure of that request that both have, served over local.
    """

    local: Measured
    served: Measured
    workload: str
    stages: tuple[Stage, ...]
    figures: tuple[ComparedFigure, ...]

    @property
    def decode(self) -> Comparison | None:
        """What the client receives over what the engine's own chat writes."""
        found = (it.comparison for it in self.figures if it.metric == DECODE)
        return next(found, None)

    @property
    def n_prompts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt in process and served, as a median; None where not counted."""
        return _n_prompt(self.local, self.workload), _n_prompt(self.served, self.workload)

    @property
    def lacking_features(self) -> tuple[str, ...]:
        """Instructions that the engine was built for and the server was not, where it tells."""
        served = self.served.model.served
        if served is None or served.system_info is None:
            return ()
        own = _features(self.local.engine.system_info)
        return tuple(it for it in own if it not in _features(served.system_info))

    @property
    def is_same_build(self) -> bool:
        """Whether the server says that it is the engine's own build of llama.cpp."""
        # llama-cpp-python builds from patched sources, which git calls dirty.
        commit = self.local.engine.library_commit.removesuffix("-dirty")
        served = self.served.model.served
        version = served.version if served else None
        return bool(commit and version and commit in version)


def serving_costs(groups: Sequence[Measured]) -> tuple[ServingCost, ...]:
    """Of each model that a server was started for, what that costs; also where it failed."""
    local = {
        (group.experiment.id, group.model.key): group
        for group in groups
        if group.model.served is None
    }
    found = []
    for group in groups:
        served = group.model.served
        own = local.get((group.experiment.id, served.started_for or "")) if served else None
        if own is not None:
            found += [_cost(own, group, it) for it in shared_workloads(own, group)]
    return tuple(found)


def _features(system_info: str) -> tuple[str, ...]:
    """What stands as "AVX512 = 1" in llama.cpp's words."""
    return tuple(re.findall(r"(\w+) = 1\b", system_info))


def _n_prompt(side: Measured, workload: str) -> int | None:
    counts = [
        trial.n_prompt
        for run in side.runs
        for trial in formulas.trials_of(run, workload)
        if trial.n_prompt
    ]
    return round(median(counts)) if counts else None


def _cost(local: Measured, served: Measured, workload: str) -> ServingCost:
    raw = next((it for it in local.workloads if isinstance(parse_workload(it), Decode)), None)
    rates: list[tuple[StageName, str, _ByRound]] = [
        ("chat", workload, local.by_round(workload).get(DECODE, {})),
        ("server", workload, served.by_round(workload).get("server_decode_tok_per_s", {})),
        ("received", workload, served.by_round(workload).get(DECODE, {})),
    ]
    if raw is not None:
        rates.insert(0, ("engine", raw, local.by_round(raw).get("tok_per_s", {})))
    figures = tuple(it for it in compare(local, served) if it.workload == workload)
    return ServingCost(local, served, workload, _stages(rates), figures)


def _stages(rates: Sequence[tuple[StageName, str, _ByRound]]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    before: _ByRound = {}
    for name, workload, rate in rates:
        if not rate:
            continue
        step = compare_rounds(before, rate, is_more_better=True) if before else None
        stages.append(Stage(name, workload, stats.estimate([*rate.values()], "tok/s"), step))
        before = rate
    return tuple(stages)

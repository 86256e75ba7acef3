"""A model under Settings: what is measured in a Run, compared, gated and predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.schema.experiment import Plan, Run, Stop
from harness.schema.model import AnyModel
from harness.schema.model_kind import workloads_of
from harness.schema.settings import AnySettings, Settings
from harness.schema.workload import USUAL_WORKLOADS, parse_workload


@dataclass(frozen=True)
class Configuration:
    """One model under one Settings. Within an experiment the model's key tells it from others."""

    model: AnyModel
    settings: AnySettings

    def __hash__(self) -> int:
        # A model holds a dict; the key is as good, since equality looks at the rest.
        return hash((self.model.key, self.settings))

    def workloads(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that it is measured in."""
        return workloads_under(self.model, self.settings, names)

    def is_of(self, record: Run | Stop) -> bool:
        """Whether a Run measured it, or a Stop is about it, in an experiment that planned it."""
        return (record.model, record.settings) == (self.model.key, self.settings)


def is_same_model(a: AnyModel, b: AnyModel) -> bool:
    """
    Whether both are the same weights, twin or not, run by the same kind of program at one place.

    By their digests where both are known, else by their keys. Of a server's version nothing is
    asked, nor of its port, which another start may have changed.
    """
    is_file = a.sha256 == b.sha256 if a.sha256 and b.sha256 else a.key == b.key
    return is_file and a.is_twin == b.is_twin and place_of(a) == place_of(b)


def other_file(a: AnyModel, b: AnyModel) -> str | None:
    """
    By what two models of one name are told to be different files: "quantization Q4_1 against Q8_0".

    By their digests where both are known; else, of what servers tell, by what else they do. None
    where nothing speaks against their being the same.
    """
    if a.sha256 and b.sha256:
        digests = f"sha256 {a.sha256[:8]} against {b.sha256[:8]}"
        return digests if a.sha256 != b.sha256 else None
    if a.served is None or b.served is None:
        return None
    for fact in ("quantization", "n_params", "n_bytes"):
        values = getattr(a, fact), getattr(b, fact)
        if None not in values and values[0] != values[1]:
            return f"{fact.replace('_', ' ')} {values[0]} against {values[1]}"
    return None


def place_of(model: AnyModel) -> tuple[str, ...]:
    """Who runs it and where; nothing where that is the engine here."""
    served = model.served
    if served is None:
        return ()
    return served.server, "" if served.is_local else served.url


def workloads_for(model: AnyModel, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that the model can be measured in."""
    if model.served is None:
        here = [name for name in names if not parse_workload(name).needs_server]
        return workloads_of(model.kind, here)
    return tuple(name for name in names if parse_workload(name).is_request)


def workloads_under(
    model: AnyModel, settings: AnySettings, names: Iterable[str]
) -> tuple[str, ...]:
    """
    Those of them that it is measured in under `settings`: where tokens are guessed ahead, just such
    in which they can be.
    """
    found = workloads_for(model, names)
    if isinstance(settings, Settings) and settings.draft is not None:
        return tuple(name for name in found if parse_workload(name).takes_draft)
    return found


def usual_workloads_for(models: Sequence[AnyModel]) -> tuple[str, ...]:
    """Of what is usually measured, all that any of `models` can be measured in."""
    possible = {name for model in models for name in workloads_for(model, USUAL_WORKLOADS)}
    return tuple(name for name in USUAL_WORKLOADS if name in possible)


def configurations_of(plan: Plan) -> tuple[Configuration, ...]:
    """Every model of the plan under each of its Settings; a served one under its server's."""
    return tuple(
        Configuration(model, settings)
        for model in plan.models
        for settings in plan.settings
        if _is_under(model, settings)
    )


def _is_under(model: AnyModel, settings: AnySettings) -> bool:
    if model.served is None:
        return isinstance(settings, Settings)
    return settings == model.served.settings

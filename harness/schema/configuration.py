"""A model under Settings: what is measured in a Run, compared, gated and predicted."""

from __future__ import annotations

from dataclasses import dataclass

from harness.schema.experiment import ModelFile, Plan, Run, Stop
from harness.schema.settings import Settings


@dataclass(frozen=True)
class Configuration:
    """One model under one Settings. Within an experiment the model's key tells it from others."""

    model: ModelFile
    settings: Settings

    def __hash__(self) -> int:
        # A ModelFile holds a dict; the key is as good, since equality looks at the rest.
        return hash((self.model.key, self.settings))

    def is_of(self, record: Run | Stop) -> bool:
        """Whether a Run measured it, or a Stop is about it, in an experiment that planned it."""
        return (record.model, record.settings) == (self.model.key, self.settings)


def configurations_of(plan: Plan) -> tuple[Configuration, ...]:
    """Every model of the plan under each of its Settings, in its order."""
    return tuple(
        Configuration(model, settings) for model in plan.models for settings in plan.settings
    )

"""Refuses what cannot be measured, before anything is fetched for it or started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.impossible import (
    asks_for_devices,
    impossible_for_engine,
    impossible_for_model,
    impossible_options,
)
from harness.errors import UsageError
from harness.measure import runner
from harness.measure.schedule import settings_product
from harness.schema.experiment import ModelFile
from harness.schema.settings import Settings


def require_possible(lists: Mapping[str, Sequence[object]], workloads: Sequence[str] = ()) -> None:
    """
    Nothing, if some model and this machine's engine may do it in every combination.

    The engine is asked only where it could have an objection: that takes most of a second.

    Args:
        lists: Values of the fields of Settings, as a sweep has them.
        workloads: Their names.

    Raises:
        UsageError: A combination cannot be, or a setting would change nothing.
        HarnessError: The engine cannot be loaded.
    """
    # Of threads anything will do here; the machine's own number takes a look at it.
    settings = settings_product({"n_threads": (1,), **lists})
    _refuse(impossible_options(settings, workloads))
    if asks_for_devices(settings):
        _refuse(impossible_for_engine(settings, runner.describe_engine()))


def require_possible_for(
    models: Iterable[ModelFile], settings: Sequence[Settings], workloads: Sequence[str]
) -> None:
    """
    Nothing, if each of `models` may do all of it, by its header.

    Raises:
        UsageError: One cannot.
    """
    for model in models:
        _refuse(f"{model.key}: {why}" for why in impossible_for_model(settings, workloads, model))


def _refuse(reasons: Iterable[str]) -> None:
    for why in reasons:
        raise UsageError(why)

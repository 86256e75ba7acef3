"""Refuses what cannot be measured, before anything is fetched for it or started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.impossible import (
    asks_for_devices,
    impossible_for_engine,
    impossible_for_kind,
    impossible_for_model,
    impossible_for_server,
    impossible_options,
    impossible_threads,
)
from harness.errors import UsageError
from harness.machine.probe import probe_machine
from harness.measure import runner
from harness.measure.rpc import require_answers, servers_of
from harness.measure.schedule import settings_product
from harness.schema.configuration import workloads_for
from harness.schema.model import AnyModel, ModelFile, ServedModel
from harness.schema.model_kind import MODEL_KINDS, usual_workloads
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload


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
    # Where no number of threads is asked for, any will do here.
    settings = settings_product({"n_threads": (1,), **lists})
    if "n_threads" in lists:
        _refuse(impossible_threads(settings, probe_machine().n_cores_logical))
    _refuse(impossible_options(settings, workloads))
    servers = servers_of(settings)
    require_answers(servers)
    if servers or asks_for_devices(settings):
        _refuse(impossible_for_engine(settings, runner.describe_engine(servers)))


def require_possible_for(
    models: Iterable[ModelFile], settings: Sequence[Settings], workloads: Sequence[str]
) -> None:
    """
    Nothing, if each of `models` may do all of it, by its header; no `workloads` are the usual ones
    of each.

    Raises:
        UsageError: One cannot.
    """
    for model in models:
        _refuse(impossible_for_kind(settings, workloads, model))
        names = workloads or usual_workloads([model.kind])
        _refuse(f"{model.key}: {why}" for why in impossible_for_model(settings, names, model))


def require_asked(
    models: Sequence[AnyModel], workloads: Sequence[str], chosen: Sequence[str]
) -> None:
    """
    Nothing, if some model can be measured in each of `workloads`, and servers have room for them.

    Args:
        models: All of a plan.
        workloads: The plan's.
        chosen: Those of them that somebody asked for.

    Raises:
        UsageError: One cannot.
    """
    for name in workloads:
        if any(workloads_for(model, [name]) for model in models):
            continue
        if any(model.served for model in models):
            raise UsageError(
                f"{name} cannot be asked of a server; take chat, pp512+tg128, chatx4 or chat@r0.5"
            )
        if parse_workload(name).needs_server:
            raise UsageError(
                f"{name} is asked of a server: add --endpoint URL; in one process there is tg128x4"
            )
    for model in models:
        if isinstance(model, ServedModel):
            _refuse(impossible_for_server(chosen, model))


def require_writing(model: ModelFile, what: str) -> None:
    """
    Nothing, if the model writes one token after the other.

    Args:
        model: Its header.
        what: What is asked for, which no other model has: "a perplexity".

    Raises:
        UsageError: It does not.
    """
    if model.kind != "generates":
        text = MODEL_KINDS[model.kind].text
        raise UsageError(f"{model.key} is {text}: it does not have {what}; leave it away")


def _refuse(reasons: Iterable[str]) -> None:
    for why in reasons:
        raise UsageError(why)

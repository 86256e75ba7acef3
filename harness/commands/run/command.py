"""`harness run`: measure models on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.draft_options import draft_options, refuse_drafts
from harness.commandline.endpoint_options import (
    endpoint_options,
    load_options,
    load_search,
    loaded,
    references,
    refuse_of_engine,
)
from harness.commandline.measuring_options import measuring_options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commandline.rpc_options import rpc_option
from harness.commandline.serving_options import chosen_server, serving_options
from harness.commandline.streaming import Streaming, streaming_options
from harness.commands.run.resume import (
    models_of,
    refuse_contradictions,
    unfinished,
    was_also_served,
)
from harness.errors import UsageError
from harness.measure.drafts import draft_keys, find_drafts, require_drafting, usual_workloads_with
from harness.measure.lock import machine_held
from harness.measure.resume import resume
from harness.measure.session import MeasureRequest, SessionResult, prepare
from harness.measure.subjects import find_subjects
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.records.store import StoredExperiment
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress
from harness.report.run_line import goes_on_as, to_go_on
from harness.schema.model import ModelFile
from harness.schema.request import ServiceLevel
from harness.serving.program import ServerProgram


@click.command(
    "run",
    epilog=options.examples(
        "harness run",
        "harness run smollm2-135m model.gguf --threads 1,2 --budget 2m",
        "harness run --endpoint http://127.0.0.1:11434 --model qwen3:8b",
        "harness run --endpoint http://127.0.0.1:8080 --rate auto --slo ttft=2s",
        "harness run smollm2-135m --also-served",
        "harness run qwen2.5-7b --draft ngram,qwen2.5-0.5b --draft-max 2,4",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1)
@click.option(
    "--resume",
    "interrupted",
    type=options.EXPERIMENT,
    metavar="EXPERIMENT",
    help="Go on with an interrupted experiment: `latest`, an id or a path. MODELS are needed only "
    "for files that are not found by their names.",
)
@endpoint_options
@load_options
@serving_options
@draft_options
@measuring_options
@streaming_options
@rpc_option
@options.verbose_option
@output_options
@html_options
@explain_option
@click.pass_context
def command(
    context: click.Context,
    /,
    models: tuple[str, ...],
    interrupted: str | None,
    endpoints: tuple[str, ...],
    names: tuple[str, ...],
    key_variable: str | None,
    n_users: tuple[int, ...],
    rates: tuple[float, ...],
    slo: ServiceLevel | None,
    also_served: bool,
    server_binary: Path | None,
    draft: tuple[str, ...],
    draft_max: tuple[int, ...],
    catalogs: tuple[Path, ...],
    request: MeasureRequest,
    streaming: Streaming,
    is_full: bool,
    output: Output,
) -> int:
    """
    Measure MODELS on this machine: tokens per second, latency, memory.

    A model is a name of `harness models` ("smollm2-135m", "smollm2-135m:Q4_1"), the path of a
    GGUF file, or what a server has loaded (--endpoint). Without one, the default model is fetched
    and measured. Options that take lists are swept: --threads 1,2 measures both, interleaved.
    """
    observer = streaming.observer(output)
    catalog = load_catalog(catalogs)
    models = tuple(references(models, endpoints, names))
    if interrupted is None:
        refuse_of_engine(models, options.typed(context))
    search = load_search(n_users, rates)
    if search is None and (n_users or rates):
        what = request.workloads or (("chat",) if endpoints else ("tg128",))
        request = replace(request, workloads=loaded(what, n_users, rates))
    request = replace(request, key_variable=key_variable, slo=slo, search=search)
    refuse_drafts(draft, models, options.typed(context), also_served=also_served)
    if draft:
        workloads = request.workloads or usual_workloads_with(draft_max)
        request = replace(request, workloads=workloads, drafts=draft, draft_max=draft_max)
    if interrupted is None:
        server = chosen_server(server_binary, also_served=also_served)
        request = replace(request, also_served=server)
        is_slo_typed = "slo" in options.typed(context)
        measured = _measured(models, catalog, request, observer, output, is_slo_typed=is_slo_typed)
    else:
        stored = unfinished(request.results, interrupted)
        refuse_contradictions(stored, request, options.typed(context))
        server = chosen_server(server_binary, also_served=was_also_served(stored))
        measured = _resumed(stored, models, catalog, request, observer, output, server)
    exit_code = streaming.show(measured, output, is_full=is_full)
    if measured.result.is_interrupted:
        output.tell(to_go_on(measured.experiment, key_variable))
    return exit_code


def _measured(
    models: tuple[str, ...],
    catalog: Catalog,
    request: MeasureRequest,
    observer: Progress,
    output: Output,
    *,
    is_slo_typed: bool,
) -> SessionResult:
    """A plan of its own, from its first Run on."""
    with Fetching(output.console) as fetching:
        what = models or (catalog.models[0].name,)
        found = find_subjects(what, catalog, fetching.report, request.key_variable)
        drafts = find_drafts(request.drafts, catalog, fetching.report)
    if request.drafts:
        request = replace(request, drafts=draft_keys(request.drafts, drafts))
        require_drafting(found, drafts, request.workloads)
    is_served = request.also_served or any(model.served for model in found.models)
    if is_slo_typed and not (is_served or request.search):
        raise UsageError("--slo is for what a server answers: add --endpoint URL, or leave it away")
    files = [model for model in drafts.models if isinstance(model, ModelFile)]
    session = prepare(request, found.models, found.paths, files)
    with machine_held(found.title, request.wait_ns, output.tell):
        return session.measure({**drafts.paths, **found.paths}, observer)


def _resumed(
    stored: StoredExperiment,
    models: tuple[str, ...],
    catalog: Catalog,
    request: MeasureRequest,
    observer: Progress,
    output: Output,
    server: ServerProgram | None,
) -> SessionResult:
    """What is left of an earlier plan."""
    if told := goes_on_as(stored.experiment):
        output.tell(told)
    with Fetching(output.console) as fetching:
        found = models_of(stored, models, catalog, fetching.report, request.key_variable)
    with machine_held(found.title, request.wait_ns, output.tell):
        return resume(
            stored.path,
            found,
            observer,
            request.silence_ns,
            server,
            request.key_variable,
        )

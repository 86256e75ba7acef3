"""`harness run`: measure models on this machine."""

from __future__ import annotations

import click

from harness.commandline import options
from harness.commandline.draft_options import refuse_drafts
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commandline.rpc_options import rpc_option
from harness.commandline.run_words import RunWords, find_words, require_plain, run_words
from harness.commandline.serving_options import chosen_server
from harness.commandline.streaming import Streaming, streaming_options
from harness.commands.run.resume import (
    models_of,
    refuse_contradictions,
    unfinished,
    was_also_served,
)
from harness.measure.lock import machine_held
from harness.measure.resume import resume
from harness.measure.session import SessionResult
from harness.models.catalog.catalog import Catalog
from harness.records.rescue import require_writable
from harness.records.store import StoredExperiment
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress
from harness.report.run_line import goes_on_as, to_go_on


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
@click.option(
    "--resume",
    "interrupted",
    type=options.EXPERIMENT,
    metavar="EXPERIMENT",
    help="Go on with an interrupted experiment: `latest`, an id or a path. MODELS are needed only "
    "for files that are not found by their names.",
)
@run_words
@streaming_options
@rpc_option
@options.verbose_option
@output_options
@html_options
@explain_option
def command(
    interrupted: str | None,
    words: RunWords,
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
    catalog = words.catalog()
    if interrupted is None:
        require_plain(words)
        measured = _measured(words, catalog, observer, output)
    else:
        refuse_drafts(
            words.request.drafts, words.models, words.typed, also_served=words.also_served
        )
        stored = unfinished(words.request.results, interrupted)
        refuse_contradictions(stored, words.request, words.typed)
        measured = _resumed(stored, words, catalog, observer, output)
    exit_code = streaming.show(measured, output, is_full=is_full)
    if measured.result.is_interrupted:
        output.tell(to_go_on(measured.experiment, words.request.key_variable))
    return exit_code


def _measured(
    words: RunWords, catalog: Catalog, observer: Progress, output: Output
) -> SessionResult:
    """A plan of its own, from its first Run on."""
    require_writable(words.request.results)
    with Fetching(output.console) as fetching:
        found = find_words(words, catalog, fetching.report)
    session = found.session()
    with machine_held(found.title, words.request.wait_ns, output.tell):
        return session.measure(found.paths, observer)


def _resumed(
    stored: StoredExperiment,
    words: RunWords,
    catalog: Catalog,
    observer: Progress,
    output: Output,
) -> SessionResult:
    """What is left of an earlier plan."""
    request = words.request
    server = chosen_server(words.server_binary, also_served=was_also_served(stored))
    if told := goes_on_as(stored.experiment):
        output.tell(told)
    with Fetching(output.console) as fetching:
        found = models_of(stored, words.models, catalog, fetching.report, request.key_variable)
    with machine_held(found.title, request.wait_ns, output.tell):
        return resume(
            stored.path,
            found,
            observer,
            request.silence_ns,
            server,
            request.key_variable,
        )

"""`harness frontier`: the quantizations of a model on one page, and which to take here."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.measuring_options import MEASURING, measuring_options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commandline.places import FOLDER_THERE
from harness.commandline.rpc_options import RPC, rpc_option
from harness.commands.frontier.candidates import candidates
from harness.commands.frontier.document import document
from harness.commands.frontier.frontier import frontier
from harness.commands.frontier.measure import measure_missing
from harness.commands.frontier.page import page
from harness.errors import ExitCode
from harness.machine.probe import probe_machine
from harness.measure.lock import machine_held
from harness.measure.rpc import asked_servers, machine_with
from harness.measure.session import MeasureRequest
from harness.models.catalog.catalog import load_catalog
from harness.records.rescue import require_writable
from harness.report.frontier_page import frontier_picture
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress
from harness.report.progress.scoring import QualityProgress
from harness.report.trimmed import trimmed


@click.command(
    "frontier",
    epilog=options.examples(
        "harness frontier smollm2-135m",
        "harness frontier smollm2-135m --measure --budget 2m",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1, required=True)
@click.option(
    "--measure",
    "is_measuring",
    is_flag=True,
    help="First measure the speeds and the distances that are missing.",
)
@click.option(
    "--chunks",
    "n_chunks",
    type=click.IntRange(0),
    default=32,
    show_default=True,
    help="With --measure: chunks of text for the distance, as for `quality`; 0 is none.",
)
@click.option(
    "--dir",
    "directory",
    type=FOLDER_THERE,
    help="Where `harness quantize --dir` put its files. Default: the harness's cache folder.",
)
@rpc_option
@partial(measuring_options, in_turns="auto")
@output_options
@html_options
@explain_option
@click.pass_context
def command(
    context: click.Context,
    /,
    models: tuple[str, ...],
    is_measuring: bool,
    n_chunks: int,
    directory: Path | None,
    catalogs: tuple[Path, ...],
    request: MeasureRequest,
    output: Output,
) -> int:
    """
    Set the quantizations of MODELS side by side: size, memory, speed, distance from the original.

    A name without a quantization means every variant of it on this disk, with those that
    `harness quantize` made. Figures are read from what is stored; with --measure what is missing is
    measured first: speeds in rounds that all of them share, then the distance of each from the
    most precise one. Begins with which one to take on this machine, or "inconclusive". With --rpc
    the machine is this one together with those servers; distances are measured here all the same.
    """
    if not is_measuring:
        why = "is for measuring; add --measure, or leave it away"
        options.refuse_unused(options.typed(context), {*MEASURING, "n_chunks"} - {RPC}, why)
    else:
        require_writable(request.results)
    servers = asked_servers(request.settings, request.in_turns == "always", False)
    machine = machine_with(probe_machine(), servers)
    with Fetching(output.console) as fetching:
        found = candidates(models, directory, load_catalog(catalogs), fetching.report)

    def begin(what: str, n_models: int) -> None:
        output.tell(f"{what}: {options.budget_text(n_models, request.budget_ns)}.")

    code: int = ExitCode.DONE
    if is_measuring:
        names = ", ".join(candidate.name for candidate in found)
        with machine_held(f"the frontier of {names}", request.wait_ns, output.tell):
            progress = Progress(output.console), QualityProgress(output.console)
            code = measure_missing(found, machine, n_chunks, request, *progress, begin)
    result = frontier(", ".join(models), found, request.results, machine)
    return output.show(
        page(result),
        document(result),
        code,
        title=f"Quantizations of {result.model}",
        pictures=trimmed((frontier_picture(result.frontier.options, result.dominated),)),
    )

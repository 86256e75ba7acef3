"""`harness fit`: will it run here, with how much memory at which context, and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.engine_options import engine_lists, engine_values
from harness.commandline.output import (
    ANSWERING,
    Output,
    explain_option,
    html_options,
    output_options,
)
from harness.commandline.rpc_options import RPC, rpc_option
from harness.commands.fit.audit import audit
from harness.commands.fit.document import audit_document, document
from harness.commands.fit.fit import FitRequest, fit
from harness.commands.fit.page import audit_page, hint, page
from harness.commands.fit.picture import pictures
from harness.errors import UsageError
from harness.measure.possible import require_possible
from harness.models.catalog.catalog import load_catalog
from harness.report.page import notes
from harness.report.progress.fetching import Fetching
from harness.report.progress.planning import Planning


@click.command(
    "fit",
    epilog=options.examples(
        "harness fit gpt-oss-20b",
        "harness fit qwen3-4b:Q4_K_M --ctx 4096,32768 --cache-type-k q8_0",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1)
@click.option(
    "--all", "is_all", is_flag=True, help="Every entry of the catalogue with a shape; offline."
)
@click.option("--audit", "is_audit", is_flag=True, help="How wrong stored predictions were.")
@click.option("--offline", is_flag=True, help="Ask no hub: what is here, and the shapes.")
@click.option(
    "-c",
    "--ctx",
    "lengths",
    type=options.COUNTS,
    default=(),
    show_default="4096,8192,32768,131072, up to what the model was trained for",
    help="Contexts to plan.",
)
@engine_lists("type_k", "type_v")
@engine_values("n_ubatch", "n_gpu_layers", "n_cpu_moe", "tensor_split", "flash_attn", "load_mode")
@rpc_option
@options.catalog_option
@options.results_option
@output_options
@html_options
@explain_option
@click.pass_context
def command(
    context: click.Context,
    /,
    models: tuple[str, ...],
    is_all: bool,
    is_audit: bool,
    offline: bool,
    lengths: tuple[int, ...],
    type_k: tuple[str, ...],
    type_v: tuple[str, ...],
    settings: Mapping[str, object],
    rpc: tuple[str, ...],
    catalogs: tuple[Path, ...],
    results: Path,
    output: Output,
) -> int:
    """
    Tell whether MODELS will run here, before any download.

    Memory comes from the engine's own planner, which needs the header of the file only: of the
    file here, or a few megabytes from the hub, or made from the catalogue's shape. Speed comes
    from `harness machine --calibrate`, or from the machine's class.
    """
    if is_audit:
        typed = options.typed(context)
        unused = set(typed) - {"is_audit", "results"} - ANSWERING
        options.refuse_unused(
            typed, unused, "has no effect on --audit, which reads what is stored; leave it away"
        )
        return _show_audit(results, output)
    if bool(models) == is_all:
        raise UsageError("name models, as `harness run` takes them, or pass --all alone")
    settings = {**settings, RPC: rpc} if rpc else settings
    lists = {field: (value,) for field, value in settings.items()}
    require_possible({**lists, "type_k": type_k, "type_v": type_v})
    types = tuple(product(type_k, type_v))
    request = FitRequest(models, not offline, lengths, types, settings, results)
    with Fetching(output.console) as fetching, Planning(output.console) as planning:
        result = fit(request, load_catalog(catalogs), fetching.report, planning.report)
    for note in result.notes:
        output.warn(note)
    return output.show(
        page(result),
        document(result),
        result.exit_code,
        hint=hint(result),
        title=f"Will it run here: {', '.join(models) or 'the catalogue'}",
        html_page=(*page(result, pictures(result)), *hint(result)) if output.html else None,
    )


def _show_audit(results: Path, output: Output) -> int:
    found = audit(results)
    return output.show(
        audit_page(found),
        audit_document(found),
        found.exit_code,
        aside=notes([*found.problems]),
        title="How wrong stored predictions were",
    )

"""`harness frontier`: the quantizations of a model on one page, and which to take here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from harness.analysis.sides import Side
from harness.commandline.measuring_options import measuring_options
from harness.commandline.output import Output, output_options
from harness.commands.frontier.advice import advise
from harness.commands.frontier.candidates import Candidate, candidates
from harness.commands.frontier.criteria import CRITERIA
from harness.commands.frontier.dominance import Frontier, Option
from harness.commands.frontier.figures import (
    SpeedFigures,
    speed_figures,
    speed_pairs,
    speed_workloads,
)
from harness.commands.frontier.measured_quality import measured_quality
from harness.commands.frontier.page import FrontierPage, page_document, page_flat, page_text
from harness.commands.frontier.qualities import QualityPage, quality_page
from harness.commands.frontier.score import score_missing
from harness.commands.frontier.stored import stored_speeds
from harness.errors import ExitCode
from harness.machine.probe import probe_machine
from harness.measure.lock import machine_held
from harness.measure.session import MeasureRequest, prepare
from harness.models.catalog.catalog import load_catalog
from harness.models.precision import is_quantized
from harness.records.quality import list_qualities
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress
from harness.schema.figure import Figure, exact
from harness.schema.settings import settings_text


@click.command("frontier")
@click.argument("models", nargs=-1, required=True)
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
    type=click.Path(file_okay=False, path_type=Path),
    help="Where `harness quantize --dir` put its files. Default: the harness's cache folder.",
)
@measuring_options
@output_options
def command(
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
    most precise one. Ends with which one to take on this machine, or "cannot tell".
    """
    with Fetching(output.console) as fetching:
        found = candidates(models, directory, load_catalog(catalogs), fetching)
    code: int = ExitCode.DONE
    if is_measuring:
        names = ", ".join(candidate.name for candidate in found)
        with machine_held(f"the frontier of {names}", request.wait_ns, output.tell):
            code = _measure_speeds(found, request, output.console)
            if n_chunks and code != ExitCode.INTERRUPTED:
                code = score_missing(found, n_chunks, request, output.console) or code
    page = _page(", ".join(models), found, request.results)
    _show(page, output.format)
    return code


def _measure_speeds(found: Sequence[Candidate], request: MeasureRequest, console: Console) -> int:
    """The speeds, if not all are stored: of all files, so that every two have common rounds."""
    stored = stored_speeds(found, request.results, probe_machine().id)
    if len(stored.sides) == len(found) and not stored.cut_short:
        return ExitCode.DONE
    paths = {candidate.file.key: candidate.path for candidate in found}
    session = prepare(request, [candidate.file for candidate in found])
    return session.measure(paths, Progress(console)).exit_code


def _page(model: str, found: Sequence[Candidate], results: Path) -> FrontierPage:
    sides = stored_speeds(found, results, probe_machine().id).sides
    workloads = speed_workloads(sides.values())
    speeds = {name: speed_figures(side, workloads) for name, side in sides.items()}
    measured = [measured_quality(it.record) for it in list_qualities(results) if it.record]
    quality = quality_page(
        {it.file.sha256: it.name for it in found if it.file.sha256},
        [each for each in measured if each],
    )
    options = tuple(_option(candidate, speeds.get(candidate.name), quality) for candidate in found)
    frontier = Frontier(options, speed_pairs(sides, workloads))
    return FrontierPage(
        model=model,
        frontier=frontier,
        advice=advise(frontier),
        head=tuple(_head(model, sides, speeds, quality)),
        notes=tuple(_notes(found, quality)),
        requantized={it.name: it.requantized_from for it in found if it.requantized_from},
        reference=quality.reference,
        paths={it.name: str(it.path) for it in found},
    )


def _option(candidate: Candidate, speed: SpeedFigures | None, quality: QualityPage) -> Option:
    figures: dict[str, Figure] = {"bytes": exact(candidate.file.n_bytes, CRITERIA["bytes"].unit)}
    figures |= speed.figures if speed else {}
    figures |= quality.figures.get(candidate.name, {})
    return Option(candidate.name, figures, speed.obstacle if speed else None)


def _head(
    model: str,
    sides: Mapping[str, Side],
    speeds: Mapping[str, SpeedFigures],
    quality: QualityPage,
) -> list[str]:
    """Under which conditions the figures were taken."""
    lines = [model]
    if sides:
        side = next(iter(sides.values()))
        engine = side.experiment.provenance.engine
        runs = [speed.n_runs for speed in speeds.values()]
        n = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        experiments = {it.experiment.id for it in sides.values()}
        together = "in common rounds" if len(experiments) == 1 else "not all side by side"
        lines.append(
            f"Speeds: {settings_text(side.settings)}, {engine.binding} {engine.binding_version}, "
            f"{n} Runs each, {together}."
        )
    if quality.reference:
        lines.append(
            f"Quality: distance from {quality.reference} on the same text "
            f"({', '.join(quality.alike)})."
        )
    return lines


def _notes(found: Sequence[Candidate], quality: QualityPage) -> list[str]:
    """What else to know of the qualities."""
    reference = next((it for it in found if it.name == quality.reference), None)
    if reference is None or not is_quantized(reference.file.tensor_bytes):
        return []
    return [
        f"{reference.name}, which the others are compared with, is quantized itself: what was lost "
        "before it does not show."
    ]


def _show(page: FrontierPage, table_format: str) -> None:
    if table_format == "json":
        click.echo(json.dumps(page_document(page), indent=2))
    elif table_format in ("csv", "tsv"):
        stream = io.StringIO()
        delimiter = "," if table_format == "csv" else "\t"
        csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(page_flat(page))
        click.echo(stream.getvalue(), nl=False)
    else:
        click.echo(page_text(page, "github" if table_format == "github" else "plain"))

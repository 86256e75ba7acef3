"""`harness quantize`: other quantizations of a model, made here by the engine's own quantizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from harness.commandline import options
from harness.commands.quantize.page import Made, made_document, made_text
from harness.commands.quantize.quantize import Rung, plan_rungs, write_rung
from harness.errors import ExitCode, HarnessError
from harness.files import OnProgress, require_space
from harness.machine.probe import probe_machine
from harness.measure.session import undisturbed
from harness.models.catalog.catalog import load_catalog
from harness.models.gguf.tensor_types import FILE_TYPES
from harness.models.quantizations import LadderSource, is_made_from, ladder_folder, ladder_source
from harness.report import terminal
from harness.report.progress.fetching import Fetching

_DEFAULT = "Q8_0,Q5_K_M,Q4_K_M,Q4_0,Q3_K_M,Q2_K"
# tensor_requires_imatrix of llama-quant.cpp: types it does not make without an importance matrix,
# or mixes that hold one of those.
_NEED_IMATRIX = (
    "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S",
)  # fmt: skip
# llama_ftype_get_default_type knows no default for it.
_CANNOT_BE_MADE = ("NVFP4",)
_TYPES = tuple(
    name for name in FILE_TYPES.values() if name not in (*_NEED_IMATRIX, *_CANNOT_BE_MADE)
)


def _file_type(text: str) -> str:
    name = text.upper()
    if name in _NEED_IMATRIX:
        raise ValueError(
            f"{name} needs an importance matrix: statistics of the model at work, which this "
            "command does not gather, and without which so few bits give garbage; fetch a file "
            "of it instead"
        )
    if name not in _TYPES:
        raise ValueError(f"{text!r} is no type to quantize to; known: {', '.join(_TYPES)}")
    return name


@click.command("quantize")
@click.argument("model")
@click.option(
    "--to",
    "file_types",
    type=options.Listed("list", _file_type),
    default=_DEFAULT,
    show_default=True,
    help="What to make, in this order.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go. Default: the ladder of the model in the harness's cache folder.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--list", "is_list", is_flag=True, help="Only show what would be made, how large.")
@click.option("-t", "--threads", "n_threads", type=click.IntRange(1), help="Default: all cores.")
@click.option(
    "--wait", type=options.DURATION, default=None, help="Wait for a running measurement to end."
)
@options.catalog_option
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    model: str,
    file_types: tuple[str, ...],
    directory: Path | None,
    force: bool,
    is_list: bool,
    n_threads: int | None,
    catalogs: tuple[Path, ...],
    as_json: bool,
    **given: Any,
) -> int:
    """
    Make other quantizations of MODEL: a ladder, to be compared by `harness frontier MODEL`.

    They are made from the most precise file of the model on this disk; a name with a
    quantization, or a path, means just that file. Files that are there are kept.
    """
    console = terminal.console(is_quiet=given["quiet"])
    fetching = Fetching(console)
    try:
        source = ladder_source(model, fetching.report, load_catalog(catalogs))
        fetching.done()
        folder = directory or ladder_folder(source.ladder)
        rungs = plan_rungs(source, file_types, folder)
        for warning in warnings(source, rungs):
            terminal.warn(console, warning)
        if is_list:
            made = [Made(rung, "refused" if rung.refusal else "planned") for rung in rungs]
        else:
            with undisturbed(f"quantizing {source.local.key}", given, console.print):
                made = _make(source, rungs, folder, force, n_threads, fetching.report, console)
    finally:
        fetching.done()
    if as_json:
        click.echo(json.dumps(made_document(source, folder, made), indent=2))
    else:
        click.echo(made_text(source, made))
    return ExitCode.ERROR if any(each.is_failure for each in made) else ExitCode.DONE


def warnings(source: LadderSource, rungs: Sequence[Rung]) -> list[str]:
    """What is to be known of files that are made from a quantized source."""
    if not source.is_quantized:
        return []
    key = source.local.key
    found = [
        f"{key} is itself quantized: the errors of both quantizations add up, so none of these "
        "files is what its publisher's of that type would be"
    ]
    if source.better_keys:
        found[0] += f"; better: `harness pull {source.better_keys[0]}` first"
    larger = [
        rung.file_type
        for rung in rungs
        if rung.bits_per_weight > source.bits_per_weight and rung.file_type != source.quantization
    ]
    if larger:
        found.append(f"{', '.join(larger)}: larger than {key}, and no more precise than it is")
    return found


def _make(
    source: LadderSource,
    rungs: Sequence[Rung],
    folder: Path,
    force: bool,
    n_threads: int | None,
    report: OnProgress,
    console: Console,
) -> list[Made]:
    """Every rung in its order; one that fails does not keep the others from being made."""
    first = {rung.file_type: _before(source, rung, force) for rung in rungs}
    wanted = [rung for rung in rungs if first[rung.file_type] is None]
    if wanted:
        _make_room(folder, sum(rung.n_bytes for rung in wanted))
    n_threads = n_threads or probe_machine().n_cores_usable
    made = []
    for rung in rungs:
        result = first[rung.file_type]
        if result is None:
            try:
                write_rung(source, rung, n_threads, report)
                result = Made(rung, "written")
            except HarnessError as error:
                result = Made(rung, "failed", str(error))
                terminal.warn(console, str(error))
        made.append(result)
    return made


def _before(source: LadderSource, rung: Rung, force: bool) -> Made | None:
    """What is known of a rung before any work: None if it has to be made."""
    if rung.refusal:
        return Made(rung, "refused", rung.refusal)
    if rung.file_type == source.quantization:
        return Made(rung, "source", f"{source.local.key} is that already")
    if force or not rung.path.exists():
        return None
    if is_made_from(rung.path, source, rung.n_bytes):
        return Made(rung, "kept")
    return Made(rung, "failed", f"{rung.path} is another file; --force replaces it")


def _make_room(folder: Path, n_bytes: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(
            f"{folder} cannot be made ({error.strerror}); choose another folder with --dir"
        ) from error
    require_space(folder, n_bytes, "this ladder", variable="--dir")

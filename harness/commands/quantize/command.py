"""`harness quantize`: other quantizations of a model, made here by the engine's own quantizer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commandline.places import FOLDER
from harness.commands.quantize.document import document
from harness.commands.quantize.page import hint, page
from harness.commands.quantize.quantize import QuantizeRequest, quantize
from harness.errors import ExitCode
from harness.measure.lock import machine_held
from harness.models.catalog.catalog import load_catalog
from harness.models.gguf.tensor_types import FILE_TYPES
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


@click.command(
    "quantize",
    epilog=options.examples(
        "harness quantize smollm2-135m --list",
        "harness quantize smollm2-135m --to Q8_0,Q4_K_M",
    ),
)
@click.argument("model", type=options.MODEL)
@click.option(
    "--to",
    "file_types",
    type=options.Listed("list", _file_type, dict.fromkeys(_TYPES, "")),
    default=_DEFAULT,
    show_default=True,
    help="What to make, in this order.",
)
@click.option(
    "--dir",
    "directory",
    type=FOLDER,
    help="Where the files go. Default: a folder of the model's own in the harness's cache.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--list", "is_list", is_flag=True, help="Only show what would be made, how large.")
@click.option("-t", "--threads", "n_threads", type=click.IntRange(1), help="Default: all cores.")
@click.option(
    "--wait", type=options.DURATION, default=None, help="Wait for a running measurement to end."
)
@options.catalog_option
@output_options
@click.pass_context
def command(
    context: click.Context,
    /,
    model: str,
    file_types: tuple[str, ...],
    directory: Path | None,
    force: bool,
    is_list: bool,
    n_threads: int | None,
    wait: int | None,
    catalogs: tuple[Path, ...],
    output: Output,
) -> int:
    """
    Make other quantizations of MODEL, to be compared by `harness frontier MODEL`.

    They are made from the most precise file of the model on this disk; a name with a
    quantization, or a path, means just that file. Files that are there are kept.
    """
    if is_list:
        why = "is for making files, and --list makes none; leave it away"
        options.refuse_unused(options.typed(context), ("n_threads", "wait"), why)
    request = QuantizeRequest(model, file_types, directory, force, is_list, n_threads)
    held = partial(machine_held, wait_ns=wait or 0, on_wait=output.tell)
    with Fetching(output.console) as fetching:
        result = quantize(
            request, load_catalog(catalogs), fetching.report, output.warn, output.tell, held
        )
    return output.show(
        page(result),
        document(result),
        ExitCode.DONE if result.is_well else ExitCode.ERROR,
        hint=hint(result),
    )

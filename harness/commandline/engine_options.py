"""The options of commands that measure: what, how often, with which settings of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from harness.commandline import options
from harness.schema.workload import FORMS

_OPTIONS = (
    click.option(
        "-w",
        "--workload",
        "workloads",
        type=options.WORKLOADS,
        default="pp512,tg128,chat",
        show_default=True,
        help=f"What to measure: {FORMS}.",
    ),
    click.option(
        "--runs",
        type=click.IntRange(1, 1000),
        default=12,
        show_default=True,
        help="Most Runs a case.",
    ),
    click.option(
        "--trials",
        type=click.IntRange(1, 1000),
        default=3,
        show_default=True,
        help="Clean repetitions of each workload in a Run.",
    ),
    click.option(
        "--budget",
        type=options.DURATION,
        default="5m",
        show_default=True,
        help="Time for each model; one Run is always finished.",
    ),
    click.option(
        "-t",
        "--threads",
        "n_threads",
        type=options.COUNTS,
        help="Threads of the engine. Default: the cores of the fastest kind.",
    ),
    click.option("-b", "--batch-size", "n_batch", type=options.COUNTS, default="2048"),
    click.option("-ub", "--ubatch-size", "n_ubatch", type=options.COUNTS, default="512"),
    click.option(
        "-c",
        "--ctx",
        "n_ctx",
        type=options.COUNTS,
        help="Context positions. Default: just what each workload needs, as llama-bench does.",
    ),
    click.option(
        "-ngl",
        "--gpu-layers",
        "n_gpu_layers",
        type=options.Listed("list", options.whole_number(-1)),
        default="-1",
        help="Layers on the GPU; -1 is all.",
    ),
    click.option(
        "-ncmoe",
        "--cpu-moe",
        "n_cpu_moe",
        type=options.Listed("list", options.whole_number(0)),
        default="0",
        help="Keep the experts of the first N layers in system memory.",
    ),
    click.option(
        "-dev",
        "--device",
        "devices",
        type=options.Listed("list", options.devices),
        help="Devices to use, joined by a slash; see `harness machine`. Default: all.",
    ),
    click.option(
        "-sm",
        "--split-mode",
        "split_mode",
        type=options.Listed("list", options.one_of("none", "layer", "row", "tensor")),
        default="layer",
        help="How a model is split over several GPUs.",
    ),
    click.option(
        "-mg",
        "--main-gpu",
        "main_gpu",
        type=options.Listed("list", options.whole_number(0)),
        default="0",
    ),
    click.option(
        "-ts",
        "--tensor-split",
        "tensor_split",
        type=options.Listed("list", options.shares),
        help="Share of each GPU, joined by a slash: 3/1.",
    ),
    click.option(
        "-fa",
        "--flash-attn",
        "flash_attn",
        type=options.Listed("list", options.one_of("auto", "on", "off")),
        default="auto",
    ),
    click.option("-ctk", "--cache-type-k", "type_k", type=options.CACHE, default="f16"),
    click.option("-ctv", "--cache-type-v", "type_v", type=options.CACHE, default="f16"),
    click.option(
        "--load-mode",
        "load_mode",
        type=options.Listed("list", options.one_of(*options.LOAD_MODES)),
        default="auto",
        help="How weights come into memory; `none` needs the least of it.",
    ),
    click.option(
        "--repack",
        "repack",
        type=options.Listed("list", options.on_off),
        default="on",
        help="Rearrange weights for this CPU while loading.",
    ),
    click.option(
        "--seed", type=click.IntRange(0, 2**31 - 1), help="Repeat an order and its tokens."
    ),
    click.option(
        "--cold-loads",
        type=click.IntRange(0, 1000),
        default=1,
        show_default=True,
        help="Load from the disk, not from the page cache, in the first N rounds.",
    ),
    click.option(
        "--timeout",
        type=options.DURATION,
        default="20m",
        show_default=True,
        help="End a worker that is silent for so long; a trial is one event.",
    ),
    click.option(
        "--wait", type=options.DURATION, default=None, help="Wait for another measurement to end."
    ),
    options.catalog_option,
    options.results_option,
    click.option(
        "--format",
        "table_format",
        type=click.Choice(options.FORMATS),
        default="plain",
        show_default=True,
    ),
    options.json_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
)


_PRECISION = click.option(
    "--precision",
    type=options.RATIO,
    default="2%",
    show_default=True,
    help="Stop when the interval is this narrow to either side, from 6 Runs on.",
)


def measuring_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, under the names that measure/session.py and Settings have for them."""
    return _PRECISION(comparing_options(function))


def comparing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Those that are left where a question decides when to stop, and not a precision."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
